"""Names beside points without overlaps: each label takes the cheapest free place, with a leader line if it moves."""

from __future__ import annotations

import numpy as np

_ANGLES = np.deg2rad(np.arange(0, 360, 22.5))
_RADII = (6.5, 10.0, 15.0, 22.0, 31.0, 43.0, 57.0)  # points between the marker's centre and the label's near edge
_PASSES = 4


def place(axes, positions, texts, *, size: float, colour="0.15", obstacles=()) -> list:
    """Write `texts` beside data `positions` (n, 2); returns the text artists.

    obstacles: further data segments ((x0, y0), (x1, y1)), such as error bars, that labels should not cover.
    Call after `settle`: places are chosen in the units of the page. Deterministic.
    """
    figure = axes.figure
    axes.autoscale(False)
    renderer = figure.canvas.get_renderer()
    unit = figure.dpi / 72
    points = axes.transData.transform(np.asarray(positions, float).reshape(-1, 2))
    bars = np.array([axes.transData.transform(segment) for segment in obstacles]).reshape(-1, 2, 2)
    sizes = np.array([_extent(axes, renderer, text, size) for text in texts]).reshape(-1, 2)
    frame = axes.get_window_extent(renderer)
    boxes = _choose(points, sizes, bars, (frame.x0, frame.y0, frame.x1, frame.y1), unit)
    back = axes.transData.inverted()
    made = []
    for point, box, text in zip(points, boxes, texts, strict=True):
        near = np.clip(point, box[:2], box[2:])
        gap = np.hypot(*(near - point))
        if gap > 11 * unit:
            start = point + (near - point) * 4 * unit / gap
            x, y = back.transform([start, near]).T
            axes.plot(x, y, color="0.6", lw=0.5, zorder=1.5, clip_on=False)
        x, y = back.transform((box[:2] + box[2:]) / 2)
        made.append(axes.text(x, y, text, ha="center", va="center", fontsize=size, color=colour, zorder=5))
    return made


def settle(figure) -> None:
    """Lay the figure out once and keep that layout: labels placed after this stay where they were put."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")


def _extent(axes, renderer, text, size) -> tuple[float, float]:
    probe = axes.text(0, 0, text, fontsize=size)
    box = probe.get_window_extent(renderer)
    probe.remove()
    return box.width, box.height * 0.9


def _choose(points, sizes, bars, frame, unit) -> np.ndarray:
    """(n, 4) boxes x0, y0, x1, y1. Crowded points choose first; further passes let each label move again."""
    n = len(points)
    options = [_candidates(point, wh, unit) for point, wh in zip(points, sizes, strict=True)]
    gaps = np.hypot(*(points[:, None] - points[None]).transpose(2, 0, 1)) + np.diag(np.full(n, np.inf))
    order = np.argsort(np.sort(gaps, axis=1)[:, :3].sum(1)) if n > 3 else np.arange(n)
    fixed = [_fixed_cost(i, options[i], points, bars, frame, unit) for i in range(n)]
    boxes = np.full((n, 4), np.nan)
    for _ in range(_PASSES):
        for i in order:
            placed = [j for j in range(n) if j != i and not np.isnan(boxes[j, 0])]
            others = boxes[placed]
            cost = fixed[i] + 60 * _overlap(options[i], others, 1.5 * unit).sum(1)
            cost += 20 * _crossed(_leaders(points[i], options[i]), others).sum(1)
            leaders = [_leaders(points[j], boxes[j : j + 1]) for j in placed]
            cost += 20 * sum((_crossed(path, options[i]).any(0) for path in leaders), np.zeros(len(cost)))
            boxes[i] = options[i][np.argmin(cost)]
    return boxes


def _candidates(point, wh, unit) -> np.ndarray:
    boxes = []
    for radius in _RADII:
        for angle in _ANGLES:
            direction = np.array([np.cos(angle), np.sin(angle)])
            # The box touches the circle with its near side; beside the point it is centred, above it runs either way.
            centre = point + direction * radius * unit + np.array([_side(direction[0]), _side(direction[1])]) * wh / 2
            boxes.append(np.concatenate([centre - wh / 2, centre + wh / 2]))
    return np.array(boxes)


def _side(component: float) -> float:
    return float(np.clip(1.6 * component, -1, 1))


def _fixed_cost(i, boxes, points, bars, frame, unit) -> np.ndarray:
    radius = np.repeat(_RADII, len(_ANGLES))
    others = np.delete(points, i, axis=0)
    marks = np.concatenate([others - 4.5 * unit, others + 4.5 * unit], axis=1)
    cost = 0.12 * radius + 40 * _overlap(boxes, marks, 0).sum(1)
    cost += 20 * _crossed(_leaders(points[i], boxes), marks).sum(1)
    cost += 4 * np.array([[_cuts(bar, box) for bar in bars] for box in boxes], float).reshape(len(boxes), -1).sum(1)
    # A label nearer to another point than to its own would be read as that one's.
    own = np.hypot(*(np.clip(points[i], boxes[:, :2], boxes[:, 2:]) - points[i]).T)
    near = np.clip(others[None], boxes[:, None, :2], boxes[:, None, 2:]) - others[None]
    cost += 5 * (np.hypot(near[..., 0], near[..., 1]) < own[:, None] + 3 * unit).sum(1)
    outside = (
        np.clip(frame[0] - boxes[:, 0], 0, None) + np.clip(boxes[:, 2] - frame[2], 0, None)
        + np.clip(frame[1] - boxes[:, 1], 0, None) + np.clip(boxes[:, 3] - frame[3], 0, None)
    )  # fmt: skip
    return cost + 3 * outside


def _overlap(boxes, others, pad) -> np.ndarray:
    """(candidates, others): 0 apart, else between 1 and 2 with the share that is covered."""
    width = np.minimum(boxes[:, None, 2], others[None, :, 2]) - np.maximum(boxes[:, None, 0], others[None, :, 0]) + pad
    height = np.minimum(boxes[:, None, 3], others[None, :, 3]) - np.maximum(boxes[:, None, 1], others[None, :, 1]) + pad
    area = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))[:, None]
    hit = (width > 0) & (height > 0)
    return np.where(hit, 1 + np.clip(width, 0, None) * np.clip(height, 0, None) / area, 0)


def _leaders(point, boxes) -> np.ndarray:
    """(steps, candidates, 2) positions along the line from the point to the near side of each box."""
    near = np.clip(point, boxes[:, :2], boxes[:, 2:])
    return point + (near - point)[None] * np.linspace(0.1, 0.95, 12)[:, None, None]


def _crossed(leaders, others) -> np.ndarray:
    """(candidates, others): does the leader run through another box."""
    inside = (leaders[:, :, None] > others[None, None, :, :2]) & (leaders[:, :, None] < others[None, None, :, 2:])
    return inside.all(-1).any(0).astype(float)


def _cuts(bar, box) -> bool:
    """Does an axis-parallel segment pass through the box (for others: through their common bounding box)."""
    low, high = bar.min(0), bar.max(0)
    return bool((low < box[2:]).all() and (high > box[:2]).all())
