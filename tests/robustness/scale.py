"""Growth to 1,000 encoders x 100 tasks on simulated cells: files, bytes, seconds, rows, page. By hand.

    python tests/robustness/scale.py [--sizes 10x5 50x20 200x50 1000x100] [--evaluated 200000] [--page 200000]

Writes docs/robustness/scale.md; sizes that are not named keep their last figures (scale.json), and `--sizes` alone
writes the page from these. All cells and Dice are simulated; two metrics. Seconds are of the processor, one thread;
the largest size takes three quarters of an hour and 5 GB. Evaluation and page are measured up to so many cells
(encoders x tasks x metrics); beyond that the evaluation is measured on as many tasks as fit and multiplied by the rest,
which the table marks with ~: its cost is linear in tasks.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import itertools
import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
OUT = HERE.parent.parent / "docs" / "robustness"
COLUMNS = (
    "encoders", "tasks", "files", "MB of files", "MB on disk", "read all, s", "read again, s", "evaluate, s",
    "rows, MB of CSV", "check the rows, s", "page, MB", "page, s", "peak MB",
)  # fmt: skip


def measure(encoders: int, tasks: int, folder: Path, evaluated: int, most_page: int) -> dict:
    """One row of the table."""
    import simulated_pool as simulated

    from tebench.evaluation.evaluate import evaluate
    from tebench.publication import leaderboard_rows
    from tebench.scoring.engine import score_all
    from tebench.scoring.score import folder_of, frame

    clock = time.process_time
    folders = simulated.write(folder, encoders, tasks)
    files = [path.stat() for path in folder.rglob("*.json")]
    row = {
        "encoders": encoders, "tasks": tasks, "files": len(files), "MB of files": sum(f.st_size for f in files) / 1e6,
        "MB on disk": sum(f.st_blocks * 512 for f in files) / 1e6,
    }  # fmt: skip
    for key in ("read all, s", "read again, s"):
        begin = clock()
        found = score_all(simulated.requests(), folders, folder_of(folder), progress=False)
        row[key] = clock() - begin
    scores = frame(score for made in found.values() for score in made)
    del found
    truth, up = simulated.truth(encoders, tasks), dict.fromkeys(simulated.METRICS, "up")
    part = sorted(set(scores["task"]))[: max(1, evaluated // (encoders * len(up)))]
    begin = clock()
    evaluate(scores[scores["task"].isin(part)], truth[truth["task"].isin(part)], up)
    seconds = clock() - begin
    row["evaluate, s"] = seconds if len(part) == tasks else f"~{seconds * tasks / len(part):.0f}"
    begin = clock()
    text = leaderboard_rows.text(simulated.rows(scores))
    found = leaderboard_rows.problems(text, len(scores))
    row["check the rows, s"], row["rows, MB of CSV"] = clock() - begin, len(text) / 1e6
    if found:
        row["check the rows, s"] = f"refused: {found[0][:60]}"
    elif len(scores) <= most_page:
        begin = clock()
        row |= {"page, MB": len(simulated.page(text, truth)) / 1e6, "page, s": clock() - begin}
    return row | {"peak MB": simulated.peak_mb()}


def page(rows: list[dict]) -> str:
    lines = [
        "# Growth to 1,000 encoders x 100 tasks", "",
        "Made by `python tests/robustness/scale.py`; not edited by hand. Simulated cells of two metrics, simulated",
        "Dice of three seeds. Files are the manifests of the feature folders and the cells, as scoring leaves them;",
        "features come on top (20,000 voxels x 1,000 values are 80 MB an encoder and task). Seconds are of the",
        "processor, one thread; ~ is extrapolated from fewer tasks, - was not measured.", "",
        "| " + " | ".join(COLUMNS) + " |", "|" + " --- |" * len(COLUMNS),
    ]  # fmt: skip
    for row in rows:
        lines.append("| " + " | ".join(_spell(row.get(column, "-")) for column in COLUMNS) + " |")
    largest = max(rows, key=lambda row: row["encoders"] * row["tasks"])
    lines += ["", f"Largest size measured here: {largest['encoders']} x {largest['tasks']}."]
    if (times := 100_000 / (largest["encoders"] * largest["tasks"])) > 1:
        part = ("files", "MB of files", "MB on disk", "read all, s", "rows, MB of CSV")
        said = ", ".join(f"{key}: {largest[key] * times:,.0f}" for key in part)
        lines.append(f"1,000 x 100 was not run for this page; derived, since these are linear in cells: {said}.")
    if len(rows) > 1:
        lines += ["", "Growth from row to row, as the power of the number of cells:", ""]
        for key in ("MB of files", "read all, s", "evaluate, s", "rows, MB of CSV", "page, s"):
            lines.append(f"* {key}: {_powers(rows, key)}")
    return "\n".join([*lines, "", NOTES])


def _spell(value) -> str:
    return value if isinstance(value, str) else f"{value:,}" if isinstance(value, int) else f"{value:.3g}"


def _powers(rows: list[dict], key: str) -> str:
    """log(value ratio) / log(cell ratio) between neighbours."""
    found = []
    for one, other in itertools.pairwise(rows):
        values = [str(row.get(key, "-")).lstrip("~") for row in (one, other)]
        try:
            ratio = float(values[1]) / float(values[0])
            cells = other["encoders"] * other["tasks"] / (one["encoders"] * one["tasks"])
            found.append(f"{math.log(ratio) / math.log(cells):.2f}")
        except (ValueError, ZeroDivisionError):
            found.append("-")
    return ", ".join(found)


NOTES = """## What broke first
1. Evaluation: tau compares all pairs of encoders for every bootstrap draw, permutation and left-out encoder, K^2 each.
   Counting by sorting would take K log K, 3 times less at 200 encoders and 12 times at 1,000; pools of today have
   some 20 to 200, where it does not pay for its hundred lines.
2. Rows of a leaderboard are refused above 200,000 rows or 50 MB, limits on files that may come from anyone, and
   1,000 x 100 with two metrics passes the second. A benchmark states `most_rows` (encoders x tasks x metrics x seeds)
   in its conf/benchmark/NAME.yaml and is then read up to that many rows of 1,000 bytes (`leaderboard_rows.most_rows`);
   all others are refused as before. Rows are checked one by one, and words that return are kept once. A submission
   keeps its limit of 10 MB, some 20,000 rows; a larger pool's rows come from `job=leaderboard update=true`.
3. Ground truth: every task and encoder filtered all rows, quadratic in the grid. It is grouped in one pass now.
4. Files: a cell is one small file, so a disk with 4 KB blocks holds more than the bytes say, and a shared file system
   sees as many opens. Reading is linear in cells.
5. What costs most at the full size is the page, most of that the permutation test behind its rank groups, for each task
   again. It is made once, by the one who publishes.
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", nargs="*", default=["10x5", "50x20", "200x50", "1000x100"])
    parser.add_argument("--evaluated", type=int, default=200_000)
    parser.add_argument("--page", type=int, default=200_000)
    parser.add_argument("--one", default="")
    asked = parser.parse_args()
    if asked.one:
        with tempfile.TemporaryDirectory(prefix="tebench-scale-") as folder:
            encoders, tasks = map(int, asked.one.split("x"))
            print("RESULT " + json.dumps(measure(encoders, tasks, Path(folder), asked.evaluated, asked.page)))
        return
    OUT.mkdir(exist_ok=True)
    kept = OUT / "scale.json"
    figures = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    for size in asked.sizes:
        limits = ["--evaluated", str(asked.evaluated), "--page", str(asked.page)]
        command = [sys.executable, __file__, "--one", size, *limits]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        found = [line[7:] for line in done.stdout.splitlines() if line.startswith("RESULT ")]
        if not found:
            raise SystemExit(f"{size} ended with {done.returncode}: {done.stderr[-2000:]}")
        figures[size] = json.loads(found[0])
        print(figures[size], flush=True)
        kept.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    rows = sorted(figures.values(), key=lambda row: row["encoders"] * row["tasks"])
    (OUT / "scale.md").write_text(page(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
