"""The findings page on a simulated-for-test leaderboard: numbers equal their definition, sentences follow numbers."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "reporting"))
import leaderboard_world

from tebench.evaluation.correlation import weighted_tau
from tebench.publication.boards import protocols, read
from tebench.research.findings import numbers, page, words


@pytest.fixture(name="boards", scope="module")
def _boards(tmp_path_factory):
    rows, truth = leaderboard_world.rows_and_truth()
    both = pd.concat([truth, leaderboard_world.frozen(truth)], ignore_index=True)
    folder = leaderboard_world.write(tmp_path_factory.mktemp("leaderboard"), rows, both)
    return [read(folder, "starter", protocol=one) for one in protocols(folder, "starter", first="starter-v1")]


def test_a_pair_is_the_difference_of_the_means(boards):
    board = boards[0]
    pool = board.pools[0]
    one, other = (numbers.pair(board, pool, *names) for names in (("grtd", "gbc"), ("gbc", "grtd")))
    dice = numbers.dice_table(board).reindex(pool.encoders)
    taus = []
    for task in board.tasks:
        of = board.rows[(board.rows["metric"] == "grtd") & (board.rows["task"] == task)].set_index("encoder")
        taus.append(weighted_tau(of["score"].reindex(pool.encoders).to_numpy(float), dice[task].to_numpy()))
    assert one["tau_first"] == pytest.approx(np.mean(taus), abs=1e-12)
    assert one["difference"] == pytest.approx(-other["difference"], abs=1e-12)
    assert (one["p"], one["better"], one["tasks"]) == (other["p"], other["worse"], other["tasks"])
    assert 2 ** (1 - len(pool)) <= one["p"] <= 1


def test_the_ends_of_the_gate_are_its_parts(boards):
    board, pool = boards[0], boards[0].pools[0]
    extra = numbers.gates(board, pool)
    assert set(extra["metric"]) == {*map(numbers.gate_name, numbers.GATES), numbers.REVERSED}
    for alpha, part in ((0, "lbtc"), (1, "grtd")):
        made = numbers.pair(board, pool, numbers.gate_name(alpha), part, extra)
        assert made["difference"] == pytest.approx(0, abs=1e-12) and made["p"] == 1
    means = numbers.means(numbers.gate_results(board, pool, extra))
    direct = numbers.means(numbers.results(board, pool))
    assert means.loc[numbers.gate_name(1), "tau_w"] == pytest.approx(direct.loc["grtd", "tau_w"], abs=1e-12)


def test_the_page_says_what_the_numbers_say(boards):
    text = page.page(boards)
    for heading in ("The instrument", "Does any metric work?", "Is the gate right?", "What this cannot show"):
        assert f"## {heading}" in text
    for board in boards:
        assert f"**`{board.protocol}`**" in text
        made = numbers.pair(board, board.pools[0], "grtd_lbtc", "gbc")
        assert f"difference {made['difference']:+.2f}" in text
    assert "nan" not in text.lower().replace("finance", "")


def test_a_verdict_follows_its_p():
    one = {"first": "a", "second": "b", "tau_first": 0.6, "tau_second": 0.1, "difference": 0.5, "p": 0.001,
           "better": 2, "worse": 0, "tasks": 2}  # fmt: skip
    titles = {"a": "Metric A", "b": "Metric B"}
    assert words.compared(titles, one, 0.01).endswith("Metric A is better.")
    assert words.compared(titles, one | {"difference": -0.5}, 0.01).endswith("Metric B is better.")
    assert words.compared(titles, one, 0.2).endswith("Not told apart.")
