"""Dry run of the whole OpenMind chain: real architectures at reduced width, real checkpoint and data formats."""

import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import own_world
from own_world import FEW, compose

from tebench.cli.jobs import score
from tebench.encoders import checkpoints
from tebench.features import cache

RESENC = [f"ResEncL-OpenMind-{name}" for name in ("MAE", "VoCo", "MG", "S3D")]
PRIMUS = [f"PrimusM-OpenMind-{name}" for name in ("MAE", "SimMIM", "VF")]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Two data sets (one and two channels) and two zoos, in folders as users have them."""
    before = os.environ.get(checkpoints.VARIABLE)
    os.environ[checkpoints.VARIABLE] = "{}"
    root = tmp_path_factory.mktemp("openmind")
    own_world.data_set(root / "nnUNet_raw" / "Dataset027_ACDC", 2, channels=1, seed=1)
    own_world.data_set(root / "nnUNet_raw" / "Dataset501_ISLES22", 2, channels=2, seed=2)
    own_world.resenc(root / "checkpoints", *RESENC)
    own_world.primus(root / "checkpoints", *PRIMUS)
    yield root
    os.environ[checkpoints.VARIABLE] = before or "{}"


def run(root, benchmark, metrics, capsys, caplog):
    config = compose(
        f"benchmark={benchmark}", f"metric=[{metrics}]", f"benchmark.data={root / 'nnUNet_raw'}",
        f"benchmark.checkpoints={root / 'checkpoints'}", "benchmark.window=[32,32,32]", "benchmark.windows={}",
        f"cache={root / 'cache'}", f"output={root / benchmark}", *FEW,
    )  # fmt: skip
    score.run(*config)
    return capsys.readouterr().out, caplog.text, pd.read_csv(root / benchmark / "scores.csv")


def test_resenc(world, capsys, caplog):
    text, said, scores = run(world, "openmind_resenc", "grtd_lbtc,logme", capsys, caplog)
    # What is missing is listed with where to get it, and the rest runs.
    for name in ("SwinUNETR", "SimCLR", "VF"):
        assert f"ResEncL-OpenMind-{name}: https://huggingface.co/AnonRes/ResEncL-OpenMind-{name}" in said
    assert all(f"  {task}: " in said for task in ("hnt", "msf", "tpc", "kit")) and "  isl: " not in said
    assert "openmind_resenc narrowed to 4: 4 encoders, 2 tasks" in text and "protocol openmind-table2" in text
    own = scores[scores["metric"].isin(["grtd_lbtc", "logme"])]
    assert set(own["status"]) == {"ok"} and len(own) == 2 * 2 * 4 and set(own["encoder"]) == set(RESENC)
    result = pd.read_csv(world / "openmind_resenc" / "correlation.csv")
    row = result[(result["metric"] == "logme") & (result["task"] == "isl")].iloc[0]
    assert row["n"] == 4 and np.isfinite(row["tau_w"])
    assert (world / "openmind_resenc" / "figures" / "correlation-acd.svg").is_file()
    # The checkpoint's facts decided the input: 1 mm, z-score over the crop; the decoder has as many stages less one.
    (folder,) = (world / "cache" / "features" / "isl" / RESENC[0]).glob("[0-9a-f]*")
    manifest = cache.manifest(folder)
    assert manifest["input"]["spacing"] == [1.0, 1.0, 1.0] and manifest["input"]["normalisation"] == "zscore_all"
    assert [s["name"] for s in manifest["stages"]] == [*(f"encoder.{i}" for i in range(4)),
                                                       *(f"decoder.{i}" for i in range(3))]  # fmt: skip


def test_primus(world, capsys, caplog):
    text, _, scores = run(world, "openmind_primus", "grtd_lbtc,grtd,lbtc", capsys, caplog)
    by_metric = scores.groupby("metric")["status"].unique()
    assert list(by_metric["lbtc"]) == ["ok"] and list(by_metric["grtd"]) == ["not_applicable"]
    assert list(by_metric["grtd_lbtc"]) == ["not_applicable"] and "(n/a): 3 of 3 encoders" in text
    assert "no decoder stages" in text and "openmind_primus narrowed to 3" in text


def test_a_task_s_own_window(world):
    from tebench.benchmark.spec import resolve

    config = compose(
        "benchmark=openmind_resenc", f"benchmark.data={world / 'nnUNet_raw'}", *FEW, f"output={world / 'any'}",
        f"benchmark.checkpoints={world / 'checkpoints'}", f"cache={world / 'cache'}", "tasks=[isl,acd]",
    )  # fmt: skip
    found = resolve(config[0])
    assert found.window_of("isl") == (96, 128, 128) and found.window_of("acd") == (128, 128, 96)
    assert found.tasks == ("isl", "acd")


def words(world, *more):
    job = more[0].removeprefix("job=")
    return compose(
        "benchmark=openmind_resenc", f"benchmark.data={world / 'nnUNet_raw'}", f"cache={world / 'cache'}",
        f"benchmark.checkpoints={world / 'checkpoints'}", "benchmark.window=[32,32,32]", "benchmark.windows={}",
        *own_world.read_by(job, [f"output={world / 'other'}", *FEW]), *more,
    )  # fmt: skip


def test_studies_read_the_published_protocol_and_the_task_s_own_window(world, tmp_path, capsys):
    from tebench.cli.jobs import study

    study.run(*words(world, "job=study", "job.metrics=[logme,gbc]", "tasks=[acd]", f"job.folder={tmp_path}"))
    assert "protocol `openmind-table2`, 4 encoders, tasks acd" in (tmp_path / "stages.md").read_text()
    study.run(
        *words(world, "job=study", "job.study=voxels", "job.metrics=[gbc]", "job.sizes=[0.25,0.5,1]", "job.draws=2",
              "tasks=[isl]", "benchmark.windows={isl: [32,32,64]}", f"job.folder={tmp_path}")
    )  # fmt: skip
    assert "openmind-table2" in (tmp_path / "voxels.md").read_text()
    folders = (world / "cache" / "features" / "isl" / RESENC[0]).glob("[0-9a-f]*")
    assert [32, 32, 64] in [cache.manifest(folder)["input"]["patch"] for folder in folders]


def test_rows_of_a_part_are_no_leaderboard_rows(world, tmp_path):
    from tebench.base.errors import InputError
    from tebench.cli.jobs import leaderboard

    config = words(world, "job=leaderboard", "job.update=true", "job.metrics=[gbc]", f"job.folder={tmp_path}")
    with pytest.raises(InputError, match=r"missing: ResEncL-OpenMind-SwinUNETR, .*, hnt, msf, tpc, kit\."):
        leaderboard.run(*config)
    assert list(tmp_path.iterdir()) == []


def test_fine_tuning_without_test_cases_is_refused(world):
    from tebench.base.errors import InputError
    from tebench.cli.jobs import finetune

    with pytest.raises(InputError, match=r"isl, acd of benchmark openmind_resenc have none.*target=FILE"):
        finetune.run(*words(world, "job=finetune"))


def test_an_encoder_is_explained_on_a_data_set_of_the_benchmark(world, tmp_path, capsys):
    from tebench.cli.jobs import explain

    more = ["job=explain", f"job.encoder={RESENC[0]}", "job.task=acd", f"job.folder={tmp_path}"]
    explain.run(*words(world, *more))
    assert (tmp_path / f"acd-{RESENC[0]}.png").is_file()


def test_what_was_understood_of_the_checkpoints(world, capsys):
    from tebench.base.errors import InputError
    from tebench.cli.jobs import encoders

    encoders.run(
        *compose("job=encoders", "benchmark=openmind_primus", f"benchmark.checkpoints={world / 'checkpoints'}")
    )
    lines = capsys.readouterr().out.splitlines()
    assert sorted(line.split()[0] for line in lines[1:4]) == sorted(PRIMUS)
    with pytest.raises(InputError, match="PrimusM-OpenMind-MAE: https"):
        encoders.run(*compose("job=encoders", "benchmark=openmind_primus"))
