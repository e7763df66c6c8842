"""Some scores of a submission computed again, its findings as lines, its rows accepted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tebench.base import storage
from tebench.benchmark.settings import Settings
from tebench.benchmark.spec import published, resolve

if TYPE_CHECKING:
    from tebench.publication import validation


def again(settings: Settings, path: Path, most: int) -> tuple[list[str], list[str]]:
    """(problems, notes) of scoring a few cells of the file anew, with the metric that plugins= defines.

    Which cells follows from the file's hash. Scores that are relative to a pool would need all of it and are left out.
    """
    from tebench.evaluation.tolerance import FLOOR
    from tebench.metrics import registry
    from tebench.publication import submission, validation

    given = submission.parse(submission.read(path))
    facts, known = given.facts, registry.load()
    settings = published(settings)
    if facts["metric"] not in known:
        return [f"the file given with plugins= registers no metric {facts['metric'][:40]!r}"], []
    metric = known[facts["metric"]]
    if metric.reads in ("parts", "elsewhere", "facts") or facts["benchmark"] != settings.benchmark.name:
        return [], [f"no cell was scored again (reads {metric.reads}, benchmark {facts['benchmark']})"]
    own = given.rows[(given.rows["metric"] == metric.name) & (given.rows["status"] == "ok")]
    digest = storage.sha256_file(path)
    order = own.apply(lambda row: storage.hash_json([digest, row["task"], row["encoder"]]), axis=1)
    chosen = own.loc[order.sort_values().index[:most]]
    # Nobody has measured this metric between processors: it has the room that the steadiest published ones have.
    room = FLOOR * own.groupby("task")["score"].std(ddof=0)
    wrong = [
        f"{row.task} / {row.encoder}: scored again {score:.9g}, the file says {row.score:.9g}"
        for row in chosen.itertuples()
        if not validation.close(score := _score(settings, metric, row), row.score, room[row.task])
    ]
    if wrong:
        return ["the scores are not what the metric gives: " + "; ".join(wrong)], []
    return [], [
        f"{len(chosen)} cells scored again, equal to rounding: "
        + ", ".join(f"{r.task} / {r.encoder}" for r in chosen.itertuples())
    ]


def _score(settings: Settings, metric, row) -> float:
    """The metric on one task and encoder, from the feature cache, which is filled where it lacks them."""
    from tebench.benchmark.extraction import read_pairs
    from tebench.features import cache
    from tebench.features.sample_store import load_or_draw
    from tebench.features.sampling import Recipe
    from tebench.scoring.compute import compute
    from tebench.scoring.request import Request
    from tebench.scoring.view import FeatureView
    from tebench.tasks import catalogue

    world, task = resolve(settings), catalogue.load(row.task)
    sample = load_or_draw(task, Recipe(**world.sampling), seed=world.seed, cache=world.cache / "samples")
    (folder,) = read_pairs(world, [(task, row.encoder, sample)]).values()
    features = cache.read(folder)
    view = FeatureView(lambda: features, row.task)
    request = Request.make(metric, row.parameters, None, world.seed)
    score = compute(request, row.task, row.encoder, cache.header(folder), view).score
    return float("nan") if score is None else score


def report(path: Path, found: validation.Verdict) -> list[str]:
    """The findings as lines; control characters of a hostile file do not reach the terminal."""
    from tebench.publication import validation

    said = [f"{path}: " + ("sound" if found.sound else f"refused, {len(found.problems)} reason(s)")]
    said += [f"  - {what}" for what in found.problems[: validation.SHOWN]]
    if len(found.problems) > validation.SHOWN:
        said.append(f"  and {len(found.problems) - validation.SHOWN} more")
    said += [f"  note: {what}" for what in found.notes]
    return ["".join(c if c.isprintable() else "?" for c in line) for line in said]


def accept(path: Path, folder: Path) -> Path:
    """Add the submitted metric's rows to the published ones of its benchmark; the rows beside it stay out."""
    import pandas as pd

    from tebench.publication import leaderboard_rows, submission

    given = submission.parse(submission.read(path))
    target = folder / "results" / f"{given.facts['benchmark']}.csv"
    old, metric = leaderboard_rows.read(target), given.facts["metric"]
    if metric not in set(old["metric"]):
        rows = pd.concat([old, given.rows[given.rows["metric"] == metric]], ignore_index=True)
        storage.write_text(target, leaderboard_rows.text(rows))
    return target
