"""The command as it was given, for pages that name what made them."""

from __future__ import annotations

import sys

QUIET = ("job.folder=", "folder=", "job.docs=", "docs=", "output=", "cache=", "workers=", "progress=", "verbose=")


def as_given() -> str:
    """Without what changes no number; patterns in quotes, for shells."""
    given = [argument for argument in sys.argv[1:] if not argument.startswith(QUIET)]
    return " ".join(["python -m tebench", *(f"'{a}'" if "*" in a else a for a in given)])
