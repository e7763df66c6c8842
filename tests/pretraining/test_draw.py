"""Crops: what they show, and that they are functions of their names."""

import numpy as np
import pytest
import torch
from pretraining_fakes import recipe, volumes

from tebench.pretraining import draw as drawing
from tebench.pretraining.draw import Draw


@pytest.fixture(scope="module")
def source():
    return volumes()


def test_crops_depend_on_their_names_alone(source):
    training = recipe("mae").training
    first, second = Draw(source, training, "mae", 0, "step", 5), Draw(source, training, "mae", 0, "step", 5)
    second.crop(32, "something else")
    assert torch.equal(first.batch(), second.batch())
    for words in (("mae", 0, "step", 6), ("mae", 1, "step", 5), ("simclr", 0, "step", 5)):
        assert not torch.equal(first.batch(), Draw(source, training, *words).batch())


def test_crops_are_finite_and_in_range(source):
    for step in range(30):
        x = Draw(source, recipe("mae").training, "range", step).batch()
        assert x.shape == (2, 1, 32, 32, 32) and x.min() >= 0 and x.max() <= 1 and torch.isfinite(x).all()


def test_without_augmentation_a_region_is_a_piece_of_the_image(source):
    plain = recipe("mae", rotation=0.0, zoom=0.0, deformation=0.0, mirror="").training
    image = source.data[0][0, 0]
    found = Draw(source, plain, "plain").region(9, place=(0, np.array([20.0, 18.0, 25.0])))
    torch.testing.assert_close(found, image[16:25, 14:23, 21:30], rtol=0, atol=1e-5)


def test_mirrored_axes_are_flipped_half_of_the_time(source):
    training = recipe("mae", rotation=0.0, zoom=0.0, deformation=0.0, mirror="x").training
    image = source.data[0][0, 0][16:25, 14:23, 21:30]
    place, flipped = (0, np.array([20.0, 18.0, 25.0])), 0
    for step in range(40):
        found = Draw(source, training, step).region(9, place=place)
        is_flipped = torch.allclose(found, image.flip(0), atol=1e-5)
        assert is_flipped or torch.allclose(found, image, atol=1e-5)
        flipped += is_flipped
    assert 8 <= flipped <= 32  # of 40 fair draws: beyond 3.8 standard deviations


def test_displacement_moves_by_its_own_size():
    """A constant displacement of one voxel along one axis reads the next voxel of that axis."""
    data = torch.rand(1, 1, 12, 14, 16, generator=torch.Generator().manual_seed(0))
    for axis in range(3):
        knots = torch.zeros(1, 3, 6, 6, 6)
        knots[:, axis] = 1.0
        grid = drawing._grid(data.shape, np.eye(3), np.array([5.0, 6.0, 7.0]), knots, 5)
        found = drawing._read(data, grid)
        start = [3, 4, 5]
        start[axis] += 1
        x, y, z = start
        torch.testing.assert_close(found, data[0, 0, x : x + 5, y : y + 5, z : z + 5], rtol=0, atol=1e-5)


def test_images_are_chosen_by_their_weights(source):
    training = recipe("mae").training
    chosen = [Draw(source, training, "weights", k).place()[0] for k in range(400)]
    assert abs(np.mean(chosen) - 0.25) < 5 * (0.25 * 0.75 / 400) ** 0.5


def test_no_contrast_changes_nothing(source):
    plain = recipe("mae", contrast=0.0, bias=0.0, noise=0.0, blur=0.0).training
    x = torch.rand(16, 16, 16, generator=torch.Generator().manual_seed(0)).clamp(min=0.02)
    for step in range(10):
        torch.testing.assert_close(Draw(source, plain, step).contrast(x), x, rtol=0, atol=1e-6)


def test_transfer_functions_rise_fall_and_wander():
    rng = np.random.default_rng(0)
    tables = [drawing._transfer(rng, 1.0) for _ in range(200)]
    assert all(table.min() >= 0 and table.max() <= 1 for table in tables)
    rising = sum(bool((table.diff() >= 0).all()) for table in tables)
    assert 40 < rising < 160


def test_pairs_show_the_same_place(source):
    calm = recipe("simclr", rotation=0.0, zoom=0.0, deformation=0.0, mirror="", contrast=0.0, bias=0.0, noise=0.0)
    first, second = Draw(source, calm.training, "pairs").pairs(0.0)
    assert (first - second).abs().mean() < 0.02  # blur may differ
    assert (first[0] - first[1]).abs().mean() > 0.05
