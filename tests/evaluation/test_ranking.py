"""Ranking without ground truth: intervals against closed forms, verdicts in words."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t, ttest_rel

from tebench.evaluation.ranking import Scores, agreement, margin, rank, spread, verdict


def of_cases(*cases, draws=None):
    """Scores of a metric that is the mean over cases; cases: one value each, draws: noise added to every draw."""
    cases = np.asarray(cases, float)
    draws = np.zeros(1) if draws is None else np.asarray(draws, float)
    left = np.array([np.delete(cases, i).mean() for i in range(len(cases))])
    return Scores(cases.mean() + draws, left[None] + draws[:, None])


def test_the_jackknife_of_a_mean_is_its_standard_error():
    values = np.array([0.3, 0.5, 0.1, 0.9, 0.4])
    error, df, covers, sd, cases = spread(*_arrays(of_cases(*values)))
    assert error == cases == pytest.approx(values.std(ddof=1) / math.sqrt(5)) and df == 4
    assert covers == "cases" and math.isnan(sd)
    assert margin(error, df) == pytest.approx(t.ppf(0.975, 4) * error)


def _arrays(scores):
    return scores.values, scores.left_out


def test_draws_count_where_they_say_more():
    error, df, covers, *_ = spread(*_arrays(of_cases(0.5, 0.5001, draws=[0, 1, 2])))
    assert error == pytest.approx(1 / math.sqrt(3)) and df == 2 and covers == "cases and voxel draws"


def test_one_case_gives_no_interval_however_many_draws():
    error, df, covers, sd, cases = spread(np.array([0.0, 2.0]), None)
    assert math.isnan(error) and math.isnan(cases) and sd == pytest.approx(math.sqrt(2)) and "no case" in covers
    assert math.isnan(margin(error, df)) and math.isnan(margin(*spread(np.array([1.0]), None)[:2]))
    found = {"a": Scores(np.array([0.9, 0.91, 0.92]), None), "b": Scores(np.array([0.1, 0.11, 0.12]), None)}
    frame = rank("m", found, bounds=(0.0, 1.0)).set_index("encoder")
    assert frame[["low", "high", "p"]].isna().all(axis=None) and frame["together"].all()
    text = words(found, n_cases=1)
    assert "Nothing can be told apart with 1 case: it says nothing of other cases" in text


def test_what_never_varied_has_no_p_and_no_interval():
    """Fused ranks of two encoders: 1 and 0 whatever is left out; and a difference that only rounding moves."""
    fused = {"a": Scores(np.ones(3), np.ones((3, 5))), "b": Scores(np.zeros(3), np.zeros((3, 5)))}
    frame = rank("m", fused, bounds=(0.0, 1.0)).set_index("encoder")
    assert frame[["low", "high", "p", "behind_low"]].isna().all(axis=None)
    assert frame["together"].all() and frame.loc["a", "covers"] == "nothing: it never varied"
    assert "the differences never varied" in words(fused, n_cases=5)
    rounded = np.array([0.1, 0.7, 0.4])
    shifted = {"a": of_cases(*(rounded + 1 / 3)), "b": of_cases(*rounded)}
    frame = rank("m", shifted).set_index("encoder")
    assert math.isnan(frame.loc["b", "p"]) and frame.loc["b", "together"] and math.isfinite(frame.loc["b", "low"])


def test_the_comparison_with_the_first_is_the_paired_t_test():
    a, b = np.array([0.9, 0.8, 0.95, 0.7]), np.array([0.6, 0.75, 0.9, 0.72])
    frame = rank("m", {"b": of_cases(*b), "a": of_cases(*a)}).set_index("encoder")
    assert frame["rank"].to_dict() == {"a": 1, "b": 2}
    assert frame.loc["b", "p"] == pytest.approx(ttest_rel(a, b).pvalue)
    half = t.ppf(0.975, 3) * (a - b).std(ddof=1) / 2
    assert frame.loc["b", "behind_low"] == pytest.approx((a - b).mean() - half)


def test_cases_that_are_hard_for_all_do_not_hide_a_difference():
    hard = np.linspace(0, 1, 8)
    wiggle = 0.001 * np.array([1, -1, 1, -1, 1, -1, 1, -1])
    frame = rank("m", {"a": of_cases(*(hard + 0.05 + wiggle)), "b": of_cases(*hard)}).set_index("encoder")
    assert frame.loc["a", "low"] < frame.loc["b", "score"]  # own intervals overlap
    assert not frame.loc["b", "together"]


def test_holm_bounds_and_rank_ranges():
    found = {name: of_cases(0.9 - 0.01 * i, 1.0, 0.99) for i, name in enumerate("abcd")}
    frame = rank("m", found, bounds=(0.0, 1.0)).set_index("encoder")
    assert (frame["high"] <= 1).all() and frame["together"].all()
    assert frame.loc["a", "rank_low"] == 1 and frame.loc["b", "rank_low"] == 1  # tied without the first case
    single = rank("m", {"a": found["a"], "d": found["d"]}).set_index("encoder")
    assert frame.loc["d", "p"] >= single.loc["d", "p"]


def test_an_encoder_without_a_score_stands_last_with_its_reason():
    frame = rank("m", {"none": Scores(None, None, "not_applicable", "no decoder"), "a": of_cases(1, 2)})
    assert frame["encoder"].tolist() == ["a", "none"] and frame.iloc[1]["reason"] == "no decoder"
    assert math.isnan(frame.iloc[1]["score"])


def words(found, n_cases=20, **others):
    frames = [rank("main", found), *(rank(name, scores) for name, scores in others.items())]
    ranked = pd.concat(frames, ignore_index=True)
    return " ".join(verdict(ranked, "main", {"main": "LogME"}, n_cases, agreement(ranked)))


def test_verdicts():
    good, same, poor = of_cases(0.9, 0.8, 0.7), of_cases(0.8, 0.85, 0.72), of_cases(0.3, 0.21, 0.1)
    assert "The top two cannot be told apart with 20 cases: a, b." in words({"a": good, "b": same, "c": poor})
    assert "The two cannot be told apart with 20 cases." in words({"a": good, "b": same})
    assert "told apart from every other encoder with 20 cases" in words({"a": good, "c": poor})
    assert "None of the other 2 can be told apart" in words({"a": good, "b": same, "d": of_cases(0.7, 0.9, 0.69)})
    missing = {"a": Scores(None, None, "failed", "why")}
    assert "No encoder has a score" in words(missing)


def test_metrics_that_contradict_are_said():
    up = {name: of_cases(value, value + 0.1) for name, value in (("a", 3), ("b", 2), ("c", 1))}
    down = {name: of_cases(-value, -value + 0.1) for name, value in (("a", 3), ("b", 2), ("c", 1))}
    text = words(up, other=down)
    assert "1 of 2 metrics put it first" in text and "mean -1.00" in text and "contradict" in text
    assert "mean 1.00" in words(up, other=up) and "contradict" not in words(up, other=up)
