"""Connected components of the classes of a label map."""

from __future__ import annotations

import numpy as np


def components(labels: np.ndarray, n_classes: int) -> list[int]:
    """Components of each foreground class, voxels joined by faces, edges or corners; background is not counted (0).

    labels: (X, Y, Z) class indices; negative ones are no class.
    """
    from scipy import ndimage

    around = np.ones((3, 3, 3), dtype=bool)
    found = [0] * n_classes
    # Inside each class's own box, so that a hundred small classes cost no more than one large one.
    for index, box in enumerate(ndimage.find_objects(np.maximum(labels, 0), max_label=n_classes - 1), 1):
        if box is not None:
            found[index] = int(ndimage.label(labels[box] == index, structure=around)[1])
    return found
