"""job=study: measure the suite's own choices on a benchmark and write the page, its rows and its figure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from tebench.base import storage
from tebench.benchmark import ground_truth
from tebench.benchmark.options import option
from tebench.benchmark.settings import Settings
from tebench.benchmark.spec import ground_truth_file, protocol_name, resolve
from tebench.metrics.parameters import Interval


@dataclass(frozen=True)
class Options:
    """Measure the suite's own choices on the benchmark and write the page of docs/studies.

    tebench study study=stages benchmark=starter          which stages metrics read
    tebench study study=voxels metrics=[lbtc,grtd]        how many voxels topology metrics need
    tebench study study=inference                         size and power of the tests
    """

    READS: ClassVar = (
        "benchmark", "encoders", "leaked", "tasks", "seed", "sampling", "protocol", "preset", "retry"
    )  # fmt: skip

    study: Literal["stages", "voxels", "inference", "truths", "processors"] = option(
        "stages",
        "stages: which stages metrics read; voxels: how many voxels topology metrics need; inference: size and power "
        "of tests; truths: other readings of the ground truth; processors: how far scores lie from the published ones",
    )
    folder: str = option("docs/studies", "where the page, its rows and its figure go")
    target: str | None = option(None, "correlate with another ground-truth file (CSV) than the benchmark's")
    metrics: tuple[str, ...] | None = option(None, "narrow the study to these metrics")
    policies: tuple[str, ...] = option(
        ("own", "encoder[-1]", "encoder[-2]", "encoder", "decoder[-1]", "decoder", "all"),
        "stages: own is each metric's",
    )
    sizes: tuple[float, ...] = option(
        (0.0625, 0.125, 0.25, 0.5, 1.0, 2.0),
        "voxels: multiples of the sampling sizes (foreground, background, anchors)",
    )
    draws: Annotated[int, Interval(1)] = option(
        5, "voxels: draws that share no voxel; the sample that is read holds draws x the largest size"
    )
    cases: Annotated[int, Interval(1)] | None = option(2, "voxels: the first cases of every task; null: all")
    pools: Annotated[int, Interval(1)] = option(300, "inference: simulated pools a line")


def run(settings: Settings, options: Options) -> None:
    """Check everything that can be checked before computing, then run the study that is asked for."""
    from tebench.research.studies.run import STUDIES

    world = resolve(settings)
    truth = ground_truth.of_world(world, ground_truth_file(settings, options.target), protocol_name(settings))
    folder = storage.make_folder(Path(options.folder))
    print(STUDIES[options.study](settings, options, world, truth, folder))
