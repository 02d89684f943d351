"""The scheduler: one code path for running and stepping, lifetimes, fan-outs, and errors that name the layer."""

import weakref

import numpy as np
import pytest

from minifcn import ops, parallel
from minifcn.errors import MinifcnError, ShapeError, WeightsError
from minifcn.layers import Add, Concat, Conv2d, ConvTranspose2d, Crop, Dropout, Layer, MaxPool2d, ReLU, Scale
from minifcn.net import Handle, Net


def filled(layer: Layer, rng: np.random.Generator) -> Layer:
    """`layer` with random parameters: at their initial zeros, most mistakes would not show."""
    for param in layer.params.values():
        param.data = rng.standard_normal(param.data.shape, dtype=np.float32)
    return layer


def skip_net(seed: int = 0) -> Net:
    """conv -> relu -> pool -> upsample -> crop, fused with a skip from the relu: a fan-out of two."""
    rng = np.random.default_rng(seed)
    net = Net()
    x = net.input("data", channels=2)
    h = net.add("conv", filled(Conv2d(2, 4, 3, padding=1), rng), x)
    r = net.add("relu", ReLU(), h)
    p = net.add("pool", MaxPool2d(2, ceil_mode=True), r)
    u = net.add("up", filled(ConvTranspose2d(4, 4, 4, stride=2), rng), p)
    c = net.add("upc", Crop(like=r), u)
    net.add("fuse", Add(), c, r)
    return net


@pytest.fixture
def batch() -> np.ndarray:
    return np.random.default_rng(1).standard_normal((2, 2, 7, 9), dtype=np.float32)


def test_stepping_and_running_give_the_same_bits(batch):
    ran, stepped = skip_net(), skip_net()
    y = ran.forward(batch)
    *_, last = stepped.steps(batch)
    assert last.name == "fuse"
    assert y.tobytes() == last.output.tobytes()

    dy = np.random.default_rng(2).standard_normal(y.shape, dtype=np.float32)
    ran.backward(dy)
    names = [step.name for step in stepped.back_steps(dy)]
    assert names == ["fuse", "upc", "up", "pool", "relu", "conv"]
    for key, param in ran.params.items():
        assert param.grad.tobytes() == stepped.params[key].grad.tobytes()


def test_a_fan_out_sums_its_gradients(batch):
    net = skip_net()
    y = net.forward(batch)
    dy = np.random.default_rng(3).standard_normal(y.shape, dtype=np.float32)
    net.backward(dy, keep=["relu", "pool"])
    one_way = net.layers["pool"]
    one_way.forward(net.forward(batch, keep=["relu"]) * 0 + net.blobs["relu"])
    through_pool = one_way.backward(net.diffs["pool"])[0]
    np.testing.assert_allclose(net.diffs["relu"], dy + through_pool, rtol=1e-6)


def test_an_activation_dies_after_its_last_reader(batch):
    net = skip_net()
    alive: dict[str, weakref.ref] = {}
    for step in net.steps(batch):
        alive[step.name] = weakref.ref(step.output)
        if step.name == "pool":
            del step
            assert alive["conv"]() is None, "only the ReLU read the convolution's output, and it does not keep it"
            assert alive["relu"]() is not None, "the skip still needs it"


def test_inference_keeps_nothing(batch):
    net = skip_net()
    refs = []
    with net.inference():
        for step in net.steps(batch):
            if step.output is not batch:  # the caller's own
                refs.append(weakref.ref(step.output))
        final = step.output
        del step
    assert [ref() is None for ref in refs] == [True] * (len(refs) - 1) + [False]
    assert final is refs[-1]()
    with pytest.raises(MinifcnError, match=r"backward without a forward pass"):
        net.backward(np.ones_like(final))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda y: y[:, :, 1:], r"fuse: expected dy of \(2, 4, 7, 9\) float32, got \(2, 4, 6, 9\)"),
        (lambda y: y.astype(np.float64), "float64"),
    ],
)
def test_a_wrong_dy_leaves_the_forward_pass_to_be_used(batch, wrong, message):
    net, other = skip_net(), skip_net()
    dy = np.ones_like(net.forward(batch))
    with pytest.raises(ShapeError, match=message):
        net.backward(wrong(dy))
    with pytest.raises(ShapeError, match="expected 1 gradients, for fuse; got 2"):
        net.backward(dy, dy)
    net.backward(dy)
    other.forward(batch)
    other.backward(dy)
    for key, param in net.params.items():
        assert param.grad.tobytes() == other.params[key].grad.tobytes()


def test_a_pass_that_was_left_halfway_cannot_be_followed_by_backward(batch):
    """Its caches and those of the pass before would be mixed, and the gradients wrong."""
    net, other = skip_net(), skip_net()
    dy = np.ones_like(net.forward(batch))
    for step in net.steps(2 * batch):
        if step.name == "pool":
            break
    with pytest.raises(MinifcnError, match="each complete forward pass"):
        net.backward(dy)
    for step in net.steps(batch):
        if step.name == "fuse":
            break  # the last layer: complete, although the loop was left
    for step in net.back_steps(dy):
        if step.name == "up":
            break
    with pytest.raises(MinifcnError, match="each complete forward pass"):
        net.backward(dy)

    for each in (net, other):
        each.zero_grads()
        each.forward(batch)
        each.backward(dy)
    for key, param in net.params.items():
        assert param.grad.tobytes() == other.params[key].grad.tobytes()


def test_input_gradient_only_on_request(batch):
    net = skip_net()
    dy = np.ones_like(net.forward(batch))
    net.backward(dy)
    with pytest.raises(MinifcnError, match=r"call net.backward\(..., keep=\['data'\]\)"):
        net.diffs["data"]
    net.forward(batch)
    net.backward(dy, keep=["data"])
    assert net.diffs["data"].shape == batch.shape
    assert np.abs(net.diffs["data"]).max() > 0


def test_what_is_frozen_gets_no_gradient_and_is_not_visited(batch):
    net = skip_net()
    for param in net.layers["conv"].params.values():
        param.lr_mult = 0.0
    dy = np.ones_like(net.forward(batch))
    visited = [step.name for step in net.back_steps(dy)]
    assert visited == ["fuse", "upc", "up"]  # nothing below `up` learns
    assert net.params["conv.weight"].grad is None
    assert net.params["up.weight"].grad is not None


def test_gradients_add_up_until_they_are_zeroed(batch):
    net = skip_net()
    dy = np.ones_like(net.forward(batch))
    net.backward(dy)
    once = net.params["conv.weight"].grad.copy()
    net.forward(batch)
    net.backward(dy)
    np.testing.assert_array_equal(net.params["conv.weight"].grad, once + once)
    net.zero_grads()
    assert net.params["conv.weight"].grad is None


def test_keep_all_and_unkept(batch):
    net = skip_net()
    net.forward(batch, keep="all")
    assert set(net.blobs) == {"data", "conv", "relu", "pool", "up", "upc", "fuse"}
    net.forward(batch, keep="pool")
    assert set(net.blobs) == {"pool"}
    with pytest.raises(MinifcnError, match="no activation of 'relu' was kept"):
        net.blobs["relu"]
    with pytest.raises(MinifcnError, match="the net has no layer 'pool9'; it has data, conv"):
        net.forward(batch, keep=["pool9"])


def test_plan_knows_every_shape_without_running(batch):
    net = skip_net()
    plan = net.plan(batch.shape)
    real = {step.name: step.output.shape for step in net.steps(batch)}
    assert {row.name: row.out_shape for row in plan.rows} == real
    assert plan.output_shape == real["fuse"]
    assert plan.row("conv").macs == 2 * 4 * 7 * 9 * 2 * 9
    assert plan.parameters == sum(param.data.size for param in net.params.values())


def test_several_outputs_and_gradients(batch):
    net = Net()
    x = net.input("data", channels=2)
    h = net.add("conv", filled(Conv2d(2, 3, 1), np.random.default_rng(0)), x)
    net.add("twice", Scale(2.0), h)
    net.add("thrice", Scale(3.0), h)
    a, b = net.forward(batch)
    np.testing.assert_allclose(3 * a, 2 * b, rtol=1e-6)
    net.backward(np.ones_like(a), np.ones_like(b), keep=["conv"])
    assert np.all(net.diffs["conv"] == 5.0)
    with pytest.raises(ShapeError, match="expected 2 gradients, for twice, thrice; got 1"):
        net.backward(np.ones_like(a))


def test_dropout_follows_the_nets_mode(batch):
    net = Net()
    x = net.input("data", channels=2)
    net.add("drop", Dropout(0.5, np.random.default_rng(0)), x)
    assert (net.forward(batch) == 0).any()
    with net.inference():
        np.testing.assert_array_equal(net.forward(batch), batch)
    net.training = False
    np.testing.assert_array_equal(net.forward(batch), batch)
    assert len(net.generators()) == 1


def test_the_same_bits_on_any_number_of_threads():
    before, results = parallel.get_threads(), []
    batch = np.random.default_rng(4).standard_normal((3, 2, 150, 170), dtype=np.float32)
    try:
        for threads in (1, 2, 5):
            parallel.set_threads(threads)
            net = skip_net()
            y = net.forward(batch)
            net.backward(y)
            results.append(b"".join([y.tobytes(), *(p.grad.tobytes() for p in net.params.values())]))
    finally:
        parallel.set_threads(before)
    assert results[0] == results[1] == results[2]


# --- errors -----------------------------------------------------------------------------------------------------------


def test_a_shape_error_names_the_layer_before_any_arithmetic(batch):
    net = skip_net()
    with pytest.raises(ShapeError, match="data: Input: expected 2 channels"):
        net.forward(batch[:, :1])
    with pytest.raises(ShapeError, match="expected 1 inputs, for data; got 2"):
        net.forward(batch, batch)


def test_joining_blobs_that_differ_names_the_crop_that_would_align_them(batch):
    net = Net()
    x = net.input("data", channels=2)
    p = net.add("pool", MaxPool2d(2, ceil_mode=True), x)
    u = net.add("up", ConvTranspose2d(2, 2, 4, stride=2), p)
    net.add("fuse", Add(), u, x)
    with pytest.raises(
        ShapeError,
        match=r"fuse: .* up is \(2, 2, 10, 12\), data is \(2, 2, 7, 9\); "
        r"Crop\(like=data\) after up would align them, at offset \(1, 1\)",
    ):
        net.forward(batch)


def test_joining_different_strides_is_refused_when_the_layer_is_added():
    net = Net()
    x = net.input("data", channels=2)
    p = net.add("pool", MaxPool2d(2), x)
    with pytest.raises(ShapeError, match=r"cat \(Concat\): blobs of different strides \(2, 1 input pixels\)"):
        net.add("cat", Concat(), p, x)


def test_a_fractional_crop_is_refused_with_the_cure():
    net = Net()
    x = net.input("data", channels=2)
    p = net.add("pool", MaxPool2d(3, 2), x)
    u = net.add("up", ConvTranspose2d(2, 2, 4, stride=2), p)
    with pytest.raises(ShapeError, match=r"score: the vertical offset would be 1/2.*Make its kernel_size one smaller"):
        net.add("score", Crop(like=x), u)


def test_names_and_handles_are_checked():
    net, other = skip_net(), skip_net()
    x = other.input("more", channels=1)
    with pytest.raises(ShapeError, match="conv: this net has a layer of that name already"):
        net.add("conv", ReLU(), net.input("more", channels=1))
    with pytest.raises(ShapeError, match="expected blobs of this net"):
        net.add("relu9", ReLU(), x)
    with pytest.raises(ShapeError, match="may not be empty or contain a dot"):
        net.input("a.b", channels=1)
    with pytest.raises(ShapeError, match="needs at least one input blob"):
        net.add("alone", ReLU())


def test_strict_names_the_first_layer_that_makes_a_nan(batch):
    net = skip_net()
    net.layers["up"].params["weight"].data[0, 0, 0, 0] = np.inf
    with np.errstate(all="ignore"):
        net.forward(batch)  # without strict it passes
        with net.strict(), pytest.raises(MinifcnError, match=r"up \(ConvTranspose2d\): the first NaN or Inf"):
            net.forward(batch)


def test_strict_names_the_first_layer_that_breaks_on_the_way_back(batch):
    net = skip_net()
    with net.strict():
        y = net.forward(batch)
        dy = np.zeros_like(y)
        dy[0, 0, 0, 0] = np.nan
        with pytest.raises(
            MinifcnError, match=r"fuse \(Add\): the first NaN or Inf appears in its gradient of input 0"
        ):
            net.backward(dy)


class Widening(Scale):
    """A layer with the classic fault: it returns float64."""

    def forward(self, *xs):
        return super().forward(*xs).astype(np.float64)


def test_strict_catches_a_silent_float64(batch):
    net = Net()
    net.add("wide", Widening(2.0), net.input("data", channels=2))
    with net.strict(), pytest.raises(ShapeError, match=r"wide \(Widening\): turned float32 into float64"):
        net.forward(batch)


# --- state ------------------------------------------------------------------------------------------------------------


def test_state_dict_round_trip_and_independence(batch):
    a, b = skip_net(0), skip_net(1)
    state = a.state_dict()
    assert list(state) == ["conv.weight", "conv.bias", "up.weight"]
    b.load_state_dict(state)
    assert a.forward(batch).tobytes() == b.forward(batch).tobytes()
    a.params["conv.bias"].data += 1
    assert not np.array_equal(state["conv.bias"], a.params["conv.bias"].data)


def test_a_state_that_does_not_fit_changes_nothing():
    net = skip_net()
    before = net.state_dict()
    wrong = {**before, "extra.weight": np.zeros(3), "conv.bias": np.zeros(5, np.float32)}
    del wrong["up.weight"]
    with pytest.raises(
        WeightsError, match=r"missing: up.weight; not in the net: extra.weight; of another shape: conv.bias"
    ):
        net.load_state_dict(wrong)
    for key, value in net.state_dict().items():
        np.testing.assert_array_equal(value, before[key])


def test_astype_checks_gradients_in_float64(batch):
    net = skip_net().astype(np.float64)
    y = net.forward(batch.astype(np.float64))
    assert y.dtype == np.float64
    loss, cache = ops.softmax_cross_entropy(y, np.zeros((2, 7, 9), int))
    net.backward(*ops.softmax_cross_entropy_backward(1.0, cache))
    assert {param.grad.dtype for param in net.params.values()} == {np.dtype(np.float64)}
    assert loss > 0


# --- what goes wrong in a student's hands -----------------------------------------------------------------------------


def test_a_pass_that_a_newer_one_overtook_cannot_go_on(batch):
    """Its caches are gone: going on would mix two pictures' activations, and the gradients would be wrong."""
    net = skip_net()
    stale = net.steps(batch)
    for _ in range(3):
        next(stale)
    y = net.forward(2 * batch)
    with pytest.raises(MinifcnError, match="overtaken by a newer one"):
        next(stale)
    net.backward(y)  # the newer pass is whole

    net.forward(batch)
    stale = net.back_steps(y)
    next(stale)
    net.forward(batch)
    with pytest.raises(MinifcnError, match="overtaken by a newer one"):
        next(stale)


def test_a_layer_has_one_place():
    """Used twice, its parameters would be updated twice and its one cache overwritten."""
    net, layer = Net(), Conv2d(1, 1, 1)
    h = net.add("first", layer, net.input("data", channels=1))
    with pytest.raises(ShapeError, match="second: this layer is in the net already"):
        net.add("second", layer, h)


def test_what_is_no_batch_no_layer_or_no_name_is_refused(batch):
    net = skip_net()
    with pytest.raises(MinifcnError, match="expected a NumPy or CuPy array, got list"):
        net.forward(batch.tolist())
    with pytest.raises(ShapeError, match="expected a batch of floats, got uint8"):
        net.forward(batch.astype(np.uint8))
    x = net.input("more", channels=1)
    with pytest.raises(ShapeError, match="expected a layer"):
        net.add("text", "conv", x)
    with pytest.raises(ShapeError, match="name must be text"):
        net.add(3, ReLU(), x)
    for channels in (0, "3"):
        with pytest.raises(ShapeError, match="expected a whole number of channels"):
            net.input("none", channels=channels)


# --- what a pass keeps ------------------------------------------------------------------------------------------------


class Squares(Conv2d):
    """A student's layer, that knows nothing of taking a ReLU along."""

    def forward(self, *xs):
        return super().forward(*xs) ** 2 - 1


def two_convolutions(layer: type[Conv2d] = Conv2d) -> Net:
    """conv1, relu1, conv2, relu2, pool: the first ReLU's output is kept by conv2, the second's by nobody."""
    rng, net = np.random.default_rng(0), Net()
    h = net.input("data", channels=2)
    h = net.add("relu1", ReLU(), net.add("conv1", filled(layer(2, 4, 3), rng), h))
    h = net.add("relu2", ReLU(), net.add("conv2", filled(Conv2d(4, 4, 3), rng), h))
    net.add("pool", MaxPool2d(2), h)
    return net


def test_a_convolution_takes_its_relu_along_and_nobody_sees_a_difference(batch):
    net = two_convolutions()
    *_, last = net.steps(batch)
    assert {"conv1", "conv2"} == {net.nodes[k].name for k in net.taken_along()}
    least = []
    forward = ops.conv2d

    def watched(*args, **kwargs):
        y, cache = forward(*args, **kwargs)
        least.append(float(y.min()))
        return y, cache

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ops, "conv2d", watched)
        y = net.forward(batch)
        assert least == [0, 0]
        kept = net.forward(batch, keep=["conv2"])
    assert y.tobytes() == last.output.tobytes() == kept.tobytes()
    assert net.blobs["conv2"].min() < 0, "what was asked for is the convolution's own output"
    alone = net.layers["conv1"].forward(batch)
    assert alone.min() < 0, "a layer used alone after the pass is a plain convolution"
    assert (net.layers["relu1"].forward(alone) == np.maximum(alone, 0)).all()


def test_a_layer_that_computes_something_of_its_own_takes_nothing_along(batch):
    net = two_convolutions(Squares)
    assert {"conv2"} == {net.nodes[k].name for k in net.taken_along()}
    *_, last = net.steps(batch)
    assert net.forward(batch).tobytes() == last.output.tobytes()


def test_a_fork_before_the_relu_is_left_alone(batch):
    net = two_convolutions()
    net.add("beside", Scale(1.0), Handle(net, 1, "conv1"))
    assert {"conv2"} == {net.nodes[k].name for k in net.taken_along()}
    _, beside = net.forward(batch)
    assert beside.min() < 0


def test_a_relu_whose_output_nobody_keeps_keeps_bits(batch):
    net, other = two_convolutions(), two_convolutions()
    assert {"relu2"} == {net.nodes[k].name for k in net.packing()}
    other.packing = lambda: set()
    outputs: dict[str, weakref.ref] = {}
    for step in net.steps(batch):
        outputs[step.name] = weakref.ref(step.output)
    dy = np.random.default_rng(5).standard_normal(step.output.shape, dtype=np.float32)
    del step
    assert [name for name, ref in outputs.items() if ref() is not None] == ["data", "relu1"]
    net.backward(dy)
    other.forward(batch)
    other.backward(dy)
    for key, param in net.params.items():
        assert param.grad.tobytes() == other.params[key].grad.tobytes()
