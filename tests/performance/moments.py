"""Cost and accuracy of the moment metrics together, in units of the machine's own Gram-matrix limit.

python tests/performance/benchmark.py moments
"""

import time

import numpy as np

from tebench.metrics.moments import Moments
from tebench.metrics.registry import get

TITLE = "Moments: one pass for all moment-based metrics"
NOTE = """\
One limit = 2 N D^2 floating-point operations at the float32 matrix-product rate of the same run. CPU seconds of one
thread, least of five. Simulated float32 features: Gaussian classes, half of the rows background; D = 320, C = 5.
The two last steps of each size are LogME alone, and LogME as first published (thin SVD, MacKay's fixed point; our own
implementation of it, in float64); metrics.md has the packages of the index.

Errors: |difference| / |value| of LogME from the moments and from that SVD, the fixed point to 1e-12 from the best of
three starts, on 3000 x 24 values whose singular values spread over the condition given."""
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


def logme_by_svd(features, labels, starts=(1.0,), tolerance=1e-3):
    """LogME as first published: thin SVD of the features, then MacKay's fixed point for every class.

    From any (a, b): effective dimension g = sum s^2 / (s^2 + a / b), weights m, residual r = y - X m;
    a <- g / |m|^2, b <- (N - g) / |r|^2, until a / b moves by less than `tolerance`. The evidence can have two
    maxima, so the best of several starts is taken where exactness matters.
    """
    features = features.astype(np.float64)
    n = len(features)
    u, s, _ = np.linalg.svd(features, full_matrices=False)
    total = 0.0
    for label in np.unique(labels):
        y = (labels == label).astype(np.float64)
        total += max(_evidence(u, s, y, start, tolerance) for start in starts) / n
    return total / len(np.unique(labels))


def _evidence(u, s, y, ratio, tolerance):
    n, z = len(y), u.T @ y
    for _ in range(1000):
        g = (s**2 / (s**2 + ratio)).sum()
        weights = s * z / (s**2 + ratio)
        residual = y - u @ (s * weights)
        a, b = g / (weights @ weights), (n - g) / (residual @ residual)
        done = abs(a / b - ratio) < tolerance * ratio
        ratio = a / b
        if done:
            break
    log_det = np.log(a + b * s**2).sum()
    evidence = len(s) * np.log(a) + n * np.log(b) - b * residual @ residual - a * weights @ weights - log_det
    return (evidence - n * np.log(2 * np.pi)) / 2


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


def condition_errors():
    """Relative error of LogME from moments against the SVD on features of growing condition."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 3000)
    rotation = np.linalg.qr(rng.standard_normal((24, 24)))[0]
    spread = rng.standard_normal((3000, 24)) + 0.5 * rng.standard_normal((3, 24))[labels]
    for condition in (1e1, 1e2, 1e3, 1e4, 1e5):
        features = spread * np.geomspace(1, 1 / condition, 24) @ rotation
        expected = logme_by_svd(features, labels, starts=(1.0, 1e-4, 1e-8), tolerance=1e-12)
        found = get("logme").function(Moments.of(features, labels))
        yield {"step": f"relative error of LogME, condition {condition:.0e}", "N": 3000,
               "error": f"{abs(found / expected - 1):.1e}"}  # fmt: skip


def rows(sizes=(10_000, 50_000), columns=320, classes=5):
    """The table of `benchmark.py`."""
    for size in sizes:
        for step, seconds, limit in measure(size, columns, classes):
            yield {"step": step, "N": size, "CPU seconds": round(seconds, 4), "limits": round(seconds / limit, 2)}
    yield from condition_errors()
