"""A ranking as one HTML file: the verdict first, then what it rests on."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from tebench.base.version import __version__
from tebench.reporting import ranking_words
from tebench.reporting.document import Document

LIMITS = (
    "It compares how the encoders' frozen features arrange the labelled voxels. It does not fine-tune, and cannot say "
    "how good the first encoder will be.",
    "Intervals cover these cases and the draws of voxels; not other scanners, other tasks, or the random decoder.",
    "An encoder that is not told apart from the first may be as good: try the few at the top.",
)


def page(
    *, head: list[str], verdict: list[str], table: pd.DataFrame, why: str, picture: Path, by_class: dict,
    classes: pd.DataFrame, readings: pd.DataFrame, notes: list[str], task, refused: dict, reasons: list[str],
    times: dict, seconds: float, main: str, agreed: pd.DataFrame, titles: dict, config: dict, legend: tuple,
) -> Document:  # fmt: skip
    """The report. Arguments as `tebench.reporting.ranking.write` forms them."""
    made = Document(f"Which encoder for {task.name}?")
    made.text(" ".join(verdict[:2]), "lead")
    made.list(verdict[2:])
    made.text(head[0], "note")
    made.heading("Ranking")
    made.table(table)
    made.text(" ".join(line.strip() for line in legend), "note")
    made.picture(picture, f"Left: score by {main} with its interval; right: rank by every metric that was computed.")
    if by_class:
        made.heading("Class by class")
        made.table(ranking_words.class_table(by_class))
        made.text("Rank by the same metric when one class is told from every other voxel; = not told apart from first.",
                  "note")  # fmt: skip
    _data(made, task, classes, notes)
    made.heading("What each encoder reads")
    made.table(readings)
    made.text("Images of several channels are read as their mean by encoders of one channel. Different rows: how many "
              "feature rows differ, of the different voxels that were read.", "note")  # fmt: skip
    if refused:
        made.heading("Not ranked")
        made.list(f"{name}: {reason}" for name, reason in refused.items())
    if reasons:
        made.heading("Metrics without a number")
        made.list(line.strip() for line in reasons)
    made.heading("Evidence for the metric, and its limits")
    made.text(f"Ranked by {main}: {why}")
    made.list(LIMITS)
    if len(agreed) and agreed["tau_w"].notna().any():
        words = {"metric": agreed["metric"].map(titles), "other": agreed["other"].map(titles)}
        made.text("Agreement between the metrics (weighted tau over these encoders):")
        made.table(agreed.assign(**words).rename(columns={"tau_w": "weighted tau"}))
    made.heading("Time and settings")
    made.table(_times(times))
    made.text(f"The whole job took {seconds:.0f} s, with what earlier runs had kept left out of it.", "note")
    made.text(f"tebench {__version__}; {_settings(config)}", "note")
    return made


def _data(made: Document, task, classes: pd.DataFrame, notes: list[str]) -> None:
    made.heading("The data")
    facts = task.facts
    sizes = sorted({"x".join(map(str, case["shape"])) for case in facts["per_case"].values()})
    spacings = sorted({"x".join(f"{mm:.4g}" for mm in case["spacing"]) for case in facts["per_case"].values()})
    ways = sorted({case["orientation"] for case in facts["per_case"].values()})
    made.list(
        [
            f"{facts['n_cases']} cases of {facts['source']}; channels: {facts['modality']}",
            f"sizes in voxels: {_some(sizes)}", f"voxel sizes in mm: {_some(spacings)}", f"orientation: {_some(ways)}",
            *notes,
        ]
    )  # fmt: skip
    made.table(classes)
    words = "Cases that hold the class, its voxels, and the foreground rows and boundary anchors read in all draws"
    made.text(f"{words}; a class without rows is not judged.", "note")


def _some(values: list[str], most: int = 6) -> str:
    return ", ".join(values[:most]) + (f" and {len(values) - most} more" if len(values) > most else "")


def _times(times: dict) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "encoder": list(times), "extraction s": [one["extraction"] for one in times.values()],
            "of that forward passes s": [one["forward"] for one in times.values()],
            "scoring s": [round(one["scoring"], 1) for one in times.values()],
            "peak MB": [one["peak_mb"] for one in times.values()],
        }
    )  # fmt: skip


def _settings(config: dict) -> str:
    sampling = ", ".join(f"{name} {value}" for name, value in config["sampling"].items())
    job = config["job"]
    return (
        f"sampling: {sampling}; draws {job['draws']}; seed {config['seed']}; stages {config['stages'] or 'as declared'}"
    )
