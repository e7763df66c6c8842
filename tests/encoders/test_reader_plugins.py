"""plugins=[file.py] registers readers of files and encoders; the example of the documentation is run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from checkpoint_files import patch

from tebench.base.errors import InputError
from tebench.encoders import catalogue, checkpoints, plugins
from tebench.metrics.registry import load_plugins

EXAMPLE = Path(__file__).parents[2] / "docs" / "reader_example.py"


@pytest.fixture(autouse=True)
def nothing_registered(monkeypatch):
    for name in (plugins.VARIABLE, checkpoints.VARIABLE):
        monkeypatch.setenv(name, "[]" if name == plugins.VARIABLE else "{}")
    for held in ("_READERS", "_ENCODERS"):
        monkeypatch.setattr(plugins, held, {})
    monkeypatch.setattr(plugins, "_LOADED", set())
    monkeypatch.setattr(sys.modules[load_plugins.__module__], "_LOADED_FILES", {})
    checkpoints._described.cache_clear()
    yield
    plugins.build.cache_clear()
    checkpoints._described.cache_clear()


def tiny(folder):
    stem, deep = torch.nn.Conv3d(1, 3, 3), torch.nn.Conv3d(3, 6, 3)
    weights = {f"stem.{k}": v for k, v in stem.state_dict().items()} | {
        f"deep.{k}": v for k, v in deep.state_dict().items()
    }
    torch.save({"state_dict": {f"module.{key}": value for key, value in weights.items()}}, folder / "mine.pt")
    return folder / "mine.pt", weights


def test_the_example_reads_files_and_is_short(tmp_path):
    assert len(EXAMPLE.read_text().splitlines()) < 40
    path, weights = tiny(tmp_path)
    with pytest.raises(InputError, match="does not say which architecture"):
        checkpoints.describe(path)
    checkpoints._described.cache_clear()
    load_plugins([EXAMPLE])
    (name,) = catalogue.choose([str(path)])
    encoder = catalogue.build(name)
    x = patch(8, 8, 8)
    first = torch.relu(torch.nn.functional.conv3d(x, weights["stem.weight"], weights["stem.bias"], 2, 1))
    torch.testing.assert_close(encoder(x)[0], first)
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    before = catalogue.fingerprint(name)
    (tmp_path / "mine.yaml").write_text("input: {normalisation: unit}\n")
    assert catalogue.spec(name).normalisation == "unit" and catalogue.fingerprint(name) != before
    code = f"from tebench.encoders.checkpoints import describe; print(describe({str(path)!r}).facts.architecture)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "two convolutions", "processes started later know the reader"


def write(folder, body):
    file = folder / "plug.py"
    head = EXAMPLE.read_text().split("@reader")[0].replace("import reader", "import encoder, reader")
    file.write_text(head + body)
    return file


def test_an_encoder_by_name(tmp_path):
    load_plugins([write(tmp_path, '@encoder("tiny_seven")\ndef make():\n    return Tiny("tiny_seven", 7)\n')])
    assert catalogue.choose(["tiny_seven"]) == ["tiny_seven"]
    assert catalogue.build("tiny_seven")(patch(8, 8, 8))[1].shape[1] == 14
    assert catalogue.fingerprint("tiny_seven").startswith("plugin ")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("    return weights", "must be a tebench.encoders.network.Encoder, got dict"),
        ("    return Tiny('other', 3)", "facts.name is 'other'"),
        ("    raise KeyError('w')", "cannot be made: KeyError"),
    ],
)
def test_a_reader_that_breaks_the_contract_is_named(tmp_path, body, words):
    path, _ = tiny(tmp_path)
    load_plugins(
        [write(tmp_path, f'@reader("t", title="T", recognise=lambda names: True)\ndef read(weights, name):\n{body}\n')]
    )
    with pytest.raises(InputError, match=words):
        checkpoints.describe(path)


def test_a_file_that_registers_nothing_is_named(tmp_path):
    with pytest.raises(InputError, match=r"registers no metric.*@reader or @encoder"):
        load_plugins([write(tmp_path, "")])
    assert json.loads(os.environ[plugins.VARIABLE]) == []
