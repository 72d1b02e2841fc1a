"""On what a run was made: as far as the system says it without asking a library."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ttscale.types import JSON

_PROCESSORS: Final = Path("/proc/cpuinfo")
_MEMORY: Final = Path("/proc/meminfo")
_ACCELERATORS: Final = Path("/proc/driver/nvidia/gpus")


def describe_machine() -> Mapping[str, JSON]:
    """Return processor, cores this process may use, memory in GiB and accelerators; ``None`` where unknown."""
    kibibytes = _first(_MEMORY, r"MemTotal:\s*(\d+)")
    found = sorted(_ACCELERATORS.glob("*/information")) if _ACCELERATORS.is_dir() else []
    accelerators = [name for path in found if (name := _first(path, r"Model:\s*(.+)")) is not None]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": _first(_PROCESSORS, r"model name\s*:\s*(.+)") or platform.processor() or None,
        "num_cores": cores,
        "memory_gib": None if kibibytes is None else round(int(kibibytes) / 2**20, 1),
        "accelerators": accelerators,
    }


def _first(path: Path, pattern: str) -> str | None:
    try:
        found = re.search(pattern, path.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return None
    return found[1].strip() if found else None
