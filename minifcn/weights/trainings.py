"""Whose training is it? Three VGG16s come under torchvision's names, and want three different inputs.

    torchvision's own            RGB, scaled to 0..1, standardised
    Caffe's, renamed             BGR 0..255 less a mean
    Caffe's features, renamed    RGB 0..255 less a mean; the classifier beside them is nothing but NaN

Fed with another's pictures a net sees nothing, and no name or shape betrays it. Values do.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from minifcn.errors import WeightsError
from minifcn.weights.inputs import FEATURES_ONLY, TORCHVISION, VGG, Input

#: What the user may say, where the file does not tell.
ORIGINS = ("caffe", "torchvision")

#: A filter (channels BGR, 3, 3) of conv1_1 in Caffe's VGG16, by its place. Of the 64 it is the one that depends most on
#: the order of the channels: it answers to blue less red. Printed from HED's copy, fine-tuned on other pictures.
PLACE = 22
FILTER = np.array(
    [
        [[0.117, 0.126, 0.125], [0.127, 0.134, 0.127], [0.105, 0.140, 0.120]],
        [[-0.002, -0.024, 0.004], [-0.025, -0.050, -0.027], [-0.020, -0.016, -0.006]],
        [[-0.077, -0.124, -0.074], [-0.126, -0.176, -0.131], [-0.098, -0.120, -0.089]],
    ]
)
ALIKE = 0.9  # the cosine from which on two filters are the same one, fine-tuned at most

#: Of other trainings, the size of the weights tells: for the same answer, numbers 0..255 ask for weights that are 255
#: times the standard deviation, about 58 times, smaller than standardised ones do. He's initial values for a 3x3
#: convolution of three channels lie between 0.06 (64 outputs) and 0.27, and training moves them little.
STANDARDISED, BYTES = 0.03, 0.01


class Training(NamedTuple):
    """A title, the input that goes with it, and how it was told."""

    title: str
    input: Input
    told: str


def of_vgg16(path: str, first: np.ndarray, lacks_classifier: bool, origin: str | None = None) -> Training:
    """Whose training a VGG16 by torchvision's names is, from `first`, its features.0.weight (out, 3, 3, 3).

    lacks_classifier: whether that holds nothing but NaN. origin: the user's word, one of `ORIGINS`; it settles the
    matter. Raises WeightsError where nothing does.
    """
    if first.ndim != 4 or first.shape[1:] != (3, 3, 3) or not len(first):
        raise WeightsError(f"{path}: features.0.weight must be (channels, 3, 3, 3), is {first.shape}")
    caffe = Training("Caffe's VGG16 by torchvision's names", VGG, "")
    torchvision = Training("torchvision's VGG16", TORCHVISION, "")
    if origin is not None:
        return {"caffe": caffe, "torchvision": torchvision}[origin]._replace(told="as --source says")
    if not np.isfinite(first).all():
        raise WeightsError(f"{path}: features.0.weight holds NaN or Inf")
    if not first.any():
        raise WeightsError(f"{path}: features.0.weight is zero, as in no trained net")
    features = Training("Caffe's VGG16 for RGB, by torchvision's names", FEATURES_ONLY, "")
    if lacks_classifier:
        return features._replace(told="as only that file has a classifier of nothing but NaN")
    if len(first) > PLACE:
        cosines = [_cosine(first[PLACE], FILTER), _cosine(first[PLACE], FILTER[::-1])]
        if max(cosines) >= ALIKE:
            made = caffe if cosines[0] > cosines[1] else features
            return made._replace(told=f"as filter {PLACE} of features.0.weight is Caffe's (cosine {max(cosines):.3f})")
    spread = float(first.std())
    size = f"features.0.weight has a standard deviation of {spread:.3g}"
    if spread >= STANDARDISED:
        return torchvision._replace(
            told=f"as {size}, which standardised pictures ask for; minifcn convert --source caffe overrides"
        )
    if spread <= BYTES:
        return caffe._replace(
            told=f"as {size}, which pictures of 0..255 ask for; minifcn convert --source torchvision overrides"
        )
    raise WeightsError(
        f"{path}: a VGG16 by torchvision's names, but whose? {size}, between what standardised pictures ask for (at "
        f"least {STANDARDISED}) and what pictures of 0..255 do (at most {BYTES}); say which: minifcn convert --source "
        "torchvision (RGB 0..1, standardised) or --source caffe (BGR 0..255 less a mean)"
    )


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a.ravel().astype(np.float64), b.ravel()
    norms = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / norms if norms else 0.0
