"""Progress of an extraction: a bar with time left on stderr, or a function that is told."""

from __future__ import annotations

import sys
from collections.abc import Callable


class Progress:
    """Windows done out of an estimate of all.

    The number of windows of a case is known only once its volume is read; cases not yet read count as the
    mean of those that were.
    """

    def __init__(self, show: bool | Callable[[int, int], None], description: str, n_cases: int):
        self._tell = show if callable(show) else None
        self._bar = bar(description) if show is True else None
        self._n_cases, self._seen, self._known, self._done = n_cases, 0, 0, 0

    def case(self, n_windows: int) -> None:
        """One more case was read; it has this many windows."""
        self._seen += 1
        self._known += n_windows
        self.advance(0)

    def advance(self, n_windows: int) -> None:
        self._done += n_windows
        total = round(self._known * self._n_cases / max(self._seen, 1))
        if self._tell:
            self._tell(self._done, total)
        if self._bar is not None:
            self._bar.total = total
            self._bar.update(n_windows)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_) -> None:
        if self._bar is not None:
            self._bar.close()


def bar(description: str, unit: str = "window"):
    """A tqdm bar on stderr; in a log file it writes a line every 30 s instead of ten a second."""
    from tqdm import tqdm

    interval = 0.2 if sys.stderr.isatty() else 30.0
    return tqdm(total=0, desc=description, unit=unit, file=sys.stderr, mininterval=interval, dynamic_ncols=True)
