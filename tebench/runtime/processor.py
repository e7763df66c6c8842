"""Which processor computes, and which one its libraries were told to take it for."""

from __future__ import annotations

import os
import platform
from pathlib import Path

# Each makes a library round as on another processor; all must be set before Python starts.
IMITATION = ("ONEDNN_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY", "OPENBLAS_CORETYPE")


def name() -> str:
    """The processor's own name."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def described() -> str:
    """The processor's name, and what it imitates: "AMD EPYC as ONEDNN_MAX_CPU_ISA=AVX2"."""
    told = [f"{variable}={os.environ[variable]}" for variable in IMITATION if os.environ.get(variable)]
    return f"{name()} as {' '.join(told)}" if told else name()
