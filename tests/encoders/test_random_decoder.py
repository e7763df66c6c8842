"""The random decoder: shape, weights, determinism."""

import pytest
import torch
from torch.nn import functional

from tebench.base.errors import InputError
from tebench.encoders import catalogue
from tebench.encoders.base import Stage
from tebench.encoders.decoder import RandomDecoder


def stages(*channels_and_strides):
    return tuple(Stage(f"encoder.{i}", "encoder", c, s) for i, (c, s) in enumerate(channels_and_strides))


def maps(encoder_stages, size=32, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return [torch.randn(1, stage.channels, *[size // stage.stride] * 3, generator=draw) for stage in encoder_stages]


SMALL = stages((4, 2), (6, 2), (8, 8))  # two stages of equal stride, then a step of four


@pytest.mark.parametrize("encoder_stages", [SMALL, catalogue.stages("deepbet"), catalogue.stages("deepbrain")])
def test_one_stage_per_skip_with_its_channels_and_stride(encoder_stages):
    decoder = RandomDecoder(encoder_stages, seed=0)
    found = decoder(maps(encoder_stages, size=64))
    assert len(found) == len(decoder.stages) == len(encoder_stages) - 1
    for index, (stage, skip, map_) in enumerate(zip(decoder.stages, encoder_stages[-2::-1], found, strict=True)):
        assert stage == Stage(f"decoder.{index}", "decoder", skip.channels, skip.stride)
        assert map_.shape == (1, skip.channels, *[64 // skip.stride] * 3)
        assert torch.isfinite(map_).all() and map_.std() > 0.1


def test_the_seed_alone_decides():
    torch.manual_seed(1)
    first = RandomDecoder(SMALL, seed=3).state_dict()
    torch.manual_seed(2)
    second, other = RandomDecoder(SMALL, seed=3).state_dict(), RandomDecoder(SMALL, seed=4).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)
    kernels = [key for key, value in first.items() if value.ndim == 5]
    assert len(kernels) == 6 and not any(torch.equal(first[key], other[key]) for key in kernels)


def test_frozen_and_without_gradient():
    decoder = RandomDecoder(SMALL, seed=0)
    given = [item.requires_grad_() for item in maps(SMALL)]
    assert not decoder.training and not any(parameter.requires_grad for parameter in decoder.parameters())
    assert not any(item.requires_grad for item in decoder(given))


def test_against_the_formula():
    """Transposed convolution, concatenation, twice (convolution, instance norm, leaky ReLU .01), by hand."""
    pair = stages((3, 1), (5, 2))
    decoder = RandomDecoder(pair, seed=0)
    weights = decoder.state_dict()
    skip, deep = maps(pair, size=8)
    up = functional.conv_transpose3d(deep, weights["merges.0.up.weight"], weights["merges.0.up.bias"], stride=2)
    x = torch.cat([up, skip], 1)
    for index in (0, 3):
        name = f"merges.0.convolutions.{index}"
        x = functional.conv3d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], padding=1)
        mean, variance = x.mean((2, 3, 4), keepdim=True), x.var((2, 3, 4), correction=0, keepdim=True)
        x = (x - mean) / (variance + 1e-5).sqrt()
        x = torch.where(x > 0, x, 0.01 * x)
    torch.testing.assert_close(decoder([skip, deep])[0], x, rtol=1e-4, atol=1e-5)


def test_he_initialisation():
    decoder = RandomDecoder(stages((64, 1), (64, 2)), seed=0)
    weight = decoder.merges[0].convolutions[0].weight
    expected = 2 / (1 + 0.01**2) / (128 * 27)
    assert abs(weight.var().item() / expected - 1) < 5 * (2 / weight.numel()) ** 0.5
    biases = [value for key, value in decoder.state_dict().items() if key.endswith("bias")]
    assert biases and not any(bias.any() for bias in biases)


@pytest.mark.parametrize(
    "wrong, message",
    [
        (stages((4, 1)), "at least two"),
        ((), "at least two"),
        (stages((4, 2), (4, 3)), "multiple"),
        (stages((4, 4), (4, 2)), "multiple"),
        ((Stage("decoder.0", "decoder", 4, 2), Stage("encoder.1", "encoder", 4, 4)), "encoder stages"),
    ],
)
def test_stages_that_cannot_be_merged_are_refused(wrong, message):
    with pytest.raises(InputError, match=message):
        RandomDecoder(wrong, seed=0)


def test_maps_of_another_encoder_are_refused():
    with pytest.raises(InputError, match="expected 3 maps"):
        RandomDecoder(SMALL, seed=0)(maps(SMALL)[:2])
    with pytest.raises(InputError, match="expected 3 maps"):
        RandomDecoder(SMALL, seed=0)(maps(SMALL)[::-1])
