"""job=score: the main job. Features -> scores -> pool -> correlation with ground truth -> table and figures."""

from __future__ import annotations

from tebench.base import storage
from tebench.base.errors import InputError, unknown_name
from tebench.benchmark import ground_truth
from tebench.benchmark.scores import direct_scores, refuse_failed, score_world
from tebench.benchmark.spec import World, ground_truth_file, protocol_name, resolve
from tebench.cli.options import requested_metrics
from tebench.metrics import presets
from tebench.metrics.registry import get
from tebench.scoring.request import Request
from tebench.scoring.score import folder_of, frame


def run(config: dict) -> None:
    """Check everything that can be checked before computing, then score, correlate and write."""
    from tebench.evaluation.pools import Pool

    if config["job"].get("scores"):
        print(from_table(config))
        return
    world, requests, preset = resolve(config), requests_of(config), presets.read(config)
    if not config["job"].get("tables", True):
        print(_scores_only(world, requests, config["plugins"], preset))
        return
    pool = Pool(world.pool, world.encoders)
    truth = ground_truth.of_world(world, ground_truth_file(config), protocol_name(config))
    scores = frame(score_world(world, requests, truth, config["plugins"], preset))
    print(write_tables(config, world, requests, scores, truth, pool))
    if by_pool := _by_pool(world, scores, truth, pool):
        print(f"\n{by_pool}")


def _by_pool(world: World, scores, truth, pool) -> str:
    from tebench.publication import leaderboard_rows, pools_table

    return pools_table.write(world.output, leaderboard_rows.from_scores(scores), truth, pool, seed=world.seed)


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


def _scores_only(world: World, requests: list[Request], plugins, preset: dict) -> str:
    """Compute the scores without tables and without ground truth; what failed is named, and exits with 1."""
    found = direct_scores(world, requests, plugins, preset)
    return f"{len(refuse_failed(found))} scores of {len(found)} (task, encoder) pairs are in {folder_of(world.cache)}"


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
    table = imported.read(given, set(truth["encoder"]), set(truth["task"]))
    for kind in ("encoders", "tasks"):
        wanted, column = config[kind], kind[:-1]
        if wanted and wanted != ["all"]:
            for name in wanted:
                if name not in set(table[column]):
                    raise unknown_name(f"{column} of {given}", name, set(table[column]))
            table = table[table[column].isin(wanted)].reset_index(drop=True)
    # The order carries no meaning for the ranking; a fixed one makes equal tables equal files.
    encoders = tuple(sorted(set(table["encoder"])))
    pool = Pool(f"{Path(given).name}: {len(encoders)} encoders", encoders)
    truth = ground_truth.narrowed(truth, set(table["task"]), encoders)
    output = storage.make_folder(Path(config["output"]))
    storage.write_json(output / "config.json", config)
    return report.write(
        output, imported.as_scores(table, str(given)), truth, dict.fromkeys(table["metric"], direction), pool,
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
