"""Tables of fine-tuned Dice: three layouts, units, and every kind of bad input by name."""

import numpy as np
import openmind_tables
import pytest

from tebench.base.errors import InputError
from tebench.evaluation import dice_table

PLAIN = [(e, t, 50 + 3 * i + j) for i, e in enumerate("abc") for j, t in enumerate("xy")]


def write(path, rows, head="encoder,task,dice"):
    path.write_text("\n".join([head, *(",".join(map(str, row)) for row in rows)]) + "\n", encoding="utf-8")
    return path


def read(path, **options):
    rows, notes = dice_table.read(path, unit=options.pop("unit", None))
    return dice_table.table(rows, name="mine", notes=notes, **options)


def test_the_three_layouts_give_the_same_table(tmp_path):
    plain = read(write(tmp_path / "plain.csv", PLAIN))
    house = read(write(
        tmp_path / "house.csv", [("p", e, t, 0, "dsc", v / 100) for e, t, v in PLAIN],
        "protocol,encoder,task,seed,metric,value",
    ))  # fmt: skip
    published = read(write(
        tmp_path / "published.csv",
        [("net", e, t, m, v) for e, t, v in PLAIN for m in ("dsc_percent", "nsd_percent")],
        "architecture,pretraining,dataset,metric,value",
    ))  # fmt: skip
    stated = read(write(tmp_path / "stated.csv", PLAIN, "encoder,task,dice_percent"))
    assert plain.encoders == stated.encoders == house.encoders == ("a", "b", "c")
    assert published.encoders == ("net/a", "net/b", "net/c")
    for other in (house, published, stated):
        np.testing.assert_allclose(other.mean(), plain.mean(), atol=1e-12)
    np.testing.assert_allclose(plain.mean(), [[0.50, 0.51], [0.53, 0.54], [0.56, 0.57]])
    assert any("read as percent" in note for note in plain.notes)


def test_seeds_patterns_and_judged_tasks(tmp_path):
    rows = [(e, t, s, 0.5 + 0.01 * i + 0.001 * s) for i, e in enumerate(("n_a", "n_b", "n_c", "m_d")) for t in "xyz"
            for s in range(3)]  # fmt: skip
    path = write(tmp_path / "seeds.csv", rows, "encoder,task,seed,dice")
    table = read(path, encoders=["n_*"], tasks=["x", "y"])
    assert table.encoders == ("n_a", "n_b", "n_c") and table.judged == ("x", "y") and table.tasks == ("x", "y", "z")
    assert table.n_seeds == {"x": 3, "y": 3, "z": 3} and any("read as fraction" in note for note in table.notes)
    assert read(path, without=["m_*"], tasks=["all"]).judged == ("x", "y", "z")
    assert table.without(task="x").tasks == ("y", "z") and table.without(encoder="n_b").mean().shape == (2, 2)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([*PLAIN, ("a", "x", 50)], "more than one row for the same cell"),
        (PLAIN[:-1], "1 missing cell(s): c x y"),
        ([*PLAIN[:-1], ("c", "y", "nan")], "c x y = nan"),
        ([*PLAIN[:-1], ("c", "y", "")], "c x y = empty"),
        ([*PLAIN[:-1], ("c", "y", 0.57)], "mixes fractions and percent"),
        ([*PLAIN[:-1], ("c", "y", 157)], "percent must be a number from 0 to 100: c x y = 157"),
        ([*PLAIN[:-1], ("c", "y", -1)], "percent must be a number from 0 to 100"),
        (PLAIN[:4], "at least 3 encoders, got 2"),
        ([row for row in PLAIN if row[1] == "x"], "holds one task, x"),
        ([(e, t, 50 if t == "x" else v) for e, t, v in PLAIN], "same Dice on x, which ranks nothing"),
        ([], "has no rows"),
    ],
)
def test_bad_tables_are_refused_by_name(tmp_path, rows, words):
    with pytest.raises(InputError) as error:
        read(write(tmp_path / "t.csv", rows))
    assert words in str(error.value)


def test_uneven_seeds_unknown_names_and_layouts(tmp_path):
    rows = [(e, t, s, 0.5 + 0.01 * i) for i, e in enumerate("abc") for t in "xy" for s in range(2)]
    path = write(tmp_path / "t.csv", rows[:-1], "encoder,task,seed,dice")
    with pytest.raises(InputError, match=r"c x y \(seed 1\)"):
        read(path)
    path = write(tmp_path / "t.csv", rows, "encoder,task,seed,dice")
    for options, words in (
        ({"encoders": ["d*"]}, "unknown encoder of the table 'd\\*'"),
        ({"without": ["d*"]}, "unknown encoder of the table"),
        ({"tasks": ["w"]}, "unknown task of mine 'w'"),
        ({"unit": "points"}, "unit must be one of"),
    ):
        with pytest.raises(InputError, match=words):
            read(path, **options)
    with pytest.raises(InputError, match="none of the layouts known"):
        read(write(tmp_path / "odd.csv", [("a", "x", 1)], "model,task,score"))
    with pytest.raises(InputError, match="does not exist"):
        read(tmp_path / "nowhere.csv")


def test_a_unit_that_is_stated_wins_and_ties_are_named(tmp_path):
    rows = [("a", "x", 0.4), ("b", "x", 0.4), ("c", "x", 0.9), ("a", "y", 0.2), ("b", "y", 0.3), ("c", "y", 0.4)]
    table = read(write(tmp_path / "t.csv", rows), unit="percent")
    assert table.mean().max() == pytest.approx(0.009)
    assert any(note.startswith("x: 1 pair(s)") for note in table.notes)


def test_a_source_task_with_holes_leaves_the_lists_and_says_so(tmp_path):
    rows = [*PLAIN, ("a", "z", 60)]
    table = read(write(tmp_path / "t.csv", rows), tasks=["x", "y"])
    assert table.tasks == ("x", "y") and any(note.startswith("z: incomplete") for note in table.notes)


def test_openmind_as_kept():
    table = openmind_tables.table()
    assert len(table.encoders) == 7 and table.judged == tuple(openmind_tables.SIX) and len(table.tasks) == 12
