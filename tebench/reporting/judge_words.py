"""A judged table in plain sentences: every number is read from the `Judgement`, none is written here."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from tebench.evaluation.arrays import MEAN
from tebench.evaluation.judge import Judgement, reached
from tebench.evaluation.static_list import SOURCES
from tebench.reporting.summary import number, p_text

SENTENCES = 5  # claims that get one
SAID = (0.25, 0.5, 1.0)  # SDs of the default curve that sentences speak of
TRUTH_WORDS = {"as published": "if the published means are the truth", "deflated": "with the noise taken out of them"}


def three(value: float) -> str:
    """Three digits, which papers print; a dash where there is no number."""
    return number(value, 3)


def between(low: float, high: float, digits: int = 3) -> str:
    """[low, high] with a number of digits."""
    return f"[{number(low, digits)}, {number(high, digits)}]" if math.isfinite(low) else "-"


def measured(value: float, low: float, high: float, digits: int = 3) -> str:
    """A simulated value with its interval, or a dash."""
    return f"{number(value, digits)} {between(low, high, digits)}" if math.isfinite(value) else "-"


def p_words(p: float) -> str:
    """A p-value that is never printed as 0."""
    return "< 0.0001" if p < 0.0001 else p_text(p)


def listed(values) -> str:
    """a, b and c."""
    values = list(values)
    return values[0] if len(values) == 1 else ", ".join(values[:-1]) + f" and {values[-1]}"


def static_line(judgement: Judgement) -> str:
    """What a static list from all other tasks reaches."""
    lists = judgement.static[judgement.static["source"] == "elsewhere"]
    worst, best = lists.loc[lists["tau_w"].idxmin()], lists.loc[lists["tau_w"].idxmax()]
    return (
        f"A static list that reads no feature (mean rank on {SOURCES['elsewhere']}) reaches a mean tau_w of "
        f"{three(lists['tau_w'].mean())}, from {three(worst['tau_w'])} ({worst['task']}) to {three(best['tau_w'])} "
        f"({best['task']}). Taking its first encoder costs {number(lists['regret'].mean())} Dice points a task."
    )


def oracle_line(judgement: Judgement) -> str:
    """The oracle under both truths, at the measured SD of a run or at a few of the curve."""
    said = []
    for truth, words in TRUTH_WORDS.items():
        rows = shown(judgement, judgement.ceilings[judgement.ceilings["truth"] == truth])
        said.append(f"{listed(measured(row.tau_w, row.mc_low, row.mc_high) for row in rows.itertuples())} {words}")
    return f"A perfect oracle would reach, at {sds_words(judgement)}, {'; '.join(said)}."


def sds_words(judgement: Judgement) -> str:
    """The SDs of a run that sentences speak of."""
    rows = shown(judgement, judgement.ceilings[judgement.ceilings["truth"] == "as published"])
    if judgement.measured and judgement.settings.sds is None:
        return f"the measured SD of a run ({number(rows['sd'].iloc[0])} Dice points, root mean square over tasks)"
    return f"an SD of one run of {listed(f'{sd:g}' for sd in rows['sd'])} Dice points"


def shown(judgement: Judgement, rows: pd.DataFrame) -> pd.DataFrame:
    """Of one truth's rows by SD those that sentences speak of: the measured one, else at most three."""
    if judgement.measured and judgement.settings.sds is None:
        return rows[(rows["sd"] - root_mean_square(judgement.measured)).abs() < 1e-9]
    if len(rows) <= len(SAID):
        return rows
    few = rows[rows["sd"].isin(SAID)]
    return few if len(few) == len(SAID) else rows.iloc[[0, len(rows) // 2, -1]]


def root_mean_square(sds: dict[str, float]) -> float:
    """Of the tasks' SDs: how `ceilings` names a row of several."""
    return math.sqrt(np.mean(np.square(list(sds.values()))))


def chance_line(judgement: Judgement) -> str:
    """Both kinds of random orders."""
    return (
        f"Chance: 95 % of random orders lie in {between(*judgement.chance.interval('common'))} when one order serves "
        f"all tasks, in {between(*judgement.chance.interval('own'))} when every task has its own."
    )


def agreement_line(judgement: Judgement) -> str:
    """How alike the tasks are, and what one encoder for all of them costs."""
    found = judgement.agreement
    share = f"{number(100 * found.common, 0)} % {between(100 * found.low, 100 * found.high, 0)}"
    return (
        f"Two tasks order the encoders alike by a mean tau_w of {three(found.tau_w)}; {share} of a task's "
        f"standardised variance is common to the tasks (95 % interval: other encoders and tasks). {found.overall} "
        f"has the highest mean rank and is the best on {found.best_on} of {len(found.best)} tasks; taking it "
        f"everywhere loses {number(found.loss)} Dice points a task."
    )


def yardstick_line(judgement: Judgement) -> str:
    """The smallest difference of two metrics that the table's size can show."""
    rows = judgement.differences[judgement.differences["run_sd"] == "none"]
    said = "; ".join(
        f"{measured(row.yardstick, row.yardstick_low, row.yardstick_high)} {errors_words(row.errors)}"
        for row in rows.itertuples()
    )
    settings = judgement.settings
    return (
        f"Two metrics about a mean tau_w of {settings.level:g} must differ by about so much to be told apart with a "
        f"power of {100 * settings.power:.0f} %, run noise left out: {said}."
    )


def errors_words(share: float) -> str:
    """How the errors of a simulated metric hang together."""
    if share == 0:
        return "if a metric's errors are independent from task to task"
    return f"if {100 * share:.0f} % of their variance is common to the tasks"


def explaining_line(judgement: Judgement) -> str:
    """The noise that would make the tasks' disagreement without any dependence on the task."""
    return (
        f"Runs with an SD of {number(judgement.explaining)} Dice points would by noise alone make all the disagreement "
        "between tasks; only with less noise is the best encoder shown to depend on the task."
    )


def claim_lines(judgement: Judgement) -> list[str]:
    """A sentence for each claimed mean above 0, then the best against its nearest rival."""
    found = judgement.claims[judgement.claims["task"] == MEAN]
    found = found.sort_values("tau_w", ascending=False, kind="stable")
    lines = []
    for row in found[found["tau_w"] > 0].head(SENTENCES).itertuples():
        beside = f"{three(abs(row.over_static))} {'above' if row.over_static >= 0 else 'below'} the static list"
        lines.append(
            f"{row.metric}, {three(row.tau_w)}: {beside} ({three(row.static)}). {reach_words(judgement, row.tau_w)}"
        )
    if more := max(0, int((found["tau_w"] > 0).sum()) - SENTENCES):
        lines.append(f"{more} more lie between these and 0; the table has them.")
    if below := [f"{row.metric} {three(row.tau_w)}" for row in found.itertuples() if row.tau_w <= 0]:
        said = ", ".join(below) if len(below) <= SENTENCES else f"{len(below)} claims, see the table"
        lines.append(f"At or below 0, where chance lies on average: {said}.")
    return lines + rival_lines(judgement)[:1]


def rival_lines(judgement: Judgement) -> list[str]:
    """The best claim against each rival that can be simulated: what a benchmark of this size could show of it."""
    rivals, lines = judgement.rivals, []
    if rivals is None or rivals.empty:
        return lines
    wanted = f"{100 * judgement.settings.power:.0f} %"
    for rival, rows in rivals.groupby("rival", sort=False):
        first, known = rows.iloc[0], rows[rows["power"].notna()]
        said = f"{first['best']} over {rival}, {three(first['difference'])}: "
        if len(known):
            powers = known[["power", "swap"]]
            said += (
                f"if that were the true difference, a benchmark of this size would show it with a power of "
                f"{number(powers.min().min())} to {number(powers.max().max())}, by test and assumption; about "
                f"{three(known['yardstick'].min())} to {three(known['yardstick'].max())} would be needed for {wanted}."
            )
        lines.append(said + _room(rows, rival, wanted))
    return lines


def _room(rows: pd.DataFrame, rival: str, wanted: str) -> str:
    """Where an oracle leaves no room: the SDs of a run at which nothing can be shown better than the rival."""
    said = ""
    for run, part in rows.groupby("run_sd", sort=False):
        room, level = part["top"].min() - part["level"].iloc[0], part["level"].iloc[0]
        if room <= 0:
            said += (
                f" At a run's SD of {run} an oracle reaches {three(part['top'].min())} (noise taken out of the "
                f"means), less than {rival}'s {three(level)}."
            )
        elif (part["yardstick"] > room).all():
            said += (
                f" At a run's SD of {run} an oracle lies {three(room)} above {rival} (noise taken out of the means), "
                f"less than that: no metric can be shown better there with a power of {wanted}."
            )
    return said


def reach_words(judgement: Judgement, tau: float) -> str:
    """How probably an oracle reaches a claimed mean."""
    said = []
    for truth, words in TRUTH_WORDS.items():
        rows = shown(judgement, reached(judgement, tau, truth=truth))
        said.append(f"{listed(measured(row.share, row.low, row.high, 2) for row in rows.itertuples())} {words}")
    return f"An oracle reaches it, at {sds_words(judgement)}, with probability {'; '.join(said)}."
