"""Differences between processors: measured, turned into tolerances, held against."""

import math

import numpy as np
import pandas as pd
import pytest

from tebench.base.errors import InputError
from tebench.evaluation import tolerance


def frame(values, metric="m", task="t", status="ok"):
    return pd.DataFrame(
        [(task, f"e{k}", metric, v, status) for k, v in enumerate(values)],
        columns=["task", "encoder", "metric", "score", "status"],
    )


REFERENCE = frame([1.0, 2.0, 3.0, 4.0])
SD = math.sqrt(1.25)


def test_differences_are_in_units_of_the_spread_between_encoders():
    found = tolerance.differences(
        REFERENCE, {"near": frame([1.0, 2.001, 3.0, 4.0]), "far": frame([2.5, 2.0, 3.0, 4.0])}
    )
    near, far = found.iloc[0], found.iloc[1]
    assert (near["n"], near["swaps"], near["status_changes"]) == (4, 0, 0)
    assert near["absolute"] == pytest.approx(0.001) and near["relative"] == pytest.approx(0.001 / SD)
    assert far["swaps"] == 1 and far["relative"] == pytest.approx(1.5 / SD)
    part = tolerance.differences(REFERENCE, {"two": frame([1.0, 2.001])}).iloc[0]
    assert part["n"] == 2 and part["relative"] == pytest.approx(0.001 / SD)  # the scale is the whole pool's


def test_a_lost_value_and_a_constant_metric_are_seen():
    gone = frame([1.0, 2.0, 3.0, np.nan]).assign(status=["ok", "ok", "ok", "failed"])
    assert tolerance.differences(REFERENCE, {"gone": gone}).iloc[0]["status_changes"] == 1
    constant = frame([5.0] * 4)
    same, moved = (tolerance.differences(constant, {"x": frame([5.0] * 3 + [v])}).iloc[0] for v in (5.0, 5.1))
    assert same["relative"] == 0 and math.isinf(moved["relative"])


def test_tolerance_has_a_margin_and_a_floor_and_is_held():
    exact = frame([1.0, 2, 3, 4], "exact")
    p, q = pd.concat([frame([1.0, 2.1, 3.0, 4.0]), exact]), frame([1.0, 2.0, 3.2, 4.0])
    seen = tolerance.differences(pd.concat([REFERENCE, exact]), {"p": p, "q": q})
    allowed = tolerance.tolerances(seen)
    assert allowed["m"] == pytest.approx(tolerance.MARGIN * 0.2 / SD) and allowed["exact"] == tolerance.FLOOR
    inside, outside = (frame([1.0 + factor * allowed["m"] * SD, 2.0, 3.0, 4.0]) for factor in (0.99, 1.01))
    assert tolerance.disagreements(REFERENCE, inside, allowed) == []
    assert "m on t / e0: published 1, recomputed" in tolerance.disagreements(REFERENCE, outside, allowed)[0]


def test_what_cannot_be_compared_is_a_disagreement():
    allowed = {"m": 0.1}
    assert "no tolerance was measured" in tolerance.disagreements(REFERENCE, REFERENCE, {})[0]
    failed = REFERENCE.assign(status="failed", score=np.nan)
    assert "published ok, recomputed failed" in tolerance.disagreements(REFERENCE, failed, allowed)[0]
    assert "no score of the same" in tolerance.disagreements(REFERENCE, frame([1.0], "other"), allowed)[0]
    with pytest.raises(InputError, match=r"x: column\(s\) score absent"):
        tolerance.differences(REFERENCE, {"x": REFERENCE.drop(columns="score")})
    with pytest.raises(InputError, match="reference: more than one row"):
        tolerance.differences(pd.concat([REFERENCE, REFERENCE]), {})
    with pytest.raises(InputError, match="x: no score of the same task"):
        tolerance.differences(REFERENCE, {"x": frame([1.0], "other")})
