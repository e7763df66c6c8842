"""deepbet: the rebuilt network gives the packaged network's output."""

import nibabel
import numpy as np
import pytest
import torch

from tebench.assets import catalogue as assets
from tebench.encoders import catalogue, torchscript
from tebench.encoders.normalisation import normalise


@pytest.mark.parametrize("name", ["deepbet", "deepbet_bbox"])
def test_head_equals_the_packaged_network(name):
    # The TorchScript program runs here, in the test, and nowhere in the package.
    packaged = torch.jit.load(str(assets.fetch("deepbet") / catalogue.entry(name).path), map_location="cpu").eval()
    encoder = catalogue.build(name)
    x = torch.rand(1, 1, 64, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = packaged(encoder.prepare(x))
    found = encoder.head(x)
    assert found.shape == (1, 2, 64, 64, 96)
    assert (found - expected).abs().max() <= 1e-6
    assert expected.std() > 0.01  # equal because it computes, not because both are constant


@pytest.mark.parametrize("name", ["deepbet", "deepbet_bbox"])
def test_every_weight_of_the_file_is_loaded(name):
    path = assets.fetch("deepbet") / catalogue.entry(name).path
    packaged = torch.jit.load(str(path), map_location="cpu").state_dict()
    read = torchscript.tensors(path.read_bytes())
    loaded = catalogue.build(name).state_dict()
    assert set(packaged) == set(read) == set(loaded)
    assert all(torch.equal(packaged[key], loaded[key]) for key in packaged)


def test_the_two_files_hold_different_weights():
    first, second = catalogue.build("deepbet"), catalogue.build("deepbet_bbox")
    assert not torch.equal(first.init[0].weight, second.init[0].weight)


def test_a_missing_weight_is_refused(monkeypatch):
    weights = catalogue.build("deepbet").state_dict()
    weights.pop("down2.block1.downsample.0.weight")
    monkeypatch.setattr(torchscript, "tensors", lambda data: weights)
    with pytest.raises(RuntimeError, match=r"Missing key.*down2.block1.downsample.0.weight"):
        catalogue.build("deepbet")


def test_normalisation_is_close_enough_for_the_source_head():
    """The bounding-box network, made for coarse whole images, finds the brain of a template (Dice 0.98 measured)."""
    path = assets.fetch("nilearn") / "nilearn/datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"
    image = np.asarray(nibabel.load(path).dataobj, dtype=np.float32).squeeze()[::2, ::2, ::2]  # 2 mm
    image = np.pad(image, [(0, -size % 32) for size in image.shape])
    encoder = catalogue.build("deepbet_bbox")
    x = torch.from_numpy(normalise(image[None], encoder.spec.normalisation))[None]
    brain = encoder.head(x)[0, 1].numpy() > 0.5
    truth = image > 0  # the template is skull-stripped
    assert 2 * (brain & truth).sum() / (brain.sum() + truth.sum()) > 0.95
