"""docs/findings_openmind.md: what the field's largest published table of fine-tuned Dice can show about any metric.

Every sentence is made from a `Judgement` or a plan; each section names the command that computes its numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from tebench.evaluation.judge import Judgement
from tebench.evaluation.plan import Model
from tebench.reporting import judge_sections, sections
from tebench.reporting import judge_words as words
from tebench.reporting.judge_words import between, listed, measured, three
from tebench.reporting.sections import Picture, Section, Table
from tebench.reporting.summary import number

JUDGE = "python -m tebench judge benchmark="
CLAIMS = "leaderboard/claims/openmind_resenc.csv"


@dataclass(frozen=True)
class Named:
    """A judged table, how sentences call it, and its command."""

    words: str
    command: str
    judgement: Judgement


@dataclass(frozen=True)
class Planned:
    """Designs (`plan.designs`) under a model, for a difference, and the command."""

    model: Model
    difference: float
    found: pd.DataFrame
    good: pd.DataFrame
    checked: pd.DataFrame
    command: str


def page(tables: list[Named], starters: list[Named], planned: list[Planned], figure: str) -> str:
    """The page. tables: the paper's six tasks first, with its claims; figure: name of the first one's ladder."""
    paper = tables[0]
    lead = [
        "Made by `python -m tebench judge docs=docs` from `leaderboard/ground_truth/openmind.csv` (arXiv "
        "2412.17041, Table 2) and the numbers of arXiv 2602.23916; do not edit. Fine-tuned Dice alone is read: no "
        "feature, no checkpoint. tau_w: weighted Kendall tau, mean over tasks. Square brackets: 95 % interval for "
        "the finite number of simulated draws, unless other words stand beside them. The command under a heading "
        "computes all numbers of its section, and more.",
    ]
    parts = [
        in_short(paper, tables[1:], starters),
        claims(paper, figure),
        *[table(named) for named in tables],
        compared(tables),
        adds(paper, starters),
        needs(paper, planned),
        limits(),
    ]
    return sections.markdown("What OpenMind's table can show", lead, parts, figures="figures")


def in_short(paper: Named, others: list[Named], starters: list[Named]) -> Section:
    found = paper.judgement
    claims = found.claims[found.claims["task"] == "mean"].sort_values("tau_w", ascending=False, kind="stable")
    best = claims.iloc[0]
    close = claims.iloc[1:].assign(gap=lambda f: f["over_static"].abs()).sort_values("gap").iloc[0]
    static = "; ".join(f"{one.words}: {three(_static(one))}" for one in others)
    lines = [
        f"A list of the encoders that was fixed beforehand (mean rank on the other tasks, no feature read) reaches "
        f"{three(_static(paper))} on {paper.words}. {close.metric} is reported with {three(close.tau_w)}, "
        f"{_above(claims, _static(paper))}.",
        f"The same list elsewhere: {static}.",
        f"{best.metric} is reported with {three(best.tau_w)}. {words.reach_words(found, best.tau_w)} The table has "
        "one run a cell, so the SD of a run is not known.",
        words.explaining_line(found),
        *words.rival_lines(found)[:1],
    ]
    return Section("In short", lines, notes=[f"Commands: `{paper.command}`, {_commands([*others, *starters])}."])


def claims(paper: Named, figure: str) -> Section:
    """The paper's numbers beside chance, static list, oracle and power."""
    found = judge_sections.claims(paper.judgement)
    caption = (
        f"{paper.words}: mean tau_w of a perfect oracle against the SD of one fine-tuning run; band: 95 % of "
        "benchmarks measured anew. Lines: static list and the paper's numbers; grey: chance."
    )
    picture = Picture(figure, caption, "Oracle, static list, chance and the paper's numbers against the SD of a run")
    notes = [f"`{paper.command}`", *found.notes]
    return Section("The paper's numbers, placed", found.sentences, found.tables, [picture], notes)


def table(named: Named) -> Section:
    """One pool and set of tasks."""
    found = named.judgement
    spread = judge_sections.spread(found)
    lines = [
        words.static_line(found), words.oracle_line(found), words.chance_line(found), words.agreement_line(found),
        words.explaining_line(found), *spread.sentences, words.yardstick_line(found),
        *judge_sections.influence(found).sentences,
    ]  # fmt: skip
    static = judge_sections.static(found)
    return Section(_capital(named.words), lines, [*static.tables, *spread.tables], notes=[f"`{named.command}`"])


def compared(tables: list[Named]) -> Section:
    """The four side by side."""
    head = ["", "static list", "chance, one order", "agreement of tasks", "common share", "explaining SD", "yardstick"]
    rows = []
    for named in tables:
        found = named.judgement
        first = found.differences.iloc[0]
        share = between(100 * found.agreement.low, 100 * found.agreement.high, 0)
        rows.append([
            named.words, three(_static(named)), between(*found.chance.interval("common"), 2),
            three(found.agreement.tau_w), f"{number(100 * found.agreement.common, 0)} % {share}",
            number(found.explaining), measured(first["yardstick"], first["yardstick_low"], first["yardstick_high"]),
        ])  # fmt: skip
    note = (
        f"Yardstick: difference of two metrics about a mean tau_w of {tables[0].judgement.settings.level:g} that is "
        "shown with a power of 80 %, errors independent from task to task, run noise left out. Commands: "
        f"{_commands(tables)}."
    )
    return Section("The tables side by side", [], [Table(head, rows)], notes=[note])


def adds(paper: Named, starters: list[Named]) -> Section:
    """What measured seeds, more encoders and weaker agreement change."""
    lines = []
    for named in starters:
        found = named.judgement
        seeds = listed(str(n) for n in sorted({found.table.n_seeds[task] for task in found.table.judged}))
        quality = found.spread["reliability"]
        lines += [
            f"{_capital(named.words)}: {len(found.table.encoders)} encoders, {len(found.table.judged)} tasks, "
            f"{seeds} seeds a cell, so that the SD of a run is measured and the reliability of a cell's mean known "
            f"({number(quality.min())} to {number(quality.max())} by task).",
            words.oracle_line(found),
            words.static_line(found),
            words.yardstick_line(found),
        ]
        if found.claims is not None:
            shared = found.claims["errors"].dropna()
            lines.append(
                f"Of {len(shared)} metrics with scores, the share of their error that is common to the tasks has a "
                f"median of {number(shared.median())} (middle half "
                f"{between(shared.quantile(0.25), shared.quantile(0.75), 2)}): that is why differences are judged "
                "with independent errors and with half of them shared."
            )
    small = f"{len(paper.judgement.table.encoders)} x {len(paper.judgement.table.judged)}"
    lines.append(
        "What it does not add: its encoders are small and come in families, its tasks are few and mostly of the "
        f"head; it is larger than {small}, not representative of OpenMind's checkpoints."
    )
    return Section("What the starter benchmark adds", lines, notes=[f"Commands: {_commands(starters)}."])


def needs(paper: Named, planned: list[Planned]) -> Section:
    """Sizes at which the claimed difference, and a smaller one, would be shown."""
    lines, rows = [], []
    for one in planned:
        model = one.model
        said = (
            f"To show {three(one.difference)} above {three(model.level)} with a power of 80 %, runs with an SD of "
            f"{number(model.sd)} points, {number(100 * model.errors, 0)} % of a metric's error shared by the tasks"
        )
        if one.good.empty:
            top = one.found.loc[one.found["power"].fillna(0).idxmax()]
            lines.append(
                f"{said}: no size up to {one.found['encoders'].max()} encoders, {one.found['tasks'].max()} tasks and "
                f"{one.found['seeds'].max()} seeds is enough; the most powerful has {number(top['power'])}."
            )
        else:
            first = one.good.iloc[0]
            lines.append(
                f"{said}: the fewest runs of the grid are {first['encoders']} encoders x {first['tasks']} tasks x "
                f"{first['seeds']} seed(s) = {first['runs']}."
            )
        for row in one.good.head(3).itertuples():
            rows.append([
                f"{three(one.difference)}, {model.sd:g} points, {model.errors:g}", f"{row.encoders} x {row.tasks} x "
                f"{row.seeds}",
                str(row.runs), number(row.power),
            ])  # fmt: skip
    lines += [
        "At least two seeds a cell, on every task: without them neither the noise ceiling nor the reliability of "
        "the truth is known, and which of the SDs above applies cannot be told.",
        "Beside every metric the static list and chance, and a test of the difference to the best rival and to the "
        "list.",
        f"Tasks on which encoders differ by more than runs do: on {_weak(paper)} the SD between encoders is below "
        "0.5 points.",
    ]
    head = ["difference, run SD, shared error", "encoders x tasks x seeds", "runs", "power"]
    tables = [Table(head, rows)] if rows else []
    commands = "; ".join(f"`{one.command}`" for one in planned)
    return Section("What a better evaluation would need", lines, tables, notes=[f"Commands: {commands}."])


def limits() -> Section:
    """What none of this says."""
    return Section(
        "What this page does not say",
        [
            "It does not say that the paper's metric fails: a claimed tau_w may be what an oracle reaches, and "
            "chance is excluded where the table says so. It says what a table of this size can and cannot decide.",
            "The noise of a run is assumed normal and of one SD; the two truths bracket the answer. Folds, failed "
            "runs and families of encoders make real noise larger.",
            "The published table was read from a public repository's copy; its means of groups agree with the paper's.",
        ],
    )


def _static(named: Named) -> float:
    lists = named.judgement.static
    return float(lists.loc[lists["source"] == "elsewhere", "tau_w"].mean())


def _above(claims: pd.DataFrame, static: float) -> str:
    higher = claims.loc[claims["tau_w"] > static + 0.0015, "metric"].tolist()
    lower = claims.loc[claims["tau_w"] < static - 0.0015, "metric"].tolist()
    return f"level with it to .0015; above it lie {listed(higher) if higher else 'none'}, below it {listed(lower)}"


def _weak(paper: Named) -> str:
    frame = paper.judgement.spread
    return listed(frame.loc[frame["sd"] < 0.5, "task"])


def _commands(named: list[Named]) -> str:
    return ", ".join(f"`{one.command}`" for one in named)


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
