"""A starter grid on this machine's own Slurm, compared byte for byte with the same grid run without one.

    python tests/cluster/starter_grid.py            (root on Debian: installs, starts and stops Slurm itself)
    python tests/cluster/starter_grid.py --here     (uses the Slurm that sbatch already talks to)

Three sweeps (extraction, fine-tuning, scoring) run once with Hydra's basic launcher and once through submitit_slurm,
each into a cache of its own; then a fine-tuning run is killed by its time limit, requeued, and goes on. The encoders,
images and metrics are real; sampling and the fine-tuning protocol are made tiny, so the numbers mean nothing.
Exit code 1 when anything differs. pytest does not collect this file: it needs apt-get, root and some minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tebench.base import storage

HERE = Path(__file__).resolve().parent
ENCODERS, TASKS = ("deepbrain", "deepbrain_random"), ("tissues", "subcortex")
SWEPT = {"encoders": ",".join(f"[{name}]" for name in ENCODERS), "tasks": ",".join(f"[{name}]" for name in TASKS)}
SMALL = [
    "sampling.foreground=24", "sampling.background=48", "sampling.global_voxels=0", "sampling.anchors=6",
    "progress=false",
    "workers=1", "protocol.name=tiny", "protocol.patch=32", "protocol.decoder_deepest=16", "protocol.width=4",
]  # fmt: skip
METRICS = "metric=[grtd_lbtc,logme]"
SWEEPS = {
    "extract": [f"encoders={SWEPT['encoders']}", f"tasks={SWEPT['tasks']}"],
    "finetune": [
        f"encoders={SWEPT['encoders']}",
        "job.seeds=[0],[1]",
        f"tasks=[{','.join(TASKS)}]",
        "protocol.steps=4",
    ],
    "score": [f"encoders={SWEPT['encoders']}", "metric=[grtd_lbtc],[logme]", f"tasks=[{','.join(TASKS)}]"],
}
WHOLE = [f"encoders=[{','.join(ENCODERS)}]", f"tasks=[{','.join(TASKS)}]"]
# How long it took is measured anew each time, and says nothing about the result.
MEASURED = ("seconds", "peak_mb", "checksum", "forward_seconds", "peak_memory_mb")
SLURM = ["hydra/launcher=submitit_slurm", "hydra.launcher.cpus_per_task=1", "hydra.launcher.mem_gb=2"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--here", action="store_true", help="use the Slurm that is there")
    parser.add_argument("--folder", type=Path, help="where everything goes; default: a new folder under /tmp")
    parser.add_argument("--seconds", type=int, default=200, help="aimed length of the run that meets its time limit")
    given = parser.parse_args()
    folder = (given.folder or Path(tempfile.mkdtemp(prefix="tebench-slurm-"))).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    print(f"everything lies in {folder}", flush=True)
    if given.here:
        sys.exit(0 if compare(folder, given.seconds) else 1)
    subprocess.run([HERE / "slurm.sh", "install"], check=True)
    try:
        subprocess.run([HERE / "slurm.sh", "start", folder / "slurm"], check=True)
        os.environ["SLURM_CONF"] = str(folder / "slurm" / "slurm.conf")
        same = compare(folder, given.seconds)
    finally:
        subprocess.run([HERE / "slurm.sh", "stop", folder / "slurm"], check=True)
    sys.exit(0 if same else 1)


def compare(folder: Path, seconds: int) -> bool:
    took = {}
    for where, launcher in (("local", []), ("slurm", [*SLURM, "hydra.launcher.timeout_min=20"])):
        for job, sweep in SWEEPS.items():
            begin = time.monotonic()
            tebench(folder / where, "-m", job, *sweep, *launcher)
            took[where, job] = time.monotonic() - begin
        tebench(folder / where, "collect", *WHOLE, METRICS, "protocol.steps=4", "seeds=[0,1]", "ground_truth=true")
        text = tebench(folder / where, "status", *WHOLE, METRICS, "protocol.steps=4", "seeds=[0,1]")
        print(f"\n{where}\n{text}", flush=True)
    rows = [(kind, *tally(folder, found)) for kind, found in KINDS.items()]
    print(f"\n{'':<44}{'files':>7}{'equal':>7}")
    for kind, n, equal in rows:
        print(f"{kind:<44}{n:>7}{equal:>7}")
    for job in SWEEPS:
        print(f"{job}: {took['local', job]:.0f} s one after another here, {took['slurm', job]:.0f} s through Slurm")
    resumed = time_limit(folder, seconds)
    same = resumed and all(n > 0 and n == equal for _, n, equal in rows)
    print("\nequal byte for byte" if same else "\nDIFFERENT", flush=True)
    return same


def tebench(cache: Path, *arguments: str, more: tuple[str, ...] = ()) -> str:
    """Run tebench with its cache and outputs in `cache`, which is made; ends this script when it fails."""
    cache.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "tebench", *arguments, *SMALL, *more, "cache=cache", "output=tables"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=cache)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done.stdout


def raw(path: Path) -> bytes:
    return path.read_bytes()


def plain(path: Path) -> bytes:
    """JSON without what was measured."""

    def strip(value):
        if isinstance(value, dict):
            return {key: strip(inner) for key, inner in value.items() if key not in MEASURED}
        return value

    return storage.canonical_json(strip(json.loads(path.read_text()))).encode()


def rows_only(path: Path) -> bytes:
    """A CSV without its measured columns."""
    import pandas as pd

    return pd.read_csv(path, dtype=str).drop(columns=list(MEASURED), errors="ignore").to_csv().encode()


KINDS = {
    "samples, whole files": ("cache/samples/*.safetensors", raw),
    "features, whole files": ("cache/features/*/*/*/*.safetensors", raw),
    "feature manifests, without seconds, memory": ("cache/features/*/*/*/manifest.json", plain),
    "score cells, without seconds, memory": ("cache/cells/*/*/*.json", plain),
    "fine-tuning results, without seconds": ("cache/finetuning/tiny/*.json", plain),
    "fine-tuning table, without seconds": ("tables/quick.csv", rows_only),
    "fine-tuning volumes, whole files": ("tables/quick_volumes.csv", raw),
    "collected scores, without seconds, memory": ("tables/scores.csv", rows_only),
}


def tally(folder: Path, kind) -> tuple[int, int]:
    """(files of either run, files with the same bytes in both)."""
    pattern, content = kind
    found = [
        {path.relative_to(folder / where): content(path) for path in (folder / where).glob(pattern)}
        for where in ("local", "slurm")
    ]
    return len(found[0].keys() | found[1].keys()), sum(found[1].get(path) == value for path, value in found[0].items())


def time_limit(folder: Path, seconds: int) -> bool:
    """One fine-tuning run through Slurm, longer than its time limit; whether it ends as the same run does here."""
    one = ["encoders=[deepbrain]", "tasks=[tissues]", "job.seeds=[0]"]
    limit = [
        *SLURM, "hydra.launcher.timeout_min=2", "hydra.launcher.signal_delay_s=20", "hydra.launcher.max_num_timeout=9",
    ]  # fmt: skip
    speed = pace(folder / "pace", one)
    for times in (1, 2, 4):  # a shared machine may be faster now than it was when its pace was taken
        steps, cache = max(300, round(times * seconds / speed / 100) * 100), folder / f"long-slurm-{times}"
        print(f"\ntime limit: {steps} steps of about {speed:.3f} s, with a limit of 2 minutes", flush=True)
        tebench(cache, "-m", "finetune", *one, f"protocol.steps={steps}", *limit, more=("protocol.name=long",))
        logs = "".join(path.read_text() for path in sorted(cache.rglob("*_log.err")))
        stopped = len(re.findall(r"Requeued job", logs))
        if stopped:
            break
    tebench(folder / "long-local", "finetune", *one, f"protocol.steps={steps}", more=("protocol.name=long",))
    (here,), (there,) = (
        [*(where / "cache/finetuning/long").glob("*.json")] for where in (folder / "long-local", cache)
    )
    same = plain(here) == plain(there)
    print(f"stopped by the time limit and requeued: {stopped} time(s); result {'equal' if same else 'DIFFERENT'}")
    return same and stopped > 0


def pace(cache: Path, one: list[str]) -> float:
    """Seconds a training step, from two runs of different length."""
    took = []
    for steps in (10, 60):
        begin = time.monotonic()
        tebench(cache, "finetune", *one, f"protocol.steps={steps}", more=(f"protocol.name=pace-{steps}",))
        took.append(time.monotonic() - begin)
    return max(1e-3, (took[1] - took[0]) / 50)


if __name__ == "__main__":
    main()
