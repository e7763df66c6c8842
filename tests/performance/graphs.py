"""Trees and neighbours against one matrix product, public packages and memory. Run through benchmark.py."""

import functools
import math
import os
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from benchmark import passes, product_rate, timed
from forked import measure

from tebench.features import cache
from tebench.graphs import emst, knn, small_trees
from tebench.metrics.evaluate_one import select_stages
from tebench.metrics.registry import get
from tebench.metrics.topology.patches import mixed

TITLE = "Graphs: minimum spanning trees and nearest neighbours"
NOTE = """\
One pass = 2 N^2 D float32 operations at the rate of the same run; N(N-1)/2 distances are half a pass. CPU seconds of
one thread, medians of five calls (three at 50,000 points and of neighbours; one at 100,000). MB: peak resident memory
above the points. `certified`: edges or neighbours decided in float64 from the values as given. Points are simulated
(`convolutional`: random convolutions of a smooth random volume) but for `features`: what ssl_mae gives at voxels of the
starter's lungs, all its stages side by side.

Small trees: one batched call against a Python loop over the patches, on the same float64 array. The loop calls
`scipy.sparse.csgraph.minimum_spanning_tree` on `squareform(pdist(patch))` or on `cdist(patch, patch)`, whichever is
faster here, and reads edges and lengths from the result; `cells`: patches with equal rows, as voxels of one feature
cell give (16 rows of 4 values). One thread; in brackets the factor that the float64 products of the batch alone would
leave. `elapsed`: both by the clock, with as many threads as torch takes by default; the loop cannot use them. Means
of twenty calls in a row, which is about as long as one loop over 300 patches takes: the first call after something else
needs up to twice the time. `LBTC of the starter`: the boundary patches that LBTC scores, on the cached features of
`job=extract benchmark=starter`, every task, encoder and stage a call of its own, each against its faster loop; sums of
medians of three.

On a GPU the same code runs (branches differ in the size of pieces and in numpy's share, see `on_cpu` in
`tebench/graphs/checks.py`; a test takes the other branches on the CPU). From reading, not from measuring: no loop
moves points or distances to the host. The host waits for the number of pairs that each 8192 x 8192 tile of a sweep
kept, for the number of components in each of Boruvka's rounds (at most log2 N), and holds the single linkage of the
N^0.7 sample points, a Python loop (about 3,000 steps at N = 100,000). The stretches below 8192 points are many small
products, so small N will be bound by kernel launches there."""
FAMILIES = (
    "gaussian", "clustered", "low rank", "rectified", "convolutional", "near duplicates", "background", "features",
)  # fmt: skip


def points(family: str, count: int, width: int) -> torch.Tensor:
    """(count, width) float32 points of one kind."""
    generator = torch.Generator().manual_seed(0)

    def normal(*shape):
        return torch.randn(*shape, generator=generator)

    if family == "features":
        folder = next(place for place in starter_folders() if place.parent.name == "ssl_mae" and "lungs" in place.parts)
        stages = list(cache.read(folder, verify=False).stages.values())
        return torch.from_numpy(np.concatenate(stages, axis=1)[:count, :width])
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
    """repeats: 0: time the one call whose memory is measured."""
    x = points(family, count, width)
    row = {"what": "emst certified" if certified else "emst", "points": family, "N": count, "D": width}
    few, before = points("gaussian", 2000, width), product_rate(width)
    answer = measure(lambda: emst(x, certified=certified)[1].sum().item(), warm=lambda: emst(few), limit=3000)
    if repeats:
        row |= passes(lambda: emst(x, certified=certified), count, width, repeats)
    else:
        rate = (before + product_rate(width)) / 2
        row |= {"seconds": round(answer["seconds"], 2), "GFLOP/s": round(rate / 1e9)}
        row["passes"] = round(answer["seconds"] * rate / (2 * count**2 * width), 3)
    return row | {"MB": round(answer["peak_mb"])}


def rows():
    """The table, most asked-for sizes first."""
    for certified in (False, True):
        for family in FAMILIES:
            yield tree_row(family, 20_000, 320, certified)
        for count, width, repeats in ((50_000, 320, 3), (20_000, 32, 5), (50_000, 32, 3), (2_000, 320, 15)):
            yield tree_row("gaussian", count, width, certified, repeats)
    yield tree_row("gaussian", 100_000, 320, True, 0)
    yield device_row()
    yield from peer_rows()
    for k in (10, 50):
        for certified in (False, True):
            x = points("gaussian", 20_000, 320)
            row = {"what": f"knn k={k}{' certified' if certified else ''}", "points": "gaussian", "N": 20_000, "D": 320}
            yield row | passes(lambda x=x, k=k, c=certified: knn(x, k, certified=c), 20_000, 320, 3)
    for width in (32, 320):
        for patches, size in ((50, 16), (300, 16), (300, 32), (300, 64)):
            yield small_row("gaussian", patches, size, width)
    yield small_row("cells", 300, 16, 320)
    yield starter_row()


def device_row() -> dict:
    """The tree of 100,000 points on a GPU, wall seconds, where there is one."""
    row = {"what": "emst certified on a GPU", "points": "gaussian", "N": 100_000, "D": 320}
    if not torch.cuda.is_available():
        return row | {"factor": "not measured: no GPU in this machine"}
    x, seconds = points("gaussian", 100_000, 320).cuda(), []
    for _ in range(4):
        torch.cuda.synchronize()
        start = time.perf_counter()
        emst(x)
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return row | {"seconds": round(statistics.median(seconds[1:]), 3), "factor": torch.cuda.get_device_name()}


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


def small_row(kind: str, patches: int, size: int, width: int) -> dict:
    """Batched small trees against a Python loop of scipy calls that gives edges and lengths too."""
    x = points("gaussian", patches * size, width).double().view(patches, size, width)
    if kind == "cells":
        x = x[:, torch.randint(0, 4, (size,), generator=torch.Generator().manual_seed(0))].contiguous()
    product = torch.empty(patches, size, size, dtype=torch.float64)
    calls = {
        "ours": lambda: small_trees(x),
        "product": lambda: torch.bmm(x, x.transpose(1, 2), out=product),
        **_loops(x.numpy()),
    }
    ours, alone, *loops = _medians(calls, time.process_time)
    theirs = min(loops)
    row = {"what": f"small_trees, {patches} patches of {size}", "points": kind, "N": patches * size, "D": width}
    factor = f"scipy loop {theirs / ours:.1f} x ({theirs / alone:.0f} x)"
    torch.set_num_threads(os.cpu_count())  # as it is by default
    wide, _, *loops = _medians(calls, time.perf_counter)
    torch.set_num_threads(1)
    return row | {"seconds": round(ours, 5), "factor": f"{factor}; elapsed {min(loops) / wide:.1f} x"}


def _loops(patches) -> dict:
    """The two Python loops of scipy calls over arrays of points."""
    from scipy.sparse.csgraph import minimum_spanning_tree
    from scipy.spatial.distance import cdist, pdist, squareform

    def loop(distances):
        for patch in patches:
            tree = minimum_spanning_tree(distances(patch)).tocoo()
            assert len(tree.data) < len(patch)  # rows, columns and lengths of the edges

    return {
        "pdist": lambda: loop(lambda patch: squareform(pdist(patch))),
        "cdist": lambda: loop(lambda patch: cdist(patch, patch)),
    }


def starter_row() -> dict:
    """What LBTC asks for on the starter benchmark: batched small trees against the faster loop, summed."""
    ours, loop, counts, widths = np.zeros(2), np.zeros(2), [], set()  # CPU of one thread, clock
    for x, present in starter_patches():
        few = [points[mask] for points, mask in zip(x, present, strict=True)]
        call = {"ours": lambda x=x, present=present: small_trees(x, present)}
        cpu = _medians(call, time.process_time, 3)[0]
        torch.set_num_threads(os.cpu_count())
        ours += cpu, _medians(call, time.perf_counter, 3)[0]
        torch.set_num_threads(1)
        loop += np.min([_both_clocks(function, 3) for function in _loops(few).values()], axis=0)
        counts.append(x.shape[:2])
        widths.add(x.shape[2])
    sizes = sorted(patches for patches, _ in counts)
    return {
        "what": f"small_trees, LBTC of the starter: {len(counts)} calls of {sizes[0]} to {sizes[-1]} patches",
        "points": "features", "N": sum(map(math.prod, counts)), "D": f"{min(widths)}-{max(widths)}",
        "seconds": round(float(ours[0]), 4),
        "factor": f"scipy loop {loop[0] / ours[0]:.1f} x; elapsed {loop[1] / ours[1]:.1f} x",
    }  # fmt: skip


def starter_patches():
    """(P, V, D) float64 points and (P, V) which exist, for every stage that LBTC reads of every cached pair."""
    for folder in starter_folders():
        features = cache.read(folder, verify=False)
        table = features.sample.patches()
        table = table[mixed(features.sample.labels, table)]
        for stage in select_stages(get("lbtc").stages, features.stages):
            yield np.array(features.stages[stage], np.float64)[np.maximum(table, 0)], table >= 0


@functools.cache
def starter_folders() -> list[Path]:
    """Feature folders of the starter benchmark, extracted where they are missing."""
    command = [sys.executable, "-m", "tebench", "job=extract", "benchmark=starter"]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return [Path(line.strip()) for line in printed.splitlines() if line.startswith("  ")]


def _both_clocks(call, repeats: int) -> np.ndarray:
    """Median CPU seconds and seconds by the clock."""
    seen = []
    for _ in range(repeats):
        begin = time.process_time(), time.perf_counter()
        call()
        seen.append((time.process_time() - begin[0], time.perf_counter() - begin[1]))
    return np.median(seen, axis=0)


def _medians(calls: dict, clock, repeats: int = 9) -> list[float]:
    """Median seconds of each call, all of them in turn."""
    seconds = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            times = 20 if name in ("ours", "product") else 1  # about as long as the loop takes
            begin = clock()
            for _ in range(times):
                call()
            seconds[name].append((clock() - begin) / times)
    return [statistics.median(values) for values in seconds.values()]
