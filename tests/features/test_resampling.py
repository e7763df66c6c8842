"""Grids known beforehand, channels that stand for missing ones, and how many different rows are left."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from extraction_fakes import ConvEncoder, load_case, make_task
from hypothesis import given, settings
from hypothesis import strategies as st

from tebench.base.errors import InputError
from tebench.encoders.base import InputSpec
from tebench.features import resampling
from tebench.features.distinct import Distinct, distinct
from tebench.features.extraction import extract
from tebench.features.sampling import Recipe, draw
from tebench.features.volumes import prepare


def case(shape, spacing):
    return {"shape": list(shape), "spacing": list(spacing)}


def test_the_stated_grid_is_the_one_that_is_read():
    task = make_task()
    loaded = task.load(task.cases[0])
    spec = InputSpec(spacing=(0.7, 1.1, 1.6))
    sample = draw(task, Recipe(foreground=20, background=20), seed=0)
    volume = prepare(task, task.cases[0], sample, np.flatnonzero(sample.case == 0), spec)
    assert volume.image.shape[1:] == resampling.grid(loaded.labels.shape, loaded.spacing, spec.spacing)


def test_grids_of_cases_and_what_is_few():
    found = resampling.grids({"a": case((48,) * 3, (0.05,) * 3), "b": case((40, 36, 32), (1, 1, 1.5))}, (1.0,) * 3)
    assert found.smallest == (2, 2, 2) and found.largest == (40, 36, 48) and found.few == ("a",)
    assert found.text() == "2x2x2 to 40x36x48 voxels, resampled to 1x1x1 mm"
    same = resampling.grids({"b": case((40, 36, 32), (1, 1, 1))}, (1.0, 1.0, 1.0005))
    assert not same.resampled and same.text() == "40x36x32 voxels, as stored" and not same.few


def test_a_grid_that_explodes_is_refused_before_memory_is_asked_for():
    """Microns read as millimetres: 32 voxels of 400 mm are 12,800 at 1 mm along every axis."""
    cases = {"fine": case((32, 32, 32), (1, 1, 1)), "c1": case((32, 30, 28), (400, 400, 400))}
    with pytest.raises(InputError, match=r"case 'c1': .*of 400x400x400 mm would have 1.28e\+04x1.2e\+04x1.12e\+04"):
        resampling.grids(cases, (1.0, 1.0, 1.0))


@pytest.mark.parametrize("how", ["zscore", "zscore_all", "unit"])
def test_a_channel_of_zeros_stays_zero_and_changes_no_other(how):
    task = make_task()
    sample = draw(task, Recipe(foreground=20, background=20), seed=0)
    rows = np.flatnonzero(sample.case == 0)
    alone = prepare(task, task.cases[0], sample, rows, InputSpec(normalisation=how)).image
    found = load_case(task.cases[0])
    two = np.concatenate([found.image, np.zeros_like(found.image)])
    with_zeros = replace(task, loader=lambda _: replace(found, image=two))
    both = prepare(with_zeros, task.cases[0], sample, rows, InputSpec(normalisation=how, channels=2)).image
    np.testing.assert_array_equal(both[0], alone[0])
    assert not both[1].any()


@settings(max_examples=8, deadline=None)
@given(
    shift=st.integers(-4096, 4096), name=st.sampled_from(["zscore_image", "minmax(0,1)", "zscore_mask", "rescale01"])
)
def test_a_constant_added_to_every_voxel_changes_no_feature(shift, name):
    """CT in Hounsfield units, or stored from 0 on: 0 is a value like any other. MIC-DKFZ/nnUNet#303."""
    task = make_task(n_cases=1)
    found = task.load("case0")
    hu = np.rint(200 * found.image).astype(np.float32) - 400  # whole numbers: adding is exact
    hu[:, 3:-3, 3:-3, 3:-3][:, ::2] = 0  # water inside; the border, which is air, is not 0
    hu[:, [0, -1]] = hu[:, :, [0, -1]] = hu[:, :, :, [0, -1]] = -1024 if shift != 1024 else -1000
    sample = draw(task, Recipe(foreground=20, background=40), seed=0)
    encoder = ConvEncoder()
    spec = replace(encoder.spec, normalisation=name)
    maps = []
    for image in (hu, hu + shift):
        moved = replace(task, loader=lambda _, image=image: replace(found, image=image))
        volume = prepare(moved, "case0", sample, np.arange(len(sample)), spec)
        with torch.no_grad():
            maps.append(encoder(torch.from_numpy(volume.image[None, :, :16, :16, :16])))
    for before, after in zip(*maps, strict=True):
        torch.testing.assert_close(before, after, rtol=1e-4, atol=1e-5)


def test_different_rows_are_counted(tmp_path):
    task = make_task()
    sample = draw(task, Recipe(foreground=40, background=200, general=40), seed=0)
    found = distinct(extract(task, ConvEncoder(), sample, cache=tmp_path, progress=False))
    cells = {(c, *xyz) for c, xyz in zip(sample.case.tolist(), sample.coordinates.tolist(), strict=True)}
    assert found.voxels == len(cells) and 1 < found.rows <= found.voxels and not found.few
    assert Distinct(3, 11616).few and Distinct(120, 11616).few and not Distinct(5000, 11616).few
    assert not Distinct(40, 40).few  # few voxels were asked for
