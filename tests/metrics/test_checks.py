"""The common checks: every registered metric passes them, and wrong metrics fail them."""

import numpy as np
import pytest

import tebench
from tebench.base.errors import NotApplicable
from tebench.metrics.checks import make_arrays, run_checks


def failures(metric):
    return [f"{r.check}: {r.seen}" for r in run_checks(metric) if r.status == "fail"]


@pytest.mark.parametrize("name", list(tebench.list_metrics()))
def test_every_metric_passes(name):
    assert failures(tebench.list_metrics()[name]) == []


WRONG = {
    "the direction is declared the wrong way round": (
        lambda x, y: -float(np.ptp([x[y == c].mean(0) for c in np.unique(y)])), "follows separation"),
    "the order of the rows decides": (lambda x, y: float(x[0, 0] + y[1]), "sample order"),
    "the names of the labels decide": (lambda x, y: float((y * x[:, 0]).mean()), "label names"),
    "it writes into its features": (lambda x, y: float(x.__imul__(2).sum()), "input not modified"),
    "it writes into its labels": (lambda x, y: float(y.__iadd__(1).sum()), "input not modified"),
    "NaN on constant features": (lambda x, y: float(np.corrcoef(x[:, 0], y)[0, 1]), "all features constant"),
    "it is random": (lambda x, y: float(np.random.default_rng().random()), "same seed, same value"),
    "the declared scale invariance does not hold": (lambda x, y: float(x.std()), "invariance to scale"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("flaw", WRONG)
def test_a_wrong_metric_fails(scratch_registry, facts, flaw):
    function, check = WRONG[flaw]
    facts["invariances"] = ("scale",)
    tebench.metric(name="wrong", **facts)(function)
    assert any(check in failure for failure in failures(scratch_registry.get("wrong"))), flaw


def test_missing_facts_fail(scratch_registry, facts):
    facts.update(paper=" ", title="")
    tebench.metric(name="wrong", **facts)(lambda features, labels: 0.0)
    found = " ".join(failures(scratch_registry.get("wrong")))
    assert all(word in found for word in ("title", "paper", "docstring"))


def test_the_sweep_moves_only_the_means():
    near, far = make_arrays(0.0), make_arrays(4.0)
    assert np.array_equal(near.labels, far.labels)
    shift = far.features - near.features
    for c in range(3):
        assert np.allclose(shift[near.labels == c], shift[near.labels == c][0])
    assert np.linalg.norm(shift[near.labels == 0][0] - shift[near.labels == 1][0]) == pytest.approx(8.0)


def test_a_metric_without_a_value_must_refuse(scratch_registry, facts):
    def refuses(features, labels):
        """Refused for want of source data."""
        raise NotApplicable("needs source data.")

    tebench.metric(name="refusing", **facts, exceptions={"value": "needs source data"})(refuses)
    tebench.metric(name="pretending", **facts, exceptions={"value": "needs source data"})(lambda features, labels: 1.0)
    tebench.metric(name="undeclared", **facts)(refuses)
    assert failures(scratch_registry.get("refusing")) == []
    assert any("declares that it has no value" in failure for failure in failures(scratch_registry.get("pretending")))
    assert any("finite float" in failure for failure in failures(scratch_registry.get("undeclared")))
