"""An example of reads="roles": how much closer to its own class a voxel lies than to the others, at the boundary."""

import numpy as np

from tebench import metric


@metric(
    name="example_boundary_margin",
    title="Boundary margin (example)",
    paper="none: an example of a metric that reads roles",
    direction="up",
    range=(-1.0, 1.0),
    reads="roles",  # called as f(features (N, D), labels (N,), cases (N,), roles (N,))
    cost="linear",
    invariances=("scale", "rotation", "shift"),
)
def example_boundary_margin(features, labels, cases, roles) -> float:
    """Mean relative difference of the distances to the nearest other and to the own class mean, over boundary voxels.

    Class means are taken over the voxels away from the boundary; roles are words: "foreground", "background", "global",
    "anchor" (a boundary voxel) and "member" (of the patch around an anchor).
    """
    boundary = np.isin(roles, ("anchor", "member"))
    classes = np.unique(labels[~boundary])
    asked = np.flatnonzero(boundary & np.isin(labels, classes))
    if len(classes) < 2 or not len(asked):
        from tebench.base.errors import NotApplicable

        raise NotApplicable("needs two classes away from the boundary and a voxel at it.")
    means = np.stack([features[~boundary & (labels == c)].mean(axis=0) for c in classes])
    distances = np.linalg.norm(features[asked, None] - means, axis=2)
    own = np.searchsorted(classes, labels[asked])
    mine = distances[np.arange(len(asked)), own]
    distances[np.arange(len(asked)), own] = np.inf
    nearest = distances.min(axis=1)
    total = mine + nearest
    return float(np.mean(np.where(total > 0, (nearest - mine) / np.where(total > 0, total, 1), 0)))
