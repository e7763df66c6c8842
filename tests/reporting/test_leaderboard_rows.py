"""Rows of the leaderboard: exact round trip, and everything that is wrong is said."""

import leaderboard_world
import pytest

from tebench.base.errors import InputError
from tebench.publication import leaderboard_rows


@pytest.fixture(name="rows", scope="module")
def _rows():
    return leaderboard_world.rows_and_truth()[0]


def _broken(rows, where, **changes):
    rows = rows.copy()
    for name, value in changes.items():
        rows[name] = rows[name].astype(object)
        rows.at[rows.index[where], name] = value
    return leaderboard_rows.problems(leaderboard_rows.text(rows))


def test_round_trip_is_exact(rows, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text(leaderboard_rows.text(rows))
    back = leaderboard_rows.read(path)
    assert leaderboard_rows.text(back) == path.read_text()
    key = leaderboard_rows.KEY
    first, second = (frame.set_index(key).sort_index() for frame in (rows, back))
    assert first["score"].equals(second["score"])
    assert first["components"].tolist() == second["components"].tolist()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"score": float("inf")}, "score must be a finite number"),
        ({"task": "<script>alert(1)</script>"}, "task '<script>"),
        ({"encoder": "../../etc/passwd"}, "encoder '../../etc"),
        ({"encoder": "=HYPERLINK(1)"}, "does not match"),
        ({"direction": "sideways"}, "direction must be up or down"),
        ({"status": "great", "reason": ""}, "status must be one of"),
        ({"status": "failed", "score": float("nan"), "reason": ""}, "without a reason"),
        ({"feature_hash": "abc"}, "feature_hash 'abc'"),
        ({"label_hash": "0" * 64}, "different label_hash"),
        ({"metric": "Mine!"}, "metric 'Mine!'"),
        ({"n_foreground": 0}, "n_foreground must be"),
        ({"seed": -1}, "seed must be"),
        ({"parameters": {"k": 1}}, "one setting per metric"),
        ({"reason": "x" * 30000}, "at most 20000"),
        ({"task": "mean"}, "no task may be called"),
    ],
)
def test_unsound_rows_are_named(rows, changes, said):
    found = _broken(rows, 0, **changes)
    assert any(said in text for text in found), found


def test_gaps_and_duplicates_are_named(rows):
    text = leaderboard_rows.text(rows)
    lines = text.splitlines(keepends=True)
    assert "1 missing cell(s)" in leaderboard_rows.problems("".join([*lines[:5], *lines[6:]]))[0]
    assert "1 duplicate row(s)" in leaderboard_rows.problems(text + lines[1])[0]
    assert "JSON" in leaderboard_rows.problems(text.replace("{}", '{""a"": NaN}', 1))[0]
    assert leaderboard_rows.problems(lines[0]) == ["no rows"]
    assert "columns" in leaderboard_rows.problems("a,b\n1,2\n")[0]
    assert "cells, expected" in leaderboard_rows.problems(lines[0] + "1,2\n")[0]


def test_formulas_in_free_text_are_quoted_and_control_characters_go(rows):
    rows = rows.copy()
    rows["title"] = "=1+1\x00\nx"
    text = leaderboard_rows.text(rows)
    assert "'=1+1 x" in text
    assert leaderboard_rows.problems(text) == []
    assert any("formula" in said for said in leaderboard_rows.problems(text.replace("'=1+1", "=1+1")))


def test_files_that_cannot_be_read_are_input_errors(tmp_path, monkeypatch):
    path = tmp_path / "rows.csv"
    with pytest.raises(InputError, match="cannot be read"):
        leaderboard_rows.read(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not UTF-8"):
        leaderboard_rows.read(path)
    monkeypatch.setattr(leaderboard_rows, "MOST_BYTES", 2)
    with pytest.raises(InputError, match="refused above 2"):
        leaderboard_rows.read(path)


def test_more_rows_than_the_limit_are_refused_unless_the_benchmark_states_them(rows, tmp_path, monkeypatch):
    """Found: 1,000 encoders x 100 tasks x 2 metrics could not be read back."""
    conf = tmp_path / "conf" / "benchmark"
    conf.mkdir(parents=True)
    monkeypatch.setattr(leaderboard_rows, "files", lambda _: tmp_path / "conf")
    path, text = tmp_path / "large.csv", leaderboard_rows.text(rows)
    path.write_text(text)
    count = len(rows)
    monkeypatch.setattr(leaderboard_rows, "MOST_ROWS", count - 1)
    with pytest.raises(InputError, match=f"more than {count - 1} rows; at most {count - 1} are read"):
        leaderboard_rows.read(path)
    monkeypatch.setattr(leaderboard_rows, "MOST_BYTES", 2)
    with pytest.raises(InputError, match=r"refused above 2\. .*states most_rows in conf/benchmark/large\.yaml"):
        leaderboard_rows.read(path)
    (conf / "large.yaml").write_text(f"most_rows: {count}\n")
    assert len(leaderboard_rows.read(path)) == count
    path.write_text(text + text.splitlines()[1] + "\n")
    with pytest.raises(InputError, match=f"at most {count} are read"):
        leaderboard_rows.read(path)
    path.write_text("x" * (count * leaderboard_rows.ROW_BYTES + 1))
    with pytest.raises(InputError, match=f"refused above {count * leaderboard_rows.ROW_BYTES}"):
        leaderboard_rows.read(path)
    for wrong in ("many", 0, 1.5, True):
        (conf / "large.yaml").write_text(f"most_rows: {wrong}\n")
        with pytest.raises(InputError, match="most_rows must be a whole number >= 1"):
            leaderboard_rows.read(path)


def test_of_a_file_that_is_wrong_throughout_only_the_first_faults_are_said(rows):
    lines = leaderboard_rows.text(rows).splitlines(keepends=True)
    found = leaderboard_rows.problems(lines[0] + lines[1].replace("ok", "?") * 3000)
    assert len(found) == leaderboard_rows.MOST_SAID and found[-1].startswith("line ")


def test_lines_end_as_they_do_anywhere(rows):
    text = leaderboard_rows.text(rows)
    for end in ("\r\n", "\r"):
        assert leaderboard_rows.problems(text.replace("\n", end)) == []
