"""The main job from the command line, on real encoders, images and ground truth; sampling kept small."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tebench
from tebench.base import storage
from tebench.base.errors import CacheError

ENCODERS = ["deepbet", "deepbet_bbox", "deepbet_random"]
SMALL = [
    "tasks=[tissues]", f"encoders=[{','.join(ENCODERS)}]", "progress=false",
    "sampling.foreground=48", "sampling.background=96", "sampling.global_voxels=0", "sampling.anchors=8",
]  # fmt: skip


class Run:
    def __init__(self, root: Path):
        self.root, self.cache, self.output = root, root / "cache", root / "out"

    def __call__(self, *arguments, metric="metric=[grtd_lbtc,logme,leep]"):
        command = [sys.executable, "-m", "tebench", metric, *SMALL, f"cache={self.cache}", f"output={self.output}"]
        # Assets come from the user's cache, fetched as a user would; everything else goes to the test's folder.
        return subprocess.run([*command, *arguments], capture_output=True, text=True, env=os.environ, cwd=self.root)

    def bytes(self):
        return {p.relative_to(self.output): p.read_bytes() for p in self.output.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished cold run."""
    run = Run(tmp_path_factory.mktemp("main"))
    done = run()
    assert done.returncode == 0, done.stderr
    run.first = done.stdout
    return run


def test_the_table_holds_what_it_must(run):
    for words in ("GRTD + LBTC", "LogME", "Random", "Parameters", "noise ceiling", "chance", "3 encoders", "regret"):
        assert words in run.first
    assert "LEEP" in run.first and "no source head" in run.first  # not applicable, with the reason


def test_files_are_written(run):
    names = {path.name for path in run.output.rglob("*")}
    figures = {f"correlation-tissues.{suffix}" for suffix in ("png", "svg", "pdf")}
    assert {"scores.csv", "correlation.csv", "correlation.tex", "correlation.md", "config.json", *figures} <= names
    table = pd.read_csv(run.output / "correlation.csv")
    row = table[(table["metric"] == "logme") & (table["task"] == "tissues")].iloc[0]
    assert row["n"] == 3 and -1 <= row["tau_w"] <= 1 and np.isfinite(row["null_low"])
    assert r"\toprule" in (run.output / "correlation.tex").read_text()


def test_scores_carry_what_made_them(run):
    scores = pd.read_csv(run.output / "scores.csv")
    logme = scores[scores["metric"] == "logme"].set_index("encoder")
    assert list(logme.index) == ENCODERS
    for column in ("feature_hash", "label_hash", "metric_hash", "versions", "seconds", "parameters"):
        assert logme[column].notna().all()
    assert logme["feature_hash"].nunique() == 3 and logme["label_hash"].nunique() == 1


def test_scores_equal_the_python_interface(run):
    """From the cache folder through the public functions to the same number."""
    (folder,) = (path.parent for path in (run.cache / "features" / "tissues" / "deepbet").glob("*/manifest.json"))
    features = tebench.load_features(folder)
    sample = features.sample
    rows = np.flatnonzero(np.isin(sample.role, [0, 1]))
    stage = list(s for s in features.stages if s.startswith("encoder"))[-1]
    value = tebench.score("logme", features.stages[stage][rows], sample.labels[rows])
    scores = pd.read_csv(run.output / "scores.csv").set_index(["metric", "encoder"])["score"]
    assert float(scores["logme", "deepbet"]) == pytest.approx(value, rel=1e-9)


def test_a_warm_run_computes_nothing_and_gives_the_same_bytes(run):
    before, cells = run.bytes(), sorted(run.cache.rglob("cells/**/*.json"))
    stamps = [cell.stat().st_mtime_ns for cell in cells]
    again = run()
    assert again.stdout == run.first
    assert run.bytes() == before
    assert [cell.stat().st_mtime_ns for cell in cells] == stamps


def test_damage_is_found_and_mended(run):
    scores = run.output / "scores.csv"
    before, figure = pd.read_csv(scores), run.output / "figures" / "correlation-tissues.svg"
    drawn = figure.read_bytes()
    (features,) = (run.cache / "features" / "tissues" / "deepbet").glob("*/features.safetensors")
    content = bytearray(features.read_bytes())
    content[-100] ^= 1
    features.write_bytes(content)
    with pytest.raises(CacheError, match=r"features\.safetensors is damaged"):
        tebench.load_features(features.parent)
    score = next((run.cache / "scores" / "tissues" / "deepbet").glob("logme-*.json"))
    score.write_text(score.read_text().replace('"score": ', '"score": 1'))
    done = run()
    assert done.returncode == 0
    assert "made again" in done.stderr and "computed again" in done.stderr
    assert before["score"].equals(pd.read_csv(scores)["score"])  # seconds are measured anew, scores are not
    assert figure.read_bytes() == drawn


def test_missing_ground_truth_is_named(run):
    rows = pd.read_csv(Path(tebench.__file__).parent.parent / "leaderboard" / "ground_truth" / "starter.csv")
    target = run.root / "fewer.csv"
    rows[~((rows["encoder"] == "deepbet_bbox") & (rows["seed"] == 1))].to_csv(target, index=False)
    done = run(f"job.target={target}")
    assert done.returncode == 2
    assert "deepbet_bbox x tissues (seed 1)" in done.stderr


def test_plugin_runs_beside_the_rivals(run):
    (run.root / "mine.py").write_text(_from_contributing())
    done = run("plugins=[mine.py]", f"output={run.root / 'mine'}", metric="metric=[mine,hscore]")
    assert done.returncode == 0, done.stderr
    assert "Mean distance" in done.stdout


def test_documented_plugin_passes_the_common_checks(run):
    (run.root / "mine.py").write_text(_from_contributing())
    command = [sys.executable, "-m", "tebench", "check", "metric=mine", "plugins=[mine.py]"]
    done = subprocess.run(command, cwd=run.root, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def _from_contributing() -> str:
    text = (Path(__file__).resolve().parent.parent / "CONTRIBUTING.md").read_text()
    return text.split("```python\n", 1)[1].split("```", 1)[0]


def test_narrowing_the_pool_recomputes_the_fusion(run):
    """A min-max over the pool: the ends of the narrower pool reach 0 and 1 again in each part."""
    scores = pd.read_csv(run.output / "scores.csv")
    fused = scores[scores["metric"] == "grtd_lbtc"]
    parts = pd.DataFrame(list(fused["components"].map(__import__("json").loads)), index=fused["encoder"])
    scaled = (parts - parts.min()) / (parts.max() - parts.min())
    alpha = (2 - 1) / (2 + 1)  # two foreground classes, released gate
    expected = alpha * scaled["grtd"] + (1 - alpha) * scaled["lbtc"]
    assert np.allclose(fused["score"], expected, rtol=1e-8)


def test_storage_leaves_nothing_half_written(tmp_path):
    with pytest.raises(RuntimeError), storage.atomic_path(tmp_path / "file.txt") as path:
        path.write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_the_python_examples_of_the_readme_run(run, monkeypatch):
    monkeypatch.setenv("TEBENCH_CACHE", str(run.cache))
    text = (Path(__file__).resolve().parent.parent / "README.md").read_text()
    blocks = [part.split("```", 1)[0] for part in text.split("```python\n")[1:]]
    assert len(blocks) >= 2
    space = {}
    for block in blocks:
        exec(block.replace('"lungs"', '"tissues"'), space)  # the task that this run has read
    assert space["cached"].stages["encoder.4"].shape == (len(space["cached"].sample), 128)
