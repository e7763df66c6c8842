"""Everything that is wrong with a submission, held against the published rows and the ground truth."""

from __future__ import annotations

import itertools
import logging
import math
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from tebench.base.errors import TebenchError
from tebench.evaluation import evaluate, groundtruth, tolerance
from tebench.evaluation.ceiling import split_ceiling
from tebench.metrics import registry
from tebench.publication import boards, leaderboard_rows, submission
from tebench.publication.pools import stale

log = logging.getLogger(__name__)

TOLERANCE = 1e-6  # relative, of scores that have no other tolerance
MEASURED = "processors.csv"  # of the leaderboard's folder: how far scores move between processors, `job=study`
CLAIM = 1e-9  # tau of the same scores has no excuse to differ
MOST_SECONDS, MOST_MB = 1e7, 1e7  # of one cell
SHOWN = 40
_SHOWN = 5


@dataclass(frozen=True)
class Verdict:
    """problems: why the file is refused; empty when it is sound. notes: what a reader should know all the same."""

    problems: list[str]
    notes: list[str]

    @property
    def sound(self) -> bool:
        return not self.problems


def validate(path: Path, folder: Path, *, source_sha256: str | None = None) -> Verdict:
    """All findings on one file. folder: the leaderboard; source_sha256: of the metric's file, where it is at hand.

    The claims are held against the published ground truth of the protocol that the file names.
    """
    try:
        content = submission.read(path)
    except TebenchError as error:
        return Verdict([str(error)], [])
    given = submission.parse(content)
    found, notes = list(given.problems), []
    if not given.facts or given.rows is None:
        return Verdict(found, notes)
    facts, rows = given.facts, given.rows
    if source_sha256 and facts["source_sha256"] != source_sha256:
        found.append("source_sha256 is not the hash of the metric's file that was given with plugins=")
    try:
        board, known = _board(folder, facts["benchmark"], facts["protocol"])
    except TebenchError as error:
        return Verdict([*found, f"nothing to compare with: {error}"], notes)
    if facts["protocol"] not in known:
        found.append(f"protocol is {facts['protocol'][:40]!r}, the published ground truth has {_list(known)}")
    try:
        found += _names(facts, rows, board) + _same_world(facts, rows, board)
        found += _drift(facts, rows, board, allowed(Path(folder)))
        notes += _features(rows, board)
        # Numbers of another world would only repeat what is said.
        for check in () if found else (_identities, _plausible):
            more, said = check(facts, rows, board)
            found, notes = found + more, notes + said
    except Exception as error:  # whatever a stranger's file provokes is a reason to refuse it, never a crash
        log.debug("submission %s", path, exc_info=True)
        found.append(f"cannot be evaluated: {type(error).__name__}: {str(error)[:200]}")
    return Verdict(found, notes)


def claims(rows: pd.DataFrame, truth: pd.DataFrame, pool) -> dict[str, dict[str, float | None]]:
    """metric -> task (and mean) -> tau_w, None where there is none: what a submission claims and validation repeats."""
    directions = dict(zip(rows["metric"], rows["direction"], strict=True))
    # Point values only; intervals are made when the page is.
    frame = evaluate.evaluate(rows, truth, directions, pool=pool, n_boot=100, n_perm=100)
    return {
        metric: {row.task: None if math.isnan(row.tau_w) else float(row.tau_w) for row in part.itertuples()}
        for metric, part in frame.groupby("metric")
    }


def _board(folder: Path, name: str, protocol: str):
    """(board of the benchmark under that protocol, or its first; all its protocols)."""
    from tebench.base.errors import InputError, unknown_name
    from tebench.benchmark.conf import group_options

    if name not in group_options("benchmark"):
        raise unknown_name("benchmark", name[:60], group_options("benchmark"))
    if not (Path(folder) / "results" / f"{name}.csv").is_file():
        raise InputError(f"no rows of benchmark {name} are published yet.")
    known = boards.protocols(Path(folder), name)
    return boards.read(Path(folder), name, protocol=protocol if protocol in known else None), known


def _names(facts, rows, board) -> list[str]:
    found = []
    stated = {facts["metric"], *facts["beside"]}
    if stated != set(rows["metric"]):
        found.append(f"rows hold metrics {_list(rows['metric'])}; the first line says {_list(stated)}")
    published = set(board.rows["metric"])
    if facts["metric"] in facts["beside"]:
        found.append("beside must not name the submitted metric")
    if unknown := set(facts["beside"]) - published:
        found.append(f"beside names {_list(unknown)}, which are not published")
    own = rows[rows["metric"] == facts["metric"]]
    others = board.rows.loc[board.rows["metric"] != facts["metric"], "title"].str.casefold()
    if taken := sorted(set(own["title"].str.casefold()) & set(others)):
        found.append(f"title {_list(taken)} is that of another metric")
    for name in ("title", "metric_hash", "stages", "parameters"):
        if (n := own[name].map(str).nunique()) > 1:
            found.append(f"the rows of {facts['metric']} have {n} values of {name}; a metric has one")
    for name, most in (("seconds", MOST_SECONDS), ("peak_mb", MOST_MB)):
        if (own[name] > most).any():
            found.append(f"{name} reaches {own[name].max():g}; more than {most:g} is taken for a slip")
    if not facts["beside"]:
        found.append(f"beside is empty: make a published metric again, such as {min(published)}, so that drift shows")
    return found


def _same_world(facts, rows, board) -> list[str]:
    """Same tasks, encoders, features, labels and pool as the published rows."""
    found = []
    for name in ("task", "encoder", "seed"):
        ours, theirs = set(rows[name]), set(board.rows[name])
        if ours != theirs:
            found.append(
                f"{name}s differ from the published: absent {_list(theirs - ours)}; new {_list(ours - theirs)}"
            )
    for name, by in (
        ("label_hash", ["task"]),
        ("n_foreground", ["task"]),
    ):
        ours, theirs = (frame.groupby(by)[name].first() for frame in (rows, board.rows))
        shared = ours.index.intersection(theirs.index)
        differ = shared[(ours[shared] != theirs[shared]).to_numpy()]
        if len(differ):
            found.append(f"{name} is not the published one: {_list(map(_words, differ))}")
    counts = rows.groupby(["task", "encoder", "seed"])["feature_hash"].nunique()
    if (counts > 1).any():
        found.append(
            f"different feature_hash of one pair, {int((counts > 1).sum())} pair(s); a file has one set of features"
        )
    if strange := set(rows["pool"]) - {"", board.pools[0].id}:
        found.append(f"pool {_list(strange)} is not the benchmark's, {board.pools[0].id}")
    return found


def _features(rows, board) -> list[str]:
    """Features are what made them: on another processor their last bits differ, and scores agree within tolerances."""
    by = ["task", "encoder", "seed"]
    ours, theirs = (frame.groupby(by)["feature_hash"].first() for frame in (rows, board.rows))
    shared = ours.index.intersection(theirs.index)
    differ = int((ours[shared] != theirs[shared]).sum())
    return [f"features differ in their bits from the published in {differ} of {len(shared)} pairs"] if differ else []


def allowed(folder: Path) -> dict[str, float]:
    """metric -> how far its scores may lie from the published, in SDs between encoders; measured between processors."""
    path = folder / MEASURED
    return dict(tolerance.tolerances(pd.read_csv(path))) if path.is_file() else {}


def _drift(facts, rows, board, tolerances: dict[str, float]) -> list[str]:
    """Rows of metrics that are published already must say what is published, within what processors explain."""
    found = []
    for metric in sorted(set(rows["metric"]) & set(board.rows["metric"])):
        own, theirs = (frame[frame["metric"] == metric].set_index(leaderboard_rows.KEY) for frame in (rows, board.rows))
        for name in ("title", "direction", "parameters", "stages", "metric_hash"):
            if own[name].map(str).iloc[0] != theirs[name].map(str).iloc[0] and (
                name != "metric_hash" or metric == facts["metric"]
            ):
                found.append(f"metric {metric} is published with another {name}; a new variant needs a new name")
        moved, spread = [], theirs.groupby("task")["score"].std(ddof=0)
        for key in own.index.intersection(theirs.index):
            first, second = theirs.loc[key], own.loc[key]
            room = tolerances.get(metric, 0.0) * spread[key[0]]
            if first["status"] != second["status"]:
                moved.append(f"{_words(key)}: {first['status']} became {second['status']}")
            elif not close(first["score"], second["score"], room):
                moved.append(f"{_words(key)}: {first['score']:.9g} became {second['score']:.9g}")
        if moved:
            found.append(f"value drift of {metric}, {len(moved)} cell(s): {_list(moved)}")
    return found


def _identities(facts, rows, board) -> tuple[list[str], list[str]]:
    """The claimed tau follows from the scores; pool-level scores follow from their parts."""
    found, notes = [], []
    own = rows[rows["metric"] == facts["metric"]]
    if wrong := stale(own, board.truth, board.pools[0]):
        found.append(f"the scores of {_list(wrong)} are not what their parts give over the pool")
    again = claims(own, board.truth, board.pools[0])[facts["metric"]]
    if set(facts["claims"]) != set(again):
        found.append(f"claims must name {_list(again)}, got {_list(facts['claims'])}")
    for task in sorted(set(again) & set(facts["claims"])):
        claimed, real = facts["claims"][task], again[task]
        if (claimed is None) != (real is None) or (real is not None and abs(claimed - real) > CLAIM):
            found.append(f"claimed tau_w on {task} is {claimed}, the scores give {real}")
    if not (own["status"] == "ok").any():
        found.append("no cell of the metric has a score")
    elif own.loc[own["status"] == "ok"].groupby("task")["score"].nunique().max() == 1:
        found.append("the scores are constant over the encoders: they rank nothing")
    top = {
        task: split_ceiling(groundtruth.matrix(board.truth, task, board.pools[0].encoders)[0]).value
        for task in board.tasks
    }
    above = [task for task, value in again.items() if value is not None and value > top.get(task, 1.0)]
    if above:
        notes.append(f"tau_w is above the noise ceiling on {', '.join(above)}: look at how the scores were made")
    notes.append("tau_w " + ", ".join(f"{task} {_spell(value)}" for task, value in again.items()))
    return found, notes


def _plausible(facts, rows, board) -> tuple[list[str], list[str]]:
    """With permuted labels a metric that reads labels must score lower than with true ones."""
    own, control = rows[rows["metric"] == facts["metric"]], facts["control"]
    if not control:
        known = registry.load().get(facts["metric"])
        if known is None or known.reads in ("facts", "elsewhere"):
            return [], ["no control: the metric is said to read no labels"]
        return [f"no control, although the metric reads labels ({known.reads}): make the file with job=submit"], []
    have = own[own["status"] == "ok"]
    cells = {(row.task, row.encoder): row.score for row in have.itertuples()}
    wanted = set(itertools.product(sorted(set(own["task"])), sorted(set(own["encoder"]))))
    stated = {(task, encoder) for task, part in control.items() for encoder in part}
    if stated != wanted:
        return [f"control must have one entry for each task x encoder: {len(wanted)} cells, got {len(stated)}"], []
    pairs = [(score, control[t][e]) for (t, e), score in cells.items() if control[t][e] is not None]
    if len(pairs) * 2 < len(cells):
        return [f"control has a score for {len(pairs)} of {len(cells)} scored cells; at least half are needed"], []
    if all(score == permuted for score, permuted in pairs):
        return [], ["the control equals the scores everywhere: the metric does not look at labels"]
    if (own["pool"] != "").any():
        return [], ["scores are relative to the pool: true and permuted labels are not compared cell by cell"]
    sign = 1 if own["direction"].iloc[0] == "up" else -1
    above = sum(sign * (score - permuted) > 0 for score, permuted in pairs)
    said = f"true labels score better than permuted ones in {above} of {len(pairs)} cells"
    return ([], [said]) if above * 2 > len(pairs) else ([f"implausible: {said}"], [])


def close(first: float, second: float, room: float = 0.0) -> bool:
    """Whether two scores of one pair are the same to rounding. room: what another processor may add, absolute."""
    if math.isnan(first) or math.isnan(second):
        return math.isnan(first) and math.isnan(second)
    return math.isclose(first, second, rel_tol=TOLERANCE, abs_tol=max(1e-9, room if math.isfinite(room) else 0.0))


def _words(key) -> str:
    return " / ".join(str(part)[:60] for part in (key if isinstance(key, tuple) else (key,)))


def _list(items) -> str:
    items = sorted({str(item)[:120] for item in items})
    return (", ".join(items[:_SHOWN]) or "none") + (f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else "")


def _spell(value) -> str:
    return "none" if value is None else f"{value:.3f}"
