"""The primary endpoint: its p among many metrics, its intervals, what single families and tasks carry."""

import numpy as np
import pandas as pd
import pytest

from tebench.base.errors import InputError
from tebench.evaluation.correlation import weighted_tau_many
from tebench.evaluation.design import Design
from tebench.evaluation.inference import COLUMNS, Table, infer, table
from tebench.evaluation.leading import exchanges, leading
from tebench.evaluation.multiple import max_t
from tebench.evaluation.stratified import stratified_tau
from tebench.evaluation.two_level import two_level

SIZES = {"p": 9, "q": 9, "r": 2}
KNOWN = {f"{s}{k}": (s, f"{s}_family{k // 2 if k < 4 else k}", 1.0 - k % 2) for s, n in SIZES.items() for k in range(n)}
TASKS = ("one", "two", "three", "four")


def world(seed=0) -> Table:
    """A metric that knows the truth, one that knows shapes only, and three that know nothing."""
    rng, design = np.random.default_rng(seed), Design.of(KNOWN, KNOWN)
    k = len(design)
    level = np.array([0.2, 0.5, 0.9])[design.shape]
    truth = 0.05 * rng.normal(size=k)
    dice = level + truth + 0.01 * rng.normal(size=(4, k))
    scores = rng.normal(size=(5, 4, k))
    scores[0] = truth + 0.01 * rng.normal(size=(4, k))
    scores[1] = 3 * level + 0.1 * rng.normal(size=(4, k))
    return Table(("knows", "shapes", "n1", "n2", "n3"), TASKS, scores, dice, design, {"broken": "one: no head"})


def test_max_t_is_what_its_definition_says():
    rng = np.random.default_rng(1)
    null = rng.normal(size=(400, 3)) * [1, 5, 1] + [0, 2, 0]
    observed = np.array([2.6, 2.0, -1.5])
    found = max_t(observed, null, exact=False)
    z = np.abs(observed - null.mean(0)) / null.std(0)
    draws = np.abs(null - null.mean(0)) / null.std(0)
    assert found.p == pytest.approx(((draws >= z).sum(0) + 1) / 401)
    first = ((draws.max(1) >= z[0]).sum() + 1) / 401
    second = max(first, ((draws[:, 1:].max(1) >= z[2]).sum() + 1) / 401)
    third = max(second, found.p[1])
    assert found.p_max == pytest.approx([first, third, second])
    assert (found.upper > found.p_max).all() and (found.p_max >= found.p).all()
    exact = max_t(observed, null, exact=True)
    assert exact.upper == pytest.approx(exact.p_max) and exact.p[0] == pytest.approx((draws[:, 0] >= z[0]).mean())
    assert max_t(np.zeros(1), np.zeros((9, 1)), exact=False).p_max.tolist() == [1.0]
    with pytest.raises(InputError, match="expected observed"):
        max_t(observed, null[:, :2], exact=True)


@pytest.mark.parametrize("streams", [(0, 1, 2)])
def test_verdicts_do_not_hang_on_the_random_stream(streams):
    tables = [infer(world(), n_draws=20_000, n_boot=200, seed=seed) for seed in streams]
    stars = [frame.loc[frame["star"], "metric"].tolist() for frame in tables]
    assert stars == [["knows"]] * 3
    assert len({tuple(frame["metric"]) for frame in tables}) == 1
    sets = [leading(world(), seed=seed) for seed in streams]
    assert all(frame.equals(sets[0]) for frame in sets)  # all exchanges of families are enumerated


def test_the_order_of_shapes_earns_nothing_on_the_primary_endpoint():
    found = infer(world(), n_draws=20_000, n_boot=300)
    assert list(found.columns) == list(COLUMNS)
    rows = found.set_index("metric")
    shapes, knows = rows.loc["shapes"], rows.loc["knows"]
    assert shapes["tau_w"] > 0.4 and shapes["p_all"] < 0.02  # looks beyond chance
    assert shapes["tau_w_null"] == pytest.approx(shapes["tau_w"], abs=0.25) and shapes["p_shape"] > 0.05
    assert not shapes["star"] and knows["star"] and knows["tau_within"] > 0.6
    assert knows["low"] < knows["tau_within"] < knows["high"] and knows["low"] > 0.2
    assert knows["without_family_low"] <= knows["tau_within"] <= knows["without_family_high"]
    assert rows.loc["broken", ["status", "reason"]].tolist() == ["incomplete", "one: no head"]
    assert knows[["n_encoders", "n_shapes", "n_families", "n_tasks"]].tolist() == [20, 3, 15, 4]
    assert set(found.attrs["orders"]) == {"shape", "family", "all"}


def test_what_is_left_out_is_what_is_named():
    found = world()
    row = infer(found, n_draws=2000, n_boot=100).set_index("metric").loc["n1"]
    keep = found.design.family != found.design.families.index(row["without_family"])
    smaller = found.design.subset(keep)
    tau = stratified_tau(found.scores[2][:, keep], found.dice[:, keep], smaller.rows_of_shape())
    assert row["without_family_low"] == pytest.approx(tau.mean())
    each = stratified_tau(found.scores[2], found.dice, found.design.rows_of_shape())
    rest = np.delete(each, TASKS.index(row["without_task"]))
    assert row["without_task_low"] == pytest.approx(rest.mean())
    assert rest.mean() == pytest.approx(min(np.delete(each, t).mean() for t in range(4)))


def test_two_level_bootstrap_draws_families_whole():
    """With one family in each shape, and one task, there is nothing else to draw: the interval is the estimate."""
    known = {name: (shape, shape, dose) for name, (shape, _, dose) in KNOWN.items() if shape != "r"}
    design, rng = Design.of(known, known), np.random.default_rng(0)
    scores, dice = rng.normal(size=(2, 1, 18)), rng.random((1, 18))
    low, high = two_level(scores, dice, design, n_draws=100)
    expected = stratified_tau(scores, dice, design.rows_of_shape()).mean(1)
    assert low == pytest.approx(expected) and high == pytest.approx(expected)
    # Over the pool, two families drawn with replacement: both, or one of them twice.
    low, high = two_level(scores, dice, design, within=False, n_draws=200)
    p, q = design.rows_of_shape()
    pools = [np.concatenate(pair) for pair in ((p, p), (q, q), (p, q))]
    each = np.array([weighted_tau_many(scores[:, 0, rows], dice[0, rows][None]) for rows in pools])
    assert low == pytest.approx(each.min(0)) and high == pytest.approx(each.max(0))


def test_exchanges_keep_families_together():
    design = Design.of(KNOWN, KNOWN)
    alone = Design.of(KNOWN, {name: (shape, name, dose) for name, (shape, _, dose) in KNOWN.items()})
    masks, exact = exchanges(alone, 50, 0)
    assert not exact and masks.shape == (50, 20)
    small = design.subset(design.shape == 0)
    masks, exact = exchanges(small, 50, 0)
    assert exact and masks.shape == (2 ** (len(small.families) - 1), 9) == np.unique(masks, axis=0).shape
    for rows in small.rows_of_family():
        assert (masks[:, rows] == masks[:, rows[:1]]).all()


def test_the_best_is_told_apart_from_noise_only():
    found = world()
    both = np.concatenate([found.scores[:1] + 1e-6, found.scores])
    twin = Table(("twin", *found.metrics), found.tasks, both, found.dice, found.design, {})
    rows = leading(twin).set_index("metric")
    assert not rows.loc[["knows", "twin"], "told_apart"].any() and rows.loc[["n1", "n2", "n3"], "told_apart"].all()
    assert rows["tau"].is_monotonic_decreasing and (rows["p_max"] >= rows["p"]).all()
    with pytest.raises(InputError, match="nothing to compare"):
        leading(found.of(["knows"]))


def test_table_takes_complete_metrics_on_rankable_tasks():
    rng = np.random.default_rng(0)
    names = list(KNOWN)
    rows = [
        {"task": t, "encoder": e, "metric": m, "seed": 0, "score": rng.normal(), "status": "ok"}
        for t in TASKS for e in names for m in ("down", "gap", "up")
    ]  # fmt: skip
    scores = pd.DataFrame(rows)
    scores.loc[(scores["metric"] == "gap") & (scores["task"] == "two"), ["status", "score"]] = ["failed", np.nan]
    truth = pd.DataFrame(
        [
            {"protocol": "p", "encoder": e, "task": t, "seed": s, "metric": "dsc", "value": 0.5 + 0.02 * k}
            for t in TASKS for k, e in enumerate(names) for s in (0, 1)
        ]
    )  # fmt: skip
    found = table(scores, truth, {"down": "down", "gap": "up", "up": "up"}, KNOWN)
    assert found.metrics == ("down", "up") and found.tasks == tuple(sorted(TASKS)) and "two" in found.left_out["gap"]
    mine = scores[(scores["metric"] == "down") & (scores["task"] == "one")].set_index("encoder")["score"]
    place = found.tasks.index("one")
    assert found.scores[0, place] == pytest.approx(-mine.loc[list(found.design.encoders)].to_numpy())
