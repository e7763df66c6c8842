"""Size and power of the tests, on few simulated pools: what is rejected and what is not must be as designed."""

import numpy as np
import pytest

from tebench.base.errors import InputError
from tebench.evaluation.simulated import World
from tebench.research.studies import inference, inference_page

FEW = np.array([True, False, False, True])


@pytest.fixture(scope="module")
def design():
    return inference.larger(3, 6)


def run(design, world, **given):
    return inference.simulate(design, world, FEW, n_pools=24, n_metrics=4, n_draws=300, n_boot=40, **given)


def test_a_gate_fools_the_plain_test_and_not_the_primary_endpoint(design):
    rates = inference.rates(run(design, World(shape="own", family=0.6)))
    assert rates["tau_w, anyone"][0] > 0.15
    for test in ("tau_within, shape", "tau_within, family", "tau_w, shape"):
        assert rates[test][0] < 0.05 + 4 * max(rates[test][1], 0.01)
    assert rates["false star"][0] < 0.2


def test_a_metric_that_works_is_found(design):
    found = run(design, World(shape="right", strength=0.8))
    rates = inference.rates(found)
    assert rates["star"][0] > 0.8 and rates["false star"][0] < 0.2
    assert found["seen tau_within"].mean() > 0.4


def test_worlds_have_the_structure_that_they_state(design):
    world, rng = World(shape="own", family=1.0, between=2.0), np.random.default_rng(0)
    scores, dice = world.draw(design, 3, FEW, rng)
    assert scores.shape == (3, 4, 18) and dice.shape == (4, 18)
    few, many = (world._gates(design, FEW, rng)[t] for t in (0, 1))
    assert np.ptp(few[design.shape == 1]) == 0 and not np.allclose(few, many)  # one order a kind of task
    relatives = inference.larger(2, 2)
    pair = World(family=1.0).draw(relatives.subset(np.array([0, 1])), 1, FEW, rng)[1]
    assert pair.shape == (4, 2)
    draws = np.array([World(family=0.6, between=0.0).draw(design, 1, FEW, rng)[1] for _ in range(300)])
    assert draws.var() == pytest.approx(1, abs=0.1)
    with pytest.raises(InputError, match="shape must be one of none, own, right"):
        World(shape="any")
    with pytest.raises(InputError, match="family must be in"):
        World(family=2)
    with pytest.raises(InputError, match="n_pools must be at least 1"):
        inference.simulate(design, World(), FEW, n_pools=0)


def test_page_says_what_the_rows_say(design, monkeypatch):
    monkeypatch.setattr(inference, "SIZE", {"nothing": World()})
    monkeypatch.setattr(inference, "POWER", {"much": World(strength=0.9)})
    monkeypatch.setattr(inference, "METRICS", 4)
    found = inference.study({"pool": design}, FEW, n_pools=2)
    assert len(found) == 2 * len(inference.TESTS) and set(found["kind"]) == {"size", "power"}
    found.loc[(found["test"] == "tau_w, anyone") & (found["kind"] == "size"), ["rate", "error"]] = 0.31, 0.01
    text = inference_page.page(found, {"pool": "A pool"}, 4, 2, command="tebench")
    assert "Rejects too often, up to 0.31 (nothing): tau_w, any two encoders exchanged." in text
    assert "| mean tau_within seen |" in text and "Made by `tebench`" in text
