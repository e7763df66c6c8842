"""NCE: negative conditional entropy of the labels given the source head's decisions."""

from __future__ import annotations

import numpy as np

from tebench.baselines.leep import check_probabilities
from tebench.metrics.registry import ClassRange, metric


@metric(
    name="nce",
    title="NCE",
    paper="arXiv 1908.08142",
    direction="up",
    range=ClassRange("[-log C, 0]", lambda c: (-float(np.log(c)), 0.0)),
    reads="probabilities",
    cost="linear",
    disagreements=(
        "dbolya/parc adds 1e-5 to the joint and the marginal: -1.4562 where -1.4559 is right, -1.776 for -1.768",
        "pactran_metrics uses the probabilities instead of their argmax: -1.5204; one suite swaps the arguments",
    ),
)
def nce(probabilities, labels) -> float:
    """Minus the conditional entropy H(Y | Z), Z the source class of highest probability.

    NCE = sum_{y, z} P(y, z) log P(y | z) with empirical frequencies; the first of tied source classes counts.

    probabilities: (N, S) of the encoder's source head, rows sum to 1.   labels: (N,).
    Returns nats, range [-log C, 0]; higher is better. Without a source head it does not apply.
    Source: Tran, Nguyen, Hassner, ICCV 2019, arXiv 1908.08142.
    """
    theta, codes, n_classes = check_probabilities(probabilities, labels)
    joint = np.zeros((n_classes, theta.shape[1]))
    np.add.at(joint, (codes, theta.argmax(axis=1)), 1 / len(codes))
    given = np.broadcast_to(joint.sum(axis=0), joint.shape)
    seen = joint > 0
    return float(np.minimum((joint[seen] * np.log(joint[seen] / given[seen])).sum(), 0.0))
