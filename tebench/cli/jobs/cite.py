"""job=cite: BibTeX and permalink of one published number, or of a version of the leaderboard."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from tebench.base.errors import unknown_name
from tebench.benchmark.options import option
from tebench.benchmark.settings import Settings


@dataclass(frozen=True)
class Options:
    """BibTeX and permalink of one number of the leaderboard, or of the leaderboard as a whole.

    tebench cite metric=grtd_lbtc task=lungs version=v1.0
    tebench cite version=v1.0
    """

    READS: ClassVar = ("benchmark", "protocol")

    metric: str | None = option(None, "whose number; null: the leaderboard as a whole")
    task: str | None = option(None, "null: the mean over tasks")
    pool: str | None = option(None, "candidate pool; null: the whole one")
    version: str | None = option(
        None, "a frozen version such as v1.0; null: the state under development, which may change"
    )
    folder: str | None = option(None, "another folder than leaderboard/")


def run(settings: Settings, options: Options) -> None:
    """Print the entry of the cell that the configuration names."""
    from tebench.benchmark.spec import leaderboard_folder, protocol_name, published
    from tebench.publication.boards import board_name

    settings = published(settings)
    board = board_name(settings.benchmark.name, protocol_name(settings))
    names = {"metric": options.metric, "task": options.task, "pool": options.pool, "version": options.version}
    print(cite(leaderboard_folder(options.folder), board, **names))


def cite(folder: Path, board: str, *, metric=None, task=None, pool=None, version=None) -> str:
    """BibTeX entry, then the permalink: path of the page and anchor of the number on it."""
    from tebench.evaluation.arrays import MEAN
    from tebench.publication import citation, publish, versions
    from tebench.publication.page_data import view_id
    from tebench.reporting.summary import WORDS, number, span

    frame = versions.table(folder, board, version)
    words = version or publish.DEVELOPMENT
    page = f"leaderboard/{version}/index.html" if version else "leaderboard/index.html"
    if metric is None:
        return f"{citation.bibtex(words)}\n{page}"
    task, pool = task or MEAN, pool or frame["pool"].iloc[0]
    for kind, name in (("pool", pool), ("task", task), ("metric", metric)):
        if name not in set(frame[kind]):
            raise unknown_name(f"{kind} of leaderboard {words}", name, set(frame[kind]))
        frame = frame[frame[kind] == name]
    row = next(frame.itertuples(index=False))
    said = WORDS.get(row.status, row.status)
    if row.tau_w == row.tau_w:
        said = f"tau_w {number(row.tau_w)}, 95 % interval {span(row.low, row.high)}"
    anchor = view_id(board, pool, task, metric)
    note = citation.note(board, pool, row.pool_id, "" if task == MEAN else task, metric, said)
    return f"{citation.bibtex(words, key=anchor, note=note)}\n{page}#{anchor}"
