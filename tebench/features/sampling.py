"""Drawing the sample of a task: strata, boundary anchors and the spatial patches around them."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from tebench.base import storage
from tebench.base.errors import InputError
from tebench.features.sample import Role, Sample

if TYPE_CHECKING:
    from tebench.tasks.base import Task

VERSION = 1  # raise when the same task, recipe and seed would give another sample
ARRAYS = ("coordinates", "labels", "case", "role", "patch")


@dataclass(frozen=True)
class Recipe:
    """How many voxels of each kind every case gives.

    foreground: over the foreground classes present, per `balance`. [released: 256]
    background: label 0.                                            [released: 2560]
    global_voxels: the global stratum, uniform over the labelled voxels of the case, label-blind. [released: 256]
    anchors: boundary voxels, over the classes per `balance`.       [released: 50]
    patch_voxels: voxels of a patch, the anchor included.           [released: 16]
    patch_radius: a patch is drawn from the cube of side 2 r + 1 around its anchor. [choice] 3: at
        stride 4 a side of 5 voxels meets at most 8 cells, fewer than a patch has voxels; a side of 7
        can meet 27, and still lies within the reach of one boundary.
    balance: "proportional" to the voxel counts of the classes [released] or "equal".
    floor, floor_anchors: every class in the case gives at least so many foreground rows and anchors, or all that it
        has; what `foreground` and `anchors` give it less is drawn on top of them. nnU-Net draws the class before the
        voxel for the same reason (arXiv:1904.08128). 0: a small class beside a large one may give none. [choice]
    Ignored voxels (label -1) are in no stratum and no patch. [choice]
    """

    foreground: int = 256
    background: int = 2560
    global_voxels: int = 256
    anchors: int = 50
    patch_voxels: int = 16
    patch_radius: int = 3
    balance: str = "proportional"
    floor: int = 0
    floor_anchors: int = 0

    def __post_init__(self):
        least = {"patch_voxels": 2, "patch_radius": 1}
        for name, value in asdict(self).items():
            if name == "balance":
                continue
            low = least.get(name, 0)
            if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < low:
                raise InputError(f"sampling recipe: {name} must be a whole number >= {low}, got {value!r}.")
            object.__setattr__(self, name, int(value))
        if self.balance not in ("proportional", "equal"):
            raise InputError(f"sampling recipe: balance must be 'proportional' or 'equal', got {self.balance!r}.")
        if self.foreground + self.background + self.global_voxels + self.anchors + self.floor + self.floor_anchors == 0:
            raise InputError("sampling recipe: every size is 0; ask for at least one voxel.")

    def plain(self) -> dict:
        """What is set, as plain values; a recipe without floors has the name and the draws that it always had.

        Samples on disk are addressed by these names, so `global_voxels` keeps the one that it had first, general.
        """
        kept = {name: value for name, value in asdict(self).items() if value or not name.startswith("floor")}
        return {"general" if name == "global_voxels" else name: value for name, value in kept.items()}


def draw(task: Task, recipe: Recipe, *, seed: int, cases: tuple[str, ...] | None = None) -> Sample:
    """Draw the sample of `task`, once, for every encoder.

    cases: ids to sample, by default all training cases.
    Voxels are drawn without replacement within a stratum; where a stratum holds fewer than asked,
    all are taken, and `Sample.recipe["counts"]` says how many. A voxel may be in two strata.
    Every (seed, task name, case, stratum) has its own random stream: one more case, or another size of
    one stratum, leaves all other draws as they were.
    """
    cases = _checked_cases(task, cases)
    seed = _checked_seed(seed)
    parts: list[dict[str, np.ndarray]] = []
    counts, n_patches = {}, 0
    for index, case_id in enumerate(cases):
        labels = task.load(case_id).labels
        part, counts[case_id] = _draw_case(labels, task, case_id, recipe, seed)
        part["case"] = np.full(len(part["labels"]), index, dtype=np.int16)
        part["patch"] = np.where(part["patch"] >= 0, part["patch"] + n_patches, -1).astype(np.int32)
        n_patches = max(n_patches, int(part["patch"].max(initial=-1)) + 1)
        parts.append(part)
    arrays = {name: np.concatenate([part[name] for part in parts]) for name in ARRAYS}
    facts = {**description(task, recipe, seed, cases), "counts": counts}
    return assemble(task.name, task.classes, cases, arrays, facts)


def description(task: Task, recipe: Recipe, seed: int, cases: tuple[str, ...] | None = None) -> dict:
    """All that determines a sample, as plain values."""
    return {
        **recipe.plain(),
        "seed": _checked_seed(seed),
        "cases": list(_checked_cases(task, cases)),
        "task_fingerprint": task.fingerprint,
        "version": VERSION,
    }


def assemble(task: str, classes, case_ids, arrays: dict[str, np.ndarray], recipe: dict) -> Sample:
    """The Sample of these arrays, with its hashes."""
    hashes = {name: storage.hash_array(arrays[name]) for name in ARRAYS}
    whole = {"arrays": hashes, "task": task, "classes": list(classes), "cases": list(case_ids), "recipe": recipe}
    for array in arrays.values():
        array.flags.writeable = False
    return Sample(
        task=task,
        classes=tuple(classes),
        case_ids=tuple(case_ids),
        recipe=recipe,
        hash=storage.hash_json(whole),
        label_hash=storage.hash_json({"labels": hashes["labels"]}),
        **arrays,
    )


def allot(total: int, counts: np.ndarray, balance: str = "proportional") -> np.ndarray:
    """Share `total` draws over classes with `counts` voxels each; never more than a class has.

    "proportional": quota q_c = total n_c / sum n; floor(q_c), then one each to the largest remainders,
    ties to the lower class. [released]   "equal": the same number each; what a small class cannot
    give is shared by the others. [choice]
    """
    counts = np.asarray(counts, dtype=np.int64)
    if total >= counts.sum():
        return counts.copy()
    if balance == "proportional":
        exact = total * counts
        share, remainder = exact // counts.sum(), exact % counts.sum()
        order = np.argsort(-remainder, kind="stable")
        share[order[: total - share.sum()]] += 1
        return share
    share = np.zeros_like(counts)
    while (left := total - share.sum()) > 0:
        open_classes = np.flatnonzero(share < counts)
        each, extra = divmod(left, len(open_classes))
        grant = np.full(len(open_classes), each)
        grant[:extra] += 1
        share[open_classes] += np.minimum(grant, (counts - share)[open_classes])
    return share


def boundary(labels: np.ndarray) -> np.ndarray:
    """Foreground voxels of every class c that one erosion of (labels == c) removes, 6-neighbourhood.

    Equal to: a foreground voxel with a face neighbour of another label. The edge of the volume is not a
    boundary: outside counts as the same label; so does an ignored voxel. [paper, released; both of these: choice]
    """
    edge = np.zeros(labels.shape, dtype=bool)
    for axis in range(labels.ndim):
        low = tuple(slice(None, -1) if a == axis else slice(None) for a in range(labels.ndim))
        high = tuple(slice(1, None) if a == axis else slice(None) for a in range(labels.ndim))
        differ = (labels[low] != labels[high]) & (labels[low] >= 0) & (labels[high] >= 0)
        edge[low] |= differ
        edge[high] |= differ
    return edge & (labels > 0)


def _draw_case(labels: np.ndarray, task: Task, case_id: str, recipe: Recipe, seed: int):
    """Arrays of one case, patch numbers from 0, and the counts drawn; no ignored voxel (label -1) is among them."""
    flat = labels.reshape(-1)
    names = task.classes
    streams = {role: _stream(seed, task.name, case_id, role.name) for role in Role}

    inside = np.flatnonzero(flat > 0)
    foreground, per_class = _stratified(
        flat, inside, recipe.foreground, recipe.floor, recipe.balance, streams[Role.FOREGROUND]
    )
    background = _choose(streams[Role.BACKGROUND], np.flatnonzero(flat == 0), recipe.background)
    everywhere = _choose(streams[Role.GLOBAL], np.flatnonzero(flat >= 0), recipe.global_voxels)
    edge = np.flatnonzero(boundary(labels))
    anchors, per_edge = _stratified(
        flat, edge, recipe.anchors, recipe.floor_anchors, recipe.balance, streams[Role.ANCHOR]
    )
    members = [_window(anchor, labels, recipe, streams[Role.MEMBER]) for anchor in anchors]

    voxels, roles, patches = [foreground, background, everywhere], [], []
    for role, chosen in ((Role.FOREGROUND, foreground), (Role.BACKGROUND, background), (Role.GLOBAL, everywhere)):
        roles.append(np.full(len(chosen), role))
        patches.append(np.full(len(chosen), -1))
    for number, (anchor, around) in enumerate(zip(anchors, members, strict=True)):
        voxels.append(np.concatenate([[anchor], around]))
        roles.append(np.concatenate([[Role.ANCHOR], np.full(len(around), Role.MEMBER)]))
        patches.append(np.full(len(around) + 1, number))
    voxels = np.concatenate(voxels).astype(np.int64)
    part = {
        "coordinates": np.stack(np.unravel_index(voxels, labels.shape), axis=1).astype(np.int32),
        "labels": flat[voxels].astype(np.int16),
        "role": np.concatenate(roles).astype(np.int8),
        "patch": np.concatenate(patches).astype(np.int64),
    }
    counts = {
        "foreground": {names[c]: n for c, n in per_class.items()},
        "background": len(background),
        "global": len(everywhere),
        "anchors": {names[c]: n for c, n in per_edge.items()},
        "members": sum(map(len, members)),
    }
    return part, counts


def _stratified(flat, candidates, total: int, floor: int, balance: str, rng) -> tuple[np.ndarray, dict[int, int]]:
    """`total` of the candidate voxels, split over their classes, none below the floor; and how many each gave."""
    present, counts = np.unique(flat[candidates], return_counts=True)
    shares = np.maximum(allot(total, counts, balance), np.minimum(counts, floor))
    chosen = [_choose(rng, candidates[flat[candidates] == c], share) for c, share in zip(present, shares, strict=True)]
    drawn = {int(c): int(n) for c, n in zip(present, shares, strict=True)}
    return np.concatenate([*chosen, np.empty(0, dtype=np.int64)]).astype(np.int64), drawn


def _choose(rng: np.random.Generator, candidates: np.ndarray, size: int) -> np.ndarray:
    """`size` of the candidates without replacement, or all of them, in their order."""
    if size >= len(candidates):
        return candidates
    return candidates[np.sort(rng.choice(len(candidates), size=int(size), replace=False, shuffle=False))]


def _window(anchor: int, labels: np.ndarray, recipe: Recipe, rng: np.random.Generator) -> np.ndarray:
    """patch_voxels - 1 labelled voxels of the cube around the anchor, clipped at the volume's edge, without it."""
    shape = labels.shape
    centre = np.unravel_index(anchor, shape)
    r = recipe.patch_radius
    axes = [np.arange(max(0, c - r), min(n, c + r + 1)) for c, n in zip(centre, shape, strict=True)]
    cube = np.ravel_multi_index(np.meshgrid(*axes, indexing="ij"), shape).reshape(-1)
    return _choose(rng, cube[(cube != anchor) & (labels.reshape(-1)[cube] >= 0)], recipe.patch_voxels - 1)


def _stream(seed: int, *words: str) -> np.random.Generator:
    digest = hashlib.sha256("\0".join(words).encode()).digest()
    entropy = [seed, *np.frombuffer(digest, dtype="<u4").tolist()]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))


def _checked_seed(seed) -> int:
    if not isinstance(seed, (int, np.integer)) or isinstance(seed, bool) or seed < 0:
        raise InputError(f"sampling: seed must be a whole number >= 0, got {seed!r}.")
    return int(seed)


def _checked_cases(task: Task, cases) -> tuple[str, ...]:
    chosen = tuple(task.cases if cases is None else cases)
    if not chosen:
        raise InputError(f"task {task.name!r} has no cases to sample; it needs at least one labelled training case.")
    if task.n_foreground < 1:
        raise InputError(f"task {task.name!r} has no foreground class; its classes are {list(task.classes)}.")
    for case_id in chosen:
        if case_id not in task.cases + task.test_cases:
            raise InputError(f"task {task.name!r} has no case {case_id!r}; it has {list(task.cases)}.")
    if len(set(chosen)) < len(chosen):
        raise InputError(f"task {task.name!r}: a case is listed twice in {list(chosen)}.")
    return chosen
