"""ResEnc-S: shape, size, strict weight files."""

import dataclasses

import pytest
import safetensors.torch
import torch

from tebench.base.errors import AssetError
from tebench.encoders import catalogue, pretrained, resenc_small
from tebench.encoders.reading import n_parameters


def test_shape_is_the_catalogues():
    encoder = catalogue.build("resenc_s_random")
    assert catalogue.stages("resenc_s_random") == resenc_small.PLAN.stages == encoder.stages
    assert n_parameters(encoder) == catalogue.facts("resenc_s_random").n_parameters <= 1_000_000
    maps = encoder(torch.rand(1, 1, 48, 32, 64, generator=torch.Generator().manual_seed(0)))
    expected = [(1, s.channels, 48 // s.stride, 32 // s.stride, 64 // s.stride) for s in encoder.stages]
    assert [tuple(found.shape) for found in maps] == expected


def test_weight_files_round_trip_and_are_strict():
    encoder = catalogue.build("resenc_s_random")
    shape = catalogue.entry("resenc_s_random").shape
    half = {name: value.half() for name, value in encoder.state_dict().items()}
    loaded = pretrained.load(safetensors.torch.save(half), encoder.facts, shape)
    assert all(torch.equal(value, half[name].float()) for name, value in loaded.state_dict().items())
    half.pop("levels.0.blocks.0.conv1.norm.bias")
    facts = dataclasses.replace(encoder.facts, name="mine")
    with pytest.raises(AssetError, match=r"(?s)'mine'.*conv1\.norm\.bias"):
        pretrained.load(safetensors.torch.save(half), facts, shape)
