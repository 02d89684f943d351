"""A net as minifcn has it, cut down to what the assignments need: layers, handles, a forward pass.

Same names and contracts as minifcn's own `net.py` and `layers/base.py`. Its backward pass is yours: dag.py.
"""

from __future__ import annotations

from typing import NamedTuple


class Param:
    """A learnable array and its gradient, which is None until a backward pass has reached it.

    lr_mult and decay_mult multiply the learning rate and the weight decay; with lr_mult 0 it is fixed.
    """

    def __init__(self, data, lr_mult=1.0, decay_mult=1.0):
        self.data = data
        self.grad = None
        self.lr_mult = lr_mult
        self.decay_mult = decay_mult


class Layer:
    """A node of a net. A forward pass fills its cache; a backward pass empties it, so there is one for each.

    backward(dy) returns a tuple: a gradient for each input, or None for one that had no part in the output.
    """

    def __init__(self):
        self.params = {}
        self._cache = None

    def keep(self, cache):
        """Remember what the backward pass will need."""
        self._cache = (cache,)

    def take(self):
        """What was remembered, once."""
        if self._cache is None:
            raise RuntimeError(f"{type(self).__name__}: backward without a forward pass before it, or a second time")
        (cache,), self._cache = self._cache, None
        return cache

    def accumulate(self, **gradients):
        """Hands the gradients of the parameters to your `dag.accumulate`."""
        import dag

        for name, gradient in gradients.items():
            if name in self.params:
                dag.accumulate(self.params[name], gradient)


class Input(Layer):
    """Where a batch enters."""

    def forward(self, x):
        return x


class Node(NamedTuple):
    """A layer in a net. inputs: the numbers of the nodes that it reads, all smaller than its own."""

    name: str
    layer: Layer
    inputs: tuple[int, ...]


class Handle(NamedTuple):
    """What `input` and `add` return, and what later layers are fed with."""

    node: int
    name: str


class Net:
    """Layers in the order in which they are added, each fed by earlier ones."""

    def __init__(self):
        self.nodes: list[Node] = []
        self.blobs = {}
        self.diffs = {}

    def input(self, name, channels):
        """Add an entrance."""
        layer = Input()
        layer.channels = channels
        return self._append(name, layer, ())

    def add(self, name, layer, *inputs):
        """Add a layer that reads these handles."""
        return self._append(name, layer, tuple(handle.node for handle in inputs))

    def forward(self, *inputs):
        """The last layer's output. Every layer's is in `blobs` afterwards, by name."""
        feed, values = iter(inputs), []
        for node in self.nodes:
            xs = [values[i] for i in node.inputs] if node.inputs else [next(feed)]
            values.append(node.layer.forward(*xs))
        self.blobs = {node.name: y for node, y in zip(self.nodes, values, strict=True)}
        return values[-1]

    def backward(self, *dys):
        """Add the gradients of a loss to every parameter's, from its gradients at the outputs. Sets `diffs`."""
        import dag

        self.diffs = dag.backward(self.nodes, dys)

    def shapes(self, *inputs):
        """Name -> shape of its output, for inputs of these shapes; nothing is computed."""
        feed, found = iter(inputs), []
        for node in self.nodes:
            fed = [found[i] for i in node.inputs]
            try:
                found.append(node.layer.out_shape(*fed) if fed else tuple(next(feed)))
            except ValueError as error:
                raise ValueError(f"{node.name}: {error}") from error
        return {node.name: shape for node, shape in zip(self.nodes, found, strict=True)}

    def astype(self, dtype):
        """Change the parameters' dtype: float32 trains, float64 checks. Returns the net."""
        for param in self.params.values():
            param.data, param.grad = param.data.astype(dtype), None
        return self

    @property
    def layers(self):
        """Name -> layer."""
        return {node.name: node.layer for node in self.nodes}

    @property
    def params(self):
        """Name of layer and parameter, as in "conv1_1.weight" -> Param."""
        return {f"{node.name}.{key}": param for node in self.nodes for key, param in node.layer.params.items()}

    def _append(self, name, layer, inputs):
        if any(node.name == name for node in self.nodes):
            raise ValueError(f"{name}: this net has a layer of that name already")
        self.nodes.append(Node(name, layer, inputs))
        return Handle(len(self.nodes) - 1, name)
