"""A board: one benchmark under one protocol of ground truth, with the results over every named pool.

Scores do not know how encoders were fine-tuned, so the rows of a benchmark serve all its protocols; ground truths of
different protocols never mix, and each makes a board of its own, with its name in every anchor, table and citation.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from tebench.base.errors import InputError
from tebench.benchmark import spec
from tebench.evaluation import evaluate, groundtruth, reliability
from tebench.evaluation.arrays import MEAN
from tebench.evaluation.compare import rank_groups
from tebench.evaluation.influence import influence
from tebench.evaluation.pools import Pool
from tebench.publication import leaderboard_rows
from tebench.publication.pools import rescore, stale
from tebench.reporting.style import Look
from tebench.runtime.workers import each

LEAST = 3  # encoders that can be ranked at all


@dataclass(frozen=True)
class Board:
    """One benchmark under one protocol. pools: the candidate pools that are shown, the whole one first."""

    name: str
    title: str
    rows: pd.DataFrame
    truth: pd.DataFrame
    pools: tuple[Pool, ...]
    seed: int = 0
    looks: dict[str, Look] = field(default_factory=dict)
    benchmark: str = ""

    @property
    def titles(self) -> dict[str, str]:
        return dict(zip(self.rows["metric"], self.rows["title"], strict=True))

    @property
    def directions(self) -> dict[str, str]:
        return dict(zip(self.rows["metric"], self.rows["direction"], strict=True))

    @property
    def tasks(self) -> list[str]:
        return sorted(set(self.rows["task"]))

    @property
    def protocol(self) -> str:
        return self.truth["protocol"].iloc[0]

    @functools.cached_property
    def results(self) -> list[Result]:
        return [result_of(self, pool) for pool in self.pools]


@dataclass(frozen=True)
class Result:
    """Everything that is shown for one pool of a board; every number is computed for that pool."""

    board: Board
    pool: Pool
    scores: pd.DataFrame
    frame: pd.DataFrame
    points: pd.DataFrame
    influence: pd.DataFrame
    judged: pd.DataFrame
    groups: dict[str, pd.DataFrame]


def board_name(benchmark: str, protocol: str) -> str:
    """What a board is called everywhere: its protocol, led by the benchmark where the protocol does not say it.

    >>> board_name("starter", "starter-v1-frozen"), board_name("openmind_primus", "openmind-table2")
    ('starter-v1-frozen', 'openmind_primus-openmind-table2')
    """
    said = protocol.replace("_", "-").startswith(benchmark.replace("_", "-"))
    return protocol if said else f"{benchmark}-{protocol}"


def protocols(folder: Path, benchmark: str, *, first: str | None = None) -> list[str]:
    """The protocols that a benchmark is shown under: those it names, else all that its ground truth holds.

    first: one of them that goes before the others.
    """
    facts = facts_of(benchmark)
    path = folder / "ground_truth" / facts["ground_truth"]
    stated = facts.get("protocols") or [facts.get("protocol")]
    found = list(stated) if stated[0] else groundtruth.protocols(path)
    return sorted(found, key=lambda name: name != first)


def read_all(folder: Path, *, protocol: str | None = None) -> list[Board]:
    """Every board of `folder`: files of rows by name, `protocol` first of each benchmark's."""
    found = [
        read(folder, path.stem, protocol=name)
        for path in sorted((folder / "results").glob("*.csv"))
        for name in protocols(folder, path.stem, first=protocol)
    ]
    names = [board.name for board in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(
            f"leaderboard/results: two benchmarks make a board {', '.join(twice)}. Name the protocols that each is "
            "shown under in its conf/benchmark/NAME.yaml (protocols: [...])."
        )
    return found


def read(folder: Path, name: str, *, protocol: str | None = None) -> Board:
    """The board of `folder`/results/NAME.csv under one protocol (default: the benchmark's first)."""
    facts = facts_of(name)
    rows = leaderboard_rows.read(folder / "results" / f"{name}.csv")
    source, known = folder / "ground_truth" / facts["ground_truth"], protocols(folder, name)
    encoders, tasks = sorted(set(rows["encoder"])), sorted(set(rows["task"]))
    truths = {}
    for one in dict.fromkeys([protocol or known[0], *known]):
        truth = groundtruth.read(source, protocol=one)
        groundtruth.require(truth, encoders, tasks)
        inside = truth["task"].isin(tasks) & truth["encoder"].isin(encoders)
        truths[one] = truth[inside].reset_index(drop=True)
    pools, looks = _catalogue(facts.get("pool", "all"), encoders)
    # A score from ground truth elsewhere is stored for one protocol, and made anew for each board.
    if wrong := set.intersection(*(set(stale(rows, truth, pools[0])) for truth in truths.values())):
        raise InputError(
            f"leaderboard/results/{name}.csv: the scores of {', '.join(sorted(wrong))} are not what their parts and "
            "the ground truth give over the whole pool. Score them again: job=leaderboard update=true."
        )
    chosen, truth = next(iter(truths.items()))
    return Board(board_name(name, chosen), facts["title"], rows, truth, pools, looks=looks, benchmark=name)


def facts_of(name: str) -> dict:
    """The benchmark that a file of rows belongs to."""
    try:
        return spec.facts_of(name)
    except InputError as error:
        raise InputError(f"leaderboard/results/{name}.csv belongs to no benchmark: {error}") from None


def _catalogue(name: str, encoders: list[str]) -> tuple[tuple[Pool, ...], dict[str, Look]]:
    """`named_pools`, and how the encoders are drawn."""
    from tebench.encoders import catalogue
    from tebench.reporting.report import looks_of

    pools = named_pools(name, encoders)
    return pools, looks_of(e for e in pools[0].encoders if e in catalogue.names())


def named_pools(name: str, encoders) -> tuple[Pool, ...]:
    """The whole pool, in the catalogue's order, then the catalogue's pools that are smaller parts of it."""
    from tebench.encoders import catalogue

    named = catalogue.pools()
    order = [e for members in named.values() for e in members]
    encoders = sorted(encoders, key=lambda e: (order.index(e) if e in order else len(order), e))
    # Of a pool that has grown since the rows were made, those that are in the rows; not of one that is mostly new, and
    # the same encoders under one name only.
    smaller: dict[frozenset, Pool] = {}
    for other, members in named.items():
        present = tuple(e for e in members if e in encoders)
        if LEAST <= len(present) < len(encoders) and 2 * len(present) > len(members):
            smaller.setdefault(frozenset(present), Pool(other, present))
    return (Pool(name, tuple(encoders)), *smaller.values())


def evaluate_all(boards: list[Board], workers: int = 1) -> None:
    """The results of all boards, a pool at a time in `workers` processes; each is what `result_of` gives alone."""
    wanted = [(board, pool) for board in boards if "results" not in vars(board) for pool in board.pools]
    if workers < 2 or len(wanted) < 2:
        return  # `Board.results` makes them when they are asked for
    # Forked, so that metrics of plugins are known there; large pools go first, so that none is left over at the end.
    order = sorted(range(len(wanted)), key=lambda index: -len(wanted[index][1]))
    options = {"progress": False, "kept": "nothing was written.", "fork": True}
    made = each(_without_board, wanted, workers, "evaluating", order=order, **options)
    for board in boards:
        own = [result for (whose, _), result in zip(wanted, made, strict=True) if whose is board]
        if own:
            vars(board)["results"] = [replace(result, board=board) for result in own]


def _without_board(job: tuple[Board, Pool]) -> Result:
    board, pool = job
    return replace(result_of(board, pool), board=None)


def result_of(board: Board, pool: Pool) -> Result:
    """Evaluate one pool from the rows: scores recomputed, intervals, nulls, groups and influence anew."""
    scores = rescore(board.rows, board.truth, pool)
    directions, seed = board.directions, board.seed
    truth = board.truth[board.truth["encoder"].isin(pool.encoders)].reset_index(drop=True)
    frame = evaluate.evaluate(scores, truth, directions, pool=pool, seed=seed)
    judged = reliability.table(truth, pool.encoders)
    rankable = list(judged.loc[judged["status"] == "ok", "task"])
    groups = {}
    for task in [*rankable, MEAN] if rankable else []:
        part = scores if task == MEAN else scores[scores["task"] == task]
        groups[task] = rank_groups(part, truth, directions, pool=pool, seed=seed)
    dependent = board.rows[board.rows["pool"] != ""]
    effect = influence(
        scores, truth, directions, pool=pool,
        rescore=(lambda smaller: rescore(dependent, truth, smaller)) if len(pool) > LEAST else None,
    )  # fmt: skip
    points = evaluate.points(scores, truth, directions, pool=pool)
    return Result(board, pool, scores, frame, points, _with_mean(effect, frame), judged, groups)


def _with_mean(effect: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    """Influence on the mean over tasks too, where every task that enters the mean has a number without the encoder."""
    entering = frame.loc[(frame["status"] == "ok") & (frame["task"] != MEAN), ["metric", "task"]]
    rows = []
    for (metric, left_out), part in effect.merge(entering).groupby(["metric", "left_out"], sort=False):
        change = part["change"].mean(skipna=False)
        rows.append([metric, MEAN, left_out, part["tau_w"].mean(skipna=False), change, bool(part["recomputed"].all())])
    return pd.concat([effect, pd.DataFrame(rows, columns=effect.columns)], ignore_index=True) if rows else effect
