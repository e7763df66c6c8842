"""job=variants: every variant of the gradient-flow probe that was held against ground truth, computed again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from tebench.base import storage
from tebench.benchmark.options import option
from tebench.benchmark.settings import Settings


@dataclass(frozen=True)
class Options:
    """Compute again every variant of the gradient-flow probe that was held against ground truth.

    tebench variants benchmark=starter                     writes docs/studies/variants.csv and variants.md
    """

    READS: ClassVar = ("benchmark", "seed", "sampling", "retry")

    protocols: tuple[str, ...] = option(("starter-v1", "starter-v1-frozen"), "of the ground truth")
    pools: tuple[str, ...] = option(("zoo", "ssl", "within_resenc_s", "within_deepbet", "across_shapes"), "to rank in")
    target: str | None = option(None, "another ground-truth file (CSV) than the benchmark's")
    folder: str = option("docs/studies", "where the files go")


def run(settings: Settings, options: Options) -> None:
    """Score the variants on the whole benchmark; write variants.csv and variants.md."""
    from tebench.benchmark import ground_truth
    from tebench.benchmark.extraction import feature_folders
    from tebench.benchmark.spec import ground_truth_file, resolve
    from tebench.encoders import catalogue as encoders
    from tebench.reporting import formats
    from tebench.research.variants import log, page
    from tebench.runtime.command import as_given
    from tebench.tasks import catalogue as tasks

    world = resolve(settings)
    source = ground_truth_file(settings, options.target)
    truths = {name: ground_truth.of_world(world, source, name) for name in options.protocols}
    pools = {name: [e for e in encoders.pools()[name] if e in world.encoders] for name in options.pools}
    found = log.scores(
        feature_folders(world), world.cache / "variants", workers=world.workers, progress=world.progress
    )  # fmt: skip
    table = log.table(found, truths, pools, {name: tasks.load(name).n_foreground for name in world.tasks})
    folder = storage.make_folder(Path(options.folder))
    storage.write_text(folder / "variants.csv", formats.csv_text(table))
    storage.write_text(folder / "variants.md", page.page(table, options.protocols, as_given()))
    print(f"{folder / 'variants.md'}: {len(table)} variants and fusions on {len(found)} pairs")
