"""What is known before anything is computed: the data, the grids, the time."""

from __future__ import annotations

from collections.abc import Iterator

from tebench.benchmark.own_data.setting import Setting
from tebench.features import estimate
from tebench.tasks.base import Task


def beforehand(task: Task, grids: dict) -> list[str]:
    """What is known before anything is computed: the data, and the grid that each encoder reads them on."""
    alike: dict[str, list[str]] = {}
    for name, found in grids.items():
        alike.setdefault(found.text(), []).append(name)
    lines = [f"{task.name}: {task.facts['n_cases']} cases, {task.n_foreground} foreground classes"]
    lines += data_notes(task, grids)
    return [*lines, *(f"{', '.join(names)}: {text}" for text, names in alike.items())]


def time_beforehand(grids: dict, setting: Setting) -> Iterator[str]:
    """How long extraction will take at most, a line an encoder where it is long enough to be worth measuring."""
    from tebench.encoders import catalogue

    total = 0.0
    for name, found in grids.items():
        patch = setting.window or catalogue.reading(name).spec.patch
        windows = estimate.most_windows(found.shapes, patch)
        if windows < estimate.WORTH:
            continue
        each = estimate.seconds_a_window(catalogue.build(name), patch, setting.decoder_seed, setting.device)
        total += windows * each
        yield f"{name}: at most {windows} windows of {each:.2g} s, {windows * each / 60:.1f} min of one core"
    if total:
        cores = min(setting.workers, len(grids)) if setting.device == "cpu" else 1
        yield (
            f"Extraction: about {total / cores / 60:.1f} min at most with {cores} worker{'s' * (cores > 1)}, what is "
            "kept left out; scoring comes on top. minutes=N keeps the whole to a budget."
        )


def data_notes(task: Task, grids: dict) -> list[str]:
    """What is unusual about the data, a sentence a line, and which cases were left out and why."""
    from tebench.encoders import catalogue
    from tebench.reporting import ranking_data

    facts = task.facts
    lines = [f"Data: {facts['note']}."] if facts["note"] else []
    if facts["excluded"]:
        lines.append(f"Left out by name: {', '.join(facts['excluded'])}.")
    if facts["left_out"]:
        lines.append(f"Left out as broken ({len(facts['left_out'])}):")
        lines += [f"  {case}: {'; '.join(problems)}" for case, problems in facts["left_out"].items()]
    specs = {name: catalogue.reading(name).spec for name in grids}
    return [*lines, *ranking_data.few_voxels(grids), *ranking_data.zero_as_background(task, specs)]
