import math

import numpy as np
import pytest

from tebench import metrics, score
from tebench.base.errors import InputError
from tebench.metrics.topology.fusion import grtd_lbtc, grtd_lbtc_released, grtd_relative_lbtc, over_pool, weight

PARTS = {"grtd": np.array([-4.0, -2.0, -3.0, -2.5]), "lbtc": np.array([0.5, 0.7, 0.9, 0.6])}


@pytest.mark.reference("grtd_lbtc", source="closed form: four encoders by hand")
def test_formula_by_hand():
    # alpha = (3 - 1) / (3 + 1) = 1/2; N(grtd) = 0, 1, 1/2, 3/4; N(lbtc) = 0, 1/2, 1, 1/4
    assert grtd_lbtc(PARTS, 3).tolist() == pytest.approx([0.0, 0.75, 0.75, 0.5])


@pytest.mark.parametrize(("n", "alpha"), [(1, 0.0), (2, 1 / 3), (3, 0.5), (15, 0.875)])
def test_released_gate(n, alpha):
    assert weight(n, "released", None, None, 0.5) == pytest.approx(alpha)
    assert weight(n, "released", None, None, 0.5) == pytest.approx(math.tanh(math.log(n) / 2))


def test_one_structure_leaves_lbtc_alone():
    assert grtd_lbtc(PARTS, 1).tolist() == pytest.approx(over_pool(PARTS["lbtc"], "lbtc").tolist())


def test_sigmoid_gate():
    alpha = 1 / (1 + math.exp(-(2.0 * math.log(5) - 1.5)))
    expected = alpha * over_pool(PARTS["grtd"], "grtd") + (1 - alpha) * over_pool(PARTS["lbtc"], "lbtc")
    assert grtd_lbtc(PARTS, 5, gate="sigmoid", gamma=2.0, beta=-1.5).tolist() == pytest.approx(expected.tolist())
    assert weight(5, "sigmoid", 1e6, 0.0, 0.5) == 1.0
    assert weight(5, "sigmoid", -1e6, 0.0, 0.5) == 0.0


def test_sigmoid_gate_needs_its_unpublished_numbers():
    with pytest.raises(InputError, match="gamma and beta"):
        grtd_lbtc(PARTS, 5, gate="sigmoid", gamma=2.0)


@pytest.mark.parametrize("alpha", [0.0, 0.25, 1.0])
def test_fixed_gate(alpha):
    values = grtd_lbtc(PARTS, 5, gate="fixed", alpha=alpha)
    assert values[1] == pytest.approx(alpha + (1 - alpha) / 2)


def test_a_smaller_pool_is_normalised_anew():
    without_best = {name: scores[[0, 1, 3]] for name, scores in PARTS.items()}
    # lbtc of the three: 0.5, 0.7, 0.6 -> 0, 1, 1/2, where it was 0, 1/2, 1/4 in the pool of four.
    assert grtd_lbtc(without_best, 3).tolist() == pytest.approx([0.0, 1.0, 0.625])
    assert metrics()["grtd_lbtc"].pool_dependent


@pytest.mark.reference("grtd_relative_lbtc", "grtd_lbtc_released", source="closed form: three encoders by hand")
def test_other_fusions_by_hand():
    # alpha = (2 - 1) / (2 + 1) = 1/3; N(grtd) = 1, 0, 1/4; N(lbtc) = 0, 1, 1/2
    parts = {"grtd": np.array([-1.0, -5.0, -4.0]), "lbtc": np.array([0.2, 0.6, 0.4])}
    for fused in (grtd_relative_lbtc, grtd_lbtc_released):
        assert fused(parts, 2).tolist() == pytest.approx([1 / 3, 2 / 3, 1 / 12 + 1 / 3])


def test_all_fusions_share_the_formula():
    expected = grtd_lbtc(PARTS, 4).tolist()
    assert grtd_relative_lbtc(PARTS, 4).tolist() == expected
    assert grtd_lbtc_released(PARTS, 4).tolist() == expected
    assert metrics()["grtd_relative_lbtc"].parts == {"grtd": "grtd_relative", "lbtc": "lbtc"}
    assert metrics()["grtd_lbtc_released"].parts == {"grtd": "grtd_released", "lbtc": "lbtc_released"}


@pytest.mark.parametrize("constant", [[3.0, 3.0, 3.0], [0.1 + 0.2, 0.3, 0.3], [0.0, 0.0, 0.0]])
def test_a_constant_part_says_nothing(constant):
    assert over_pool(np.array(constant), "grtd").tolist() == [0.5, 0.5, 0.5]


def test_one_encoder_is_no_pool():
    with pytest.raises(InputError, match="at least 2 encoders"):
        grtd_lbtc({"grtd": np.array([-1.0]), "lbtc": np.array([0.5])}, 3)


def test_a_missing_part_names_its_encoder():
    parts = {"grtd": PARTS["grtd"], "lbtc": np.array([0.5, np.nan, 0.9, 0.6])}
    with pytest.raises(InputError, match=r"'lbtc'.*encoder number \[1\]"):
        grtd_lbtc(parts, 3)


def test_patch_is_an_option_that_lbtc_shares():
    known = metrics()
    assert known["grtd_lbtc"].parameters["patch"].choices == known["lbtc"].parameters["patch"].choices
    with pytest.raises(InputError, match="candidate pool"):
        score("grtd_lbtc", np.ones((4, 2)), np.array([0, 0, 1, 1]))
