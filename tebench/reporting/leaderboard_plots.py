"""Small SVG pictures for the page: text stays text, colours come from the page's style, every name is escaped.

`tebench.reporting.figures` draws the same for papers; there, letters are outlines and colours are fixed, which would
make the page ten times larger and unreadable in the dark.
"""

from __future__ import annotations

import math

import numpy as np
from markupsafe import Markup, escape

from tebench.reporting import labels
from tebench.reporting.style import Look

_FONT = 11
_EM = 0.6  # mean width of a letter over the font size, sans serif
_LEAST_SECONDS = 1e-3


def strip(low, high, null_low, null_high, tau, ceiling) -> Markup:
    """tau_w from -1 to 1 on one line: grey band chance, line the interval, dot the value, dashes the noise ceiling."""

    def x(value):
        return _n(4 + 56 * (1 + value))

    parts = ['<svg class="strip" viewBox="0 0 120 16" width="120" height="16" aria-hidden="true">']
    if math.isfinite(null_low):
        width = _n(56 * (null_high - null_low))
        parts.append(f'<rect class="chance" x="{x(null_low)}" y="2" width="{width}" height="12"/>')
    parts.append(f'<path class="zero" d="M{x(0)} 1V15"/>')
    if math.isfinite(ceiling):
        parts.append(f'<path class="ceiling" d="M{x(ceiling)} 1V15"/>')
    if math.isfinite(low):
        parts.append(f'<path class="bar" d="M{x(low)} 8H{x(high)}"/>')
    if math.isfinite(tau):
        parts.append(f'<circle class="dot" cx="{x(tau)}" cy="8" r="3.5"/>')
    return Markup("".join(parts) + "</svg>")


def correlation(points, looks: dict[str, Look], title: str) -> Markup:
    """Standardised score (x) against fine-tuned Dice (y), one named point per encoder. points: rows of one cell."""
    spread = [(row.z, row.dice, _or0(row.z_sd), _or0(row.dice_sd)) for row in points.itertuples()]
    xs = [v for z, _, sd, _ in spread for v in (z - sd, z + sd)]
    ys = [v for _, dice, _, sd in spread for v in (dice - sd, dice + sd)]
    frame = _Frame(400, 270, xs, ys, "standardised score", "fine-tuned Dice")
    groups = list(dict.fromkeys(look.group for look in looks.values()))
    marks, bars = [], []
    for row, (z, dice, z_sd, dice_sd) in zip(points.itertuples(), spread, strict=True):
        look = looks.get(row.encoder, Look(row.encoder, ""))
        place = frame.at(z, dice)
        for dx, dy in ((z_sd, 0.0), (0.0, dice_sd)):
            if dx or dy:
                bars.append((frame.at(z - dx, dice - dy), frame.at(z + dx, dice + dy)))
        marks.append(_mark(*place, look, groups.index(look.group) % 6 if look.group in groups else 0))
    names = [looks.get(e, Look(e)).title for e in points["encoder"]]
    body = "".join(f'<path class="bar thin" d="{_line(*bar)}"/>' for bar in bars) + "".join(marks)
    return frame.svg(body + _names(frame, list(zip(points["z"], points["dice"], strict=True)), names, bars), title)


def cost_quality(means, titles: dict[str, str], title: str) -> Markup:
    """Seconds per task (log) against mean tau_w; the line joins metrics that no cheaper one reaches (Pareto front)."""
    means = means.sort_values(["seconds", "metric"])
    seconds = np.log10(means["seconds"].clip(lower=_LEAST_SECONDS)).to_numpy()
    tau = means["tau_w"].to_numpy()
    ys = [*tau, 0, *means["null_low"], *means["null_high"]]
    frame = _Frame(760, 380, seconds, ys, "seconds per task, all encoders", "mean tau_w", log_x=True)
    low, high = means["null_low"].min(), means["null_high"].max()
    (x0, top), (x1, bottom) = (frame.left, frame.at(0, high)[1]), (frame.right, frame.at(0, low)[1])
    body = f'<rect class="chance" x="{_n(x0)}" y="{_n(top)}" width="{_n(x1 - x0)}" height="{_n(bottom - top)}"/>'
    body += f'<text class="note" x="{_n(x1 - 4)}" y="{_n(bottom - 5)}" text-anchor="end">chance (95 %)</text>'
    front, best = [], -math.inf
    for x, y in zip(seconds, tau, strict=True):
        if y > best:
            front.append(frame.at(x, y))
            best = y
    path = f"M{_n(front[0][0])} {_n(front[0][1])}" + "".join(f"H{_n(x)}V{_n(y)}" for x, y in front[1:])
    body += f'<path class="front" d="{path}H{_n(frame.right)}"/>'
    for x, row in zip(seconds, means.itertuples(), strict=True):
        cx, cy = frame.at(x, row.tau_w)
        body += f'<circle class="{"known" if row.p < 0.05 else "unknown"}" cx="{_n(cx)}" cy="{_n(cy)}" r="5"/>'
    names = [titles.get(metric, metric) for metric in means["metric"]]
    return frame.svg(body + _names(frame, list(zip(seconds, tau, strict=True)), names, []), title)


class _Frame:
    """Axes with a few round ticks; `at` turns data into pixels."""

    def __init__(self, width, height, xs, ys, x_label, y_label, *, log_x=False):
        self.width, self.height = width, height
        self.left, self.right, self.top, self.bottom = 52.0, width - 14.0, 12.0, height - 40.0
        self.x0, self.x1 = _widened(xs, 0.14)
        self.y0, self.y1 = _widened(ys, 0.1)
        self.x_label, self.y_label, self.log_x = x_label, y_label, log_x

    def at(self, x, y) -> tuple[float, float]:
        return (
            self.left + (x - self.x0) / (self.x1 - self.x0) * (self.right - self.left),
            self.bottom - (y - self.y0) / (self.y1 - self.y0) * (self.bottom - self.top),
        )

    def svg(self, body: str, title: str) -> Markup:
        parts = [
            f'<svg class="plot" viewBox="0 0 {self.width} {self.height}" role="img" aria-label="{escape(title)}">',
            f'<path class="axis" d="M{_n(self.left)} {_n(self.top)}V{_n(self.bottom)}H{_n(self.right)}"/>',
        ]
        for value in _ticks(self.x0, self.x1, whole=self.log_x):
            x, y = self.at(value, self.y0)
            text = f"{10.0**value:g}" if self.log_x else f"{value:g}"
            parts.append(f'<path class="axis" d="M{_n(x)} {_n(y)}v4"/><text x="{_n(x)}" y="{_n(y + 16)}" '
                         f'text-anchor="middle">{text}</text>')  # fmt: skip
        for value in _ticks(self.y0, self.y1):
            x, y = self.at(self.x0, value)
            parts.append(f'<path class="axis" d="M{_n(x)} {_n(y)}h-4"/><text x="{_n(x - 7)}" y="{_n(y + 4)}" '
                         f'text-anchor="end">{value:g}</text>')  # fmt: skip
        middle = _n((self.left + self.right) / 2), _n((self.top + self.bottom) / 2)
        parts.append(f'<text x="{middle[0]}" y="{self.height - 6}" text-anchor="middle">{escape(self.x_label)}</text>')
        turned = f'<text transform="translate(13 {middle[1]}) rotate(-90)" text-anchor="middle">'
        parts.append(f"{turned}{escape(self.y_label)}</text>")
        return Markup("".join(parts) + body + "</svg>")


def _names(frame: _Frame, data, names, bars) -> str:
    """Names beside their points without overlaps, with a thin leader where a name had to move away."""
    points = np.array([frame.at(x, y) for x, y in data], float).reshape(-1, 2)
    names = [name if len(name) <= 34 else name[:33] + "…" for name in names]
    sizes = np.array([(_FONT * _EM * len(name), _FONT * 1.05) for name in names]).reshape(-1, 2)
    obstacles = np.array(bars, float).reshape(-1, 2, 2)
    boxes = labels._choose(points, sizes, obstacles, (frame.left, frame.top, frame.right, frame.bottom), 1.25)
    parts = []
    for point, box, name in zip(points, boxes, names, strict=True):
        near = np.clip(point, box[:2], box[2:])
        if np.hypot(*(near - point)) > 14:
            parts.append(f'<path class="leader" d="{_line(point, near)}"/>')
        x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2 + _FONT * 0.36
        parts.append(f'<text class="name" x="{_n(x)}" y="{_n(y)}" text-anchor="middle">{escape(name)}</text>')
    return "".join(parts)


def _mark(x, y, look: Look, group: int) -> str:
    if look.pretrained:
        return f'<circle class="g{group}" cx="{_n(x)}" cy="{_n(y)}" r="5"/>'
    return f'<path class="g{group} open" d="M{_n(x)} {_n(y - 6)}l6 6 -6 6 -6 -6z"/>'


def _line(a, b) -> str:
    return f"M{_n(a[0])} {_n(a[1])}L{_n(b[0])} {_n(b[1])}"


def _widened(values, share) -> tuple[float, float]:
    low, high = float(min(values)), float(max(values))
    gap = (high - low) * share or 0.5
    return low - gap, high + gap


def _ticks(low, high, *, whole=False) -> list[float]:
    """Three to six round values inside; whole: whole numbers only, at least one."""
    step = 10.0 ** math.floor(math.log10((high - low) / 3))
    step = next(step * factor for factor in (1, 2, 5, 10) if (high - low) / (step * factor) <= 6)
    step = max(1.0, round(step)) if whole else step
    first = math.ceil(low / step)
    found = [round(i * step, 10) for i in range(first, math.floor(high / step) + 1)]
    return found or [round((low + high) / 2)]


def _or0(value) -> float:
    return float(value) if math.isfinite(value) else 0.0


def _n(value) -> str:
    """One decimal, no trailing zero, no negative zero."""
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text
