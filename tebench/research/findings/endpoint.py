"""The primary endpoint in words: does a metric rank encoders of one architecture, families taken as a whole?"""

from __future__ import annotations

import pandas as pd

from tebench.encoders import catalogue
from tebench.evaluation import inference
from tebench.publication.boards import Board
from tebench.publication.pools import rescore
from tebench.reporting.summary import number, span
from tebench.research.findings import words

DRAWS, BOOT = 20_000, 2000
SHOWN = 10
LIMITED = "associated with Dice in this pool, mostly between architectures, not shown within one"


def table(board: Board) -> pd.DataFrame:
    """`inference.infer` over the board's whole pool, every metric as it is published."""
    pool = board.pools[0]
    scores = rescore(board.rows, board.truth, pool)
    known = catalogue.design(pool.encoders)
    arrays = inference.table(scores, board.truth, board.directions, known, pool=pool)
    return inference.infer(arrays, n_draws=DRAWS, n_boot=BOOT, seed=board.seed)


def starred(found: pd.DataFrame) -> set[str]:
    """Metrics that earn the one star there is. found: of `table`."""
    return set(found.loc[found["star"].astype(bool), "metric"])


def section(boards: list[Board], tables: list[pd.DataFrame]) -> list[str]:
    """What the endpoint is, a table for each protocol, and what follows. tables: of `table`, one a board."""
    lines = [
        "The primary endpoint: mean over the tasks of tau_w *inside shapes*, where the order of architectures cannot "
        "help. Its interval is drawn over families and tasks. p_shape exchanges encoders inside shapes, p_family whole "
        "families (relatives do not count as independent); both are the largest of all metrics (max-T). A star needs "
        f"p_family below .05. The other columns carry none. {DRAWS:,} draws where there are more orders.", "",
    ]  # fmt: skip
    for board, found in zip(boards, tables, strict=True):
        ok = found[found["status"] == "ok"]
        first = ok.iloc[0]
        lines += [
            f"**`{board.protocol}`**, {int(first.n_encoders)} encoders in {int(first.n_shapes)} shapes and "
            f"{int(first.n_families)} families, {int(first.n_tasks)} tasks; first {SHOWN} of {len(ok)} metrics:", "",
            "| metric | tau_w inside shapes | p_shape | p_family | tau_w, whole pool | of it order of shapes |",
            "|---|---|---|---|---|---|",
        ]  # fmt: skip
        lines += [
            f"| {board.titles[row.metric]}{' *' if row.star else ''} | {number(row.tau_within)} "
            f"{span(row.low, row.high)} | {words.p_value(row.p_shape_max)} | {words.p_value(row.p_family_max)} | "
            f"{number(row.tau_w)} {span(row.tau_w_low, row.tau_w_high)} | {number(row.tau_w_null)} |"
            for row in ok.head(SHOWN).itertuples()
        ]
        names = sorted(board.titles[name] for name in starred(found))
        lines += ["", f"Starred: {', '.join(names)}." if names else "No metric earns a star.", ""]
    return lines[:-1]
