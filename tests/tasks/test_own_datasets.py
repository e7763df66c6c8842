"""nnU-Net raw and Decathlon folders as tasks: what is read, and every kind of bad input, named with its file."""

import gzip
import itertools
import json
import pickle
import sys

import numpy as np
import pytest
import raw_data as raw

from tebench.base.errors import InputError, UnknownNameError
from tebench.tasks import survey
from tebench.tasks.dataset import open_dataset
from tebench.tasks.reading import read
from tebench.tasks.survey import read_layout


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


@pytest.mark.parametrize("ending", [".nii.gz", ".nii", ".mgz", ".nrrd", ".mha"])
def test_nnunet_with_two_channels_in_every_format(folder, ending):
    task = open_dataset(raw.nnunet(folder, channels=("T1", "FLAIR"), ending=ending))
    assert task.name == "Dataset042_Mine" and task.classes == ("background", "core", "rim")
    assert task.cases == ("case_000", "case_001") and task.test_cases == ()
    assert task.facts["modality"] == "T1, FLAIR"
    case = task.load("case_001")
    assert case.image.shape == (2, *raw.SHAPE) and case.image.dtype == np.float32
    assert case.labels.dtype == np.int16 and case.spacing == pytest.approx((1.0, 1.5, 2.0)) and case.origin == "subject"
    np.testing.assert_array_equal(case.image[1], raw.image(11))
    np.testing.assert_array_equal(case.labels, raw.label(1, 2))


def test_nothing_is_reoriented(folder):
    turned = np.array([[0, -2.0, 0, 5], [1.0, 0, 0, 0], [0, 0, 1.5, 0], [0, 0, 0, 1]])
    raw.nnunet(folder, n_cases=1)
    raw.write(folder / "imagesTr" / "case_000_0000.nii.gz", raw.image(), turned)
    raw.write(folder / "labelsTr" / "case_000.nii.gz", raw.label(1, 2), turned)
    case = open_dataset(folder).load("case_000")
    np.testing.assert_array_equal(case.image[0], raw.image())
    assert case.spacing == pytest.approx((1.0, 2.0, 1.5))


@pytest.mark.parametrize("channels", [("FLAIR",), ("FLAIR", "T1", "T2")])
def test_decathlon(tmp_path, channels):
    task = open_dataset(raw.decathlon(tmp_path / "Task01_BrainTumour", channels=channels))
    assert task.name == "Task01_BrainTumour" and task.title == "BRATS" and task.facts["licence"] == "CC-BY-SA 4.0"
    assert task.classes == ("background", "edema", "tumour") and task.cases == ("BRATS_000", "BRATS_001")
    case = task.load("BRATS_001")
    assert case.image.shape == (len(channels), *raw.SHAPE)
    np.testing.assert_array_equal(case.image[-1], raw.image(10 + len(channels) - 1))


def test_an_explicit_listing(folder):
    raw.nnunet(folder)
    listing = {
        name: {"images": [f"imagesTr/case_{n:03d}_0000.nii.gz"], "label": f"labelsTr/case_{n:03d}.nii.gz"}
        for n, name in enumerate(("a", "b"))
    }
    description = json.loads((folder / "dataset.json").read_text())
    raw.describe(folder, **description, dataset=listing)
    assert open_dataset(folder).cases == ("a", "b")


def test_regions_become_the_last_declared_region_of_each_voxel(folder):
    regions = {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "enhancing": 3}
    raw.nnunet(folder, labels=regions, values=(1, 2, 3), regions_class_order=[1, 2, 3])
    task = open_dataset(folder)
    assert task.classes == ("background", "whole", "core", "enhancing") and "last declared" in task.facts["note"]
    np.testing.assert_array_equal(task.load("case_000").labels, raw.label(1, 2, 3))
    raw.describe(
        folder, channel_names={"0": "T1"}, file_ending=".nii.gz", labels={"background": 0, "any": [1, 2, 3], "core": 2}
    )
    np.testing.assert_array_equal(open_dataset(folder).load("case_000").labels, raw.label(1, 2, 1))


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({"background": 0, "core": 3, "whole": [1, 2, 3]}, "'core' is wholly covered by regions declared after it"),
        ({"background": 0, "whole": [0, 1]}, "holds 0, the background"),
        ({"background": 0, "whole": [1, "two"]}, "must list whole numbers"),
        ({"core": 1}, "no label is 0"),
        ({"background": 0}, "no label beside the background"),
        ({"background": 0, "a": 1, "b": 1}, "share one value"),
        ({"background": 0, "a": 1.5}, "whole number"),
        ({"0": 1, "1": 0}, "which is which cannot be told"),
        ({"background": 0, "a": 1, "ignore": 1}, "'ignore' shares its value"),
        ({"background": 0, "a": 1, "ignore": [2]}, "'ignore' must be one whole number"),
        ([], "must be {name: value}"),
    ],
)
def test_labels_that_cannot_be_met(folder, labels, words):
    raw.nnunet(folder, n_cases=1)
    raw.describe(folder, channel_names={"0": "T1"}, labels=labels, file_ending=".nii.gz")
    with pytest.raises(InputError, match=words):
        read_layout(folder)


def test_values_that_are_not_consecutive(folder):
    raw.nnunet(folder, labels={"background": 0, "rim": 7, "core": 3}, values=(3, 7))
    task = open_dataset(folder)
    assert task.classes == ("background", "core", "rim")
    np.testing.assert_array_equal(task.load("case_000").labels, raw.label(1, 2))


def test_the_ignore_label(folder):
    labels = {"background": 0, "core": 1, "rim": 2, "ignore": 3}
    assert open_dataset(raw.nnunet(folder / "unused", labels=labels)).classes == ("background", "core", "rim")
    task = open_dataset(raw.nnunet(folder / "used", labels=labels, values=(1, 2, 3)))
    assert task.classes == ("background", "core", "rim") and "value 3 (ignore) are in no sample" in task.facts["note"]
    expected = raw.label(1, 2, 3).astype(np.int16)
    expected[expected == 3] = -1
    np.testing.assert_array_equal(task.load("case_000").labels, expected)
    regions = {"background": 0, "whole": [1, 2], "core": [2], "ignore": 3}
    task = open_dataset(raw.nnunet(folder / "regions", labels=regions, values=(1, 2, 3)))
    np.testing.assert_array_equal(task.load("case_000").labels, expected)
    message = problems(raw.nnunet(folder / "nothing", labels=labels, values=(3,)))
    assert "no label map holds a foreground voxel" in message
    raw.write(folder / "used" / "labelsTr" / "case_001.nii.gz", np.full(raw.SHAPE, 3, np.uint8))
    assert "case_001.nii.gz: every voxel is to be ignored" in problems(folder / "used")


def test_one_report_of_all_problems_each_with_its_file(folder):
    raw.nnunet(folder, n_cases=9, channels=("T1", "T2"))
    image, label = folder / "imagesTr", folder / "labelsTr"
    (image / "case_000_0001.nii.gz").unlink()
    raw.write(label / "case_001.nii.gz", raw.label(1, 2, shape=(12, 12, 8)))
    raw.write(label / "case_002.nii.gz", raw.label(1, 5))
    raw.write(label / "case_003.nii.gz", raw.label())  # empty, which is legal
    nan = raw.image()
    nan[1, 2, 3] = np.nan
    raw.write(image / "case_004_0000.nii.gz", nan)
    data = (image / "case_005_0001.nii.gz").read_bytes()
    (image / "case_005_0001.nii.gz").write_bytes(data[: len(data) // 2])
    raw.write(image / "case_006_0001.nii.gz", raw.image(), np.diag([1.0, 1.5, 2.5, 1.0]))
    raw.write(image / "case_007_0000.nii.gz", np.stack([raw.image()] * 2, axis=-1))
    raw.write(image / "case_008_0002.nii.gz", raw.image())
    raw.write(image / "case_009_0000.nii.gz", raw.image())
    raw.write(image / "case_010.nii.gz", raw.image())
    message = problems(folder)
    for file, words in (
        ("case_000_0001.nii.gz", "the file is missing"),
        ("case_001_0000.nii.gz", "image (10, 12, 8) and label map (12, 12, 8) differ in shape"),
        ("case_002.nii.gz", "label values 5 are not in dataset.json (known: 0, 1, 2)"),
        ("case_004_0000.nii.gz", "1 voxels are NaN or infinite"),
        ("case_005_0001.nii.gz", "corrupt or not readable"),
        ("case_006_0001.nii.gz", "voxels apart at a corner (spacing 1x1.5x2 against 1x1.5x2.5 mm"),
        ("case_007_0000.nii.gz", "3 channels, dataset.json names 2 (T1, T2)"),
        ("case_008_0002.nii.gz", "channel 2, but dataset.json names 2"),
        ("case_009.nii.gz", "label map of image 'case_009' is missing"),
        ("case_010.nii.gz", "its name has no channel number"),
    ):
        assert any(file in line and words in line for line in message.splitlines()), (file, words, message)
    assert "skip_broken=true" in message and "exclude=[" in message and "10 problems" in message.splitlines()[0]


def test_a_subset_is_checked_and_loaded_alone(folder):
    raw.nnunet(folder, n_cases=4)
    (folder / "labelsTr" / "case_002.nii.gz").write_bytes(b"no image")
    raw.write(folder / "imagesTr" / "case_010.nii.gz", raw.image())
    assert "case_002" in problems(folder)
    task = open_dataset(folder, cases=["case_003", "case_000"])
    assert task.cases == ("case_000", "case_003") and task.facts["n_cases"] == "2 of 4"
    with pytest.raises(UnknownNameError, match="Did you mean 'case_003'"):
        open_dataset(folder, cases=["case_033"])
    for bad in ([], "case_000", ["case_000", "case_000"]):
        with pytest.raises(InputError, match="cases must list"):
            open_dataset(folder, cases=bad)


def test_more_cases_only_add(folder):
    raw.nnunet(folder, n_cases=6)
    chosen = [set(open_dataset(folder, max_cases=n).cases) for n in (1, 3, 5, 99)]
    assert [len(ids) for ids in chosen] == [1, 3, 5, 6]
    assert all(few < more for few, more in itertools.pairwise(chosen))
    for bad in (0, True, 1.5):
        with pytest.raises(InputError, match="max_cases must be"):
            open_dataset(folder, max_cases=bad)


def test_the_fingerprint_follows_the_files_and_the_labels(folder):
    raw.nnunet(folder)
    first = open_dataset(folder)
    assert open_dataset(folder).fingerprint == first.fingerprint
    assert open_dataset(folder, cases=["case_000"]).fingerprint != first.fingerprint
    raw.write(folder / "imagesTr" / "case_000_0000.nii.gz", raw.image(99))
    second = open_dataset(folder)
    raw.describe(folder, channel_names={"0": "T1"}, labels={"background": 0, "x": 1, "y": 2}, file_ending=".nii.gz")
    assert len({first.fingerprint, second.fingerprint, open_dataset(folder).fingerprint}) == 3


def test_a_check_is_remembered_until_a_file_changes(folder, monkeypatch):
    raw.nnunet(folder)
    first, seen, check = open_dataset(folder), [], survey.check_case
    monkeypatch.setattr(survey, "check_case", lambda files, *more: seen.append(files.id) or check(files, *more))
    again = open_dataset(folder)
    assert seen == [] and again.fingerprint == first.fingerprint and again.facts == first.facts
    raw.write(folder / "labelsTr" / "case_001.nii.gz", raw.label(1))
    assert open_dataset(folder).fingerprint != first.fingerprint
    assert seen == ["case_001"]


def test_tasks_can_be_sent_to_workers(folder):
    task = pickle.loads(pickle.dumps(open_dataset(raw.nnunet(folder))))
    assert task.load("case_000").labels.max() == 2


@pytest.mark.parametrize("path", ["../outside/x.nii.gz", "/etc/passwd", "imagesTr/../../x.nii.gz", "..\\x.nii.gz"])
def test_paths_that_leave_the_folder_are_refused_where_they_are_not_trusted(tmp_path, path):
    folder = raw.decathlon(tmp_path / "Task", n_cases=1)
    description = json.loads((folder / "dataset.json").read_text())
    description["training"].append({"image": "imagesTr/BRATS_000.nii.gz", "label": path})
    raw.describe(folder, **description)
    assert "leads out of the data set's folder" in problems(folder, outside=False)
    listed = raw.nnunet(tmp_path / "Dataset", n_cases=1)
    description = json.loads((listed / "dataset.json").read_text())
    raw.describe(listed, **description, dataset={"a": {"images": [path], "label": "labelsTr/case_000.nii.gz"}})
    assert "leads out of the data set's folder" in problems(listed, outside=False)
    assert "leads out" not in problems(listed)  # trusted, and still no image


@pytest.mark.parametrize("path", ["", 3, None, "a\0b"])
def test_paths_that_are_none(tmp_path, path):
    listed = raw.nnunet(tmp_path / "Dataset", n_cases=1)
    description = json.loads((listed / "dataset.json").read_text())
    raw.describe(listed, **description, dataset={"a": {"images": [path], "label": "labelsTr/case_000.nii.gz"}})
    assert "expected the name of a file" in problems(listed)


@pytest.mark.parametrize(
    ("path", "words"), [("x" * 300, "longer than"), ("a/" * 2100, "longer than"), ("\ud800", "half a")]
)
def test_paths_that_no_file_system_takes(tmp_path, path, words):
    """Found by fuzzing: a bare OSError for a name of 300 characters."""
    listed = raw.nnunet(tmp_path / "Dataset", n_cases=1)
    description = json.loads((listed / "dataset.json").read_text())
    raw.describe(listed, **description, dataset={"a": {"images": [path], "label": "labelsTr/case_000.nii.gz"}})
    assert words in problems(listed)


def test_two_cases_of_one_name(tmp_path):
    folder = raw.decathlon(tmp_path / "Task", n_cases=1)
    description = json.loads((folder / "dataset.json").read_text())
    description["training"] *= 2
    raw.describe(folder, **description)
    assert "case name 'labelsTr_BRATS_000' is used twice" in problems(folder)
    listed = raw.nnunet(tmp_path / "Dataset", n_cases=1)
    entry = '{"images": ["imagesTr/case_000_0000.nii.gz"], "label": "labelsTr/case_000.nii.gz"}'
    (listed / "dataset.json").write_text('{"dataset": {"a": %s, "a": %s}}' % (entry, entry))  # noqa: UP031
    with pytest.raises(InputError, match="'a' stands twice"):
        open_dataset(listed)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"channel_names": {}}, "numbered from 0"),
        ({"channel_names": {"1": "T1"}}, "numbered from 0"),
        ({"file_ending": "/../x.nii.gz"}, "file_ending"),
        ({"file_ending": ".png"}, "file_ending"),
        ({"file_ending": ".mha"}, "no label map ends with .mha"),
    ],
)
def test_bad_descriptions(folder, words, message):
    raw.nnunet(folder)
    description = json.loads((folder / "dataset.json").read_text())
    raw.describe(folder, **{**description, **words})
    assert message in problems(folder)


def test_folders_that_are_no_data_set(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        open_dataset(tmp_path / "absent")
    (tmp_path / "bare").mkdir()
    with pytest.raises(InputError, match=r"has no dataset\.json"):
        open_dataset(tmp_path / "bare")
    with pytest.raises(InputError, match="imagesTr does not exist"):
        open_dataset(raw.describe(tmp_path / "d", channel_names={"0": "T1"}, labels={"background": 0, "a": 1}))
    (tmp_path / "bare" / "dataset.json").write_text("{")
    with pytest.raises(InputError, match="not readable JSON"):
        open_dataset(tmp_path / "bare")


def test_without_simpleitk_the_message_says_what_to_install(folder, monkeypatch):
    raw.nnunet(folder, ending=".nrrd")
    monkeypatch.setitem(sys.modules, "SimpleITK", None)
    assert "python -m pip install SimpleITK" in problems(folder)


def test_a_header_that_claims_too_much_is_refused_before_memory_is_asked_for(tmp_path):
    raw.write(tmp_path / "x.nii", raw.image())
    data = bytearray((tmp_path / "x.nii").read_bytes())
    data[42:48] = np.array([30000, 30000, 30000], "<i2").tobytes()
    with gzip.open(tmp_path / "big.nii.gz", "wb") as file:
        file.write(data)
    with pytest.raises(InputError, match="header claims"):
        read(tmp_path / "big.nii.gz")
