"""What is known of each encoder, as a table, CSV, a page and cards."""

from __future__ import annotations

import csv
import html
import io
from dataclasses import asdict
from pathlib import Path

from tebench.base import storage
from tebench.base.errors import InputError
from tebench.benchmark.settings import Benchmark
from tebench.encoders import catalogue, checkpoints

AXES = "xyz"
COLUMNS = (
    "encoder", "format", "architecture", "parameters", "stages", "channels", "spacing mm", "normalisation", "patch",
    "axes", "shape", "family", "kind", "source", "pre-training",
)  # fmt: skip


def record(name: str, reading, refused: str = "") -> dict[str, str]:
    """One line of the inventory, as text; of a refused file its name, path and the reason."""
    path = checkpoints.registered().get(name)
    words = {} if reading is None else row(reading)
    return {
        **{key: words.get(key, "") for key in COLUMNS},
        "encoder": name,
        "training data": "" if reading is None else reading.facts.training_data,
        "licence": "" if reading is None else reading.facts.licence,
        "unusual": "" if reading is None else "; ".join(reading.warnings),
        "refused": refused,
        "file": "" if path is None else str(path),
    }


def as_csv(inventory: list[dict[str, str]]) -> str:
    """The inventory as CSV; a cell that a spreadsheet would take for a formula begins with a quote."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(inventory[0]), lineterminator="\n")
    writer.writeheader()
    for line in inventory:
        writer.writerow({key: f"'{text}" if text[:1] in tuple("=+-@\t\r") else text for key, text in line.items()})
    return out.getvalue()


def as_html(inventory: list[dict[str, str]]) -> str:
    """The inventory as a page of one table, without script; every word escaped."""
    head = "".join(f"<th>{html.escape(key)}</th>" for key in inventory[0])
    body = "\n".join(
        "<tr>" + "".join(f"<td>{html.escape(text)}</td>" for text in line.values()) + "</tr>" for line in inventory
    )
    style = "body{font:14px sans-serif}table{border-collapse:collapse}"
    style += "td,th{border:1px solid #ccc;padding:4px;text-align:left;vertical-align:top}"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Encoders</title><style>{style}</style>'
        "</head>\n"
        f"<body><table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></body></html>\n"
    )


def write_records(names: list[str], folder: Path) -> list[Path]:
    """NAME.json for every encoder of the catalogue, with what it leaks into; a user's own checkpoint has no record."""
    from tebench.benchmark import leakage
    from tebench.encoders import provenance
    from tebench.tasks import catalogue as tasks

    written = []
    for name in names:
        if name in catalogue.ENTRIES:
            written.append(folder / f"{name}.json")
            leaks = leakage.matrix([name], tasks.names()).loc[name].to_dict()
            storage.write_json(written[-1], {**provenance.record(name), "leakage": leaks})
    return written


def pool_of(benchmark: Benchmark) -> list[str]:
    """The benchmark's encoders; of one that ships none, those whose checkpoints are there."""
    if not benchmark.datasets:
        return catalogue.names(benchmark.pool)
    from tebench.benchmark import local_files

    found = local_files.find_encoders(benchmark.encoders, benchmark.checkpoints)
    if not found:
        listing = "\n".join(local_files.missing(benchmark, benchmark.encoders, [], set(), set()))
        raise InputError(f"no checkpoint of benchmark {benchmark.name} is there. Missing:\n{listing}")
    local_files.register(found)
    return list(found)


def row(reading) -> dict:
    """One line of the table, as text."""
    facts, spec = reading.facts, reading.spec
    strides = [_steps(stage) for stage in reading.stages]
    return {
        "encoder": facts.name,
        "architecture": facts.architecture,
        "parameters": f"{facts.n_parameters:,}",
        "stages": ", ".join(f"{stage.channels}@{_steps(stage)}" for stage in reading.stages)
        if len(set(strides)) > 1
        else f"{len(strides)} x {reading.stages[-1].channels}@{strides[0]}",
        "channels": str(spec.channels),
        "spacing mm": "task's own" if spec.spacing is None else _by(spec.spacing),
        "normalisation": spec.normalisation,
        "patch": _by(spec.patch),
        "axes": "".join(AXES[axis] for axis in reading.axes),
        "shape": facts.shape,
        "family": facts.kin,
        **_factors(facts.name),
        "pre-training": facts.pretraining,
        "format": reading.family or "catalogue",
    }


def _factors(name: str) -> dict:
    """Where the encoder stands in the zoo's design; nothing is known of a user's own."""
    from tebench.encoders import factors

    known = asdict(factors.factors(name)) if name in catalogue.ENTRIES else {}
    return {column: known.get(column) or "-" for column in ("kind", "source")}


def _steps(stage) -> str:
    return str(stage.stride) if isinstance(stage.stride, int) else _by(stage.stride)


def _by(values) -> str:
    return "x".join(f"{value:g}" for value in values)


def columns(rows: list[dict]) -> str:
    """Rows as aligned text under their headings."""
    table = [list(rows[0]), *([line[key] for key in rows[0]] for line in rows)]
    widths = [max(len(line[index]) for line in table) for index in range(len(table[0]))]
    padded = ([f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)] for line in table)
    return "\n".join("  ".join(cells).rstrip() for cells in padded)
