"""What every encoder of the catalogue must do."""

import pytest
import torch

from tebench.base.errors import InputError
from tebench.encoders import catalogue
from tebench.encoders.base import InputSpec, Stage
from tebench.encoders.network import Encoder


def smallest(encoder):
    return max(encoder.minimum_patch, encoder.spec.divisor)


def patch(encoder):
    return torch.rand(1, 1, *[smallest(encoder)] * 3, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module", params=catalogue.names())
def encoder(request):
    return catalogue.build(request.param)


def test_maps_are_as_the_stages_say(encoder):
    size = smallest(encoder)
    maps = encoder(patch(encoder))
    assert [stage.name for stage in encoder.stages] == [f"encoder.{index}" for index in range(len(maps))]
    for stage, found in zip(encoder.stages, maps, strict=True):
        assert found.shape == (1, stage.channels, *[size // stage.stride] * 3)
        assert torch.isfinite(found).all() and found.std() > 0
    assert encoder.stages == catalogue.stages(encoder.name) and encoder.facts == catalogue.facts(encoder.name)


def test_frozen_whatever_is_called(encoder):
    encoder.train()
    assert not any(module.training for module in encoder.modules())
    maps = encoder(patch(encoder))
    assert not any(found.requires_grad for found in maps)
    assert not any(parameter.requires_grad for parameter in encoder.parameters())


def test_trainable_copy_learns_and_leaves_the_original(encoder):
    before = {key: value.clone() for key, value in encoder.state_dict().items()}
    copy = encoder.trainable()
    assert not hasattr(copy, "head") and copy.name == encoder.name
    assert copy.training and all(parameter.requires_grad for parameter in copy.parameters())
    assert sum(parameter.numel() for parameter in copy.parameters()) == encoder.facts.n_parameters
    x = patch(encoder)
    for found, expected in zip(copy(x), encoder(x), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=0)
    copy(x)[-1].square().mean().backward()
    assert all(parameter.grad is not None for parameter in copy.parameters())
    with torch.no_grad():
        for parameter in copy.parameters():
            parameter.add_(1.0)
    assert all(torch.equal(before[key], value) for key, value in encoder.state_dict().items())
    assert not any(map_.requires_grad for map_ in copy.freeze()(x))


def test_source_head_only_where_the_package_ships_one(encoder):
    headed = [*catalogue.names("third_party_v2"), *catalogue.names("supervised")]
    assert hasattr(encoder, "head") == (encoder.name in headed)


@pytest.mark.parametrize("shape", [(1, 1, 64, 64), (1, 2, 64, 64, 64), (1, 1, 64, 64, 65), (1, 1, 4, 4, 4)])
def test_a_patch_that_does_not_fit_is_refused(encoder, shape):
    with pytest.raises(InputError, match=encoder.name):
        encoder(torch.zeros(shape))
    if hasattr(encoder, "head"):
        with pytest.raises(InputError, match=encoder.name):
            encoder.head(torch.zeros(shape))


def test_deepbet_needs_more_than_its_divisor():
    with pytest.raises(InputError, match="at least 64"):
        catalogue.build("deepbet_random")(torch.zeros(1, 1, 32, 64, 64))


def test_input_is_not_written_to(encoder):
    x = patch(encoder)
    before = x.clone()
    encoder(x)
    assert torch.equal(x, before)


def test_an_encoder_must_write_maps():
    facts = catalogue.facts("deepbet")
    with pytest.raises(NotImplementedError):
        Encoder(facts, InputSpec(divisor=1), (Stage("encoder.0", "encoder", 1, 1),))(torch.zeros(1, 1, 2, 2, 2))
