"""Supervised pre-training: labels follow the image, contrasts are random, heads are kept and load again."""

import numpy as np
import pytest
import torch
from pretraining_fakes import IMAGES, arrays
from safetensors.torch import load_file

from tebench.base import storage
from tebench.base.errors import InputError
from tebench.encoders import catalogue, pretrained
from tebench.encoders.source_head import SourceHead
from tebench.pretraining import runs, sources, train
from tebench.pretraining.draw import Draw
from tebench.pretraining.labelled import Labelled, images
from tebench.tasks import source_only

CLASSES = ("background", "dark", "bright")


@pytest.fixture(scope="module")
def labelled():
    found = [array.astype(np.float32) for array in arrays().values()]
    labels = [np.where(image > 0, 1 + (image > 0.5), 0).astype(np.int16) for image in found]
    return Labelled([image.id for image in IMAGES], found, labels, CLASSES)


@pytest.fixture
def made_up(monkeypatch, labelled):
    monkeypatch.setattr(sources, "volumes", lambda images, cache: arrays(images))
    monkeypatch.setattr(Labelled, "of", classmethod(lambda cls, name: labelled))
    monkeypatch.setattr(train, "spread", lambda *_: {"effective_rank": 2.0, "mean_cosine": 0.5})


def _chosen(name, **numbers):
    """A real supervised recipe on crops of 32."""
    from tebench.pretraining.recipe import Recipe

    real = Recipe.load(name)
    given = {"crop": 32, "steps": 12, "mirror": "x", **numbers}
    return Recipe.make(
        name=name, title=real.title, paper=real.paper, options=real.options, method=real.method, source=real.source,
        **given,
    )  # fmt: skip


def test_labels_follow_the_image(labelled):
    draw = Draw(labelled, _chosen("sup_lobes", rotation=40.0, zoom=0.4).training, "labels")
    for index in range(6):
        image, labels = draw.labelled(32, index, foreground=0.5)
        assert labels.dtype == torch.int64 and labels.min() >= 0 and labels.max() <= 2
        # Labels are read from the nearest voxel and the image between voxels: they differ next to an edge only.
        assert (((image > 0.5) == (labels == 2)).float().mean()) > 0.93
        assert torch.equal(labels, draw.labelled(32, index, foreground=0.5)[1])


def test_crops_are_centred_on_classes(labelled):
    training = _chosen("sup_lobes", rotation=0.0, zoom=0.0, deformation=0.0).training
    middle = [Draw(labelled, training, k).labelled(5, foreground=1.0)[1][2, 2, 2].item() for k in range(60)]
    assert 0 not in middle and 15 <= middle.count(1) <= 45  # of 60 fair draws: beyond 3.8 standard deviations


@pytest.mark.parametrize("name", ["sup_lobes", "sup_synth"])
@pytest.mark.parametrize("shape", runs.SHAPES)
def test_loss_is_repeatable_and_reaches_every_weight(name, shape, labelled):
    chosen = _chosen(name)
    method = train.build(chosen, catalogue.build(runs.twin_of(shape)), 0, labelled)
    draw = Draw(labelled, chosen.training, name, 0, "step", 0)
    loss = method.loss(draw)
    assert torch.isfinite(loss) and torch.equal(loss, method.loss(draw))
    loss.backward()
    for part, parameter in method.named_parameters():
        if not part.endswith("conv.bias"):  # before instance normalisation a bias has no effect
            assert parameter.grad is not None and parameter.grad.abs().max() > 0, part


def test_synthetic_images_keep_the_label_map_and_nothing_of_the_contrast(labelled):
    chosen = _chosen("sup_synth")
    method = train.build(chosen, catalogue.build("resenc_s_random"), 0, labelled)
    signs = set()
    for step in range(12):
        draw = Draw(labelled, chosen.training, step)
        image, labels = draw.labelled(32, 0, foreground=1.0)
        painted = method.paint(draw, image, labels, 0)
        assert painted.min() >= 0 and painted.max() <= 1
        assert (painted[(labels == 0) & (image < 0.01)] == 0).all() and (painted[labels > 0] > 0).all()
        signs.add(bool(painted[labels == 2].mean() > painted[labels == 1].mean()))
    assert signs == {True, False}


def test_training_lowers_the_loss_and_the_head_learns_its_classes(labelled):
    chosen = _chosen("sup_lobes", steps=30, contrast=0.0, bias=0.0)
    outcome = train.run(chosen, catalogue.build("unet_s_random"), labelled, steps=30, seed=0)
    assert sum(outcome.losses[-6:]) < 0.9 * sum(outcome.losses[:6])
    untrained = train.build(chosen, catalogue.build("unet_s_random"), 0, labelled)
    before, after = (
        train.source_dice(method, labelled, chosen.training, draws=4) for method in (untrained, outcome.method)
    )
    assert set(after) == set(CLASSES[1:]) and sum(after.values()) > sum(before.values()) + 0.3


@pytest.mark.parametrize("shape", runs.SHAPES)
def test_weights_and_head_are_written_and_load_again(made_up, tmp_path, shape, labelled):
    chosen = _chosen("sup_lobes", steps=1)
    path, _ = runs.pretrain(chosen, shape=shape, steps=1, folder=tmp_path, cache=tmp_path / "cache")
    record = storage.read_json(path.with_suffix(".json"))
    assert path.name == f"{shape}_sup_lobes_steps1.safetensors"
    assert record["source"] == "lobes" and record["classes"] == list(CLASSES)
    assert record["facts"]["images"] == ["deepmriprep:Template_05mm_bet"] == [i["id"] for i in record["images"]]
    assert record["weights"]["bytes"] <= 1_500_000
    entry = catalogue.entry(runs.twin_of(shape))
    encoder = pretrained.load(path.read_bytes(), entry.facts, entry.shape, CLASSES)
    weights = load_file(path)
    assert set(weights) == set(encoder.state_dict()) and all(w.dtype == torch.float16 for w in weights.values())
    bare = sum(value.numel() for name, value in weights.items() if name.startswith("body."))
    assert record["facts"]["n_parameters"] == bare == entry.facts.n_parameters
    x = torch.rand(1, 1, 48, 48, 48, generator=torch.Generator().manual_seed(0))
    assert encoder.head(x).shape == (1, 3, 48, 48, 48)


def test_only_real_training_images_are_sources():
    for name in source_only.names():
        task = source_only.load(name)
        assert len(source_only.real_cases(task)) == len(images(name)) == task.facts["n_real_training_images"]
        assert [image.id for image in images(name)] == task.facts["training_images"]


def test_a_head_needs_strides_that_are_powers_of_two():
    stages = catalogue.stages("deepbrain_random")
    with pytest.raises(InputError, match="strides must be powers of two of at least 2"):
        SourceHead(stages, 3)
