"""job=encoders: what was understood of each encoder and checkpoint file, before anything is computed."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from tebench.base import storage
from tebench.base.errors import InputError
from tebench.benchmark.inventory import as_csv, as_html, columns, pool_of, record, row, write_records
from tebench.benchmark.options import option
from tebench.benchmark.settings import Settings
from tebench.encoders import catalogue, checkpoints


@dataclass(frozen=True)
class Options:
    """Print what was understood of each encoder or checkpoint: architecture, stages, input.

    tebench encoders benchmark=starter
    tebench encoders encoders=my_checkpoints          a folder, a file, names, or a list of these
    """

    READS: ClassVar = ("benchmark", "encoders")

    folder: str | None = option(None, "folder: write encoders.csv and encoders.html, one row an encoder or file")
    records: str | None = option(None, "folder: write the provenance record of every encoder of the catalogue, as JSON")


def run(settings: Settings, options: Options) -> None:
    """Print one row an encoder, then what is unusual; exit with 1 when a file is refused."""
    items = settings.encoders or pool_of(settings.benchmark)
    rows, notes, refused, inventory = [], [], [], []
    for name in catalogue.choose(items):
        try:
            reading = catalogue.reading(name)
        except InputError as error:
            refused.append((name, str(error)))
            inventory.append(record(name, None, refused=str(error)))
            continue
        rows.append(row(reading))
        inventory.append(record(name, reading))
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
    if options.folder:
        folder = Path(options.folder).expanduser()
        storage.write_text(folder / "encoders.csv", as_csv(inventory))
        storage.write_text(folder / "encoders.html", as_html(inventory))
        print(f"\nInventory\n  {folder / 'encoders.csv'}\n  {folder / 'encoders.html'}")
    if refused:
        sys.exit(1)
