"""Cells for every (task, encoder): read where they are on disk, computed in worker processes where not."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tebench.runtime.workers import each
from tebench.scoring.score import POOL_LEVEL, Request, cell_path, compute, read_cell, read_failed, write_cell
from tebench.scoring.view import FeatureView


def score_all(
    requests: list[Request], folders: dict[tuple[str, str], Path], cells: Path, *, workers: int = 1, plugins=(),
    progress: bool = True, retry: bool = True,
) -> dict[tuple[str, str], list[dict]]:  # fmt: skip
    """Cells of every requested metric for every (task, encoder) feature folder.

    What is on disk is read; the rest is computed in worker processes, one (task, encoder) each, so that
    features load and moments form once. Metrics that are defined over a pool are left to `tebench.scoring.pool`.
    retry: compute cells again whose recorded failure stands, see `tebench.base.failures`.
    """
    from tebench.features import cache

    headers = {pair: cache.header(folder) for pair, folder in folders.items()}
    known = {pair: _on_disk(requests, *pair, headers[pair], cells, retry) for pair in folders}
    spelled = [request.spelled for request in requests]
    missing = [pair for pair, found in known.items() if any(cell is None for cell in found)]
    jobs = [(pair, folders[pair], headers[pair], cells, spelled, plugins, retry) for pair in missing]
    done = dict(each(_score_pair, jobs, workers, "scoring", progress=progress, kept="finished cells are kept."))
    return {pair: done.get(pair) or known[pair] for pair in folders}


def _score_pair(job) -> tuple[tuple[str, str], list[dict]]:
    """All cells of one (task, encoder), computed where missing and written at once."""
    from tebench.features import cache
    from tebench.metrics.registry import load_plugins

    (task, encoder), folder, header, cells, spelled, plugins, retry = job
    load_plugins(plugins)
    requests = [Request.read(plain) for plain in spelled]
    view, found = None, []
    known = _on_disk(requests, task, encoder, header, cells, retry)
    for request, cell in zip(direct(requests), known, strict=True):
        if cell is None:
            path = cell_path(cells, request, task, encoder, header)
            view = view or FeatureView(lambda: cache.read(folder, verify=False), task, kept=path.parent)
            cell = compute(request, task, encoder, header, view)
            write_cell(path, cell)
        found.append(cell)
    return (task, encoder), found


def direct(requests: Iterable[Request]) -> list[Request]:
    """Those that have cells of their own: not defined over a pool."""
    return [request for request in requests if request.metric.reads not in POOL_LEVEL]


def _on_disk(requests, task: str, encoder: str, header: dict, cells: Path, retry: bool) -> list[dict | None]:
    paths = [cell_path(cells, request, task, encoder, header) for request in direct(requests)]
    return [read_cell(path) or read_failed(path, retry) for path in paths]
