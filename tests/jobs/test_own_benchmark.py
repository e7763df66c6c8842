"""A benchmark of one's own from one YAML file: own data, own checkpoints, own Dice, and no edit of the package."""

import os
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import own_world
from own_world import FEW, compose

from tebench.base.errors import InputError, UnknownNameError
from tebench.benchmark import own, spec
from tebench.benchmark.settings import Benchmark
from tebench.cli.jobs import leaderboard, score
from tebench.cli.options import prepare
from tebench.encoders import checkpoints

ENCODERS = ("mae", "voco", "scratch")
METRICS = "[gbc,logme,random]"


@pytest.fixture(autouse=True)
def own_names(monkeypatch):
    monkeypatch.setattr(own, "OWN", {})
    monkeypatch.setenv(checkpoints.VARIABLE, os.environ.get(checkpoints.VARIABLE) or "{}")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """cfg/benchmark/hospital.yaml, two data sets and three checkpoints, as somebody may keep them."""
    root = tmp_path_factory.mktemp("mine")
    own_world.data_set(root / "raw" / "Dataset003_Liver", 2, channels=1, seed=1)
    own_world.data_set(root / "raw" / "Dataset009_Spleen", 2, channels=1, seed=2)
    own_world.resenc(root / "zoo", *ENCODERS)
    folder = root / "cfg" / "benchmark"
    folder.mkdir(parents=True)
    (folder / "hospital.yaml").write_text(
        "title: three encoders on two data sets\n"
        "data: ../../raw\ncheckpoints: ../../zoo\n"
        "encoders: [mae, voco, scratch]\n"
        "tasks: {liver: Dataset003_Liver, spleen: null}\n"
        "ground_truth: dice.csv\n"
    )
    rows = [(encoder, task, seed, 0.6 + 0.05 * i + 0.01 * seed) for i, encoder in enumerate(ENCODERS)
            for task in ("liver", "spleen") for seed in (0, 1)]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["Encoder", "task", "seed", "Dice"])
    frame.to_csv(folder / "dice.csv", index=False)
    return root


def options(place, *more):
    file = place / "cfg" / "benchmark" / "hospital.yaml"
    return [f"benchmark={file}", f"cache={place / 'cache'}", f"output={place / 'out'}", *FEW, *more]


def test_score_correlates_with_the_users_dice(place, capsys):
    score.run(*compose(*options(place, f"metric={METRICS}")))
    text = capsys.readouterr().out
    assert "hospital: three encoders on two data sets; protocol own" in text and "pool hospital: 3 encoders" in text
    scores = pd.read_csv(place / "out" / "scores.csv")
    assert set(scores["encoder"]) == set(ENCODERS) and set(scores["task"]) == {"liver", "spleen"}
    assert (scores[scores["metric"] == "gbc"]["status"] == "ok").all()
    table = pd.read_csv(place / "out" / "correlation.csv")
    assert set(table[table["metric"] == "gbc"]["n"]) == {3}


def test_the_page_of_an_own_benchmark(place, tmp_path, capsys):
    (tmp_path / "results").mkdir()
    asked = options(place, "job=leaderboard", "job.update=true", f"job.metrics={METRICS}", f"job.folder={tmp_path}")
    leaderboard.run(*compose(*own_world.read_by("leaderboard", asked)))
    rows = pd.read_csv(tmp_path / "results" / "hospital.csv")
    assert set(rows["metric"]) == {"gbc", "logme", "random"} and set(rows["encoder"]) == set(ENCODERS)
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "three encoders on two data sets" in page and "GBC" in page


def test_a_name_below_config_dir_is_the_file(place):
    for flags in ([f"--config-dir={place / 'cfg'}"], ["--config-dir", str(place / "cfg")]):
        assert prepare([*flags, "benchmark=hospital"]) == [*flags, "benchmark=own_hospital"]
    benchmark = compose(*options(place))[0].benchmark
    assert benchmark == Benchmark.of(spec.facts_of("hospital")) and benchmark.ground_truth.endswith(
        "benchmark/dice.csv"
    )
    assert benchmark.datasets["liver"]["folder"].endswith("Dataset003_Liver")
    with pytest.raises(UnknownNameError, match="Did you mean"):
        prepare([f"--config-dir={place / 'cfg'}", "benchmark=hospitl"])


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("encoders: []", "encoders missing; a benchmark needs"),
        ("encoder: [a]", "Did you mean 'encoders'"),
        ("tasks: {liver: Nowhere}", "are no folders"),
        ("tasks: 3", "must be a list of names"),
        ("ground_truth: none.csv", "expected a CSV of encoder,task,dice"),
        ("protocol: other", "unknown protocol of dice.csv 'other'"),
        ("name: starter", "is a benchmark of tebench"),
        ("name: a/b", "must be of letters"),
        ("title: [", "is not readable YAML"),
    ],
)
def test_what_is_wrong_is_said_with_the_file(place, tmp_path, line, words):
    folder = place / "cfg" / "benchmark"
    for name in ("hospital.yaml", "dice.csv"):
        shutil.copy(folder / name, tmp_path / name)
    key = line.split(":")[0]
    kept = [one for one in (tmp_path / "hospital.yaml").read_text().splitlines() if not one.startswith(f"{key}:")]
    text = "\n".join([*kept, line]).replace("../../", f"{place}/")
    (tmp_path / "hospital.yaml").write_text(text + "\n")
    with pytest.raises(InputError, match=words):
        own.register(tmp_path / "hospital.yaml")


def test_protocols_never_mix(place, tmp_path):
    folder = place / "cfg" / "benchmark"
    frame = pd.read_csv(folder / "dice.csv").assign(protocol="ours-v1")
    pd.concat([frame, frame.assign(protocol="ours-v2")]).to_csv(tmp_path / "dice.csv", index=False)
    text = (folder / "hospital.yaml").read_text().replace("../../", f"{place}/")
    (tmp_path / "hospital.yaml").write_text(text)
    with pytest.raises(InputError, match="holds protocols ours-v1, ours-v2; choose one"):
        own.read(tmp_path / "hospital.yaml")
    (tmp_path / "hospital.yaml").write_text(text + "protocol: ours-v2\n")
    assert own.read(tmp_path / "hospital.yaml")["protocol"] == "ours-v2"
