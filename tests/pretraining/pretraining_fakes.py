"""Made-up source images and small recipes: no package is read."""

import numpy as np

from tebench.pretraining.draw import Volumes
from tebench.pretraining.recipe import Recipe
from tebench.pretraining.sources import Image

IMAGES = (Image("made-up:one", "nowhere", "one", 0.75, "MR"), Image("made-up:two", "nowhere", "two", 0.25, "CT"))


def arrays(images=IMAGES, size=40):
    """A bright body with a smooth texture inside a dark frame."""
    axis = np.linspace(-1, 1, size)
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    found = {}
    for k, image in enumerate(images):
        body = x**2 + y**2 + z**2 < 0.9
        texture = 0.5 + 0.3 * np.sin((3 + k) * x) + 0.2 * np.cos((5 - k) * y + z)
        found[image.id] = np.where(body, texture.clip(0.1, 1.0), 0.0).astype(np.float16)
    return found


def volumes():
    return Volumes(IMAGES, arrays())


def recipe(name, **numbers):
    """A real recipe on crops of 32, two a step."""
    real = Recipe.load(name)
    given = {"crop": 32, "batch": 2, "steps": 12, "mirror": real.training.mirror, **numbers}
    return Recipe.make(name=name, title=real.title, paper=real.paper, options=real.options, **given)
