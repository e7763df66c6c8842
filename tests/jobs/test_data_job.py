"""job=data: what it says of a data set, and the files it leaves."""

import contextlib
import io
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from own_world import compose
from own_world import raw_data as raw

from tebench.base.errors import InputError
from tebench.cli.jobs import data
from tebench.cli.options import prepare
from tebench.tasks.components import components


def run(folder, out, *more):
    """(text, exit code)"""
    words = compose(
        "job=data", f"dataset={folder}", f"cache={out / 'cache'}", f"job.folder={out}", "progress=false", *more
    )
    said, code = io.StringIO(), 0
    with contextlib.redirect_stdout(said):
        try:
            data.run(*words)
        except SystemExit as error:
            code = error.code
    return said.getvalue(), code


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """Nine cases of two channels: one constant, six with a strange label, one empty; and a class that never occurs."""
    folder = tmp_path_factory.mktemp("data") / "Dataset042_<b>Mine"
    labels = {"background": 0, "core": 1, "rim": 2, "never": 7}
    raw.nnunet(folder, n_cases=9, channels=("CT", "T1"), labels=labels)
    for channel in range(2):
        raw.write(folder / "imagesTr" / f"case_000_{channel:04d}.nii.gz", np.full(raw.SHAPE, 5, np.float32))
    for n in range(1, 7):
        raw.write(folder / "labelsTr" / f"case_{n:03d}.nii.gz", raw.label(1, 2, 40 + n))
    raw.write(folder / "labelsTr" / "case_007.nii.gz", raw.label())
    out = folder.parent / "out"
    return folder, out, *run(folder, out)


def test_the_text(broken):
    _, _, text, code = broken
    assert code == 1
    lines = text.splitlines()
    assert lines[1] == "2 of 9 cases can be read; 2 of 3 foreground classes occur."
    assert (
        "size in voxels: 10x12x8" in lines and "voxel size in mm: 1x1.5x2" in lines and "orientation: RAS (2)" in lines
    )
    assert "Problems (7):" in lines and "and 3 more of the kind 'label values that are not in dataset.json'" in text
    assert "exclude=[case_000,case_001,case_002,case_003,case_004,case_005,case_006]" in text
    assert "1 of 2 label maps are empty" in text and "no case holds a voxel of never" in text
    assert "channel CT has no value below 0 in any case: are these Hounsfield units?" in text


def test_the_tables(broken):
    _, out, *_ = broken
    classes = pd.read_csv(out / "classes.csv").set_index("class")
    counts = np.bincount(raw.label(1, 2).ravel())
    assert classes.loc["core", "voxels"] == counts[1] and classes.loc["core", "cases"] == 1
    assert classes.loc["rim", "median ml"] == pytest.approx(counts[2] * 3 / 1000)
    assert classes.loc["never", "voxels"] == 0 and classes.loc["core", "components"] == 1
    cases = pd.read_csv(out / "cases.csv").set_index("case")
    assert len(cases) == 9 and "same value everywhere" in cases.loc["case_000", "problems"]
    assert cases.loc["case_008", "CT p50"] == pytest.approx(np.median(raw.image(80)), rel=1e-5)
    assert len(pd.read_csv(out / "problems.csv")) == 7 and (out / "overlay.png").stat().st_size > 5000


class Seen(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.links, self.words = [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [value for name, value in attributes if name in ("src", "href")]

    def handle_data(self, words):
        self.words.append(words)


def test_the_page_is_one_file_and_escapes_names(broken):
    _, out, *_ = broken
    seen = Seen()
    seen.feed((out / "data.html").read_text(encoding="utf-8"))
    assert all(link.startswith("data:image/png;base64,") for link in seen.links) and len(seen.links) == 1
    assert "b" not in seen.tags and "script" not in seen.tags and "link" not in seen.tags
    assert any("Dataset042_<b>Mine" in words for words in seen.words)
    text = " ".join(seen.words)
    assert text.index("2 of 9 cases can be read") < text.index("Problems (7)") < text.index("Classes")
    assert "@media print" in text  # it is made to be printed


def test_a_sound_data_set_and_a_part_of_one(broken, tmp_path):
    folder, *_ = broken
    text, code = run(folder, tmp_path, "cases=[case_007,case_008]")
    assert code == 0 and "All 2 cases can be read" in text and "Problems" not in text
    text, code = run(folder, tmp_path, "cases=[case_007]")
    assert code == 0 and "there is nothing to rank by" in text
    with pytest.raises(InputError, match="needs a data set"):
        data.run(*compose("job=data"))


def test_components_are_counted_in_each_class():
    labels = np.zeros((9, 9, 9), np.int16)
    labels[1, 1, 1] = labels[2, 2, 2] = 1  # joined by a corner
    labels[5:7, 5, 5] = 2
    labels[5, 8, 8] = 2
    labels[0] = -1
    assert components(labels, 4) == [0, 1, 2, 0]
    assert components(np.zeros((3, 3, 3), np.int16), 2) == [0, 0]


@pytest.mark.parametrize("name", ["My data (v1), a=b [x]", "Übung 3", "it's", "a{b}", "x;y", "50%", "#1"])
def test_paths_with_odd_characters_need_no_quotes(tmp_path, name):
    """MIC-DKFZ/nnDetection#118: blanks, brackets, = and commas, which Hydra's grammar keeps for itself."""
    assert compose("job=data", f"dataset={tmp_path / name}")[1].dataset == str(tmp_path / name)


def test_what_the_user_quotes_lists_or_sweeps_is_left_alone():
    assert prepare(["job=data", "dataset='a b'"]) == ["job=data", "job.dataset='a b'"]
    assert prepare(["job=data", "dataset=[a,b]"]) == ["job=data", "job.dataset=[a,b]"]
    assert prepare(["-m", "job=data", "dataset=a b,c"]) == ["-m", "job=data", "job.dataset=a b,c"]
    assert prepare(["job=data", "cache=${oc.env:HOME}/x y"]) == ["job=data", "cache=${oc.env:HOME}/x y"]
