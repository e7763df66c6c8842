"""The same metrics over the named pools inside the one that was scored."""

import leaderboard_world
import pytest

from tebench.evaluation.evaluate import evaluate
from tebench.evaluation.pools import Pool
from tebench.publication import pools_table
from tebench.publication.pools import rescore


@pytest.fixture(name="world", scope="module")
def _world():
    return leaderboard_world.rows_and_truth()


def test_every_pool_is_evaluated_anew(world):
    rows, truth = world
    found = pools_table.results(rows, truth, leaderboard_world.POOL, least=3)
    assert list(dict.fromkeys(found["pool"])) == ["zoo", "third_party", "random", "within_deepbet", "across_shapes"]
    pool = Pool("within_deepbet", (
        "deepbet", "deepbet_bbox", "deepbet_random", "deepbet_bbox_random"))  # fmt: skip
    mine = truth[truth["encoder"].isin(pool.encoders)].reset_index(drop=True)
    directions = dict(zip(rows["metric"], rows["direction"], strict=True))
    alone = evaluate(rescore(rows, truth, pool), mine, directions, pool=pool).set_index(["metric", "task"])
    made = found[found["pool"] == "within_deepbet"].set_index("metric")
    for metric in ("grtd_lbtc", "gbc", "mean_rank_elsewhere"):  # fused, plain, from ground truth elsewhere
        assert made.loc[metric, "tau_w"] == pytest.approx(alone.loc[(metric, "mean"), "tau_w"], nan_ok=True)
    text = pools_table.text(found, dict(zip(rows["metric"], rows["title"], strict=True)))
    assert text.splitlines()[0].split() == ["mean", "tau_w", "by", "pool", *dict.fromkeys(found["pool"])]
    assert "encoders, tasks" in text and "GRTD + LBTC" in text


def test_pools_too_small_are_left_out(world, tmp_path):
    rows, truth = world
    assert pools_table.write(tmp_path, rows, truth, leaderboard_world.POOL) == ""
    assert list(tmp_path.iterdir()) == []
