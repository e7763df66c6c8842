"""The benchmark: one file per topic, one table each, in units of the machine's own float32 matrix product.

    python tests/performance/benchmark.py                 # all topics
    python tests/performance/benchmark.py graphs growth   # these

A topic is a module beside this file with `TITLE`, `NOTE` and `rows()`, which yields dictionaries of one table;
a topic may write figures itself. Tables go to docs/performance/TOPIC.md and TOPIC.csv.

One pass = 2 N^2 D floating-point operations at the float32 rate of 1024 x 1024 x D products, measured before and
after every call. Times are CPU seconds of one thread, medians of several calls, so that a shared machine matters
little; extraction is measured by the clock.
"""

import os

os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"  # before BLAS and torch start

import argparse
import csv
import importlib
import platform
import statistics
import time
from pathlib import Path

import torch

HERE = Path(__file__).resolve().parent
OUT = HERE.parent.parent / "docs" / "performance"
TOPICS = ("graphs", "growth", "moments", "extraction")


def machine() -> str:
    """Processor, cores, libraries and the load, in one line."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.processor() or platform.machine()
    parts = [name, f"{os.cpu_count()} cores, one thread used", f"torch {torch.__version__}"]
    if torch.cuda.is_available():
        parts.append(torch.cuda.get_device_name())
    return f"{'; '.join(parts)}; load average {os.getloadavg()[0]:.1f}"


def product_rate(width: int) -> float:
    """Float32 operations a second of 1024 x 1024 x width products, median of many."""
    left, right = torch.ones(1024, width), torch.ones(1024, width)
    out = torch.empty(1024, 1024)
    times = []
    for _ in range(max(15, 6000 // width)):
        start = time.process_time_ns()
        torch.mm(left, right.T, out=out)
        times.append(time.process_time_ns() - start)
    return 2e9 * 1024 * 1024 * width / statistics.median(times)


def timed(call) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def passes(call, count: int, width: int, repeats: int = 5) -> dict:
    """Median CPU seconds of `call` and its ratio to a pass, with the rate measured around every call."""
    call()
    seconds, ratios, rates = [], [], []
    for _ in range(repeats):
        before = product_rate(width)
        seconds.append(timed(call))
        rates.append((before + product_rate(width)) / 2)
        ratios.append(seconds[-1] * rates[-1] / (2 * count**2 * width))
    return {
        "seconds": round(statistics.median(seconds), 4),
        "passes": round(statistics.median(ratios), 3),
        "GFLOP/s": round(statistics.median(rates) / 1e9),
    }


def write(topic: str, title: str, note: str, rows: list[dict], facts: str) -> str:
    """The topic's Markdown and CSV tables; returns the Markdown."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [
        f"<!-- Written by `python tests/performance/benchmark.py {topic}`. -->",
        f"# {title}", "", note, "", f"Machine: {facts}.", "",
        "| " + " | ".join(names) + " |", "|" + "---|" * len(names),
    ]  # fmt: skip
    lines += ["| " + " | ".join(str(row.get(name, "")) for name in names) + " |" for row in rows]
    OUT.mkdir(parents=True, exist_ok=True)
    text = "\n".join(lines) + "\n"
    (OUT / f"{topic}.md").write_text(text, encoding="utf-8")
    with (OUT / f"{topic}.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, names)
        table.writeheader()
        table.writerows(rows)
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("topics", nargs="*", choices=[*TOPICS, []], help="default: all")
    for topic in parser.parse_args().topics or TOPICS:
        module = importlib.import_module(topic)
        torch.set_num_threads(1)
        rows = []
        for row in module.rows():
            print(row, flush=True)
            rows.append(row)
        print(write(topic, module.TITLE, module.NOTE, rows, machine()))


if __name__ == "__main__":
    main()
