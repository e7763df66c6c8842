"""What a data set holds, as frames: its cases, classes, channels and problems."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from tebench.tasks.survey import Survey
from tebench.tasks.validation import MOST_NAMES


def cases(found: Survey, components: Mapping[str, Sequence[int]]) -> pd.DataFrame:
    """One row a chosen case. components: case -> components of each class, of the cases where they were counted."""
    rows, broken = [], found.broken
    channels = found.layout.channels
    for name in sorted({*found.checks, *broken}):
        facts = found.checks[name].facts if name in found.checks else {}
        row = {
            "case": name, "size": _times(facts.get("shape")), "spacing mm": _times(facts.get("spacing")),
            "orientation": facts.get("orientation", ""),
        }  # fmt: skip
        for channel, seen in zip(channels, facts.get("intensities", []), strict=False):
            row |= {f"{channel} {key}": seen[key] for key in ("min", "p0.5", "p50", "p99.5", "max")}
        voxels = facts.get("voxels")
        row["foreground voxels"] = pd.NA if voxels is None else sum(voxels[1:])
        row["components"] = sum(components[name]) if name in components else pd.NA
        row["problems"] = "; ".join(problem.text for problem in broken.get(name, []))
        rows.append(row)
    return pd.DataFrame(rows)


def classes(found: Survey, components: Mapping[str, Sequence[int]]) -> pd.DataFrame:
    """One row a class over the sound cases: cases that hold it, voxels, volumes, components."""
    labels = found.layout.labels
    sound = [files.id for files in found.sound]
    facts = [found.checks[name].facts for name in sound]
    voxels = np.array([one["voxels"] for one in facts], dtype=np.int64).reshape(len(sound), len(labels.classes))
    size = np.array([np.prod(one["spacing"]) / 1000 for one in facts])  # ml of a voxel
    pieces = np.array([components.get(name, [0] * len(labels.classes)) for name in sound], dtype=np.int64)
    pieces = pieces.reshape(voxels.shape)
    total = max(int(voxels.sum()), 1)
    rows = []
    for index, name in enumerate(labels.classes):
        own = voxels[:, index]
        there = own > 0
        volumes = (own * size)[there]
        rows.append(
            {
                "class": name, "values": ", ".join(str(v) for v, k in sorted(labels.values.items()) if k == index),
                "cases": int(there.sum()), "voxels": int(own.sum()), "% of voxels": round(100 * own.sum() / total, 4),
                "median ml": float(np.median(volumes)) if there.any() else np.nan,
                "smallest ml": float(volumes.min()) if there.any() else np.nan,
                "largest ml": float(volumes.max()) if there.any() else np.nan,
                "components": int(pieces[:, index].sum()) if index else pd.NA,
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def channels(found: Survey) -> pd.DataFrame:
    """One row a channel: extremes over the sound cases, and medians of the cases' percentiles."""
    seen = [found.checks[files.id].facts["intensities"] for files in found.sound]
    rows = []
    for index, name in enumerate(found.layout.channels):
        own = pd.DataFrame([one[index] for one in seen])
        if len(own):
            rows.append(
                {
                    "channel": name, "lowest": own["min"].min(), "0.5 %": own["p0.5"].median(),
                    "median": own["p50"].median(), "99.5 %": own["p99.5"].median(), "highest": own["max"].max(),
                    "cases with one value everywhere": sum(index in check.facts["constant"] for check in _sound(found)),
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def _sound(found: Survey) -> list:
    return [found.checks[files.id] for files in found.sound]


def geometry(found: Survey) -> list[str]:
    """Sizes, voxel sizes and orientations of the sound cases, a line each."""
    facts = [check.facts for check in _sound(found)]
    if not facts:
        return []
    lines = []
    for key, words in (("shape", "size in voxels"), ("spacing", "voxel size in mm")):
        values = np.array([one[key] for one in facts], dtype=np.float64)
        low, middle, high = values.min(axis=0), np.median(values, axis=0), values.max(axis=0)
        same = np.allclose(low, high, rtol=1e-3)
        spread = f"median {_times(middle)}, from {_times(low)} to {_times(high)} along each axis"
        lines.append(f"{words}: {_times(low) if same else spread}")
    ways = Counter(one["orientation"] for one in facts)
    return [*lines, "orientation: " + ", ".join(f"{way} ({n})" for way, n in ways.most_common())]


def hints(found: Survey) -> list[str]:
    """What no reader refuses and a person should look at."""
    said = []
    for row in channels(found).itertuples(index=False):
        if "CT" in row.channel.upper().split() and row.lowest >= 0:
            said.append(f"channel {row.channel} has no value below 0 in any case: are these Hounsfield units?")
    few = classes(found, {})
    rare = few[(few["cases"] == 1) & (few.index > 0)]["class"].tolist()
    if rare and len(found.sound) > 1:
        said.append(f"in one case only: {', '.join(rare[:MOST_NAMES])}")
    return said


def suggestion(found: Survey) -> str:
    """The option that leaves out the cases that cannot be read; "" where none stands in the way."""
    return f"exclude=[{','.join(sorted(found.broken))}]" if found.broken else ""


def _times(values) -> str:
    return "" if values is None else "x".join(f"{value:.4g}" for value in values)
