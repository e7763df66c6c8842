"""Three rankings side by side: ranks, intervals and crossings are those of the numbers."""

import numpy as np
import pandas as pd
import pytest
import simulated_worlds

from tebench.base.errors import InputError
from tebench.evaluation.arrays import MEAN
from tebench.reporting import figures_slopes


@pytest.fixture(name="figure", scope="module")
def _figure():
    world = simulated_worlds.ordinary()
    return figures_slopes.slopes(
        world.scores, world.truth, world.frame, "one", ("noise", "good"), world.directions,
        titles={"good": "Good $_"},
    )  # fmt: skip


def test_ranks_are_those_of_scores_and_dice(figure):
    world = simulated_worlds.ordinary()
    (axes,) = figure.axes
    lines = [line for line in axes.lines if len(line.get_xdata()) == 3]
    encoders = sorted(set(world.truth["encoder"]))
    assert len(lines) == len(encoders)
    dice = world.truth[world.truth["task"] == "one"].groupby("encoder")["value"].mean()
    good = world.scores[(world.scores["metric"] == "good") & (world.scores["task"] == "one")]
    good = good.groupby("encoder")["score"].mean() * (1 if world.directions["good"] == "up" else -1)
    for column, values in ((1, dice), (2, good)):
        assert [line.get_ydata()[column] for line in lines] == values.rank(ascending=False)[encoders].tolist()
    words = " ".join(text.get_text() for text in axes.texts)
    crossed = sum((dice[a] - dice[b]) * (good[a] - good[b]) < 0 for k, a in enumerate(encoders) for b in encoders[:k])
    assert f"{crossed} of {len(encoders) * (len(encoders) - 1) // 2} pairs crossed" in words
    assert r"Good \$_" in words and "ground-truth seeds" in words


def test_bars_hold_the_rank_and_grow_with_noise():
    rng = np.random.default_rng(0)
    mean = np.array([3.0, 2.0, 1.0, 1.0])
    rank, bars = figures_slopes._ranks(mean, mean[:, None] + np.zeros((4, 3)), rng, pooled=True)
    assert rank.tolist() == [1, 2, 3.5, 3.5]
    assert (bars[0] == rank).all() and (bars[1] == rank).all()
    noisy = mean[:, None] + np.random.default_rng(1).normal(0, 2, (4, 3))
    rank, bars = figures_slopes._ranks(noisy.mean(1), noisy, rng, pooled=True)
    assert (bars[0] <= rank).all() and (bars[1] >= rank).all() and (bars[1] - bars[0]).max() >= 2
    assert figures_slopes._ranks(mean, mean[:, None], rng, pooled=True)[1] is None


def test_the_best_of_each_family_is_taken():
    rows = [("gbc", 0.2), ("logme", 0.5), ("lbtc", 0.1), ("grtd", np.nan), ("random", 0.9), ("mine", 0.95)]
    frame = pd.DataFrame([(name, MEAN, tau) for name, tau in rows], columns=["metric", "task", "tau_w"])
    assert figures_slopes.best_pair(frame) == ("logme", "lbtc")
    assert figures_slopes.best_pair(frame[frame["metric"] != "lbtc"]) is None


def test_what_cannot_be_drawn_is_named():
    world = simulated_worlds.ordinary()
    rest = world.scores, world.truth, world.frame
    with pytest.raises(InputError, match="no task 'three'"):
        figures_slopes.slopes(*rest, "three", ("noise", "good"), world.directions)
    with pytest.raises(InputError, match="metric constant ranks nothing"):
        figures_slopes.slopes(*rest, "one", ("noise", "constant"), world.directions)
