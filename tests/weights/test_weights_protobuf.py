"""Files of Caffe's nets as protobuf itself writes them, every age of the format, are read as what went in.

The messages are described here by the field numbers of caffe.proto, as far as weights are concerned.
"""

from __future__ import annotations

import numpy as np
import pytest

from minifcn.weights import readers

descriptor_pb2 = pytest.importorskip(
    "google.protobuf.descriptor_pb2", reason="protobuf writes the files (extra `test`)"
)
from google.protobuf import descriptor_pool, message_factory  # noqa: E402

INT32, INT64, UINT32, FLOAT, DOUBLE, STRING, MESSAGE = 5, 3, 13, 2, 1, 9, 11
#: Message -> its fields: (name, number, type, repeated, message, packed).
MESSAGES = {
    "BlobShape": [("dim", 1, INT64, True, None, True)],
    "BlobProto": [
        ("num", 1, INT32, False, None, None), ("channels", 2, INT32, False, None, None),
        ("height", 3, INT32, False, None, None), ("width", 4, INT32, False, None, None),
        ("data", 5, FLOAT, True, None, True), ("diff", 6, FLOAT, True, None, True),
        ("shape", 7, MESSAGE, False, "BlobShape", None), ("double_data", 8, DOUBLE, True, None, True),
    ],
    "LayerParameter": [
        ("name", 1, STRING, False, None, None), ("type", 2, STRING, False, None, None),
        ("bottom", 3, STRING, True, None, None), ("blobs", 7, MESSAGE, True, "BlobProto", None),
    ],
    "V0LayerParameter": [
        ("name", 1, STRING, False, None, None), ("type", 2, STRING, False, None, None),
        ("num_output", 3, UINT32, False, None, None), ("blobs", 50, MESSAGE, True, "BlobProto", None),
    ],
    "V1LayerParameter": [
        ("layer", 1, MESSAGE, False, "V0LayerParameter", None), ("bottom", 2, STRING, True, None, None),
        ("name", 4, STRING, False, None, None), ("type", 5, INT32, False, None, None),
        ("blobs", 6, MESSAGE, True, "BlobProto", None), ("blobs_lr", 7, FLOAT, True, None, False),
    ],
    "NetParameter": [
        ("name", 1, STRING, False, None, None), ("layers", 2, MESSAGE, True, "V1LayerParameter", None),
        ("input", 3, STRING, True, None, None), ("layer", 100, MESSAGE, True, "LayerParameter", None),
    ],
}  # fmt: skip


def net_parameter(packed: bool = True):
    """The class of NetParameter. packed: how a blob's numbers are written, one by one or in a row."""
    file = descriptor_pb2.FileDescriptorProto(name="caffe.proto", package="caffe", syntax="proto2")
    for message, fields in MESSAGES.items():
        made = file.message_type.add(name=message)
        for name, number, kind, repeated, of, is_packed in fields:
            field = made.field.add(name=name, number=number, type=kind, label=3 if repeated else 1)
            if of:
                field.type_name = f".caffe.{of}"
            if is_packed is not None:
                field.options.packed = is_packed and packed
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("caffe.NetParameter"))


def fill(blob, array: np.ndarray, legacy: bool, double: bool = False) -> None:
    if legacy:
        blob.num, blob.channels, blob.height, blob.width = (1,) * (4 - array.ndim) + array.shape
    else:
        blob.shape.dim.extend(array.shape)
    (blob.double_data if double else blob.data).extend(array.ravel().tolist())


@pytest.fixture
def arrays(rng):
    shapes = {"conv.0": (4, 3, 5, 5), "conv.1": (4,), "fc.0": (6, 36), "fc.1": (6,)}
    return {key: rng.standard_normal(shape, np.float32) for key, shape in shapes.items()}


@pytest.mark.parametrize("packed", [True, False], ids=["packed", "unpacked"])
@pytest.mark.parametrize("age", ["new", "new, doubles", "new, legacy dims", "V1", "V0"])
def test_every_age_as_protobuf_writes_it(age, packed, arrays, tmp_path):
    net = net_parameter(packed)(name="a net", input=["data"])
    for name, new, old, oldest in (("conv", "Convolution", 4, "conv"), ("fc", "InnerProduct", 14, "innerproduct")):
        if age.startswith("new"):
            layer = net.layer.add(name=name, type=new, bottom=["data"])
        elif age == "V1":
            layer = net.layers.add(name=name, type=old, bottom=["data"], blobs_lr=[1, 2])
        else:
            layer = net.layers.add(bottom=["data"]).layer
            layer.name, layer.type, layer.num_output = name, oldest, 6
        for k in range(2):
            legacy = age in ("V1", "V0", "new, legacy dims")
            fill(layer.blobs.add(), arrays[f"{name}.{k}"], legacy, double=age == "new, doubles")
    path = tmp_path / "a.caffemodel"
    path.write_bytes(net.SerializeToString())
    found = readers.read(path).arrays
    assert found.keys() == arrays.keys()
    for key, array in arrays.items():
        np.testing.assert_array_equal(found[key], array)
