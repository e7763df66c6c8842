"""Whether two volumes lie on one grid, and a map turned onto another's grid where only axes differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tebench.tasks.images import Image

FARTHEST = 0.1  # voxels that the corners of image and label map may lie apart [choice]
SIZES_DIFFER = 0.01  # relative difference of voxel sizes of a file that states no place [choice]


def apart(shape: tuple[int, ...], one: np.ndarray, other: np.ndarray) -> float:
    """How far the two affines put the corners of a volume apart, at most, in voxels of `one`'s smallest edge."""
    corners = np.array(np.meshgrid(*[(0, size - 1) for size in shape[:3]], indexing="ij")).reshape(3, -1)
    shift = (one - other)[:3] @ np.vstack([corners, np.ones(corners.shape[1])])
    return float(np.linalg.norm(shift, axis=0).max() / np.linalg.norm(one[:3, :3], axis=0).min())


def turn(shape: tuple[int, ...], affine: np.ndarray, target_shape, target: np.ndarray) -> tuple | None:
    """(order of axes, which of them are flipped) that bring a volume onto the target grid voxel by voxel.

    None where no permutation and reflection of axes does, within FARTHEST voxels at the corners.
    """
    matrix = np.linalg.solve(target, affine)[:3, :3]  # of a voxel step here, the steps there
    steps = np.rint(matrix)
    if not (np.abs(steps).sum(axis=0) == 1).all() or not (np.abs(steps).sum(axis=1) == 1).all():
        return None
    order = tuple(int(np.flatnonzero(row)[0]) for row in steps)
    flipped = tuple(axis for axis in range(3) if steps[axis, order[axis]] < 0)
    if tuple(shape[axis] for axis in order) != tuple(target_shape[:3]):
        return None
    back = np.zeros((4, 4))
    back[3, 3] = 1
    for axis, own in enumerate(order):
        back[own, axis] = -1 if axis in flipped else 1
        back[own, 3] = shape[own] - 1 if axis in flipped else 0
    return (order, flipped) if apart(target_shape, target, affine @ back) <= FARTHEST else None


def turned(data: np.ndarray, how: tuple) -> np.ndarray:
    """The (X, Y, Z[, C]) array with axes ordered and flipped as `turn` says; a view."""
    order, flipped = how
    data = data.transpose(*order, *range(3, data.ndim))
    return np.flip(data, flipped) if flipped else data


def fit(image: Image, grid: Image, geometry: str = "file", what: str = "label map") -> tuple[tuple | None, str, str]:
    """(how to turn `image` onto `grid`, what is unusual, why they do not match).   what: name of `image` in words.

    (None, ...) leaves the axes alone. A file that states no place is compared by shape and voxel size only.
    geometry "voxels": by shape only, voxel k of one is voxel k of the other.
    """
    shape, wanted = image.data.shape[:3], grid.data.shape[:3]
    if geometry == "voxels":
        return None, "", "" if shape == wanted else f"image {wanted} and {what} {shape} differ in shape"
    if image.placed and grid.placed:
        how = turn(shape, image.affine, wanted, grid.affine)
        if how == ((0, 1, 2), ()):
            return None, "", ""
        if how is not None and image.other is None and grid.other is None:  # else which axes are meant is a guess
            return how, "axes turned onto the image's, as the header says", ""
        if shape != wanted:
            return None, "", f"image {wanted} and {what} {shape} differ in shape"
        return None, "", _why(image, grid, what)
    if shape != wanted:
        return None, "", f"image {wanted} and {what} {shape} differ in shape"
    if not np.allclose(image.spacing, grid.spacing, rtol=SIZES_DIFFER):
        return None, "", f"voxel sizes differ: image {mm(grid)}, {what} {mm(image)} mm"
    note = "" if image.placed == grid.placed else "paired with the image by shape and voxel size only"
    return None, note, ""


def _why(image: Image, grid: Image, what: str) -> str:
    distance = apart(grid.data.shape, grid.affine, image.affine)
    text = (
        f"image and {what} lie {distance:.2g} voxels apart at a corner (spacing {mm(grid)} against {mm(image)} mm, "
        "or another origin or direction)"
    )
    forms = [(f"the {_other(one)} of the {name}", one) for name, one in (("image", grid), (what, image))]
    for words, one in forms:
        if one.other is None:
            continue
        mine = (one.other, image.affine) if one is grid else (grid.affine, one.other)
        if apart(grid.data.shape, *mine) <= FARTHEST:
            return f"{text}; by {words}, which disagrees with its {one.form}, they match: geometry={_other(one)}"
    if np.allclose(image.spacing, grid.spacing, rtol=SIZES_DIFFER):
        text += "; if their voxels belong together as they are stored, geometry=voxels"
    return text


def _other(image: Image) -> str:
    return "qform" if image.form == "sform" else "sform"


def mm(image: Image) -> str:
    """The voxel size as 1x1x2.5."""
    return "x".join(f"{edge:.4g}" for edge in image.spacing)


def orientation(affine: np.ndarray) -> str:
    """Three letters such as RAS, and "oblique" where an axis is more than 5 degrees off. [choice]"""
    import nibabel

    unit = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    letters = "".join(letter or "?" for letter in nibabel.aff2axcodes(affine))
    return letters + (" oblique" if np.abs(unit).max(axis=0).min() < np.cos(np.deg2rad(5)) else "")
