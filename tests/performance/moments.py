"""Cost of all moment metrics together, in units of the machine's own Gram-matrix limit.

    OMP_NUM_THREADS=1 python tests/performance/moments.py [--rows 10000 50000] [--columns 320] [--classes 5]

One limit = 2 N D^2 floating-point operations at the float32 matrix-product rate measured in the same run.
Everything is CPU seconds of this process, best of five; run it with one thread and compare the ratios.
"""

import argparse
import platform
import time

import numpy as np

from tebench.moments import Moments
from tebench.registry import get

METRICS = ("logme", "hscore", "hscore_regularized", "gbc", "transrate", "lfc", "ncti_seli")


def seconds(function, repeats=5):
    """Least CPU seconds of a call."""
    best = np.inf
    for _ in range(repeats):
        start = time.process_time()
        function()
        best = min(best, time.process_time() - start)
    return best


def draw(rows, columns, classes, seed=0):
    """Float32 Gaussian classes, half of the rows background."""
    rng = np.random.default_rng(seed)
    share = np.r_[0.5, np.full(classes - 1, 0.5 / (classes - 1))]
    labels = rng.choice(classes, rows, p=share)
    means = 0.3 * rng.standard_normal((classes, columns))
    return (rng.standard_normal((rows, columns)) + means[labels]).astype(np.float32), labels


def limit_seconds(rows, columns):
    """Seconds of 2 N D^2 operations at this machine's float32 matrix-product rate."""
    left, right = np.ones((2048, columns), np.float32), np.ones((columns, 4096), np.float32)
    rate = 2 * left.size * right.shape[1] / seconds(lambda: left @ right, 20)
    return 2 * rows * columns**2 / rate


def logme_by_svd(features, labels):
    """LogME as first published: thin SVD of the features, then MacKay's fixed point for every class.

    From any (a, b): effective dimension g = sum s^2 / (s^2 + a / b), weights m, residual r = y - X m;
    a <- g / |m|^2, b <- (N - g) / |r|^2, until a / b moves by less than 1e-3.
    """
    features = features.astype(np.float64)
    n = len(features)
    u, s, _ = np.linalg.svd(features, full_matrices=False)
    total = 0.0
    for label in np.unique(labels):
        y = (labels == label).astype(np.float64)
        z = u.T @ y
        ratio = 1.0
        for _ in range(100):
            g = (s**2 / (s**2 + ratio)).sum()
            weights = s * z / (s**2 + ratio)
            residual = y - u @ (s * weights)
            a, b = g / (weights @ weights), (n - g) / (residual @ residual)
            done = abs(a / b - ratio) < 1e-3 * ratio
            ratio = a / b
            if done:
                break
        log_det = np.log(a + b * s**2).sum()
        evidence = len(s) * np.log(a) + n * np.log(b) - b * residual @ residual - a * weights @ weights - log_det
        total += (evidence - n * np.log(2 * np.pi)) / (2 * n)
    return total / len(np.unique(labels))


def measure(rows, columns, classes):
    """Rows of the table for one size."""
    features, labels = draw(rows, columns, classes)
    limit = limit_seconds(rows, columns)
    yield "2 N D^2 float operations (the limit)", limit, limit
    double = features.astype(np.float64)
    yield "float64 Gram matrix alone", seconds(lambda: double.T @ double), limit
    yield "Moments.of", seconds(lambda: Moments.of(features, labels)), limit

    def spectra():
        moments = Moments.of(features, labels)
        start = time.process_time()
        assert moments.spectrum.rank and moments.uncentred.rank
        return time.process_time() - start

    yield "two eigendecompositions (D^3)", min(spectra() for _ in range(5)), limit
    for name in METRICS:
        shared = Moments.of(features, labels)
        assert shared.spectrum.rank and shared.uncentred.rank
        function = get(name).function
        yield f"{name}, after those", seconds(lambda f=function, m=shared: f(m)), limit

    def everything():
        moments = Moments.of(features, labels)
        for name in METRICS:
            get(name).function(moments)

    yield f"all {len(METRICS)} metrics from the features", seconds(everything), limit
    logme = get("logme").function
    yield "LogME alone from the features", seconds(lambda: logme(Moments.of(features, labels))), limit
    assert abs(logme(Moments.of(features, labels)) - logme_by_svd(features, labels)) < 1e-4
    yield "LogME by SVD and fixed point", seconds(lambda: logme_by_svd(features, labels), 2), limit


def table(sizes, columns, classes) -> str:
    """The Markdown table."""
    lines = [
        f"Machine: {platform.processor() or platform.machine()}, numpy {np.__version__}; D = {columns}, C = {classes}.",
        "",
        "| N | step | CPU seconds | limits |",
        "|---|---|---|---|",
    ]
    for rows in sizes:
        lines += [
            f"| {rows} | {step} | {s:.4f} | {s / limit:.2f} |" for step, s, limit in measure(rows, columns, classes)
        ]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 50_000])
    parser.add_argument("--columns", type=int, default=320)
    parser.add_argument("--classes", type=int, default=5)
    options = parser.parse_args()
    print(table(options.rows, options.columns, options.classes))


if __name__ == "__main__":
    main()
