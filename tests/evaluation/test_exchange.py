"""Designs, the groups of orders that a null allows, and taus over all of them."""

import itertools
import math

import numpy as np
import pytest

from tebench.base.errors import InputError
from tebench.evaluation.correlation import weighted_tau
from tebench.evaluation.design import Design
from tebench.evaluation.exchange import orders
from tebench.evaluation.stratified import permuted_means, shares, stratified_tau

KNOWN = {
    "a_full": ("A", "a", 1.0), "a_short": ("A", "a", 0.2), "b_full": ("A", "b", 1.0), "b_short": ("A", "b", 0.1),
    "c": ("A", "c", 0.0), "d": ("A", "d", 1.0), "x": ("B", "x", 1.0), "y": ("B", "y", None), "z": ("B", "z", 0.0),
}  # fmt: skip


def small() -> Design:
    return Design.of(sorted(KNOWN), KNOWN)


def test_a_design_is_nested_and_ordered_by_dose():
    design = small()
    assert [design.encoders[k] for k in design.rows_of_family()[0]] == ["a_full", "a_short"]
    assert [len(rows) for rows in design.rows_of_shape()] == [6, 3]
    assert design.text() == "9 encoders of 2 shapes (A 6, B 3) in 7 families"
    part = design.subset(np.array([1, 2, 6]))
    assert part.encoders == ("a_short", "b_full", "x") and part.shapes == ("A", "B") and part.place.tolist() == [0] * 3
    with pytest.raises(InputError, match="family 'x' has encoders of shapes A, B"):
        Design.of(KNOWN, KNOWN | {"d": ("A", "x", 1.0)})
    with pytest.raises(InputError, match="no shape and family for q"):
        Design.of([*KNOWN, "q"], KNOWN)


def test_each_group_is_enumerated_once():
    design = small()
    for kind, size in (("shape", math.factorial(6) * 6), ("family", 2 * 2 * 6)):
        found = orders(design, kind)
        assert found.exact and found.size == size == len(np.unique(found.orders, axis=0)) == len(found.orders)
        assert (np.sort(found.orders, axis=1) == np.arange(9)).all()
        assert (design.shape[found.orders] == design.shape).all()
    # Relatives stay together, each at its place, and c, d, x, y, z change places among equals only.
    family = orders(design, "family").orders
    whole = {tuple(np.array(design.encoders)[order[:4]]) for order in family}
    assert whole == {("a_full", "a_short", "b_full", "b_short"), ("b_full", "b_short", "a_full", "a_short")}


def test_drawn_orders_stay_in_the_group_and_are_uniform():
    design = small()
    every = {tuple(order) for order in orders(design, "family").orders}
    found = orders(design, "family", n_draws=20, seed=1)
    assert not found.exact and {tuple(order) for order in found.orders} <= every
    drawn = orders(design, "shape", n_draws=4000, seed=2).orders
    share = (drawn[:, 0] == np.arange(6)[:, None]).mean(1)
    assert np.abs(share - 1 / 6).max() < 5 * math.sqrt(5 / 36 / 4000)
    with pytest.raises(InputError, match="kind must be one of all, shape, family"):
        orders(design, "shapes")


@pytest.mark.parametrize("tied", [False, True])
def test_all_orders_at_once_equal_one_at_a_time(tied):
    design, rng = small(), np.random.default_rng(3)
    scores, dice = rng.normal(size=(3, 2, 9)), rng.random((2, 9))
    if tied:
        scores, dice = np.round(scores, 0), np.round(dice, 1)
        scores[0, 0, design.shape == 1] = 1.0  # constant inside a shape: counts 0 there
    strata = design.rows_of_shape()
    group = orders(design, "shape")
    found = permuted_means(scores, dice, group.orders, strata)
    for b in rng.integers(0, len(group.orders), 20):
        for m in range(3):
            expected = 0.0
            for task, (rows, share) in itertools.product(range(2), zip(strata, (5 / 7, 2 / 7), strict=True)):
                tau = weighted_tau(scores[m, task, rows], dice[task, group.orders[b]][rows])
                expected += share / 2 * (0.0 if math.isnan(tau) else tau)
            assert found[b, m] == pytest.approx(expected, abs=1e-12)
    if not tied:  # over a whole group tau_w has mean 0; with ties, whose places follow Dice, it has not
        assert found.mean(0) == pytest.approx(np.zeros(3), abs=1e-12)
    assert shares(strata) == pytest.approx([5 / 7, 2 / 7])


def test_one_stratum_of_all_is_the_plain_tau():
    rng = np.random.default_rng(0)
    score, dice = rng.normal(size=9), rng.random(9)
    assert stratified_tau(score[None], dice[None], [np.arange(9)])[0] == pytest.approx(weighted_tau(score, dice))


def test_unsound_arrays_are_refused():
    design, rng = small(), np.random.default_rng(0)
    scores, dice = rng.normal(size=(1, 1, 9)), rng.random((1, 9))
    anyone = orders(design, "all", n_draws=10).orders
    with pytest.raises(InputError, match="moves an encoder out of its stratum"):
        permuted_means(scores, dice, anyone, design.rows_of_shape())
    with pytest.raises(InputError, match=r"expected scores \(M, T, K\)"):
        permuted_means(scores[0], dice, anyone, [np.arange(9)])
    scores[0, 0, 0] = np.nan
    with pytest.raises(InputError, match="finite"):
        permuted_means(scores, dice, anyone, [np.arange(9)])
    with pytest.raises(InputError, match="no two encoders share a stratum"):
        shares([np.array([0]), np.array([1])])
