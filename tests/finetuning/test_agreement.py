import numpy as np
import pandas as pd
import pytest
from finetuning_fakes import SOURCES, quick

from tebench.base.errors import InputError
from tebench.finetuning import agreement, spread
from tebench.finetuning.rows import collect
from tebench.finetuning.runs import plan, run_grid


def made_up(n_encoders=4, n_seeds=3, noise=0.03):
    draw = np.random.default_rng(0)
    return pd.DataFrame(
        [
            {
                "protocol": "p", "encoder": f"e{e}", "task": "t", "seed": s, "metric": "dsc", "seconds": 10.0,
                "value": 0.3 + 0.1 * e + 0.05 * s + noise * draw.standard_normal(), "floor": False,
            }
            for e in range(n_encoders) for s in range(n_seeds)
        ]
    )  # fmt: skip


def test_tolerance_is_twice_the_residual_of_the_blocks_and_never_tiny():
    rows = made_up()
    values = rows.pivot(index="encoder", columns="seed", values="value").to_numpy()
    left = values - values.mean(1, keepdims=True) - values.mean(0) + values.mean()
    assert agreement.tolerance(rows, "t") == pytest.approx(2 * np.sqrt((left**2).sum() / 6))
    assert agreement.tolerance(made_up(noise=0.0), "t") == agreement.LEAST
    assert agreement.tolerance(rows[rows.seed == 0], "t") == agreement.UNKNOWN


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rows")
    run_grid(
        quick(steps=4), ["tiny", "other"], ["blobs"], [0], folder=folder, progress=False, sources=SOURCES
    )  # fmt: skip
    runs = plan(quick(steps=4), ["tiny", "other"], ["blobs"], [0], folder=folder, sources=SOURCES)
    return collect(folder)[0], runs


def test_equal_weights_agree_and_a_changed_value_does_not(finished, tmp_path):
    table, runs = finished
    rows = agreement.published(table, runs, tmp_path)
    again = {run.name: rows[run.name].to_dict() for run in runs}
    allowed = {"blobs": 0.05}
    assert agreement.compare(rows, again, allowed)["agrees"].all()
    name = runs[0].name
    for shift, weights, agrees in ((0.01, "x", True), (0.2, "x", False), (0.01, again[name]["weights_hash"], False)):
        other = again | {name: again[name] | {"value": again[name]["value"] + shift, "weights_hash": weights}}
        line = agreement.compare(rows, other, allowed).set_index("encoder").loc[runs[0].encoder]
        assert line["agrees"] == agrees and line["difference"] == pytest.approx(shift)
        assert line["weights"] == ("equal" if weights != "x" else "differ on the same machine")


def test_rows_that_are_absent_or_of_another_version_are_named(finished, tmp_path):
    table, runs = finished
    with pytest.raises(InputError, match=r"no row of protocol quick-v0 for blobs-tiny-seed0.*job=finetune"):
        agreement.published(table[table.encoder == "other"], runs, tmp_path)
    old = table.assign(task_fingerprint="old")
    with pytest.raises(InputError, match=r"another version.*blobs-tiny-seed0 \(task_fingerprint\)"):
        agreement.published(old, runs, tmp_path)


def test_spread_counts_whole_blocks_and_collapsed_classes():
    rows = made_up().drop(index=11)  # e3 lacks a seed
    volumes = pd.DataFrame(
        [
            {**row, "volume": "v", "class": name, "dice": 0.0 if (name, row["encoder"]) == ("b", "e0") else 0.5}
            for row in rows[["protocol", "encoder", "task", "seed"]].to_dict("records")
            for name in "ab"
        ]
    )
    line = spread.spread(rows, volumes).iloc[0]
    assert (line["n_encoders"], line["n_seeds"], line["left_out"]) == (3, 3, 1)
    assert line["collapsed"] == pytest.approx(3 / 18) and line["status"] == "ok" and line["icc_mean"] > 0.5
    assert "ICC" in spread.as_text(spread.spread(rows, volumes))
    few = rows[rows.encoder.isin(["e0", "e1"])]
    assert "three encoders" in spread.as_text(spread.spread(few, volumes))
