"""Everything a scoring run leaves behind: scores, tables in every format, figures; the table goes to the terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from tebench.base.errors import UnknownNameError
from tebench.base.storage import write_text
from tebench.evaluation import evaluate, reliability
from tebench.evaluation.compare import rank_groups
from tebench.evaluation.pools import Pool
from tebench.reporting import figures, figures_slopes, formats, style, tables
from tebench.reporting.style import Look

FIGURES = ("correlation-*", "slopes-*", "ground-truth", "cost-quality")


def looks_of(encoders) -> dict[str, Look]:
    """Colour by architecture, open marker for a random initialisation, from the encoders' own facts."""
    from tebench.encoders import catalogue

    found = {}
    for name in encoders:
        try:
            facts = catalogue.facts(name)
        except UnknownNameError:  # known by published numbers only
            found[name] = Look(name)
            continue
        found[name] = Look(name, facts.architecture.split(",")[0], not facts.pretraining.startswith("none"))
    return found


def write(
    folder: Path, scores: pd.DataFrame, truth: pd.DataFrame, directions: dict[str, str], pool: Pool, *, seed: int,
    titles: dict[str, str], heading: str,
) -> str:  # fmt: skip
    """Evaluate, write all files into `folder`, and return the terminal table with the list of files."""
    result = evaluate.evaluate(scores, truth, directions, pool=pool, seed=seed)
    judged = reliability.table(truth, pool.encoders)
    rankable = bool(judged["status"].eq("ok").any())
    groups = rank_groups(scores, truth, directions, pool=pool, seed=seed) if rankable and len(directions) > 1 else None
    options = {"title": heading, "titles": titles, "groups": groups}
    forget(folder)
    write_text(folder / "scores.csv", formats.csv_text(plain(scores)))
    files = [folder / "scores.csv", *tables.write(result, folder, **options)]
    looks = looks_of(pool.encoders)
    points = evaluate.points(scores, truth, directions, pool=pool)
    for task in dict.fromkeys(points["task"]):
        figure = figures.correlation(points, result, task, titles=titles, looks=looks)
        files += style.save(figure, folder / "figures", f"correlation-{task}")
    files += style.save(figures.ground_truth(truth, looks=looks, judged=judged), folder / "figures", "ground-truth")
    pair = figures_slopes.best_pair(result)
    for task in dict.fromkeys(points["task"]) if pair else ():
        if set(pair) <= set(points.loc[points["task"] == task, "metric"]):
            figure = figures_slopes.slopes(
                scores, truth, result, task, pair, directions, pool=pool, titles=titles, looks=looks, seed=seed
            )
            files += style.save(figure, folder / "figures", f"slopes-{task}")
    means = result[(result["task"] == "mean") & (result["status"] == "ok") & result["seconds"].notna()]
    if len(means) > 1:
        files += style.save(figures.cost_quality(result, titles=titles), folder / "figures", "cost-quality")
    stems = dict.fromkeys(file.with_suffix("") for file in files)
    written = [f"  {stem}.{{{','.join(f.suffix[1:] for f in files if f.with_suffix('') == stem)}}}" for stem in stems]
    return tables.terminal(result, **options) + "\nwritten:\n" + "\n".join(written).replace(".{csv}", ".csv")


def forget(folder: Path) -> None:
    """Remove the tables and figures of an earlier run: none may stay beside scores that it was not made from."""
    for pattern in ("correlation.*", "pools.csv", *(f"figures/{stem}.*" for stem in FIGURES)):
        for path in folder.glob(pattern):
            path.unlink()


def plain(scores: pd.DataFrame) -> pd.DataFrame:
    """Nested cells (parameters, components, versions) as JSON text, so that the CSV holds everything."""
    flat = scores.copy()
    for column in ("parameters", "components", "versions"):
        flat[column] = [json.dumps(value, sort_keys=True) for value in flat[column]]
    return flat
