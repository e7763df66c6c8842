"""Several draws in one sample: each is the sample that its seed gives alone."""

import numpy as np
import pytest

from tebench.base.errors import InputError
from tebench.features import joined
from tebench.features.sampling import ARRAYS, Recipe, draw
from tebench.tasks.base import Case, Task

RECIPE = Recipe(foreground=20, background=30, global_voxels=5, anchors=6, patch_voxels=4)


def load(case_id):
    rng = np.random.default_rng(int(case_id[1:]))
    labels = np.zeros((12, 14, 10), np.int16)
    labels[3:8, 4:9, 2:7] = 1
    labels[5:7, 5:8, 3:6] = 2
    return Case(case_id, rng.normal(size=(1, 12, 14, 10)).astype(np.float32), labels, (1.0, 1.0, 1.0), "subject")


TASK = Task("joined", "", ("background", "a", "b"), ("c0", "c1", "c2"), (), {}, "f" * 64, load)


def test_each_draw_equals_the_sample_of_its_seed(tmp_path):
    sample = joined.load_or_draw(TASK, RECIPE, [4, 7], tmp_path)
    draws = joined.draws_of(sample)
    assert sum(map(len, draws)) == len(sample)
    for rows, seed in zip(draws, (4, 7), strict=True):
        alone = draw(TASK, RECIPE, seed=seed)
        for name in ARRAYS:
            found = getattr(sample, name)[rows]
            if name == "patch":
                found = np.where(found >= 0, found - found[found >= 0].min(), -1)
            np.testing.assert_array_equal(found, getattr(alone, name))


def test_patches_stay_apart_and_the_file_is_read_again(tmp_path):
    seen = []
    first = joined.load_or_draw(TASK, RECIPE, [0, 1, 2], tmp_path, on_case=seen.append)
    again = joined.load_or_draw(TASK, RECIPE, [0, 1, 2], tmp_path, on_case=seen.append)
    assert seen == ["c0", "c1", "c2"] and again.hash == first.hash
    assert first.patches().shape == (3 * 3 * 6, 4)
    (file,) = tmp_path.glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:100])
    assert joined.load_or_draw(TASK, RECIPE, [0, 1, 2], tmp_path).hash == first.hash


@pytest.mark.parametrize("seeds", [[], [1, 1], [-1]])
def test_bad_seeds(tmp_path, seeds):
    with pytest.raises(InputError, match="seed"):
        joined.load_or_draw(TASK, RECIPE, seeds, tmp_path)
