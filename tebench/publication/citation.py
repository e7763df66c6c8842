"""How the leaderboard, one version of it, or one of its numbers is cited."""

from __future__ import annotations

import re

# The same words as CITATION.cff, which an installed package does not hold; a test compares them.
AUTHOR = "The tebench authors"
TITLE = "tebench: a benchmark of transferability estimation for 3D medical image segmentation"
YEAR = 2026


def bibtex(version: str, *, key: str = "", note: str = "") -> str:
    """A BibTeX entry; `note` says which number is meant.

    >>> print(bibtex("v1.0"))
    @misc{tebench-v1.0,
      author = {{The tebench authors}},
      title = {{tebench: a benchmark of transferability estimation for 3D medical image segmentation}},
      year = {2026},
      version = {v1.0}
    }
    """
    name = "-".join(["tebench", _key(version), *([_key(key)] if key else [])])
    lines = [
        f"author = {{{{{AUTHOR}}}}}",
        f"title = {{{{{TITLE}}}}}",
        f"year = {{{YEAR}}}",
        f"version = {{{_text(version)}}}",
    ]
    if note:
        lines.append(f"note = {{{_text(note)}}}")
    return f"@misc{{{name},\n  " + ",\n  ".join(lines) + "\n}"


def note(board: str, pool: str, pool_id: str, task: str, metric: str, said: str) -> str:
    """Which number of the leaderboard is meant; no task: the mean over them."""
    where = f"task {task}" if task else "mean over tasks"
    return f"benchmark {board}, pool {pool} ({pool_id}), {where}, metric {metric}: {said}"


def _key(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-")


def _text(text: str) -> str:
    """Braces and backslashes would end or change the field; the rest of TeX's marks are set literally."""
    text = re.sub(r"[\x00-\x1f\x7f\\{}<>`]+", " ", str(text))
    return re.sub(r"([%&#$_])", r"\\\1", text).replace("~", " ").replace("^", " ")
