"""DSE against its terms written out, with scipy's k-means from the same start."""

import numpy as np
import pytest
import scipy.cluster.vq
import scipy.spatial.distance as distance
import scipy.stats

import tebench
from tebench.base.errors import NotApplicable


def clusters(points, k):
    chosen = [int(np.argmax(distance.cdist(points, points.mean(0)[None])[:, 0]))]
    while len(chosen) < k:
        chosen.append(int(np.argmax(distance.cdist(points, points[chosen]).min(1))))
    return scipy.cluster.vq.kmeans2(points, points[chosen], iter=20, minit="matrix")


def spread(points, codes):
    found = []
    for k in np.unique(codes):
        own = points[codes == k]
        if len(own) > 1:
            found.append(np.linalg.norm(own - own.mean(0), "nuc") / np.sqrt(max(len(own) - 1, points.shape[1])))
    return np.mean(found)


def sample(seed=0, groups=4, n=240, d=7):
    rng = np.random.default_rng(seed)
    group = np.arange(n) % groups
    features = 3 * rng.standard_normal((groups, d))[group] + rng.standard_normal((n, d))
    return features, group % 2, rng.integers(0, 3, n)


@pytest.mark.reference("dse", source="terms by numpy and scipy, clusters by scipy's k-means")
@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_sum_of_its_terms(seed):
    features, labels, cases = sample(seed)
    points = features / np.linalg.norm(features, axis=1, keepdims=True)
    radius = np.linalg.norm(points - points.mean(0), axis=1).mean()
    centres, codes = clusters(points, 6)
    others = distance.cdist(points, centres)
    others[np.arange(240), codes] = np.inf
    alone = np.mean([spread(points[cases == k], clusters(points[cases == k], 2)[1]) for k in range(3)])
    dimension = np.exp(scipy.stats.entropy(np.linalg.svd(points)[1])) / 7
    expected = (others.min(1).mean() - (alone + spread(points, codes)) / 2) / radius
    given = {"cases": cases, "local": 2, "together": 6}
    assert tebench.score("dse", features, labels, **given) == pytest.approx(expected + dimension)
    assert tebench.score("dse", features, labels, weight=0.0, **given) == pytest.approx(expected)


def test_it_rises_as_clusters_part():
    rng = np.random.default_rng(1)
    group, noise = np.arange(300) % 5, rng.standard_normal((300, 8))
    means = 2 * np.eye(8)[:5]
    found = [
        tebench.score("dse", s * means[group] + noise, group, cases=group % 2, local=5, together=5, weight=0.0)
        for s in (0, 2, 4)
    ]
    assert found[0] < found[1] < found[2]


def test_constant_features_form_no_cluster():
    with pytest.raises(NotApplicable, match="form no clusters"):
        tebench.score("dse", np.ones((40, 3)), np.arange(40) % 2, cases=np.arange(40) % 2)
