"""Data sets as people have them, after public reports: what is read, what is said, what is refused and how."""

import gzip
import json
import struct

import nibabel
import numpy as np
import pytest
import raw_data as raw

from tebench.base.errors import InputError, UnknownNameError
from tebench.tasks.dataset import open_dataset
from tebench.tasks.labels import read_labels, whole

AFFINE = np.diag([1.0, 1.5, 2.0, 1.0])
LABELS = raw.label(1, 2)
PATCH = {"units": ("B", 123), "codes": ("hh", 252), "srow": ("12f", 280), "scale": ("ff", 112)}


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TEBENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "Dataset042_Mine"


def problems(folder, **options):
    with pytest.raises(InputError) as caught:
        open_dataset(folder, **options)
    return str(caught.value)


def edit(path, **fields):
    """Change fields of a NIfTI header where they lie in the file."""
    data = bytearray(gzip.decompress(path.read_bytes()))
    for name, values in fields.items():
        kind, place = PATCH[name]
        struct.pack_into(f"<{kind}", data, place, *np.atleast_1d(values).tolist())
    path.write_bytes(gzip.compress(bytes(data)))


def reword(folder, **words):
    found = json.loads((folder / "dataset.json").read_text())
    return raw.describe(folder, **{k: v for k, v in {**found, **words}.items() if v is not None})


def same(task, case, image=None, labels=LABELS, spacing=(1.0, 1.5, 2.0)):
    found = task.load(case)
    np.testing.assert_array_equal(found.labels, labels)
    if image is not None:
        np.testing.assert_array_equal(found.image, image)
    assert found.spacing == pytest.approx(spacing, rel=1e-5)
    return found


@pytest.mark.parametrize("channels", [("T1",), ("T1", "FLAIR")])
def test_version_1_of_nnunet(folder, channels):
    """Its list names images without _0000; the files have it. MIC-DKFZ/nnUNet#1602, #208."""
    raw.nnunet(folder, channels=channels)
    names = [f"case_{n:03d}.nii.gz" for n in range(2)]
    raw.describe(
        folder, name="Mine", tensorImageSize="4D", modality={str(n): name for n, name in enumerate(channels)},
        labels={"0": "background", "1": "core", "2": "rim"}, numTraining=2, test=[],
        training=[{"image": f"./imagesTr/{name}", "label": f"./labelsTr/{name}"} for name in names],
    )  # fmt: skip
    task = open_dataset(folder)
    assert task.classes == ("background", "core", "rim") and task.facts["source"].startswith("nnU-Net raw, version 1")
    same(task, "case_001", np.stack([raw.image(10 + c) for c in range(len(channels))]))
    (folder / "imagesTr" / f"case_001_{len(channels) - 1:04d}.nii.gz").unlink()
    assert "file is missing" in problems(folder)


def test_numbers_as_people_write_them(folder):
    raw.nnunet(folder)
    reword(folder, labels={"background": "0", "core": 1.0, "rim": " 2 "}, channel_names={"00": "T1"}, numTraining="2",
           file_ending="nii.gz")  # fmt: skip
    task = open_dataset(folder)
    assert task.classes == ("background", "core", "rim") and task.facts["note"] == ""
    same(task, "case_000")
    reword(folder, labels={"0": "background", "1": "core", "2": "rim"})  # the order of version 1
    assert open_dataset(folder).classes == ("background", "core", "rim")
    (folder / "dataset.json").write_bytes(b"\xef\xbb\xbf" + (folder / "dataset.json").read_bytes())
    assert open_dataset(folder).classes == ("background", "core", "rim")
    assert [whole(v) for v in ("١", "1e3", "", None, [1], 2**40, float("nan"))] == [None] * 7


def test_regions_and_ignore_in_words():
    labels = read_labels({"background": "0", "whole": ["1", 2.0], "core": "2", "ignore": "3"}, "x")
    assert labels.values == {0: 0, 1: 1, 2: 2} and labels.ignore == 3 and labels.regions


def test_a_monai_datalist(tmp_path):
    """Lists of files a case, no channels or classes: Project-MONAI/research-contributions#95."""
    entries = []
    for n in range(2):
        names = [f"p{n}/p{n}_{kind}.nii.gz" for kind in ("flair", "t1", "seg")]
        for name, data in zip(names, (raw.image(n), raw.image(n + 5), LABELS), strict=True):
            raw.write(tmp_path / name, data)
        entries.append({"fold": 0, "image": names[:2], "label": names[2]})
    (tmp_path / "folds.json").write_text(json.dumps({"training": entries}))
    assert 'Add "channel_names"' in problems(tmp_path / "folds.json")
    words = {"modality": ["flair", "t1"], "labels": {"background": 0, "core": 1, "rim": 2}, "training": entries}
    (tmp_path / "folds.json").write_text(json.dumps(words))
    task = open_dataset(tmp_path / "folds.json")
    assert task.cases == ("p0_seg", "p1_seg")
    same(task, "p1_seg", np.stack([raw.image(1), raw.image(6)]))


def test_a_folder_a_patient_with_equal_file_names(folder):
    """wasserth/TotalSegmentator#350."""
    entries = []
    for n in range(3):
        raw.write(folder / f"s{n}" / "ct.nii.gz", raw.image(n))
        raw.write(folder / f"s{n}" / "seg.nii.gz", LABELS)
        entries.append({"image": f"s{n}/ct.nii.gz", "label": f"s{n}/seg.nii.gz"})
    raw.describe(folder, modality={"0": "CT"}, labels={"0": "background", "1": "a", "2": "b"}, training=entries)
    task = open_dataset(folder)
    assert task.cases == ("s0", "s1", "s2")
    same(task, "s2", raw.image(2)[None])


def test_a_listing_of_files_elsewhere(tmp_path, monkeypatch):
    """Two label sets over one image folder: MIC-DKFZ/nnUNet#188; relative, absolute and by a variable."""
    shared = raw.nnunet(tmp_path / "shared", n_cases=3)
    monkeypatch.setenv("MY_IMAGES", str(shared))
    roots = ("../shared", str(shared), "$MY_IMAGES")
    listing = {
        f"c{n}": {"images": [f"{root}/imagesTr/case_00{n}_0000.nii.gz"], "label": f"{root}/labelsTr/case_00{n}.nii.gz"}
        for n, root in enumerate(roots)
    }
    folder = raw.describe(
        tmp_path / "mine", channel_names={"0": "T1"}, labels={"background": 0, "core": 1, "rim": 2}, dataset=listing
    )
    task = open_dataset(folder)
    for n in range(3):
        same(task, f"c{n}", raw.image(10 * n)[None])
    assert f"outside the folder: {shared / 'imagesTr'}" in task.facts["note"]
    assert problems(folder, outside=False).count("leads out of the data set's folder") == 3


def test_a_problem_concerns_its_case_only(folder):
    """case_10 begins with case_1."""
    raw.nnunet(folder, n_cases=2)
    for part, end in (("imagesTr", "_0000.nii.gz"), ("labelsTr", ".nii.gz")):
        for n, name in enumerate(("case_1", "case_10")):
            (folder / part / f"case_00{n}{end}").rename(folder / part / f"{name}{end}")
    (folder / "labelsTr" / "case_10.nii.gz").unlink()
    assert "case_10" in problems(folder)
    for options in ({"cases": ["case_1"]}, {"exclude": ["case_10"]}, {"skip_broken": True}):
        assert open_dataset(folder, **options).cases == ("case_1",)


def test_cases_left_out_are_listed(folder):
    raw.nnunet(folder, n_cases=4)
    (folder / "labelsTr" / "case_002.nii.gz").write_bytes(b"no image")
    raw.write(folder / "labelsTr" / "case_003.nii.gz", raw.label(1, 9))
    assert "exclude=[case_002,case_003]" in problems(folder)
    task = open_dataset(folder, skip_broken=True)
    assert task.cases == ("case_000", "case_001") and set(task.facts["left_out"]) == {"case_002", "case_003"}
    assert "label values 9 are not in dataset.json" in task.facts["left_out"]["case_003"][0]
    left = open_dataset(folder, exclude=["case_003", "case_002"])
    assert left.cases == task.cases and left.facts["excluded"] == ["case_002", "case_003"]
    assert left.fingerprint == task.fingerprint
    with pytest.raises(UnknownNameError, match="Did you mean 'case_003'"):
        open_dataset(folder, exclude=["case_0003"])
    with pytest.raises(InputError, match="skip_broken must be"):
        open_dataset(folder, skip_broken="yes")
    for name in ("case_000", "case_001"):
        (folder / "imagesTr" / f"{name}_0000.nii.gz").unlink()
    assert "No case is left" in problems(folder, skip_broken=True)


def test_many_problems_of_one_kind_are_one(folder):
    raw.nnunet(folder, n_cases=9)
    for n in range(8):
        raw.write(folder / "labelsTr" / f"case_{n:03d}.nii.gz", raw.label(1, 20 + n))
    message = problems(folder)
    assert message.count("are not in dataset.json") == 4 and "and 5 more of the kind" in message
    assert "8 problems" in message and "case_003, case_004, case_005, case_006, case_007" in message


def test_empty_label_maps_give_background_only(folder):
    """Scans without a lesion: MIC-DKFZ/nnUNet#1460, #2847."""
    raw.nnunet(folder, n_cases=4)
    for n in (1, 3):
        raw.write(folder / "labelsTr" / f"case_{n:03d}.nii.gz", raw.label())
    task = open_dataset(folder)
    assert len(task.cases) == 4 and "2 of 4 label maps are empty" in task.facts["note"]
    assert not task.load("case_003").labels.any()


def test_a_class_that_no_case_holds_is_no_class(folder):
    labels = {"background": 0, "never": 1, "core": 2, "rim": 3}
    raw.nnunet(folder, labels=labels, values=(2, 3))
    task = open_dataset(folder)
    assert task.classes == ("background", "core", "rim") and task.facts["absent"] == ["never"]
    assert "no case holds a voxel of never" in task.facts["note"]
    same(task, "case_000")
    assert task.facts["per_case"]["case_000"]["voxels"] == np.bincount(LABELS.ravel()).tolist()


@pytest.mark.parametrize("value", [0, -1024])
def test_constant_images_are_broken_and_constant_channels_are_said(folder, value):
    """A failed export, and a missing channel that was filled in: Project-MONAI/MONAI#1092, MIC-DKFZ/nnUNet#513."""
    raw.nnunet(folder, channels=("T1", "FLAIR"))
    flat = np.full(raw.SHAPE, value, np.float32)
    raw.write(folder / "imagesTr" / "case_001_0001.nii.gz", flat)
    task = open_dataset(folder)
    assert "channel FLAIR has one value everywhere" in task.facts["note"] and "(1 of 2 cases)" in task.facts["note"]
    assert task.facts["per_case"]["case_001"]["constant"] == [1]
    raw.write(folder / "imagesTr" / "case_001_0000.nii.gz", flat)
    assert f"the same value everywhere ({value}, {value})" in problems(folder)
    assert open_dataset(folder, skip_broken=True).cases == ("case_000",)


@pytest.mark.parametrize(("units", "factor"), [(1, 0.001), (3, 1000.0), (2, 1.0), (0, 1.0), (10, 1.0)])
def test_units_are_those_of_the_header(folder, units, factor):
    """Metres and microns; unknown means mm, as ITK reads it. InsightSoftwareConsortium/ITK#4595."""
    raw.nnunet(folder)
    affine = AFFINE.copy()
    affine[:3] *= factor
    for path in sorted(folder.rglob("*.nii.gz")):
        raw.write(path, np.asanyarray(nibabel.load(path).dataobj), affine)
        edit(path, units=units)
    task = open_dataset(folder)
    same(task, "case_000", raw.image()[None])
    assert ("read as mm (2 of 2 cases)" in task.facts["note"]) == (factor != 1)


def test_compression_goes_by_the_content(folder):
    raw.nnunet(folder / "packed", ending=".nii")
    path = folder / "packed" / "imagesTr" / "case_001_0000.nii"
    path.write_bytes(gzip.compress(path.read_bytes()))
    task = open_dataset(folder / "packed")
    same(task, "case_001", raw.image(10)[None])
    assert "gzip-compressed, though named .nii" in task.facts["note"]
    raw.nnunet(folder / "plain")
    path = folder / "plain" / "labelsTr" / "case_001.nii.gz"
    path.write_bytes(gzip.decompress(path.read_bytes()))
    same(open_dataset(folder / "plain"), "case_001", raw.image(10)[None])
    path.write_bytes(b"neither this nor that")
    assert "no NIfTI header" in problems(folder / "plain")


def test_a_label_that_states_no_place(folder):
    """sform_code = qform_code = 0: rordenlab/dcm2niix#197."""
    shifted = AFFINE.copy()
    shifted[:3, 3] = (-20, -15, -10)
    raw.nnunet(folder)
    for path in sorted((folder / "imagesTr").iterdir()):
        raw.write(path, np.asanyarray(nibabel.load(path).dataobj), shifted)
    assert "voxels apart at a corner" in problems(folder)
    for path in sorted((folder / "labelsTr").iterdir()):
        edit(path, codes=(0, 0), srow=[0.0] * 12)
    task = open_dataset(folder)
    same(task, "case_000", raw.image()[None])
    assert "states no place" in task.facts["note"] and "by shape and voxel size only" in task.facts["note"]
    raw.write(folder / "labelsTr" / "case_000.nii.gz", LABELS, np.diag([1.0, 1.5, 3.0, 1.0]))
    edit(folder / "labelsTr" / "case_000.nii.gz", codes=(0, 0))
    assert "voxel sizes differ: image 1x1.5x2, label map 1x1.5x3 mm" in problems(folder)


def test_two_forms_of_a_header_that_disagree(folder):
    """The label fits by the qform only: TorchIO-project/torchio#1300. Nothing is turned on a guess."""
    flipped = AFFINE.copy()
    flipped[1] = (0, -1.5, 0, 1.5 * (raw.SHAPE[1] - 1))
    raw.nnunet(folder)
    for path in sorted((folder / "imagesTr").iterdir()):
        image = nibabel.Nifti1Image(np.asanyarray(nibabel.load(path).dataobj), AFFINE)
        image.set_qform(AFFINE, 1)
        image.set_sform(flipped, 2)
        nibabel.save(image, path)
    message = problems(folder)
    assert "by the qform of the image, which disagrees with its sform, they match: geometry=qform" in message
    task = open_dataset(folder, geometry="qform")
    same(task, "case_000", raw.image()[None])
    assert "sform and qform disagree, the qform is used" in task.facts["note"]
    same(open_dataset(folder, geometry="voxels"), "case_000", raw.image()[None])
    with pytest.raises(InputError, match="geometry must be one of"):
        open_dataset(folder, geometry="itk")


TURNS = {
    "flipped": ((0, 1, 2), (1,)),
    "mirrored": ((0, 1, 2), (0,)),
    "permuted": ((2, 0, 1), ()),
    "both": ((1, 0, 2), (0, 2)),
}


@pytest.mark.parametrize("how", TURNS)
def test_a_map_whose_axes_lie_otherwise_is_turned_without_loss(folder, how):
    order, flips = TURNS[how]
    oblique = np.eye(4)
    turn = np.deg2rad(20)
    oblique[:3, :3] = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]]) * (
        1,
        1.5,
        2,
    )
    oblique[:3, 3] = (3, -4, 5)
    stored = np.flip(LABELS, flips).transpose(order)
    # Where voxel (i, j, k) of the stored map lies among those of the image.
    place = np.zeros((4, 4))
    place[3, 3] = 1
    for axis, own in enumerate(order):
        place[own, axis] = -1 if own in flips else 1
        place[own, 3] = raw.SHAPE[own] - 1 if own in flips else 0
    raw.nnunet(folder, n_cases=1)
    raw.write(folder / "imagesTr" / "case_000_0000.nii.gz", raw.image(), oblique)
    raw.write(folder / "labelsTr" / "case_000.nii.gz", np.ascontiguousarray(stored), oblique @ place)
    task = open_dataset(folder)
    same(task, "case_000", raw.image()[None])
    assert "label map: axes turned" in task.facts["note"]


def test_maps_that_lie_elsewhere_need_an_override(folder):
    raw.nnunet(folder, n_cases=1)
    moved = AFFINE.copy()
    moved[0, 3] = 7
    raw.write(folder / "labelsTr" / "case_000.nii.gz", LABELS, moved)
    assert "if their voxels belong together as they are stored, geometry=voxels" in problems(folder)
    same(open_dataset(folder, geometry="voxels"), "case_000", raw.image()[None])
    raw.write(folder / "labelsTr" / "case_000.nii.gz", raw.label(1, 2, shape=(10, 12, 9)), moved)
    assert "differ in shape" in problems(folder, geometry="voxels")


def test_label_values_that_a_scaling_moved(folder):
    """scl_slope of float arrays saved as integers: nipy/nibabel#1344."""
    raw.nnunet(folder, n_cases=1)
    path = folder / "labelsTr" / "case_000.nii.gz"
    raw.write(path, np.choose(LABELS, [0, 32767, 65534]).astype(np.uint16))
    edit(path, scale=(1 / 32767, 0.0))
    same(open_dataset(folder), "case_000")
    edit(path, scale=(1.002 / 32767, 0.0))
    assert "label values 1.002" in problems(folder)
    raw.write(path, LABELS.astype(np.float64) + np.where(LABELS == 2, 1.1e-3, 0))
    assert "label values 2.0011 are" in problems(folder)
    raw.write(path, raw.image().astype(np.float32))
    reword(folder, labels={"background": 0, "core": 1})
    assert "label values" in problems(folder)


def test_several_channels_in_one_file(folder):
    """As nnU-Net's SimpleITK reader counts them; and vectors as NIfTI's fifth axis."""
    stack = np.stack([raw.image(n) for n in range(3)], axis=-1)
    raw.nnunet(folder, n_cases=1)
    reword(folder, channel_names={"0": "a", "1": "b", "2": "c"})
    assert "case_000_0001.nii.gz: the file is missing" in problems(folder)
    for data in (stack, stack[:, :, :, None, :]):
        raw.write(folder / "imagesTr" / "case_000_0000.nii.gz", data)
        same(open_dataset(folder), "case_000", np.moveaxis(stack, -1, 0))
    reword(folder, channel_names={"0": "a", "1": "b"})
    assert "3 channels, dataset.json names 2 (a, b)" in problems(folder)


@pytest.mark.parametrize("axes", ["components", "time"])
def test_several_channels_in_one_itk_file(folder, axes):
    sitk = pytest.importorskip("SimpleITK")
    stack = np.stack([raw.image(n) for n in range(2)])
    raw.nnunet(folder, n_cases=1, ending=".mha", channels=("a", "b"))
    (folder / "imagesTr" / "case_000_0001.mha").unlink()
    if axes == "components":
        image = sitk.GetImageFromArray(stack.transpose(3, 2, 1, 0), isVector=True)
        image.SetSpacing((1.0, 1.5, 2.0))
    else:
        image = sitk.GetImageFromArray(stack.transpose(0, 3, 2, 1), isVector=False)
        image.SetSpacing((1.0, 1.5, 2.0, 1.0))
    sitk.WriteImage(image, str(folder / "imagesTr" / "case_000_0000.mha"))
    same(open_dataset(folder), "case_000", stack)


def test_tiff_stacks_have_their_voxel_size_beside_them(folder):
    """MIC-DKFZ/nnUNet#1829: CASE.json holds the spacing as z, y, x."""
    sitk = pytest.importorskip("SimpleITK")
    raw.nnunet(folder, ending=".mha")
    for path in sorted(folder.rglob("*.mha")):
        image = sitk.ReadImage(str(path))
        sitk.WriteImage(image, str(path.with_suffix(".tif")))
        path.unlink()
    reword(folder, file_ending=".tif")
    message = problems(folder)
    assert "a TIFF states no voxel size" in message and "to case_000.json beside it" in message
    for path in sorted(folder.rglob("*.tif")):
        (path.parent / f"{path.stem.removesuffix('_0000')}.json").write_text('{"spacing": ["2", 1.5, 1]}')
    task = open_dataset(folder)
    same(task, "case_001", raw.image(10)[None])
    (folder / "labelsTr" / "case_001.json").write_text('{"spacing": [2, 1.5, 1.5]}')
    assert "voxel sizes differ" in problems(folder)
    (folder / "labelsTr" / "case_001.json").write_text('{"spacing": [2, 0, 1.5]}')
    assert 'must hold {"spacing": [z, y, x]}, three numbers above 0' in problems(folder)
    for where in ("imagesTr", "labelsTr"):
        (folder / where / "case_001.json").write_text('{"spacing": [4, 3, 2]}')
    other = open_dataset(folder)
    assert other.fingerprint != task.fingerprint and other.load("case_001").spacing == (2, 3, 4)


def test_two_dimensions_and_colours_are_named(folder):
    raw.nnunet(folder / "png")
    reword(folder / "png", file_ending=".PNG")
    assert "2-D picture format" in problems(folder / "png")
    for shape in ((10, 12), (10, 12, 1), (1, 10, 12)):
        raw.nnunet(folder / "flat", n_cases=1)
        raw.write(folder / "flat" / "imagesTr" / "case_000_0000.nii.gz", np.ones(shape, np.float32))
        assert f"is 2-D (shape {shape})" in problems(folder / "flat")
    rgb = np.zeros(raw.SHAPE, dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    raw.write(folder / "flat" / "imagesTr" / "case_000_0000.nii.gz", rgb)
    assert "RGB colours; split them into one file a channel" in problems(folder / "flat")


def test_names_that_nnunet_would_misread(folder):
    """word_0002 is no channel 2 (MIC-DKFZ/nnUNet#2346); labels carry no channel number (#231)."""
    for part, end in (("images", "word_{:04d}"), ("labels", "case_{:03d}_0000")):
        raw.nnunet(folder / part, n_cases=3)
        for n in range(3):
            name = end.format(n + 2 if part == "images" else n)
            (folder / part / "labelsTr" / f"case_{n:03d}.nii.gz").rename(folder / part / "labelsTr" / f"{name}.nii.gz")
            if part == "images":
                image = folder / part / "imagesTr" / f"case_{n:03d}_0000.nii.gz"
                image.rename(image.with_name(f"{name}.nii.gz"))
    message = problems(folder / "images")
    assert "nnU-Net wants word_0002_0000.nii.gz; its _0002 would be read as channel 2 of 'word'" in message
    assert "3 problems" in message
    message = problems(folder / "labels")
    assert "label names carry no channel number; nnU-Net wants case_001.nii.gz" in message and "3 problems" in message


def test_orientations_that_differ_are_said(folder):
    raw.nnunet(folder)
    for part, end, data in (("imagesTr", "_0000", raw.image(10)), ("labelsTr", "", LABELS)):
        raw.write(folder / part / f"case_001{end}.nii.gz", data, np.diag([-1.0, -1.5, 2.0, 1.0]))
    assert "orientations differ between cases (RAS 1, LPS 1)" in open_dataset(folder).facts["note"]


def test_what_a_case_holds_is_counted(folder):
    raw.nnunet(folder, n_cases=1)
    facts = open_dataset(folder).facts["per_case"]["case_000"]
    assert facts["shape"] == list(raw.SHAPE) and facts["spacing"] == [1, 1.5, 2] and facts["orientation"] == "RAS"
    (seen,) = facts["intensities"]
    assert seen["min"] == raw.image().min() and seen["mean"] == pytest.approx(raw.image().mean(), rel=1e-5)
    assert seen["p50"] == pytest.approx(np.median(raw.image()), rel=1e-5)
