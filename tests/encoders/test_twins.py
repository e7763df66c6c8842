"""Random twins: another network of the same shape, one a shape, whose weights the base's file has no part in."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
import checkpoint_files

from tebench.encoders import catalogue, checkpoints, twins
from tebench.encoders.randomised import randomised


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.setenv(checkpoints.VARIABLE, "{}")
    for seed, name in enumerate(("one", "two")):
        network = checkpoint_files.resenc_network(seed)
        content = checkpoint_files.resenc_content(network, patch=(32, 32, 32))
        checkpoint_files.save(tmp_path / name, content)
    network = checkpoint_files.primus_network(0)
    checkpoint_files.save(tmp_path / "vit", checkpoint_files.primus_content(network, patch=(32, 32, 32)))
    return catalogue.choose([tmp_path])


def test_twins_follow_the_shape_and_not_the_weights(files):
    one, two, vit = files
    readings = {name: catalogue.reading(name) for name in files}
    assert twins.shape_of(readings[one]) == twins.shape_of(readings[two]) != twins.shape_of(readings[vit])
    first, second = (catalogue.build(f"{name}@random").state_dict() for name in (one, two))
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert catalogue.fingerprint(f"{one}@random") == catalogue.fingerprint(f"{two}@random")
    assert catalogue.fingerprint(f"{one}@random") != catalogue.fingerprint(one)


@pytest.mark.parametrize("index", range(3))
def test_every_weight_is_drawn_anew(files, index):
    name = files[index]
    own, other = catalogue.build(name), catalogue.build(f"{name}@random")
    assert other.name == f"{name}@random" == catalogue.reading(other.name).facts.name
    assert other.facts.pretraining == "none (random weights)" and not any(p.requires_grad for p in other.parameters())
    for (key, before), (_, after) in zip(own.named_parameters(), other.named_parameters(), strict=True):
        assert before.ndim < 2 or not torch.equal(before, after), key
    generator = torch.Generator().manual_seed(0)
    for maps in other(torch.randn(1, 1, 32, 32, 32, generator=generator)):
        assert torch.isfinite(maps).all() and maps.std() > 1e-3  # a signal comes through


def test_the_global_state_of_torch_is_left_alone_and_the_seed_counts():
    before = torch.get_rng_state()
    layers = [
        torch.nn.Sequential(torch.nn.Conv3d(1, 2, 3), torch.nn.Linear(4, 4), torch.nn.BatchNorm3d(2)) for _ in "abc"
    ]
    torch.set_rng_state(before)
    made = [randomised(network, seed).state_dict() for network, seed in zip(layers, (0, 0, 1), strict=True)]
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(made[0]["1.weight"], made[1]["1.weight"])
    assert not torch.equal(made[0]["1.weight"], made[2]["1.weight"]) and not torch.equal(
        made[0]["0.weight"], made[2]["0.weight"]
    )
