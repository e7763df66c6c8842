"""Reading: axes, affines and resampling, on volumes whose right answer is known."""

import nibabel
import numpy as np
import pytest

from tebench.base.errors import AssetError, InputError
from tebench.tasks import source
from tebench.tasks.source import Atlas, ProbabilityMaps, Source, Volume, body_window, pad_to, resample_mean


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A folder that stands for every package; `save` puts a NIfTI file into it."""
    monkeypatch.setattr(source.assets, "fetch", lambda name: tmp_path)

    def save(name, array, affine):
        nibabel.save(nibabel.Nifti1Image(array, affine), tmp_path / name)

    return save


def diagonal(*values):
    return np.diag([*map(float, values), 1.0])


def blocks(shape=(12, 16, 8)):
    """Labels 1..8, one an octant, at 1 mm."""
    x, y, z = np.indices(shape)
    a, b, c = (g >= n // 2 for g, n in zip((x, y, z), shape, strict=True))
    return (1 + a + 2 * b + 4 * c).astype(np.uint8)


def test_block_mean_and_its_affine():
    data = np.arange(4 * 6 * 8, dtype=np.float32).reshape(4, 6, 8)
    small = resample_mean(Volume(data, diagonal(1, 1, 1)), 2.0)
    assert small.data.shape == (2, 3, 4)
    assert small.data[1, 2, 3] == data[2:4, 4:6, 6:8].mean()
    np.testing.assert_allclose(small.affine[:3, 3], 0.5)
    np.testing.assert_allclose(small.spacing, 2.0)


def test_fractional_factor_keeps_a_linear_ramp():
    # 0.8 mm to 2 mm: a ramp in mm must read the same ramp at the new voxel centres.
    affine = diagonal(0.8, 0.8, 0.8)
    affine[:3, 3] = -10.0
    x = affine[0, 0] * np.arange(30) + affine[0, 3]
    ramp = np.broadcast_to(x[:, None, None], (30, 30, 30)).astype(np.float32)
    small = resample_mean(Volume(ramp, affine), 2.0)
    np.testing.assert_allclose(small.spacing, 2.0)
    expected = small.affine[0, 0] * np.arange(small.data.shape[0]) + small.affine[0, 3]
    np.testing.assert_allclose(small.data[:, 3, 3], expected, atol=1e-5)


def test_upsampling_keeps_a_linear_ramp():
    x = 3.0 * np.arange(10)
    ramp = np.broadcast_to(x[:, None, None], (10, 9, 8)).astype(np.float32)
    fine = resample_mean(Volume(ramp, diagonal(3, 3, 3)), 2.0)
    np.testing.assert_allclose(fine.data[:, 0, 0], 2.0 * np.arange(fine.data.shape[0]), atol=1e-5)


def test_atlas_in_another_axis_order_lands_on_the_image(package):
    labels = blocks()
    package("image.nii.gz", labels.astype(np.float32) * 10, diagonal(1, 1, 1))
    # The same label map stored as left, inferior, anterior: x flipped, then axes (x, z flipped, y).
    stored = np.ascontiguousarray(labels[::-1, :, ::-1].transpose(0, 2, 1))
    affine = np.array([[-1.0, 0, 0, 11], [0, 0, 1, 0], [0, -1, 0, 7], [0, 0, 0, 1]])
    package("atlas.nii.gz", stored, affine)
    names = tuple(f"octant {k}" for k in range(1, 9))
    atlas = Atlas("p", "atlas.nii.gz", {name: (k,) for k, name in enumerate(names, start=1)})
    case = Source("p", "image.nii.gz", atlas).read(("background", *names), 2.0)
    inside = case.image[0] > 0
    # Octants have even sides, so no 2 mm voxel straddles two of them.
    assert inside.sum() == 6 * 8 * 4
    np.testing.assert_array_equal(case.labels[inside] * 10, case.image[0][inside])
    assert not case.labels[~inside].any()


def test_an_image_in_another_axis_order_is_turned_to_ras(package):
    rng = np.random.default_rng(0)
    image = rng.uniform(1, 2, (12, 16, 8)).astype(np.float32)
    package("ras.nii.gz", image, diagonal(1, 1, 1))
    affine = np.array([[-1.0, 0, 0, 11], [0, 0, 1, 0], [0, -1, 0, 7], [0, 0, 0, 1]])
    package("lia.nii.gz", np.ascontiguousarray(image[::-1, :, ::-1].transpose(0, 2, 1)), affine)
    package("atlas.nii.gz", blocks(), diagonal(1, 1, 1))
    atlas = Atlas("p", "atlas.nii.gz", {"first": (1,), "rest": (2, 3, 4, 5, 6, 7, 8)})
    one, two = (
        Source("p", name, atlas).read(("background", "first", "rest"), 2.0) for name in ("ras.nii.gz", "lia.nii.gz")
    )
    np.testing.assert_allclose(one.image, two.image, rtol=1e-6)
    np.testing.assert_array_equal(one.labels, two.labels)


def test_majority_and_merging(package):
    atlas = np.zeros((6, 2, 2), dtype=np.uint8)
    atlas[:2] = 7
    atlas[0, 0, 0] = 9  # 7 of the 8 voxels of the first block are 7
    # Ties of 4 : 4 with background, on either side of the block, go to the lower class.
    atlas[2:4, 0, :] = 8
    atlas[4:, 1, :] = 8
    package("atlas.nii.gz", atlas, diagonal(1, 1, 1))
    image = resample_mean(Volume(np.ones((6, 2, 2), dtype=np.float32), diagonal(1, 1, 1)), 2.0)
    two = Atlas("p", "atlas.nii.gz", {"seven": (7,), "rest": (8, 9)}).read(image, ("background", "seven", "rest"))
    assert two[:, 0, 0].tolist() == [1, 0, 0]
    one = Atlas("p", "atlas.nii.gz", {"all": (7, 8, 9, 200)}).read(image, ("background", "all"))
    assert one[0, 0, 0] == 1


def test_probability_maps_need_half(package):
    grey, white = (np.zeros((3, 2, 2), dtype=np.uint8) for _ in range(2))
    grey[0], white[0] = 200, 55  # grey
    grey[1], white[1] = 100, 155  # white
    grey[2], white[2] = 120, 110  # neither reaches one half
    for name, array in (("g.nii.gz", grey), ("w.nii.gz", white)):
        package(name, array, diagonal(2, 2, 2))
    image = Volume(np.ones((3, 2, 2), dtype=np.float32), diagonal(2, 2, 2))
    maps = ProbabilityMaps("p", {"grey": "g.nii.gz", "white": "w.nii.gz"})
    assert maps.read(image, ("background", "grey", "white"))[:, 0, 0].tolist() == [1, 2, 0]


def test_a_class_without_voxels_is_refused(package):
    package("image.nii.gz", np.ones((6, 6, 6), dtype=np.float32), diagonal(2, 2, 2))
    package("atlas.nii.gz", np.ones((6, 6, 6), dtype=np.uint8), diagonal(2, 2, 2))
    atlas = Atlas("p", "atlas.nii.gz", {"here": (1,), "nowhere": (5,)})
    with pytest.raises(InputError, match="no voxel of nowhere"):
        Source("p", "image.nii.gz", atlas).read(("background", "here", "nowhere"), 2.0)


def test_an_empty_image_is_refused(package):
    package("image.nii.gz", np.zeros((6, 6, 6), dtype=np.float32), diagonal(2, 2, 2))
    package("atlas.nii.gz", np.ones((6, 6, 6), dtype=np.uint8), diagonal(2, 2, 2))
    with pytest.raises(InputError):
        Source("p", "image.nii.gz", Atlas("p", "atlas.nii.gz", {"a": (1,)})).read(("background", "a"), 2.0)


def test_missing_and_broken_files_are_named(package, tmp_path):
    with pytest.raises(AssetError, match=r"holds no file 'none\.nii\.gz'"):
        source.read_volume("p", "none.nii.gz")
    package("cut.nii.gz", np.random.default_rng(0).random((20, 20, 20)), diagonal(1, 1, 1))
    file = tmp_path / "cut.nii.gz"
    file.write_bytes(file.read_bytes()[:3000])
    with pytest.raises(AssetError, match=r"cut\.nii\.gz"):
        source.read_volume("p", "cut.nii.gz")


def test_window_reaches_past_the_array():
    inside = np.zeros((5, 6, 7), dtype=bool)
    inside[0, 2, 3] = True
    window = body_window(inside)
    assert window == ((-3, 4), (-1, 6), (0, 7))
    padded = pad_to(inside, window, False)
    assert padded.shape == (7, 7, 7)
    assert padded[3, 3, 3]
    assert padded.sum() == 1
