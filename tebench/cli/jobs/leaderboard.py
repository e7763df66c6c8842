"""job=leaderboard: everything published, remade from rows; rows of results scored anew on request."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import pandas as pd

from tebench.base import storage
from tebench.base.errors import InputError, unknown_name
from tebench.benchmark.spec import leaderboard_folder
from tebench.publication import leaderboard_rows, publish, versions

log = logging.getLogger(__name__)


def run(config: dict) -> None:
    """Update the rows if asked, then write what they give, or check that it is what lies there."""
    job = config["job"]
    folder = leaderboard_folder(job["folder"])
    if (job["update"] or job.get("freeze") is not None) and job["check"]:
        raise InputError("job.check only looks: it goes neither with job.update nor with job.freeze.")
    if job.get("freeze") is not None:
        versions.check_name(job["freeze"])
    if job["update"]:
        print(update(config, folder))
    if job.get("freeze") is not None:
        print(versions.freeze(folder, job["freeze"], protocol=config["protocol"]["name"], workers=config["workers"]))
        return
    made = publish.build(folder, protocol=config["protocol"]["name"], workers=config["workers"])
    if not made:
        raise InputError(f"{folder / 'results'} holds no rows. Make them with job=leaderboard job.update=true.")
    if job["check"]:
        found, kept = publish.differences(folder, made), versions.altered(folder)
        print("\n".join(found + kept) or f"{len(made)} files in {folder} are what the rows give")
        if found:
            print(f"{len(found)} differences; job=leaderboard makes the files anew.")
        if kept:
            print("A frozen version was altered: restore it from the commit that froze it.")
        if found or kept:
            sys.exit(1)
        return
    for path in publish.write(folder, made):
        print(path)


def update(config: dict, folder: Path) -> Path:
    """Score every registered metric (or `job.metrics`) on the benchmark's whole pool and write its rows."""
    from tebench.benchmark import ground_truth
    from tebench.benchmark.scores import score_world
    from tebench.benchmark.spec import protocol_name, published, resolve
    from tebench.metrics import registry
    from tebench.scoring.request import Request
    from tebench.scoring.score import frame

    config = published(config)
    if config["encoders"] or config["tasks"] or config["stages"]:
        raise InputError("rows cover the whole benchmark: job.update goes without encoders=, tasks= and stages=.")
    known, wanted = registry.load(), config["job"]["metrics"]
    if wanted is not None and not (isinstance(wanted, list) and wanted and all(isinstance(w, str) for w in wanted)):
        raise InputError(f"job.metrics must be a list of names such as [gbc,logme], got {wanted!r}.")
    for name in wanted or []:
        if name not in known:
            raise unknown_name("metric", name, known)
    world = resolve(config)
    _check_whole(config["benchmark"], world)
    requests = [Request.make(known[name], {}, None, world.seed) for name in wanted or known]
    source = folder / "ground_truth" / config["benchmark"]["ground_truth"]
    truth = ground_truth.of_world(world, source, protocol_name(config))
    rows = leaderboard_rows.from_scores(frame(score_world(world, requests, truth, config["plugins"])))
    path = folder / "results" / f"{world.name}.csv"
    if path.exists():
        rows = pd.concat([_kept(leaderboard_rows.read(path), wanted, known, folder), rows], ignore_index=True)
    text = leaderboard_rows.text(rows)
    if found := leaderboard_rows.problems(text, leaderboard_rows.most_rows(world.name)):
        raise InputError("the scores are not fit for the leaderboard:\n  " + "\n  ".join(found[:20]))
    storage.write_text(path, text)
    return path


def _kept(old: pd.DataFrame, wanted: list[str] | None, known, folder: Path) -> pd.DataFrame:
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


def _check_whole(benchmark: dict, world) -> None:
    """Rows of a benchmark that ships nothing need all of it: a part would stand under the whole one's name."""
    if not benchmark.get("datasets"):
        return
    lacking = [name for name in benchmark["encoders"] if name not in world.encoders]
    lacking += [name for name in benchmark["tasks"] if name not in world.tasks]
    lacking += [] if benchmark["max_cases"] is None else [f"cases beyond benchmark.max_cases={benchmark['max_cases']}"]
    if lacking:
        raise InputError(
            f"rows cover the whole benchmark, and of {benchmark['name']} these are missing: {', '.join(lacking)}. "
            "job=score evaluates what is there."
        )
