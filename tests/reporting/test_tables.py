import csv
import io
import os
import re
from html.parser import HTMLParser

import pandas as pd
import pytest
import simulated_worlds

from tebench.base.errors import InputError
from tebench.evaluation.compare import rank_groups
from tebench.reporting import formats, tables
from tebench.reporting.summary import number, span, summarise

HOSTILE = "=1+1<script>alert('x')</script>|&_%$#{\\input{x}}`\n\x07"


@pytest.fixture(name="world")
def _world():
    return simulated_worlds.ordinary()


@pytest.fixture(name="many_tasks")
def _many_tasks():
    return simulated_worlds.many()


def test_terminal_is_aligned_and_says_everything(world):
    text = tables.terminal(world.frame, title="simulated")
    lines = text.splitlines()
    assert max(map(len, lines)) <= 120
    head = next(line for line in lines if line.startswith("metric"))
    first, last = (next(line for line in lines if line.startswith(name)) for name in ("ideal", "noise"))
    for column in ("one", "two", "mean"):
        end = head.index(column) + len(column)
        assert first[end - 1] in "]*"
        assert last[end - 1] in "]*"
    row = world.frame[(world.frame["metric"] == "good") & (world.frame["task"] == "one")].iloc[0]
    shown = next(line for line in lines if line.startswith("good"))
    assert f"{number(row['tau_w'])} {span(row['low'], row['high'])}" in shown
    for part in (
        "pool all: 6 encoders, 2 tasks", "noise ceiling", "chance low", "constant on one, two (constant)", "n/a",
        "1 of 6 encoders (encoder01): no source head", "over 3 ground-truth seeds + 2 sampling seeds",
        "other encoders are not covered", "regret", "Rel@3", "peak MB",
    ):  # fmt: skip
        assert part in text


def test_many_tasks_wrap_within_the_width_and_none_is_lost(many_tasks):
    groups = rank_groups(many_tasks.scores, many_tasks.truth, many_tasks.directions, n_draws=199)
    for width in (120, 80):
        text = tables.terminal(many_tasks.frame, groups=groups, width=width)
        assert max(map(len, text.splitlines())) <= width
        assert all(f"a_long_task_name_{i}" in text for i in range(9))
        assert "a_long_task_name_4 (floor, kept out of the mean): all 27 runs" in text
        assert "group" in text


def test_rows_are_sorted_by_mean_and_nothing_within_noise_is_bold(world):
    summary = summarise(world.frame)
    assert [row.metric for row in summary.rows][:3] == ["ideal", "good", "noise"]
    assert summary.rows[0].mean.bold
    chance = simulated_worlds.World({f"r{i}": 0 for i in range(6)}, seed=5).frame
    chance = chance.assign(p=chance["p"].clip(lower=0.02))  # .02 x 6 metrics > .05
    shown = summarise(chance)
    assert not any(cell.bold for row in shown.rows for cell in [row.mean, *row.cells.values()])
    assert "**" not in formats.markdown(chance)
    assert "textbf" not in formats.latex(chance)


def test_incomplete_and_unreliable_are_marked(world):
    frame = world.frame.copy()
    frame.loc[(frame["metric"] == "good") & (frame["task"] == "one"), "status"] = "unreliable"
    frame.loc[(frame["metric"] == "good") & (frame["task"] == "mean"), "status"] = "incomplete"
    row = next(row for row in summarise(frame).rows if row.metric == "good")
    assert row.cells["one"].text().startswith("(")
    assert row.mean.text().endswith("~")
    assert not row.mean.bold
    text = tables.terminal(frame)
    assert "kept out of the mean." in text
    assert "not comparable" in text


def test_csv_holds_every_number_and_runs_no_formula(world):
    frame = world.frame.assign(reason=HOSTILE)
    rows = list(csv.DictReader(io.StringIO(formats.csv_text(frame))))
    assert len(rows) == len(frame)
    assert float(rows[0]["tau_w"] or "nan") == pytest.approx(frame["tau_w"].iloc[0], rel=1e-9, nan_ok=True)
    assert all(row["reason"].startswith("'=1+1") for row in rows)
    assert float(next(r for r in rows if r["metric"] == "ideal")["null_low"]) < 0  # numbers keep their sign, unquoted
    back = pd.read_csv(io.StringIO(formats.csv_text(world.frame)))
    assert back["tau_w"].equals(back["tau_w"].astype(float))


def test_latex_is_booktabs_with_intervals_and_escapes(world):
    text = formats.latex(world.frame, title="50 % of_it", titles={"good": "A & B_c"}, label="tab:x y")
    for part in (r"\toprule", r"\midrule", r"\bottomrule", r"50 \% of\_it", r"A \& B\_c", r"\label{tab:x-y}"):
        assert part in text
    body = text[text.index(r"\toprule") : text.index(r"\bottomrule")]
    rows = [line for line in body.splitlines() if line.endswith(r"\\")]
    assert len({line.count(" & ") for line in rows if "A " not in line}) == 1
    assert re.search(r"\{\\scriptsize \[[^]]*\]\}", body)
    assert not re.search(r"(?<!\$)-\d", body)  # minus signs, not hyphens


def test_html_is_well_formed_and_hostile_names_are_text(world):
    frame = world.frame.replace({"metric": {"good": HOSTILE}})
    text = formats.html(frame, title=HOSTILE)
    assert "<script" not in text
    open_tags = []

    class Checker(HTMLParser):
        def handle_starttag(self, tag, attrs):
            open_tags.append(tag)

        def handle_endtag(self, tag):
            assert open_tags.pop() == tag

    Checker().feed(text)
    assert open_tags == []


def test_markdown_cells_survive_hostile_names(world):
    frame = world.frame.replace({"metric": {"good": HOSTILE}})
    rows = [line for line in formats.markdown(frame).splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in rows}) == 1
    assert "<script" not in formats.markdown(frame)


def test_write_makes_all_formats_and_refuses_a_read_only_folder(world, tmp_path, monkeypatch):
    paths = tables.write(world.frame, tmp_path / "out", "table")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(p.name for p in paths)
    first = {p.name: p.read_bytes() for p in paths}
    tables.write(world.frame, tmp_path / "out", "table")
    assert first == {p.name: p.read_bytes() for p in paths}
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot create folder"):
        tables.write(world.frame, tmp_path / "file" / "sub")

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkstemp", refuse)  # the tests may run as root, whom no mode stops
    with pytest.raises(InputError, match=r"cannot write .*table\.csv: Permission denied"):
        tables.write(world.frame, tmp_path / "out", "table")
    assert os.listdir(tmp_path / "out")


def test_frames_of_another_shape_are_refused(world):
    with pytest.raises(InputError, match="tau_w absent"):
        tables.terminal(world.frame.drop(columns="tau_w"))
    with pytest.raises(InputError, match="no rows"):
        tables.terminal(world.frame.head(0))
    with pytest.raises(InputError, match="one pool at a time"):
        tables.terminal(pd.concat([world.frame, world.frame.assign(pool="other")]))


def test_numbers():
    assert [number(x) for x in (-0.001, 0.005001, float("nan"), -0.25)] == ["0.00", "0.01", "-", "-0.25"]
    assert span(float("nan"), 1.0) == "-"
