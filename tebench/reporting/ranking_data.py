"""What a ranking read: its classes, its cases, and how each encoder saw them, as frames and as aligned text."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from tebench.encoders.normalisation import SCHEMES, parse
from tebench.features.distinct import Distinct
from tebench.features.resampling import FEW, Grids, times
from tebench.features.sample import Role, Sample
from tebench.tasks.base import Task

AXES = "xyz"


def classes(task: Task, sample: Sample) -> pd.DataFrame:
    """One row a class of the sample's cases: cases that hold it, voxels, foreground rows and anchors read, judged.

    judged: whether any row of the class was read. Background has no foreground rows; its own are counted.
    """
    per_case = {case: task.facts["per_case"][case]["voxels"] for case in sample.case_ids}
    voxels = np.array(list(per_case.values()), dtype=np.int64).reshape(len(per_case), len(task.classes))
    rows = []
    for index, name in enumerate(task.classes):
        own = sample.labels == index
        role = Role.FOREGROUND if index else Role.BACKGROUND
        read = int((own & (sample.role == role)).sum())
        rows.append(
            {
                "class": name, "cases": int((voxels[:, index] > 0).sum()), "voxels": int(voxels[:, index].sum()),
                "rows": read, "anchors": int((own & (sample.role == Role.ANCHOR)).sum()), "judged": bool(read),
            }
        )  # fmt: skip
    rows += [
        {"class": name, "cases": 0, "voxels": 0, "rows": 0, "anchors": 0, "judged": False}
        for name in task.facts["absent"]
    ]
    return pd.DataFrame(rows)


def readings(found: Mapping, grids: Mapping[str, Grids], rows: Mapping[str, Distinct]) -> pd.DataFrame:
    """One row an encoder: what it is and how the images were prepared for it. found: name -> catalogue reading."""
    made = []
    for name, reading in found.items():
        spec, facts = reading.spec, reading.facts
        made.append(
            {
                "encoder": name, "architecture": facts.architecture, "pre-training": facts.pretraining,
                "parameters": facts.n_parameters, "channels": spec.channels,
                "spacing mm": "the data's own" if spec.spacing is None else times(spec.spacing),
                "normalisation": spec.normalisation, "patch": times(spec.patch),
                "axes": "".join(AXES[axis] for axis in reading.axes), "grid": grids[name].text(),
                "different rows": f"{rows[name].rows:,} of {rows[name].voxels:,}" if name in rows else "–",
            }
        )  # fmt: skip
    return pd.DataFrame(made)


def few_voxels(grids: Mapping[str, Grids]) -> list[str]:
    """A sentence for encoders that read cases of few voxels along an axis."""
    alike: dict[tuple, list[str]] = {}
    for name, found in grids.items():
        if found.few:
            alike.setdefault((found.text(), found.few), []).append(name)
    return [
        f"{', '.join(names)} read {text}: {len(few)} case{'s' * (len(few) > 1)} with fewer than {FEW} along an axis. "
        "Hardly a feature differs from the next there; a ranking of these data says little."
        for (text, few), names in alike.items()
    ]


def zero_as_background(task: Task, specs: Mapping) -> list[str]:
    """A sentence for encoders that leave voxels of exactly 0 out, on images in which 0 is a value between others."""
    below = [name for name, case in task.facts["per_case"].items() if any(c["min"] < 0 for c in case["intensities"])]
    leave_out: dict[str, list[str]] = {}
    for name, spec in specs.items():
        if any(SCHEMES[scheme.name][1] == "nonzero" for scheme in parse(spec.normalisation)):
            leave_out.setdefault(spec.normalisation, []).append(name)
    if not below:
        return []
    return [
        f"{', '.join(names)} normalise over the voxels that are not exactly 0 ({how}), but {len(below)} of "
        f"{len(task.cases)} cases have values below 0: in CT 0 is water, no background. If they were trained "
        "otherwise, describe it: zscore_image, zscore_mask, window(...) or ct(...)."
        for how, names in leave_out.items()
    ]


def few_rows(rows: Mapping[str, Distinct]) -> list[str]:
    """A sentence for encoders whose features are nearly all the same."""
    return [
        f"{name} gives {found.rows} different feature rows at {found.voxels} voxels; its scores rest on these few."
        for name, found in rows.items()
        if found.few
    ]
