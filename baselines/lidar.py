"""LiDAR: the effective rank of what tells places apart, not of what varies within one."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from tebench.base.errors import NotApplicable
from tebench.baselines.spectra import NO_LABELS, effective_rank
from tebench.metrics.parameters import Interval
from tebench.metrics.registry import metric


@metric(
    name="lidar",
    title="LiDAR (patches as views)",
    paper="arXiv 2312.04000",
    direction="up",
    range=(1.0, np.inf),
    reads="patches",
    cost="linear",
    stages="encoder[-1]",
    invariances=("scale", "rotation", "shift"),
    not_monotone=NO_LABELS,
)
def lidar(features, labels, cases, patches, *, delta: Annotated[float, Interval(1e-12, 1.0)] = 1e-4) -> float:
    """Effective rank of the linear discriminant matrix of surrogate classes, here the spatial patches of the sample.

    S_b = covariance of the patches' mean features, S_w = mean covariance within a patch + delta I,
    L = S_w^(-1/2) S_b S_w^(-1/2);  LiDAR = exp(-sum p log p), p = eigenvalues of L over their sum [paper].

    The paper's surrogate classes are images and their members augmented views. Cached features hold no augmentations:
    a class is a patch and its voxels are the views, neighbours within a few voxels that a pre-training by shifts or
    masks would hold together [choice]. delta is a share of the mean eigenvalue of S_w, so the score is free of scale
    [choice; paper: 1e-4, absolute]. Labels are not read.

    delta: ridge on S_w.

    features: (N, D), all rows of the sample.   patches: (P, V) row indices, -1 pads.   Range [1, min(P - 1, D)];
    higher is better. Fewer than two patches of two voxels, or patches without spread: not applicable.
    Source: Thilak et al., "LiDAR: sensing linear probing performance in joint embedding SSL architectures", ICLR 2024,
    arXiv 2312.04000.
    """
    present = patches >= 0
    patches, present = patches[present.sum(axis=1) > 1], present[present.sum(axis=1) > 1]
    if len(patches) < 2:
        raise NotApplicable(f"needs at least 2 patches of two or more voxels, and the sample has {len(patches)}.")
    members = features[np.maximum(patches, 0)] - features[patches[:, :1]]  # about the anchor: an offset costs no digits
    sizes = present.sum(axis=1)
    means = (members * present[..., None]).sum(axis=1) / sizes[:, None]
    spread = (members - means[:, None]) * np.sqrt(present / sizes[:, None])[..., None]
    spread = spread.reshape(-1, features.shape[1])
    within = spread.T @ spread / len(patches)
    centres = means + features[patches[:, 0]]
    centres = centres - centres.mean(axis=0)
    ridge = delta * np.trace(within) / len(within)
    values, axes = np.linalg.eigh(within)
    if not ridge > 0 or not centres.any():
        raise NotApplicable("the features do not vary within patches, or not between them.")
    whitened = centres @ axes / np.sqrt(np.maximum(values, 0) + ridge)
    return effective_rank(np.linalg.svd(whitened, compute_uv=False) ** 2)
