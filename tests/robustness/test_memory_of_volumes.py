"""What keeps a large volume within memory gives the bits of the plain formula."""

import numpy as np
import pytest

from tebench.encoders import statistics
from tebench.encoders.normalisation import nonzero_box, normalise


def plain(image, how):
    """The definition, on float64 copies."""
    box, out = nonzero_box(image), np.zeros_like(image)
    for channel, values in enumerate(image):
        inside = box if how == "zscore_all" else values != 0
        chosen = values[inside].astype(np.float64)
        if how == "unit":
            low, high = np.percentile(chosen, [0.5, 99.5])
            scaled = np.clip((chosen - low) / max(high - low, 1e-8), 0.0, 1.0)
        else:
            scaled = (chosen - chosen.mean()) / max(chosen.std(), 1e-8)
        out[channel][inside] = scaled
    return out


@pytest.mark.parametrize("how", ["zscore", "zscore_all", "unit"])
@pytest.mark.parametrize("leaf", [2**20, 256])
def test_normalisation_has_the_bits_of_its_definition(monkeypatch, how, leaf):
    monkeypatch.setattr(statistics, "_LEAF", leaf)
    rng = np.random.default_rng(0)
    image = rng.normal(100, 30, (2, 31, 23, 37)).astype(np.float32)
    image[:, :3] = image[:, :, -5:] = 0
    image[0][rng.random(image[0].shape) < 0.3] = 0
    assert np.array_equal(normalise(image, how), plain(image, how))


@pytest.mark.parametrize("count", [1, 2, 7, 128, 129, 1000, 4097, 100_003])
def test_statistics_are_numpys_to_the_last_bit(monkeypatch, count):
    monkeypatch.setattr(statistics, "_LEAF", 300)
    values = np.random.default_rng(count).gamma(2, 50, count).astype(np.float32)
    wide = values.astype(np.float64)
    pieces = np.array_split(values, 7)
    assert statistics.mean_and_deviation(lambda: pieces, count) == (wide.mean(), wide.std())
    assert statistics.percentiles(values.copy(), (0.5, 50, 99.5)) == np.percentile(wide, [0.5, 50, 99.5]).tolist()
