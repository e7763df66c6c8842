"""Disjoint, nested, stratified draws out of one sample."""

import numpy as np
import pytest

from tebench.base.errors import InputError
from tebench.features.sample import FeatureSet, Role
from tebench.features.sampling import Recipe, allot, assemble
from tebench.research.studies.draws import Draws, scaled

RECIPE = Recipe(foreground=6, background=10, global_voxels=0, anchors=2, patch_voxels=3, patch_radius=1)


def large_sample(n=4, most=2):
    """Two cases; classes 1 and 2 at 2 to 1 in the foreground; patches of one anchor and two members."""
    rng = np.random.default_rng(0)
    parts = []
    for case in range(2):
        kinds = [
            (Role.FOREGROUND, np.repeat([1, 2], [4 * n * most, 2 * n * most])),
            (Role.BACKGROUND, np.zeros(10 * n * most)),
            (Role.ANCHOR, np.tile([1, 2], n * most)),
            (Role.MEMBER, rng.integers(0, 3, 4 * n * most)),
        ]
        role = np.concatenate([np.full(len(labels), kind) for kind, labels in kinds])
        patch = np.full(len(role), -1)
        patch[role == Role.ANCHOR] = np.arange(2 * n * most) + case * 2 * n * most
        patch[role == Role.MEMBER] = np.repeat(patch[role == Role.ANCHOR], 2)
        parts.append((np.concatenate([labels for _, labels in kinds]), np.full(len(role), case), role, patch))
    labels, case, role, patch = (np.concatenate(column) for column in zip(*parts, strict=True))
    arrays = {
        "coordinates": np.stack([np.arange(len(labels))] * 3, 1).astype(np.int32), "labels": labels.astype(np.int16),
        "case": case.astype(np.int16), "role": role.astype(np.int8), "patch": patch.astype(np.int32),
    }  # fmt: skip
    return assemble("tissues", ("background", "a", "b"), ("c1", "c2"), arrays, {})


def test_draws_share_no_voxel_and_smaller_ones_lie_in_larger_ones():
    draws = Draws(large_sample(), 4, seed=1)
    for size in (0.5, 1, 2):
        rows = [set(draws.rows(k, scaled(RECIPE, size)).tolist()) for k in range(4)]
        assert sum(map(len, rows)) == len(set.union(*rows))
    nested = [set(draws.rows(0, scaled(RECIPE, size)).tolist()) for size in (0.5, 1, 2)]
    assert nested[0] < nested[1] < nested[2]
    assert rows[0] == nested[2]


def test_a_draw_holds_what_the_recipe_asks_of_every_case():
    sample = large_sample()
    part = Draws(sample, 4, seed=1).features(FeatureSet("e", sample, {}, {}, ""), 2, RECIPE).sample
    for case in (0, 1):
        labels = part.labels[(part.role == Role.FOREGROUND) & (part.case == case)]
        assert np.bincount(labels, minlength=3)[1:].tolist() == allot(6, np.array([32, 16])).tolist() == [4, 2]
        assert ((part.role == Role.BACKGROUND) & (part.case == case)).sum() == 10
        assert ((part.role == Role.ANCHOR) & (part.case == case)).sum() == 2
    table = part.patches()
    assert table.shape == (4, 3) and (table >= 0).all()
    assert (part.role[table[:, 0]] == Role.ANCHOR).all() and (part.role[table[:, 1:]] == Role.MEMBER).all()
    assert (part.patch[table] == part.patch[table[:, :1]]).all()


def test_features_follow_their_voxels_and_the_seed_decides():
    sample = large_sample()
    matrix = sample.coordinates[:, :1].astype(np.float32)
    features = FeatureSet("e", sample, {"encoder.0": matrix, "encoder.1": matrix}, {}, "h")
    part = Draws(sample, 4, seed=1).features(features, 3, RECIPE, ["encoder.1"])
    assert list(part.stages) == ["encoder.1"]
    assert np.array_equal(part.stages["encoder.1"][:, 0], part.sample.coordinates[:, 0])
    again, other = (Draws(sample, 4, seed=s).features(features, 3, RECIPE).sample.hash for s in (1, 2))
    assert again != other
    assert again == Draws(large_sample(), 4, seed=1).features(features, 3, RECIPE).sample.hash


def test_one_draw_is_refused():
    with pytest.raises(InputError, match="at least 2"):
        Draws(large_sample(), 1, seed=0)
