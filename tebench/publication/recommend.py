"""Which metric to trust on data without ground truth: what the leaderboard's rows show, with its caveat."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from tebench.base.errors import InputError

DEFAULT = "grtd_lbtc"
RIVALS = ("grtd_lbtc", "logme", "gbc", "hscore_regularized")  # of low cost, so that leaving cases out stays cheap
# Need what own data do not give (ground truth elsewhere, a source head), or know nothing of the task.
UNUSABLE = ("facts", "elsewhere", "probabilities")


@dataclass(frozen=True)
class Evidence:
    """One metric's mean tau_w over the rankable tasks of a benchmark, with what chance gives."""

    metric: str
    tau_w: float
    null_low: float
    null_high: float
    p: float
    p_holm: float
    n_encoders: int
    n_tasks: int
    n_metrics: int
    benchmark: str
    protocol: str
    within: bool = False  # shown inside architectures, see `tebench.evaluation.inference`

    @property
    def beyond_chance(self) -> bool:
        return self.p_holm < 0.05 and self.tau_w > 0

    def text(self) -> str:
        """The number and its caveat in words."""
        number = (
            f"mean tau_w {self.tau_w:.2f} on the leaderboard's {self.benchmark} benchmark (n = {self.n_encoders} "
            f"encoders, {self.n_tasks} task{'s' if self.n_tasks != 1 else ''}, protocol {self.protocol}), highest of "
            f"{self.n_metrics} usable metrics; chance alone gives [{self.null_low:.2f}, {self.null_high:.2f}]"
        )
        if self.beyond_chance:
            reach = (
                "shown inside architectures too"
                if self.within
                else "associated with Dice in that pool, mostly between architectures, not shown within one"
            )
            return f"{number}; p = {self.p_holm:.3f} after Holm: {reach}. Other encoders and tasks may differ."
        return (
            f"{number}; p = {self.p:.2f}, {self.p_holm:.2f} after Holm. That is not outside chance: with so few "
            "encoders no metric is shown to work, so take the order below as a hint to test, not as a finding."
        )


def evidence(folder: Path, protocol: str | None = None) -> list[Evidence]:
    """Usable metrics of the leaderboard rows in `folder`, best mean tau_w first; [] where there are no rows.

    Of several benchmarks the one with most encoders speaks. protocol: preferred one of the ground truth, unless the
    benchmark names its own; where the file holds neither, its first.
    """
    from tebench.publication.boards import facts_of

    found = []
    for path in sorted((Path(folder) / "results").glob("*.csv")):
        try:
            facts = facts_of(path.stem)
        except InputError:  # rows of a benchmark that is not configured here
            facts = {}
        truth = Path(folder) / "ground_truth" / facts.get("ground_truth", path.name)
        if truth.is_file():
            found.append(_of_benchmark(path, truth, facts.get("protocol") or protocol))
    found = [rows for rows in found if rows]
    return max(found, key=lambda rows: rows[0].n_encoders, default=[])


def _of_benchmark(results: Path, truth_file: Path, protocol: str | None) -> list[Evidence]:
    import pandas as pd

    from tebench.evaluation import groundtruth
    from tebench.evaluation.arrays import MEAN
    from tebench.evaluation.compare import holm
    from tebench.evaluation.evaluate import evaluate
    from tebench.metrics import registry
    from tebench.publication import leaderboard_rows

    rows = leaderboard_rows.read(results)
    known = registry.load()
    rows = rows[[name in known and known[name].reads not in UNUSABLE for name in rows["metric"]]]
    protocols = list(dict.fromkeys(pd.read_csv(truth_file, dtype=str)["protocol"]))
    truth = groundtruth.read(truth_file, protocol=protocol if protocol in protocols else protocols[0])
    truth = truth[truth["encoder"].isin(set(rows["encoder"])) & truth["task"].isin(set(rows["task"]))]
    directions = dict(zip(rows["metric"], rows["direction"], strict=True))
    try:
        table = evaluate(rows, truth.reset_index(drop=True), directions, n_boot=100)
    except InputError:  # rows and ground truth of different encoders: no evidence
        return []
    means = table[(table["task"] == MEAN) & (table["status"] == "ok")].sort_values(["tau_w", "metric"])[::-1]
    corrected = holm([1.0 if math.isnan(p) else p for p in means["p"]])
    name, stars = truth["protocol"].iloc[0] if len(truth) else "", _starred(rows, truth, directions)
    return [
        Evidence(row.metric, row.tau_w, row.null_low, row.null_high, row.p, p, int(row.n), int(row.n_tasks), len(means),
                 results.stem, name, row.metric in stars)
        for row, p in zip(means.itertuples(), corrected, strict=True)
    ]  # fmt: skip


def _starred(rows, truth, directions) -> set[str]:
    """Metrics that the primary endpoint shows to rank inside architectures; none where the encoders are not known."""
    from tebench.encoders import catalogue
    from tebench.evaluation import inference

    try:
        known = catalogue.design(sorted(set(rows["encoder"])))
        table = inference.table(rows, truth.reset_index(drop=True), directions, known)
        found = inference.infer(table, n_draws=2000, n_boot=200)
    except InputError:
        return set()
    return set(found.loc[found["star"].astype(bool), "metric"])


def candidates(found: list[Evidence]) -> list[str]:
    """Metrics to compute: the best by evidence (or the suite's default), then a few rivals."""
    return list(dict.fromkeys([found[0].metric if found else DEFAULT, *RIVALS]))
