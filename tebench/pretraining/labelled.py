"""The labelled volumes of supervised pre-training: the real training image of a task, with its label map."""

from __future__ import annotations

import numpy as np
import torch

from tebench.encoders.normalisation import normalise
from tebench.finetuning.data import class_weights
from tebench.pretraining.draw import CENTRES, Volumes
from tebench.pretraining.sources import Image
from tebench.pretraining.training import entropy
from tebench.tasks import catalogue, source_only

CLASS_WEIGHT_CAP = 20.0  # of the cross-entropy, relative to the most frequent class


class Labelled(Volumes):
    """Real training cases of one task, never its virtual subjects: the augmentation makes its own.

    data, labels: one (1, 1, X, Y, Z) float32 tensor a case each, on the task's own voxels; a recipe's deformation
    counts voxels of 2 mm, whatever they are.
    by_class: per case, the voxels of each foreground class that it holds.
    """

    def __init__(self, names: list[str], images: list[np.ndarray], labels: list[np.ndarray], classes: tuple[str, ...]):
        self.classes = tuple(classes)
        self.names = names
        self.share = np.arange(1, len(names) + 1) / len(names)
        self.data = [torch.from_numpy(np.asarray(image, np.float32))[None, None] for image in images]
        self.labels = [torch.from_numpy(np.asarray(found, np.float32))[None, None] for found in labels]
        self.centres = [self._body(name, np.asarray(image)) for name, image in zip(names, images, strict=True)]
        self.by_class = [self._classes(name, found) for name, found in zip(names, labels, strict=True)]
        counts = sum(np.bincount(found.ravel(), minlength=len(classes)) for found in labels)
        self.class_weights = class_weights(counts, CLASS_WEIGHT_CAP)

    @classmethod
    def of(cls, name: str) -> Labelled:
        """Of the task or source called `name`."""
        task = source_only.load(name)
        cases = [task.load(case_id) for case_id in source_only.real_cases(task)]
        images = [normalise(case.image, "unit")[0] for case in cases]
        return cls([f"{name}:{case.id}" for case in cases], images, [case.labels for case in cases], task.classes)

    @staticmethod
    def _classes(name: str, labels: np.ndarray) -> list[np.ndarray]:
        found = []
        for label in np.unique(labels[labels > 0]):
            flat = np.flatnonzero(labels.ravel() == label)
            rng = np.random.default_rng(entropy("centres", name, int(label)))
            flat = np.sort(rng.choice(flat, min(CENTRES, len(flat)), replace=False))
            found.append(np.stack(np.unravel_index(flat, labels.shape), 1))
        return found


def images(name: str) -> tuple[Image, ...]:
    """The packaged images of a label map, as records tell of them."""
    from tebench.tasks import image_registry

    recipe = next(recipe for recipe in (*catalogue.recipes(), *source_only.RECIPES) if recipe.name == name)
    share = 1 / len(recipe.train)
    modality = recipe.facts["modality"].split()[-1].replace("MRI", "MR")
    return tuple(
        Image(image_registry.image_id(source.package, source.image), source.package, source.image, share, modality)
        for source in recipe.train
    )
