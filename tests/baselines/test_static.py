"""Static baselines: values that follow from an encoder's facts alone."""

import hashlib

import numpy as np
import pytest

from tebench.base.errors import NotApplicable
from tebench.baselines.n_parameters import n_parameters
from tebench.baselines.n_parameters_gated import n_parameters_gated
from tebench.baselines.pretraining_dose import pretraining_dose
from tebench.baselines.random import random


@pytest.mark.reference("n_parameters", source="closed form: the fact itself")
def test_n_parameters_is_the_fact():
    assert n_parameters({"n_parameters": 31_195_784}) == 31_195_784.0


@pytest.mark.reference("random", source="own: SHA-256 of the three names, bit by bit")
def test_random_is_the_hash_as_a_fraction():
    bits = bin(int(hashlib.sha256(b"deepbet|tissue|3").hexdigest()[:16], 16))[2:].zfill(64)
    expected = sum(int(bit) / 2.0 ** (place + 1) for place, bit in enumerate(bits))
    assert random({"name": "deepbet", "task": "tissue"}, seed=3) == pytest.approx(expected, abs=1e-15)


def test_random_is_uniform_and_depends_on_each_name():
    values = np.array([random({"name": f"encoder{i}", "task": "t"}) for i in range(2000)])
    assert abs(values.mean() - 0.5) < 4 / np.sqrt(12 * 2000)
    assert np.abs(np.sort(values) - np.linspace(0, 1, 2000)).max() < 0.04
    base = random({"name": "a", "task": "t"}, seed=0)
    assert base != random({"name": "b", "task": "t"})
    assert base != random({"name": "a", "task": "u"})
    assert base != random({"name": "a", "task": "t"}, seed=1)


@pytest.mark.reference("n_parameters_gated", source="closed form: the fact itself and its sign")
def test_the_gate_flips_the_parameter_count_up_to_two_classes():
    values = [n_parameters_gated({"n_parameters": 7, "n_foreground": n}) for n in (1, 2, 3, 29)]
    assert values == [-7.0, -7.0, 7.0, 7.0]


@pytest.mark.reference("pretraining_dose", source="closed form: the fact itself")
def test_dose_is_the_fact_or_not_applicable():
    assert pretraining_dose({"name": "mae", "dose": 0.25}) == 0.25
    with pytest.raises(NotApplicable, match="dose of encoder mine is not on record"):
        pretraining_dose({"name": "mine", "dose": None})
