"""What a ranking says of its data and encoders, of several data sets, and of random weights."""

import math

import numpy as np
import pandas as pd
from scipy.stats import ttest_rel

from tebench.encoders.base import InputSpec
from tebench.evaluation.ranking import Scores, compared, rank
from tebench.features.distinct import Distinct
from tebench.features.resampling import grids
from tebench.features.sample import Role
from tebench.features.sampling import assemble
from tebench.reporting import ranking_data, ranking_joint, ranking_words
from tebench.tasks.base import Task


def task(lowest=0.0, voxels=((900, 90, 0), (950, 0, 0))):
    cases = {
        f"c{n}": {"voxels": list(counts), "shape": [10, 10, 10], "spacing": [1, 1, 1], "orientation": "RAS",
                  "intensities": [{"min": lowest, "max": 9.0}]}
        for n, counts in enumerate(voxels)
    }  # fmt: skip
    facts = {"per_case": cases, "absent": ["never"]}
    return Task("t", "t", ("background", "organ", "lesion"), tuple(cases), (), facts, "f", lambda _: None)


def sample(labels, roles):
    n = len(labels)
    arrays = {
        "coordinates": np.zeros((n, 3), np.int32), "labels": np.array(labels, np.int16),
        "case": np.zeros(n, np.int16), "role": np.array(roles, np.int8), "patch": np.full(n, -1, np.int32),
    }  # fmt: skip
    return assemble("t", ("background", "organ", "lesion"), ("c0", "c1"), arrays, {})


def test_classes_say_what_was_read_of_each():
    drawn = sample([0, 0, 1, 1, 1, 0], [Role.BACKGROUND, Role.GLOBAL, Role.FOREGROUND, Role.ANCHOR, Role.MEMBER, 1])
    frame = ranking_data.classes(task(), drawn).set_index("class")
    assert frame.loc["organ"].tolist() == [1, 90, 1, 1, True]
    assert frame.loc["lesion"].tolist() == [0, 0, 0, 0, False] and frame.loc["never", "voxels"] == 0
    assert frame.loc["background", ["cases", "rows"]].tolist() == [2, 2]


def test_zero_is_no_background_where_values_lie_below_it():
    specs = {"a": InputSpec(normalisation="zscore"), "b": InputSpec(normalisation="window(-175,250,0,1)"),
             "c": InputSpec(normalisation="zscore")}  # fmt: skip
    assert ranking_data.zero_as_background(task(0.0), specs) == []
    (said,) = ranking_data.zero_as_background(task(-1024.0), specs)
    assert said.startswith("a, c normalise over the voxels that are not exactly 0 (zscore), but 2 of 2 cases")


def test_few_voxels_and_few_rows_are_said_once_for_encoders_alike():
    small = {"x": {"shape": [48] * 3, "spacing": [0.05] * 3}}
    found = {name: grids(small, (1.0,) * 3) for name in "ab"}
    (said,) = ranking_data.few_voxels(found)
    assert said.startswith("a, b read 2x2x2 voxels, resampled to 1x1x1 mm: 1 case with fewer than 8 along an axis")
    assert ranking_data.few_rows({"a": Distinct(24, 9000), "b": Distinct(8000, 9000)}) == [
        "a gives 24 different feature rows at 9000 voxels; its scores rest on these few."
    ]


def scores(*cases):
    cases = np.asarray(cases, float)
    return Scores(np.array([cases.mean()]), np.array([[np.delete(cases, i).mean() for i in range(len(cases))]]))


def test_encoders_against_the_random_weights_of_their_shape():
    found = {
        "good": scores(0.9, 0.82, 0.88, 0.91), "same": scores(0.41, 0.52, 0.38, 0.5),
        "bad": scores(0.1, 0.12, 0.09, 0.1),
        "good@random": scores(0.4, 0.5, 0.45, 0.47),
    }  # fmt: skip
    pairs = compared(found, {name: "good@random" for name in ("good", "same", "bad")})
    raw = ttest_rel([0.9, 0.82, 0.88, 0.91], [0.4, 0.5, 0.45, 0.47]).pvalue
    assert pairs.set_index("encoder").loc["good", "p"] >= raw  # Holm
    names = list(found)
    readings = pd.DataFrame({"encoder": names, "pre-training": ["mae", "mae", "mae", "none (random weights)"]})
    lines = ranking_words.untrained(rank("gbc", found), "gbc", pairs, readings)
    assert lines == [
        "Above random weights of the same shape: good.", "Not told apart from random weights of the same shape: same.",
        "Below random weights of the same shape: bad.",
    ]  # fmt: skip
    winner = {"good@random": scores(0.99, 0.98, 0.97), "good": scores(0.1, 0.2, 0.15)}
    lines = ranking_words.untrained(rank("gbc", winner), "gbc", compared(winner, {"good": "good@random"}), readings)
    assert lines[-1].startswith("The first has random weights")
    assert len(compared({"a": scores(1, 2), "b": Scores(None, None, "failed")}, {"a": "b"})) == 0


def test_the_joint_table_is_the_mean_of_ranks_and_puts_incomplete_ones_last():
    def rows(**values):
        return rank("gbc", {name: scores(*cases) for name, cases in values.items()}), "gbc"

    one = rows(a=(0.9, 0.8), b=(0.5, 0.45), c=(0.1, 0.12))
    two = rows(b=(0.9, 0.8), a=(0.85, 0.9))
    table = ranking_joint.joint({"one": one, "two": two}).set_index("encoder")
    assert table.index.tolist() == ["a", "b", "c"]  # .875 against .85 on the second: a is first on both
    assert table["mean rank"].tolist() == [1.0, 2.0, 3.0]
    assert table.loc["c", "sets"] == 1 and table.index[-1] == "c" and pd.isna(table.loc["c", "two"])
    lines = ranking_joint.verdict(table.reset_index(), 2)
    assert "has the best mean rank over 2 data sets" in lines[0] and "is no test" in lines[-1]


def test_a_table_of_classes_marks_who_is_not_told_apart():
    found = {
        "organ": rank("gbc", {"a": scores(0.9, 0.91, 0.92), "b": scores(0.1, 0.13, 0.11)}),
        "lesion": rank("gbc", {"b": scores(0.5, 0.9, 0.1), "a": scores(0.4, 0.1, 0.9)}),
    }
    table = ranking_words.class_table(found).set_index("encoder")
    assert table.loc["a"].tolist() == ["1", "2 ="] and table.loc["b"].tolist() == ["2", "1"]
    assert ranking_words.by_class(found) == ["First by class: a for organ; b (not told apart) for lesion."]
    assert math.isnan(ranking_words.long(found)["p"].iloc[0])
