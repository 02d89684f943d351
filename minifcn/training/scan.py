"""Which samples a run can use: every file of its sets is read once, before the first step.

A file that is cut off shows only when it is decoded, so each is; threads share the work. What was found stays in the
run folder: data.json, with the sizes and times of all files, and skipped.csv where samples were left out. A run that
goes on reads the files again only if one of them has changed since, or lies elsewhere, and refuses to go on with other
samples than it began with: with other names, or other content. Sets that are drawn, such as shapes, have no files.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tqdm import tqdm

from minifcn import parallel
from minifcn.config import TrainConfig
from minifcn.data.dataset import Dataset, Sample, num_classes_of, tasks_of
from minifcn.data.pairs import Pair, PairDataset
from minifcn.distributed import ALONE, Group
from minifcn.errors import LISTED, CheckpointError, DataError, ShapeError, counted, printable
from minifcn.files import atomic_path
from minifcn.net import Net
from minifcn.training.sets import Subset
from minifcn.training.sizes import Sized, largest, looked_at
from minifcn.training.stages import net_of, stages_of

DATA, SKIPPED = "data.json", "skipped.csv"
LEFT_OUT = "left out, since they cannot be used"
_PICTURE = re.compile(r"(\d{1,7})x(\d{1,7}):([0-9a-f]{8})", re.ASCII)
SMALL = 128  # pixels of a side from which on every net can see a picture


@dataclass(frozen=True)
class Findings:
    """What reading a set has shown. `samples` is a hash of the names, `files` one of paths, sizes and times.

    pictures: of each sample "WIDTHxHEIGHT:CRC", the CRC-32 of its files' content, with "-" for one that cannot be used;
    none of a minifcn that did not look.
    """

    count: int
    samples: str
    files: str
    bad: dict[int, str]  # the number of a sample -> why it cannot be used
    pictures: tuple[str, ...] = ()

    def fits(self, dataset: Dataset) -> bool:
        """Whether it is about the samples of this set."""
        pairs = pairs_of(dataset) or []
        return (self.count, self.samples) == (len(pairs), _hash(pair.name for pair in pairs))


class Scan:
    """The sets of a run without the samples that cannot be used: `train`, `val`."""

    def __init__(self, sets: dict[str, Dataset], findings: dict[str, Findings]) -> None:
        usable = {name: without(dataset, findings.get(name)) for name, dataset in sets.items()}
        self.train, self.val = usable["train"], usable.get("val", usable["train"])
        self._sets, self._findings = sets, findings

    def largest(self, name: str) -> list[Sized]:
        """The largest pictures of "train" or "val", as `sizes.largest`; of files that have not been read, of a few."""
        name = name if name in self._sets else "train"  # under --overfit there is but one
        found, dataset = self._findings.get(name), self._sets[name]
        if found is None:
            return largest(looked_at(dataset))
        of = dict(enumerate(zip(_names(dataset), found.pictures, strict=True)))
        return largest(
            Sized(f"{sample} of {dataset.name}", int(size[2]), int(size[1]))
            for i, (sample, text) in of.items()
            if i not in found.bad and (size := _PICTURE.fullmatch(text))
        )

    def skipped(self) -> list[tuple[str, str, str]]:
        """(set, sample, reason) of what is left out."""
        return [
            (dataset.name, _names(dataset)[i], reason)
            for name, dataset in self._sets.items()
            if name in self._findings
            for i, reason in self._findings[name].bad.items()
        ]

    def write(self, folder: Path) -> None:
        """Leaves what was found in a run's folder, for those who look at it and for a run that goes on."""
        if not self._findings:
            return
        with atomic_path(folder / DATA) as beside:
            beside.write_text(_json(self._findings) + "\n", encoding="utf-8")
        rows = [("set", "sample", "reason"), *self.skipped()]
        if len(rows) > 1:
            with (
                atomic_path(folder / SKIPPED) as beside,
                open(beside, "w", newline="", encoding="utf-8", errors="backslashreplace") as file,
            ):
                csv.writer(file, lineterminator="\n").writerows(rows)


def scan(
    train: Dataset,
    val: Dataset,
    config: TrainConfig,
    group: Group = ALONE,
    dry_run: bool = False,
    begun: Path | None = None,
) -> Scan:
    """Reads what has to be read of both sets, in the process that leads. Says what is left out under --skip-bad.

    A dry run without --skip-bad reads nothing here: its report tells more. begun: the folder of a run that goes on.

    Raises ConfigError if the processes see sets that differ; DataError, naming the files, if there are samples that
    cannot be used and --skip-bad is not said, or if all are such; CheckpointError if they are others than when the
    run began.
    """
    sets = {"train": train} if val is train else {"train": train, "val": val}
    if group.size > 1:
        group.check_same({**_facts("training", train), **_facts("evaluation", val)})
    if strays := [printable(stray) for stray in getattr(train, "strays", [])]:
        more = [f"  and {len(strays) - LISTED} more; `minifcn data check` lists all"] if strays[LISTED:] else []
        listed = [f"  {stray}" for stray in strays[:LISTED]]
        print("\n".join([f"{counted(len(strays), 'file')} of no sample:", *listed, *more]), flush=True)
    if dry_run and not config.skip_bad:
        return Scan(sets, {})
    findings = _parsed(group.told(lambda: _json(_found(sets, config, begun))))
    done = Scan(sets, findings)
    if bad := [printable(reason) for _, _, reason in done.skipped()]:
        what = " and ".join(_share(sets[name], len(found.bad)) for name, found in findings.items() if found.bad)
        listed = [f"  {reason}" for reason in bad[:LISTED]]
        if not config.skip_bad:
            more = [f"  and {len(bad) - LISTED} more"] if bad[LISTED:] else []
            advice = "mend these files, or leave them out: --skip-bad"
            raise DataError("\n".join([f"{what} cannot be used:", *listed, *more, advice]))
        more = [f"  and {len(bad) - LISTED} more, see {SKIPPED} in the run folder"] if bad[LISTED:] else []
        print("\n".join([f"{LEFT_OUT}: {printable(what)}", *listed, *more]), flush=True)
    return done


def usable(dataset: Dataset, net: Net, before: Findings | None = None) -> tuple[Dataset, list[str]]:
    """(a set without the samples that a net cannot be evaluated on, why each of these cannot be used).

    before: what a run found in its evaluation set; if that was this one, its samples stay out, and no file is read.
    """
    if not pairs_of(dataset):
        return dataset, []
    found = before
    if found is None or not found.fits(dataset):
        found = examined(dataset, fit=partial(_fit, net, _as_it_is))
    return without(dataset, found), [printable(reason) for reason in found.bad.values()]


def left_out(dataset: Dataset, count: int) -> str:
    """What is said of a set that is evaluated without `count` of its samples."""
    return f"{LEFT_OUT}: {_share(dataset, count)}"


def _found(sets: dict[str, Dataset], config: TrainConfig, begun: Path | None) -> dict[str, Findings]:
    """What there is to know of each set that has files."""
    before = read(begun) if begun else {}
    net = net_of(config, stages_of(config)[-1], num_classes_of(sets["train"]))
    smallest = {"train": _shrunk(config), "val": _as_it_is}
    since = time.perf_counter()
    findings = {
        name: examined(dataset, before.get(name), partial(_fit, net, smallest[name]))
        for name, dataset in sets.items()
        if pairs_of(dataset)
    }
    if findings and findings != before:
        read_now = counted(sum(found.count for found in findings.values()), "sample")
        print(f"read the files of {read_now} in {time.perf_counter() - since:.1f} s", flush=True)
    if begun and before:
        for name, found in findings.items():
            findings[name] = _as_before(begun, sets[name], found, before.get(name), must=name == "train")
    return findings


def examined(
    dataset: Dataset, before: Findings | None = None, fit: Callable[[Sample], None] = lambda sample: None
) -> Findings:
    """Reads every sample of a set of files, unless no file has changed since `before`.

    fit: raises DataError for a sample that is sound and cannot be used nevertheless.
    """
    pairs = pairs_of(dataset) or []
    samples, files = _hash(pair.name for pair in pairs), _hash(_stamps(pairs))
    if before is not None and before.pictures and (before.samples, before.files) == (samples, files):
        return before

    def looked(i: int) -> tuple[str, str | None]:
        try:
            sample = dataset[i]
            fit(sample)
            height, width = sample.label.shape
            return f"{width}x{height}:{_content(pairs[i]):08x}", None
        except DataError as error:
            return "-", str(error)

    pool = ThreadPoolExecutor(parallel.get_threads(), thread_name_prefix="minifcn-scan")
    try:
        results = pool.map(looked, range(len(pairs)))
        # disable=None: a bar on a terminal, nothing in a log
        bar = tqdm(results, f"reading {dataset.name}", len(pairs), unit="sample", leave=False, disable=None)
        pictures, reasons = zip(*bar, strict=True)
    finally:  # Ctrl-C, too: nothing more is begun
        pool.shutdown(cancel_futures=True)
    bad = {i: reason for i, reason in enumerate(reasons) if reason is not None}
    if len(bad) == len(pairs):
        raise DataError(f"{dataset.name}: no sample of {len(pairs)} can be used; the first: {printable(bad[0])}")
    return Findings(len(pairs), samples, files, bad, pictures)


def without(dataset: Dataset, findings: Findings | None) -> Dataset:
    """A set less the samples that cannot be used."""
    if findings is None or not findings.bad:
        return dataset
    return Subset(dataset, [i for i in range(len(dataset)) if i not in findings.bad])


def pairs_of(dataset: Dataset) -> list[Pair] | None:
    """The files of a set's samples, in order; None of a set that has none."""
    if isinstance(dataset, Subset):
        inner = pairs_of(dataset.whole)
        return None if inner is None else [inner[i] for i in dataset.kept]
    return dataset.pairs if isinstance(dataset, PairDataset) else None


def read(folder: Path) -> dict[str, Findings]:
    """What `Scan.write` left; nothing for a run of a minifcn that did not. CheckpointError if it is damaged."""
    path = folder / DATA
    if not os.path.exists(path):
        return {}
    try:
        return _parsed(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise CheckpointError(
            f"{path}: damaged ({str(error)[:100]}); without it the run does not know which samples it began with"
        ) from error


def _json(findings: dict[str, Findings]) -> str:
    about = {
        name: {
            **vars(found),
            "bad": {str(i): reason for i, reason in found.bad.items()},
            "pictures": " ".join(found.pictures),  # on one line
        }
        for name, found in findings.items()
    }
    return json.dumps(about, indent=1)


def _parsed(text: str) -> dict[str, Findings]:
    """What `_json` wrote; any of many errors for anything else."""
    findings = {}
    for name, value in json.loads(text).items():
        bad = {int(i): reason for i, reason in value["bad"].items()}
        pictures = tuple(value.get("pictures", "").split())
        findings[name] = Findings(value["count"], value["samples"], value["files"], bad, pictures)
        sound = type(value["count"]) is int and all(0 <= i < value["count"] for i in bad)
        if pictures and not (
            len(pictures) == value["count"] and all(p == "-" or _PICTURE.fullmatch(p) for p in pictures)
        ):
            raise ValueError("sizes of pictures that cannot be")
        if not sound or not all(isinstance(reason, str) for reason in bad.values()):
            raise ValueError("numbers or reasons of samples that cannot be")
    return findings


def _as_before(folder: Path, dataset: Dataset, found: Findings, before: Findings | None, must: bool) -> Findings:
    """What the run goes on with: if the set is the one of before, without the samples that were left out then.

    must: it may be no other. Raises CheckpointError if it is, or if a sample cannot be used that could be.
    """
    on = "a run goes on with the samples that it began with"
    end = f"{on}: put the files back{_relative(dataset)}, or begin another run (--init takes this one's weights)"
    if before is None or not before.fits(dataset):
        if must:
            had = f"{before.count} samples" if before else "another set"
            raise CheckpointError(
                f"{folder}: began with {had}, and {dataset.name} has {found.count}, or others than then; {end}"
            )
        return found
    names = _names(dataset)
    if worse := sorted(found.bad.keys() - before.bad.keys()):
        more = f", and {len(worse) - 1} more" if worse[1:] else ""
        raise CheckpointError(
            f"{folder}: {printable(names[worse[0]])} of {dataset.name} could be used when the run began{more}: "
            f"{printable(found.bad[worse[0]])}; {end}"
        )
    if better := sorted(before.bad.keys() - found.bad.keys()):
        told = ", ".join(printable(names[i]) for i in better[:LISTED]) + " ..." * (len(better) > LISTED)
        print(f"{printable(dataset.name)}: {told} can be used now, and stay out: {on}", flush=True)
    _compare(folder, dataset, found, before, end if must else "")
    return Findings(found.count, found.samples, found.files, before.bad, found.pictures)


def _compare(folder: Path, dataset: Dataset, found: Findings, before: Findings, end: str) -> None:
    """CheckpointError if files have other content than when the run began; of those that are evaluated on, a line.

    Their paths and times may be others: data sets are moved and copied.
    """
    names = _names(dataset)
    both = enumerate(zip(before.pictures, found.pictures, strict=False))  # nothing before: a run of an older minifcn
    if not (other := [names[i] for i, (old, new) in both if i not in before.bad and old != new]):
        return
    which = ", ".join(printable(name) for name in other[:3]) + f" and {len(other) - 3} more" * bool(other[3:])
    what = f"{dataset.name}: {counted(len(other), 'sample')} with other content than when the run began: {which}"
    if end:
        raise CheckpointError(f"{folder}: {what}; {end}")
    print(f"{printable(what)}; scores from here on cannot be compared with those before", flush=True)


def _relative(dataset: Dataset) -> str:
    """How else files may have become others."""
    paths = [pair.image for pair in pairs_of(dataset) or []]
    return "" if all(map(os.path.isabs, paths)) else ", or go to the folder that the run was started in"


def _shrunk(config: TrainConfig) -> Callable[[int, int], tuple[int, int]]:
    """(height, width) that a training picture may have in a batch of its own, at its smallest."""
    scale = 1 if config.overfit else config.scale
    least = 0 if config.overfit else config.crop  # what is smaller than a crop is filled up to it

    def smallest(height: int, width: int) -> tuple[int, int]:
        return max(least, round(height / scale), 1), max(least, round(width / scale), 1)

    return smallest


def _as_it_is(height: int, width: int) -> tuple[int, int]:
    """(height, width) that a picture has when it is evaluated."""
    return height, width


def _fit(net: Net, smallest: Callable[[int, int], tuple[int, int]], sample: Sample) -> None:
    """DataError for a picture that is too small for the net."""
    height, width = sample.label.shape
    if min(smallest(height, width)) >= SMALL:
        return
    try:
        net.shapes(*net.input_shapes((1, 3, *smallest(height, width))))
    except ShapeError as error:
        raise DataError(
            f"{sample.name}: {width}x{height} pixels are too few for {net.spec['name']}: {error}; enlarge the picture"
        ) from error


def _share(dataset: Dataset, count: int) -> str:
    return f"{count} of the {counted(len(dataset), 'sample')} of {dataset.name}"


def _facts(name: str, dataset: Dataset) -> dict[str, str]:
    """What the set has to be in all processes. Of files sizes alone: paths and times may differ between machines."""
    pairs = pairs_of(dataset)
    return {
        f"the number of {name} samples": str(len(dataset)),
        f"the names of the {name} samples": dataset.name if pairs is None else _hash(pair.name for pair in pairs),
        f"the classes of the {name} set": repr([(task.name, task.classes) for task in tasks_of(dataset)]),
        f"the colours of the {name} set": _hash(task.palette.tobytes().hex() for task in tasks_of(dataset)),
        f"the ignored label of the {name} set": str(dataset.ignore_index),
        f"the sizes of the {name} files": _hash(_sizes(pairs or [])),
    }


def _names(dataset: Dataset) -> list[str]:
    return [pair.name for pair in pairs_of(dataset) or []]


def _files(pair: Pair) -> Iterable[str | os.PathLike[str]]:
    return pair.image, pair.label, *pair.more_labels, *pair.beside.values()


def _content(pair: Pair) -> int:
    """The CRC-32 of a sample's files, one after another."""
    code = 0
    for path in _files(pair):
        try:
            with open(path, "rb") as file:
                while block := file.read(1 << 20):
                    code = zlib.crc32(block, code)
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    return code


def _sizes(pairs: Sequence[Pair]) -> Iterable[str]:
    """The size of each file."""
    for pair in pairs:
        for path in _files(pair):
            try:
                yield str(os.stat(path).st_size)
            except (OSError, ValueError):
                yield "not there"


def _stamps(pairs: Sequence[Pair]) -> Iterable[str]:
    """Path, size and time of each file."""
    for pair in pairs:
        for path in _files(pair):
            try:
                about = os.stat(path)
                yield f"{os.path.abspath(path)} {about.st_size} {about.st_mtime_ns}"
            except (OSError, ValueError):
                yield f"{path} is not there"


def _hash(texts: Iterable[str]) -> str:
    made = hashlib.sha256()
    for text in texts:
        made.update(os.fsencode(text) + b"\0")
    return made.hexdigest()
