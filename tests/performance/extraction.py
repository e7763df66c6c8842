"""Extraction against the forward passes that it contains, and its memory against the number of volumes.

python tests/performance/benchmark.py extraction
"""

import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from forked import measure

from tebench.base import storage
from tebench.features import cache, windows
from tebench.features.frozen import FrozenNetwork
from tebench.features.grid import extract_all
from tebench.features.sampling import Recipe, draw
from tebench.features.volumes import prepare
from tebench.runtime.heap import keep_freed_memory, large_pages
from tebench.runtime.threads import one_thread_for_good
from tebench.tasks import catalogue as tasks

TITLE = "Extraction: wall time against the bare forward passes, memory against the number of volumes"
NOTE = """\
`python -m tebench job=extract benchmark=starter encoders=[...]`, by the clock; the images prepared, in a cache without
samples and features. bare: afterwards the same windows once more through the same networks, in as many processes set
up in the same way, one thread each, and nothing but the forward passes counted. forward: the same inside the job. job:
the cases of all tasks from volume to rows, without keeping and writing them. read: to load and normalise the volumes,
alone; the job does so beside the passes, once for encoders that read alike. ratio: job / bare; for the whole command
its wall time, with starting, drawing the samples, loading weights and writing features, by the bare seconds of a
worker. Command and bare passes in turn, twice; means: a shared machine drifts by some per cent in such minutes. Before,
a process writes to 3 GB and ends: a virtual machine gives memory slowly the first time, to whoever asks first.

Memory: peak resident memory above what the process held at the start (VmHWM), of one pair alone with workers=1, the
lungs' volumes repeated as an nnU-Net data set."""
WORKERS, ROUNDS = 2, 2
TASK, WINDOW = "lungs", (96, 128, 96)  # of the memory rows; WINDOW is the benchmark's
ENCODERS = ("deepbet", "deepbrain", "deepbrain_random", "ssl_mae", "ssl_simclr", "ssl_spark", "ssl_swin", "ssl_voco")


def rows():
    """A row for every encoder, one for the whole command, then memory."""
    with tempfile.TemporaryDirectory() as folder:
        for row in _time_rows(Path(folder)):
            yield {name: round(value, 3) if isinstance(value, float) else value for name, value in row.items()}
    with tempfile.TemporaryDirectory() as folder:
        for count in (12, 24, 48):
            yield _memory_row(Path(folder) / str(count), count)


def _time_rows(folder: Path):
    for task in map(tasks.load, tasks.names()):
        for case in task.cases:
            task.load(case)  # fetched and prepared
    subprocess.run([sys.executable, "-c", "import numpy; numpy.ones(3 * 2**30, numpy.uint8)"], check=True)
    rounds = [_round(folder / str(number)) for number in range(ROUNDS)]
    frame = pd.concat(frame for frame, _ in rounds).groupby("what").sum() / ROUNDS
    frame["windows"] = frame["windows"].astype(int)
    whole = {"windows": int(frame["windows"].sum()), "job": sum(seconds for _, seconds in rounds) / ROUNDS}
    whole |= {name: frame[name].sum() / WORKERS for name in ("bare", "read", "forward")}
    frame.loc[f"the whole command, {WORKERS} workers"] = whole
    yield from frame.assign(ratio=frame["job"] / frame["bare"]).reset_index().to_dict("records")


def _round(own: Path) -> tuple[pd.DataFrame, float]:
    """The command on an empty cache by the clock, then its passes alone: a row for every folder."""
    own.mkdir()
    for name in ("assets", "tasks"):
        (own / name).symlink_to(storage.cache_root() / name)
    command = [sys.executable, "-m", "tebench", "job=extract", "benchmark=starter",
               f"encoders=[{','.join(ENCODERS)}]", f"workers={WORKERS}", "progress=false"]  # fmt: skip
    begin = time.perf_counter()
    subprocess.run(command, check=True, env=os.environ | {"TEBENCH_CACHE": str(own)}, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - begin
    folders = sorted(manifest.parent for manifest in own.glob("features/*/*/*/manifest.json"))
    with ProcessPoolExecutor(WORKERS, multiprocessing.get_context("spawn"), _begin) as pool:
        return pd.DataFrame(pool.map(_bare, folders)), seconds


def _begin() -> None:
    large_pages()
    keep_freed_memory()
    one_thread_for_good()


def _bare(folder: Path) -> dict:
    """Seconds of the forward passes of a finished extraction, made once more."""
    from tebench.encoders import catalogue

    features, manifest = cache.read(folder), cache.manifest(folder)
    made = manifest["made_from"]
    task, encoder, sample = tasks.load(made["task"]), catalogue.build(made["encoder"]), features.sample
    network, patch = FrozenNetwork(encoder, made["decoder_seed"], "cpu"), tuple(made["patch"])
    together, count, reading = network.windows_together(patch), 0, 0.0
    for index in np.unique(sample.case):
        begin = time.perf_counter()
        volume = prepare(task, sample.case_ids[index], sample, np.flatnonzero(sample.case == index), encoder.spec)
        reading += time.perf_counter() - begin
        plan = windows.assign(volume.image.shape[1:], patch, volume.positions, made["overlap"])
        count += len(plan)
        for low in range(0, len(plan), together):
            network(windows.cut(volume.image, [start for start, _ in plan[low : low + together]], patch))
    return {"what": made["encoder"], "windows": count, "bare": network.forward_seconds, "read": reading,
            "forward": manifest["forward_seconds"], "job": manifest["seconds"]}  # fmt: skip


def _memory_row(folder: Path, count: int) -> dict:
    """Peak memory of one pair over `count` volumes."""
    from tebench.tasks.dataset import open_dataset

    sys.path.append(str(Path(__file__).resolve().parent.parent / "tasks"))
    import raw_data

    source = tasks.load(TASK)
    for number in range(count):
        case = source.load(sorted(source.cases)[number % len(source.cases)])
        affine = np.diag([*case.spacing, 1.0])
        raw_data.write(folder / f"imagesTr/case_{number:03d}_0000.nii", case.image[0], affine)
        raw_data.write(folder / f"labelsTr/case_{number:03d}.nii", case.labels.astype(np.uint8), affine)
    labels = {name: value for value, name in enumerate(source.classes)}
    raw_data.describe(folder, channel_names={"0": "CT"}, labels=labels, numTraining=count, file_ending=".nii")
    task = open_dataset(folder)
    samples = [draw(task, Recipe(), seed=0, cases=tuple(sorted(task.cases)[:number])) for number in (1, count)]

    def run(sample) -> None:
        with tempfile.TemporaryDirectory() as place:
            extract_all([(task, "ssl_mae", sample)], cache=Path(place), workers=1, patch=WINDOW, progress=False)

    found = measure(lambda: run(samples[1]), warm=lambda: run(samples[0]), limit=3000)
    return {"what": f"ssl_mae, {count} volumes", "MB": round(found["peak_mb"])}
