"""What fits into a time budget."""

import pytest

from tebench.base.errors import InputError
from tebench.features.sampling import Recipe
from tebench.scoring.budget import SAFETY, Cost, check, fit, in_order, reduced

COST = Cost(start=5, extraction=10, per_case=2, whole=0.5)


def test_everything_where_it_fits():
    assert fit(COST, 20, 1e6) == (20, 1.0)


@pytest.mark.parametrize("seconds", [60, 120, 200, 300])
def test_what_is_chosen_fits(seconds):
    n, share = fit(COST, 20, seconds)
    assert 2 <= n <= 20 and (n == 2 or COST.seconds(n, share) <= SAFETY * seconds)


def test_fewer_voxels_before_fewer_than_eight_cases():
    costly = Cost(start=0, extraction=1, per_case=20, whole=0)
    n, share = fit(costly, 20, 100)
    assert share < 1 and n >= 8
    assert fit(costly, 20, 400)[1] == 1.0


def test_a_larger_budget_gives_more_of_what_it_can_give():
    full = [fit(COST, 20, seconds) for seconds in range(200, 800, 20)]
    cases = [n for n, share in full if share == 1]
    assert cases == sorted(cases) and cases[-1] == 20


def test_nothing_fits_and_the_pilot_s_cases_are_used():
    assert fit(COST, 20, 1) == (2, 1.0) and fit(COST, 1, 1) == (1, 1.0)


def test_reduced_recipes_and_case_order():
    recipe = reduced(Recipe(global_voxels=0), 0.125)
    assert (recipe.foreground, recipe.background, recipe.global_voxels, recipe.anchors) == (32, 320, 0, 6)
    names = [f"case_{i}" for i in range(9)]
    assert in_order(names) == in_order(names[::-1]) != names
    assert [n for n in in_order(names) if n != "case_3"] == in_order([n for n in names if n != "case_3"])


@pytest.mark.parametrize("minutes", [0, -1, "ten", True])
def test_bad_minutes(minutes):
    with pytest.raises(InputError, match="minutes must be a number above 0"):
        check(minutes)
