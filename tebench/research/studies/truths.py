"""What the page on other readings of the ground truth shows, from rows and volumes."""

from __future__ import annotations

import pandas as pd

from tebench.evaluation import other_truths
from tebench.evaluation.correlation import weighted_tau

LOSS = "train_loss_last"


def measure(
    volumes: pd.DataFrame, rows: pd.DataFrame, encoders, protocols
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """(readings, lost classes, agreement of the first two protocols, last training loss against Dice)."""
    lost = [
        (protocol, task, *other_truths.lost_share(part))
        for (protocol, task), part in volumes.groupby(["protocol", "task"])
    ]
    agreed = other_truths.agreement(volumes, encoders, *protocols[:2]) if len(protocols) > 1 else pd.DataFrame()
    return (
        other_truths.table(volumes, encoders),
        pd.DataFrame(lost, columns=["protocol", "task", "lost", "classes", "share"]),
        agreed,
        _loss(rows, encoders),
    )


def _loss(rows: pd.DataFrame, encoders) -> pd.DataFrame:
    found = []
    if LOSS in rows.columns:
        rows = rows[rows["encoder"].isin(encoders)]
        rows = rows.assign(loss=pd.to_numeric(rows[LOSS], errors="coerce")).dropna(subset="loss")
        for (protocol, task), part in rows.groupby(["protocol", "task"]):
            mean = part.groupby("encoder")[["loss", "value"]].mean().reindex(encoders)
            if mean.notna().all(axis=None):
                found.append((protocol, task, weighted_tau(-mean["loss"], mean["value"])))
    return pd.DataFrame(found, columns=["protocol", "task", "tau_w"])
