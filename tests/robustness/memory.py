"""Memory: a volume of 512 x 512 x 1000 and a pool of 200 encoders x 50 tasks, step by step. By hand.

    python tests/robustness/memory.py [--shape 512 512 1000] [--pool 200 50] [STEP ...]

Peak resident size is the kernel's own count (VmHWM), maps of files included, so it is an upper bound of what a step
needs. Writes docs/robustness/memory.md; steps that are not named keep their last figures (memory.json). The volume is
generated noise around a bright block: what is measured is memory, not segmentation.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "features"), str(HERE.parent / "finetuning"), str(HERE.parent / "tasks")]
OUT = HERE.parent.parent / "docs" / "robustness"
LIMIT_MB = 4096
PARTS = {"foreground": 8, "background": 4, "global_voxels": 4, "anchors": 2, "patch_voxels": 4}


def generate(folder: Path, shape) -> None:
    """nnU-Net raw with one case: int16 image as scanners write it, nowhere zero, and a label map."""
    import nibabel
    import numpy as np
    import raw_data

    world = folder / "world"
    rng = np.random.default_rng(0)
    for name, kind in (("imagesTr/big_0000", np.int16), ("labelsTr/big", np.uint8)):
        path = world / f"{name}.nii"
        path.parent.mkdir(parents=True, exist_ok=True)
        header = nibabel.Nifti1Header()
        header.set_data_dtype(kind)
        header.set_data_shape(shape)
        header.set_zooms((0.7, 0.7, 0.7))
        header["vox_offset"], header["magic"] = 352, b"n+1"
        header.set_sform(np.diag([0.7, 0.7, 0.7, 1.0]))
        with open(path, "wb") as file:
            file.write(header.binaryblock + b"\0\0\0\0")
            noise = rng.normal(1000, 30, (shape[1], shape[0])).astype(np.int16)
            for z in range(shape[2]):  # Fortran order: z last
                inside = np.zeros(noise.shape, bool)
                if abs(z - shape[2] // 2) < shape[2] // 8:
                    inside[shape[1] // 4 : shape[1] // 2, shape[0] // 4 : shape[0] // 2] = True
                plane = np.roll(noise, z, axis=z % 2) + 200 * inside if kind == np.int16 else inside
                file.write(plane.astype(kind).tobytes())
    words = {"channel_names": {"0": "CT"}, "labels": {"background": 0, "block": 1}, "numTraining": 1}
    raw_data.describe(world, **words, file_ending=".nii")


def _task(folder: Path):
    from tebench.tasks.dataset import open_dataset

    return open_dataset(folder / "world", cache=folder / "checked")


def _sample(folder: Path):
    from tebench.features.sample_store import load_or_draw
    from tebench.features.sampling import Recipe

    return load_or_draw(_task(folder), Recipe(**PARTS), 0, folder / "samples")


def check_data(folder: Path, _) -> str:
    return f"fingerprint {_task(folder).fingerprint[:12]}"


def read_case(folder: Path, _) -> str:
    case = _task(folder).load("big")
    return f"image {case.image.nbytes / 1e9:.2f} GB, labels {case.labels.nbytes / 1e9:.2f} GB"


def sampling(folder: Path, _) -> str:
    return f"{len(_sample(folder))} voxels"


def _extraction(normalisation: str):
    def step(folder: Path, _) -> str:
        import dataclasses

        import extraction_fakes as fakes

        from tebench.features.extraction import extract

        encoder = fakes.ConvEncoder(normalisation, patch=(64, 64, 64))
        encoder.spec = dataclasses.replace(encoder.spec, normalisation=normalisation)
        extract(_task(folder), encoder, _sample(folder), cache=folder / "features", progress=False)
        return f"{encoder.passes} windows of 64^3"

    return step


def _scores(folder: Path, pool):
    """Every score of a simulated cache, read as scoring reads it."""
    import simulated_pool as simulated

    from tebench.scoring.engine import score_all
    from tebench.scoring.score import folder_of, frame

    place = Path(tempfile.mkdtemp(dir=folder))
    found = score_all(simulated.requests(), simulated.write(place, *pool), folder_of(place), progress=False)
    return frame(score for made in found.values() for score in made)


def cells_of_pool(folder: Path, pool) -> str:
    """Read the cells and evaluate the metrics against simulated ground truth."""
    import simulated_pool as simulated

    from tebench.evaluation.evaluate import evaluate

    scores = _scores(folder, pool)
    result = evaluate(scores, simulated.truth(*pool), {name: "up" for name in simulated.METRICS})
    return f"{len(scores)} cells, {len(result)} rows of results"


def page_of_pool(folder: Path, pool) -> str:
    """The cells as rows of a leaderboard: written, checked, read, evaluated, and the page made."""
    import simulated_pool as simulated

    from tebench.publication import leaderboard_rows

    scores = _scores(folder, pool)
    text = leaderboard_rows.text(simulated.rows(scores))
    refused = leaderboard_rows.problems(text, len(scores))
    assert not refused, refused
    made = simulated.page(text, simulated.truth(*pool))
    return f"{len(scores)} rows, {len(text) / 1e6:.1f} MB; page of {len(made) / 1e6:.1f} MB"


def scoring(folder: Path, _) -> str:
    """Metrics on 20,000 x 1,024 features: moments and distances, as the largest stages have."""
    import numpy as np

    import tebench

    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, 20_000)
    features = rng.normal(size=(20_000, 1024)).astype(np.float32) + labels[:, None]
    return ", ".join(f"{name} {tebench.score(name, features, labels):.3g}" for name in ("logme", "gbc", "grtd"))


STEPS = {
    "check the data set": check_data, "read the case": read_case, "draw the sample": sampling,
    "extract, zscore": _extraction("zscore"), "extract, zscore_all": _extraction("zscore_all"),
    "extract, unit": _extraction("unit"), "score 20,000 x 1,024": scoring, "evaluate the pool": cells_of_pool,
    "leaderboard page of the pool": page_of_pool,
}  # fmt: skip
ON_VOLUME = [name for name in STEPS if name.startswith(("check", "read", "draw", "extract"))]


def page(figures: dict) -> str:
    lines = [
        "# Memory", "",
        "Made by `python tests/robustness/memory.py`; not edited by hand. One case, one channel, generated; a pool of",
        "simulated cells and ground truth. Each step is a process of its own with one thread; its peak is the kernel's",
        f"count of resident memory (VmHWM), which includes mapped files. The bound is {LIMIT_MB} MB.", "",
        "| step | size | what came of it | CPU s | peak MB | within the bound |", "|" + " --- |" * 6,
    ]  # fmt: skip
    for name in STEPS:
        if name in figures:
            row = figures[name]
            within = "yes" if row["peak"] <= LIMIT_MB else "NO"
            lines.append(
                f"| {name} | {row['size']} | {row['said']} | {row['cpu']:.0f} | {row['peak']:.0f} | {within} |"
            )
    return "\n".join([*lines, "", NOTES])


NOTES = """What stands in memory for a case of N voxels and C channels: the image (4 NC bytes), its label map (2 N),
and while it is normalised a second image and a mask (4 NC + N). Statistics run over 8 MB at a time and have the bits of
numpy's on a float64 copy. The next case is read ahead only where a volume takes less than 256 MB. An encoder with a
spacing of its own needs more, since cubic interpolation works in float64 (12 N bytes more, and the resampled image).

The first things that broke, both mended: label maps were translated with one sort of the whole map (16 bytes a voxel
beside it), and normalisation made three float64 copies (24 bytes a voxel).
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("steps", nargs="*")
    parser.add_argument("--shape", type=int, nargs=3, default=(512, 512, 1000))
    parser.add_argument("--pool", type=int, nargs=2, default=(200, 50))
    parser.add_argument("--folder", default="")
    parser.add_argument("--one", action="store_true")
    asked = parser.parse_args()
    if asked.one:
        import simulated_pool
        import torch

        torch.set_num_threads(1)
        said = STEPS[asked.steps[0]](Path(asked.folder), tuple(asked.pool))
        print("RESULT " + json.dumps({"said": said, "cpu": time.process_time(), "peak": simulated_pool.peak_mb()}))
        return
    OUT.mkdir(exist_ok=True)
    kept = OUT / "memory.json"
    figures = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    with tempfile.TemporaryDirectory(prefix="tebench-memory-") as made:
        folder = Path(asked.folder or made)
        chosen = asked.steps or list(STEPS)
        if not (folder / "world").exists() and any(name in ON_VOLUME for name in chosen):
            generate(folder, tuple(asked.shape))
        for name in chosen:
            options = ["--shape", *map(str, asked.shape), "--pool", *map(str, asked.pool), "--folder", str(folder)]
            command = [sys.executable, __file__, "--one", name, *options]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            found = [line[7:] for line in done.stdout.splitlines() if line.startswith("RESULT ")]
            if not found:
                raise SystemExit(f"{name} ended with {done.returncode}: {done.stderr[-2000:]}")
            size = asked.shape if name in ON_VOLUME else asked.pool if "pool" in name else (20_000, 1_024)
            figures[name] = json.loads(found[0]) | {"size": " x ".join(map(str, size))}
            print(name, figures[name], flush=True)
            kept.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n", encoding="utf-8")
            (OUT / "memory.md").write_text(page(figures), encoding="utf-8")


if __name__ == "__main__":
    main()
