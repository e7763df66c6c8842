"""Trees and neighbours against one matrix product, public packages and memory. Run through benchmark.py."""

from importlib.metadata import version

import torch
from benchmark import passes, product_rate, timed
from forked import measure

from tebench.graphs import emst, knn, small_trees

TITLE = "Graphs: minimum spanning trees and nearest neighbours"
NOTE = (
    "One pass = 2 N^2 D float32 operations at the rate of the same run; N(N-1)/2 distances are half a pass. "
    "CPU seconds of one thread, medians of five calls. MB: peak resident memory above the points. "
    "`certified`: edges or neighbours decided in float64 from the values as given."
)
FAMILIES = ("gaussian", "clustered", "low rank", "rectified", "convolutional", "near duplicates", "background")


def points(family: str, count: int, width: int) -> torch.Tensor:
    """(count, width) float32 points of one kind."""
    generator = torch.Generator().manual_seed(0)

    def normal(*shape):
        return torch.randn(*shape, generator=generator)

    if family == "clustered":
        return 5 * normal(50, width)[torch.randint(0, 50, (count,), generator=generator)] + 0.3 * normal(count, width)
    if family == "low rank":
        return normal(count, 8) @ normal(8, width) + 0.01 * normal(count, width)
    if family == "rectified":
        return (normal(count, 16) @ normal(16, width) + 0.5 * normal(count, width)).relu()
    if family == "convolutional":  # random 3D convolution of a smooth random volume, at random voxels
        volume = torch.nn.functional.interpolate(normal(1, 1, 12, 12, 12), size=(48, 48, 48), mode="trilinear")
        maps = torch.nn.functional.conv3d(volume + 0.1 * normal(1, 1, 48, 48, 48), normal(width, 1, 3, 3, 3))
        maps = maps[0].relu().flatten(1)
        return maps[:, torch.randperm(maps.shape[1], generator=generator)[:count]].T.contiguous()
    x = normal(count, width)
    if family == "near duplicates":
        x[count // 2 :] = x[: count - count // 2] + 1e-4 * x[count // 2 :]
    if family == "background":  # a quarter of the points equal to 1e-6
        x[: count // 4] = x[0] + 1e-6 * x[: count // 4]
    return x


def tree_row(family: str, count: int, width: int, certified: bool, repeats: int = 5) -> dict:
    x = points(family, count, width)
    row = {"what": "emst certified" if certified else "emst", "points": family, "N": count, "D": width}
    row |= passes(lambda: emst(x, certified=certified), count, width, repeats)
    few = points("gaussian", 2000, width)
    answer = measure(lambda: emst(x, certified=certified)[1].sum().item(), warm=lambda: emst(few), limit=3000)
    return row | {"MB": round(answer["peak_mb"])}


def rows():
    """The table, most asked-for sizes first."""
    for certified in (False, True):
        for family in FAMILIES:
            yield tree_row(family, 20_000, 320, certified)
        for count, width, repeats in ((50_000, 320, 2), (20_000, 32, 5), (50_000, 32, 3), (2_000, 320, 15)):
            yield tree_row("gaussian", count, width, certified, repeats)
    yield tree_row("gaussian", 100_000, 320, True, 1)
    yield from peer_rows()
    for k in (10, 50):
        for certified in (False, True):
            x = points("gaussian", 20_000, 320)
            row = {"what": f"knn k={k}{' certified' if certified else ''}", "points": "gaussian", "N": 20_000, "D": 320}
            yield row | passes(lambda x=x, k=k, c=certified: knn(x, k, certified=c), 20_000, 320)
    for patches, size, width in ((300, 16, 32), (300, 32, 32), (300, 64, 32), (300, 16, 320), (300, 64, 320)):
        yield small_row(patches, size, width)


def peer_rows():
    """quitefastmst from the package index on the same points, one call; the factor is its time over ours."""
    import quitefastmst

    x = points("gaussian", 20_000, 320)
    ours = min(timed(lambda: emst(x)) for _ in range(3))
    double = x.double().numpy()
    rate, theirs = product_rate(320), timed(lambda: quitefastmst.mst_euclid(double))
    row = {"what": f"quitefastmst {version('quitefastmst')}", "points": "gaussian", "N": 20_000, "D": 320}
    row |= {"seconds": round(theirs, 2), "passes": round(theirs * rate / (2 * 20_000**2 * 320), 1)}
    yield row | {"GFLOP/s": round(rate / 1e9), "factor": f"{theirs / ours:.0f} x emst"}


def small_row(patches: int, size: int, width: int) -> dict:
    """Batched small trees against a Python loop of scipy calls that gives the same edges and lengths."""
    from scipy.sparse.csgraph import minimum_spanning_tree
    from scipy.spatial.distance import pdist, squareform

    x = points("gaussian", patches * size, width).view(patches, size, width)
    array = x.double().numpy()

    def loop():
        for patch in array:
            minimum_spanning_tree(squareform(pdist(patch))).tocoo()

    small_trees(x)
    ours, theirs = [], []
    for _ in range(7):
        ours.append(timed(lambda: small_trees(x)))
        theirs.append(timed(loop))
    ours, theirs = sorted(ours)[3], sorted(theirs)[3]
    row = {"what": f"small_trees, {patches} patches of {size}", "points": "gaussian", "N": patches * size, "D": width}
    return row | {"seconds": round(ours, 5), "factor": f"scipy loop {theirs / ours:.1f} x"}
