"""Stochastic gradient descent with momentum, as Caffe does it (sgd_solver.cpp), and clipping of the gradient's norm.

For every parameter w with gradient g:

    V <- momentum V + lr lr_mult (g / iter_size + weight_decay decay_mult w)
    w <- w - V

The learning rate is inside V. PyTorch keeps it outside (w <- w - lr V): the same as long as lr never changes, but when
it falls from one step to the next, Caffe's V still carries the older, larger steps.
"""

from __future__ import annotations

import numpy as np

from minifcn import parallel
from minifcn.backend import Array, to, to_numpy, xp_of
from minifcn.errors import CheckpointError, ConfigError, MinifcnError
from minifcn.kernels import cuda
from minifcn.layers import Param


class MomentumSGD:
    """Updates parameters in place; those with `lr_mult` 0 are fixed and have no velocity.

    `lr` may be set before any step. `iter_size` is the number of backward passes whose gradients a step finds summed.

    >>> w = Param(np.array([1.0]))
    >>> w.accumulate(np.array([0.5]))
    >>> sgd = MomentumSGD({"w": w}, lr=0.1, momentum=0.9, weight_decay=0.0)
    >>> sgd.step()
    >>> w.data
    array([0.95])
    """

    def __init__(
        self, params: dict[str, Param], lr: float, momentum: float = 0.9, weight_decay: float = 0.0, iter_size: int = 1
    ) -> None:
        for name, value, least in (
            ("lr", lr, 0), ("momentum", momentum, 0), ("weight_decay", weight_decay, 0), ("iter_size", iter_size, 1),
        ):  # fmt: skip
            if not value >= least:  # NaN is not
                raise ConfigError(f"MomentumSGD: expected {name} of at least {least}, got {value!r}")
        self.params = {name: param for name, param in params.items() if param.learns}
        self.lr = lr
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.iter_size = iter_size
        self.velocity = {name: xp_of(p.data).zeros_like(p.data) for name, p in self.params.items()}

    def step(self) -> None:
        """One update of every parameter that has a gradient."""
        for name, param in self.params.items():
            if param.grad is not None:
                self._update(param, self.velocity[name])

    def state_dict(self) -> dict[str, np.ndarray]:
        """The velocities by parameter name: NumPy copies."""
        return {name: np.array(to_numpy(v)) for name, v in self.velocity.items()}

    def load_state_dict(self, state: dict[str, np.ndarray]) -> None:
        """Takes velocities over, exactly those of these parameters; CheckpointError otherwise."""
        for name, v in self.velocity.items():
            if name not in state or state[name].shape != v.shape or state[name].dtype != v.dtype:
                came = f"{state[name].shape} {state[name].dtype}" if name in state else "none"
                raise CheckpointError(f"velocity of {name}: expected {v.shape} {v.dtype}, got {came}")
        if unknown := sorted(state.keys() - self.velocity.keys()):
            raise CheckpointError(f"velocity of {unknown[0]}: the net trains no parameter of that name")
        for name, v in self.velocity.items():
            v[...] = to(state[name], xp_of(v))

    def _update(self, param: Param, velocity: Array) -> None:
        xp = xp_of(param.data)
        # Python floats, whatever lr came as: a float64 scalar would lift a whole float32 expression (NEP 50).
        rate = float(self.lr) * param.lr_mult
        momentum, scale = float(self.momentum), rate / self.iter_size
        decay = rate * float(self.weight_decay) * param.decay_mult
        if cuda.serves(xp, param.data.dtype):
            cuda.sgd_update(param.data, param.grad, velocity, momentum, scale, decay)
            return

        def update(w: Array, g: Array, v: Array) -> None:
            term = parallel.workspace(xp, "optim.term", w.shape, w.dtype)
            v *= momentum
            v += xp.multiply(g, scale, out=term)
            if decay:
                v += xp.multiply(w, decay, out=term)
            w -= v

        parallel.elementwise(xp, update, param.data, param.grad, velocity)  # in parts that stay in the cache: one pass


def clip_gradients(params: dict[str, Param], max_norm: float) -> Array:
    """Scales the gradients of all that learns together, so that their common Euclidean norm is at most `max_norm`.

    Returns the norm before, a 0-d float64 array on the gradients' device: nothing waits for a GPU here.
    """
    gradients = [p.grad for p in params.values() if p.learns and p.grad is not None]
    if not gradients:
        raise MinifcnError("clip_gradients: no parameter that learns has a gradient; run backward first")
    xp = xp_of(*gradients)
    norm = xp.sqrt(sum(_sum_of_squares(g) for g in gradients))
    factor = max_norm / xp.maximum(norm, max_norm)  # never above 1, and no division by zero
    if xp is np and factor == 1:  # a GPU is not asked: it would have to be waited for
        return norm

    def shorten(part: Array) -> None:
        part *= factor.astype(part.dtype)

    for g in gradients:
        parallel.elementwise(xp, shorten, g)
    return norm


def _sum_of_squares(x: Array) -> Array:
    """In float64 (sums of 10^8 squares lose digits in float32), part by part (a float64 copy of fc6 takes 0.8 GB)."""
    xp = xp_of(x)
    if cuda.serves(xp, x.dtype):
        return cuda.sum_of_squares(x)
    flat = x.reshape(-1)

    def part(where: slice) -> Array:
        values = flat[where].astype(np.float64)
        return values @ values

    parts = parallel.split(flat.size, bytes_each=8, target=1 << (20 if xp is np else 27))
    return sum(parallel.run(xp, part, parts))  # in the parts' order, whatever the number of threads
