"""Bodies with dark parts, derived lungs, moved and stacked labels, and the affine search: on made-up volumes."""

import nibabel
import numpy as np
import pytest

from tebench.tasks import align, body, source
from tebench.tasks.body import BodySource, LungLabels
from tebench.tasks.source import Atlas, MovedAtlas, ProbabilityStack, Volume


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A folder that stands for every package; `save` puts a NIfTI file into it."""
    monkeypatch.setattr(source.assets, "fetch", lambda name: tmp_path)

    def save(name, array, affine=None):
        nibabel.save(nibabel.Nifti1Image(array, np.eye(4) if affine is None else affine), tmp_path / name)

    return save


def ball(shape, centre, radius):
    return ((np.indices(shape) - np.array(centre)[:, None, None, None]) ** 2).sum(axis=0) <= radius**2


SHAPE = (60, 50, 44)


def chest():
    """HU at 3 mm: a body to the last slice, two lungs, a trachea that leads to them, a solid tumour beside one."""
    x, y, _ = np.indices(SHAPE)
    hu = np.full(SHAPE, -1000.0, dtype=np.float32)
    hu[((x - 29.5) / 26) ** 2 + ((y - 24) / 20) ** 2 <= 1] = 40.0
    lungs = ball(SHAPE, (17, 24, 20), 9) | ball(SHAPE, (42, 24, 20), 9)
    tumour = ball(SHAPE, (50, 24, 20), 3)
    trachea = ((x - 29.5) ** 2 + (y - 24) ** 2 <= 9) & (np.arange(SHAPE[2]) > 20)
    bronchi = (np.abs(y - 24) <= 1) & (np.abs(x - 29.5) < 6) & (np.abs(np.arange(SHAPE[2]) - 22) <= 1)
    hu[lungs | trachea | bronchi] = -850.0
    hu[tumour] = 30.0
    hu[2:58, 2:3, :] = 100.0  # a table below
    return hu, lungs, tumour, trachea


def test_lungs_without_trachea_and_with_the_tumour(package):
    hu, lungs, tumour, trachea = chest()
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    package("image.nii.gz", hu, affine)
    package("tumour.nii.gz", tumour.astype(np.uint8), affine)
    labels = LungLabels("p", "tumour.nii.gz", least=20.0)
    case = BodySource("p", "image.nii.gz", labels, threshold=-400.0, floor=-1024.0, top=1024.0).read(
        ("background", "lungs"), 3.0
    )
    found = labels.read(Volume(hu, affine), ("background", "lungs")) > 0
    assert found[tumour].all()
    assert found[lungs].mean() > 0.97
    assert found[trachea].mean() < 0.25
    assert (found & ~lungs & ~tumour).sum() < 0.1 * lungs.sum()
    # The case: zero outside the body, HU + 1025 inside, dark lungs kept.
    image = case.image[0]
    assert set(np.unique(image)) == {0.0, 175.0, 1055.0, 1065.0}
    assert (image == 175.0).sum() == (hu == -850.0).sum()


def test_enclosed_keeps_the_largest_piece_and_fills_it():
    hu, lungs, *_ = chest()
    inside = body.enclosed(hu > -400)
    assert inside[lungs].all()
    assert not inside[2:58, 2].any()  # the table
    assert inside[:, :, 0].any()
    assert inside[:, :, -1].any()


def test_largest_of_nothing_is_nothing():
    assert not body.largest(np.zeros((3, 3, 3), dtype=bool)).any()


def test_a_moved_atlas_lands_where_the_map_says(package):
    atlas = np.zeros((8, 8, 8), dtype=np.uint8)
    atlas[2:4, 2:4, 2:4] = 5
    package("a.nii.gz", atlas)
    image = Volume(np.ones((8, 8, 8), dtype=np.float32), np.eye(4))
    moved = MovedAtlas("p", "a.nii.gz", {"a": (5,)}, ((1, 0, 0, 2), (0, 1, 0, 0), (0, 0, 1, -1)))
    still = Atlas("p", "a.nii.gz", {"a": (5,)}).read(image, ("background", "a"))
    np.testing.assert_array_equal(moved.read(image, ("background", "a")), np.roll(still, (2, 0, -1), axis=(0, 1, 2)))


def test_probability_stack_sums_competes_and_needs_the_threshold(package):
    maps = np.zeros((2, 2, 2, 4), dtype=np.uint8)
    maps[0, 0, 0] = (20, 20, 30, 0)  # left + right win as one class
    maps[0, 0, 1] = (20, 0, 30, 0)
    maps[0, 1, 0] = (20, 0, 30, 60)  # the rival wins
    maps[0, 1, 1] = (20, 0, 20, 0)  # below the threshold
    package("m.nii.gz", maps)
    image = Volume(np.ones((2, 2, 2), dtype=np.float32), np.eye(4))
    stack = ProbabilityStack("p", "m.nii.gz", {"a": (0, 1), "b": (2,)}, rivals=(3,), threshold=0.25)
    assert stack.read(image, ("background", "a", "b"))[0].tolist() == [[1, 2], [0, 0]]


def test_align_finds_a_known_map(monkeypatch):
    monkeypatch.setattr(align, "SIZES", (0.9,))
    rng = np.random.default_rng(0)
    from scipy import ndimage

    shape, affine = (26, 30, 24), np.diag([4.0, 4.0, 4.0, 1.0])
    texture = ndimage.gaussian_filter(rng.normal(size=shape), 2.0)
    mask = ball(shape, (13, 15, 12), 8)
    a = Volume(np.where(mask, 3.0 + 10 * texture, 0.0).astype(np.float32), affine)
    centre = np.array([52.0, 60.0, 48.0])
    truth = align.matrix(np.array([1, -1, 0.5, 0.8, 0, -0.5, -1, -0.5, -1, 0.5, 0, 0]), centre)
    b = Volume(source.to_grid(Volume(a.data, truth @ affine), affine, shape, order=1), affine)
    found, correlation = align.align(a, Volume(mask.astype(np.float32), affine), b)
    assert correlation > 0.9
    points = np.argwhere(mask) * 4.0
    apart = (points @ (found - truth)[:3, :3].T) + (found - truth)[:3, 3]
    assert np.linalg.norm(apart, axis=1).mean() < 2.0  # half a voxel
