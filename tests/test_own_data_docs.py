"""docs/own_data.md: its generated example is what the readers expect, and its commands are accepted."""

import importlib.util
import re
from pathlib import Path

import pytest

from tebench.cli.options import prepare
from tebench.encoders import checkpoints

DOCS = Path(__file__).parents[1] / "docs"
TEXT = (DOCS / "own_data.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^python -m tebench (.+?)(?: {2,}#.*)?$", TEXT, flags=re.M)


@pytest.fixture
def example(tmp_path, monkeypatch):
    monkeypatch.setenv(checkpoints.VARIABLE, "{}")
    monkeypatch.setenv("TEBENCH_CACHE", str(tmp_path / "cache"))
    spec = importlib.util.spec_from_file_location("own_data_example", DOCS / "own_data_example.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    folder, zoo = module.data_set(tmp_path / "Dataset900_Generated", 2), module.checkpoints(tmp_path / "checkpoints")
    module.benchmark(tmp_path)
    return folder, zoo


def test_the_example_is_read(example):
    from tebench.tasks.dataset import open_dataset

    folder, zoo = example
    task = open_dataset(folder)
    assert task.classes == ("background", "rim", "core") and "ignore" in task.facts["note"]
    labels = task.load("case_001").labels
    assert (labels[:, :, :20] == -1).all() and labels[:, :, 20:].min() == 0 and labels.max() == 2
    names = checkpoints.add(str(zoo))
    assert names == ["ResEnc-small", "dynunet", "segresnet", "unet"]
    for name in names:
        stages = checkpoints.describe(checkpoints.registered()[name]).stages
        listed = ", ".join(f"{stage.channels}@{stage.stride}" for stage in stages)
        assert re.search(rf"^{name} .*{listed} ", TEXT, flags=re.M), "the page shows another shape"


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_of_the_page_are_accepted(command):
    prepare(command.split())


def test_every_command_is_looked_at():
    assert len(COMMANDS) == TEXT.count("python -m tebench ") >= 4


def test_the_tutorial_of_an_own_benchmark_runs(example, tmp_path, monkeypatch, capsys):
    """docs/own_benchmark.md as it stands, at fewer voxels, beside its example."""
    import pandas as pd

    from tebench.benchmark import own
    from tebench.cli import config
    from tebench.cli.jobs import score

    text = (DOCS / "own_benchmark.md").read_text(encoding="utf-8")
    written = (tmp_path / "hospital.yaml").read_text()
    shown = [re.sub(r" +#.*", "", line) for line in re.search(r"```yaml\n(.*?)```", text, re.S)[1].splitlines()]
    assert "\n".join(shown) + "\n" == written
    monkeypatch.setattr(own, "OWN", {})
    (tmp_path / "example").symlink_to(tmp_path, target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    commands = re.findall(r"^python -m tebench (.+)$", text, flags=re.M)
    assert len(commands) == 2
    for command in commands:
        prepare(command.split())
    few = ["sampling.foreground=20", "sampling.background=20", "sampling.global_voxels=0", "sampling.anchors=0"]
    job, settings, options = config.compose(*commands[0].split(), *few, "workers=1", "progress=false", "output=out")
    assert job == "score"
    score.run(settings, options)
    assert "four generated encoders on one generated data set; protocol own" in capsys.readouterr().out
    table = pd.read_csv("out/correlation.csv")
    row = table[(table["metric"] == "gbc") & (table["task"] == "nodules")].iloc[0]
    assert row["n"] == 4 and -1 <= row["tau_w"] <= 1
