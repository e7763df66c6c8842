"""job=variants: every variant of the gradient-flow probe that was held against ground truth, computed again."""

from __future__ import annotations

import sys
from pathlib import Path

from tebench.base import storage


def run(config: dict) -> None:
    """Score the variants on the whole benchmark; write variants.csv and variants.md."""
    from tebench.benchmark import ground_truth
    from tebench.benchmark.extraction import feature_folders
    from tebench.benchmark.spec import ground_truth_file, resolve
    from tebench.encoders import catalogue as encoders
    from tebench.reporting import formats
    from tebench.research.variants import log, page
    from tebench.tasks import catalogue as tasks

    world, job = resolve(config), config["job"]
    source = ground_truth_file(config)
    truths = {name: ground_truth.of_world(world, source, name) for name in job["protocols"]}
    pools = {name: [e for e in encoders.pools()[name] if e in world.encoders] for name in job["pools"]}
    found = log.scores(
        feature_folders(world), world.cache / "variants", workers=world.workers, progress=world.progress
    )  # fmt: skip
    table = log.table(found, truths, pools, {name: tasks.load(name).n_foreground for name in world.tasks})
    folder = storage.make_folder(Path(job["folder"]))
    storage.write_text(folder / "variants.csv", formats.csv_text(table))
    quiet = ("cache=", "workers=", "progress=", "verbose=", "job.folder=", "output=")
    command = " ".join(["python -m tebench", *(a for a in sys.argv[1:] if not a.startswith(quiet))])
    storage.write_text(folder / "variants.md", page.page(table, job["protocols"], command))
    print(f"{folder / 'variants.md'}: {len(table)} variants and fusions on {len(found)} pairs")
