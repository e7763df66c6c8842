"""Made-up cases and recipes that need no asset."""

import numpy as np
import pytest

from tebench.tasks.base import Case


def ball(shape, centre, radius):
    """Boolean ball."""
    grid = np.indices(shape)
    return ((grid - np.array(centre)[:, None, None, None]) ** 2).sum(axis=0) <= radius**2


@pytest.fixture
def ball_case():
    """A bright body with two balls whose intensity is their label: image and label map say the same."""
    shape = (40, 48, 44)
    labels = np.zeros(shape, dtype=np.int16)
    labels[ball(shape, (15, 20, 22), 7)] = 1
    labels[ball(shape, (27, 30, 22), 6)] = 2
    image = np.where(ball(shape, (20, 24, 22), 18), 100.0, 0.0) + 50.0 * labels
    return Case("template", image[None].astype(np.float32), labels, (2.0, 2.0, 2.0), "template")
