"""From a recipe to a weight file with its record: the same bytes every time, also after a break."""

import json

import pytest
import torch
from pretraining_fakes import arrays, recipe, volumes
from safetensors.torch import load_file

from tebench.base import storage
from tebench.base.errors import InputError, TebenchError
from tebench.cli.config import compose
from tebench.cli.jobs import pretrain as job
from tebench.encoders import catalogue, pretrained
from tebench.pretraining import runs, sources, train


@pytest.fixture
def made_up(monkeypatch):
    """Small made-up images in the place of the packages' ones, and cheap checks."""
    monkeypatch.setattr(sources, "volumes", lambda images, cache: arrays(images))
    monkeypatch.setattr(train, "loss_on", lambda *_: 0.5)
    monkeypatch.setattr(train, "spread", lambda *_: {"effective_rank": 2.0, "mean_cosine": 0.5})


class _StopError(Exception):
    pass


def test_an_interrupted_run_ends_in_the_same_bytes(made_up, tmp_path):
    chosen = recipe("mae")
    whole, _ = runs.pretrain(chosen, steps=3, folder=tmp_path / "whole", cache=tmp_path / "a")

    def stop(step, loss):
        if step == 3:
            raise _StopError

    def again(progress):
        return runs.pretrain(
            chosen, steps=3, folder=tmp_path / "broken", cache=tmp_path / "b", every=2, progress=progress
        )

    with pytest.raises(_StopError):
        again(stop)
    assert (tmp_path / "b" / "ssl_mae_steps3.checkpoint.safetensors").exists()
    seen = []
    broken, _ = again(lambda step, loss: seen.append(step))
    assert seen == [3]
    assert broken.read_bytes() == whole.read_bytes()
    assert not (tmp_path / "b" / "ssl_mae_steps3.checkpoint.safetensors").exists()


def test_finished_work_is_kept_and_damaged_work_made_again(made_up, tmp_path, caplog):
    def go(seed=0):
        return runs.pretrain(recipe("mae"), steps=1, seed=seed, folder=tmp_path, cache=tmp_path / "cache")

    path, found = go()
    data = path.read_bytes()
    assert not found and go() == (path, True)
    path.write_bytes(data[:-1])
    assert go() == (path, False) and path.read_bytes() == data
    assert f"{path} is damaged: its sha256 is not that of its record" in caplog.text
    path.with_suffix(".json").write_text("{")
    assert go() == (path, False) and path.read_bytes() == data
    other, _ = go(seed=1)
    assert other.name == "ssl_mae_steps1_seed1.safetensors" and other.read_bytes() != data


def test_the_record_says_what_made_the_weights(made_up, tmp_path):
    path, _ = runs.pretrain(recipe("mae"), dose="short", folder=tmp_path, cache=tmp_path / "cache")
    record = storage.read_json(path.with_suffix(".json"))
    assert path.name == "ssl_mae_short.safetensors" and record["steps"] == 2
    assert record["shape"] == catalogue.entry("resenc_s_random").shape.version
    assert record["weights"]["sha256"] == storage.sha256_file(path) and record["weights"]["bytes"] <= 1_500_000
    assert record["command"] == "python -m tebench job=pretrain method=mae dose=short seed=0"
    assert record["config_hash"] == recipe("mae").hash and record["config"]["options"]["block"] == 8
    assert [image["id"] for image in record["images"]] == record["facts"]["images"]
    assert all(len(image["package_sha256"]) == 64 and image["licence"] for image in record["images"])
    assert len(record["loss"]["curve"]) == 2 and {"torch", "numpy", "tebench"} == set(record["versions"])
    weights = load_file(path)
    shape = catalogue.entry("resenc_s_random").shape
    entry = catalogue.entry("resenc_s_random")
    encoder = pretrained.load(path.read_bytes(), entry.facts, shape)
    assert set(weights) == set(encoder.state_dict()) and all(w.dtype == torch.float16 for w in weights.values())
    start = catalogue.build("resenc_s_random").state_dict()
    assert any((start[name] - value.float()).abs().max() > 1e-3 for name, value in weights.items())


def test_training_lowers_the_loss_and_leaves_the_encoder_alone():
    encoder, chosen = catalogue.build("resenc_s_random"), recipe("mae", steps=24)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    outcome = train.run(chosen, encoder, volumes(), steps=24, seed=0)
    assert sum(outcome.losses[-6:]) < 0.7 * sum(outcome.losses[:6])
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())


def test_a_run_that_diverges_says_so():
    with pytest.raises(TebenchError, match="'mae', seed 0 diverged at step"):
        train.run(
            recipe("mae", lr=1e30, clip=1e30, warmup=0.0),
            catalogue.build("resenc_s_random"),
            volumes(),
            steps=6,
            seed=0,
        )


def test_spread_tells_collapse():
    class Flat(torch.nn.Module):
        def forward(self, x):
            return [torch.ones(len(x), 4, 2, 2, 2) + 0.001 * x[:, :, :2, :2, :2]]

    class Free(torch.nn.Module):
        def forward(self, x):
            return [torch.randn(len(x), 4, 8, 8, 8, generator=torch.Generator().manual_seed(0))]

    flat, free = (train.spread(module, volumes(), crops=4, size=32) for module in (Flat(), Free()))
    assert flat["effective_rank"] < 1.01 and flat["mean_cosine"] > 0.99
    assert free["effective_rank"] > 3.9 and abs(free["mean_cosine"]) < 0.01


def test_learning_rate_rises_and_falls():
    factors = [train.learning_rate(step, 100, 0.1) for step in range(100)]
    assert factors[0] < factors[5] < factors[10] == max(factors) == 1.0 and factors[99] < 0.001


def _config(tmp_path, *words):
    given = ["method=mae", "steps=1", f"folder={tmp_path / 'out'}", f"cache={tmp_path / 'cache'}", "progress=false"]
    return compose("pretrain", *given, *words)[1:]


def test_the_job_writes_and_prints_the_hash(made_up, tmp_path, capsys):
    job.run(*_config(tmp_path))
    path = tmp_path / "out" / "ssl_mae_steps1.safetensors"
    assert capsys.readouterr().out.split() == [str(path), "sha256", storage.sha256_file(path)]
    assert json.loads(path.with_suffix(".json").read_text())["command"].endswith("seed=0 steps=1")
    job.run(*_config(tmp_path))
    assert capsys.readouterr().out.strip().endswith("(was there)")


def test_the_job_refuses_what_it_cannot_do(tmp_path):
    for options, message in (
        ("steps=0", "steps must be a whole number"),
        ("method=[]", "name at least one"),
        ("method=[mae,mae]", "each once"),
        ("method=mea", "Did you mean 'mae'"),
        ("shape=unet", "Did you mean 'unet_s'"),
        (("shape=unet_s", "method=spark"), "method=spark is computed inside residual blocks: shape must be"),
    ):
        with pytest.raises(InputError, match=message):
            job.run(*_config(tmp_path, *([options] if isinstance(options, str) else options)))
    with pytest.raises(InputError, match="on the CPU"):
        settings, options = _config(tmp_path)
        object.__setattr__(settings, "device", "cuda")  # as on a machine that has one
        job.run(settings, options)
    assert job.methods(("all",)) == job.methods(tuple(job.methods(("all",))))
    assert set(job.methods(("all",))) - set(job.methods(("all",), "unet_s")) == {"spark"}
