"""The recommended metric comes from leaderboard rows, with its number and caveat."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "reporting"))
import leaderboard_world

from tebench.publication import recommend


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = leaderboard_world.write(tmp_path_factory.mktemp("board"), *leaderboard_world.rows_and_truth())
    return recommend.evidence(folder, "starter-v1")


def test_usable_metrics_best_first(found):
    assert {item.metric for item in found} == {"grtd", "lbtc", "grtd_lbtc", "gbc"}  # no ground truth, no head needed
    taus = [item.tau_w for item in found]
    assert taus == sorted(taus, reverse=True) and found[0].n_encoders == 6 and found[0].n_tasks == 2
    assert found[0].protocol == "starter-v1" and found[0].n_metrics == 4
    assert all(item.p_holm >= item.p for item in found)
    assert recommend.candidates(found)[0] == found[0].metric


def test_the_number_stands_with_its_caveat(found):
    for item in found:
        text = item.text()
        assert f"{item.tau_w:.2f}" in text and "n = 6 encoders" in text and "chance alone gives" in text
        assert ("not outside chance" in text) != item.beyond_chance


def test_the_benchmark_names_the_file_of_its_ground_truth(tmp_path):
    folder = leaderboard_world.write(tmp_path, *leaderboard_world.rows_and_truth())
    (folder / "results" / "starter.csv").rename(folder / "results" / "openmind_resenc.csv")
    (folder / "ground_truth" / "starter.csv").rename(folder / "ground_truth" / "openmind.csv")
    assert {item.benchmark for item in recommend.evidence(folder)} == {"openmind_resenc"}


def test_without_rows_there_is_a_default_and_no_evidence(tmp_path):
    assert recommend.evidence(tmp_path) == []
    assert recommend.candidates([])[0] == recommend.DEFAULT


def test_the_repository_s_own_leaderboard_is_read():
    from importlib.resources import files

    found = recommend.evidence(Path(str(files("tebench.leaderboard"))), "starter-v1")
    assert found, "no row of results/ is held against a ground truth"
    assert all(-1 <= item.tau_w <= 1 and item.null_low < 0 < item.null_high for item in found)
    assert len(found) == found[0].n_metrics and found[0].n_encoders >= 21 and found[0].n_tasks >= 1
    assert len(recommend.candidates(found)) >= 4
