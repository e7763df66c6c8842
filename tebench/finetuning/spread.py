"""What finished runs say of their tasks: do encoders differ by more than seeds do?"""

from __future__ import annotations

import logging

log = logging.getLogger(__name__)

# Below this mean Dice over the volumes a class counts as collapsed.
COLLAPSED = 0.01


def spread(rows, volumes):
    """One line a protocol and task, as a pandas frame.

    rows, volumes: as `tebench.finetuning.rows.collect` gives them. Only encoders that have every seed of the task
    enter (`left_out` counts the others), since seeds are blocks; fewer than three leave no line.
    mean: Dice over encoders and seeds.   spread_* and icc_*: see `tebench.evaluation.reliability.Reliability`.
    collapsed: share of (run, class) whose mean Dice is below .01.   seconds: mean wall time of a run.
    """
    import pandas as pd

    from tebench.evaluation import reliability

    by_class = volumes.groupby(["protocol", "task", "encoder", "seed", "class"])["dice"].mean()
    lines = []
    for (protocol, task), of_task in rows.groupby(["protocol", "task"]):
        counts = of_task["encoder"].value_counts()
        whole = sorted(counts.index[counts == of_task["seed"].nunique()])
        if len(whole) < 3:
            log.warning("%s, %s: fewer than three encoders have every seed; no spread.", protocol, task)
            continue
        kept = of_task[of_task["encoder"].isin(whole)]
        found = reliability.table(kept, whole).iloc[0].to_dict()
        classes = by_class.loc[protocol, task]
        classes = classes[classes.index.get_level_values("encoder").isin(whole)].dropna()
        lines.append(
            {
                "protocol": protocol,
                **found,
                "mean": kept["value"].mean(),
                "collapsed": float((classes < COLLAPSED).mean()),
                "left_out": len(counts) - len(whole),
                "seconds": kept["seconds"].astype(float).mean(),
            }
        )
    first = ["protocol", "task", "n_encoders", "n_seeds", "mean", "spread_encoders", "spread_seeds", "spread_blocks"]
    frame = pd.DataFrame(lines)
    return frame[[*first, *(name for name in frame.columns if name not in first)]] if lines else frame


def as_text(frame) -> str:
    """The table of `spread` for a terminal."""
    if frame.empty:
        return "No protocol and task with three encoders yet."
    shown = {
        "protocol": "protocol", "task": "task", "n_encoders": "enc", "n_seeds": "seeds", "mean": "Dice",
        "spread_encoders": "SD enc", "spread_seeds": "SD seed", "icc_mean": "ICC", "low": "from", "high": "to",
        "collapsed": "collapsed", "seconds": "s/run", "status": "status",
    }  # fmt: skip
    table = frame[list(shown)].rename(columns=shown).round(3)
    table["s/run"] = table["s/run"].round(0).astype(int)
    return table.to_string(index=False, na_rep="-")
