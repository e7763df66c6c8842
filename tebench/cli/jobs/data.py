"""job=data: check and describe a data set of your own, before any encoder is read."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from tebench.base import storage
from tebench.base.errors import InputError
from tebench.benchmark.options import option
from tebench.benchmark.settings import Settings
from tebench.benchmark.spec import cache_folder
from tebench.metrics.parameters import Interval
from tebench.runtime.bar import bar

if TYPE_CHECKING:
    from tebench.tasks.survey import Survey


@dataclass(frozen=True)
class Options:
    """Check and describe a data set of your own, without encoders: problems, classes, one picture.

    tebench data dataset=Dataset001_Mine
    tebench data dataset=list.json exclude=case_003
    """

    READS: ClassVar = ()

    dataset: str | None = option(None, "folder with dataset.json (nnU-Net raw, Decathlon), or a JSON list of files")
    cases: tuple[str, ...] | None = option(None, "only these cases: cases=[case_001,case_007]")
    exclude: tuple[str, ...] | None = option(None, "leave these cases out: exclude=[case_003]")
    max_cases: Annotated[int, Interval(1)] | None = option(
        None, "at most so many cases, chosen by a hash of their names"
    )
    geometry: Literal["file", "sform", "qform", "voxels"] = option(
        "file", "sform or qform of NIfTI headers first; voxels: image and label map paired as they are stored"
    )
    outside: bool = option(
        True, "false: refuse a dataset.json that names files outside its folder, for one that you did not write"
    )
    folder: str | None = option(None, "where report, CSV and picture go; null: outputs/data/<data set>")


def run(settings: Settings, options: Options) -> None:
    """Print what the data set holds and what is wrong with it; exit with 1 where cases cannot be read."""
    from tebench.reporting import data_report
    from tebench.tasks.survey import choose, read_layout, survey

    if not options.dataset:
        raise InputError("job=data needs a data set: dataset=FOLDER with a dataset.json, or dataset=LIST.json.")
    layout = read_layout(Path(options.dataset), options.outside)
    cases, exclude = (None if names is None else list(names) for names in (options.cases, options.exclude))
    n_cases = len(choose(layout, cases, options.max_cases, exclude))
    with bar("checking cases", "case", settings.progress, n_cases) as shown:
        found = survey(
            options.dataset, cases=cases, exclude=exclude, max_cases=options.max_cases,
            geometry=options.geometry, outside=options.outside, cache=cache_folder(settings) / "datasets",
            on_case=lambda _: shown.update(),
        )  # fmt: skip
    counted = counted_components(found, settings.progress)
    folder = storage.make_folder(Path(options.folder or Path("outputs") / "data" / layout.folder.name))
    print(data_report.write(folder, found, counted, pictured(found), layout.labels.classes))
    if found.problems:
        sys.exit(1)


def counted_components(found: Survey, progress: bool) -> dict[str, list[int]]:
    """Connected components of every class in every sound case."""
    import numpy as np

    from tebench.tasks import components
    from tebench.tasks.dataset import class_map
    from tebench.tasks.reading import read

    labels, made = found.layout.labels, {}
    with bar("counting components", "case", progress, len(found.sound)) as shown:
        for files in found.sound:
            data = np.asarray(read(files.label, found.geometry).data)
            made[files.id] = components.components(class_map(data, labels, files.label), len(labels.classes))
            shown.update()
    return made


def pictured(found: Survey):
    """The case with most classes, then most foreground; None where no case can be read."""
    from tebench.tasks.dataset import Loader

    if not found.sound:
        return None

    def richness(files) -> tuple[int, int]:
        voxels = found.checks[files.id].facts["voxels"][1:]
        return sum(n > 0 for n in voxels), sum(voxels)

    best = max(found.sound, key=richness)
    return Loader((best,), found.layout.labels, len(found.layout.channels), found.geometry)(best.id)
