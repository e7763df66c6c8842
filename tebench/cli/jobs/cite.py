"""job=cite: BibTeX and permalink of one published number, or of a version of the leaderboard."""

from __future__ import annotations

from pathlib import Path

from tebench.base.errors import unknown_name
from tebench.evaluation.arrays import MEAN
from tebench.publication import citation, publish, versions


def run(config: dict) -> None:
    """Print the entry of the cell that the configuration names."""
    from tebench.benchmark.spec import leaderboard_folder, protocol_name, published
    from tebench.publication.boards import board_name

    config = published(config)
    job = config["job"]
    folder = leaderboard_folder(job["folder"])
    names = {key: None if job[key] is None else str(job[key]) for key in ("metric", "task", "pool", "version")}
    board = board_name(config["benchmark"]["name"], protocol_name(config))
    print(cite(folder, board, **names))


def cite(folder: Path, board: str, *, metric=None, task=None, pool=None, version=None) -> str:
    """BibTeX entry, then the permalink: path of the page and anchor of the number on it."""
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
