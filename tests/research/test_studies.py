"""The studies of stages and of voxels on small feature caches made by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from test_studies_draws import RECIPE, large_sample

import tebench
from tebench.base.errors import InputError, NotApplicable
from tebench.evaluation.pools import Pool
from tebench.features import cache, tensors
from tebench.features.sample import Role
from tebench.metrics.registry import get
from tebench.research.studies import stages, stages_page, voxels, voxels_page
from tebench.research.studies.draws import Draws, scaled
from tebench.scoring.engine import score_all
from tebench.scoring.request import Request

ENCODERS = tuple("abcdef")
STAGES = {"encoder.0": 3, "encoder.1": 5, "decoder.0": 4}
SIZES = (0.5, 1.0, 2.0)
PAPER = ("hscore", "gbc", "grtd", "lbtc", "grtd_lbtc", "rtd_lite")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Six encoders on one task; encoder number i separates the classes by i."""
    root, sample, made = tmp_path_factory.mktemp("features"), large_sample(n=4, most=2), {}
    for i, encoder in enumerate(ENCODERS):
        rng = np.random.default_rng([3, i])
        matrices = {
            name: (rng.standard_normal((len(sample), d)) + 0.6 * i * sample.labels[:, None]).astype(np.float32)
            for name, d in STAGES.items()
        }
        facts = {
            "encoder": {"name": encoder},
            "stages": [{"name": n, "kind": n.split(".")[0], "channels": d, "stride": 4} for n, d in STAGES.items()],
        }
        parts = cache.made_from(
            task="tissues", task_fingerprint="t", sample_hash=sample.hash, encoder=encoder, encoder_fingerprint=encoder,
            decoder_seed=0, interpolation="nearest", patch=None, overlap=0.0,
        )  # fmt: skip
        made["tissues", encoder] = cache.folder_for(root, parts)
        streams = {name: tensors.Stream.of(matrix) for name, matrix in matrices.items()}
        cache.write(made["tissues", encoder], parts=parts, sample=sample, matrices=streams, facts=facts)
    return made


def truth(order=range(6)):
    rows = [
        ("p", e, "tissues", s, "dsc", 0.5 + 0.05 * q + 0.001 * s)
        for e, q in zip(ENCODERS, order, strict=True)
        for s in range(3)
    ]
    return pd.DataFrame(rows, columns=["protocol", "encoder", "task", "seed", "metric", "value"])


def stage_scores(folders, tmp_path, names, policies):
    scores = stages.score(folders, [get(n) for n in names], policies, tmp_path, progress=False)
    scores["pool"] = [POOL.id if get(name).pool_dependent else "" for name in scores["metric"]]
    return scores


POOL = Pool("six", ENCODERS)
SAMPLING = {"foreground": 6, "background": 10, "anchors": 2}


def test_a_policy_made_from_stages_is_that_policy_run(folders, tmp_path):
    policies = ["own", "encoder[-2]", "encoder", "all"]
    scores = (
        stage_scores(folders, tmp_path / "one", PAPER, policies).set_index(["policy", "metric", "encoder"]).sort_index()
    )
    one = {("tissues", "d"): folders["tissues", "d"]}
    for policy in policies:
        asked = [Request.make(get(n), {}, None if policy == "own" else policy, 0) for n in PAPER if n != "grtd_lbtc"]
        for expected in score_all(asked, one, tmp_path / "other", progress=False)["tissues", "d"]:
            found = scores.loc[(policy, expected.metric, "d")]
            assert found["score"] == expected.score and found["stages"] == expected.stages
    # grtd's own policy asks for three decoder stages and gets the one there is.
    assert scores.loc[("own", "grtd", "b")]["components"].keys() == {"decoder.0"}
    fused = scores.loc[("encoder", "grtd_lbtc")]["score"]
    parts = [scores.loc[("encoder", name)]["score"] for name in ("grtd", "lbtc")]
    scaled_parts = [(p - p.min()) / (p.max() - p.min()) for p in parts]
    assert np.allclose(fused, scaled_parts[0] / 3 + 2 * scaled_parts[1] / 3)  # two foreground classes


def test_a_metric_without_a_value_at_one_stage_keeps_its_other_policies(folders, tmp_path, scratch_registry, facts):
    def narrow(features, labels) -> float:
        """Refuses the stage of four channels."""
        if features.shape[1] == 4:
            raise NotApplicable("four channels.")
        return float(features[labels == 1].mean() - features[labels == 0].mean())

    tebench.metric(name="narrow", **facts)(narrow)
    scores = stage_scores(folders, tmp_path, ["narrow"], ["own", "encoder", "decoder", "all"])
    assert scores.groupby("policy")["status"].unique().map(list).to_dict() == {
        "own": ["ok"], "encoder": ["ok"], "decoder": ["not_applicable"], "all": ["not_applicable"],
    }  # fmt: skip
    assert scores[scores["policy"] == "encoder"]["score"].is_monotonic_increasing


def test_averages_find_the_planted_order_and_nothing_else(folders, tmp_path):
    scores = stage_scores(folders, tmp_path, ["hscore", "gbc", "logme"], ["own", "decoder"])
    table, metrics, tasks = stages.averages(scores, truth(), POOL)
    assert tasks == ["tissues"] and metrics == ["gbc", "hscore", "logme"]
    first = table.iloc[0]
    assert first["tau_w"] > 0.8 and first["p"] < 0.02
    assert table["difference"].iloc[0] == 0 and (table["gap_p_holm"] >= 0.05).all()
    shuffled, _, _ = stages.averages(scores, truth([3, 0, 5, 2, 4, 1]), POOL)
    assert (shuffled["p"] > 0.2).all()


def test_the_stage_page_says_what_six_encoders_can_show(folders, tmp_path):
    policies = ["own", "encoder[-1]", "encoder", "all"]
    scores = stage_scores(folders, tmp_path, PAPER, policies)
    result = stages.evaluate(scores, truth(), POOL)
    overall, metrics, tasks = stages.averages(scores, truth(), POOL)
    titles, own = ({n: value(get(n)) for n in PAPER} for value in (lambda m: m.title, lambda m: m.stages))
    text = stages_page.page(
        result,
        overall,
        metrics,
        tasks,
        policies,
        titles,
        own,
        command="the command",
        protocol="p",
        figure="stages",
        sampling=SAMPLING,
    )
    assert "**nothing is significant**" in text and "Nor could it be" in text and "0.0028" in text
    cell = result[(result["policy"] == "encoder") & (result["metric"] == "hscore") & (result["task"] == "mean")].iloc[0]
    row = next(line for line in text.splitlines() if line.startswith("| H-score"))
    assert f"{cell['tau_w']:.2f}" in row.split("|")[5]
    few = result[result["metric"].isin(["hscore"]) & result["policy"].isin(["own", "all"])]
    claims = stages_page.page(
        few,
        overall.iloc[:0],
        [],
        tasks,
        ["own", "all"],
        titles,
        own,
        command="c",
        protocol="p",
        figure="s",
        sampling=SAMPLING,
    )
    assert "After Holm's correction over all cells these remain: hscore" in claims
    drawing = stages_page.figure(result, policies, titles)
    assert {t.get_text() for t in drawing.axes[0].get_yticklabels()} == set(titles.values())


def test_a_task_kept_out_of_means_is_shown_as_such():
    """One task counts: its numbers are the means, said once; the other's stand in brackets behind it."""
    rows = [
        {"policy": p, "metric": m, "task": t, "n": 6, "tau_w": v, "low": -1.0, "high": 1.0, "null_low": -0.7,
         "null_high": 0.7, "p": 0.5, "status": status, "reason": reason}
        for p in ("own", "all") for m, v in (("hscore", 0.4), ("gbc", 0.25))
        for t, status, reason in (("low", "unreliable", "1 run at the floor"), ("high", "ok", ""), ("mean", "ok", ""))
    ]  # fmt: skip
    result, titles = pd.DataFrame(rows), {"hscore": "H-score", "gbc": "GBC"}
    more = {"command": "c", "protocol": "p", "figure": "s", "sampling": SAMPLING}
    text = stages_page.page(result, result.iloc[:0], [], ["high"], ["own", "all"], titles, titles, **more)
    assert "low is kept out of means: 1 run at the floor" in text and "said of high alone" in text
    assert "## Mean over tasks" not in text and text.index("## high") < text.index("## low")
    assert "| (0.25) | (0.25) |" in text.split("## low")[1] and "In brackets" in text.split("## low")[1]
    drawing = stages_page.figure(result, ["own", "all"], titles)
    assert [axes.get_title("left") for axes in drawing.axes[:2]] == ["high", "low\n(kept out of means)"]
    both = result.assign(status="ok")
    text = stages_page.page(both, both.iloc[:0], [], ["low", "high"], ["own", "all"], titles, titles, **more)
    assert text.index("## Mean over tasks") < text.index("## low") and "brackets" not in text


def test_only_metrics_that_read_features_are_studied():
    names = [metric.name for metric in stages.metrics_that_read_features()]
    assert {"hscore", "grtd_lbtc", "lbtc", "ccfv"} <= set(names)
    assert not {"random", "n_parameters", "mean_rank_elsewhere", "leep", "zero_shot"} & set(names)
    with pytest.raises(InputError, match="'leep' is no metric that reads features"):
        stages.metrics_that_read_features(["leep"])
    for wrong in ([], ["own", "own"], ["middle"]):
        with pytest.raises(InputError):
            stages.check(wrong)


def voxel_scores(folders, kept, names=("grtd_relative", "lbtc", "grtd_relative_lbtc", "rtd_lite")):
    metrics = [get(name) for name in names]
    return voxels.score(folders, metrics, RECIPE, SIZES, 4, seed=5, preset={}, kept=kept, workers=1, progress=False)


def test_a_draw_is_scored_as_a_sample_of_its_own(folders, tmp_path):
    frame, distinct = voxel_scores(folders, tmp_path)
    features = cache.read(folders["tissues", "d"])
    part = Draws(features.sample, 4, seed=5).features(features, 2, scaled(RECIPE, 1.0))
    rows = part.sample.rows(Role.FOREGROUND, Role.BACKGROUND)
    expected = tebench.score("rtd_lite", part.stages["encoder.1"][rows], part.sample.labels[rows])
    table = frame.set_index(["metric", "encoder", "size", "draw"])["score"]
    assert table["rtd_lite", "d", 1.0, 2] == pytest.approx(expected, rel=1e-12)
    assert distinct["tissues", "d"]["encoder.1"] == {"0.5": 8.0, "1": 16.0, "2": 32.0}
    fused = [table["grtd_relative_lbtc", e, 2.0, 0] for e in ENCODERS]
    parts = [np.array([table[name, e, 2.0, 0] for e in ENCODERS]) for name in ("grtd_relative", "lbtc")]
    unit = [(p - p.min()) / (p.max() - p.min()) for p in parts]
    assert np.allclose(fused, unit[0] / 3 + 2 * unit[1] / 3)


def test_finished_encoders_are_kept(folders, tmp_path, monkeypatch):
    first, _ = voxel_scores(folders, tmp_path)
    monkeypatch.setattr(voxels, "score_pair", lambda *a: pytest.fail("computed again"))
    again, _ = voxel_scores(folders, tmp_path)
    pd.testing.assert_frame_equal(first, again)


def made_up(own, largest, direction="up"):
    """Statistics of scores (draws, encoders) at size 1 and at size 2."""
    rows = [
        ("tissues", "hscore", e, size, k, value, "")
        for size, scores in ((1.0, own), (2.0, largest))
        for k, line in enumerate(scores)
        for e, value in zip(ENCODERS, line, strict=True)
    ]
    frame = pd.DataFrame(rows, columns=list(voxels.COLUMNS))
    return voxels.statistics(frame, truth(), {"hscore": direction}).set_index("size")


def test_statistics_of_known_scores():
    ranks = np.arange(6.0)
    between = ranks.std(ddof=1)
    row = made_up([ranks + 9, ranks + 11], [ranks, ranks]).loc[1.0]
    assert row["bias"] == pytest.approx(10 / between) and row["uneven"] == pytest.approx(0, abs=1e-12)
    assert row["spread"] == pytest.approx(math.sqrt(2) / between)
    assert row["agreement"] == row["tau_w"] == pytest.approx(1.0) and row["tau_w_sd"] == pytest.approx(0)
    swapped = ranks[[1, 0, 2, 3, 4, 5]]
    row = made_up([ranks, swapped], [ranks, ranks]).loc[1.0]
    assert row["agreement"] == pytest.approx(1 - 1 / 15) and row["agreement_low"] == pytest.approx(1 - 2 / 15)
    assert row["uneven"] > 0 and row["bias"] == pytest.approx(0)
    down = made_up([-ranks, -ranks], [-ranks, -ranks], "down").loc[1.0]
    assert down["tau_w"] == pytest.approx(1.0)


def test_a_draw_is_never_its_own_reference():
    """Two draws that contradict each other at the largest size agree by -1, not by a share of themselves."""
    ranks = np.arange(6.0)
    assert made_up([ranks, ranks], [ranks, -ranks])["agreement"].loc[2.0] == pytest.approx(-1.0)


def test_what_limits_a_metric():
    ranks = np.arange(6.0)
    moved = ranks[::-1] + 100
    noisy = [ranks[[1, 0, 3, 2, 5, 4]], ranks[[0, 2, 1, 4, 3, 5]]]
    for own, largest, word in (
        ([ranks + 7, ranks + 7], [ranks, ranks], "settled"),  # alike for all encoders: no ranking moves
        ([moved, moved], [ranks, ranks], "size"),
        (noisy, [np.mean(noisy, axis=0) - 0.01 * ranks] * 2, "noise"),
    ):
        assert voxels.verdict(made_up(own, largest).reset_index(), "hscore") == word
    steps = made_up([moved, moved], [ranks, ranks])["step"]
    assert math.isnan(steps[1.0]) and steps[2.0] == pytest.approx(2.0)


def test_missing_values_are_counted_and_not_averaged():
    ranks = np.arange(6.0)
    hole = ranks.copy()
    hole[2] = np.nan
    table = made_up([ranks, hole], [ranks, ranks])
    assert table.loc[1.0, "n_missing"] == 1 and math.isnan(table.loc[1.0, "agreement"])
    assert table.loc[2.0, "n_missing"] == 0


def test_the_size_that_is_enough():
    table = pd.DataFrame({"metric": "m", "size": [0.5, 1, 2, 4], "agreement": [0.95, 0.8, 0.92, 0.99]})
    assert voxels.enough(table, "m") == 2  # 0.5 agreed by luck: a larger size did not
    assert math.isnan(voxels.enough(table.assign(agreement=0.5), "m"))


@pytest.mark.parametrize(
    ("sizes", "draws", "cases"), [([1, 2], 5, 3), ([0.5, 2, 4], 5, 3), ([0, 1, 2], 5, 3), ([0.5, 1, 2], 1, 3),
                                  ([0.5, 1, 2], 5, 0), ([0.5, 1, 2], 2.5, None)],
)  # fmt: skip
def test_senseless_sizes_are_refused(sizes, draws, cases):
    with pytest.raises(InputError, match="must be"):
        voxels.check(sizes, draws, cases)


def test_the_voxel_page_and_figure(folders, tmp_path):
    names = ("grtd_relative", "lbtc", "rtd_lite")
    frame, distinct = voxel_scores(folders, tmp_path, names)
    table = voxels.statistics(frame, truth(), {name: get(name).direction for name in names})
    titles = {name: get(name).title for name in names}
    text = voxels_page.page(
        table,
        frame,
        distinct,
        RECIPE,
        titles,
        command="c",
        protocol="p",
        draws=4,
        cases=2,
        encoders=ENCODERS,
        figure="voxels",
        aside={"tissues": "2 runs at the floor"},
    )
    assert "tissues is kept out of means over tasks: 2 runs at the floor." in text
    row = table[(table["metric"] == "lbtc") & (table["size"] == 1)].iloc[0]
    assert f"| LBTC | tissues | {row['bias']:.2f} |" in text.replace("-0.00", "0.00")
    assert f"| ({row['tau_w']:.2f}, {row['tau_w_sd']:.2f}" in text
    assert "| tissues | a | encoder.1 | 8 | 16 | 32 |" in text and "Recommendation" in text
    drawing = voxels_page.figure(table, RECIPE, titles, ENCODERS)
    assert len(drawing.axes) == len(names) * len(voxels_page.PANELS)
    shown = table[table["metric"] == "grtd_relative"].sort_values("size")["agreement"].tolist()
    drawn = [line.get_ydata() for line in drawing.axes[2].get_lines() if line.get_marker() == "o"]
    assert [list(values) for values in drawn] == [shown]
