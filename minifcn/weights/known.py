"""Published weight files by name: where they are, how large, and the hash that makes sure of them.

Only what their publishers say is listed. A file that lies on the disk is always taken first; a download (needs pooch:
pip install "minifcn[download]") goes to the cache folder of the user, or to the one that MINIFCN_CACHE names, and
appears there when it is whole and its hash is right.
"""

from __future__ import annotations

import os
import tempfile
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

from minifcn.errors import WeightsError, did_you_mean
from minifcn.files import digest

BERKELEY = "http://dl.caffe.berkeleyvision.org"
PYTORCH = "https://download.pytorch.org/models"
MATCONVNET = "https://www.vlfeat.org/matconvnet/models"


class Known(NamedTuple):
    """A published file. url: None if it has none that can be fetched from. size: bytes, if published.

    hash: "md5:...", "sha1:..." or "sha256:...", the last perhaps no more than its first digits; None if none is known.
    """

    name: str
    file: str
    about: str
    url: str | None = None
    size: int | None = None
    hash: str | None = None


def _berkeley(name: str, about: str, hash: str | None = None) -> Known:
    return Known(name, f"{name}.caffemodel", about, f"{BERKELEY}/{name}.caffemodel", hash=hash)


def _ported(name: str, suffix: str, about: str, md5: str) -> Known:
    return Known(f"{name}-{suffix}", f"{name}_from_caffe.{suffix}", about, hash=f"md5:{md5}")


_FILES = (
    Known(
        "vgg16-torchvision", "vgg16-397923af.pth", "torchvision's own VGG16", f"{PYTORCH}/vgg16-397923af.pth",
        hash="sha256:397923af",
    ),
    Known(
        "vgg16-features", "vgg16_features-amdegroot-88682ab5.pth", "Caffe's VGG16 without classifier",
        f"{PYTORCH}/vgg16_features-amdegroot-88682ab5.pth", hash="sha256:88682ab5",
    ),
    Known(
        "vgg16-caffe", "VGG_ILSVRC_16_layers.caffemodel", "the original VGG16",
        "http://www.robots.ox.ac.uk/~vgg/software/very_deep/caffe/VGG_ILSVRC_16_layers.caffemodel",
    ),
    Known(
        "vgg16-keras", "vgg16_weights_tf_dim_ordering_tf_kernels.h5", "Caffe's VGG16 for Keras",
        "https://github.com/fchollet/deep-learning-models/releases/download/v0.1/"
        "vgg16_weights_tf_dim_ordering_tf_kernels.h5",
        size=553_467_096, hash="md5:64373286793e3c8b2b4e3219cbf3544b",
    ),
    Known(
        "vgg16-matconvnet", "imagenet-vgg-verydeep-16.mat", "Caffe's VGG16 for MatConvNet",
        f"{MATCONVNET}/imagenet-vgg-verydeep-16.mat",
    ),
    _berkeley("bvlc_reference_caffenet", "AlexNet as Caffe has it", "sha1:4c8d77deb20ea792f84eb5e6d0a11ca0a8660a46"),
    _berkeley("bvlc_googlenet", "GoogLeNet as Caffe has it", "sha1:405fc5acd08a3bb12de8ee5e23a96bec22f08204"),
    *(
        _berkeley(name, "a released FCN")
        for name in (
            "fcn32s-heavy-pascal", "fcn16s-heavy-pascal", "fcn8s-heavy-pascal", "fcn8s-atonce-pascal",
            "fcn-alexnet-pascal", "nyud-fcn32s-color-heavy", "nyud-fcn32s-hha-heavy", "nyud-fcn32s-color-hha-heavy",
            "siftflow-fcn32s-heavy", "siftflow-fcn16s-heavy", "siftflow-fcn8s-heavy", "pascalcontext-fcn32s-heavy",
            "pascalcontext-fcn16s-heavy", "pascalcontext-fcn8s-heavy",
        )
    ),
    Known(
        "pascal-fcn8s-dag", "pascal-fcn8s-dag.mat", "FCN-8s of the CVPR paper for MatConvNet",
        f"{MATCONVNET}/pascal-fcn8s-dag.mat",
    ),
    _ported("vgg16", "pth", "Caffe's VGG16 by torchvision's names", "aa75b158f4181e7f6230029eb96c1b13"),
    _ported("fcn32s", "pth", "a released FCN for PyTorch", "d3eb467a80e7da0468a20dfcbc13e6c8"),
    _ported("fcn16s", "pth", "a released FCN for PyTorch", "a2d4035f669f09483b39c9a14a0d6670"),
    _ported("fcn8s", "pth", "a released FCN for PyTorch", "de93e540ec79512f8770033849c8ae89"),
    _ported("fcn8s-atonce", "pth", "a released FCN for PyTorch", "bfed4437e941fef58932891217fe6464"),
    _ported("vgg16", "npz", "Caffe's VGG16 for Chainer", "54a0cddc1392ccc4056bbeecbb30f3d4"),
    _ported("fcn32s", "npz", "a released FCN for Chainer", "b7f0a2e66229ccdb099c0a60b432e8cf"),
    _ported("fcn16s", "npz", "a released FCN for Chainer", "7c9b50a1a8c6c20d3855d4823bbea61e"),
    _ported("fcn8s", "npz", "a released FCN for Chainer", "256c2a8235c1c65e62e48d3284fbd384"),
    _ported("fcn8s-atonce", "npz", "a released FCN for Chainer", "5f3ffdc7fae1066606e1ef45cfda548f"),
)  # fmt: skip
FILES = {known.name: known for known in _FILES}


def local(path: str | PathLike[str]) -> Path:
    """The file at `path`; if there is none, and `path` is a name in `FILES`, the file in the cache, downloaded first.

    Raises WeightsError for what is neither, and for a download that fails or has another hash.
    """
    if Path(path).exists() or str(path) not in FILES:
        if not Path(path).exists() and not Path(path).suffix and os.sep not in str(path):
            raise WeightsError(f"{path}: no such file, and no published one{did_you_mean(str(path), FILES)}")
        return Path(path)
    return fetch(FILES[str(path)], cache())


def cache() -> Path:
    """The folder of downloads."""
    if folder := os.environ.get("MINIFCN_CACHE"):
        return Path(folder)
    return Path(_pooch("a published weight file").os_cache("minifcn"))


def fetch(known: Known, folder: Path) -> Path:
    """The file in `folder`, downloaded if it is not there: whole and with the right hash, or not at all.

    A download that broke off starts anew. Raises WeightsError if it fails.
    """
    path = folder / known.file
    if path.is_file():
        return path
    if known.url is None:
        raise WeightsError(
            f"{known.name}: {known.file} cannot be downloaded by name; get it from its publisher, and give its path"
        )
    pooch = _pooch(known.file)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".part-") as part:
            downloader = pooch.HTTPDownloader(progressbar=os.isatty(2), timeout=30)
            fresh = Path(pooch.retrieve(known.url, None, "file", part, downloader=downloader))
            _check(known, fresh)
            os.replace(fresh, path)
    except WeightsError:
        raise
    except Exception as error:  # of requests, urllib3, the system: each its own
        raise WeightsError(
            f"{known.name}: {known.url} could not be downloaded ({_why(error)}); try again, or get {known.file} "
            "in another way and give its path"
        ) from error
    return path


def _why(error: Exception) -> str:
    """What went wrong in a download, in a few words: libraries say it in the words of theirs."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"the server answered {response.status_code} {response.reason}"
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return "no connection, or it broke off"


def identify(path: Path) -> Known | None:
    """The published file that `path` is, by its hash."""
    digests: dict[str, str] = {}
    for known in FILES.values():
        if known.hash is not None:
            kind, _, expected = known.hash.partition(":")
            if kind not in digests:
                digests[kind] = digest(path, kind)
            if digests[kind].startswith(expected):
                return known
    return None


def table() -> str:
    """Name, hash, size and address of each."""
    width = max(map(len, FILES))
    lines = []
    for known in FILES.values():
        size = f"{known.size:,} bytes, " if known.size else ""
        lines.append(f"{known.name:<{width}}  {known.file}: {known.about}")
        lines.append(f"{'':<{width}}  {size}{known.hash or 'no hash published'}; {known.url or 'no address'}")
    return "\n".join(lines)


def _check(known: Known, path: Path) -> None:
    size = path.stat().st_size
    if known.size is not None and size != known.size:
        raise WeightsError(f"{known.name}: {known.url} gave {size} bytes, expected {known.size}; nothing was kept")
    if known.hash is None:
        return
    kind, _, expected = known.hash.partition(":")
    found = digest(path, kind)
    if not found.startswith(expected):
        raise WeightsError(
            f"{known.name}: what {known.url} gave has the {kind} {found}, expected {expected}; nothing was kept"
        )


def _pooch(what: str) -> Any:
    try:
        import pooch
    except ImportError as error:
        raise WeightsError(
            f'{what}: a download needs pooch: pip install "minifcn[download]"; or give a path'
        ) from error
    pooch.get_logger().setLevel("WARNING")
    return pooch
