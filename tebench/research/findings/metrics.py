"""Sections on the metrics: each against chance, in pools of their own, against each other, beside static baselines."""

from __future__ import annotations

from tebench.evaluation.arrays import MEAN
from tebench.evaluation.compare import holm
from tebench.publication.pools_table import cell
from tebench.reporting.summary import ALPHA, number, span
from tebench.research.findings import numbers, words
from tebench.research.findings.numbers import OURS, RELEASED, RIVALS, TOPOLOGY

STATIC = ("random", "n_parameters", "n_parameters_gated", "pretraining_dose", "mean_rank_elsewhere")


def overall(board, result) -> list[str]:
    found = numbers.means(result)
    adjusted = holm(found["p"])
    alone, after = int((found["p"] < ALPHA).sum()), sum(p < ALPHA for p in adjusted)
    top = "; ".join(words.said(board, found, m) for m in found.index[:5])
    place = list(found.index).index(TOPOLOGY) + 1 if TOPOLOGY in found.index else None
    lines = [
        f"**`{board.protocol}`**: of {len(found)} metrics with a number on every rankable task, {alone} lie outside "
        f"chance alone (p < .05) and {after} after Holm. The five highest: {top}."
    ]
    if after:
        lines[0] += (
            " After Holm: "
            + ", ".join(
                board.titles[m]
                + ("" if found.loc[m, "tau_w"] > 0 else f" (worse than chance, {number(found.loc[m, 'tau_w'])})")
                for m, p in zip(found.index, adjusted, strict=True)
                if p < ALPHA
            )
            + "."
        )
    if place:
        lines[0] += f" The topology metric, {words.said(board, found, TOPOLOGY)}, takes place {place} of {len(found)}."
    return [*lines, ""]


def pools(boards, means) -> list[str]:
    shown = (
        OURS,
        TOPOLOGY,
        RELEASED,
        "grtd_relative",
        "grtd",
        "lbtc",
        *RIVALS,
        "hscore_regularized",
        "linear_probe",
        "n_parameters",
        "random",
    )
    lines = []
    for board, found in zip(boards, means, strict=True):
        pools = [p for p in board.pools if p.name in found]
        heads = [
            f"{p.name} (n = {len(p)}, {int(found[p.name]['n_tasks'].max()) if len(found[p.name]) else 0} tasks)"
            for p in pools
        ]
        lines += [f"**`{board.protocol}`**, mean tau_w; * p < .05 alone.", "", f"| metric | {' | '.join(heads)} |",
                  "| --- |" + " ---: |" * len(pools)]  # fmt: skip
        for metric in shown:
            if metric in board.titles:
                cells = [_cell(found[p.name], metric) for p in pools]
                lines.append(f"| {board.titles[metric]} | {' | '.join(cells)} |")
        lines += [
            "| *chance* | " + " | ".join(_chance(found[p.name]) for p in pools) + " |",
            "| *highest of all metrics* | " + " | ".join(_highest(board, found[p.name]) for p in pools) + " |", "",
        ]  # fmt: skip
    return [*lines, "`within_*`: encoders of one shape; `across_shapes`: a pre-trained and a random one of each shape."]


def _cell(found, metric) -> str:
    if metric not in found.index:
        return "-"
    return cell(found.loc[metric])


def _chance(found) -> str:
    return span(found["null_low"].min(), found["null_high"].max()) if len(found) else "-"


def _highest(board, found) -> str:
    return f"{board.titles[found.index[0]]} {number(found['tau_w'].iloc[0])}" if len(found) else "-"


def pairs(boards, wanted) -> list[str]:
    lines = []
    for board in boards:
        known = [(a, b) for a, b in wanted if a in board.titles and b in board.titles]
        made = [numbers.pair(board, board.pools[0], a, b) for a, b in known]
        made = [one for one in made if one["tasks"]]
        for one, p in zip(made, holm([one["p"] for one in made]) if made else [], strict=True):
            lines.append(f"- `{board.protocol}`: {words.compared(board.titles, one, p)}")
    return lines


def gate(boards) -> list[str]:
    lines = [
        "The released gate weights GRTD by alpha = (|C| - 1) / (|C| + 1): 0 with one foreground class, .33 with two, "
        ".67 with five, .93 with 29. Fixed weights and the gate turned round (1 - alpha) beside it:", "",
    ]  # fmt: skip
    for board in boards:
        pool = board.pools[0]
        extra = numbers.gates(board, pool)
        if extra.empty:
            continue
        result = numbers.gate_results(board, pool, extra)
        found = numbers.means(result)
        made = [numbers.pair(board, pool, TOPOLOGY, name, extra) for name in found.index]
        for one, p in zip(made, holm([one["p"] for one in made]), strict=True):
            lines.append(f"- `{board.protocol}`: {words.compared(board.titles, one, p)}")
        alphas = {numbers.gate_name(a): a for a in numbers.GATES}
        cells = result[(result["task"] != MEAN) & result["metric"].isin(list(alphas)) & result["tau_w"].notna()]
        counts = dict(zip(board.rows["task"], board.rows["n_foreground"], strict=True))
        best = cells.loc[cells.groupby("task")["tau_w"].idxmax()]
        said = "; ".join(
            f"{row.task} (|C| = {int(counts[row.task])}) {alphas[row.metric]:g}"
            for row in sorted(best.itertuples(), key=lambda row: counts[row.task])
        )
        lines += [
            f"- `{board.protocol}`: the fixed weight with the highest tau_w of each task, by classes: {said}.",
            "",
        ]
    return lines


def static(board, result) -> list[str]:
    found = numbers.means(result)
    known = [m for m in STATIC if m in found.index]
    others = found[~found.index.isin(STATIC)]
    parts = [
        f"{words.said(board, found, m)}, above which lie {int((others['tau_w'] > found.loc[m, 'tau_w']).sum())} of "
        f"{len(others)} metrics" for m in known
    ]  # fmt: skip
    cells = result[(result["task"] != MEAN) & (result["status"] == "ok") & result["tau_w"].notna()]
    best = cells.loc[cells.groupby("task")["tau_w"].idxmax()]
    won = [f"{board.titles[row.metric]} on {row.task} ({number(row.tau_w)})" for row in best.itertuples()
           if row.metric in STATIC]  # fmt: skip
    alone = f" Highest of all metrics on a single task: {', '.join(won)}." if won else ""
    return [f"**`{board.protocol}`**: " + "; ".join(parts) + "." + alone, ""]
