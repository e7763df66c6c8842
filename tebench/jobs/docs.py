"""job=docs: write the page of metrics from their registered facts."""

from __future__ import annotations

from pathlib import Path

from tebench import storage
from tebench.errors import InputError
from tebench.reporting import metric_docs


def run(config: dict) -> None:
    """Write metrics.md into job.folder and say where it is."""
    folder = config["job"]["folder"]
    if not isinstance(folder, str) or not folder:
        raise InputError(f"job.folder must be the path of a folder, got {folder!r}.")
    path = Path(folder) / "metrics.md"
    metrics = metric_docs.built_in()
    storage.write_text(path, metric_docs.render(metrics))
    print(f"{path}: {len(metrics)} metrics")
