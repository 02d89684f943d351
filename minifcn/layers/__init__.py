"""Floor 2, bookkeeping: thin objects that hold parameters and one cache slot around the operations of `minifcn.ops`."""

from minifcn.layers.base import Cost, Layer, Param, Shape
from minifcn.layers.conv import Conv2d, ConvTranspose2d
from minifcn.layers.pointwise import Add, Concat, Crop, Dropout, Input, ReLU, Scale
from minifcn.layers.pool import AvgPool2d, LocalResponseNorm, MaxPool2d

__all__ = [
    "Add",
    "AvgPool2d",
    "Concat",
    "Conv2d",
    "ConvTranspose2d",
    "Cost",
    "Crop",
    "Dropout",
    "Input",
    "Layer",
    "LocalResponseNorm",
    "MaxPool2d",
    "Param",
    "ReLU",
    "Scale",
    "Shape",
]
