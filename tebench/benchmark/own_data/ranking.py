"""One data set: opened, read, scored, ranked and reported."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tebench.base.errors import InputError
from tebench.benchmark.own_data.beforehand import beforehand, data_notes, time_beforehand
from tebench.benchmark.own_data.budgeted import within
from tebench.benchmark.own_data.encoders import on_their_grids, twins_of, usable, with_twins
from tebench.benchmark.own_data.scores import classes_of, compute, of_class
from tebench.benchmark.own_data.setting import setting_of
from tebench.benchmark.settings import Requested, Settings
from tebench.benchmark.spec import cache_folder, recipe_of
from tebench.features.distinct import Distinct, distinct
from tebench.features.sampling import Recipe
from tebench.runtime.bar import bar
from tebench.tasks.base import Task

if TYPE_CHECKING:
    import pandas as pd


def datasets_of(options: Any) -> list[str]:
    """The data sets that are asked for, one or several."""
    if (options.dataset is None) == (options.datasets is None):
        raise InputError(
            "job=rank needs a data set: dataset=FOLDER of nnU-Net raw (imagesTr, labelsTr, dataset.json) or Decathlon, "
            "or datasets=[A,B]."
        )
    paths = [options.dataset] if options.dataset is not None else list(options.datasets)
    if len(paths) > 1 and (options.cases or options.exclude or options.per_class):
        raise InputError("cases=, exclude= and per_class=[...] are for one data set; several were named.")
    return paths


def open_task(settings: Settings, options: Any, path: str) -> Task:
    from tebench.tasks.dataset import open_dataset
    from tebench.tasks.survey import choose, read_layout

    cases, exclude = (None if names is None else list(names) for names in (options.cases, options.exclude))
    n_cases = len(choose(read_layout(Path(path), options.outside), cases, options.max_cases, exclude))
    with bar("checking cases", "case", settings.progress, n_cases) as shown:
        return open_dataset(
            path, cases=cases, exclude=exclude, max_cases=options.max_cases, skip_broken=options.skip_broken,
            geometry=options.geometry, outside=options.outside, cache=cache_folder(settings) / "datasets",
            on_case=lambda _: shown.update(),
        )  # fmt: skip


@dataclass(frozen=True)
class Read:
    """What was read of the data, by class and by encoder."""

    classes: pd.DataFrame
    readings: pd.DataFrame
    distinct: dict[str, Distinct]

    @classmethod
    def of(cls, task: Task, folders: dict[str, Path], grids: dict) -> Read:
        from tebench.encoders import catalogue
        from tebench.features import cache
        from tebench.reporting import ranking_data

        rows = {name: distinct(folder) for name, folder in folders.items()}
        sample = cache.read(next(iter(folders.values())), verify=False).sample
        found = {name: catalogue.reading(name) for name in folders}
        return cls(ranking_data.classes(task, sample), ranking_data.readings(found, grids, rows), rows)


def rank(
    settings: Settings, options: Any, task: Task, evidence: list, metrics: tuple[Requested, ...], folder: Path,
    begin: float, seconds: float | None,
) -> tuple[pd.DataFrame, str]:  # fmt: skip
    """Rank the encoders on one data set, write its report and print it; (rows of all metrics, the one that ranks).

    begin: when this data set's time began to count.   seconds: the budget, None for none.
    """
    from tebench.evaluation.ranking import compared
    from tebench.reporting import ranking as report
    from tebench.reporting import ranking_data

    names = [metric.name for metric, _ in metrics]
    setting = setting_of(settings, options.draws, options.window, metrics)
    setting = replace(setting, per_class=classes_of(task, options.per_class))
    encoders, refused = usable(settings.encoders, task)
    encoders, grids, refused = on_their_grids(task, with_twins(encoders) if options.twins else encoders, refused)
    recipe, whole = Recipe(**recipe_of(settings)), task
    print("\n".join(beforehand(task, grids)), flush=True)
    for line in time_beforehand(grids, setting):
        print(line, flush=True)
    notes: list[str] = []
    if seconds is not None:
        task, recipe, notes = within(seconds, begin, task, recipe, encoders, setting)
    found, times = compute(task, recipe, encoders, setting)
    folders = {name: part["folder"] for name, part in times.items()}
    read = Read.of(task, folders, grids)
    ranked = report.ranked(found, names)
    main, why = report.choose(ranked, names, settings.metrics is not None, evidence, len(times))
    by_class = {
        task.classes[index]: report.ranked({main: of_class(task, folders, main, index, setting)}, [main])
        for index in setting.per_class
    }
    notes = [*data_notes(task, grids), *ranking_data.few_rows(read.distinct), *notes]
    text = report.write(
        folder, ranked, times,
        names=names, main=main, why=why, task=task, n_all=len(whole.cases), n_draws=len(setting.seeds),
        refused=refused, notes=notes, config=settings.record(asdict(options)), classes=read.classes,
        readings=read.readings, untrained=compared(found[main], twins_of(list(times))), by_class=by_class,
        seconds=time.monotonic() - begin,
    )  # fmt: skip
    print(text)
    return ranked, main
