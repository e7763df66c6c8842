import re

import numpy as np
import pandas as pd
import pytest
from scipy.stats import f_oneway
from simulated_scores import simulate

from tebench.base.errors import InputError
from tebench.evaluation import reliability as r


def test_icc_recovers_the_variances_it_was_simulated_with():
    rng = np.random.default_rng(0)
    found = [
        r.reliability(
            0.5 + 0.04 * rng.standard_normal((8, 1)) + 0.1 * rng.standard_normal((1, 3))
            + 0.03 * rng.standard_normal((8, 3))
        )
        for _ in range(600)
    ]  # fmt: skip
    # ICC is biased in small samples; its F ratio's ingredients are not.
    assert np.mean([x.spread_seeds**2 for x in found]) == pytest.approx(0.03**2, rel=0.05)
    assert np.mean([x.spread_encoders**2 for x in found]) == pytest.approx(0.04**2 + 0.03**2 / 3, rel=0.08)
    true = 0.04**2 / (0.04**2 + 0.03**2 / 3)
    assert np.mean([x.low <= true <= x.high for x in found]) == pytest.approx(0.95, abs=0.03)


def test_published_example_of_shrout_and_fleiss():
    # Shrout and Fleiss 1979, table 2: six targets, four judges; ICC(3,1) = .71, ICC(3,4) = .91.
    ratings = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]) / 10
    found = r.reliability(ratings)
    assert (round(found.icc_one, 2), round(found.icc_mean, 2)) == (0.71, 0.91)


def test_block_shifts_change_nothing_but_the_block_spread():
    values = np.random.default_rng(1).random((6, 3))
    shifted = r.reliability(values / 2 + [0, 0.1, 0.3])
    plain = r.reliability(values / 2)
    assert shifted.icc_mean == pytest.approx(plain.icc_mean)
    assert shifted.spread_seeds == pytest.approx(plain.spread_seeds)
    assert shifted.spread_blocks > plain.spread_blocks


def test_one_seed_has_no_reliability_and_is_not_condemned():
    values = np.array([[0.4], [0.5], [0.6]])
    found = r.reliability(values)
    assert np.isnan(found.icc_mean)
    assert r.judge(values, found) == ("ok", "one ground-truth seed: reliability unknown")


@pytest.mark.parametrize(
    ("values", "status", "reason"),
    [
        (np.full((4, 2), 0.01) + np.arange(8).reshape(4, 2) / 1000, "floor", "all 8 runs"),
        ([[0.5, 0.0], [0.6, 0.0], [0.7, 0.02], [0.8, 0.5]], "floor", r"1 of 2 seed blocks collapsed \(up to 3 of 4"),
        ([[0.5, 0.6], [0.6, 0.5], [0.55, 0.55]], "unreliable", "all encoders have the same mean|below 0.5"),
        ([[0.4, 0.41], [0.5, 0.51], [0.6, 0.62], [0.03, 0.04]], "unreliable", "2 of 8 runs at the floor"),
    ],
)
def test_judgement(values, status, reason):
    values = np.array(values)
    found = r.judge(values, r.reliability(values))
    assert found[0] == status
    assert re.search(reason, found[1])


def test_table_judges_each_task():
    _, truth, _ = simulate({"m": 0.5})
    truth.loc[truth["task"] == "two", "value"] = 0.01
    table = r.table(truth, sorted(set(truth["encoder"])))
    assert table["status"].tolist() == ["ok", "floor"]
    assert table.loc[0, "icc_mean"] > 0.8


def test_f_ratio_agrees_with_one_way_analysis_when_blocks_do_not_differ():
    values = np.random.default_rng(3).random((5, 4))
    values -= values.mean(0)
    ms_error_one_way = (values - values.mean(1, keepdims=True)).var() * 20 / 15
    found = r.reliability(values)
    assert found.spread_seeds**2 * 12 == pytest.approx(ms_error_one_way * 15)  # block sum of squares is zero
    ratio = f_oneway(*values).statistic
    assert 1 / (1 - found.icc_mean) == pytest.approx(ratio * 12 / 15)


def test_shape_is_checked():
    with pytest.raises(InputError, match="encoders >= 3"):
        r.reliability(np.zeros((2, 3)))


def test_runs_that_fine_tuning_flagged_count_as_at_the_floor():
    """A run with a collapsed class keeps a fair mean Dice; its mark must still be heard."""
    from tebench.evaluation import reliability as room

    values = np.array([[0.5, 0.52], [0.6, 0.61], [0.7, 0.72], [0.8, 0.79]])
    rows = [(e, s, values[e, s]) for e in range(4) for s in range(2)]
    truth = pd.DataFrame(
        [("p", f"e{e}", "t", s, "dsc", v, str((e, s) in {(0, 1)})) for e, s, v in rows],
        columns=["protocol", "encoder", "task", "seed", "metric", "value", "floor"],
    )
    names = [f"e{e}" for e in range(4)]
    (row,) = room.table(truth, names).itertuples()
    assert row.status == "unreliable" and "1 of 8 runs at the floor" in row.reason
    truth.loc[truth["seed"] == 1, "floor"] = ["True", "True", "True", "False"]
    (row,) = room.table(truth, names).itertuples()
    assert row.status == "floor" and "1 of 2 seed blocks collapsed" in row.reason
