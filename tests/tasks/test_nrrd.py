"""NRRD: agreement with SimpleITK, and what is refused."""

import gzip

import numpy as np
import pytest

from tebench.tasks import nrrd

HEADER = """NRRD0004
# comment: not a field
type: short
dimension: 3
space: left-posterior-superior
sizes: 3 4 5
space directions: (0.5,0,0) (0,-2,0) (0,0,3)
endian: little
encoding: gzip
space origin: (-10,20,30)

"""
DATA = np.arange(60, dtype="<i2").reshape(3, 4, 5)


def write(path, header=HEADER, body=None):
    body = gzip.compress(DATA.tobytes(order="F")) if body is None else body
    path.write_bytes(header.encode() + body)
    return path


def test_axes_and_origin(tmp_path):
    data, affine = nrrd.read(write(tmp_path / "a.nrrd"))
    # x: left-positive in the file, so reversed; y: -2 towards posterior is anterior already.
    np.testing.assert_array_equal(data, DATA[::-1])
    np.testing.assert_allclose(affine, [[0.5, 0, 0, 9], [0, 2, 0, -20], [0, 0, 3, 30], [0, 0, 0, 1]])
    assert data.dtype == np.int16


@pytest.mark.parametrize("compressed", [True, False])
def test_same_as_simpleitk(tmp_path, compressed):
    import SimpleITK as sitk  # noqa: N813

    image = sitk.GetImageFromArray(np.random.default_rng(0).normal(size=(4, 5, 6)).astype(np.float32))
    image.SetSpacing((0.7, 1.1, 5.0))
    image.SetOrigin((-30.0, 12.0, 7.5))
    sitk.WriteImage(image, str(tmp_path / "a.nrrd"), useCompression=compressed)
    sitk.WriteImage(image, str(tmp_path / "a.nii"))
    import nibabel

    other = nibabel.as_closest_canonical(nibabel.load(tmp_path / "a.nii"))
    data, affine = nrrd.read(tmp_path / "a.nrrd")
    np.testing.assert_array_equal(data, other.get_fdata().astype(np.float32))
    np.testing.assert_allclose(affine, other.affine, atol=1e-5)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("NRRD0004", "NIFTI", "not an NRRD"),
        ("type: short", "type: block", "block"),
        ("sizes: 3 4 5", "sizes: 3 4 5 2", "three axes"),
        ("sizes: 3 4 5", "sizes: 3000 4000 5000", "three axes"),
        ("sizes: 3 4 5", "sizes: 3 4 6", "120 bytes of data, expected 144"),
        ("encoding: gzip", "encoding: hex", "expected gzip or raw"),
        ("space: left-posterior-superior\n", "", "space"),
    ],
)
def test_what_is_refused(tmp_path, old, new, message):
    with pytest.raises(ValueError, match=message):
        nrrd.read(write(tmp_path / "a.nrrd", HEADER.replace(old, new)))


def test_damaged_data_are_refused(tmp_path):
    packed = gzip.compress(DATA.tobytes(order="F"))
    for body in (packed[: len(packed) // 2], b"no gzip", packed[:15] + b"\xff\xff" + packed[17:]):
        with pytest.raises(ValueError, match="NRRD"):
            nrrd.read(write(tmp_path / "a.nrrd", body=body))
