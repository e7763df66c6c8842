"""Policies chosen without the task or the family that they are judged on."""

import itertools

import numpy as np
import pytest

from tebench.base.errors import InputError
from tebench.evaluation.design import Design
from tebench.evaluation.inference import Table
from tebench.evaluation.nested import nested
from tebench.evaluation.stratified import stratified_tau

KNOWN = {f"{s}{k}": (s, f"{s}_family{k // 2 if k < 4 else k}", 1.0 - k % 2) for s in "pq" for k in range(8)}
DESIGN = Design.of(KNOWN, KNOWN)
TASKS = tuple("abcd")
POLICIES = ("deep", "all", "joint")


def tables(seed=0, strength=0.0, best="joint"):
    rng = np.random.default_rng(seed)
    dice = rng.normal(size=(4, 16))
    found = {}
    for policy in POLICIES:
        scores = rng.normal(size=(2, 4, 16))
        if policy == best:
            scores[0] = strength * dice + (1 - strength) * scores[0]
        found[policy] = Table(("one", "two"), TASKS, scores, dice, DESIGN, {})
    return found


def by_hand(found, metric, strata):
    tau = {policy: stratified_tau(one.scores[metric], one.dice, strata) for policy, one in found.items()}
    chosen = [max(tau, key=lambda p: np.delete(tau[p], t).sum()) for t in range(4)]
    return np.mean([tau[p][t] for t, p in enumerate(chosen)]), chosen, max(one.mean() for one in tau.values())


@pytest.mark.parametrize("within", [True, False])
def test_by_task_is_the_choice_by_hand(within):
    found, strata = tables(1), DESIGN.rows_of_shape() if within else [np.arange(16)]
    rows = nested(found, within=within, n_draws=200).set_index("metric")
    for m, metric in enumerate(("one", "two")):
        value, chosen, best = by_hand(found, m, strata)
        assert rows.loc[metric, "tau_task"] == pytest.approx(value)
        assert rows.loc[metric, "tau_best"] == pytest.approx(best)
        counts = dict(item.split(" ") for item in rows.loc[metric, "chosen_task"].split(", "))
        assert counts == {policy: str(chosen.count(policy)) for policy in set(chosen)}


def pair_sum(score, dice, rows, keep):
    """sum over kept pairs of a stratum of the term that tau_w is made of (no ties)."""
    n = len(rows)
    norm = 2 * (n - 1) * sum(1 / r for r in range(1, n + 1))
    w = {which: dict(zip(rows, 1 / (1 + (-v[rows]).argsort().argsort()), strict=True))
         for which, v in (("s", score), ("d", dice))}  # fmt: skip
    total = 0.0
    for i, j in itertools.combinations(rows, 2):
        sign = np.sign(score[i] - score[j]) * np.sign(dice[i] - dice[j])
        total += keep(i, j) * sign * (w["s"][i] + w["s"][j] + w["d"][i] + w["d"][j]) / norm
    return total


def test_by_family_counts_each_pair_once_under_the_policy_of_its_families():
    found, family = tables(0), DESIGN.family
    row = nested(found, n_draws=200).set_index("metric").loc["one"]
    assert "," in row["chosen_family"]  # not all families choose the same
    value = 0.0
    for f in range(len(DESIGN.families)):

        def over(policy, keep):
            one = found[policy]
            return sum(0.5 * pair_sum(one.scores[0, t], one.dice[t], rows, keep)
                       for t in range(4) for rows in DESIGN.rows_of_shape())  # fmt: skip

        chosen = max(POLICIES, key=lambda p: over(p, lambda i, j: family[i] != f and family[j] != f))  # noqa: B023
        value += over(chosen, lambda i, j: (int(family[i] == f) + int(family[j] == f)) / 2) / 4  # noqa: B023
    assert row["tau_family"] == pytest.approx(value)


def test_one_policy_for_all_gives_its_tau_and_a_good_one_is_found():
    found = tables(3)
    same = {policy: found["deep"] for policy in POLICIES}
    rows = nested(same, n_draws=200).set_index("metric")
    tau = stratified_tau(found["deep"].scores, found["deep"].dice, DESIGN.rows_of_shape()).mean(1)
    assert rows.loc[["one", "two"], "tau_task"].tolist() == pytest.approx(tau)
    assert rows.loc[["one", "two"], "tau_family"].tolist() == pytest.approx(tau)
    good = nested(tables(4, strength=0.8), n_draws=2000).set_index("metric").loc["one"]
    assert good["chosen_task"] == "joint 4" and good["chosen_family"] == "joint 12"
    assert good["tau_task"] > 0.6 and good["p_task"] < 0.05 and good["p_family"] < 0.05


def test_the_choice_is_repeated_under_the_null():
    """Choosing in hindsight beats chance by far; the nested value, with its null, does so in about one pool of 20."""
    hits, optimism = [], []
    for seed in range(60):
        rows = nested(tables(seed), kind="shape", n_draws=200, seed=seed)
        hits += (rows["p_task"] < 0.05).tolist() + (rows["p_family"] < 0.05).tolist()
        optimism += (rows["tau_best"] - rows["tau_task"]).tolist()
    assert 0.01 < np.mean(hits) < 0.10
    assert np.mean(optimism) > 0.05


def test_a_policy_without_a_value_is_never_chosen():
    found = tables(5)
    found["joint"] = found["joint"].of(["two"])
    rows = nested(found, n_draws=200).set_index("metric")
    assert "joint" not in rows.loc["one", "chosen_task"] + rows.loc["one", "chosen_family"]
    assert rows["n_policies"].to_dict() == {"one": 2, "two": 3}


def test_unsound_tables_are_refused():
    found = tables()
    with pytest.raises(InputError, match="at least 2 policies"):
        nested({"deep": found["deep"]})
    with pytest.raises(InputError, match="policy other: its encoders, tasks or ground truth"):
        nested(found | {"other": tables(9)["deep"]})
