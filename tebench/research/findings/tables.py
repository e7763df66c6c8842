"""The committed pages on what published tables can show: OpenMind's, and each benchmark of the leaderboard."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pandas as pd

from tebench.base import storage
from tebench.benchmark.dice import published_table
from tebench.benchmark.settings import Benchmark
from tebench.benchmark.spec import facts_of
from tebench.evaluation import claims, judge, plan
from tebench.evaluation.judge import Judgement, Settings
from tebench.publication.boards import protocols
from tebench.reporting import judge_figures, judge_report, judge_sections, sections, style
from tebench.research.findings import openmind
from tebench.research.findings.openmind import CLAIMS, JUDGE, Named, Planned

log = logging.getLogger(__name__)

DIFFERENCES = (None, 0.1)  # None: the paper's, best over nearest rival
PLANNED_SD = 0.5


def write(folder: Path, leaderboard: Path, settings: Settings) -> list[Path]:
    """Write findings_openmind.md and judge_starter.md with their figures; the pages' paths."""
    figures = storage.make_folder(Path(folder) / "figures")
    tables = [
        _published("openmind_resenc", "ResEnc-L, the paper's six tasks", leaderboard, settings, scores=CLAIMS),
        _published("openmind_resenc", "ResEnc-L, all twelve tasks", leaderboard, settings, tasks=["all"]),
        _published("openmind_primus", "Primus-M, the paper's six tasks", leaderboard, settings),
        _published("openmind_primus", "Primus-M, all twelve tasks", leaderboard, settings, tasks=["all"]),
    ]
    starters = boards("starter", leaderboard, settings)
    style.save(judge_figures.ladder(tables[0].judgement), figures, "openmind-ladder", formats=("png",))
    found = plans(tables[0].judgement, settings)
    texts = (openmind.page(tables, starters, found, "openmind-ladder"), benchmark_page("starter", starters, figures))
    paths = [Path(folder) / Path(name).name for name in judge_report.PAGES]
    for path, text in zip(paths, texts, strict=True):
        storage.write_text(path, text)
    return paths


def boards(benchmark: str, leaderboard: Path, settings: Settings) -> list[Named]:
    """The benchmark under every protocol that its ground truth holds, with its metrics' scores as claims."""
    return [
        _published(benchmark, f"{benchmark}, {name}", leaderboard, settings, protocol=name,
                   scores=f"leaderboard/results/{benchmark}.csv")
        for name in protocols(leaderboard, benchmark)
    ]  # fmt: skip


def benchmark_page(benchmark: str, found: list[Named], figures: Path) -> str:
    """One page for a benchmark: a part for each protocol."""
    parts = []
    for named in found:
        protocol = named.judgement.table.protocol
        name = f"judge-{protocol}-ladder"
        style.save(judge_figures.ladder(named.judgement), figures, name, formats=("png",))
        body = judge_sections.sections(named.judgement)
        shown = [
            replace(part, pictures=[replace(p, name=name) for p in part.pictures if p.name == judge_sections.LADDER])
            for part in body
        ]
        lead = judge_sections.lead(named.judgement, named.command)
        parts.append(sections.markdown(protocol, lead, shown, figures="figures", level=2))
    head = (
        f"# What the {benchmark} benchmark's ground truth can show\n\nMade by `python -m tebench judge docs=docs`; "
        "do not edit. Fine-tuned Dice decides what any metric can be shown to do, before a feature is read.\n\n"
    )
    return head + "\n".join(parts)


def plans(paper: Judgement, settings: Settings) -> list[Planned]:
    """The sizes that would show the paper's difference, and a smaller one, under both kinds of errors."""
    rivals = paper.rivals.iloc[0]
    found = []
    for stated in DIFFERENCES:
        difference = round(float(rivals["difference"]) if stated is None else stated, 3)
        for errors in settings.errors:
            assumed = plan.of_table(paper.table, PLANNED_SD)
            model = plan.Model(**assumed, errors=errors, level=float(rivals["level"]))
            designs = plan.designs(model, difference, n_draws=min(1500, settings.draws), seed=settings.seed)
            command = (
                f"python -m tebench plan benchmark=openmind_resenc table=benchmark sd={PLANNED_SD:g} "
                f"difference={difference:g} level={model.level:g} errors={errors:g}"
            )
            found.append(Planned(model, difference, designs, plan.cheapest(designs), pd.DataFrame(), command))
            log.info("planned: %s", command)
    return found


def _published(
    benchmark: str, words: str, leaderboard: Path, settings: Settings, *, tasks=None, protocol=None, scores=None
) -> Named:
    facts = Benchmark.of(facts_of(benchmark))
    protocol = protocol or str(facts.protocol)
    path = leaderboard / "ground_truth" / facts.ground_truth
    table = published_table(facts, path, protocol, tasks=tasks)
    claimed = claims.read(leaderboard / Path(scores).relative_to("leaderboard"), table) if scores else None
    options = [f"tasks=[{','.join(tasks)}]"] if tasks else []
    options += [f"protocol={protocol}"] if protocol not in (facts.protocol, "starter-v1") else []
    options += [f"scores={scores}"] if scores else []
    log.info("judging %s", words)
    return Named(words, " ".join([JUDGE + benchmark, *options]), judge.judge(table, claimed, settings))
