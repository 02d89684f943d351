"""Net surgery: what a source has for a net's layers is copied into it, and a report says what became of everything."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np

from minifcn.backend import to, to_numpy, xp_of
from minifcn.errors import WeightsError
from minifcn.layers import Scale
from minifcn.net import Net, can_replace
from minifcn.weights.fitting import expanded, fitted, mixes, with_depth
from minifcn.weights.names import ENDS, HEAD, SCORES
from minifcn.weights.recognition import fitting_presets
from minifcn.weights.report import Report, some
from minifcn.weights.source import Source, entrances

LEAST = 0.5  # of a trunk's layers; with fewer taken, it is as good as untrained
#: What a layer of several is called after the one that it is a copy of: a trunk for each modality, or with depth.
SUFFIXES = ("color", "hha", "_bgrd")


def transplanted(
    net: Net, source: Source, expand: bool = False, suffixes: Iterable[str] = SUFFIXES, give_away: bool = False
) -> Report:
    """Copies what the source has for `net` into it, by name.

    A layer that the source has not is taken from the one it is a copy of: conv1_1hha from conv1_1. What does not fit,
    such as the scores of another number of classes, keeps its initial value; with `expand`, scores of fewer classes
    become the first rows. Raises WeightsError, and leaves the net as it is, if nothing fits, if upsampling in the
    source mixes classes, and the net's keeps them apart, or with `expand` if not all of the source's classes stay.

    give_away: nobody else will use the source's arrays; what can be a parameter as it is becomes it, uncopied.
    """
    report = Report(source=source.path, mean=source.pictures.bgr_mean)
    report.told, report.assumed = [str(source), *source.told], [*source.assumed]
    first, values, used = entrances(net), {}, set()
    for name, param in net.params.items():
        theirs = _name_in(source, name, tuple(suffixes))
        if theirs not in source.arrays:
            report.left.append(name)
            continue
        array, factors = source.arrays[theirs], first.get(name.removesuffix(".weight"))
        shaped = _shaped(source, theirs, param.data.shape, factors)
        if shaped is None and expand and name.startswith(HEAD):
            shaped = _expanded(source, theirs, to_numpy(param.data))
        if shaped is None:
            report.left.append(name)
            report.told.append(f"{theirs} {array.shape} does not fit the net's {param.data.shape}, and is not used")
            continue
        used.add(theirs)
        values[name] = shaped
        (report.taken if shaped.shape == array.shape else report.reshaped).append(name)
    _check_scales(net, source)
    if expand:
        _check_scores(source, used)
    report.unused = [name for name in source.arrays if name not in used and not _is_scale(net, name)] + source.unused
    if not values:
        raise WeightsError(
            f"{source.path}: nothing in it is for this net; "
            + (_widths(net, source) or f"it has {', '.join([*source.arrays][:5])} ...")
        )
    given: list[np.ndarray] = []
    for name, array in values.items():
        data = net.params[name].data
        # One array may serve several layers: conv1_1 those of two trunks.
        if give_away and can_replace(data, array) and not any(np.may_share_memory(array, other) for other in given):
            given.append(array)
            net.params[name].data = array
        else:
            net.params[name].data = to(np.array(array, data.dtype, order="C"), xp_of(data))
    report.assumed += guesses(source, [first[layer] for layer in first if f"{layer}.weight" in values])
    _warn(net, source, report)
    return report


def guesses(source: Source, factors: Iterable[tuple[float, ...]]) -> list[str]:
    """A line, if a net divides its input, on whether the source's did, too, where only a guess says it.

    factors: what the net multiplies its input by before each convolution that sees it.
    """
    divisors = sorted({1 / factor for each in factors for factor in each if factor != 1})
    if not divisors or not source.guessed:
        return []
    by = " and ".join(f"{divisor:g}" for divisor in divisors)
    if source.own:
        return [f"pictures divided by {by}, as minifcn's nets of these widths divide them, which the file does not say"]
    return [
        f"pictures that nothing divides, while minifcn's nets of these widths divide them by {by}, which the file does "
        "not say; if minifcn trained it, convert its .safetensors instead"
    ]


def _shaped(source: Source, name: str, shape: tuple[int, ...], factors: tuple[float, ...] | None) -> np.ndarray | None:
    """The source's array as a parameter of `shape`, or None if it is none; see `transplanted` for the error.

    factors: for the weight of a layer that sees the net's input, what the net multiplies each channel by before.
    """
    array = source.arrays[name]
    if factors is not None:
        shaped = with_depth(source.pictures.fold(array), shape) if array.ndim == 4 else None
        return shaped if shaped is None or source.own else shaped / np.asarray(factors)[:, None, None]
    shaped = fitted(array, shape, source.flat)
    if shaped is None and len(shape) == 4 and array.shape == (shape[0], shape[0], *shape[2:]) and mixes(array):
        raise WeightsError(
            f"{source.path}: {name} was learned, and mixes classes; the net keeps them apart. Build it with "
            "--upsampling dense"
        )
    return shaped


def _expanded(source: Source, name: str, initial: np.ndarray) -> np.ndarray:
    """The source's array of fewer classes in one of more; new scores are zero, new upsampling is as it was."""
    array, upsampling = source.arrays[name], name.startswith("upscore")
    made = expanded(array, initial if upsampling else np.zeros_like(initial), upsampling)
    if made is None:
        raise WeightsError(
            f"{source.path}: {name} {array.shape} cannot be the first classes of {initial.shape}; --expand-score needs "
            "at least as many classes, and the same upsampling"
        )
    return made


def _check_scores(source: Source, used: Collection[str]) -> None:
    """Expanding is to keep the classes that there are: all of the source's scores have their place."""
    scores = [name for name in source.arrays if name.startswith(SCORES)]
    lost = [name for name in scores if name not in used]
    if lost or not scores:
        what = f"the net has no place for {lost[0]}" if lost else "it has no scores"
        raise WeightsError(f"{source.path}: --expand-score keeps the old classes, but {what}; expected the same tasks")


def _name_in(source: Source, name: str, suffixes: tuple[str, ...]) -> str:
    """The source's name for a parameter: the same, or that of the layer it is a copy of."""
    layer, _, kind = name.rpartition(".")
    if name not in source.arrays:
        for suffix in suffixes:
            if layer.endswith(suffix) and f"{layer.removesuffix(suffix)}.{kind}" in source.arrays:
                return f"{layer.removesuffix(suffix)}.{kind}"
    return name


def _warn(net: Net, source: Source, report: Report) -> None:
    """Of a trunk that is not all there, and of pictures padded otherwise."""
    trunk = [name for name in net.params if name.endswith(".weight") and not name.startswith(HEAD)]
    report.untrained = [name.removesuffix(".weight") for name in trunk if name in report.left]
    count = len(trunk) - len(report.untrained)
    if count < LEAST * len(trunk):
        line = f"only {count} of the trunk's {len(trunk)} layers were taken: most of it starts untrained"
    else:
        line = f"left untrained: {some(report.untrained)}"
    if report.untrained:
        report.warnings.append("; ".join(filter(None, [line, _widths(net, source)])))
    theirs, ours = (spec.get("input_padding") for spec in (source.spec, net.spec))
    if None not in (theirs, ours) and theirs != ours:
        report.warnings.append(f"trained with an input padding of {theirs}, the net has {ours}")


def _widths(net: Net, source: Source) -> str:
    """Which convolution of the trunk has another width, and the presets that would do; "" if none has."""
    for name, param in net.params.items():
        array = source.arrays.get(name)
        if array is None or not array.ndim or name.startswith((*HEAD, *ENDS)) or len(array) == len(param.data):
            continue
        fits = " or ".join(fitting_presets(net.spec["name"], source)) if net.spec else ""
        preset = f"preset {net.spec['preset']}'s" if net.spec else "the net's"
        hint = f"; --preset {fits}" if fits else ""
        return f"its {name.rpartition('.')[0]} is {len(array)} wide, {preset} {len(param.data)}{hint}"
    return ""


def _check_scales(net: Net, source: Source) -> None:
    """FCN-8s at-once scales its pools by constants, which a file can have as blobs. They must be the net's."""
    for name, array in source.arrays.items():
        layer = net.layers.get(name.removesuffix(".weight"))
        if name.startswith("scale_pool") and name.endswith(".weight") and "score_pool4.weight" in net.params:
            factor = layer.factor if isinstance(layer, Scale) else 1.0
            if not np.allclose(array, factor, rtol=1e-5):
                theirs = float(array.ravel()[0]) if array.size else 0.0
                raise WeightsError(
                    f"{source.path}: {name.removesuffix('.weight')} multiplies by {theirs:g}, the net by {factor:g}; "
                    "its weights belong to fcn8s-atonce (--to fcn8s-atonce)"
                )


def _is_scale(net: Net, name: str) -> bool:
    return isinstance(net.layers.get(name.removesuffix(".weight")), Scale)
