"""Shift-and-stitch and filter rarefaction give the same dense output (section 3.2), and FCNs of a finer stride."""

import numpy as np
import pytest

from minifcn import models
from minifcn.backend import to_numpy
from minifcn.errors import ShapeError
from minifcn.layers import Conv2d, Crop, MaxPool2d, ReLU
from minifcn.models.rarefaction import agreement, rarefied, shift_and_stitch, stitching_macs
from minifcn.net import Net


def filled(net: Net, dtype: type = np.float64) -> Net:
    rng = np.random.default_rng(5)
    for key, param in net.params.items():
        share = 0.1 if key.endswith("bias") else np.sqrt(2 / param.data[0].size)
        param.data = (share * rng.standard_normal(param.data.shape)).astype(dtype)
    return net


def by_hand(padding: int = 1, ceil_mode: bool = True) -> Net:
    """Stride 6: a strided convolution that pads, and an overlapping pool."""
    net = Net()
    h = net.add("conv1", Conv2d(3, 4, 5, 2, padding), net.input("data", channels=3))
    h = net.add("pool1", MaxPool2d(4, 3, ceil_mode=ceil_mode), net.add("relu1", ReLU(), h))
    net.add("fc", Conv2d(4, 3, 2, padding=padding), h)
    return net


def picture(height: int, width: int, dtype: type = np.float64, n: int = 1) -> np.ndarray:
    return (40 * np.random.default_rng(7).standard_normal((n, 3, height, width))).astype(dtype)


def run(net: Net, x: np.ndarray) -> np.ndarray:
    with net.inference():
        return net.forward(x)


#: Ragged sizes, large enough for outputs of each net whose receptive fields begin inside the picture.
NETS = {
    "by hand": (by_hand, (27, 33), None),
    "by hand, floor": (lambda: by_hand(0, ceil_mode=False), (26, 31), None),
    "vgg16, 4 times as dense": (lambda: models.build("vgg16", 4, "tiny"), (301, 311), 4),
    "alexnet, 8 times as dense": (lambda: models.build("alexnet", 4, "tiny"), (293, 261), 8),
    "googlenet, twice as dense": (lambda: models.build("googlenet", 4, "tiny"), (600, 229), 2),
}


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-6)])
@pytest.mark.parametrize("name", NETS)
def test_both_ways_give_the_same_dense_output(name, dtype, tolerance):
    make, size, factor = NETS[name]
    net = filled(make(), dtype)
    x = picture(*size, dtype)
    stitched = shift_and_stitch(net, x, factor)
    stride = int(net.coords(net.outputs[0]).x.scale)
    dense = run(rarefied(net, stride // (factor or stride)), x)
    assert stitched.shape == dense.shape and stitched.dtype == dense.dtype == dtype
    rows, columns = agreement(net, dense.shape, factor)
    where = rows[:, None] & columns
    largest = np.abs(dense).max()
    error = np.abs(stitched - dense)
    assert error[..., where].max() <= tolerance * largest
    shifted = np.arange(len(rows)) % (factor or stride) > 0
    assert (rows & shifted).any(), "no shifted row is compared: the picture is too small"
    if not where.all():  # the set is not smaller than it must be: beyond it, the zeros around the picture show
        assert error[..., ~where].max() > 1e-4 * largest


@pytest.mark.parametrize("name", NETS)
def test_the_rarefied_map_holds_the_old_one_everywhere(name):
    """Padding and the windows that ceil mode clips included, for sizes of every remainder."""
    make, (height, width), factor = NETS[name]
    net = filled(make())
    stride = int(net.coords(net.outputs[0]).x.scale)
    step = factor or stride
    dense = rarefied(net, stride // step)
    for more in (0, 1, 2, 5):
        x = picture(height + more, width - more)
        sparse = run(net, x)
        np.testing.assert_allclose(run(dense, x)[:, :, ::step, ::step], sparse, atol=1e-12 * np.abs(sparse).max())


def test_sizes_agree_for_every_picture():
    for net in map(filled, (by_hand(), by_hand(2), by_hand(0, ceil_mode=False))):
        for n in range(20, 45):
            assert shift_and_stitch(net, picture(n, 63 - n)).shape == rarefied(net).shapes((1, 3, n, 63 - n))["fc"]


def test_each_output_is_the_net_on_the_picture_moved_there():
    """The definition, spelled out for one place: what the net says of the picture cut at (7, 11)."""
    net = filled(by_hand(padding=0))
    x = picture(40, 44)
    alone = run(net, np.ascontiguousarray(x[:, :, 7:, 11:]))
    assert np.allclose(shift_and_stitch(net, x)[:, :, 7, 11], alone[:, :, 0, 0], rtol=1e-12)
    assert np.allclose(run(rarefied(net), x)[:, :, 7, 11], alone[:, :, 0, 0], rtol=1e-12)


def test_a_rarefied_net_looks_where_the_old_one_does_and_shares_its_weights():
    net = models.build("vgg16", 4, "tiny")
    for stride in (1, 8, 16, 32):
        dense = rarefied(net, stride)
        before, after = net.coords("fc8").x, dense.coords("fc8").x
        assert after._replace(scale=before.scale) == before and after.scale == stride
        assert all(dense.params[key] is param for key, param in net.params.items())
    assert net.layers["fc6"].geometry.dilation == (1, 1)
    assert rarefied(net).layers["fc6"].geometry.dilation == (32, 32)
    assert rarefied(net).layers["pool5"].describe() == "2x2 s1 p0 d16 +16"


def test_rarefaction_computes_less_than_stitching():
    net, shape = models.build("alexnet", 4, "tiny"), (1, 3, 260, 260)
    assert stitching_macs(net, shape, factor=1) == net.plan(shape).macs
    assert rarefied(net).plan(shape).macs < stitching_macs(net, shape) / 4


def test_what_cannot_be_made_denser_is_refused():
    with pytest.raises(ShapeError, match=r"upscore \(ConvTranspose2d\): .* output_stride=8"):
        rarefied(models.build("fcn32s"))
    with pytest.raises(ShapeError, match="upsamples already"):
        shift_and_stitch(models.build("fcn32s"), picture(40, 40))
    with pytest.raises(ShapeError, match="a factor that divides the net's stride of 6, got 4"):
        shift_and_stitch(by_hand(), picture(40, 40), 4)
    with pytest.raises(ShapeError, match=r"pool1: its stride of \(3, 3\) leads from \(2, 2\) past a stride of 4"):
        rarefied(by_hand(), 4)
    with pytest.raises(ShapeError, match="strides pass through 12; its output has a stride of 6 by 6"):
        rarefied(by_hand(), 12)
    two = Net()
    x = two.input("data", channels=3)
    two.add("a", ReLU(), x)
    two.add("b", ReLU(), x)
    with pytest.raises(ShapeError, match="one input and one output, got outputs a, b"):
        rarefied(two)


# --- FCNs whose last pools do not subsample ---------------------------------------------------------------------------


@pytest.mark.parametrize("output_stride", [16, 8])
@pytest.mark.parametrize("name", models.FCNS)
@pytest.mark.parametrize("padding", [None, "same"])
def test_the_output_has_the_size_of_the_input_for_every_size(name, padding, output_stride):
    net = models.build(name, 3, None, padding, output_stride=output_stride)
    least = 31 if padding == "same" and "googlenet" in name else 1  # as without: conv1 has nothing to look at
    for n in range(least, 601):
        assert net.shapes(*net.input_shapes((1, 3, n, 631 - n)))["score"] == (1, 3, n, 631 - n)
    assert net.coords(next(name for name in net.layers if name.startswith("score"))).x.scale == output_stride


def test_pool5_at_stride_1_and_fc6_dilated():
    net = models.build("fcn32s", output_stride=16)
    assert net.layers["pool5"].describe() == "2x2 s1 p1"
    assert net.layers["fc6"].geometry.dilation == (2, 2)
    assert net.layers["upscore"].geometry.stride == (16, 16)
    assert net.layers["score"].offset == (19, 19)  # the released literal: a cell of 16 pixels more, one of 32 less
    assert net.coords("score_fr").x.receptive_field == models.build("fcn32s").coords("score_fr").x.receptive_field
    assert net.spec["output_stride"] == 16 and "output_stride" not in models.build("fcn32s", output_stride=32).spec


def test_weights_fit_unchanged_and_the_dense_scores_hold_the_sparse_ones():
    sparse = filled(models.build("fcn32s", 4, "tiny", 100))
    dense = models.build("fcn32s", 4, "tiny", 100, output_stride=16).astype(np.float64)
    for key, param in sparse.params.items():
        if not key.startswith("upscore"):
            assert dense.params[key].data.shape == param.data.shape
            dense.params[key].data = param.data
    x = picture(101, 79)
    with sparse.inference(), dense.inference():
        sparse.forward(x, keep=["score_fr"])
        dense.forward(x, keep=["score_fr"])
    coarse, fine = sparse.blobs["score_fr"], dense.blobs["score_fr"]
    assert dense.coords("score_fr").x.shift == sparse.coords("score_fr").x.shift - 16
    held = fine[:, :, 1::2, 1::2][:, :, : coarse.shape[2], : coarse.shape[3]]
    inner = (..., slice(0, -1), slice(0, -1))  # the last cells' windows were clipped, and see one more cell now
    np.testing.assert_allclose(held[inner], coarse[inner], atol=1e-12 * np.abs(coarse).max())


def test_output_strides_that_are_refused():
    with pytest.raises(ShapeError, match="output_stride of 8, 16 or 32, got 4"):
        models.build("fcn8s", output_stride=4)
    with pytest.raises(ShapeError, match=r"vgg16: a classifier has neither .* models.rarefied"):
        models.build("vgg16", output_stride=8)
    assert not any(isinstance(layer, Crop) for layer in rarefied(models.build("vgg16", 4, "tiny")).layers.values())


def test_both_ways_run_on_every_backend(xp):
    net, x = filled(by_hand()), picture(27, 33, n=2)
    expected = shift_and_stitch(net, x)
    net.to(xp)
    stitched, dense = shift_and_stitch(net, xp.asarray(x)), run(rarefied(net), xp.asarray(x))
    np.testing.assert_allclose(to_numpy(stitched), expected, atol=1e-9 * np.abs(expected).max())
    assert type(stitched) is type(dense) is type(xp.asarray(x))
