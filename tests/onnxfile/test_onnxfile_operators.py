"""Every kind of layer as ONNX nodes gives what the layer gives, at every size; pools above all."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from minifcn import models, onnxfile
from minifcn.errors import MinifcnError, ShapeError
from minifcn.layers import Add, AvgPool2d, Conv2d, ConvTranspose2d, Crop, Dropout, LocalResponseNorm, MaxPool2d, ReLU
from minifcn.net import Net
from minifcn.onnxfile import PLAIN, Form

pytest.importorskip("onnx", reason="onnx writes the files (extra `test`)")
pytest.importorskip("onnxruntime", reason="onnxruntime runs the files (extra `test`)")

ABOUT = {"mean": [1.0, 2.0, 3.0]}


def of(layer, channels=2) -> Net:
    net = Net()
    net.add("y", layer, net.input("x", channels))
    return net


def running(net, tmp_path, form=PLAIN):
    onnxfile.write(tmp_path / "net.onnx", net, ABOUT, form)
    onnxfile.verify(tmp_path / "net.onnx")
    return onnxfile.session(tmp_path / "net.onnx")


def check(net, tmp_path, rng, sizes, form=PLAIN, atol=0.0, mean=0):
    """The file's output at all sizes that the net takes, and how many these were."""
    session, count = running(net, tmp_path, form), 0
    channels = next(iter(net.inputs.values()))
    for height, width in sizes:
        x = rng.standard_normal((2 if form.size is None else 1, channels, height, width), np.float32) + np.float32(mean)
        try:
            expected = net.forward(x)
        except ShapeError:  # too small
            continue
        (found,) = session.run(None, {"x": x})
        np.testing.assert_allclose(found, expected, rtol=0, atol=atol, strict=True)
        count += 1
    return count


#: Kernel, stride, padding, ceil_mode, dilation, overhang of the nets' pools, and of what else there can be.
POOLS = (
    *((2, 2, 0, True, 1, 0), (3, 2, 0, True, 1, 0), (3, 1, 1, False, 1, 0)),  # the published nets'
    *((2, 1, 1, False, 2, 0), (3, 1, 4, False, 4, 0), (2, 1, 0, False, 4, 3), (3, 1, 0, False, 2, 2)),  # rarefied
    *((3, 2, 1, True, 1, 0), (3, 3, 1, True, 1, 0), (3, 3, 2, True, 1, 0), (5, 3, 2, True, 2, 0)),  # last windows drop
    *((1, 2, 0, True, 1, 0), (2, 5, 1, True, 1, 0), ((2, 3), (3, 2), (0, 1), True, 1, 0)),  # steps over pixels
)
SMALL = [(n, 12) for n in range(1, 15)] + [(12, n) for n in range(1, 15)]


@pytest.mark.parametrize("geometry", POOLS, ids=str)
def test_max_pools_at_all_small_sizes(geometry, tmp_path, rng):
    """Of negative numbers, which a padding with zeros would beat."""
    assert check(of(MaxPool2d(*geometry)), tmp_path, rng, SMALL, mean=-5) >= 16


@pytest.mark.parametrize("geometry", [(7, 1, 0, False, 1, 0), *POOLS[::3]], ids=str)
def test_average_pools_at_all_small_sizes(geometry, tmp_path, rng):
    assert check(of(AvgPool2d(*geometry)), tmp_path, rng, SMALL, atol=1e-6, mean=2) >= 16


@pytest.mark.slow
@pytest.mark.parametrize("opset", [11, 21])
def test_every_pool_that_fits(opset, tmp_path, rng):
    """Kernels to 4, strides to 3, every padding, both roundings, with and without dilation."""
    count = 0
    for kernel, stride, ceil_mode, dilation in product(range(1, 5), range(1, 4), (False, True), (1, 2)):
        for padding in range(dilation * (kernel - 1) + 1):
            layer = MaxPool2d(kernel, stride, padding, ceil_mode, dilation)
            sizes = [(n, 9) for n in range(1, 24)]
            count += check(of(layer), tmp_path, rng, sizes, Form(opset=opset), mean=-5)
            mean = AvgPool2d(kernel, stride, padding, ceil_mode, dilation)
            check(of(mean), tmp_path, rng, sizes, Form(opset=opset), atol=1e-5, mean=2)
    assert count > 2000


@pytest.mark.parametrize("geometry", [POOLS[0], POOLS[4], POOLS[7], POOLS[12]], ids=str)
@pytest.mark.parametrize("kind", [MaxPool2d, AvgPool2d])
def test_pools_of_one_size(kind, geometry, tmp_path, rng):
    """No shape is computed as the file runs."""
    onnx = pytest.importorskip("onnx")
    for size in ((13, 12), (14, 17)):
        assert check(of(kind(*geometry)), tmp_path, rng, [size], Form(size=size), 1e-6) == 1
        assert not {"Shape", "Where"} & {node.op_type for node in onnx.load(tmp_path / "net.onnx").graph.node}


def filled(layer, rng):
    for param in layer.params.values():
        param.data = rng.standard_normal(param.data.shape, np.float32)
    return layer


@pytest.mark.parametrize(
    "make",
    [lambda: Conv2d(2, 4, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=2),
     lambda: Conv2d(2, 3, 1, bias=False),
     lambda: ConvTranspose2d(2, 4, (5, 4), stride=(3, 2), padding=(1, 2), output_padding=(1, 0), groups=2, bias=True),
     lambda: LocalResponseNorm(3, 0.5, 0.6, 2.0),
     lambda: Add([0.5]), lambda: Dropout(0.5, np.random.default_rng(0)), ReLU,
     lambda: Crop(offset=(1, 2), size=(3, 4))],
)  # fmt: skip
def test_other_layers(make, tmp_path, rng):
    net = of(filled(make(), rng))
    with net.inference():  # nothing drops
        assert check(net, tmp_path, rng, [(7, 9), (8, 8)], atol=1e-5) == 2


def test_a_crop_takes_its_size_from_another_blob(tmp_path, rng):
    net = Net()
    x = net.input("x", 2)
    padded = net.add("padded", filled(Conv2d(2, 2, 1, padding=(3, 2)), rng), x)
    net.add("y", Crop(like=x), padded)
    assert check(net, tmp_path, rng, [(1, 1), (5, 4), (31, 7)], atol=1e-6) == 3


def test_a_layer_of_ones_own_is_named(tmp_path):
    class Square(ReLU):
        pass

    with pytest.raises(MinifcnError, match=r"y: a layer of the kind Square has no form in ONNX here; there are Conv2d"):
        running(of(Square()), tmp_path)


def test_what_a_net_by_hand_sees_is_not_guessed(tmp_path):
    with pytest.raises(MinifcnError, match="made by hand"):
        running(of(ReLU()), tmp_path, Form(preprocess=True))


def test_an_opset_that_is_not_served(tmp_path):
    for opset in (10, 22):
        with pytest.raises(MinifcnError, match=f"opset {opset}: expected one of 11 to 21"):
            running(of(ReLU()), tmp_path, Form(opset=opset))


def test_a_classifier_made_dense_and_rarefied(tmp_path, rng):
    """GoogLeNet's last pool, dilated, is a mean over pixels apart."""
    net = models.rarefied(models.build("googlenet", 3, "tiny", rng=rng), 8)
    session = running(net, tmp_path)
    x = rng.standard_normal((1, 3, 224, 225), np.float32)
    with net.inference():
        expected = net.forward(x)
    (found,) = session.run(None, {"data": x})
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max(), strict=True)
