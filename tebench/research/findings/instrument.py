"""Sections on what is measured with: the ground truth, its reliability, and orders that are known beforehand."""

from __future__ import annotations

from tebench.evaluation.ceiling import split_ceiling
from tebench.evaluation.correlation import weighted_tau
from tebench.evaluation.groundtruth import matrix
from tebench.evaluation.reliability import RELIABILITY
from tebench.evaluation.reliability import table as reliability_table
from tebench.reporting.summary import number, span
from tebench.research.findings import numbers
from tebench.research.findings.numbers import RIVALS, TOPOLOGY

DOSES = ("ssl_mae", "ssl_genesis", "ssl_simclr", "ssl_volume_fusion")


def ground_truth(boards, volumes) -> list[str]:
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


def _instrument_row(board, task, row) -> str:
    values, _ = matrix(board.truth, task, board.pools[0].encoders)
    top = split_ceiling(values)
    return (
        f"| {task} | {values.mean():.3f} | {row.spread_encoders:.3f} | {row.spread_seeds:.3f} | "
        f"{row.icc_mean:.2f} {span(row.low, row.high)} | {number(top.value)} {span(top.low, top.high)} |"
    )


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


def known_orders(boards) -> list[str]:
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
