"""Resident memory of this process, in bytes. No library, so that measuring adds nothing."""

from __future__ import annotations

import resource
import sys


def now() -> int:
    """Resident at this moment; where the system does not tell, the most so far."""
    return _status("VmRSS") or _most()


def peak() -> int:
    """The most that was resident. The kernel's VmHWM where there is one: ru_maxrss begins with the parent's."""
    return _status("VmHWM") or _most()


def _most() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _status(key: str) -> int:
    try:
        with open("/proc/self/status") as lines:
            return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(key + ":")), 0)
    except OSError:
        return 0
