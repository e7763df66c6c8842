"""job=data as text, CSV files, one picture and one HTML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tebench.base.storage import write_text
from tebench.reporting import data_tables, style
from tebench.reporting.document import Document, aligned
from tebench.reporting.formats import csv_text
from tebench.tasks.base import Case
from tebench.tasks.survey import Survey
from tebench.tasks.validation import collapsed

MOST_ROWS = 30  # of a table on the terminal; the files have all
MOST_LEGEND = 12
WIDTH = 9.0  # inches of the picture


def write(folder: Path, found: Survey, components: Mapping[str, Sequence[int]], shown: Case | None, classes) -> str:
    """Write all files into `folder` and return the text. shown: the case of the picture; classes: its names."""
    tables = {
        "classes": data_tables.classes(found, components), "channels": data_tables.channels(found),
        "cases": data_tables.cases(found, components), "problems": problems(found),
    }  # fmt: skip
    for name, frame in tables.items():
        write_text(folder / f"{name}.csv", csv_text(frame))
    pictures = []
    if shown is not None:
        pictures = style.save(figure(shown, classes), folder, "overlay", formats=("png",))
    text = "\n".join(_text(found, tables))
    write_text(folder / "data.txt", text + "\n")
    write_text(folder / "data.html", page(found, tables, pictures, shown).html())
    names = ", ".join([*(f"{name}.csv" for name in tables), "data.txt", "data.html", *(p.name for p in pictures)])
    return f"{text}\nwritten to {folder}: {names}"


def problems(found: Survey) -> pd.DataFrame:
    """One row a problem."""
    rows = [(p.case or "", p.kind or p.text, p.file, p.text) for p in found.problems]
    return pd.DataFrame(rows, columns=["case", "kind", "file", "problem"])


def verdict(found: Survey) -> str:
    """One sentence: can it be ranked, and with how many cases."""
    sound, chosen = len(found.sound), len({*found.checks, *found.broken})
    if found.general:
        return f"The data set cannot be read: {found.general[0].text}"
    if not sound:
        return "No case can be read."
    what = f"{sound} of {chosen} cases can be read" if found.broken else f"All {chosen} cases can be read"
    foreground = sum(1 for n in found.voxels()[1:] if n)
    if not foreground:
        return f"{what}, but no label map holds a foreground voxel: there is nothing to rank by."
    one = " One case says nothing about others: no intervals." if sound == 1 else ""
    return f"{what}; {foreground} of {len(found.layout.labels.classes) - 1} foreground classes occur.{one}"


def _kinds(found: Survey) -> list[str]:
    kinds: dict[str, list] = {}
    for problem in found.problems:
        kinds.setdefault(problem.kind or problem.text, []).append(problem)
    return [line for kind, alike in kinds.items() for line in collapsed(kind, alike)]


def _text(found: Survey, tables: dict) -> list[str]:
    layout = found.layout
    lines = [f"{layout.folder.name}: {layout.title} ({layout.kind}, {layout.folder})", verdict(found), ""]
    lines += data_tables.geometry(found)
    for name in ("classes", "channels"):
        if len(tables[name]):
            lines += ["", aligned(tables[name].head(MOST_ROWS))]
            if len(tables[name]) > MOST_ROWS:
                lines.append(f"... and {len(tables[name]) - MOST_ROWS} more in {name}.csv")
    notes = [*found.notes(), *data_tables.hints(found)]
    if notes:
        lines += ["", "Worth knowing:", *(f"  {note}" for note in notes)]
    if found.problems:
        lines += ["", f"Problems ({len(found.problems)}):", *_kinds(found)]
        if suggestion := data_tables.suggestion(found):
            lines.append(f"To leave these cases out: {suggestion}, or skip_broken=true")
    return lines


def page(found: Survey, tables: dict, pictures: list[Path], shown: Case | None) -> Document:
    """The report as a document: verdict, problems, picture, tables."""
    layout = found.layout
    made = Document(f"Data set {layout.folder.name}")
    made.text(verdict(found), "lead")
    made.text(f"{layout.title}; {layout.kind} in {layout.folder}", "note")
    if found.problems:
        made.heading(f"Problems ({len(found.problems)})")
        made.code("\n".join(_kinds(found)))
        if suggestion := data_tables.suggestion(found):
            made.text(f"To leave these cases out: {suggestion}, or skip_broken=true.")
    made.heading("What it holds")
    made.list(data_tables.geometry(found))
    for path in pictures:
        words = f"Case {shown.id}, channel {layout.channels[0]}: along each axis the slice with most foreground"
        made.picture(path, f"{words}; label map in colour, intensities from the 0.5th to the 99.5th percentile.")
    made.heading("Classes")
    made.table(tables["classes"])
    made.text("Components are joined by faces, edges or corners, counted case by case.", "note")
    made.heading("Channels")
    made.table(tables["channels"])
    if notes := [*found.notes(), *data_tables.hints(found)]:
        made.heading("Worth knowing")
        made.list(notes)
    made.heading("Cases")
    if len(tables["cases"]):
        shown_cases = tables["cases"].drop(columns="problems")
        made.table(shown_cases, marked=(tables["cases"]["problems"] != "").tolist())
        made.text("Shaded: cases with problems. cases.csv and problems.csv hold their texts.", "note")
    return made


def figure(case: Case, classes: Sequence[str]):
    """Three slices of one case, x, y and z, each where most foreground is, with the label map over the image."""
    import matplotlib as mpl
    from matplotlib.colors import BoundaryNorm, ListedColormap
    from matplotlib.patches import Patch

    image, labels, spacing = case.image[0], np.maximum(case.labels, 0), np.asarray(case.spacing)
    low, high = np.percentile(image, (0.5, 99.5))
    sizes = np.array(labels.shape) * spacing
    shapes = [(sizes[1], sizes[2]), (sizes[0], sizes[2]), (sizes[0], sizes[1])]
    palette = mpl.colormaps["tab10" if len(classes) <= 11 else "tab20"].colors
    colours = ListedColormap([palette[(index - 1) % len(palette)] for index in range(1, max(len(classes), 2))])
    norm = BoundaryNorm(np.arange(0.5, max(len(classes), 2) + 0.5), colours.N)
    present = [index for index in range(1, len(classes)) if (labels == index).any()]
    with style.theme():
        scale = (WIDTH - 2.4) / sum(width for width, _ in shapes)  # inches a mm, beside the axes' words
        height = min(max(scale * max(up for _, up in shapes), 1.5), 8.0)
        made = style.new_figure(WIDTH, height + 1.0 + 0.2 * ((min(len(present), MOST_LEGEND) + 4) // 4))
        axes = made.subplots(1, 3, gridspec_kw={"width_ratios": [width for width, _ in shapes]})
        for axis, view in enumerate(axes):
            others = tuple(other for other in range(3) if other != axis)
            place = int((labels > 0).sum(axis=others).argmax())
            shape = shapes[axis]
            extent = (0, shape[0], 0, shape[1])
            where = {"origin": "lower", "extent": extent, "interpolation": "nearest"}
            view.imshow(image.take(place, axis).T, cmap="gray", vmin=low, vmax=max(high, low + 1e-6), **where)
            drawn = labels.take(place, axis).T
            view.imshow(np.ma.masked_equal(drawn, 0), cmap=colours, norm=norm, alpha=0.45, **where)
            across, up = ("xyz"[other] for other in others)
            view.set_title(f"slice {place} of {labels.shape[axis]} along {'xyz'[axis]}", fontsize=8)
            view.set_xlabel(f"{across}, mm", fontsize=7)
            view.set_ylabel(f"{up}, mm", fontsize=7)
            view.tick_params(labelsize=6)
        handles = [
            Patch(color=colours((index - 1) % colours.N), alpha=0.6, label=style.plain(classes[index]))
            for index in present[:MOST_LEGEND]
        ]
        if len(present) > MOST_LEGEND:
            handles.append(Patch(color="none", label=f"and {len(present) - MOST_LEGEND} more"))
        if handles:
            made.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=7, frameon=False)
    return made
