import numpy as np
import pandas as pd
import pytest

from tebench.base.errors import InputError
from tebench.evaluation import groundtruth as g


@pytest.fixture(name="rows")
def _rows():
    return pd.DataFrame(
        [("v1", e, t, s, "dsc", 0.5 + 0.1 * k, "m1") for k, e in enumerate("abc") for t in ("x", "y") for s in (0, 1)],
        columns=[*g.COLUMNS, "machine"],
    )


def test_read_keeps_provenance_sorts_and_makes_a_matrix(rows, tmp_path):
    rows.sample(frac=1, random_state=0).to_csv(tmp_path / "gt.csv", index=False)
    truth = g.read(tmp_path / "gt.csv")
    assert list(truth.columns) == [*g.COLUMNS, "machine"]
    assert truth["machine"].unique().tolist() == ["m1"]
    dice, seeds = g.matrix(truth, "x", ["c", "a", "b"])
    np.testing.assert_allclose(dice, [[0.7, 0.7], [0.5, 0.5], [0.6, 0.6]])
    assert seeds == [0, 1]


def test_protocols_never_mix(rows):
    both = pd.concat([rows, rows.assign(protocol="v1-frozen")])
    with pytest.raises(InputError, match="v1, v1-frozen; they never mix"):
        g.validate(both)
    assert len(g.validate(both, protocol="v1-frozen")) == len(rows)
    with pytest.raises(InputError, match=r"unknown protocol.*v1-frozn.*Did you mean 'v1-frozen'"):
        g.validate(both, protocol="v1-frozn")


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("value", 58.7, "fraction 0..1.*a x x seed 0 = 58.7"),
        ("value", -0.1, "fraction"),
        ("value", "nan", "finite"),
        ("value", "inf", "finite"),
        ("value", "high", "finite number"),
        ("seed", "1.5", "seed must be"),
        ("seed", "inf", "seed must be"),
        ("encoder", " ", "empty encoder"),
    ],
)
def test_unsound_rows_are_named(rows, column, value, message):
    rows[column] = rows[column].astype(object)
    rows.loc[0, column] = value
    with pytest.raises(InputError, match=message):
        g.validate(rows)


def test_duplicates_absent_columns_and_empty_files_are_refused(rows, tmp_path):
    with pytest.raises(InputError, match=r"more than one row.*b x y seed 1"):
        g.validate(pd.concat([rows, rows[(rows["encoder"] == "b") & (rows["task"] == "y")]]))
    with pytest.raises(InputError, match=r"column\(s\) task, value absent"):
        g.validate(rows.drop(columns=["task", "value"]))
    with pytest.raises(InputError, match="no rows of metric 'nsd'; it holds dsc"):
        g.validate(rows, metric="nsd")
    with pytest.raises(InputError, match="does not exist"):
        g.read(tmp_path / "none.csv")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(InputError, match="not a readable CSV"):
        g.read(tmp_path / "empty.csv")


def test_missing_cells_are_all_named(rows):
    truth = g.validate(rows.drop(index=[1, 2, 3]))  # a lacks x seed 1 and all of y
    gaps = g.missing(truth, ["a", "b", "d"])
    assert gaps.to_records(index=False).tolist() == [("a", "x", 1), ("d", "x", -1), ("a", "y", -1), ("d", "y", -1)]
    with pytest.raises(InputError, match=r"lacks 2 cell\(s\): a x x \(seed 1\); a x y"):
        g.require(truth, ["a", "b", "c"])
    g.require(truth, ["b", "c"])
