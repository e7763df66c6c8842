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
    return module.data_set(tmp_path / "Dataset900_Generated", n_cases=2), module.checkpoints(tmp_path / "checkpoints")


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
