"""What is given away: the wheel and the source distribution hold what they should, for the Pythons that are promised.

Those that build are marked: `pytest -m slow tests/test_packaging.py`.
"""

from __future__ import annotations

import ast
import configparser
import fnmatch
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import minifcn

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted(path for folder in ("minifcn", "benchmarks", "docs") for path in (ROOT / folder).rglob("*.py"))

#: Modules of the standard library that Python 3.10 had and 3.12 or 3.13 has not.
GONE = frozenset(
    {"aifc", "asynchat", "asyncore", "audioop", "cgi", "cgitb", "chunk", "crypt", "distutils", "imghdr", "imp"}
    | {"lib2to3", "mailcap", "msilib", "nis", "nntplib", "ossaudiodev", "pipes", "smtpd", "sndhdr", "spwd", "sunau"}
    | {"telnetlib", "uu", "xdrlib"}
)


def setup() -> configparser.ConfigParser:
    """setup.cfg, read."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def package_files() -> set[str]:
    """Every file of the package that belongs to it, as a wheel names it."""
    files = (path for path in (ROOT / "minifcn").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(ROOT).as_posix() for path in files if not path.name.startswith(".")}


def left_out(files: set[str], patterns: dict[str, list[str]]) -> list[str]:
    """Of `files` those that are neither Python nor named by the package data's `patterns`, package -> globs."""
    lost = []
    for name in sorted(files):
        package = ".".join(Path(name).parts[:-1])
        globs = patterns.get(package, [])
        if not name.endswith(".py") and not any(fnmatch.fnmatch(Path(name).name, glob) for glob in globs):
            lost.append(name)
    return lost


def removed(source: str) -> set[str]:
    """Modules that it imports and that Python 3.13 has no more; SyntaxError where Python 3.10's grammar refuses it."""
    names = set()
    for node in ast.walk(ast.parse(source, feature_version=(3, 10))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add((node.module or "").split(".")[0])
    return names & GONE


def test_every_file_of_the_package_is_in_its_package_data():
    data = {package: re.split(r"[,\s]+", globs) for package, globs in setup()["options.package_data"].items()}
    assert left_out(package_files(), data) == []
    data.pop("minifcn.kernels.cuda")
    assert "minifcn/kernels/cuda/pool.cu" in left_out(package_files(), data)


def test_sources_are_python_3_10_and_import_nothing_that_3_13_lacks():
    for path in SOURCES:
        assert removed(path.read_text(encoding="utf-8")) == set(), path
    assert removed("import imp, os\nfrom cgi import escape") == {"imp", "cgi"}
    with pytest.raises(SyntaxError):
        removed("try: pass\nexcept* ValueError: pass")


def test_version_and_licence_are_told_alike_everywhere():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    metadata = setup()["metadata"]
    assert metadata["version"] == minifcn.__version__
    assert f"\nversion: {minifcn.__version__}\n" in citation
    assert f"\nlicense: {metadata['license']}\n" in citation
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith(f"{metadata['license']} License\n")
    assert minifcn.__version__ in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert {"10.1109/CVPR.2015.7298965", "10.1109/TPAMI.2016.2572683"} <= set(re.findall(r"doi: (\S+)", citation))


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """A folder with the wheel and the source distribution of a clean copy, built without a network."""
    folder = tmp_path_factory.mktemp("built")
    pytest.importorskip("setuptools", "77", reason="builds with the setuptools that is here; it is missing or too old")
    pytest.importorskip("build", reason="`pip install build` to build the package")
    copy = folder / "copy"
    ignored = shutil.ignore_patterns("__pycache__", "runs", "build", "dist", "*.egg-info", ".git", ".venv", ".*_cache")
    shutil.copytree(ROOT, copy, ignore=ignored)
    command = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--sdist", "--outdir", folder, copy]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.slow
def test_the_wheel_holds_the_package_its_licence_and_nothing_else(built):
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
        (metadata,) = [archive.read(name).decode() for name in names if name.endswith(".dist-info/METADATA")]
    assert {name for name in names if ".dist-info/" not in name} == package_files()
    assert any(name.endswith("LICENSE") for name in names)
    assert re.search(r"^License(-Expression)?: MIT$", metadata, re.MULTILINE)
    assert re.search(r"^Requires-Python: >=3.10$", metadata, re.MULTILINE)


@pytest.mark.slow
def test_the_source_distribution_holds_what_is_tested_and_taught_too(built):
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}
    assert package_files() <= names
    wanted = {"LICENSE", "CHANGELOG.md", "CITATION.cff", "README.md", "tests/test_packaging.py", "tests/conftest.py"}
    assert wanted | {"tutorials/INSTRUCTORS.md", "tutorials/02_convolution.ipynb", "benchmarks/cases.py"} <= names
    assert not [name for name in names if "__pycache__" in name or name.startswith("runs/")]


@pytest.mark.slow
def test_the_wheel_s_commands_teach_themselves(built, tmp_path):
    """Out of the archive itself, so that a clone beside it cannot help."""
    (wheel,) = built.glob("*.whl")
    shutil.unpack_archive(wheel, tmp_path, "zip")
    for arguments in (["--help"], ["explain", "fcn8s", "--preset", "tiny"], ["report", "--help"], ["export", "--help"]):
        command = [sys.executable, "-P" if sys.version_info >= (3, 11) else "-s", "-m", "minifcn", *arguments]
        done = subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True)
        assert done.returncode == 0 and done.stdout, done.stderr
