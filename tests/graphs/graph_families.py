"""Point families that the tree and neighbour tests share, and trees by the textbook."""

import numpy as np

FAMILIES = [
    "gaussian", "clustered", "tight clusters", "low rank", "rectified", "convolutional", "near duplicates",
    "duplicates", "background", "grid", "offset", "heavy tails", "two scales", "line",
]  # fmt: skip


def family(name: str, count: int, width: int, seed: int = 0) -> np.ndarray:
    """(count, width) points of one kind, in float32 except where the kind needs float64."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((count, width))
    if name == "clustered":
        x = 0.3 * x + 5 * rng.standard_normal((20, width))[rng.integers(0, 20, count)]
    elif name == "tight clusters":
        return 1e-7 * x + 100 * rng.standard_normal((4, width))[rng.integers(0, 4, count)]
    elif name == "low rank":
        x = rng.standard_normal((count, 3)) @ rng.standard_normal((3, width)) + 0.001 * x
    elif name == "rectified":
        x = np.maximum(x - 1, 0)
    elif name == "convolutional":
        image = rng.standard_normal((32, 32, width)).cumsum(0).cumsum(1)
        x = image[rng.integers(0, 32, count), rng.integers(0, 32, count)] + 0.01 * x
    elif name == "near duplicates":
        x[count // 2 :] = x[: count - count // 2] + 1e-5 * x[count // 2 :]
    elif name == "duplicates":
        x = x[rng.integers(0, count // 3, count)]
    elif name == "background":
        x[: count // 2] = x[0] + 1e-6 * x[: count // 2]
    elif name == "grid":
        x = rng.integers(0, 3, (count, min(width, 7)))
    elif name == "offset":
        x = x + 1000
    elif name == "heavy tails":
        x = x / rng.random((count, 1)) ** 2
    elif name == "two scales":
        return np.concatenate([x[: count // 2], 1e9 * x[count // 2 :]])
    elif name == "line":
        x = np.outer(np.arange(count), np.ones(width))
    return x.astype(np.float32)


def distances(points) -> np.ndarray:
    """All Euclidean distances, by differences in float64."""
    x = np.asarray(points, np.float64)
    return np.stack([np.sqrt(((x - row) ** 2).sum(1)) for row in x])


def naive_prim(weights) -> np.ndarray:
    """Sorted edge lengths of a minimum spanning tree, by the definition: least edge that leaves the tree."""
    weights = np.asarray(weights, np.float64)
    inside, outside, lengths = [0], list(range(1, len(weights))), []
    while outside:
        crossing = weights[np.ix_(inside, outside)]
        place = np.unravel_index(crossing.argmin(), crossing.shape)
        lengths.append(crossing[place])
        inside.append(outside.pop(place[1]))
    return np.sort(lengths)


def assert_spanning(edges, count: int) -> None:
    """The edges are a tree over all vertices: count - 1 of them, and everything is reachable."""
    assert edges.shape == (count - 1, 2)
    assert edges.dtype == np.int64
    assert (edges[:, 0] < edges[:, 1]).all()
    parent = list(range(count))

    def root(v):
        while parent[v] != v:
            v = parent[v]
        return v

    for a, b in edges.tolist():
        a, b = root(a), root(b)
        assert a != b
        parent[b] = a
