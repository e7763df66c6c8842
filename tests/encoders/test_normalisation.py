"""Normalisations against closed forms."""

import numpy as np
import pytest

from tebench.base.errors import InputError
from tebench.encoders.normalisation import NORMALISATIONS, nonzero_box, normalise


def test_zscore_all_counts_the_zeros_of_the_box_and_none_outside():
    image = np.zeros((1, 5, 4, 3), np.float32)
    image[0, 1:3, 1:3, 1] = [[2, 0], [4, 6]]
    found = normalise(image, "zscore_all")
    # Mean 3, variance (1 + 9 + 1 + 9) / 4 = 5.
    np.testing.assert_allclose(found[0, 1:3, 1:3, 1], np.array([[-1, -3], [1, 3]]) / 5**0.5, rtol=1e-6)
    found[0, 1:3, 1:3, 1] = 0
    assert not found.any()
    masked = normalise(image, "zscore")[0, 1:3, 1:3, 1]
    assert masked[0, 1] == 0 and masked[masked != 0].mean() == pytest.approx(0, abs=1e-6)


def test_the_box_is_shared_by_all_channels():
    image = np.zeros((2, 4, 4, 4), np.float32)
    image[0, 1, 1, 1], image[1, 2, 3, 0] = 5, 7
    assert nonzero_box(image) == (slice(1, 3), slice(1, 4), slice(0, 2))
    found = normalise(image, "zscore_all")
    assert (found[:, 1:3, 1:4, 0:2] != 0).all() and np.count_nonzero(found) == 2 * 12
    np.testing.assert_allclose(found[:, 1:3, 1:4, 0:2].std(axis=(1, 2, 3)), 1, rtol=1e-6)


WRITTEN = {
    "minmax": "minmax(-1,1)", "window": "window(-175,250,0,1)", "scale": "scale(0,255,0,1)",
    "percentiles": "percentiles(5,95,0,1)", "ct": "ct(-1000,300,10,200)",
}  # fmt: skip


@pytest.mark.parametrize("how", [WRITTEN.get(name, name) for name in NORMALISATIONS])
def test_nothing_is_written_to_and_empty_channels_are_refused(how):
    image = np.random.default_rng(0).normal(size=(1, 3, 3, 3)).astype(np.float32)
    before = image.copy()
    assert normalise(image, how).dtype == np.float32
    np.testing.assert_array_equal(image, before)
    with pytest.raises(InputError, match="zero everywhere"):
        normalise(np.zeros((1, 3, 3, 3), np.float32), how)


def test_an_unknown_normalisation_lists_the_known():
    with pytest.raises(InputError, match=r"unknown normalisation 'z'\. Known: ct, minmax"):
        normalise(np.ones((1, 2, 2, 2), np.float32), "z")
