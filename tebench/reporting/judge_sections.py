"""The sections of a judged table: sentences of `judge_words`, and every number behind them in tables."""

from __future__ import annotations

import math

import pandas as pd

from tebench.evaluation.arrays import MEAN
from tebench.evaluation.chance import ORDERS
from tebench.evaluation.judge import Judgement
from tebench.evaluation.oracle import TRUTHS
from tebench.evaluation.static_list import SOURCES
from tebench.reporting import judge_words as words
from tebench.reporting.judge_words import between, measured, three
from tebench.reporting.sections import Picture, Section, Table
from tebench.reporting.summary import number, p_text

LADDER, DICE = "ladder", "ground-truth"
ROWS = 30  # claims of single tasks that the table holds; more stay in claims.csv


def title(judgement: Judgement) -> str:
    table = judgement.table
    return f"What {table.name} can show: {len(table.encoders)} encoders, {len(table.judged)} tasks"


def lead(judgement: Judgement, command: str) -> list[str]:
    """What was judged, how it was read, and the command that makes it again."""
    table = judgement.table
    seeds = sorted({table.n_seeds[task] for task in table.judged})
    runs = "one run a cell" if seeds == [1] else f"{words.listed(map(str, seeds))} seeds a cell"
    notes = f" Reading: {'; '.join(table.notes)}." if table.notes else ""
    return [
        f"Made by `{command}` from fine-tuned Dice alone; no feature of any encoder is read. tau_w: weighted Kendall "
        "tau (additive hyperbolic weights), mean over the judged tasks unless a task is named. Square brackets: 95 "
        "% interval for the finite number of simulated draws, unless other words stand beside them.",
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
    """The handful of sentences that a reader takes away, and the picture that holds them."""
    lines = [words.static_line(judgement), words.oracle_line(judgement), words.chance_line(judgement)]
    if math.isfinite(judgement.agreement.tau_w):
        lines.append(words.agreement_line(judgement))
    lines.append(words.yardstick_line(judgement))
    if judgement.claims is not None:
        lines += [*words.claim_lines(judgement)[:1], *words.rival_lines(judgement)[:1]]
    caption = (
        "Mean tau_w of a perfect oracle against the SD of one fine-tuning run; band: 95 % of benchmarks measured anew. "
        "Lines: static list, claims; grey: chance, one order for all tasks."
    )
    picture = Picture(LADDER, caption, "Oracle, static list, chance and claims against the SD of a run")
    return Section("In short", lines, pictures=[picture])


def claims(judgement: Judgement) -> Section:
    """The claimed numbers beside chance, static list, oracle and power."""
    frame = judgement.claims.sort_values("tau_w", ascending=False, kind="stable")
    whole = frame["task"] == MEAN
    rest = frame[~whole]
    rows = [
        [
            row.metric, row.task, three(row.tau_w), words.p_words(row.p_common), words.p_words(row.p_own),
            three(row.static), three(row.over_static), number(row.errors),
        ]
        for row in pd.concat([frame[whole], rest if len(rest) <= ROWS else rest.iloc[:0]]).itertuples()
    ]  # fmt: skip
    head = ["claim", "task", "tau_w", "p, common", "p, own", "static list", "above it", "shared error"]
    tables = [Table(head, rows)]
    if judgement.rivals is not None and len(judgement.rivals):
        head = [
            "best over rival",
            "difference",
            "run SD",
            "shared error",
            "oracle",
            "yardstick",
            "power",
            "swap test",
        ]
        rows = [
            [
                f"{row.best} over {row.rival}", three(row.difference), row.run_sd, f"{row.errors:g}", three(row.top),
                measured(row.yardstick, row.yardstick_low, row.yardstick_high),
                measured(row.power, row.power_low, row.power_high, 2),
                measured(row.swap, row.swap_low, row.swap_high, 2),
            ]
            for row in judgement.rivals.itertuples()
        ]  # fmt: skip
        tables.append(Table(head, rows))
    note = (
        "p: chance that a random order reaches the claim or more, one order for all tasks (common) or one for each "
        "(own); one-sided, of this claim alone. Shared error: in the first table the share of the metric's own "
        "error that is common to the tasks, where its scores are known; in the second what is assumed of both "
        "metrics. Oracle: with the noise taken out of the means. Yardstick: difference shown with the wanted power "
        "by a test whose border is 1.96 SD of the difference of two equal metrics; power: chance that this test "
        "shows the claimed difference if it is the true one; swap test: the same for the paired encoder-swap test "
        "of the leaderboard. A dash: the tau or the difference lies above what an oracle reaches at that SD of a "
        "run. Simulated are the three nearest rivals of at least .05."
    )
    return Section("The claims, placed", words.claim_lines(judgement), tables, notes=[note])


def spread(judgement: Judgement) -> Section:
    """What separates the encoders on each task, in Dice points."""
    frame = judgement.spread
    head = [
        "task", "Dice", "SD between encoders", "range", "best minus second", "run SD", "run SD at most", "reliability",
        "best",
    ]  # fmt: skip
    rows = [
        [
            row.task, number(row.dice), number(row.sd), number(row.range), number(row.gap), number(row.run_sd),
            number(row.run_sd_limit), number(row.reliability), row.best,
        ]
        for row in frame.itertuples()
    ]  # fmt: skip
    small, large = frame.loc[frame["sd"].idxmin()], frame.loc[frame["sd"].idxmax()]
    lines = [
        f"The SD between encoders is {number(small['sd'])} ({small['task']}) to {number(large['sd'])} "
        f"({large['task']}) Dice points.",
    ]
    if judgement.measured is None:
        lines.append(
            f"On {small['task']} the SD of a run is at most about {number(small['run_sd_limit'])}: even if the "
            "encoders did not differ at all, noisier runs would have spread further, with 95 % probability."
        )
    picture = Picture(DICE, "Fine-tuned Dice of every encoder, task by task.", "Dice by encoder and task")
    note = "In Dice points (0 to 100). A dash: one run a cell measures neither the SD of a run nor reliability."
    return Section("Spread", lines, [Table(head, rows)], [picture], [note])


def static(judgement: Judgement) -> Section:
    """Static lists and chance, task by task."""
    frame = judgement.static
    kinds = [source for source in SOURCES if source in set(frame["source"])]
    cells = frame.set_index(["source", "task"])
    mean = frame.groupby("source")["tau_w"].mean()
    rows = [
        [
            task, *[three(cells.loc[(kind, task), "tau_w"]) if (kind, task) in cells.index else "-" for kind in kinds],
            number(cells.loc[("elsewhere", task), "regret"]), cells.loc[("elsewhere", task), "first"],
            between(*judgement.chance.interval(task)),
        ]
        for task in judgement.table.judged
    ]  # fmt: skip
    regret = frame.loc[frame["source"] == "elsewhere", "regret"].mean()
    chance = between(*judgement.chance.interval("common"))
    rows.append([MEAN, *[three(mean[kind]) for kind in kinds], number(regret), "", chance])
    lines = []
    for kind in kinds:
        counts = sorted(set(frame.loc[frame["source"] == kind, "n_sources"]))
        lines.append(f"From {SOURCES[kind]} ({' or '.join(map(str, counts))}): mean tau_w {three(mean[kind])}.")
    note = (
        "A static list ranks the encoders of a task by their mean rank on other tasks. Regret: Dice points lost by "
        "taking its first encoder (list: elsewhere). Chance: middle 95 % of random "
        f"orders{', all of them' if judgement.chance.exact else ''}; of the mean: {ORDERS['common']}."
    )
    head = ["task", *[f"list: {kind}" for kind in kinds], "regret", "its first", "chance, 95 %"]
    return Section("Static list and chance", lines, [Table(head, rows)], notes=[note])


def ceiling(judgement: Judgement) -> Section:
    """The oracle at every SD of a run."""
    frame = judgement.ceilings
    targets = [name for name in frame.columns if name.startswith("reach_") and not name.endswith(("_low", "_high"))]
    targets = [name for name in targets if float(name.removeprefix("reach_")) > 0]
    tables = []
    for truth in TRUTHS:
        rows = [
            [
                f"{row['sd']:.3g}", measured(row["tau_w"], row["mc_low"], row["mc_high"]),
                between(row["low"], row["high"], 2), str(row["flat"]),
                *[measured(row[name], row[f"{name}_low"], row[f"{name}_high"], 2) for name in targets],
            ]
            for _, row in frame[frame["truth"] == truth].sort_values("sd").iterrows()
        ]  # fmt: skip
        reach = [f"reaches {name.removeprefix('reach_')}" for name in targets]
        tables.append(Table([f"run SD ({truth})", "oracle", "one benchmark", "flat tasks", *reach], rows))
    note = (
        "The oracle knows every encoder's true Dice and is judged by a table measured anew, with normal noise of "
        f"that SD (in Dice points) on every run. {'; '.join(f'{name}: {said}' for name, said in TRUTHS.items())}. "
        "One benchmark: middle 95 % of single benchmarks. Flat: tasks on which such noise explains the whole "
        "spread. The two truths bracket the answer: the first leaves noise in the spread, the second takes out what "
        "such noise makes on average."
    )
    return Section("What a perfect oracle reaches", [words.oracle_line(judgement)], tables, notes=[note])


def agreement(judgement: Judgement) -> Section:
    """Whether the best encoder depends on the task."""
    found = judgement.agreement
    rows = [
        [
            row.component, f"{row.variance:.3g}", f"{100 * row.share:.1f} %",
            "-" if math.isnan(row.share_within) else f"{100 * row.share_within:.0f} %",
        ]
        for row in judgement.shares.itertuples()
    ]  # fmt: skip
    head = ["component of Dice", "variance, squared points", "share of all", "share without the task"]
    lines = ["One judged task: no agreement to measure."]
    if math.isfinite(found.tau_w):
        verdict = (
            "agree more than independent orders do" if found.p < 0.05 and found.tau_w > 0 else "may be independent"
        )
        lines = [
            words.agreement_line(judgement),
            f"The orders of the tasks {verdict} (p {p_text(found.p)} against a random order for every task).",
            words.explaining_line(judgement),
        ]
    tasks_of: dict[str, list[str]] = {}
    for task, encoder in found.best.items():
        tasks_of.setdefault(encoder, []).append(task)
    lines.append("Best encoder: " + "; ".join(f"{name} on {', '.join(t)}" for name, t in tasks_of.items()) + ".")
    note = (
        "Random two-way model, expected mean squares. Only the last column ranks encoders: a task's own mean moves no "
        "ranking."
    )
    return Section("Does the best encoder depend on the task?", lines, [Table(head, rows)], notes=[note])


def power(judgement: Judgement) -> Section:
    """Differences between metrics that the size can show."""
    settings = judgement.settings
    rows = [
        [
            row.run_sd, f"{row.errors:g}", three(row.top), measured(row.sd, row.sd_low, row.sd_high),
            measured(row.yardstick, row.yardstick_low, row.yardstick_high),
        ]
        for row in judgement.differences.itertuples()
    ]  # fmt: skip
    lines = [words.yardstick_line(judgement)]
    if judgement.differences["yardstick"].isna().any():
        lines.append(
            f"A dash: at that SD of a run nothing, not even an oracle, has a mean tau_w of {settings.level:g} on "
            "this table."
        )
    note = (
        f"Two simulated metrics at an expected mean tau_w of {settings.level:g}: true Dice plus normal errors, "
        "equally large on all tasks in units of the task's spread, on these encoders and tasks. Shared error: share "
        f"of the errors' variance that is common to the tasks. Yardstick: (z of {1 - settings.alpha / 2:g} + z of "
        f"{settings.power:g}) times the SD of their difference. Beyond the oracle minus the level nothing can be "
        "shown."
    )
    head = ["run SD", "shared error", "oracle", "SD of a difference", "yardstick"]
    return Section("Which differences between metrics could be shown", lines, [Table(head, rows)], notes=[note])


def influence(judgement: Judgement) -> Section:
    """Each encoder and task left out."""
    frame = judgement.influence
    rows = [
        [row.left_out or "nobody", three(row.static), three(row.agreement), number(row.sd), three(row.oracle)]
        for row in frame.itertuples()
    ]
    lines = []
    if len(frame) > 1:
        rest = frame.iloc[1:]
        low, high = rest.loc[rest["static"].idxmin()], rest.loc[rest["static"].idxmax()]
        lines.append(
            f"Without a single encoder or task the static list lies between {three(low['static'])} (without "
            f"{low['left_out']}) and {three(high['static'])} (without {high['left_out']})."
        )
    run = "the measured SDs" if judgement.measured else "an SD of a run of 0.5"
    head = ["left out", "static list", "agreement of tasks", "SD, points", "oracle"]
    return Section("Who carries it", lines, [Table(head, rows)], notes=[f"Oracle: published means as truth, {run}."])


def method(judgement: Judgement) -> Section:
    """Models, sources, and what is not covered."""
    settings = judgement.settings
    return Section(
        "How it was computed",
        [
            f"{settings.draws} simulated draws, seed {settings.seed}. Noise of fine-tuning is normal, independent "
            "from run to run, of one SD for all encoders; real noise has heavier tails where runs fail, and folds "
            "differ by more than seeds.",
            "Weighted tau: Vigna 2015, doi:10.1145/2736277.2741088. ICC and its interval: McGraw and Wong 1996, "
            "doi:10.1037/1082-989X.1.1.30. Intervals of proportions: Wilson 1927, doi:10.2307/2276774.",
            "Not covered: other encoders and tasks than these (but where an interval says so), and errors in the "
            "table.",
        ],
    )
