"""Ground-truth ranking between two predicted ones: whose slopes are flat, and where noise alone could cross them."""

from __future__ import annotations

import itertools
import math
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd

from tebench.base.errors import InputError
from tebench.evaluation import evaluate
from tebench.evaluation.arrays import MEAN
from tebench.evaluation.uncertainty import seed_draws
from tebench.reporting import style
from tebench.reporting.figures import _legend, _looks
from tebench.reporting.style import GREY
from tebench.reporting.summary import number, span

DRAWS = 2000
FAMILIES = {"baselines": "statistical", "topology": "topological"}  # folder of the metric's file -> its family


def best_pair(frame: pd.DataFrame) -> tuple[str, str] | None:
    """The statistical and the topological metric of highest mean tau_w, or None when a family has no number.

    Static baselines and metrics that are not built in belong to neither family.
    """
    from tebench.metrics.registry import load

    known = load()
    means = frame[(frame["task"] == MEAN) & frame["tau_w"].notna()]
    means = means.sort_values(["tau_w", "metric"], ascending=[False, True])
    found = {}
    for name in means["metric"]:
        if name in known and known[name].cost != "static":
            found.setdefault(FAMILIES.get(Path(known[name].source).parent.name), name)
    pair = tuple(found.get(family) for family in FAMILIES.values())
    return pair if all(pair) else None


def slopes(scores, truth, frame, task: str, pair, directions, *, pool=None, titles=None, looks=None, seed: int = 0):
    """Ranks of all encoders by fine-tuned Dice (middle) and by the two metrics of `pair` (sides), 1 the best.

    scores, truth, directions, pool: as for `evaluate.evaluate`, whose result is `frame`.
    Bars: 95 % of the ranks when the means are redrawn with the noise of ground-truth seeds (middle) or of sampling
    seeds (sides); one seed gives no bar. Equal scores share a mid-rank.
    """
    scores = scores[scores["metric"].isin(pair)]
    _, pool, found, table = evaluate.prepare(scores, truth, directions, pool=pool)
    if task not in found:
        raise InputError(f"slopes: no task {task!r} among {', '.join(found)}.")
    item, cells = found[task], [table[name, task] for name in pair]
    for name, cell in zip(pair, cells, strict=True):
        if cell.values is None:
            raise InputError(f"slopes on {task}: metric {name} ranks nothing there.")
    rng = np.random.default_rng([seed, 11])
    columns = [
        _ranks(cells[0].score, cells[0].values, rng, pooled=False),
        _ranks(item.mean, item.dice, rng, pooled=True),
        _ranks(cells[1].score, cells[1].values, rng, pooled=False),
    ]
    titles, looks = titles or {}, _looks(pool.encoders, looks)
    with style.theme():
        figure = style.new_figure(6.6, 1.5 + 0.27 * len(pool))
        axes = figure.subplots()
        _draw(axes, columns, pool.encoders, looks)
        names = [
            titles.get(pair[0], pair[0]),
            f"fine-tuned Dice, {task}" + ("" if item.status == "ok" else f" ({item.status})"),
            titles.get(pair[1], pair[1]),
        ]
        for x, (name, family) in enumerate(zip(names, ("statistical", "ground truth", "topological"), strict=True)):
            said = "\n".join(textwrap.wrap(style.plain(name), 22))
            axes.text(x, 0.1, f"{family}\n{said}", ha="center", va="bottom", fontsize=8.5, fontweight="bold")
        notes = [
            _note(frame, name, task, columns[side][0], columns[1][0]) for name, side in zip(pair, (0, 2), strict=True)
        ]
        for x, note in zip((0, 2), notes, strict=True):
            axes.text(x, len(pool) + 0.75, note, ha="center", va="top", fontsize=7.5, color=GREY)
        seeds = item.dice.shape[1]
        said = (
            f"{seeds} ground-truth seeds\nbars: 95 % of redrawn ranks"
            if seeds > 1
            else "one ground-truth seed: no bars"
        )
        axes.text(1, len(pool) + 0.75, said, ha="center", va="top", fontsize=7.5, color=GREY)
        _legend(figure, looks)
    return figure


def _ranks(mean, values, rng, *, pooled: bool) -> tuple[np.ndarray, np.ndarray | None]:
    """((K,) mid-ranks, 1 the highest mean; (2, K) 2.5 % and 97.5 % of the ranks of redrawn means, or None)."""
    rank = _descending(mean[None])[0]
    if values.shape[1] < 2:
        return rank, None
    drawn = _descending(mean + seed_draws(values, DRAWS, rng, pooled=pooled))
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    return rank, np.stack([np.minimum(low, rank), np.maximum(high, rank)])


def _descending(values: np.ndarray) -> np.ndarray:
    """(B, K) mid-ranks within each row, 1 the highest."""
    first, second = values[:, :, None], values[:, None, :]
    return 1.0 + (second > first).sum(2) + 0.5 * ((second == first).sum(2) - 1)


def _draw(axes, columns, encoders, looks) -> None:
    palette = style.colours(looks.values())
    width = 0.28 / max(len(encoders), 1)
    for k, encoder in enumerate(encoders):
        look = looks[encoder]
        colour = palette[look.group]
        heights = [rank[k] for rank, _ in columns]
        axes.plot(range(3), heights, color=colour, lw=1.3, alpha=0.75, zorder=1)
        for x, (rank, bars) in enumerate(columns):
            # Side by side in the order of ranks, a dot at the rank itself: whose bar it is can be seen.
            shift = (rank[k] - (len(encoders) + 1) / 2) * width
            if bars is not None:
                axes.plot([x + shift] * 2, bars[:, k], color=colour, lw=1.1, alpha=0.6, zorder=2)
                axes.plot(x + shift, rank[k], ".", ms=4, color=colour, zorder=2)
            axes.plot(x, rank[k], ls="", ms=6, zorder=3, **style.marker(look, colour))
    for side, x, align in ((0, -0.2, "right"), (2, 2.2, "left")):
        ranks = columns[side][0]
        for rank in np.unique(ranks):
            names = ", ".join(style.plain(looks[encoders[k]].title) for k in np.flatnonzero(ranks == rank))
            axes.text(x, rank, names, ha=align, va="center", fontsize=7.5)
    axes.set(xlim=(-0.25, 2.25), ylim=(len(encoders) + 0.6, 0.3), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def _note(frame, metric, task, rank, truth) -> str:
    row = frame[(frame["metric"] == metric) & (frame["task"] == task)].iloc[0]
    wrong = sum((a - b) * (c - d) < 0 for (a, c), (b, d) in itertools.combinations(zip(rank, truth, strict=True), 2))
    pairs = len(rank) * (len(rank) - 1) // 2
    tau = rf"$\tau_w$ {number(row.tau_w)}" + (f" {span(row.low, row.high)}" if math.isfinite(row.low) else "")
    return f"{tau.replace('-', chr(0x2212))}\n{wrong} of {pairs} pairs crossed"
