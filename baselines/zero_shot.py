"""Zero shot: how well the source head segments the task as it is."""

from __future__ import annotations

import numpy as np

from tebench.base.errors import InputError
from tebench.baselines.foreground import LABEL_NAMES, dice
from tebench.metrics.registry import metric


@metric(
    name="zero_shot",
    title="Zero-shot Dice",
    paper="none: a control (the source head as it is)",
    direction="up",
    range=(0.0, 1.0),
    reads="probabilities",
    cost="linear",
    invariances=("scale", "rotation", "shift"),
    exceptions={"label names": LABEL_NAMES},
)
def zero_shot(probabilities, labels) -> float:
    """Dice of the source head's foreground against the task's, without any training.

    Two source classes: the voxels with P(source class 1) > 1/2 against all task foreground (labels above the lowest).
    More source classes: by argmax; source classes above 0 are matched one to one with the task's foreground classes so
    that the sum of Dice is largest, and Dice is averaged over the task's foreground classes (0 where no source class is
    left). The match looks at the labels: an upper bound of what a fixed correspondence would give [choice].
    Source class 0 is taken for background.

    probabilities: (N, S).   labels: (N,).   Range [0, 1]; higher is better. No source head: not applicable.
    Dice of the sample, in which foreground is over-represented, not of the volume. A brain-extraction head marks the
    whole brain whatever the task: on parts of the brain its Dice is at most that of the brain mask against their
    union, so it tells good brain masks from bad ones, not what the encoder knows of the parts.
    """
    from scipy.optimize import linear_sum_assignment

    probabilities, labels = np.asarray(probabilities), np.asarray(labels)
    if probabilities.ndim != 2 or probabilities.shape[1] < 2 or len(probabilities) != len(labels):
        raise InputError(
            f"probabilities: expected ({len(labels)}, S) with S >= 2 source classes, got {probabilities.shape}."
        )
    if probabilities.shape[1] == 2:
        return dice(labels > labels.min(), probabilities[:, 1] > 0.5, True)
    chosen, foreground = probabilities.argmax(axis=1), np.unique(labels)[1:]
    sources = range(1, probabilities.shape[1])
    table = np.array([[dice(labels == c, chosen == s, True) for s in sources] for c in foreground])
    return float(table[linear_sum_assignment(table, maximize=True)].sum() / len(foreground))
