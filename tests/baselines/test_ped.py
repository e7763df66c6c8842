import numpy as np
import pytest

import tebench
from tebench.baselines.logme import logme
from tebench.baselines.nleep import nleep
from tebench.baselines.ped import push, repulsion
from tebench.baselines.sfda import sfda
from tebench.metrics.moments import Moments


def sample(seed=0, n=150, d=4, separation=0.5):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    return (rng.standard_normal((n, d)) + separation * y[:, None]) * [1, 10, 0.1, 1] + 5, y


def as_released(X, y, location, scale, radius, step, steps, exit_ratio):
    """The motion simulation pair by pair, on the rows themselves, with given source statistics."""
    first = None
    for _ in range(steps):
        z = (X - location) / scale
        m = [z[y == c].mean(0) for c in range(3)]
        r = [np.sqrt(z[y == c].var(0).sum()) for c in range(3)]
        total = np.zeros((3, X.shape[1]))
        for a in range(3):
            for b in range(3):
                if a != b:
                    d = np.linalg.norm(m[a] - m[b])
                    force = max(radius * r[a] + radius * r[b] - d, 0)
                    total[a] += (m[a] - m[b]) / d * min(0.5 * step**2 * force, force)
        first = np.abs(total).sum() if first is None else first
        if not np.abs(total).sum() / first > exit_ratio:
            break
        X = (z + total[y]) * scale + location
    return X


@pytest.mark.parametrize(("step", "exit_ratio"), [(0.1, 0.5), (0.5, 0.5), (2.0, 0.0)])
def test_motion_is_the_released_one(step, exit_ratio):
    X, y = sample()
    location, scale = np.array([1.0, 2, 3, 4]), np.array([1.5, 8, 0.2, 1])
    options = {"radius": 0.6, "step": step, "steps": 6, "exit_ratio": exit_ratio}
    moved = X + repulsion(Moments.of(X, y), scale, **options)[y]
    expected = as_released(X, y, location, scale, **options)
    assert np.abs(expected - X).max() > 1e-3
    np.testing.assert_allclose(moved, expected, rtol=1e-10, atol=1e-12)


def test_two_balls_part_along_their_line():
    means, radii = np.array([[0.0, 0], [3, 4]]), np.array([4.0, 3.0])  # overlap 7 - 5 = 2
    np.testing.assert_allclose(push(means, radii, 1.0), [[-0.6, -0.8], [0.6, 0.8]], rtol=1e-12)
    np.testing.assert_allclose(push(means, radii, 9.0), [[-1.2, -1.6], [1.2, 1.6]], rtol=1e-12)  # at most the overlap
    assert not push(means, radii / 2, 1.0).any()


def test_coinciding_means_do_not_push():
    assert not push(np.zeros((2, 3)), np.ones(2), 1.0).any()


def test_then_the_other_metric():
    X, y = sample()
    same = {"steps": 0}
    assert tebench.score("ped", X, y, **same) == sfda(Moments.of(X, y))
    assert tebench.score("ped", X, y, then="logme", **same) == logme(Moments.of(X, y))
    assert tebench.score("ped", X, y, then="nleep", seed=3, **same) == nleep(Moments.of(X, y), seed=3)
    assert tebench.score("ped", X, y, step=1.0) > sfda(Moments.of(X, y))  # overlapping classes part


@pytest.mark.reference("ped", source="own: the authors' motion pair by pair on the rows, then SFDA (own reference)")
def test_default_value_is_sfda_of_the_moved_rows():
    X, y = sample()
    moved = as_released(X, y, X.mean(0), X.std(0), 0.6, 0.1, 6, 0.5)
    assert tebench.score("ped", X, y) == pytest.approx(sfda(Moments.of(moved, y)), rel=1e-9)
    assert tebench.score("ped", X, y) != pytest.approx(sfda(Moments.of(X, y)), rel=1e-6)
