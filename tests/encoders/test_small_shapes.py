"""The three shapes that are pre-trained here: size, maps, strict weight files."""

import dataclasses

import pytest
import safetensors.torch
import torch

from tebench.base.errors import AssetError
from tebench.encoders import catalogue, pretrained, primus_small, resenc_small
from tebench.encoders.reading import n_parameters
from tebench.pretraining.runs import SHAPES, twin_of

TWINS = [twin_of(shape) for shape in SHAPES]


@pytest.mark.parametrize("twin", TWINS)
def test_shape_is_the_catalogues(twin):
    encoder = catalogue.build(twin)
    assert catalogue.stages(twin) == encoder.stages
    assert n_parameters(encoder) == catalogue.facts(twin).n_parameters <= 1_000_000
    maps = encoder(torch.rand(1, 1, 48, 32, 64, generator=torch.Generator().manual_seed(0)))
    expected = [(1, s.channels, 48 // s.stride, 32 // s.stride, 64 // s.stride) for s in encoder.stages]
    assert [tuple(found.shape) for found in maps] == expected
    assert all(found.std() > 0.05 for found in maps)


def test_plans_give_the_stages():
    assert resenc_small.PLAN.stages == catalogue.stages("resenc_s_random")
    assert primus_small.PLAN.stages == catalogue.stages("primus_s_random")


def test_the_transformer_sees_the_whole_window_and_the_others_a_part():
    """A voxel of one corner reaches the deepest map's far corner at 64^3 through attention alone."""
    x = torch.rand(1, 1, 64, 64, 64, generator=torch.Generator().manual_seed(0))
    other = x.clone()
    other[..., :8, :8, :8] = 1 - other[..., :8, :8, :8]
    encoder = catalogue.build("primus_s_random")
    assert (encoder(x)[-1] - encoder(other)[-1])[..., -1, -1, -1].abs().max() > 1e-6
    for twin in ("resenc_s_random", "unet_s_random"):
        # Instance normalisation shares two numbers a channel over the window; the first stage's maps are local but
        # for these.
        change = (catalogue.build(twin)(x)[0] - catalogue.build(twin)(other)[0])[0].abs()
        assert change[..., -8:, -8:, -8:].max() < 0.1 * change[..., :4, :4, :4].max()


@pytest.mark.parametrize("twin", TWINS)
def test_weight_files_round_trip_and_are_strict(twin):
    encoder, shape = catalogue.build(twin), catalogue.entry(twin).shape
    half = {name: value.half() for name, value in encoder.state_dict().items()}
    loaded = pretrained.load(safetensors.torch.save(half), encoder.facts, shape)
    assert all(torch.equal(value, half[name].float()) for name, value in loaded.state_dict().items())
    missing = list(half)[-1]
    half.pop(missing)
    facts = dataclasses.replace(encoder.facts, name="mine")
    with pytest.raises(AssetError, match=rf"(?s)'mine'.*{missing}"):
        pretrained.load(safetensors.torch.save(half), facts, shape)
