"""job=docs: write the pages of metrics, encoders, leakage and relatedness from registered facts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from tebench.base import storage
from tebench.benchmark.options import option
from tebench.benchmark.settings import Settings


@dataclass(frozen=True)
class Options:
    """Write docs/metrics.md, encoders.md, leakage.md, relatedness.md and zoo.md from what is registered.

    tebench docs
    """

    READS: ClassVar = ()

    folder: str = option("docs", "where they go")


def run(settings: Settings, options: Options) -> None:
    """Write the five pages into the folder and print where they are."""
    from tebench.encoders.readers import families
    from tebench.reporting import metric_docs

    folder = options.folder
    path = Path(folder) / "metrics.md"
    metrics = metric_docs.built_in()
    storage.write_text(path, metric_docs.render(metrics))
    print(f"{path}: {len(metrics)} metrics")
    print(_encoders(Path(folder) / "encoders.md"))
    print(_leakage(Path(folder) / "leakage.md"))
    print(_relatedness(Path(folder) / "relatedness.md"))
    storage.write_text(Path(folder) / "zoo.md", families.page())
    print(f"{Path(folder) / 'zoo.md'}: {len(families.FAMILIES)} families")


def _encoders(path: Path) -> Path:
    from tebench.encoders import factors

    rows = factors.table()
    head = (
        "# The encoders\n\n"
        "Made by `python -m tebench job=docs` from the catalogue; do not edit. Family: encoders that share weights or "
        "pre-training. Source: what a supervised one learned to segment. `python -m tebench job=encoders "
        "records=FOLDER` writes a card each: recipe, command, seconds, licences, hash, what it leaks into.\n\n"
    )
    columns = ("encoder", "family", "shape", "kind", "method", "source", "parameters", "images", "licence", "weights")
    cells = [{**row, "weights": row["sha256"][:16]} for row in rows]
    lines = [columns, ["---"] * len(columns), *([str(row[name]) or "-" for name in columns] for row in cells)]
    storage.write_text(path, head + "".join(f"| {' | '.join(line)} |\n" for line in lines))
    return path


def _leakage(path: Path) -> Path:
    from tebench.benchmark import leakage
    from tebench.encoders import catalogue as encoders
    from tebench.tasks import catalogue as tasks

    frame = leakage.matrix(encoders.names(), tasks.names())
    pairs = leakage.leaked(encoders.names(), tasks.names())
    listed = "; ".join(f"{encoder} x {task}" for encoder, task in pairs) or "none"
    head = (
        "# Which encoder saw which task's images in pre-training\n\n"
        "Made by `python -m tebench job=docs` from the facts of encoders and tasks; do not edit. `training image`: "
        "an image that fine-tuning trains on too, harmless; `same group`: an average of the same people as a test "
        "image; `test image`: a test image itself. The last two are leaks; `leaked=drop` takes such encoders out of "
        f"the pool. Leaked pairs: {listed}.\n\n"
        "Of images outside the packages nothing can be computed: deepbet and deepbrain were trained on other data "
        "(OpenNeuro; CC359, NFBS, ADNI), none of which is known to be in an average used here.\n\n"
    )
    storage.write_text(path, head + leakage.as_markdown(frame))
    return path


def _relatedness(path: Path) -> Path:
    from tebench.pretraining import recipe, relatedness
    from tebench.tasks import catalogue as tasks

    sources = dict.fromkeys(source for name in recipe.names() if (source := recipe.Recipe.load(name).source))
    frame = relatedness.relatedness(sources, tasks.names())
    head = (
        "# How near the sources of supervised pre-training are to the tasks\n\n"
        "Made by `python -m tebench job=docs` from label maps on the target's training image; do not edit. Dice / "
        "share of the label's entropy that is explained, were the source known perfectly and each source class taken "
        "for the target class that most of its voxels have (`tebench/pretraining/relatedness.py`). **oracle**: source "
        "and target are one; such encoders belong in no pool of that task. -: the images differ, nothing overlaps.\n\n"
    )
    storage.write_text(path, head + relatedness.as_markdown(frame))
    return path
