"""Nets by name: `build("fcn8s", num_classes=21, preset="tiny")`."""

from minifcn.models.blocks import Family
from minifcn.models.building import OUTPUT_STRIDES, UPSAMPLINGS, build
from minifcn.models.dense import convolutionalize
from minifcn.models.names import (
    CLASSIFIERS,
    FAMILIES,
    FCNS,
    NAMES,
    RECONSTRUCTIONS,
    classes_text,
    family,
    modalities_of,
    presets_of,
    stride_of,
    tasks_of,
    with_stride,
)
from minifcn.models.presets import InceptionPreset, Preset
from minifcn.models.rarefaction import rarefied, shift_and_stitch
from minifcn.models.sizes import check_size, least_side

__all__ = [
    "CLASSIFIERS",
    "FAMILIES",
    "FCNS",
    "NAMES",
    "OUTPUT_STRIDES",
    "RECONSTRUCTIONS",
    "UPSAMPLINGS",
    "Family",
    "InceptionPreset",
    "Preset",
    "build",
    "check_size",
    "classes_text",
    "convolutionalize",
    "family",
    "least_side",
    "modalities_of",
    "presets_of",
    "rarefied",
    "shift_and_stitch",
    "stride_of",
    "tasks_of",
    "with_stride",
]
