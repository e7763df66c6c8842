import pandas as pd
import pytest
from simulated_scores import simulate

from tebench.base.errors import InputError
from tebench.evaluation.evaluate import evaluate
from tebench.evaluation.influence import influence
from tebench.evaluation.pools import Pool, combine, narrow, recompute


def fuse(scores, pool):
    """A pool-dependent metric: min-max of `a` plus min-max of `b` over the pool."""
    parts = scores.pivot(index=["task", "seed", "encoder"], columns="metric", values="score")
    by_cell = parts.groupby(level=["task", "seed"])
    fused = ((parts - by_cell.transform("min")) / (by_cell.transform("max") - by_cell.transform("min"))).sum(axis=1)
    return fused.rename("score").reset_index().assign(metric="fused", status="ok")


def test_pool_identity_is_its_member_set():
    assert Pool("a", ("x", "y", "z")).id == Pool("b", ("z", "y", "x")).id
    assert Pool("a", ("x", "y", "z")).id != Pool("a", ("x", "y", "w")).id
    with pytest.raises(InputError, match="at least 3"):
        Pool("a", ("x", "y"))
    with pytest.raises(InputError, match="twice"):
        Pool("a", ("x", "y", "y"))
    with pytest.raises(InputError, match="unknown pool 'sll'"):
        combine("p", {"ssl": ["a", "b", "c"]}, ["sll"])
    with pytest.raises(InputError, match="unknown encoder"):
        Pool("a", ("x", "y", "z", "w")).without("q")


def test_narrowing_recomputes_a_fused_score_and_refuses_a_stale_one():
    scores, truth, directions = simulate({"a": 0.9, "b": 0.2}, encoders=8)
    directions["fused"] = "up"
    names = sorted(set(scores["encoder"]))
    whole, small = Pool("whole", tuple(names)), Pool("small", tuple(names[:5]))
    scores = recompute(scores, whole, {"fused": fuse})
    evaluate(scores, truth, directions, pool=whole, n_boot=100)
    with pytest.raises(InputError, match=r"'fused' were fused over pool .* not over 'small'"):
        evaluate(scores, truth, directions, pool=small, n_boot=100)
    again = recompute(scores, small, {"fused": fuse})
    fused = again[again["metric"] == "fused"]
    assert fused["score"].max() <= 2
    assert fused.groupby("task")["score"].min().between(0, 2).all()
    stale = narrow(scores[scores["metric"] == "fused"], small)["score"].to_numpy()
    assert not (abs(fused.sort_values(["task", "encoder"])["score"].to_numpy() - stale) < 1e-9).all()
    assert set(evaluate(again, truth, directions, pool=small, n_boot=100)["n"]) == {5}
    with pytest.raises(InputError, match="fused belong to another pool"):
        recompute(scores, small, {})


def test_influence_recomputes_pool_dependent_scores():
    scores, truth, directions = simulate({"a": 0.9, "b": 0.2})
    directions["fused"] = "up"
    names = sorted(set(scores["encoder"]))
    pool = Pool("whole", tuple(names))
    base = scores
    scores = recompute(base, pool, {"fused": fuse})

    def rescore(smaller):
        return recompute(base, smaller, {"fused": fuse})

    fixed = influence(scores, truth, directions, pool=pool)
    made = influence(scores, truth, directions, pool=pool, rescore=rescore)
    assert set(fixed.loc[~fixed["recomputed"], "metric"]) == {"fused"}
    assert made["recomputed"].all()
    pd.testing.assert_frame_equal(fixed[fixed["metric"] == "a"], made[made["metric"] == "a"], check_dtype=False)
    without = pool.without(names[2])
    direct = evaluate(rescore(without), truth, directions, pool=without, n_boot=100).set_index(["metric", "task"])
    row = made[(made["metric"] == "fused") & (made["task"] == "one") & (made["left_out"] == names[2])]
    assert row["tau_w"].item() == pytest.approx(direct.loc[("fused", "one"), "tau_w"])
