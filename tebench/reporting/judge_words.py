"""A judged table in plain sentences and tables: every number is read from the `Judgement`, none is written here."""

from __future__ import annotations

import math

import pandas as pd

from tebench.evaluation.arrays import MEAN
from tebench.evaluation.chance import ORDERS
from tebench.evaluation.judge import Judgement, reached
from tebench.evaluation.oracle import TRUTHS
from tebench.evaluation.static_list import SOURCES
from tebench.reporting.sections import Picture, Section, Table
from tebench.reporting.summary import number, p_text

LADDER, DICE = "ladder", "ground-truth"


def three(value: float) -> str:
    """Three digits, which papers print; a dash where there is no number."""
    return number(value, 3)


def between(low: float, high: float, digits: int = 3) -> str:
    """[low, high] with a number of digits."""
    return f"[{number(low, digits)}, {number(high, digits)}]" if math.isfinite(low) else "-"


def title(judgement: Judgement) -> str:
    table = judgement.table
    return f"What {table.name} can show: {len(table.encoders)} encoders, {len(table.judged)} tasks"


def lead(judgement: Judgement, command: str) -> list[str]:
    """What was judged, how it was read, and the command that makes it again."""
    table = judgement.table
    seeds = sorted(set(table.n_seeds[task] for task in table.judged))
    runs = " and ".join(map(str, seeds)) + (" run a cell" if seeds == [1] else " seeds a cell")
    notes = f" Reading: {'; '.join(table.notes)}." if table.notes else ""
    return [
        f"Made by `{command}` from fine-tuned Dice alone; no feature or score of any encoder is read. tau_w: weighted "
        "Kendall tau (additive hyperbolic weights), mean over the judged tasks unless a task is named. Square brackets: "
        "95 % interval for the finite number of simulated draws, unless other words stand beside them.",
        f"Protocol {table.protocol}, {runs}; judged tasks: {', '.join(table.judged)}. "
        f"Encoders: {', '.join(table.encoders)}.{notes}",
    ]


def sections(judgement: Judgement) -> list[Section]:
    """All sections, the summary first."""
    parts = [spread(judgement), static(judgement), ceiling(judgement), agreement(judgement), power(judgement)]
    if judgement.claims is not None:
        parts.insert(0, claims(judgement))
    return [in_short(judgement), *parts, influence(judgement), method(judgement)]


def in_short(judgement: Judgement) -> Section:
    """The handful of sentences that a reader takes away."""
    lists = means(judgement.static)
    lines = [static_line(judgement), *[oracle_line(judgement, truth) for truth in TRUTHS], chance_line(judgement)]
    if math.isfinite(judgement.agreement.tau_w):
        lines.append(agreement_line(judgement))
    lines.append(yardstick_line(judgement))
    if judgement.claims is not None:
        lines += claim_lines(judgement, lists["elsewhere"])
    return Section("In short", lines)


def static_line(judgement: Judgement) -> str:
    lists = judgement.static[judgement.static["source"] == "elsewhere"]
    worst, best = lists.loc[lists["tau_w"].idxmin()], lists.loc[lists["tau_w"].idxmax()]
    return (
        f"A static list that reads no feature (mean rank on {SOURCES['elsewhere']}) reaches a mean tau_w of "
        f"{three(lists['tau_w'].mean())}, from {three(worst['tau_w'])} ({worst['task']}) to {three(best['tau_w'])} "
        f"({best['task']}). Taking its first encoder costs {number(lists['regret'].mean())} Dice points a task."
    )


def oracle_line(judgement: Judgement, truth: str) -> str:
    rows = judgement.ceilings[judgement.ceilings["truth"] == truth]
    measured = rows[rows["measured"] & (rows["sd"] == _measured_sd(judgement))]
    if judgement.measured and len(measured):
        row = measured.iloc[0]
        said = (
            f"{three(row['tau_w'])} {between(row['mc_low'], row['mc_high'])} at the measured SD of a run "
            f"({number(row['sd'])} points, root mean square over tasks)"
        )
    else:
        said = ", ".join(f"{three(row.tau_w)} at {row.sd:g}" for row in rows.itertuples())
        said += " Dice points of SD of one run (not measured here: one run a cell)"
    words = "published means taken for the truth, optimistic" if truth == "as published" else "noise taken out of them"
    return f"A perfect oracle, {words}, would reach {said}."


def chance_line(judgement: Judgement) -> str:
    low, high = judgement.chance.interval("common")
    own_low, own_high = judgement.chance.interval("own")
    return (
        f"Chance: 95 % of random orders lie in [{three(low)}, {three(high)}] when one order serves all tasks, in "
        f"[{three(own_low)}, {three(own_high)}] when every task has its own."
    )


def agreement_line(judgement: Judgement) -> str:
    found = judgement.agreement
    most = f"{found.overall} has the highest mean rank and is the best on {found.best_on} of {len(found.best)} tasks"
    return (
        f"Two tasks order the encoders alike by a mean tau_w of {three(found.tau_w)}; {number(100 * found.common, 0)} % "
        f"{between(100 * found.low, 100 * found.high, 0)} of a task's standardised variance is common to the tasks. {most}; "
        f"taking it everywhere loses {number(found.loss)} Dice points a task."
    )


def yardstick_line(judgement: Judgement) -> str:
    rows = judgement.differences[judgement.differences["run_sd"] == "none"]
    level, power = judgement.settings.level, judgement.settings.power
    said = "; ".join(
        f"{three(row.yardstick)} {between(row.yardstick_low, row.yardstick_high)} {errors_words(row.errors)}"
        for row in rows.itertuples()
    )
    return (
        f"Two metrics about a mean tau_w of {level:g} must differ by about so much to be told apart with a power of "
        f"{100 * power:.0f} %, run noise left out: {said}."
    )


def errors_words(share: float) -> str:
    """How the errors of a simulated metric hang together."""
    if share == 0:
        return "if a metric's errors are independent from task to task"
    return f"if {100 * share:.0f} % of their variance is common to the tasks"


def claims(judgement: Judgement) -> Section:
    """The claimed numbers beside chance, static list, oracle and power."""
    frame = judgement.claims.sort_values("tau_w", ascending=False, kind="stable")
    table = Table(
        ["claim", "task", "tau_w", "p, common order", "p, own orders", "static list", "above it", "shared error"],
        [
            [
                row.metric, row.task, three(row.tau_w), p_text(row.p_common), p_text(row.p_own), three(row.static),
                three(row.over_static), number(row.errors),
            ]
            for row in pd.concat([frame[frame["task"] == MEAN], frame[frame["task"] != MEAN]]).itertuples()
        ],
    )  # fmt: skip
    tables = [table]
    if judgement.rivals is not None and len(judgement.rivals):
        tables.append(Table(
            ["best - rival", "difference", "run SD", "shared error", "oracle", "yardstick", "power", "power, swap test"],
            [
                [
                    f"{row.best} - {row.rival}", three(row.difference), row.run_sd, f"{row.errors:g}", three(row.top),
                    _with(row.yardstick, row.yardstick_low, row.yardstick_high),
                    _with(row.power, row.power_low, row.power_high, 2), _with(row.swap, row.swap_low, row.swap_high, 2),
                ]
                for row in judgement.rivals.itertuples()
            ],
        ))  # fmt: skip
    return Section(
        "The claims, placed", claim_lines(judgement, means(judgement.static)["elsewhere"]), tables,
        notes=[
            "p: chance that a random order reaches the claim or more (one-sided, of this claim alone). Shared error: in the "
            "first table the share of the metric's own error that is common to the tasks, where its scores are known; in the "
            "second what is assumed of both metrics. Yardstick: difference shown with the wanted power by a test whose border "
            "is 1.96 SD of the difference of two equal metrics; power: chance that this test shows the claimed difference if "
            "it is the true one; swap test: the paired encoder-swap test of the leaderboard. A dash: the tau or the difference "
            "lies above what an oracle reaches at that SD of a run.",
        ],
    )  # fmt: skip


def claim_lines(judgement: Judgement, static_mean: float) -> list[str]:
    """A sentence for each claimed mean that is above chance on average, then the best against its next rival."""
    found = judgement.claims[judgement.claims["task"] == MEAN].sort_values("tau_w", ascending=False, kind="stable")
    lines = []
    for row in found.itertuples():
        if row.tau_w <= 0:
            continue
        beside = f"{three(abs(row.over_static))} {'above' if row.over_static >= 0 else 'below'} the static list"
        lines.append(f"{row.metric}, {three(row.tau_w)}: {beside} ({three(static_mean)}); {_reach_words(judgement, row.tau_w)}.")
    if below := [f"{row.metric} {three(row.tau_w)}" for row in found.itertuples() if row.tau_w <= 0]:
        lines.append(f"At or below 0, where chance lies on average: {', '.join(below)}.")
    if judgement.rivals is not None and len(judgement.rivals):
        rival = judgement.rivals["rival"].iloc[0]
        rows = judgement.rivals[(judgement.rivals["rival"] == rival) & judgement.rivals["power"].notna()]
        if len(rows):
            first, low, high = rows.iloc[0], rows[["power", "swap"]].min().min(), rows[["power", "swap"]].max().max()
            lines.append(
                f"{first['best']} over {rival}, {three(first['difference'])}: if that were the true difference, a benchmark of "
                f"this size would show it with a power of {number(low)} to {number(high)}, by test and assumption; the "
                f"yardstick is {three(rows['yardstick'].min())} to {three(rows['yardstick'].max())}."
            )
    return lines


def spread(judgement: Judgement) -> Section:
    table = Table(
        ["task", "Dice", "SD between encoders", "range", "best minus second", "SD of a run", "SD of a run, at most", "best"],
        [
            [
                row.task, number(row.dice), number(row.sd), number(row.range), number(row.gap), number(row.run_sd),
                number(row.run_sd_limit), row.best,
            ]
            for row in judgement.spread.itertuples()
        ],
    )  # fmt: skip
    frame = judgement.spread
    small = frame.loc[frame["sd"].idxmin()]
    lines = [
        f"The SD between encoders is {number(frame['sd'].min())} ({small['task']}) to {number(frame['sd'].max())} Dice points.",
        f"On {small['task']} a run's SD cannot be much above {number(small['run_sd_limit'])}: were all the spread noise, "
        "a larger one would have shown more spread with 95 % probability.",
    ]
    return Section(
        "Spread", lines, [table], [Picture(DICE, "Fine-tuned Dice of every encoder, task by task.", "Dice by encoder and task")],
        ["All in Dice points (0 to 100). A dash: one run a cell measures no SD of a run."],
    )  # fmt: skip


def static(judgement: Judgement) -> Section:
    frame = judgement.static
    kinds = [source for source in SOURCES if source in set(frame["source"])]
    cells = frame.set_index(["source", "task"])
    rows = [
        [task, *[three(cells.loc[(kind, task), "tau_w"]) if (kind, task) in cells.index else "-" for kind in kinds],
         number(cells.loc[("elsewhere", task), "regret"]), cells.loc[("elsewhere", task), "first"],
         between(*judgement.chance.interval(task))]
        for task in judgement.table.judged
    ]  # fmt: skip
    regret = frame.loc[frame["source"] == "elsewhere", "regret"].mean()
    rows.append([MEAN, *[three(means(frame)[kind]) for kind in kinds], number(regret), "", _chance_words(judgement)])
    lines = [
        f"From {SOURCES[kind]} ({_counts(frame, kind)}): mean tau_w {three(means(frame)[kind])}." for kind in kinds
    ]
    head = ["task", *[f"list: {kind}" for kind in kinds], "regret", "its first", "chance, 95 %"]
    return Section(
        "Static list and chance", lines, [Table(head, rows)],
        notes=["A static list ranks the encoders of a task by their mean rank on other tasks. Regret: Dice points lost by "
               "taking its first encoder (list: elsewhere). Chance: middle 95 % of random orders"
               f"{', all of them' if judgement.chance.exact else ''}; of the mean: {ORDERS['common']}."],
    )  # fmt: skip


def ceiling(judgement: Judgement) -> Section:
    frame = judgement.ceilings
    targets = [name for name in frame.columns if name.startswith("reach_") and name.count("_") == 1]
    targets = [name for name in targets if float(name.removeprefix("reach_")) > 0]
    wide = frame.pivot(index="sd", columns="truth", values=["tau_w", "mc_low", "mc_high", "low", "high", *targets])
    rows = []
    for sd in wide.index:
        row = [f"{sd:.3g}"]
        for truth in TRUTHS:
            pick = wide.loc[sd].xs(truth, level="truth")
            row += [_with(pick["tau_w"], pick["mc_low"], pick["mc_high"]), between(pick["low"], pick["high"], 2)]
            row += [three(pick[name]) for name in targets]
        rows.append(row)
    head = ["SD of a run"]
    for truth in TRUTHS:
        head += [truth, "one benchmark"] + [f"reaches {name.removeprefix('reach_')}" for name in targets]
    lines = [oracle_line(judgement, truth) for truth in TRUTHS]
    return Section(
        "What a perfect oracle reaches", lines, [Table(head, rows)],
        [Picture(LADDER, "Mean tau_w of a perfect oracle against the SD of one fine-tuning run; band: 95 % of benchmarks. "
                         "Lines: static list, claims; grey: chance.", "Oracle, static list, chance and claims in one picture")],
        [f"The oracle knows every encoder's true Dice and is judged by a table measured anew, with normal noise of that SD "
         f"(in Dice points) on every run. {'; '.join(f'{name}: {words}' for name, words in TRUTHS.items())}. One benchmark: "
         "middle 95 % of single benchmarks. The two truths bracket the answer: the first leaves noise in the spread, the "
         "second takes out of each task all that such noise would make on average."],
    )  # fmt: skip


def agreement(judgement: Judgement) -> Section:
    found = judgement.agreement
    table = Table(
        ["component of Dice", "variance, squared points", "share of all", "share without the task"],
        [
            [row.component, f"{row.variance:.3g}", f"{100 * row.share:.1f} %",
             "-" if math.isnan(row.share_within) else f"{100 * row.share_within:.0f} %"]
            for row in judgement.shares.itertuples()
        ],
    )  # fmt: skip
    lines = [agreement_line(judgement)] if math.isfinite(found.tau_w) else ["One judged task: no agreement to measure."]
    best = pd.Series(found.best).groupby(pd.Series(found.best)).groups
    lines.append("Best encoder: " + "; ".join(f"{name} on {', '.join(tasks)}" for name, tasks in best.items()) + ".")
    if math.isfinite(found.tau_w):
        p = p_text(found.p)
        verdict = "agree more than independent orders do" if found.p < 0.05 and found.tau_w > 0 else "may be independent"
        lines.append(f"The orders of the tasks {verdict} (p {p}, a random order for every task).")
        lines.append(
            f"Noise of {number(judgement.explaining)} Dice points of SD a run would by itself make all the disagreement "
            "between tasks; only with smaller noise is the best encoder shown to depend on the task."
        )
    return Section(
        "Does the best encoder depend on the task?", lines, [table],
        notes=["Random two-way model, expected mean squares. Only the last column ranks encoders: a task's own mean moves no "
               "ranking. In brackets: 95 % interval by the F distribution, over other encoders and tasks like these."],
    )  # fmt: skip


def power(judgement: Judgement) -> Section:
    table = Table(
        ["SD of a run", "shared error", "oracle", "SD of a difference", "yardstick"],
        [
            [row.run_sd, f"{row.errors:g}", three(row.top), _with(row.sd, row.sd_low, row.sd_high),
             _with(row.yardstick, row.yardstick_low, row.yardstick_high)]
            for row in judgement.differences.itertuples()
        ],
    )  # fmt: skip
    settings = judgement.settings
    lines = [yardstick_line(judgement)]
    if judgement.differences["yardstick"].isna().any():
        lines.append(f"A dash: at that SD of a run no metric, not even an oracle, has a mean tau_w of {settings.level:g} there.")
    return Section(
        "Which differences between metrics could be shown", lines, [table],
        notes=[f"Two simulated metrics at an expected mean tau_w of {settings.level:g}: true Dice plus normal errors, equally "
               "large on all tasks in units of the task's spread, the same encoders and tasks. Yardstick: "
               f"(z of {1 - settings.alpha / 2:g} + z of {settings.power:g}) times the SD of their difference. Beyond the "
               "oracle minus the level nothing can be shown at all."],
    )  # fmt: skip


def influence(judgement: Judgement) -> Section:
    rows = [
        [row.left_out or "nobody", three(row.static), three(row.agreement), number(row.sd), three(row.oracle)]
        for row in judgement.influence.itertuples()
    ]
    frame = judgement.influence.iloc[1:]
    lines = []
    if len(frame):
        low, high = frame.loc[frame["static"].idxmin()], frame.loc[frame["static"].idxmax()]
        lines.append(
            f"Without a single encoder or task the static list lies between {three(low['static'])} (without {low['left_out']}) "
            f"and {three(high['static'])} (without {high['left_out']})."
        )
    head = ["left out", "static list", "agreement of tasks", "SD, points", "oracle"]
    run = "the measured SDs" if judgement.measured else "a run's SD of 0.5"
    return Section("Who carries it", lines, [Table(head, rows)], notes=[f"Oracle: truth as published, {run}."])


def method(judgement: Judgement) -> Section:
    settings = judgement.settings
    return Section("How it was computed", [
        f"{settings.draws} simulated draws, seed {settings.seed}; fine-tuning noise is normal, independent from run to run and "
        "of one SD a task. Real noise is not: failed runs have heavier tails, and folds differ by more than seeds.",
        "Sources: weighted tau Vigna 2015, doi:10.1145/2736277.2741088; ICC McGraw and Wong 1996, "
        "doi:10.1037/1082-989X.1.1.30; intervals of proportions Wilson 1927, doi:10.2307/2276774.",
        "Not covered: other encoders and tasks than these (but where an interval says so), and errors in the table itself.",
    ])  # fmt: skip


def means(static_frame: pd.DataFrame) -> dict[str, float]:
    """source -> mean tau_w of that kind of static list."""
    return static_frame.groupby("source")["tau_w"].mean().to_dict()


def _reach_words(judgement: Judgement, tau: float) -> str:
    found = reached(judgement, tau)
    if judgement.measured:
        pick = found[found["sd"] == _measured_sd(judgement)]
        if len(pick):
            row = pick.iloc[0]
            return f"an oracle reaches it with probability {three(row['share'])} {between(row['low'], row['high'])}"
    said = ", ".join(f"{three(row.share)} at {row.sd:g}" for row in found.itertuples())
    return f"an oracle (truth as published) reaches it with probability {said} points of SD of a run"


def _measured_sd(judgement: Judgement) -> float:
    measured = judgement.measured
    return math.sqrt(sum(sd**2 for sd in measured.values()) / len(measured)) if measured else math.nan


def _with(value: float, low: float, high: float, digits: int = 3) -> str:
    return f"{number(value, digits)} {between(low, high, digits)}" if math.isfinite(value) else "-"


def _chance_words(judgement: Judgement) -> str:
    return between(*judgement.chance.interval("common"))


def _counts(frame: pd.DataFrame, kind: str) -> str:
    counts = sorted(set(frame.loc[frame["source"] == kind, "n_sources"]))
    return f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} or {counts[-1]}"
