"""Static baselines: values that follow from an encoder's facts alone."""

import hashlib

import numpy as np
import pytest

from tebench.baselines.n_parameters import n_parameters
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
