"""job=docs: write the pages of metrics and of leakage from registered facts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from tebench.base import storage
from tebench.benchmark.options import option
from tebench.benchmark.settings import Settings


@dataclass(frozen=True)
class Options:
    """Write docs/metrics.md, docs/leakage.md and docs/zoo.md from the facts of metrics, encoders, tasks and readers.

    tebench docs
    """

    READS: ClassVar = ()

    folder: str = option("docs", "where they go")


def run(settings: Settings, options: Options) -> None:
    """Write metrics.md, leakage.md and zoo.md into the folder and print where they are."""
    from tebench.encoders.readers import families
    from tebench.reporting import metric_docs

    folder = options.folder
    path = Path(folder) / "metrics.md"
    metrics = metric_docs.built_in()
    storage.write_text(path, metric_docs.render(metrics))
    print(f"{path}: {len(metrics)} metrics")
    print(_leakage(Path(folder) / "leakage.md"))
    storage.write_text(Path(folder) / "zoo.md", families.page())
    print(f"{Path(folder) / 'zoo.md'}: {len(families.FAMILIES)} families")


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
