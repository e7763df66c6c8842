"""job=score: the main job. Features -> cells -> pool -> correlation with ground truth -> table and figures."""

from __future__ import annotations

import logging

from tebench.base import storage
from tebench.base.errors import InputError, unknown_name
from tebench.benchmark.spec import World, ground_truth_file, protocol_name, resolve
from tebench.cli.jobs.extract import feature_folders
from tebench.cli.options import requested_metrics
from tebench.metrics import presets
from tebench.metrics.registry import get
from tebench.scoring.grid import score_all
from tebench.scoring.pool import elsewhere, fuse, with_parts
from tebench.scoring.score import FIELDS, Request

log = logging.getLogger(__name__)


def run(config: dict) -> None:
    """Check everything that can be checked before computing, then score, correlate and write."""
    from tebench.evaluation import groundtruth
    from tebench.evaluation.pools import Pool

    if config["job"].get("scores"):
        print(from_table(config))
        return
    world, requests, preset = resolve(config), requests_of(config), presets.read(config)
    if not config["job"].get("tables", True):
        print(_cells_only(world, requests, config["plugins"], preset))
        return
    pool = Pool(world.pool, world.encoders)
    protocol, source = protocol_name(config), ground_truth_file(config)
    truth = groundtruth.read(source, protocol=protocol)
    groundtruth.require(truth, world.encoders, world.tasks)
    truth = truth[truth["task"].isin(world.tasks) & truth["encoder"].isin(world.encoders)].reset_index(drop=True)

    scores = score_world(world, requests, truth, config["plugins"], preset)
    print(write_tables(config, world, requests, scores, truth, pool))
    if by_pool := _by_pool(world, scores, truth, pool):
        print(f"\n{by_pool}")


def _by_pool(world: World, scores, truth, pool) -> str:
    from tebench.cli.jobs.leaderboard import as_rows
    from tebench.publication import pools_table

    return pools_table.write(world.output, as_rows(scores, pool), truth, pool, seed=world.seed)


def write_tables(config: dict, world: World, requests: list[Request], scores, truth, pool) -> str:
    """Correlations, tables and figures into the output folder; the text for the terminal."""
    from tebench.reporting import report

    storage.write_json(world.output / "config.json", config)
    return report.write(
        world.output, scores, truth, {r.metric.name: r.metric.direction for r in requests}, pool, seed=world.seed,
        titles={r.metric.name: r.metric.title for r in requests},
        heading=f"{world.name}: {config['benchmark']['title']}; protocol {protocol_name(config)}"
        + (f"; preset {config['preset']['name']}" if presets.read(config) else ""),
    )  # fmt: skip


def _cells_only(world: World, requests: list[Request], plugins, preset: dict) -> str:
    """Compute the cells without tables and without ground truth; what failed is named, and exits with 1."""
    found = _cells_of(world, with_parts(requests, preset), plugins)
    cells = [cell for made in found.values() for cell in made]
    failed = [cell for cell in cells if cell["status"] == "failed"]
    if failed:
        names = "\n".join(f"  {c['metric']} on {c['task']} / {c['encoder']}: {c['reason']}" for c in failed)
        raise InputError(f"{len(failed)} of {len(cells)} cells failed (retry=true tries them again):\n{names}")
    return f"{len(cells)} cells of {len(found)} (task, encoder) pairs lie in {world.cache / 'cells'}"


def _cells_of(world: World, everything: list[Request], plugins) -> dict[tuple[str, str], list[dict]]:
    return score_all(
        everything, feature_folders(world), world.cache / "cells", workers=world.workers, plugins=plugins,
        progress=world.progress, retry=world.retry,
    )  # fmt: skip


def from_table(config: dict) -> str:
    """The same evaluation of scores that someone published: no encoder is built and no image read."""
    from pathlib import Path

    from tebench.evaluation import groundtruth
    from tebench.evaluation.pools import Pool
    from tebench.reporting import report
    from tebench.scoring import imported

    given, benchmark = config["job"]["scores"], config["benchmark"]
    direction = config["job"]["direction"]
    if direction not in ("up", "down"):
        raise InputError(f"job.direction must be up or down, got {direction!r}.")
    truth = groundtruth.read(ground_truth_file(config), protocol=protocol_name(config))
    frame = imported.read(given, set(truth["encoder"]), set(truth["task"]))
    for kind in ("encoders", "tasks"):
        wanted, column = config[kind], kind[:-1]
        if wanted and wanted != ["all"]:
            for name in wanted:
                if name not in set(frame[column]):
                    raise unknown_name(f"{column} of {given}", name, set(frame[column]))
            frame = frame[frame[column].isin(wanted)].reset_index(drop=True)
    # The order carries no meaning for the ranking; a fixed one makes equal tables equal files.
    encoders = tuple(sorted(set(frame["encoder"])))
    pool = Pool(f"{Path(given).name}: {len(encoders)} encoders", encoders)
    truth = truth[truth["task"].isin(set(frame["task"])) & truth["encoder"].isin(encoders)].reset_index(drop=True)
    output = storage.make_folder(Path(config["output"]))
    storage.write_json(output / "config.json", config)
    return report.write(
        output, imported.as_scores(frame, str(given)), truth, dict.fromkeys(frame["metric"], direction), pool,
        seed=config["seed"], titles={}, heading=f"{benchmark['name']}: scores of {given}; protocol "
        f"{protocol_name(config)}",
    )  # fmt: skip


def requests_of(config: dict) -> list[Request]:
    """The chosen metrics, and the static baselines that stand in every table."""
    chosen = requested_metrics(config)
    names = {metric.name for metric, _ in chosen}
    beside = config["job"]["beside"]
    if not isinstance(beside, list):
        raise InputError(f"job.beside must be a list of metrics such as [random,n_parameters], got {beside!r}.")
    beside = [(get(name), {}) for name in beside if name not in names]
    return [Request.make(metric, given, config["stages"], config["seed"]) for metric, given in (*chosen, *beside)]


def score_world(world: World, requests: list[Request], truth, plugins=(), preset: dict | None = None):
    """Long-form scores of all requested metrics over the world's tasks and encoders, one row a cell."""
    everything = with_parts(requests, preset)
    return scores_frame(world, requests, _cells_of(world, everything, plugins), truth, preset)


def scores_frame(world: World, requests: list[Request], found: dict, truth, preset: dict | None = None):
    """The same from cells at hand. found: (task, encoder) -> cells of everything that is not defined over a pool."""
    import pandas as pd

    from tebench.evaluation.pools import Pool
    from tebench.tasks import catalogue as tasks

    everything, rows = with_parts(requests, preset), []
    for name in world.tasks:
        cells = [cell for encoder in world.encoders for cell in found[name, encoder]]
        for request in everything:
            if request.metric.reads == "parts":
                cells += fuse(request, cells, list(world.encoders), tasks.load(name).n_foreground, preset)
            elif request.metric.reads == "elsewhere":
                cells += elsewhere(request, cells, list(world.encoders), truth)
        rows += [cell for cell in cells if any(request.matches(cell) for request in requests)]
    for cell in rows:
        # Fewer than three encoders are no pool: job=collect lists their scores, nothing ranks them.
        ranked = get(cell["metric"]).pool_dependent and len(world.encoders) > 2
        cell["pool"] = Pool(world.pool, world.encoders).id if ranked else ""
        if cell["status"] == "failed":
            log.warning("%s failed on %s / %s: %s", cell["metric"], cell["task"], cell["encoder"], cell["reason"])
    # Cells come computed or from disk, where keys are sorted: one order of columns for both.
    return pd.DataFrame(rows, columns=[*FIELDS, "pool"])
