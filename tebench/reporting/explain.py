"""Why an encoder scores as it does: a slice with its boundary patches, their trees and leaks, and the global trees.

Every number that is written on the picture is computed by the metrics' own functions on the cached features; what is
chosen for display (slice, patches, a subset of rows) depends on the sample alone, so it is the same for every encoder.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tebench.base.errors import NotApplicable
from tebench.features.sample import FeatureSet, Role
from tebench.metrics.evaluate_one import select_stages
from tebench.metrics.registry import get
from tebench.metrics.topology.grtd import grtd
from tebench.metrics.topology.labelled_tree import at_most, chance_of_cross, labelled_tree
from tebench.metrics.topology.patches import leakages, mixed
from tebench.reporting import style
from tebench.tasks.base import Case, Task

PATCHES, NODES = 6, 40  # patches drawn large; rows of each class in the drawn global trees
NEAR = 3  # voxels from the slice within which patches are shown on it
LEAK, INSIDE = "#c1272d", "0.25"


@dataclass(frozen=True)
class Leakage:
    """Leakage of every boundary patch. values: stage -> (P,); chance: (P,) expected under permuted labels."""

    patches: np.ndarray
    values: dict[str, np.ndarray]
    chance: np.ndarray

    @property
    def lbtc(self) -> float:
        return float(np.mean([1.0 - values.mean() for values in self.values.values()]))


def leakage(features: FeatureSet, extra: str) -> Leakage:
    """On every stage that LBTC reads, and on `extra`, the stage that is drawn."""
    sample = features.sample
    patches = sample.patches()
    labels = np.unique(sample.labels, return_inverse=True)[1].astype(np.int64)
    patches = patches[mixed(labels, patches)] if len(patches) else patches
    if not len(patches):
        raise NotApplicable("the sample has no boundary patch with more than one label: there is nothing to draw.")
    values = {}
    for stage in dict.fromkeys([*select_stages(get("lbtc").stages, features.stages), extra]):
        values[stage] = leakages(np.array(features.stages[stage], np.float64), labels, patches)
    chance = [chance_of_cross(np.unique(labels[row[row >= 0]], return_counts=True)[1]) for row in patches]
    return Leakage(patches, values, np.array(chance))


def draw(features: FeatureSet, task: Task, case: Case, *, title: str, stage: str | None = None):
    """The figure of one encoder on one task. stage: a policy such as "encoder[0]"; its first stage is drawn."""
    read = select_stages(get("lbtc").stages, features.stages)
    stage = select_stages(stage, features.stages)[0] if stage else read[0]
    everything = leakage(features, stage)
    judged = Leakage(everything.patches, {name: everything.values[name] for name in read}, everything.chance)
    number = features.sample.case_ids.index(case.id)
    here = np.flatnonzero(features.sample.case[everything.patches[:, 0]] == number)
    if not len(here):
        raise NotApplicable(f"case {case.id} has no boundary patch with more than one label: there is nothing to draw.")
    axis, plane = _slice(features.sample.coordinates[everything.patches[here, 0]])
    shown = here[_spread(features.sample.coordinates[everything.patches[here, 0]], axis, plane)]
    with style.theme():
        figure = style.new_figure(11.0, 8.4)
        rows = figure.add_gridspec(3, 1, height_ratios=(2.6, 2.2, 2.6))
        top, bottom = (rows[k].subgridspec(1, 2, width_ratios=w) for k, w in ((0, (1.0, 1.25)), (2, (1, 1))))
        colours = _colours(len(task.classes))
        _draw_slice(figure.add_subplot(top[0]), features, case, axis, plane, shown, everything, stage, colours, task)
        _draw_leakage(figure.add_subplot(top[1]), judged)
        small = rows[1].subgridspec(1, PATCHES)
        for k, index in enumerate(shown):
            axes = figure.add_subplot(small[k])
            _draw_patch(axes, features, case, everything.patches[index], stage, axis, colours)
            axes.set_title(f"{k + 1}: leakage {everything.values[stage][index]:.2f}", fontsize=8)
        _draw_trees([figure.add_subplot(cell) for cell in bottom], features, number, colours)
        figure.suptitle(
            f"{style.plain(title)} on {style.plain(task.name)}: LBTC {judged.lbtc:.3f} (all cases; {', '.join(read)})\n"
            f"shown: case {style.plain(case.id)}, patch trees on {stage}. Red: edge that joins labels. Dotted: equal "
            "features, so one of several equal trees; the leakage is their mean.\n"
            "Ring: anchor; voxels of other planes are shifted.",
            fontsize=9, x=0.01, ha="left",
        )  # fmt: skip
    return figure


def _slice(anchors: np.ndarray) -> tuple[int, int]:
    """The axis and plane that most anchors lie in (first of equals)."""
    best = max(((np.bincount(anchors[:, axis]).max(), -axis) for axis in range(3)), key=lambda pair: pair)
    axis = -best[1]
    return axis, int(np.bincount(anchors[:, axis]).argmax())


def _spread(anchors: np.ndarray, axis: int, plane: int) -> np.ndarray:
    """Up to PATCHES anchors near the plane, each as far as possible from those before it."""
    off = np.abs(anchors[:, axis] - plane)
    near = np.flatnonzero(off <= NEAR)
    chosen = [int(near[off[near].argmin()])]
    while len(chosen) < min(PATCHES, len(near)):
        gaps = ((anchors[near, None] - anchors[None, chosen]) ** 2).sum(2).min(1)
        chosen.append(int(near[gaps.argmax()]))
    return np.array(chosen)


def _colours(n: int) -> np.ndarray:
    """(n, 3): background light, one colour of the palette for each class."""
    import seaborn as sns

    palette = sns.color_palette("colorblind", 10)
    chosen = [palette[k] for k in (0, 1, 2, 4, 9, 5, 8, 6)]  # no red: that is for leaks
    return np.array([(0.93, 0.93, 0.93), *(chosen[k % len(chosen)] for k in range(n - 1))])


def _draw_slice(axes, features, case, axis, plane, shown, found, stage, colours, task) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patheffects import withStroke

    image, labels = _plane(case.image[0], axis, plane), _plane(case.labels, axis, plane)
    low, high = np.percentile(case.image[0], (1, 99.5))
    axes.imshow(image, cmap="gray", origin="lower", vmin=low, vmax=max(high, low + 1e-6), interpolation="nearest")
    present = [k for k in np.unique(labels) if k > 0]
    for k in present:
        axes.contour(labels == k, levels=[0.5], colors=[colours[k]], linewidths=1.1)
    across, up = _in_plane(axis)
    sample = features.sample
    own = np.flatnonzero(sample.case[found.patches[:, 0]] == sample.case[found.patches[shown[0], 0]])
    near = own[np.abs(sample.coordinates[found.patches[own, 0], axis] - plane) <= NEAR]
    spots = sample.coordinates[found.patches[near, 0]]
    dots = axes.scatter(
        spots[:, across], spots[:, up], c=found.values[stage][near], s=26, cmap="Reds", vmin=0, vmax=1,
        edgecolors="black", linewidths=0.6, zorder=3,
    )  # fmt: skip
    for k, index in enumerate(shown):
        x, y = sample.coordinates[found.patches[index, 0]][[across, up]]
        axes.annotate(str(k + 1), (x, y), xytext=(5, 4), textcoords="offset points", color="#ffe34d", fontsize=9,
                      fontweight="bold", zorder=4, path_effects=[withStroke(linewidth=2, foreground="k")])  # fmt: skip
    span = np.argwhere(labels > 0)
    if len(span):
        (y0, x0), (y1, x1) = span.min(0) - 9, span.max(0) + 9
        axes.set_xlim(max(x0, -0.5), min(x1, image.shape[1] - 0.5))
        axes.set_ylim(max(y0, -0.5), min(y1, image.shape[0] - 0.5))
    axes.set_axis_off()
    axes.set_title(f"patches within {NEAR} voxels of slice {plane}, axis {axis}", fontsize=8.5)
    axes.figure.colorbar(dots, ax=axes, shrink=0.75, label="leakage", pad=0.02)
    handles = [Line2D([], [], color=colours[k], lw=2, label=style.plain(task.classes[k])) for k in present]
    axes.legend(handles=handles, fontsize=6.5, loc="upper right", bbox_to_anchor=(-0.02, 1.0), frameon=False)


def _draw_leakage(axes, found: Leakage) -> None:
    """Sorted leakage of all patches, a line a stage; the dotted line is what permuted labels give on average."""
    import seaborn as sns

    share = (np.arange(len(found.patches)) + 0.5) / len(found.patches) * 100
    for colour, (name, values) in zip(sns.color_palette("crest", len(found.values)), found.values.items(), strict=True):
        axes.step(share, np.sort(values), where="mid", color=colour, lw=1.8, label=f"{name}: mean {values.mean():.3f}")
        axes.axhline(values.mean(), color=colour, lw=0.8, ls=(0, (4, 3)))
    axes.axhline(found.chance.mean(), color="0.4", lw=1, ls=":", label=f"permuted labels: {found.chance.mean():.3f}")
    axes.set(xlim=(0, 100), ylim=(-0.02, 1.02), xlabel=f"% of {len(found.patches)} patches of all cases, sorted")
    axes.set_ylabel("leakage: share of tree\nedges that join labels")
    axes.legend(fontsize=7.5, frameon=False, loc="upper left")
    axes.set_title("leakage of every patch; LBTC is one minus the mean over patches and stages", fontsize=8.5)


def _draw_patch(axes, features, case, patch, stage, axis, colours) -> None:
    """The tree of one patch over its labels; voxels of other planes are shifted, so that none hides another."""
    from tebench.graphs import small_trees

    sample, rows = features.sample, patch[patch >= 0]
    places, labels = sample.coordinates[rows], sample.labels[rows]
    across, up = _in_plane(axis)
    centre, reach = places[0], int(np.abs(places - places[0]).max()) + 1
    depth = (places[:, axis] - centre[axis])[:, None]
    spots = places[:, [across, up]] - centre[[across, up]] + depth * (0.16, 0.11)
    plane = _plane(case.labels, axis, int(centre[axis]))
    x, y = (int(centre[k]) for k in (across, up))
    window = _crop(plane, y, x, reach)
    tint = 0.45 + 0.55 * colours[np.maximum(window, 0)]  # an ignored voxel as background
    box = (-reach - 0.5, reach + 0.5, -reach - 0.5, reach + 0.5)
    axes.imshow(tint.clip(0, 1), origin="lower", extent=box, interpolation="nearest")
    points = np.array(features.stages[stage][rows], np.float64)
    edges, lengths = small_trees(points[None])
    for (i, j), length in zip(edges[0], lengths[0], strict=True):
        crosses = labels[i] != labels[j]
        axes.plot(*spots[[i, j]].T, color=LEAK if crosses else INSIDE, lw=2.0 if crosses else 1.0,
                  ls=":" if length == 0 else "-", zorder=2 + crosses)  # fmt: skip
    axes.scatter(*spots.T, c=colours[labels], s=34, edgecolors="black", linewidths=0.7, zorder=5)
    axes.scatter(*spots[:1].T, c="none", s=85, edgecolors="black", linewidths=1.2, zorder=5)
    axes.set(xticks=[], yticks=[], xlim=box[:2], ylim=box[2:])


def _draw_trees(pair, features, case: int, colours) -> None:
    """Left the spanning tree of the features of one case, right what its labels ask for, on the same plane."""
    stage = select_stages(get("grtd").stages, features.stages)[-1]
    sample = features.sample
    rows = sample.rows(Role.FOREGROUND, Role.BACKGROUND)
    rows = rows[sample.case[rows] == case]
    names, labels = np.unique(sample.labels[rows], return_inverse=True)
    points = np.array(features.stages[stage][rows], np.float64)
    whole = grtd(points, labels) if len(names) > 1 else math.nan
    kept = at_most(labels, NODES, 0)
    tree = labelled_tree(points[kept], labels[kept])
    spots, first, classes = _flat(points[kept], labels[kept])
    bridges = _bridges(tree.edges, tree.lengths, classes, len(names))
    crossing = classes[tree.edges[:, 0]] != classes[tree.edges[:, 1]]
    ink = colours[names[classes]] * np.where(names[classes] == 0, 0.75, 1.0)[:, None]
    for axes, keep in zip(pair, (np.arange(len(crossing)), np.array(bridges, int)), strict=True):
        few = axes is pair[1]
        if few:  # edges of length zero: every class is drawn together in one star
            for spot, c, colour in zip(spots, classes, ink, strict=True):
                centre = spots[classes == c].mean(0)
                axes.plot(*np.stack([spot, centre]).T, color=colour, lw=0.6, alpha=0.7, zorder=1)
        for (i, j), crosses in zip(tree.edges[keep], crossing[keep], strict=True):
            axes.plot(
                *spots[[i, j]].T, color=LEAK if crosses else "0.6", lw=3.0 if few else 1.6 if crosses else 0.8,
                zorder=5 if few else 2 + crosses,
            )  # fmt: skip
        axes.scatter(*spots.T, c=ink, s=16, edgecolors="0.2", linewidths=0.4, zorder=4)
        axes.set(xticks=[], yticks=[])
        axes.set_xlabel("plane of the two largest spreads (PCA); distances are those of all dimensions", fontsize=7)
        axes.margins(0.04)
    total, wanted = tree.lengths.sum(), tree.lengths[bridges].sum()
    pair[0].set_title(
        f"feature tree, {stage}, {len(first)} voxels: length {total:.3g},\n{int(crossing.sum())} of {len(crossing)} "
        "edges join labels", fontsize=8.5,
    )  # fmt: skip
    pair[1].set_title(
        f"label tree: a class is one point, {len(bridges)} edges, length {wanted:.3g}\nGRTD of this stage and case, "
        f"{len(points)} voxels: {whole:.4g}", fontsize=8.5,
    )  # fmt: skip


def _flat(points, labels):
    """((M, 2) principal plane of the distinct rows, first row of each, the label most rows of each have)."""
    from tebench.metrics.topology.labelled_tree import group_rows

    group, first = group_rows(points)
    counts = np.zeros((len(first), labels.max() + 1))
    np.add.at(counts, (group, labels), 1)
    distinct = points[first]
    _, _, directions = np.linalg.svd(distinct - distinct.mean(0), full_matrices=False)
    directions = directions[:2]
    largest = np.abs(directions).argmax(1)  # the sign of a singular vector is free: fixed here
    directions = directions * np.sign(directions[np.arange(len(directions)), largest])[:, None]
    flat = (distinct - distinct.mean(0)) @ directions.T
    return np.pad(flat, ((0, 0), (0, 2 - flat.shape[1]))), first, counts.argmax(1)


def _bridges(edges, lengths, classes, n: int) -> list[int]:
    """Indices of the tree edges that span the classes at least length, each class being one point (Kruskal)."""
    home, chosen = np.arange(n), []
    for k in np.argsort(lengths, kind="stable"):
        a, b = home[classes[edges[k]]]
        if a != b:
            home[home == b] = a
            chosen.append(int(k))
    return chosen


def _in_plane(axis: int) -> tuple[int, int]:
    across, up = (k for k in range(3) if k != axis)
    return across, up


def _plane(volume, axis: int, index: int) -> np.ndarray:
    """A slice with its first remaining axis to the right and its second upwards."""
    return np.take(volume, index, axis=axis).T


def _crop(plane, y: int, x: int, reach: int) -> np.ndarray:
    padded = np.pad(plane, reach)
    return padded[y : y + 2 * reach + 1, x : x + 2 * reach + 1]
