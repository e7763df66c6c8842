"""CPU seconds and peak memory of every metric that reads features, beside public implementations.

    OMP_NUM_THREADS=1 python tests/performance/metrics.py [--peers PYTHON] [--rows 10000 50000] [--limit 60]

Writes docs/performance/metrics.md and metrics.csv. One thread, every call in a forked child of its own, our metrics
through `tebench.score` with default parameters from float32 features. --peers: a Python that has the packages that
`peers.py` names (tebench is not needed there); without it our metrics are measured alone.
"""

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before BLAS and torch start

import argparse
import json
import platform
import subprocess
import sys
import tempfile
from functools import partial
from importlib.metadata import version
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
from forked import measure
from moments import draw, limit_seconds

import tebench
from tebench.metrics.topology import shared

HERE = Path(__file__).resolve().parent
OUT = HERE.parent.parent / "docs" / "performance"
READ = ("matrix", "moments", "cases", "patches", "roles")
CASES, ANCHORS, PATCH = 10, 50, 16
# Seconds grow with N to this power; with a parameter max_points the sample is cut before anything quadratic.
POWER = {"linear": 1, "moments": 1, "iterative": 1, "quadratic": 2, "trees": 2}


def arrays(n, columns, classes) -> dict:
    """One sample of n voxels in 10 cases, 50 boundary patches of 16 rows in each."""
    features, labels = draw(n, columns, classes)
    rng, cases = np.random.default_rng(1), np.arange(n) % CASES
    patches = []
    for case in range(CASES):
        own = np.flatnonzero(cases == case)
        patches += [rng.choice(own, PATCH, replace=False) for _ in range(ANCHORS)]
    roles = np.where(labels > 0, "foreground", "background")
    roles[np.stack(patches)], roles[np.stack(patches)[:, 0]] = "member", "anchor"
    return {"features": features, "labels": labels, "cases": cases, "patches": np.stack(patches), "roles": roles}


def call(metric, given):
    shared.forget()  # else a second call is given the first one's trees
    patches = given["patches"] if metric.reads == "patches" else None
    roles = given["roles"] if metric.reads == "roles" else None
    return tebench.score(
        metric.name, given["features"], given["labels"], cases=given["cases"], patches=patches, roles=roles
    )  # fmt: skip


def ours(samples: dict, limit: float):
    """A row for every metric that reads features and every size."""
    import torch

    torch.set_num_threads(1)
    metrics = [m for m in tebench.list_metrics().values() if m.reads in READ and "value" not in m.exceptions]
    first = next(iter(samples.values()))
    few = np.concatenate([np.flatnonzero(first["cases"] == case)[:40] for case in range(CASES)])
    warm = {name: first[name][few] for name in ("features", "labels", "cases", "roles")}
    warm["patches"] = np.arange(len(few)).reshape(CASES, -1)[:, :PATCH]
    for metric in metrics:
        call(metric, warm)  # loads what it imports
        power = 0 if "max_points" in metric.parameters else POWER[metric.cost]
        base = None
        for n, sample in samples.items():
            predicted = base and base * (n / next(iter(samples))) ** power
            if predicted and predicted > limit:
                seen = {"not_run": predicted}
            else:
                each = partial(call, metric)
                seen = measure(partial(each, sample), warm=partial(each, warm), limit=3 * limit)
            base = base or seen.get("seconds")
            yield {"metric": metric.name, "package": "tebench", "version": tebench.__version__, "n": n,
                   "power": power, **seen}  # fmt: skip
    for n, sample in samples.items():
        from tebench.metrics.moments import Moments

        def form(given):
            moments = Moments.of(given["features"], given["labels"])
            assert moments.spectrum.rank and moments.uncentred.rank

        yield {"metric": "(moments)", "package": "tebench", "version": tebench.__version__, "n": n, "power": 1,
               **measure(partial(form, sample), warm=partial(form, warm), limit=3 * limit)}  # fmt: skip


def theirs(samples: dict, python: str, limit: float):
    """The rows of peers.py, run by another Python on the same arrays."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "arrays.npz"
        np.savez(path, **{f"{k}-{n}": v for n, s in samples.items() for k, v in s.items() if k != "patches"})
        command = [python, str(HERE / "peers.py"), str(path), str(limit)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
            for line in running.stdout:
                yield json.loads(line)
    if running.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {running.returncode}")


def ripser_size(samples) -> dict:
    """Our RTD on the 100 rows that the public barcode gets."""
    sample = next(iter(samples.values()))
    run = partial(tebench.score, "rtd", sample["features"][:100], sample["labels"][:100])
    seen = measure(run, warm=run, limit=60)
    return {"metric": "rtd", "package": "tebench", "version": tebench.__version__, "n": 100, "power": 0, **seen}


def machine(columns) -> list[str]:
    model = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.machine())  # fmt: skip
    rate = 2 * 10_000 * columns**2 / limit_seconds(10_000, columns) / 1e9
    load = os.getloadavg()[0]
    return [
        f"{model}, {os.cpu_count()} cores, one thread used; float32 matrix products {rate:.0f} GFLOP/s in this run; "
        f"load average {load:.1f} at the end (CPU seconds are counted, not wall time).",
        f"Python {platform.python_version()}, "
        + ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "torch")) + ".",
    ]  # fmt: skip


def _time(row) -> str:
    if row is None:
        return ""
    if row.get("not_run") and not np.isnan(row["not_run"]):
        return f"not run: about {row['not_run']:.0f} s by N^{int(row['power'])}"
    if isinstance(row.get("stopped"), str):
        return f"stopped: {row['stopped']}"
    return f"{row['seconds']:.3f}" if row["seconds"] < 10 else f"{row['seconds']:.1f}"


def _memory(row) -> str:
    return "" if row is None or np.isnan(row.get("peak_mb", np.nan)) else f"{row['peak_mb']:.0f}"


def _cells(frame, sizes):
    """Seconds and memory at each size."""
    found = {row["n"]: row for row in frame.to_dict("records")}
    if not set(found) & set(sizes):
        (n, row), *_ = found.items()
        return [f"{_time(row)} for {n} rows", _memory(row), *[""] * (2 * len(sizes) - 2)]
    return [text for n in sizes for text in (_time(found.get(n)), _memory(found.get(n)))]


def markdown(frame: pd.DataFrame, sizes, options, facts) -> str:
    own = frame[frame["package"] == "tebench"]
    head = "".join(f" {n // 1000}k s | {n // 1000}k MB |" for n in sizes)
    lines = [
        "<!-- Written by tests/performance/metrics.py. -->",
        "# Cost of the metrics",
        "",
        f"D = {options.columns}, C = {options.classes}, float32 features in {CASES} cases; CPU seconds on one thread; "
        "MB: peak resident memory above the loaded features, of one call in a process of its own.",
        *facts,
        "",
        f"A metric that grows with N^2 is not run at a size where its time at {sizes[0]} rows predicts more than "
        f"{options.limit:g} s; the table then gives the prediction. Metrics that a task averages over cases are "
        "measured so, which divides their N^2 by the number of cases. `parc` and `rtd` draw at most `max_points` rows, "
        "so their time hardly grows. Metrics of other metrics' scores cost the sum of their parts; static ones and "
        "those on source probabilities read no features.",
        "",
        "## Every metric that reads features",
        "",
        "From the features alone; within a run the metrics that read moments share one pass (row `(moments)`).",
        "",
        f"| metric |{head}",
        "|---|" + "---|" * 2 * len(sizes),
    ]
    for name, group in own[own["n"].isin(sizes)].groupby("metric", sort=True):
        lines.append(f"| {name} | " + " | ".join(_cells(group, sizes)) + " |")
    peers = frame[frame["package"] != "tebench"]
    if len(peers):
        lines += [
            "",
            "## Public implementations, same arrays, same run",
            "",
            "Ratio: their CPU seconds over ours for the whole metric, at each size that both were run at. Where their "
            "code does a part of the metric only, as said, the ratio is a lower bound.",
            "",
            f"| metric | package | what it does |{head} ratio | value, theirs / ours |",
            "|---|---|---|" + "---|" * (2 * len(sizes) + 2),
        ]
        for _, group in peers.groupby("peer", sort=False):
            row = group.iloc[0]
            lines.append(
                f"| {row['metric']} | {row['package']} {row['version']} | {row['what']} | "
                + " | ".join([*_cells(group, sizes), _ratios(group, own), _values(group, own)]) + " |"
            )  # fmt: skip
    lines += ["", *NOTES]
    return "\n".join(lines) + "\n"


NOTES = [
    "Looked up on the package index and not measured: tllib (not there; its authors point to the test index), gtests "
    "(Friedman-Rafsky; Prim in Python loops over a dense matrix, N^2 interpreted steps), cka-pytorch (another "
    "quantity than LFC), plamtral (adapters, no metrics). No package found there computes GBC, TransRate, SFDA, NCTI, "
    "PARC, LFC, PED, EMMS, PACTran's bound, CC-FV, GRTD or LBTC.",
    "",
    "transferability-metric reads a folder through a module that its wheel installs elsewhere; here that reader hands "
    "over the arrays. transformer-ranker is imported without its language-model libraries.",
]


def _mates(group, own):
    """(their row, our row) at each size that both have."""
    for row in group.to_dict("records"):
        mine = own[(own["metric"] == row["metric"]) & (own["n"] == row["n"])].to_dict("records")
        if mine and not np.isnan(row.get("seconds", np.nan)) and not np.isnan(mine[0].get("seconds", np.nan)):
            yield row, mine[0]


def _ratios(group, own) -> str:
    return ", ".join(f"{row['seconds'] / mine['seconds']:.1f}" for row, mine in _mates(group, own))


def _values(group, own) -> str:
    pairs = [
        (row["value"], mine["value"]) for row, mine in _mates(group, own) if row["same"] or row["peer"] == "barcode"
    ]
    return f"{pairs[-1][0]:.6g} / {pairs[-1][1]:.6g}" if pairs else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--peers", help="Python with the public packages")
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 50_000])
    parser.add_argument("--columns", type=int, default=320)
    parser.add_argument("--classes", type=int, default=5)
    parser.add_argument("--limit", type=float, default=60.0, help="CPU seconds beyond which a size is only predicted")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    sizes = sorted(options.rows)
    samples = {n: arrays(n, options.columns, options.classes) for n in sizes}
    rows = []
    peers = theirs(samples, options.peers, options.limit) if options.peers else ()
    for row in chain(ours(samples, options.limit), [ripser_size(samples)], peers):
        print(json.dumps(row), file=sys.stderr, flush=True)
        rows.append(row)
    frame = pd.DataFrame(rows)
    options.out.mkdir(parents=True, exist_ok=True)
    frame.drop(columns=["same"], errors="ignore").to_csv(options.out / "metrics.csv", index=False)
    (options.out / "metrics.md").write_text(markdown(frame, sizes, options, machine(options.columns)))


if __name__ == "__main__":
    main()
