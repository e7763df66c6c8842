"""The progress bar of jobs."""

from __future__ import annotations

import sys


def bar(description: str, unit: str, show: bool, total: int | None = None):
    """A tqdm bar on stderr that leaves nothing behind; in a log file a line every 30 s instead of ten a second."""
    from tqdm import tqdm

    interval = 0.2 if sys.stderr.isatty() else 30.0
    return tqdm(desc=description, unit=unit, total=total, disable=not show, leave=False, mininterval=interval)
