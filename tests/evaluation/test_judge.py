"""What a table can show: OpenMind's published figures, closed cases, and exact enumerations."""

import itertools
import math

import numpy as np
import openmind_tables
import pandas as pd
import pytest
from scipy.stats import rankdata, weightedtau

from tebench.base.errors import InputError
from tebench.evaluation import claims, dice_table, judge, oracle, plan, power, static_list, variance_shares
from tebench.evaluation.chance import chance


def made(dice, seeds=1, name="made"):
    """A table from (K, T) or (K, T, S) Dice."""
    dice = np.asarray(dice, float)
    dice = dice[:, :, None] if dice.ndim == 2 else dice
    rows = [
        ("p", f"e{k}", f"t{t}", s, "dsc", dice[k, t, s])
        for k, t, s in itertools.product(*map(range, dice.shape))
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["protocol", "encoder", "task", "seed", "metric", "value"])
    return dice_table.table(frame, name=name)


@pytest.mark.parametrize(
    ("architecture", "tasks", "mean"),
    [("ResEncL", openmind_tables.SIX, 0.551), ("ResEncL", None, 0.635), ("PrimusM", openmind_tables.SIX, 0.897)],
)
def test_static_list_of_openmind(architecture, tasks, mean):
    table = openmind_tables.table(architecture, tasks)
    assert static_list.static_mean(table) == pytest.approx(mean, abs=5e-4)
    # Independently, by scipy and a loop.
    ranks = {task: rankdata(runs[:, 0]) for task, runs in table.runs.items()}
    taus = [
        weightedtau(sum(ranks[other] for other in ranks if other != task), table.runs[task][:, 0]).statistic
        for task in table.judged
    ]
    assert np.mean(taus) == pytest.approx(static_list.static_mean(table), abs=1e-12)


def test_static_list_and_spread_of_openmind_by_task():
    table = openmind_tables.table()
    lists = static_list.static_lists(table)
    found = lists[lists["source"] == "elsewhere"].set_index("task")["tau_w"].round(2).to_dict()
    assert found == {"isl": 0.25, "hnt": 0.95, "msf": 0.51, "tpc": 0.67, "acd": 0.67, "kit": 0.24}
    sds = judge.spread(table).set_index("task")["sd"].round(2).to_dict()
    assert sds == {"isl": 0.29, "acd": 0.50, "kit": 0.49, "msf": 0.99, "tpc": 1.54, "hnt": 1.67}


def test_chance_of_openmind_and_by_enumeration():
    found = chance(openmind_tables.table())
    assert found.exact and len(found.common) == math.factorial(7)
    np.testing.assert_allclose(found.interval("common"), (-0.52, 0.49), atol=0.01)
    np.testing.assert_allclose(found.interval("own"), (-0.29, 0.29), atol=0.015)
    table = made([[0.1, 0.3], [0.2, 0.1], [0.3, 0.2]])
    found = chance(table, n_draws=500)
    orders = list(itertools.permutations(range(3)))
    by_hand = [np.mean([weightedtau(order, dice).statistic for dice in table.mean().T]) for order in orders]
    np.testing.assert_allclose(np.sort(found.common), np.sort(by_hand), atol=1e-12)
    assert found.common.mean() == pytest.approx(0, abs=1e-12)
    assert found.p(max(by_hand), "common") == pytest.approx(sum(v >= max(by_hand) - 1e-9 for v in by_hand) / 6)


def test_oracle_of_openmind():
    """Means of a perfect oracle with the published means as truth, and its chance of reaching .723."""
    table = openmind_tables.table()
    sds = (0.25, 0.35, 0.5, 0.75, 1.0)
    found = oracle.ceilings(table, sds, targets=(0.723,), n_draws=2000)
    rows = found[found["truth"] == "as published"]
    np.testing.assert_allclose(rows["tau_w"], (0.79, 0.72, 0.65, 0.55, 0.47), atol=0.012)
    np.testing.assert_allclose(rows["reach_0.723"], (0.84, 0.53, 0.19, 0.03, 0.004), atol=0.035)
    assert (found[found["truth"] == "deflated"]["tau_w"].to_numpy() < rows["tau_w"].to_numpy()).all()
    assert (rows["mc_high"] - rows["mc_low"]).max() < 0.02


def test_oracle_without_noise_is_perfect_and_with_endless_noise_guesses():
    table = openmind_tables.table()
    for truth in oracle.TRUTHS:
        assert oracle.oracle_draws(table, 0.0, truth=truth, n_draws=200).min() == pytest.approx(1.0)
        draws = oracle.oracle_draws(table, 1e6, truth=truth, n_draws=4000).mean(1)
        assert abs(draws.mean()) < 4 * draws.std() / math.sqrt(4000)
        np.testing.assert_allclose(np.quantile(draws, [0.025, 0.975]), chance(table).interval("own"), atol=0.03)


def test_oracle_agrees_with_quadrature_for_two_levels():
    """Three encoders, two of them level: the third is first with a known probability, and all else follows."""
    table = made([[0.50, 0.5], [0.51, 0.5], [0.56, 0.6]])
    draws = oracle.oracle_draws(table, {"t0": 1.0, "t1": 1.0}, truth="as published", n_draws=20_000)
    orders = np.array(list(itertools.permutations(range(3))))
    taus = np.array([weightedtau(order, [1, 2, 3]).statistic for order in orders])
    rng = np.random.default_rng(5)
    noisy = np.array([50.0, 51.0, 56.0]) + rng.standard_normal((200_000, 3))
    share = [np.mean((np.argsort(np.argsort(noisy, 1), 1) == order).all(1)) for order in orders]
    assert draws[:, 0].mean() == pytest.approx(float(np.dot(share, taus)), abs=0.01)


def test_proportions_have_wilson_intervals():
    share, low, high = oracle.proportion(8, 10)
    assert (share, round(low, 3), round(high, 3)) == (0.8, 0.49, 0.943)
    assert oracle.proportion(0, 50)[1] == pytest.approx(0) and oracle.proportion(50, 50)[2] == pytest.approx(1)


def test_variance_shares_of_closed_cases():
    rng = np.random.default_rng(0)
    encoder, task = rng.standard_normal(40) * 0.02, np.linspace(0.3, 0.7, 6)
    additive = made(0.01 + encoder[:, None] + task[None])
    found = variance_shares.shares(additive).set_index("component")
    assert found.loc["interaction and run", "variance"] == pytest.approx(0, abs=1e-9)
    assert found.loc["encoder", "variance"] == pytest.approx(1e4 * encoder.var(ddof=1))
    assert found.loc["encoder", "share_within"] == pytest.approx(1)
    agreed = variance_shares.agreement(additive, n_draws=200)
    assert agreed.tau_w == pytest.approx(1) and agreed.common == pytest.approx(1) and agreed.loss == pytest.approx(0)
    assert variance_shares.explaining_sd(additive) == pytest.approx(0, abs=1e-6)


def test_variance_shares_recover_a_simulated_model():
    rng = np.random.default_rng(1)
    k, t, s = 200, 12, 3
    parts = [0.03 * rng.standard_normal((k, 1, 1)), 0.02 * rng.standard_normal((k, t, 1)),
             0.015 * rng.standard_normal((k, t, s))]  # fmt: skip
    found = variance_shares.shares(made(0.5 + sum(parts))).set_index("component")["variance"]
    assert found["encoder"] == pytest.approx(9, rel=0.25)
    assert found["interaction"] == pytest.approx(4, rel=0.15)
    assert found["run"] == pytest.approx(2.25, rel=0.1)


def test_independent_tasks_are_not_said_to_agree():
    found = variance_shares.agreement(made(np.random.default_rng(3).uniform(0.3, 0.7, (12, 5))), n_draws=500)
    assert found.p > 0.05 and abs(found.tau_w) < 0.25


@pytest.fixture(name="worlds", scope="module")
def _worlds():
    return judge.worlds(openmind_tables.table(), 0.0, judge.Settings(draws=4000))


def test_yardstick_of_openmind(worlds):
    """The published table at a level of .5, independent errors: about .41, as an earlier simulation had it."""
    found = power.Simulation(worlds).difference(0.5, 0.171)
    assert found.top == pytest.approx(1)
    assert found.yardstick_low < 0.43 and found.yardstick_high > 0.40
    assert 0.1 < found.power < 0.3
    shared = power.Simulation(worlds, errors=0.5).difference(0.5, 0.171)
    assert shared.yardstick > found.yardstick and shared.power < found.power


@pytest.mark.parametrize("errors", [0.0, 0.5])
def test_power_at_no_difference_is_alpha(worlds, errors):
    found = power.Simulation(worlds, errors).difference(0.5, 0.0)
    assert found.power_low <= 0.05 + 0.01 and found.power_high >= 0.05 - 0.01
    _, low, high = power.Simulation(worlds, errors, seed=1).swap_power(0.5, 0.0, n_sets=200)
    assert low <= 0.05 <= high + 0.02  # the exact test is at most alpha


def test_power_grows_to_one_and_levels_above_the_oracle_are_no_number(worlds):
    simulation = power.Simulation(worlds)
    assert simulation.difference(0.2, 0.75).power > 0.99
    noisy = power.Simulation(judge.worlds(openmind_tables.table(), 0.5, judge.Settings(draws=500)))
    found = noisy.difference(0.6, 0.1)
    assert found.top < 0.6 and math.isnan(found.yardstick) and math.isnan(found.power)
    assert math.isnan(noisy.swap_power(0.6, 0.1)[0])


def test_metrics_are_made_at_their_level(worlds):
    simulation = power.Simulation(worlds, errors=0.5)
    for level in (0.2, 0.5, 0.8):
        assert power.mean_tau(worlds, simulation.metric(worlds, level, 9)).mean() == pytest.approx(level, abs=0.02)


def test_error_agreement_recovers_what_was_put_in():
    rng = np.random.default_rng(2)
    true = rng.standard_normal((1, 8, 400))
    for errors in (0.0, 0.6):
        score = true + 0.8 * power.errors_of(true.shape, errors, rng)
        assert power.error_agreement(score[0].T, true[0].T) == pytest.approx(errors, abs=0.08)


def test_plan_agrees_with_a_whole_simulation():
    model = plan.Model(sd=0.5, spread=1.0, agreement=0.4, errors=0.3, level=0.4)
    found = plan.designs(model, 0.2, encoders=(12,), tasks=(6,), seeds=(2,), n_draws=2000)
    row = next(found.itertuples(index=False))
    whole = plan.verified(model, row, 0.2, n_draws=2000)
    assert row.runs == 12 * 6 * 2
    assert row.sd == pytest.approx(whole["sd"], rel=0.08)
    assert row.power == pytest.approx(whole["power"], abs=0.05)
    assert row.top == pytest.approx(whole["top"], abs=0.02)
    assert 0 < whole["static"] < whole["top"]


def test_plan_at_no_difference_is_alpha_and_more_of_anything_helps():
    model = plan.Model(sd=0.3, errors=0.3)
    found = plan.designs(model, 0.0, encoders=(7, 14), tasks=(3, 9), seeds=(1, 4), n_draws=800)
    assert found["power"].between(0.049, 0.08).all()  # two sets of draws estimate the two SDs
    sd = plan.designs(model, 0.2, encoders=(7, 14), tasks=(3, 9), seeds=(1, 4), n_draws=800).set_index(
        ["encoders", "tasks", "seeds"]
    )["power"]
    assert sd[14, 3, 1] > sd[7, 3, 1] and sd[7, 9, 1] > sd[7, 3, 1] and sd[14, 9, 1] > max(sd[14, 3, 1], sd[7, 9, 1])


def test_cheapest_keeps_what_nothing_smaller_replaces():
    rows = [(10, 6, 1, True), (10, 9, 1, True), (7, 12, 1, True), (7, 12, 2, True), (5, 30, 1, False)]
    frame = pd.DataFrame(rows, columns=["encoders", "tasks", "seeds", "enough"])
    frame["runs"] = frame["encoders"] * frame["tasks"] * frame["seeds"]
    kept = plan.cheapest(frame)[["encoders", "tasks", "seeds"]].to_numpy().tolist()
    assert sorted(kept) == [[7, 12, 1], [10, 6, 1]]


def test_plan_reads_a_table():
    table = openmind_tables.table()
    assert plan.of_table(table, 0.0)["agreement"] == pytest.approx(variance_shares.common_share(table.mean())[0])
    found = plan.of_table(table, 0.3)
    assert found["agreement"] > plan.of_table(table, 0.0)["agreement"] and found["spread"] < 1.06
    with pytest.raises(InputError, match="explain the whole spread"):
        plan.of_table(table, 10.0)


def test_claims_are_placed_and_bad_ones_named(tmp_path, monkeypatch):
    monkeypatch.setattr(judge, "SETS", 40)
    table = openmind_tables.table()
    path = openmind_tables.FILE.parents[1] / "claims" / "openmind_resenc.csv"
    found = judge.judge(table, claims.read(path, table), judge.Settings(draws=300, errors=(0.0,)))
    placed = found.claims.set_index(["metric", "task"])
    assert placed.loc[("CC-FV", "mean"), "over_static"] == pytest.approx(0.001, abs=1e-3)
    assert placed.loc[("GRTD + LBTC", "mean"), "p_common"] < 0.01 < placed.loc[("CC-FV", "kit"), "p_own"]
    rival = found.rivals.iloc[0]
    assert rival["rival"] == "CC-FV" and rival["difference"] == pytest.approx(0.171) and rival["power"] < 0.5
    for row, words in (
        ("m,mean,1.2", "tau_w must be a number from -1 to 1"),
        ("m,mean,nan", "tau_w must be a number from -1 to 1"),
        ("m,zzz,0.2", "unknown judged task"),
        ("m,mean,0.2\nm,mean,0.3", "more than one row"),
        ("\n".join(f"m,{task},0.2" for task in openmind_tables.SIX) + "\nm,mean,0.5", "its tasks give 0.2000"),
    ):
        bad = tmp_path / "claims.csv"
        bad.write_text(f"metric,task,tau_w\n{row}\n", encoding="utf-8")
        with pytest.raises(InputError, match=words):
            claims.read(bad, table)


def test_claims_from_scores_give_scipys_taus(tmp_path):
    table = openmind_tables.table()
    rng = np.random.default_rng(4)
    scores = rng.standard_normal((7, 6))
    rows = [f"m,{e},{t},{-scores[i, j]},down" for i, e in enumerate(table.encoders)
            for j, t in enumerate(table.judged)]  # fmt: skip
    path = tmp_path / "scores.csv"
    path.write_text("metric,encoder,task,score,direction\n" + "\n".join(rows) + "\n", encoding="utf-8")
    found = claims.read(path, table)
    expected = np.mean([weightedtau(scores[:, j], table.runs[t][:, 0]).statistic for j, t in enumerate(table.judged)])
    assert found.means()["m"] == pytest.approx(expected)
    path.write_text("metric,encoder,task,score,direction\n" + "\n".join(rows[:-1]) + "\n", encoding="utf-8")
    with pytest.raises(InputError, match="m has no score for"):
        claims.read(path, table)


def test_measured_seeds_replace_the_curve():
    rng = np.random.default_rng(6)
    table = made(0.5 + 0.03 * rng.standard_normal((8, 4, 1)) + 0.01 * rng.standard_normal((8, 4, 3)))
    found = judge.measured_sds(table)
    assert np.sqrt(np.mean(np.square(list(found.values())))) == pytest.approx(1, rel=0.2)
    frame = oracle.ceilings(table, judge.grid(table, judge.Settings()), n_draws=300)
    assert frame["measured"].all() and len(frame) == 2 * len(judge.FACTORS)
    assert list(judge.noises(table, judge.Settings())) == ["none", "measured"]


def test_bad_settings_are_refused():
    table = openmind_tables.table()
    for options, words in (({"level": 1.0}, "level must lie"), ({"errors": (1.5,)}, "errors must lie")):
        with pytest.raises(InputError, match=words):
            judge.judge(table, settings=judge.Settings(draws=200, **options))
    for options, words in (({"sd": -1.0}, "sd must be"), ({"spread": 0.0}, "spread must be"),
                           ({"agreement": 2.0}, "agreement must lie"), ({"level": 0.0}, "level must lie")):  # fmt: skip
        with pytest.raises(InputError, match=words):
            plan.Model(**options)
    with pytest.raises(InputError, match="encoders must list"):
        plan.designs(plan.Model(), 0.1, encoders=(2,))
