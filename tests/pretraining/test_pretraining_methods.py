"""The self-supervised methods: closed forms, and gradients that reach the whole encoder."""

import math

import numpy as np
import pytest
import torch
from pretraining_fakes import recipe, volumes

from tebench.base.errors import UnknownNameError
from tebench.encoders import catalogue
from tebench.pretraining import methods, train
from tebench.pretraining.draw import Draw
from tebench.pretraining.heads import nt_xent, unfold
from tebench.pretraining.methods import genesis, masks, spark, voco, volume_fusion


@pytest.fixture(scope="module")
def encoder():
    return catalogue.build("resenc_s_random")


@pytest.mark.parametrize("name", methods.NAMES)
def test_loss_is_repeatable_and_reaches_every_weight(name, encoder):
    chosen = recipe(name, batch=1 if name == "voco" else 2)
    method = train.build(chosen, encoder, 0)
    draw = Draw(volumes(), chosen.training, name, 0, "step", 0)
    loss = method.loss(draw)
    assert torch.isfinite(loss) and torch.equal(loss, method.loss(draw))
    loss.backward()
    for part, parameter in method.named_parameters():
        # The bias of a convolution before instance normalisation has no effect.
        if not part.endswith("conv.bias"):
            assert parameter.grad is not None and parameter.grad.abs().max() > 0, part


def test_unknown_methods_are_refused():
    with pytest.raises(UnknownNameError, match="voco"):
        methods.method_class("vocoo")


def test_nt_xent_closed_forms():
    eye = torch.eye(4)
    # Views equal, places orthogonal: -log(e^(1/T) / (e^(1/T) + 6)), six other views at cosine 0.
    expected = -math.log(math.exp(2.0) / (math.exp(2.0) + 6))
    assert float(nt_xent(eye, 3 * eye, 0.5)) == pytest.approx(expected, rel=1e-6)
    # All equal: one of 2B - 1 = 7.
    assert float(nt_xent(torch.ones(4, 3), torch.ones(4, 3), 0.5)) == pytest.approx(math.log(7), rel=1e-6)


def test_unfold_inverts_cutting_into_cells():
    x = torch.arange(2 * 3 * 8 * 4 * 4).view(2, 3, 8, 4, 4)
    cells = x.view(2, 3, 4, 2, 2, 2, 2, 2).permute(0, 1, 3, 5, 7, 2, 4, 6).reshape(2, 24, 4, 2, 2)
    assert torch.equal(unfold(cells, 2), x)


def test_masks_hide_their_share_in_blocks():
    mask = masks.blocks(np.random.default_rng(0), 3, 4, 0.6)
    assert mask.sum((1, 2, 3, 4)).tolist() == [38, 38, 38]
    grown = masks.grow(mask, 8)
    assert grown.shape == (3, 1, 32, 32, 32) and torch.equal(grown[:, :, ::8, ::8, ::8], mask)
    assert torch.equal(grown[:, :, 7::8, 7::8, 7::8], mask)


def test_genesis_shuffles_locally():
    crop = torch.rand(24, 24, 24, generator=torch.Generator().manual_seed(0))
    found = genesis.local_shuffle(crop, np.random.default_rng(0), 1)
    assert not torch.equal(found, crop) and torch.equal(found.flatten().sort().values, crop.flatten().sort().values)
    assert (found != crop).sum() <= 6**3


def test_genesis_paints_inside_or_outside():
    crop = torch.full((24, 24, 24), 2.0)
    inner = genesis.painted(crop, np.random.default_rng(0), inside=True)
    outer = genesis.painted(crop, np.random.default_rng(0), inside=False)
    assert 0 < (inner != 2).float().mean() < 0.3 < (outer != 2).float().mean() < 1


def test_genesis_curves_join_the_corners():
    rng, ends = np.random.default_rng(0), set()
    for _ in range(40):
        curve = genesis.bezier(rng)
        steps = curve.diff()
        assert (steps >= -1e-6).all() or (steps <= 1e-6).all()
        ends.add((round(float(curve[0]), 5), round(float(curve[-1]), 5)))
    assert ends == {(0.0, 1.0), (1.0, 0.0)}


def test_volume_fusion_labels_and_dice():
    labels = volume_fusion.fusion(np.random.default_rng(0), 32, 4, 24)
    assert labels.shape == (32, 32, 32) and set(labels.unique().tolist()) <= set(range(5)) and len(labels.unique()) > 2
    y = torch.tensor([0, 1, 2, 3]).view(1, 1, 2, 2)[None].squeeze(0)[None].view(1, 1, 2, 2)
    certain = torch.nn.functional.one_hot(y, 4).movedim(-1, 1).float() * 100
    assert float(volume_fusion.soft_dice(certain, y)) == pytest.approx(0.0, abs=1e-4)
    assert float(volume_fusion.soft_dice(certain.roll(1, 1), y)) == pytest.approx(1.0, abs=1e-4)


def test_voco_overlaps_sum_to_one():
    corners = [(x, y, z) for x in (0, 8) for y in (0, 8) for z in (0, 8)]
    assert voco.overlaps((0, 8, 0), corners, 8).tolist() == [0, 0, 1, 0, 0, 0, 0, 0]
    assert voco.overlaps((4, 4, 4), corners, 8).tolist() == [0.125] * 8
    assert voco.overlaps((2, 0, 0), corners, 8).tolist() == [0.75, 0, 0, 0, 0.25, 0, 0, 0]
    assert float(voco.overlaps((3, 5, 7), corners, 8).sum()) == pytest.approx(1)


def test_spark_patches_are_standardised():
    x = torch.rand(2, 1, 16, 16, 16, generator=torch.Generator().manual_seed(0))
    found = spark.standardised(x, 8)
    patch = found[1, 0, 8:, :8, 8:]
    assert patch.mean().abs() < 1e-5 and abs(patch.std() - 1) < 1e-4
    assert (spark.standardised(torch.full((1, 1, 8, 8, 8), 0.3), 8).abs() < 1e-5).all()


def test_spark_with_nothing_hidden_is_the_encoder(encoder):
    x = torch.rand(2, 1, 32, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = spark.sparse_maps(encoder, x, torch.ones(2, 1, 2, 2, 2, dtype=torch.bool))
    for sparse, dense in zip(found, encoder(x), strict=True):
        torch.testing.assert_close(sparse, dense, rtol=1e-4, atol=1e-4)


def test_spark_never_sees_hidden_cells(encoder):
    generator = torch.Generator().manual_seed(0)
    x, other = torch.rand(2, 1, 1, 48, 48, 48, generator=generator)
    visible = ~masks.blocks(np.random.default_rng(0), 1, 3, 0.6)
    mixed = torch.where(masks.grow(visible, 16), x, other)
    with torch.no_grad():
        first, second = (spark.sparse_maps(encoder, y, visible) for y in (x, mixed))
    for a, b, stage in zip(first, second, encoder.stages, strict=True):
        assert torch.equal(a, b)
        assert not a[~masks.grow(visible, 16 // stage.stride).expand_as(a)].any()
