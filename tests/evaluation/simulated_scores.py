"""Simulated-for-test scores and ground truth; nothing here is a measurement."""

import numpy as np
import pandas as pd


def simulate(metrics, *, encoders=6, tasks=("one", "two"), seeds=3, sampling=1, noise=0.01, seed=0):
    """Scores with a chosen correlation to the true mean Dice, and noisy ground truth in seed blocks."""
    rng = np.random.default_rng(seed)
    names = [f"encoder{k:02d}" for k in range(encoders)]
    truth, scores = [], []
    for task in tasks:
        true = 0.5 + 0.06 * rng.standard_normal(encoders)
        dice = true[:, None] + 0.03 * rng.standard_normal((1, seeds)) + noise * rng.standard_normal((encoders, seeds))
        dice = np.clip(dice, 0.06, 1)
        truth += [("sim", e, task, s, "dsc", dice[k, s]) for k, e in enumerate(names) for s in range(seeds)]
        z = (true - true.mean()) / true.std()
        for name, strength in metrics.items():
            base = strength * z + np.sqrt(1 - strength**2) * rng.standard_normal(encoders)
            for r in range(sampling):
                score = base + (0.1 * rng.standard_normal(encoders) if sampling > 1 else 0)
                scores += [(task, e, name, r, score[k], "ok", "", 0.5, 100.0) for k, e in enumerate(names)]
    columns = ["task", "encoder", "metric", "seed", "score", "status", "reason", "seconds", "peak_mb"]
    truth = pd.DataFrame(truth, columns=["protocol", "encoder", "task", "seed", "metric", "value"])
    return pd.DataFrame(scores, columns=columns), truth, dict.fromkeys(metrics, "up")
