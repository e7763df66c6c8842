import numpy as np
import pandas as pd
import pytest
from scipy.stats import weightedtau
from simulated_scores import simulate

from tebench.base.errors import InputError
from tebench.evaluation.compare import holm, rank_groups, swap_test, swaps
from tebench.evaluation.evaluate import COLUMNS, evaluate, points
from tebench.evaluation.influence import influence
from tebench.evaluation.pools import Pool


def oracle(truth, name="ideal", sign=1):
    mean = truth.groupby(["task", "encoder"])["value"].mean().reset_index(name="score")
    return mean.assign(score=sign * mean["score"], metric=name, seed=0, status="ok")


def test_ideal_reversed_and_downward_scorers_reach_the_ends():
    _, truth, _ = simulate({"m": 0}, encoders=7)
    scores = pd.concat([oracle(truth), oracle(truth, "reversed", -1), oracle(truth, "distance", -1)])
    directions = {"ideal": "up", "reversed": "up", "distance": "down"}
    frame = evaluate(scores, truth, directions, n_boot=200).set_index(["metric", "task"])
    assert frame.loc["ideal", "tau_w"].tolist() == pytest.approx([1, 1, 1])
    assert frame.loc["distance", "tau_w"].tolist() == pytest.approx([1, 1, 1])
    assert frame.loc["reversed", "tau_w"].tolist() == pytest.approx([-1, -1, -1])
    assert (frame.loc["ideal", "regret"] == 0).all()
    assert (frame["p"] < 0.01).all()
    assert frame.loc[("ideal", "one"), "p"] == pytest.approx(2 / 5040)


def test_numbers_equal_scipy_on_the_means_and_do_not_depend_on_row_order():
    scores, truth, directions = simulate({"a": 0.7, "b": 0.1}, sampling=2)
    frame = evaluate(scores, truth, directions, n_boot=200)
    assert tuple(frame.columns) == COLUMNS
    for row in frame[frame["task"] != "mean"].itertuples():
        x = scores[(scores["metric"] == row.metric) & (scores["task"] == row.task)].groupby("encoder")["score"].mean()
        y = truth[truth["task"] == row.task].groupby("encoder")["value"].mean()
        assert row.tau_w == pytest.approx(weightedtau(x, y[x.index]).statistic, abs=1e-12)
        assert row.interval == "3 ground-truth seeds + 2 sampling seeds"
        assert row.low <= row.tau_w <= row.high
        assert row.loo_low <= row.loo_high
        assert row.seconds == pytest.approx(3.0)
    means = frame.groupby("metric")["tau_w"].apply(lambda v: (v.iloc[0] + v.iloc[1]) / 2 - v.iloc[2])
    np.testing.assert_allclose(means, 0, atol=1e-12)
    scores, truth = scores.sample(frac=1, random_state=1), truth.sample(frac=1, random_state=2)
    shuffled = evaluate(scores, truth, directions, n_boot=200)
    pd.testing.assert_frame_equal(frame, shuffled)


def test_a_task_does_not_depend_on_its_neighbours():
    scores, truth, directions = simulate({"a": 0.5})
    both = evaluate(scores, truth, directions, n_boot=200)
    one = evaluate(scores[scores["task"] == "two"], truth, directions, n_boot=200)
    pd.testing.assert_series_equal(both.iloc[1], one.iloc[0], check_names=False)


def test_refusals_are_rows_with_reasons_that_name_the_encoders():
    scores, truth, directions = simulate({"constant": 0, "failed": 0, "gap": 0, "leep": 0, "fine": 0.9})
    scores.loc[scores["metric"] == "constant", "score"] = 0.1 * 3 + np.arange(12) * 1e-17
    pick = scores["encoder"] == "encoder03"
    leep = pick & (scores["metric"] == "leep")
    failed = pick & (scores["metric"] == "failed") & (scores["task"] == "one")
    scores.loc[leep, ["score", "status", "reason"]] = [np.nan, "not_applicable", "no source head"]
    scores.loc[failed, ["score", "status", "reason"]] = [np.nan, "failed", "did not converge"]
    scores = scores[~((scores["metric"] == "gap") & (scores["task"] == "two") & pick)]
    frame = evaluate(scores, truth, directions, n_boot=200).set_index(["metric", "task"])
    assert frame.loc["constant", "status"].tolist() == ["constant", "constant", "none"]
    assert frame.loc[["constant", "leep"], "tau_w"].isna().all()
    assert frame.loc[("leep", "one"), "reason"] == "1 of 6 encoders (encoder03): no source head"
    assert frame.loc[("failed", "one"), "reason"] == "1 of 6 encoders (encoder03): did not converge"
    assert frame.loc[("failed", "mean"), ["status", "n_tasks", "reason"]].tolist() == [
        "incomplete", 1, "without one (failed)",
    ]  # fmt: skip
    assert frame.loc[("gap", "two"), ["status", "reason"]].tolist() == ["missing", "no score for encoder03"]
    assert frame.loc["fine", "status"].tolist() == ["ok"] * 3


def test_floor_and_unreliable_tasks_stay_out_of_the_mean_visibly():
    scores, truth, directions = simulate({"m": 0.9}, tasks=("good", "noise", "sunk"))
    rng = np.random.default_rng(3)
    truth.loc[truth["task"] == "noise", "value"] = np.tile(0.5 + 0.1 * rng.standard_normal(3), 6) + [0.01, -0.01, 0] * 6
    truth.loc[truth["task"] == "noise", "value"] += 1e-4 * rng.standard_normal(18)
    truth.loc[truth["task"] == "sunk", "value"] = 0.02
    frame = evaluate(scores, truth, directions, n_boot=200).set_index("task")
    assert frame["status"].tolist() == ["ok", "unreliable", "floor", "ok"]
    assert np.isfinite(frame.loc["noise", "tau_w"])
    assert np.isnan(frame.loc["sunk", "tau_w"])
    assert frame.loc["mean", "tau_w"] == frame.loc["good", "tau_w"]
    assert frame.loc["mean", "reason"] == "without noise (unreliable), sunk (floor)"


def test_missing_ground_truth_is_named():
    scores, truth, directions = simulate({"m": 0.5})
    truth = truth[~((truth["encoder"] == "encoder02") & (truth["task"] == "two"))]
    with pytest.raises(InputError, match="encoder02 x two"):
        evaluate(scores, truth, directions)
    names = sorted(set(scores["encoder"]) - {"encoder02"})
    assert set(evaluate(scores, truth, directions, pool=Pool("five", tuple(names)), n_boot=100)["n"]) == {5}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.assign(score=np.nan), "not finite although status is ok"),
        (lambda s: s.assign(score=np.inf), "not finite"),
        (lambda s: pd.concat([s, s.head(1)]), "more than one row"),
        (lambda s: s.assign(status="fine"), "status must be one of"),
        (lambda s: s.drop(columns="encoder"), "encoder absent"),
        (lambda s: s.assign(metric="other"), "metric 'other' needs 'up' or 'down'"),
        (lambda s: s.assign(task="mean"), "no task may be called 'mean'"),
        (lambda s: s.head(0), "no rows"),
    ],
)
def test_unsound_scores_are_refused(change, message):
    scores, truth, directions = simulate({"m": 0.5})
    with pytest.raises(InputError, match=message):
        evaluate(change(scores), truth, directions)


def test_options_are_checked_and_two_protocols_refused():
    scores, truth, directions = simulate({"m": 0.5})
    with pytest.raises(InputError, match="over must be"):
        evaluate(scores, truth, directions, over="tasks")
    with pytest.raises(InputError, match="at least 100"):
        evaluate(scores, truth, directions, n_boot=5)
    with pytest.raises(InputError, match="one protocol"):
        evaluate(scores, pd.concat([truth, truth.assign(protocol="b")]), directions)


def test_interval_over_encoders_and_what_it_says_when_there_is_none():
    scores, truth, directions = simulate({"m": 0.6}, encoders=9)
    seeds, both = (evaluate(scores, truth, directions, over=over, n_boot=300).iloc[0] for over in ("seeds", "both"))
    assert both["interval"] == "3 ground-truth seeds + 9 encoders"
    assert both["high"] - both["low"] > seeds["high"] - seeds["low"]
    scores, truth, directions = simulate({"m": 0.6})
    few = evaluate(scores, truth, directions, over="encoders", n_boot=100)
    assert few["low"].isna().all()
    assert few.loc[0, "interval"].startswith("none: 6 encoders")
    scores, truth, directions = simulate({"m": 0.6}, seeds=1)
    one = evaluate(scores, truth, directions, n_boot=100).iloc[0]
    assert one["interval"].startswith("none: one ground-truth seed")
    assert one["status"] == "ok"
    assert "reliability unknown" in one["reason"]


def test_random_scores_fall_outside_their_null_at_the_stated_rate():
    scores, truth, directions = simulate({f"r{i:03d}": 0 for i in range(70)}, tasks=("one", "two", "three"))
    frame = evaluate(scores, truth, directions, n_boot=100)
    tasks, means = frame[frame["task"] != "mean"], frame[frame["task"] == "mean"]
    for part in (tasks, means):
        outside = (part["tau_w"] < part["null_low"] - 1e-9) | (part["tau_w"] > part["null_high"] + 1e-9)
        assert 0.005 <= outside.mean() <= 0.1
        assert 0.005 <= (part["p"] <= 0.05).mean() <= 0.1


def test_mean_null_respects_that_tasks_share_their_encoders():
    """The same ranking in every task is one observation, not many: its null is as wide as one task's."""
    scores, truth, directions = simulate({"m": 0.5}, tasks=("one",))
    copies = [(scores.assign(task=t), truth.assign(task=t)) for t in "abcd"]
    frame = evaluate(pd.concat(s for s, _ in copies), pd.concat(t for _, t in copies), directions, n_boot=100)
    mean = frame[frame["task"] == "mean"].iloc[0]
    assert (mean["null_low"], mean["null_high"]) == pytest.approx((frame["null_low"][0], frame["null_high"][0]))
    assert mean["p"] == pytest.approx(frame["p"][0])


def test_points_are_standardised_and_oriented():
    scores, truth, directions = simulate({"m": 0.5}, sampling=3)
    shown = points(scores, truth, {"m": "down"})
    by_task = shown.groupby("task")["z"]
    np.testing.assert_allclose(by_task.mean(), 0, atol=1e-12)
    np.testing.assert_allclose(by_task.std(ddof=0), 1)
    raw = scores[scores["task"] == "one"].groupby("encoder")["score"].mean()
    assert shown.loc[shown["task"] == "one", "z"].to_numpy().argmax() == raw.to_numpy().argmin()
    assert (shown[["z_sd", "dice_sd"]] > 0).all(axis=None)
    assert directions == {"m": "up"}


def test_influence_is_the_tau_without_each_encoder():
    scores, truth, directions = simulate({"m": 0.5})
    frame = influence(scores, truth, directions)
    names = tuple(n for n in sorted(set(scores["encoder"])) if n != "encoder04")
    rest = evaluate(scores, truth, directions, pool=Pool("rest", names), n_boot=100)
    row = frame[(frame["left_out"] == "encoder04") & (frame["task"] == "two")]
    assert row["tau_w"].item() == pytest.approx(rest.loc[rest["task"] == "two", "tau_w"].item())
    whole = evaluate(scores, truth, directions, n_boot=100)
    assert frame.loc[frame["task"] == "one", "tau_w"].max() == pytest.approx(whole.loc[0, "loo_high"])


def test_swap_test_keeps_its_rate_and_finds_a_clear_difference():
    rng = np.random.default_rng(0)
    masks, exact = swaps(8, 0, 0)
    assert exact
    assert len(masks) == 256
    ranks = [np.array([rng.permutation(8) for _ in range(2)]) for _ in range(300)]
    p = [swap_test(a, b, rng.random((2, 8)), masks, exact) for a, b in zip(ranks[::2], ranks[1::2], strict=True)]
    assert np.mean(np.array(p) <= 0.05) <= 0.09
    dice = np.array([np.arange(8.0), np.arange(8.0)])
    assert swap_test(dice, 7 - dice, dice, masks, exact) == pytest.approx(2 / 256)
    assert swap_test(dice, dice, dice, masks, exact) == 1


def test_rank_groups_follow_tau_and_separate_only_what_differs():
    scores, truth, directions = simulate({"best": 1, "close": 0.98, "reversed": -0.95}, encoders=12)
    groups = rank_groups(scores, truth, directions).set_index("metric")
    assert groups.loc[["best", "close"], "group"].tolist() == [1, 1]
    assert groups.loc["reversed", "group"] == 2
    assert groups["tau_w"].is_monotonic_decreasing
    assert groups["group"].is_monotonic_increasing
    six = rank_groups(*simulate({"best": 1, "r1": -0.9, "r2": -0.9, "r3": -0.9}))
    assert set(six["group"]) == {1}  # 2^6 swaps: p >= 1/32, above .05 once corrected for three comparisons


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.09, 0.09, 0.5])
    assert holm([]) == []


def test_small_p_values_rest_on_more_permutations():
    scores, truth, directions = simulate({"best": 1, "none": 0}, encoders=12)
    frame = evaluate(scores, truth, directions, n_perm=999).set_index(["metric", "task"])
    assert frame.loc[("best", "mean"), "p"] < 2 / 1000  # below what 999 permutations can say


def test_both_ceilings_are_columns_and_named():
    scores, truth, directions = simulate({"good": 0.9}, encoders=8, seeds=4, noise=0.03)
    found = evaluate(scores, truth, directions, n_boot=100, n_perm=100).set_index("task")
    assert found["ceiling_parts"].tolist() == ["2 vs 2 seeds"] * 3
    assert found["attainable_parts"].tolist() == ["truth vs 4 seeds"] * 3
    assert (found["attainable"] > found["ceiling"]).all() and (found["attainable"] <= 1).all()
    assert found.loc["mean", "attainable"] == pytest.approx(found.loc[["one", "two"], "attainable"].mean())
