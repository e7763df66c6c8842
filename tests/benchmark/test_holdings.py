"""What of a published benchmark lies on this machine, and what is missing."""

import os
from pathlib import Path

import pytest

from tebench.base.errors import InputError
from tebench.benchmark import local_files
from tebench.benchmark.spec import recipe_of
from tebench.encoders import checkpoints
from tebench.features.sampling import Recipe
from tebench.metrics.registry import get

NAMES = {f"ResEncL-OpenMind-{name}": f"https://example.org/{name}" for name in ("MAE", "MG", "S3D", "VF")}


@pytest.fixture(autouse=True)
def no_added_checkpoints(monkeypatch):
    monkeypatch.setenv(checkpoints.VARIABLE, "{}")


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return path


def compose(*overrides):
    """The settings as the command line would compose them."""
    from tebench.cli.config import compose

    return compose(*overrides)[1]


def test_checkpoints_are_found_in_every_usual_layout(tmp_path):
    plain = touch(tmp_path / "ResEncL-OpenMind-MAE" / "checkpoint_final.pth")
    touch(tmp_path / "ResEncL-OpenMind-MAE" / "checkpoint_best.pth")
    hub = touch(tmp_path / "models--AnonRes--ResEncL-OpenMind-MG" / "snapshots" / "0f3a" / "checkpoint_final.pth")
    file = touch(tmp_path / "ResEncL-OpenMind-S3D.pth")
    touch(tmp_path / "PrimusM-OpenMind-VF" / "checkpoint_final.pth")
    found = local_files.find_encoders(NAMES, str(tmp_path))
    assert found == dict(zip(list(NAMES)[:3], (plain, hub, file), strict=True))
    local_files.register(found)
    assert (
        checkpoints.registered()["ResEncL-OpenMind-MG"] == hub and "0f3a" not in os.environ[checkpoints.VARIABLE][:20]
    )


def test_two_final_checkpoints_of_one_encoder_are_refused(tmp_path):
    for fold in ("fold_0", "fold_1"):
        touch(tmp_path / "ResEncL-OpenMind-MAE" / fold / "checkpoint_final.pth")
    with pytest.raises(InputError, match="several checkpoints"):
        local_files.find_encoders(NAMES, str(tmp_path))


def test_data_sets_are_found_by_name(tmp_path):
    listed = compose("benchmark=openmind_resenc").benchmark.datasets
    for name in ("Dataset027_ACDC", "Dataset501_HNTS-MRG_2024", "elsewhere", "isl"):
        (tmp_path / name).mkdir()
    listed["kit"]["folder"] = str(tmp_path / "elsewhere")
    found = local_files.find_datasets(listed, ["isl", "hnt", "acd", "kit", "msf"], str(tmp_path))
    assert {task: path.name for task, path in found.items()} == {
        "isl": "isl", "hnt": "Dataset501_HNTS-MRG_2024", "acd": "Dataset027_ACDC", "kit": "elsewhere",
    }  # fmt: skip
    (tmp_path / "Dataset999_acdc").mkdir()
    with pytest.raises(InputError, match="several folders could be its data set"):
        local_files.find_datasets(listed, ["acd"], str(tmp_path))


def test_a_benchmark_of_which_some_is_there_runs_and_names_the_rest(tmp_path, monkeypatch, caplog):
    for name in list(NAMES)[:3]:
        touch(tmp_path / "weights" / name / "checkpoint_final.pth")
    (tmp_path / "data" / "Dataset027_ACDC").mkdir(parents=True)
    opened = []
    monkeypatch.setattr(local_files, "open_tasks", lambda found, *_: opened.append(list(found)))
    settings = compose(
        "benchmark=openmind_resenc", "tasks=[acd,isl]", f"benchmark.checkpoints={tmp_path / 'weights'}",
        f"benchmark.data={tmp_path / 'data'}",
    )  # fmt: skip
    pool, encoders, tasks = local_files.resolve(settings, tmp_path)
    assert len(pool) == 7 and encoders == [name for name in pool if name in list(NAMES)[:3]]
    assert tasks == ["acd"] and opened == [["acd"]]
    assert "benchmark openmind_resenc runs without what is missing" in caplog.text
    assert "ResEncL-OpenMind-VF" in caplog.text and "  isl: " in caplog.text


@pytest.mark.parametrize("benchmark", ["openmind_resenc", "openmind_primus"])
def test_all_that_is_missing_is_listed_with_where_to_get_it(tmp_path, benchmark):
    config = compose(f"benchmark={benchmark}", "tasks=[all]")
    with pytest.raises(InputError) as caught:
        local_files.resolve(config, tmp_path)
    text = str(caught.value)
    assert text.count("https://huggingface.co/AnonRes/") == 7 and "scores=FILE.csv" in text
    assert all(f"  {task}: " in text for task in config.benchmark.datasets)
    assert len(config.benchmark.datasets) == 12 and len(config.benchmark.tasks) == 6


@pytest.mark.parametrize("benchmark", ["openmind_resenc", "openmind_primus"])
def test_the_benchmark_fits_its_ground_truth(benchmark):
    from tebench.benchmark.spec import ground_truth_file, protocol_name
    from tebench.evaluation import groundtruth

    config = compose(f"benchmark={benchmark}")
    truth = groundtruth.read(ground_truth_file(config), protocol=protocol_name(config))
    groundtruth.require(truth, config.benchmark.encoders, config.benchmark.datasets)
    assert set(config.benchmark.windows) <= set(config.benchmark.datasets)


def test_the_suite_s_defaults_are_what_the_benchmark_says_of_the_protocol():
    """The comments of conf/benchmark/openmind_*.yaml, as facts."""
    recipe = Recipe(**recipe_of(compose("benchmark=openmind_resenc")))
    assert (recipe.foreground, recipe.background, recipe.general) == (256, 2560, 256)
    assert (recipe.anchors, recipe.patch_voxels) == (50, 16)
    assert get("grtd").stages == "decoder[-3:]" and get("lbtc").stages == "encoder[-3:]"
    assert get("grtd_lbtc").parameters["gate"].default == "released"


def test_unknown_names_say_the_nearest(tmp_path):
    with pytest.raises(InputError, match="Did you mean 'msf'"):
        local_files.tasks_of(compose("benchmark=openmind_resenc", "tasks=[mfs]"))
    with pytest.raises(InputError, match="Did you mean 'ResEncL-OpenMind-MAE'"):
        local_files.resolve(compose("benchmark=openmind_resenc", "encoders=[ResEncL-OpenMind-MEA]"), tmp_path)
    with pytest.raises(InputError, match="is no folder"):
        local_files.find_encoders(NAMES, str(tmp_path / "absent"))
