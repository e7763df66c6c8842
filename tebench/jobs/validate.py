"""job=validate: everything that is wrong with submissions; rows of sound ones into the leaderboard on request."""

from __future__ import annotations

import sys
from importlib.resources import files
from pathlib import Path

import pandas as pd

from tebench import storage
from tebench.errors import InputError
from tebench.reporting import leaderboard_rows, submission, validation


def run(config: dict) -> None:
    """Print the findings on each file; exit with 1 when one is refused."""
    job, given = config["job"], config["plugins"]
    folder = Path(job["folder"]).expanduser() if job["folder"] else Path(str(files("tebench.leaderboard")))
    paths = [Path(str(job["file"])).expanduser()] if job["file"] else sorted((folder / "submissions").glob("*.csv"))
    if len(given) > 1 or (given and not job["file"]):
        raise InputError("plugins= names the one file that defines the metric of job.file.")
    digest = storage.sha256_file(Path(given[0]).expanduser()) if given else None
    refused = 0
    for path in paths:
        found = validation.validate(path, folder, source_sha256=digest)
        refused += not found.sound
        print("\n".join(report(path, found)))
        if found.sound and job["accept"]:
            print(accept(path, folder))
    if not paths:
        print(f"no submissions in {folder / 'submissions'}")
    if refused:
        sys.exit(1)


def report(path: Path, found: validation.Verdict) -> list[str]:
    """The findings as lines; control characters of a hostile file do not reach the terminal."""
    said = [f"{path}: " + ("sound" if found.sound else f"refused, {len(found.problems)} reason(s)")]
    said += [f"  - {what}" for what in found.problems[: validation.SHOWN]]
    if len(found.problems) > validation.SHOWN:
        said.append(f"  and {len(found.problems) - validation.SHOWN} more")
    said += [f"  note: {what}" for what in found.notes]
    return ["".join(c if c.isprintable() else "?" for c in line) for line in said]


def accept(path: Path, folder: Path) -> Path:
    """Add the submitted metric's rows to the published ones of its benchmark; the rows beside it stay out."""
    given = submission.parse(submission.read(path))
    target = folder / "results" / f"{given.facts['benchmark']}.csv"
    old, metric = leaderboard_rows.read(target), given.facts["metric"]
    if metric not in set(old["metric"]):
        rows = pd.concat([old, given.rows[given.rows["metric"] == metric]], ignore_index=True)
        storage.write_text(target, leaderboard_rows.text(rows))
    return target
