"""Tables and figures of a benchmark's scores, computed or published, into the output folder."""

from __future__ import annotations

from pathlib import Path

from tebench.base import storage
from tebench.base.errors import unknown_name
from tebench.benchmark import ground_truth
from tebench.benchmark.settings import Settings
from tebench.benchmark.spec import World, ground_truth_file, protocol_name
from tebench.scoring.request import Request


def write_tables(settings: Settings, job: dict, world: World, requests: list[Request], scores, truth, pool) -> str:
    """Correlations, tables and figures into the output folder; the text for the terminal."""
    from tebench.reporting import report

    storage.write_json(world.output / "config.json", settings.record(job))
    return report.write(
        world.output, scores, truth, {r.metric.name: r.metric.direction for r in requests}, pool, seed=world.seed,
        titles={r.metric.name: r.metric.title for r in requests},
        heading=f"{world.name}: {settings.benchmark.title}; protocol {protocol_name(settings)}"
        + (f"; preset {settings.preset_name}" if settings.preset else ""),
    )  # fmt: skip


def evaluate_published(settings: Settings, job: dict) -> str:
    """The same evaluation of scores that someone published: no encoder is built and no image read.

    job: the options of job=score: scores (a CSV), direction and target.
    """
    from tebench.evaluation import groundtruth
    from tebench.evaluation.pools import Pool
    from tebench.reporting import report
    from tebench.scoring import imported

    given, direction = job["scores"], job["direction"]
    truth = groundtruth.read(ground_truth_file(settings, job["target"]), protocol=protocol_name(settings))
    table = imported.read(given, set(truth["encoder"]), set(truth["task"]))
    for kind in ("encoders", "tasks"):
        wanted, column = getattr(settings, kind), kind[:-1]
        if wanted and wanted != ("all",):
            for name in wanted:
                if name not in set(table[column]):
                    raise unknown_name(f"{column} of {given}", name, set(table[column]))
            table = table[table[column].isin(wanted)].reset_index(drop=True)
    # The order carries no meaning for the ranking; a fixed one makes equal tables equal files.
    encoders = tuple(sorted(set(table["encoder"])))
    pool = Pool(f"{Path(given).name}: {len(encoders)} encoders", encoders)
    truth = ground_truth.narrowed(truth, set(table["task"]), encoders)
    output = storage.make_folder(Path(settings.output))
    storage.write_json(output / "config.json", settings.record(job))
    return report.write(
        output, imported.as_scores(table, str(given)), truth, dict.fromkeys(table["metric"], direction), pool,
        seed=settings.seed, titles={}, heading=f"{settings.benchmark.name}: scores of {given}; protocol "
        f"{protocol_name(settings)}",
    )  # fmt: skip
