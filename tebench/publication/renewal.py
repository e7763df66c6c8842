"""Rows of a benchmark scored anew for the leaderboard."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from tebench.base import storage
from tebench.base.errors import InputError, unknown_name
from tebench.benchmark.settings import Benchmark, Settings

if TYPE_CHECKING:
    import pandas as pd
from typing import Any

log = logging.getLogger(__name__)


def update(settings: Settings, options: Any, folder: Path) -> Path:
    """Score every registered metric (or those of `metrics`) on the benchmark's whole pool and write its rows."""
    from tebench.benchmark import ground_truth
    from tebench.benchmark.scores import score_world
    from tebench.benchmark.spec import protocol_name, published, resolve
    from tebench.metrics import registry
    from tebench.publication import leaderboard_rows
    from tebench.scoring.request import Request
    from tebench.scoring.score import frame

    settings = published(settings)
    if settings.encoders or settings.tasks or settings.stages:
        raise InputError("rows cover the whole benchmark: update goes without encoders=, tasks= and stages=.")
    known, wanted = registry.load(), options.metrics
    for name in wanted or ():
        if name not in known:
            raise unknown_name("metric", name, known)
    world = resolve(settings)
    _check_whole(settings.benchmark, world)
    requests = [Request.make(known[name], {}, None, world.seed) for name in wanted or known]
    source = folder / "ground_truth" / settings.benchmark.ground_truth
    truth = ground_truth.of_world(world, source, protocol_name(settings))
    rows = leaderboard_rows.from_scores(frame(score_world(world, requests, truth, settings.plugins)))
    path = folder / "results" / f"{world.name}.csv"
    if path.exists():
        import pandas as pd

        rows = pd.concat([_kept(leaderboard_rows.read(path), wanted, known, folder), rows], ignore_index=True)
    text = leaderboard_rows.text(rows)
    if found := leaderboard_rows.problems(text, leaderboard_rows.most_rows(world.name)):
        raise InputError("the scores are not fit for the leaderboard:\n  " + "\n  ".join(found[:20]))
    storage.write_text(path, text)
    return path


def _kept(old: pd.DataFrame, wanted: tuple[str, ...] | None, known, folder: Path) -> pd.DataFrame:
    """Rows that stay: those of other metrics than the wanted ones; of submitted metrics, which cannot be scored here.

    Should the features have changed since a submission, its rows contradict the new ones and the update is refused.
    """
    if wanted:
        return old[~old["metric"].isin(wanted)]
    submitted = [name for name in sorted(set(old["metric"]) - set(known))
                 if (folder / "submissions" / f"{name}.csv").is_file()]  # fmt: skip
    for name in submitted:
        log.warning("rows of %s stay as they were submitted: its file is not given with plugins=", name)
    return old[old["metric"].isin(submitted)]


def _check_whole(benchmark: Benchmark, world) -> None:
    """Rows of a benchmark that ships nothing need all of it: a part would stand under the whole one's name."""
    if not benchmark.datasets:
        return
    lacking = [name for name in benchmark.encoders if name not in world.encoders]
    lacking += [name for name in benchmark.tasks if name not in world.tasks]
    lacking += [] if benchmark.max_cases is None else [f"cases beyond benchmark.max_cases={benchmark.max_cases}"]
    if lacking:
        raise InputError(
            f"rows cover the whole benchmark, and of {benchmark.name} these are missing: {', '.join(lacking)}. "
            "job=score evaluates what is there."
        )
