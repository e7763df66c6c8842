"""The sample: strata, anchors, patches, seeds. Tasks here are small arrays, two tests read a real task."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from tebench.base.errors import InputError
from tebench.features.sample import Role
from tebench.features.sampling import Recipe, allot, boundary, draw
from tebench.tasks.base import Case, Task

SMALL = Recipe(foreground=40, background=60, global_voxels=30, anchors=12, patch_voxels=9, patch_radius=2)


def make_task(label_maps, n_classes=4, name="toy", fingerprint="f"):
    """A task of these label maps, one a case."""
    ids = tuple(f"case-{k}" for k in range(len(label_maps)))

    def load(case_id):
        labels = label_maps[ids.index(case_id)]
        return Case(case_id, np.ones((1, *labels.shape), np.float32), labels.astype(np.int16), (1.0,) * 3, "subject")

    classes = ("background", "a", "b", "c", "d", "e")[:n_classes]
    return Task(name, name, classes, ids, (), {}, fingerprint, load)


def boxes(seed=0, shape=(20, 22, 24)):
    """Three touching boxes of different size, moved by the seed."""
    labels = np.zeros(shape, dtype=np.int16)
    k = seed % 3
    labels[2 + k : 12 + k, 3:15, 4:18] = 1
    labels[12 + k : 17, 3:15, 4:18] = 2
    labels[5:8, 5:8, 5:8] = 3
    return labels


@pytest.fixture
def task():
    return make_task([boxes(k) for k in range(3)])


def arrays(sample):
    return [getattr(sample, name).tobytes() for name in ("coordinates", "labels", "case", "role", "patch")]


def test_types_shapes_and_labels_read_back(task):
    sample = draw(task, SMALL, seed=0)
    n = len(sample)
    assert sample.coordinates.shape == (n, 3)
    types = {"coordinates": np.int32, "labels": np.int16, "case": np.int16, "role": np.int8, "patch": np.int32}
    for name, kind in types.items():
        array = getattr(sample, name)
        assert array.dtype == kind
        assert len(array) == n
        assert not array.flags.writeable
    for k, case_id in enumerate(sample.case_ids):
        rows = sample.case == k
        labels = task.load(case_id).labels
        np.testing.assert_array_equal(labels[tuple(sample.coordinates[rows].T)], sample.labels[rows])


def test_counts_of_the_strata(task):
    sample = draw(task, SMALL, seed=0)
    for k, case_id in enumerate(sample.case_ids):
        count = np.bincount(sample.role[sample.case == k], minlength=5)
        assert count.tolist() == [40, 60, 30, 12, 12 * 8]
        recorded = sample.recipe["counts"][case_id]
        assert sum(recorded["foreground"].values()) == 40
        assert (recorded["background"], recorded["global"], recorded["members"]) == (60, 30, 96)
        drawn = sample.labels[(sample.case == k) & (sample.role == Role.FOREGROUND)]
        assert recorded["foreground"] == {n: int((drawn == c).sum()) for c, n in enumerate("abc", start=1)}
    assert (sample.labels[sample.rows(Role.BACKGROUND)] == 0).all()
    assert (sample.labels[sample.rows(Role.FOREGROUND)] > 0).all()


def test_no_voxel_twice_in_one_stratum(task):
    sample = draw(task, SMALL, seed=0)
    for role in (Role.FOREGROUND, Role.BACKGROUND, Role.GLOBAL, Role.ANCHOR):
        rows = sample.rows(role)
        voxels = np.column_stack([sample.case[rows], sample.coordinates[rows]])
        assert len(np.unique(voxels, axis=0)) == len(rows)


def test_global_is_label_blind():
    labels = np.zeros((20, 20, 20), dtype=np.int16)
    labels[:5] = 1  # a quarter of the volume
    sample = draw(make_task([labels], 2), replace(SMALL, global_voxels=2000), seed=1)
    share = (sample.labels[sample.rows(Role.GLOBAL)] == 1).mean()
    # Hypergeometric standard deviation 0.0084; five of them.
    assert abs(share - 0.25) < 0.042


@pytest.mark.parametrize(
    ("total", "counts", "expected"),
    [
        (10, [50, 30, 20], [5, 3, 2]),
        # Quotas 4.7, 3.2, 2.1 -> floors 4, 3, 2, the one left to the largest remainder.
        (10, [47, 32, 21], [5, 3, 2]),
        # Quotas 3.33 each: a tie goes to the lowest class.
        (10, [7, 7, 7], [4, 3, 3]),
        # Quotas 0.99, 0.01: the small class gets none.
        (1, [99, 1], [1, 0]),
        # Seats of the textbook example: votes 47,16,15.8,12,6.1,3.1 thousand, 10 seats.
        (10, [47000, 16000, 15800, 12000, 6100, 3100], [5, 2, 1, 1, 1, 0]),
        (10, [3, 4], [3, 4]),
        (0, [3, 4], [0, 0]),
    ],
)
def test_largest_remainder(total, counts, expected):
    assert allot(total, np.array(counts)).tolist() == expected


@pytest.mark.parametrize(
    ("total", "counts", "expected"),
    [
        (9, [50, 30, 20], [3, 3, 3]),
        (10, [50, 30, 20], [4, 3, 3]),
        (12, [2, 30, 40], [2, 5, 5]),
        (9, [1, 2, 3], [1, 2, 3]),
    ],
)
def test_equal_shares_fill_up(total, counts, expected):
    assert allot(total, np.array(counts), "equal").tolist() == expected


def test_equal_balance_reaches_the_sample(task):
    counts = draw(task, replace(SMALL, foreground=30, balance="equal"), seed=0).recipe["counts"]["case-0"]
    assert counts["foreground"] == {"a": 10, "b": 10, "c": 10}
    assert counts["anchors"] == {"a": 4, "b": 4, "c": 4}


HUNDRED = np.zeros((40, 36, 32), np.int16)
HUNDRED[:, :, 24:], HUNDRED[:, :10, :24] = 1, 2
for n, (i, j, k) in enumerate(np.ndindex(8, 4, 3), 3):
    HUNDRED[1 + i * 5 : 4 + i * 5, 12 + j * 6 : 15 + j * 6, 1 + k * 8 : 4 + k * 8] = n


def test_a_floor_reaches_every_class():
    """Classes of 27 voxels beside two of 10,000: wasserth/TotalSegmentator#8. Without a floor most have no row."""
    task = replace(make_task([HUNDRED]), classes=("background", *(f"c{k}" for k in range(1, 99))))
    plain = draw(task, Recipe(global_voxels=0), seed=0)
    missed = set(range(1, 99)) - set(plain.labels[plain.rows(Role.FOREGROUND)].tolist())
    assert len(missed) > 50
    sample = draw(task, Recipe(global_voxels=0, floor=16, floor_anchors=2), seed=0)
    drawn = np.bincount(sample.labels[sample.rows(Role.FOREGROUND)], minlength=99)
    anchors = np.bincount(sample.labels[sample.rows(Role.ANCHOR)], minlength=99)
    assert (drawn[1:] >= 16).all() and (anchors[1:] >= 2).all()
    before = np.bincount(plain.labels[plain.rows(Role.FOREGROUND)], minlength=99)
    assert drawn[1:3].tolist() == before[1:3].tolist()  # what small classes give more is not taken from the others
    assert sample.recipe["counts"]["case-0"]["foreground"]["c50"] == 16


def test_a_class_below_the_floor_gives_all_its_voxels():
    """A lesion of 3 voxels, and one of 12 beside an organ of thousands: MIC-DKFZ/nnUNet#1460, #517."""
    labels = np.zeros((24, 24, 24), np.int16)
    labels[3:21, 3:21, 3:21] = 1
    labels[10:13, 10, 10] = 2
    labels[14:17, 14:16, 14:16] = 3
    sample = draw(make_task([labels]), Recipe(floor=16, floor_anchors=2), seed=0)
    rows = sample.rows(Role.FOREGROUND)
    assert np.bincount(sample.labels[rows])[2:].tolist() == [3, 12]
    assert len(np.unique(sample.coordinates[rows], axis=0)) == len(rows)


def test_a_case_without_foreground_gives_background_only():
    sample = draw(make_task([boxes(), np.zeros((20, 20, 20), np.int16)]), SMALL, seed=0)
    empty = sample.case == 1
    assert set(sample.role[empty].tolist()) == {Role.BACKGROUND, Role.GLOBAL} and not sample.labels[empty].any()


def test_recipes_without_a_floor_draw_what_they_always_drew(task):
    """Published scores rest on these samples; hashes of the first release."""
    first = "aabf88e4391468b9a58bbeb5e4a24179293123d744539de93be4c4ed17f56713"
    second = "006d3623372295679349241499cfbfa6267eae7008fb43cff5a7ffa827cd6117"
    assert draw(task, SMALL, seed=0).hash == first and draw(task, Recipe(), seed=3).hash == second
    assert "floor" not in Recipe().plain() and Recipe(floor=1).plain()["floor"] == 1


@pytest.mark.parametrize("seed", range(3))
def test_boundary_is_what_one_erosion_removes(seed):
    rng = np.random.default_rng(seed)
    labels = ndimage.zoom(rng.integers(0, 4, (5, 5, 5)), 4, order=0)
    cross = ndimage.generate_binary_structure(3, 1)
    expected = np.zeros(labels.shape, dtype=bool)
    for c in range(1, 4):
        mask = labels == c
        expected |= mask & ~ndimage.binary_erosion(mask, cross, border_value=1)
    np.testing.assert_array_equal(boundary(labels), expected)


def test_anchors_have_a_face_neighbour_of_another_label(task):
    sample = draw(task, SMALL, seed=0)
    for row in sample.rows(Role.ANCHOR):
        labels = task.load(sample.case_ids[sample.case[row]]).labels
        x, y, z = sample.coordinates[row]
        around = [(x + 1, y, z), (x - 1, y, z), (x, y + 1, z), (x, y - 1, z), (x, y, z + 1), (x, y, z - 1)]
        inside = [v for v in around if all(0 <= i < n for i, n in zip(v, labels.shape, strict=True))]
        assert labels[x, y, z] > 0
        assert any(labels[v] != labels[x, y, z] for v in inside)


def test_patches_lie_in_their_window_anchor_first(task):
    sample = draw(task, SMALL, seed=0)
    table = sample.patches()
    assert table.shape == (36, 9)
    assert (sample.role[table[:, 0]] == Role.ANCHOR).all()
    assert (sample.role[table[:, 1:]] == Role.MEMBER).all()
    reach = np.abs(sample.coordinates[table] - sample.coordinates[table[:, :1]])
    assert reach.max() == 2
    assert (sample.case[table] == sample.case[table[:, :1]]).all()
    for patch in table:
        assert len(np.unique(sample.coordinates[patch], axis=0)) == 9


def test_windows_are_clipped_and_small_ones_give_fewer_members():
    labels = np.zeros((2, 2, 3), dtype=np.int16)
    labels[0, 0, 0] = 1
    many = 10**6
    recipe = Recipe(foreground=many, background=many, global_voxels=many, anchors=many)
    sample = draw(make_task([labels]), recipe, seed=0)
    count = np.bincount(sample.role)
    assert count[Role.FOREGROUND] == (labels > 0).sum()
    assert count[Role.BACKGROUND] == (labels == 0).sum()
    assert count[Role.GLOBAL] == labels.size
    assert count[Role.ANCHOR] == boundary(labels).sum()


def test_single_label_patches_stay():
    # Class 1 everywhere but one corner voxel: with 2 voxels a patch, some hold one label.
    labels = np.ones((8, 8, 8), dtype=np.int16)
    labels[3, 3, 3] = 0
    sample = draw(make_task([labels], 2), Recipe(5, 5, 5, 6, 2, 2), seed=0)
    table = sample.patches()
    assert table.shape == (6, 2)
    one_label = (sample.labels[table] == sample.labels[table[:, :1]]).all(axis=1)
    assert one_label.any()


def test_no_boundary_no_patches():
    sample = draw(make_task([np.ones((6, 6, 6), dtype=np.int16)], 2), SMALL, seed=0)
    assert sample.patches().shape == (0, 0)
    assert sample.recipe["counts"]["case-0"]["background"] == 0


def test_same_seed_same_sample_other_seed_other_sample(task):
    first, again, other = draw(task, SMALL, seed=3), draw(task, SMALL, seed=3), draw(task, SMALL, seed=4)
    assert arrays(first) == arrays(again)
    assert (first.hash, first.label_hash) == (again.hash, again.label_hash)
    assert first.hash != other.hash
    assert arrays(first)[0] != arrays(other)[0]


def test_another_case_changes_no_other(task):
    few = make_task([boxes(k) for k in range(2)])
    more = draw(task, SMALL, seed=0)
    less = draw(few, SMALL, seed=0)
    np.testing.assert_array_equal(more.coordinates[more.case < 2], less.coordinates)


def test_another_stratum_size_changes_no_other(task):
    base = draw(task, SMALL, seed=0)
    bigger = draw(task, replace(SMALL, background=100, foreground=50), seed=0)
    for role in (Role.GLOBAL, Role.ANCHOR, Role.MEMBER):
        np.testing.assert_array_equal(base.coordinates[base.rows(role)], bigger.coordinates[bigger.rows(role)])


def test_cases_of_one_task_are_drawn_apart():
    # Two identical label maps must not give identical draws.
    sample = draw(make_task([boxes(), boxes()]), SMALL, seed=0)
    first, second = (sample.coordinates[sample.case == k] for k in (0, 1))
    assert not np.array_equal(first, second)


def test_label_hash_is_of_the_labels_alone():
    one, two = make_task([boxes()]), make_task([boxes()], fingerprint="g")
    a, b = draw(one, SMALL, seed=0), draw(two, SMALL, seed=0)
    assert a.label_hash == b.label_hash
    assert a.hash != b.hash


def test_a_subset_of_cases(task):
    sample = draw(task, SMALL, seed=0, cases=("case-2",))
    assert sample.case_ids == ("case-2",)
    whole = draw(task, SMALL, seed=0)
    np.testing.assert_array_equal(sample.coordinates, whole.coordinates[whole.case == 2])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"foreground": -1}, "foreground must be a whole number >= 0, got -1"),
        ({"background": 2.5}, "background must be a whole number"),
        ({"anchors": True}, "anchors must be a whole number"),
        ({"patch_voxels": 1}, "patch_voxels must be a whole number >= 2"),
        ({"patch_radius": 0}, "patch_radius must be a whole number >= 1"),
        ({"balance": "even"}, "balance must be 'proportional' or 'equal', got 'even'"),
        ({"foreground": 0, "background": 0, "global_voxels": 0, "anchors": 0}, "at least one voxel"),
    ],
)
def test_bad_recipes(change, message):
    with pytest.raises(InputError, match=message):
        replace(SMALL, **change)


def test_bad_tasks_cases_and_seeds(task):
    with pytest.raises(InputError, match="has no cases"):
        draw(make_task([]), SMALL, seed=0)
    with pytest.raises(InputError, match="has no cases"):
        draw(task, SMALL, seed=0, cases=())
    with pytest.raises(InputError, match="has no case 'case-9'"):
        draw(task, SMALL, seed=0, cases=("case-9",))
    with pytest.raises(InputError, match="listed twice"):
        draw(task, SMALL, seed=0, cases=("case-1", "case-1"))
    with pytest.raises(InputError, match="no foreground class"):
        draw(make_task([boxes()], 1), SMALL, seed=0)
    nothing = make_task([np.full((5, 5, 5), -1, np.int16)])
    with pytest.raises(InputError, match="every voxel is to be ignored"):
        draw(nothing, SMALL, seed=0)
    for seed in (-1, 0.5, None, True):
        with pytest.raises(InputError, match="seed must be a whole number"):
            draw(task, SMALL, seed=seed)


def test_real_task_default_recipe_in_two_processes():
    from tebench.tasks import catalogue

    task = catalogue.load("subcortex")
    sample = draw(task, Recipe(), seed=0)
    assert sample.case_ids == task.cases
    for k, case_id in enumerate(task.cases):
        count = np.bincount(sample.role[sample.case == k], minlength=5)
        assert count.tolist() == [256, 2560, 256, 50, 750]
        volumes = np.bincount(task.load(case_id).labels.ravel())[1:]
        drawn = list(sample.recipe["counts"][case_id]["foreground"].values())
        assert np.abs(np.array(drawn) - 256 * volumes / volumes.sum()).max() < 1
    table = sample.patches()
    assert table.shape == (300, 16)
    mixed = (sample.labels[table] != sample.labels[table[:, :1]]).any(axis=1)
    assert mixed.mean() > 0.95
    program = (
        "from tebench.features.sampling import Recipe, draw; from tebench.tasks import catalogue; "
        "print(draw(catalogue.load('subcortex'), Recipe(), seed=0).hash)"
    )
    other = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert other.stdout.strip() == sample.hash
