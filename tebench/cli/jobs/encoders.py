"""job=encoders: what was understood of each encoder and checkpoint file, before anything is computed."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

from tebench.base import storage
from tebench.base.errors import InputError
from tebench.benchmark.options import option
from tebench.benchmark.settings import Benchmark, Settings
from tebench.encoders import catalogue, checkpoints

AXES = "xyz"


@dataclass(frozen=True)
class Options:
    """Print what was understood of each encoder or checkpoint: architecture, stages, input.

    tebench encoders benchmark=starter
    tebench encoders encoders=my_checkpoints          a folder, a file, names, or a list of these
    """

    READS: ClassVar = ("benchmark", "encoders")

    records: str | None = option(None, "folder: write the provenance record of every encoder of the catalogue, as JSON")


def run(settings: Settings, options: Options) -> None:
    """Print one row an encoder, then what is unusual; exit with 1 when a file is refused."""
    items = settings.encoders or _pool(settings.benchmark)
    rows, notes, refused = [], [], []
    for name in catalogue.choose(items):
        try:
            reading = catalogue.reading(name)
        except InputError as error:
            refused.append((name, str(error)))
            continue
        rows.append(row(reading))
        notes += [(name, note) for note in reading.warnings]
    if rows:
        print(columns(rows))
    for title, lines in (("Unusual", notes), ("Refused", refused)):
        if lines:
            print(f"\n{title}")
            for name, text in lines:
                print(f"  {name}: {text}")
    files = {name: path for name, path in checkpoints.registered().items() if name in [r["encoder"] for r in rows]}
    if files:
        print("\nFiles")
        for name, path in files.items():
            print(f"  {name}: {path}")
    if options.records:
        print("\nRecords")
        for path in write_records([r["encoder"] for r in rows], Path(options.records).expanduser()):
            print(f"  {path}")
    if refused:
        sys.exit(1)


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


def _pool(benchmark: Benchmark) -> list[str]:
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
    strides = [stage.stride for stage in reading.stages]
    return {
        "encoder": facts.name,
        "architecture": facts.architecture,
        "parameters": f"{facts.n_parameters:,}",
        "stages": ", ".join(f"{stage.channels}@{stage.stride}" for stage in reading.stages)
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
    }


def _factors(name: str) -> dict:
    """Where the encoder stands in the zoo's design; nothing is known of a user's own."""
    from tebench.encoders import factors

    known = asdict(factors.factors(name)) if name in catalogue.ENTRIES else {}
    return {column: known.get(column) or "-" for column in ("kind", "source")}


def _by(values) -> str:
    return "x".join(f"{value:g}" for value in values)


def columns(rows: list[dict]) -> str:
    """Rows as aligned text under their headings."""
    table = [list(rows[0]), *([line[key] for key in rows[0]] for line in rows)]
    widths = [max(len(line[index]) for line in table) for index in range(len(table[0]))]
    padded = ([f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)] for line in table)
    return "\n".join("  ".join(cells).rstrip() for cells in padded)
