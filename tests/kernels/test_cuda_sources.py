"""The CUDA sources: what they keep to, that NVIDIA's compilers take them, and that they count beyond 32 bits."""

from __future__ import annotations

import ctypes
import importlib.util
import mmap
import re
import shutil
import subprocess
from pathlib import Path

import fakecuda
import fakegpu
import numpy as np
import pytest

from minifcn.kernels import cuda
from minifcn.kernels.cuda import columns, launch
from minifcn.ops.pool import pool_geometry
from minifcn.window import Band

SOURCES = sorted(path.stem for path in Path(cuda.__file__).parent.glob("*.cu") if path.stem != "prelude")

needs_compiler = pytest.mark.skipif(not fakecuda.COMPILER, reason="no g++ to compile the CUDA sources as C++")

#: Between them, either side of every #ifdef.
VARIANTS = [
    launch.options_for(np.dtype(np.float32)),
    launch.options_for(np.dtype(np.float64), True, ("MANY_TAPS",)),
]


@pytest.mark.parametrize("source", SOURCES)
def test_a_source_keeps_to_what_runs_on_a_cpu_and_gives_the_same_bits_every_time(source):
    text = re.sub("//.*", "", launch.code(source))
    assert not re.search(r"atomic|__sync|__shared__|__shfl|#include|blockIdx\.[yz]|threadIdx\.[yz]", text)
    assert "KERNEL" in text


def test_the_sources_are_installed_with_the_package():
    setup = (Path(cuda.__file__).parents[3] / "setup.cfg").read_text()
    assert re.search(r"\[options.package_data\]\nminifcn.kernels.cuda = \*\.cu\n", setup)


# --- NVIDIA's compilers -----------------------------------------------------------------------------------------------


def architectures():
    """What nvcc can compile for, of sm_70 to sm_90. CUDA 13 begins at 75: Volta's last compiler is CUDA 12's."""
    if not shutil.which("nvcc"):
        return []
    listed = subprocess.run(("nvcc", "--list-gpu-code"), check=True, capture_output=True, text=True).stdout
    return [code for code in listed.split() if re.fullmatch(r"sm_[78]\d|sm_90", code)]


@pytest.mark.skipif(not architectures(), reason="no nvcc here")
@pytest.mark.parametrize("architecture", architectures())
def test_nvcc_compiles_every_source(architecture, tmp_path):
    (tmp_path / "all.cu").write_text(launch.code(*SOURCES))
    variants = VARIANTS if architecture == architectures()[-1] else VARIANTS[:1]
    for options in variants:
        command = (
            "nvcc",
            *options,
            f"-arch={architecture}",
            "-Werror=all-warnings",
            "-cubin",
            "-o",
            "all.cubin",
            "all.cu",
        )
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def nvrtc():
    """NVIDIA's runtime compiler, which CuPy uses, from the package nvidia-cuda-nvrtc-cu12."""
    spec = importlib.util.find_spec("nvidia.cuda_nvrtc") if importlib.util.find_spec("nvidia") else None
    paths = [] if spec is None else sorted(Path(spec.submodule_search_locations[0]).glob("lib/libnvrtc.so.*"))
    return ctypes.CDLL(str(paths[0])) if paths else None


@pytest.mark.skipif(nvrtc() is None, reason="no NVRTC: pip install nvidia-cuda-nvrtc-cu12")
@pytest.mark.parametrize("options", VARIANTS, ids=" ".join)
@pytest.mark.parametrize("architecture", [70, 75, 80, 86, 89, 90])
def test_the_compiler_that_cupy_uses_takes_every_source(architecture, options):
    library, program = nvrtc(), ctypes.c_void_p()
    text = launch.code(*SOURCES).encode()
    assert library.nvrtcCreateProgram(ctypes.byref(program), text, b"all.cu", 0, None, None) == 0
    added = "-ftz=true", "--device-as-default-execution-space"  # by CuPy's cuda/compiler.py
    given = [o.encode() for o in (*options, *added, f"--gpu-architecture=sm_{architecture}")]
    result = library.nvrtcCompileProgram(program, len(given), (ctypes.c_char_p * len(given))(*given))
    size = ctypes.c_size_t()
    library.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    library.nvrtcGetProgramLog(program, log)
    assert result == 0, log.value.decode()
    assert library.nvrtcGetCUBINSize(program, ctypes.byref(size)) == 0 and size.value > 1000
    library.nvrtcDestroyProgram(ctypes.byref(program))


# --- more elements than 32 bits count ---------------------------------------------------------------------------------


@pytest.fixture
def sparse(monkeypatch):
    """An array of zeros that takes no memory until written to; the kernels' own arrays are of this kind, too."""
    no_reserve = 0x4000  # MAP_NORESERVE of Linux, which Python names from 3.13 on

    def zeros(shape, dtype=np.float32):
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        try:
            memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | no_reserve)
        except OSError as error:
            pytest.skip(f"this system gives no {size >> 30} GiB of addresses: {error}")
        return fakegpu.ndarray(np.frombuffer(memory, dtype).reshape(shape))

    monkeypatch.setattr(fakegpu, "empty", zeros)
    monkeypatch.setattr(fakecuda, "only_last_block", True)
    return zeros


HUGE = 50_000  # squared: beyond 2^31, and no multiple of the threads in a block


@needs_compiler
def test_the_last_window_of_a_huge_image_is_pooled(sparse):
    geometry = pool_geometry("max_pool2d", 2, 1, 0, False)
    x = sparse((1, 1, HUGE, HUGE))
    x._host[0, 0, -1, -2] = 3
    y, winner = cuda.max_pool(x, geometry, (HUGE - 1, HUGE - 1))
    assert y._host[0, 0, -1, -3:].tolist() == [0, 3, 3] and winner._host[0, 0, -1, -3:].tolist() == [0, 3, 2]
    y._host[0, 0, -1, -2:] = 5, 7
    dx = cuda.max_pool_backward(y, winner, x.shape, geometry)
    assert dx._host[0, 0, -1, -3:].tolist() == [0, 12, 0]
    mean = cuda.avg_pool(x, geometry, (HUGE - 1, HUGE - 1))
    assert mean._host[0, 0, -1, -3:].tolist() == [0, 0.75, 0.75]
    spread = cuda.avg_pool_backward(y, x.shape, geometry)
    assert spread._host[0, 0, -1, -3:].tolist() == [1.25, 3, 1.75]


@needs_compiler
def test_the_last_columns_of_a_huge_image(sparse):
    x = sparse((1, 1, HUGE, HUGE))
    x._host[0, 0, -2:, -2:] = [[1, 2], [3, 4]]
    size = HUGE - 1
    found = columns.im2col(x, (2, 2), (1, 1), (0, 0), (1, 1), Band(slice(0, 1), slice(0, size)), size)
    assert found._host[0, :, :, 0, -1, -1].tolist() == [[1, 2], [3, 4]]
    found._host[0, :, :, 0, -1, -1] = [[10, 20], [30, 40]]
    back = sparse(x.shape)
    columns.col2im(found, back, (1, 1), (0, 0), (1, 1))
    assert back._host[0, 0, -1, -2:].tolist() == [33, 40]
    y = sparse((1, 2, HUGE, HUGE))
    columns.epilogue(y, fakegpu.asarray(np.float32([1, -1])), y, Band(slice(0, 1), slice(0, HUGE)), rectify=False)
    assert y._host[0, 1, -1, -1] == -1


@needs_compiler
def test_the_last_of_many_weights_is_updated(sparse):
    w, g, v = (sparse((HUGE, HUGE)) for _ in range(3))
    g._host[-1, -1] = 1
    cuda.sgd_update(w, g, v, 0.5, 2.0, 0.0)
    assert (w._host[-1, -1], v._host[-1, -1]) == (-2, 2)
