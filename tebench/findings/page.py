"""docs/findings.md: plain sentences, each with its number, and the command that prints it."""

from __future__ import annotations

import math

from tebench.evaluation.arrays import MEAN
from tebench.evaluation.compare import holm
from tebench.evaluation.correlation import weighted_tau
from tebench.evaluation.reliability import RELIABILITY
from tebench.evaluation.reliability import table as reliability_table
from tebench.findings import numbers
from tebench.reporting.leaderboard_boards import Board
from tebench.reporting.pools_table import LEAST, cell
from tebench.reporting.summary import ALPHA, number, span

TOPOLOGY = "grtd_lbtc"
OURS = "grtd_relative_lbtc"
RELEASED = "grtd_lbtc_released"
RIVALS = ("logme", "gbc", "hscore", "ccfv")
HELP = ((TOPOLOGY, "lbtc"), (TOPOLOGY, "grtd"))
CORRECTED = (
    ("grtd", "grtd_released"), ("lbtc", "lbtc_released"), (TOPOLOGY, "grtd_lbtc_released"), ("grtd_relative", "grtd"),
    ("grtd_relative_lbtc", TOPOLOGY), ("hscore_regularized", "hscore"),
)  # fmt: skip
STATIC = ("random", "n_parameters", "mean_rank_elsewhere")
DOSES = ("ssl_mae", "ssl_genesis", "ssl_simclr", "ssl_volume_fusion")


def page(boards: list[Board], volumes=None) -> str:
    """The whole page; boards: the protocols of one benchmark; volumes: Dice per volume and class, where at hand."""
    name = boards[0].benchmark
    every = [(board, numbers.results(board, board.pools[0])) for board in boards]
    # Small pools stand in two sections; what is evaluated once serves both.
    means = [
        {pool.name: numbers.means(numbers.results(board, pool)) for pool in board.pools[1:] if len(pool) >= LEAST}
        | {board.pools[0].name: numbers.means(result)}
        for board, result in every
    ]
    lines = [
        "# What the starter benchmark shows, and what it cannot" if name == "starter" else f"# What {name} shows",
        "",
        f"Made by `python -m tebench job=findings benchmark={name}` from the rows in `leaderboard/`; do not edit. The "
        f"raw table behind a section: `python -m tebench benchmark={name} protocol=PROTOCOL metric=[A,B]`, or the "
        "command named there. tau_w: weighted Kendall tau of score and fine-tuned Dice, mean over the tasks that can "
        "rank; [ ]: 95 % interval over ground-truth seeds; chance: middle 95 % over permutations of the encoders. "
        "p of one metric: 1,999 permutations, 19,999 where that gives p < .01. Two metrics are compared by the paired "
        "encoder-swap test; p is corrected (Holm) within its list. "
        "\"Not told apart\" means p >= .05: it is no proof of equality.",
        "",
        "## In short", "", *_short(every, means), "",
        "## The instrument", "", *_instrument(boards, volumes), "",
        "## Does any metric work?", "",
        *[line for board, result in every for line in _overall(board, result)], "",
        "## Within one architecture, and across", "", *_pools(boards, means), "",
        "## Does the topology metric beat LogME, GBC, H-score, CC-FV?", "",
        *_pairs(boards, [(TOPOLOGY, rival) for rival in RIVALS]), "",
        "## Do GRTD and LBTC each help?", "", *_pairs(boards, HELP), "",
        "## Is the gate right?", "", *_gate(boards), "",
        "## Do the corrected forms beat the published ones?", "", *_pairs(boards, CORRECTED), "",
        "## Do static baselines win?", "",
        *[line for board, result in every for line in _static(board, result)], "",
        "## Is the order right where it is known?", "", *_known(boards), "",
        "## What this cannot show", "", *_limits(boards), "",
    ]  # fmt: skip
    return "\n".join(lines)


def _short(every, means) -> list[str]:
    """The answers in a line each; words follow the numbers."""
    boards = [board for board, _ in every]
    beyond, topology, released = [], [], []
    for _, result in every:
        found = numbers.means(result)
        adjusted = dict(zip(found.index, holm(found["p"]), strict=True))
        beyond.append({m for m, p in adjusted.items() if p < ALPHA and found.loc[m, "tau_w"] > 0})
        released.append(RELEASED in found.index and found.loc[RELEASED, ["tau_w", "p"]].tolist())
        topology.append((found.loc[TOPOLOGY, "tau_w"], found.loc[TOPOLOGY, "p"], adjusted[TOPOLOGY]))
    titles, under = boards[0].titles, " and ".join(f"`{board.protocol}`" for board in boards)
    always = ", ".join(sorted(titles[m] for m in set.intersection(*beyond))) or "none"
    said = "; ".join(
        f"{number(tau)} under `{board.protocol}` (p {_p(p)}, {_p(corrected)} after Holm)"
        for board, (tau, p, corrected) in zip(boards, topology, strict=True)
    )
    rivals = [
        numbers.pair(board, board.pools[0], TOPOLOGY, rival) for board in boards for rival in RIVALS if rival in titles
    ]
    gaps = [one for one in rivals if one["tasks"]]
    higher = sum(one["difference"] > 0 for one in gaps)
    ahead = sum(p < ALPHA and one["difference"] > 0 for one, p in zip(gaps, holm([g["p"] for g in gaps]), strict=True))
    lines = [
        f"- Shown to rank these encoders better than chance under {under}, after correction for all metrics: {always}.",
        f"- The published topology metric, GRTD + LBTC, has mean tau_w {said}.",
        f"- Against LogME, GBC, H-score and CC-FV it is higher in {higher} of {len(gaps)} comparisons, shown better "
        f"(after Holm over all of them) in {ahead}.",
    ]
    if all(released):
        told = "; ".join(
            f"{number(tau)} under `{board.protocol}` (p {_p(p)})"
            for board, (tau, p) in zip(boards, released, strict=True)
        )
        lines.append(f"- The same metric as its released code computes it has {told}.")
    for board in boards:
        extra = numbers.gates(board, board.pools[0])
        if len(extra):
            one = numbers.pair(board, board.pools[0], TOPOLOGY, numbers.REVERSED, extra)
            lines.append(
                f"- `{board.protocol}`: with its gate turned round it has {number(one['tau_second'])}, with the "
                f"released gate {number(one['tau_first'])} (p {_p(one['p'])}, uncorrected), higher on "
                f"{one['better']} of {one['tasks']} tasks."
            )
    for board, of_pool in zip(boards, means, strict=True):
        within = [pool for pool in board.pools if pool.name in of_pool and pool.name.startswith(("within_", "ssl"))]
        for pool in within:
            found = of_pool[pool.name]
            told = "; ".join(_said(board, found, m) for m in (TOPOLOGY, OURS) if m in found.index)
            lines.append(f"- `{board.protocol}`, within one architecture, {pool.name} (n = {len(pool)}): {told}.")
    return lines


def _instrument(boards, volumes) -> list[str]:
    lines = []
    for board in boards:
        encoders = board.pools[0].encoders
        found = reliability_table(board.truth, encoders).set_index("task")
        high, usable = int((found["icc_mean"] > 0.8).sum()), int((found["status"] == "ok").sum())
        low = [f"`{task}` ({row.reason})" for task, row in found.iterrows() if row.status != "ok"]
        dice = numbers.dice_table(board)
        best = "; ".join(f"{task} {dice[task].idxmax()} {dice[task].max():.2f}" for task in dice.columns)
        mean = dice.mean(axis=1).sort_values(ascending=False)
        lines += [
            f"**`{board.protocol}`**: {len(encoders)} encoders, {found['n_seeds'].iloc[0]} seeds, "
            f"{len(board.truth)} fine-tuning runs. Reliability (intraclass correlation of the mean over seeds) is "
            f"above .8 on {high} of {len(found)} tasks; {usable} can rank (reliability at least {RELIABILITY:g}, no "
            "run at the floor)" + (f"; kept out of means: {', '.join(low)}" if low else "") + ".",
            "",
            "| task | mean Dice | SD between encoders | SD between seeds | reliability | noise ceiling of tau_w |",
            "| --- | ---: | ---: | ---: | ---: | ---: |",
            *(_instrument_row(board, task, row) for task, row in found.iterrows()),
            "",
            "In brackets, of reliability: 95 % interval over other encoders and seeds; of the ceiling: middle 95 % "
            "over the ways to split the seeds (three seeds: lowest and highest), no confidence interval. Either part "
            "holds fewer seeds than the whole ground truth, so a metric may exceed this ceiling.",
            "",
            f"Best encoder of each task: {best}. Over all tasks: {mean.index[0]} {mean.iloc[0]:.3f}, then "
            f"{mean.index[1]} {mean.iloc[1]:.3f}; last {mean.index[-1]} {mean.iloc[-1]:.3f}.",
            "",
            *(_collapsed(volumes, board.protocol) if volumes is not None else []),
        ]  # fmt: skip
    if len(boards) > 1:
        first, second = (numbers.dice_table(board) for board in boards[:2])
        taus = {t: weighted_tau(first[t].to_numpy(), second[t].reindex(first.index).to_numpy()) for t in first.columns}
        lines += [
            f"The two protocols order the encoders alike only in part: tau_w of `{boards[0].protocol}` with "
            f"`{boards[1].protocol}` is {', '.join(f'{t} {number(v)}' for t, v in taus.items())}.", "",
        ]  # fmt: skip
    return [
        *lines,
        "Dice of every run: `leaderboard/ground_truth/`; a slice of it trained again: `python -m tebench job=verify`.",
    ]


def _collapsed(volumes, protocol) -> list[str]:
    found = numbers.collapsed(volumes, protocol)
    worst = ", ".join(f"{task} {100 * share:.0f} %" for task, share in found.items() if share > 0) or "none"
    task, label, share = numbers.most_lost(volumes, protocol)
    return [
        f"Classes that a run lost (mean Dice below .01), as a share of runs x classes: {worst}; most often {label} of "
        f"{task}, in {100 * share:.0f} % of its runs. After so few steps that is what an encoder reached and "
        "counts as measured; it is part of the spread between encoders.",
        "",
    ]


def _instrument_row(board, task, row) -> str:
    from tebench.evaluation.ceiling import split_ceiling
    from tebench.evaluation.groundtruth import matrix

    values, _ = matrix(board.truth, task, board.pools[0].encoders)
    top = split_ceiling(values)
    return (
        f"| {task} | {values.mean():.3f} | {row.spread_encoders:.3f} | {row.spread_seeds:.3f} | "
        f"{row.icc_mean:.2f} {span(row.low, row.high)} | {number(top.value)} {span(top.low, top.high)} |"
    )


def _overall(board, result) -> list[str]:
    found = numbers.means(result)
    adjusted = holm(found["p"])
    alone, after = int((found["p"] < ALPHA).sum()), sum(p < ALPHA for p in adjusted)
    top = "; ".join(_said(board, found, m) for m in found.index[:5])
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
        lines[0] += f" The topology metric, {_said(board, found, TOPOLOGY)}, takes place {place} of {len(found)}."
    return [*lines, ""]


def _said(board, found, metric) -> str:
    row = found.loc[metric]
    return (
        f"{board.titles[metric]} {number(row.tau_w)} {span(row.low, row.high)} "
        f"(chance {span(row.null_low, row.null_high)}, p {_p(row.p)})"
    )


def _pools(boards, means) -> list[str]:
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


def _pairs(boards, wanted) -> list[str]:
    lines = []
    for board in boards:
        known = [(a, b) for a, b in wanted if a in board.titles and b in board.titles]
        made = [numbers.pair(board, board.pools[0], a, b) for a, b in known]
        made = [one for one in made if one["tasks"]]
        for one, p in zip(made, holm([one["p"] for one in made]) if made else [], strict=True):
            lines.append(f"- `{board.protocol}`: {_compared(board.titles, one, p)}")
    return lines


def _compared(titles, one, p) -> str:
    first, second = (titles.get(one[k], one[k]) for k in ("first", "second"))
    verdict = "not told apart" if p >= ALPHA else f"{first if one['difference'] > 0 else second} is better"
    return (
        f"{first} {number(one['tau_first'])}, {second} {number(one['tau_second'])}: difference "
        f"{one['difference']:+.2f}, p {_p(p)}; higher on {one['better']}, lower on {one['worse']} of {one['tasks']} "
        f"tasks. {verdict[0].upper()}{verdict[1:]}."
    )


def _gate(boards) -> list[str]:
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
            lines.append(f"- `{board.protocol}`: {_compared(board.titles, one, p)}")
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


def _static(board, result) -> list[str]:
    found = numbers.means(result)
    known = [m for m in STATIC if m in found.index]
    others = found[~found.index.isin(STATIC)]
    parts = [
        f"{_said(board, found, m)}, above which lie {int((others['tau_w'] > found.loc[m, 'tau_w']).sum())} of "
        f"{len(others)} metrics" for m in known
    ]  # fmt: skip
    cells = result[(result["task"] != MEAN) & (result["status"] == "ok") & result["tau_w"].notna()]
    best = cells.loc[cells.groupby("task")["tau_w"].idxmax()]
    won = [f"{board.titles[row.metric]} on {row.task} ({number(row.tau_w)})" for row in best.itertuples()
           if row.metric in STATIC]  # fmt: skip
    alone = f" Highest of all metrics on a single task: {', '.join(won)}." if won else ""
    return [f"**`{board.protocol}`**: " + "; ".join(parts) + "." + alone, ""]


def _known(boards) -> list[str]:
    lines = [
        "The graded family moves deepbet's weights towards a random twin by 25, 50 and 75 %. Expected: the more of the "
        "pre-trained weights, the better. tau_w with that order:", "",
    ]  # fmt: skip
    for board in boards:
        found = numbers.graded(board)
        if found.empty:
            continue
        truth = found[found["metric"] == ""].set_index("task")["tau_w"]
        mean = found[found["metric"] != ""].groupby("metric")["tau_w"].mean().sort_values(ascending=False)
        top = ", ".join(f"{board.titles[m]} {number(v)}" for m, v in mean.head(3).items())
        last = ", ".join(f"{board.titles[m]} {number(v)}" for m, v in mean.tail(3).items())
        own = "; ".join(f"{board.titles[m]} {number(mean[m])}" for m in (TOPOLOGY, *RIVALS) if m in mean)
        said = ", ".join(f"{task} {number(tau)}" for task, tau in truth.items())
        lines.append(
            f"- `{board.protocol}`: fine-tuned Dice follows it with {said}; mean {number(truth.mean())}. "
            f"Metrics, mean over tasks: highest {top}; lowest {last}; {own}."
        )
    for board in boards:
        dice = numbers.dice_table(board)
        doses = [name for name in DOSES if {name, f"{name}_short"} <= set(dice.index)]
        gains = {n: (dice.loc[n] - dice.loc[f"{n}_short"]).mean() for n in doses}
        if gains:
            lines.append(
                f"- `{board.protocol}`: a full dose of pre-training against a short one, mean Dice: "
                + ", ".join(f"{n} {v:+.3f}" for n, v in gains.items())
                + "."
            )
        if "brain_mask" in dice:
            order = dice["brain_mask"].rank(ascending=False).astype(int)
            known = [n for n in ("deepbet", "deepbet_bbox", "deepbrain") if n in order]
            lines.append(
                f"- `{board.protocol}`: on the control `brain_mask`, for which the third-party networks were trained, "
                f"they take places {', '.join(f'{n} {order[n]}' for n in known)} of {len(order)}: "
                + ("as expected." if max(order[n] for n in known) <= 2 * len(known) else "not all of them lead.")
            )
    return lines


def _limits(boards) -> list[str]:
    board = boards[0]
    tasks = len(board.tasks)
    return [
        f"- **Other encoders.** {len(board.pools[0])} small encoders of three shapes (at most 2.1 M parameters), "
        "eleven of them pre-trained here for minutes, on a handful of images. Intervals cover repeated measurement of "
        "these encoders, not others; chance says how far an order of this many encoders can be luck. Encoders of one "
        "shape resemble each other, so permuting them one by one makes chance look narrower than it is: read the pools "
        "of one architecture beside the whole.",
        f"- **Other tasks.** {tasks} tasks from a few real images: most are population averages (n = 1 image each), "
        "further cases are virtual subjects simulated from them; labels come from atlases or are derived. Tasks share "
        "images, so they are not independent.",
        "- **Long training.** 64 steps of all weights or 80 of the decoder: what an encoder gives early. Random and "
        "pre-trained encoders lose small classes in so few steps, random ones more often. Longer training was not "
        "measured.",
        "- **Which metric to use.** A metric that is outside chance here has been shown to work here. One that is not "
        "has not been shown to fail.",
    ]  # fmt: skip


def _p(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}".removeprefix("0") if value >= 0.001 else "< .001"
