"""job=data: check and describe a data set of your own, before any encoder is read."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from tebench.base import storage
from tebench.base.errors import InputError
from tebench.benchmark.spec import cache_folder
from tebench.cli.bar import bar
from tebench.reporting import data_report
from tebench.tasks import components
from tebench.tasks.dataset import Loader, class_map
from tebench.tasks.reading import read
from tebench.tasks.survey import Survey, choose, read_layout, survey


def run(config: dict) -> None:
    """Print what the data set holds and what is wrong with it; exit with 1 where cases cannot be read."""
    job = config["job"]
    if not job["dataset"]:
        raise InputError("job=data needs a data set: dataset=FOLDER with a dataset.json, or dataset=LIST.json.")
    layout = read_layout(Path(job["dataset"]), job["outside"])
    n_cases = len(choose(layout, job["cases"], job["max_cases"], job["exclude"]))
    with bar("checking cases", "case", config["progress"], n_cases) as shown:
        found = survey(
            job["dataset"], cases=job["cases"], exclude=job["exclude"], max_cases=job["max_cases"],
            geometry=job["geometry"], outside=job["outside"], cache=cache_folder(config) / "datasets",
            on_case=lambda _: shown.update(),
        )  # fmt: skip
    counted = counted_components(found, config["progress"])
    folder = storage.make_folder(Path(job["folder"] or Path("outputs") / "data" / layout.folder.name))
    print(data_report.write(folder, found, counted, pictured(found), layout.labels.classes))
    if found.problems:
        sys.exit(1)


def counted_components(found: Survey, progress: bool) -> dict[str, list[int]]:
    """Connected components of every class in every sound case."""
    labels, made = found.layout.labels, {}
    with bar("counting components", "case", progress, len(found.sound)) as shown:
        for files in found.sound:
            data = np.asarray(read(files.label, found.geometry).data)
            made[files.id] = components.components(class_map(data, labels, files.label), len(labels.classes))
            shown.update()
    return made


def pictured(found: Survey):
    """The case with most classes, then most foreground; None where no case can be read."""
    if not found.sound:
        return None

    def richness(files) -> tuple[int, int]:
        voxels = found.checks[files.id].facts["voxels"][1:]
        return sum(n > 0 for n in voxels), sum(voxels)

    best = max(found.sound, key=richness)
    return Loader((best,), found.layout.labels, len(found.layout.channels), found.geometry)(best.id)
