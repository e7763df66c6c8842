"""Scores and pool-level scores on a small feature set made by hand."""

import numpy as np
import pandas as pd
import pytest

import tebench
from tebench.base.errors import NotApplicable
from tebench.features.sample import FeatureSet, Role, Sample
from tebench.metrics.registry import get
from tebench.scoring import request as requests
from tebench.scoring.compute import compute
from tebench.scoring.pool import pooled
from tebench.scoring.request import Request
from tebench.scoring.score import Score
from tebench.scoring.score_file import path_of
from tebench.scoring.view import FeatureView

HEADER = {"feature_hash": "f" * 64, "label_hash": "l" * 64, "facts": {"name": "one", "n_parameters": 7}}


def feature_set(encoder="one", seed=0):
    """Two cases of 60 rows: 40 foreground, 20 background, and two patches of 4 rows."""
    rng = np.random.default_rng(seed)
    role = np.tile(np.repeat([Role.FOREGROUND, Role.BACKGROUND], [40, 20]), 2).astype(np.int8)
    labels = np.where(role == Role.BACKGROUND, 0, 1 + np.arange(120) % 2).astype(np.int16)
    role[[0, 60]], patch = Role.ANCHOR, np.full(120, -1, np.int32)
    role[[1, 2, 3, 61, 62, 63]] = Role.MEMBER
    patch[0:4], patch[60:64] = 0, 1
    sample = Sample("task", ("background", "a", "b"), ("c1", "c2"), np.zeros((120, 3), np.int32), labels,
                    np.repeat([0, 1], 60).astype(np.int16), role, patch, {}, "s" * 64, "l" * 64)  # fmt: skip
    stages = {"encoder.0": 3, "encoder.1": 4, "decoder.0": 5}
    features = {n: (rng.standard_normal((120, d)) + labels[:, None]).astype(np.float32) for n, d in stages.items()}
    return FeatureSet(encoder, sample, features, HEADER["facts"], HEADER["feature_hash"])


def request(name, stages=None, seed=0, **given):
    return Request.make(get(name), given, stages, seed)


def test_each_metric_reads_what_it_declares():
    features = feature_set()
    view, sample = FeatureView(lambda: features, "task"), features.sample
    rows = np.isin(sample.role, [Role.FOREGROUND, Role.BACKGROUND])
    expected = tebench.score("hscore", features.stages["encoder.1"][rows], sample.labels[rows])
    assert view.value(request("hscore"), {}) == (pytest.approx(expected), {"encoder.1": pytest.approx(expected)})
    both = view.value(request("hscore", "encoder"), {})
    assert both[0] == pytest.approx(np.mean(list(both[1].values()))) and len(both[1]) == 2
    patches = view.value(request("lbtc", "encoder[-1]"), {})[0]
    assert patches == pytest.approx(
        tebench.score("lbtc", features.stages["encoder.1"], sample.labels, cases=sample.case, patches=sample.patches())
    )
    with pytest.raises(NotApplicable, match="no source head"):
        view.value(request("leep"), {})


def test_moments_are_formed_once_per_stage(monkeypatch):
    from tebench.metrics.moments import Moments

    calls, original = [], Moments.of.__func__
    monkeypatch.setattr(Moments, "of", classmethod(lambda cls, *a, **k: calls.append(1) or original(cls, *a, **k)))
    view = FeatureView(feature_set, "task")
    for name in ("hscore", "gbc", "logme", "transrate"):
        view.value(request(name), {})
    assert len(calls) == 1


def test_moments_of_each_case_where_a_metric_asks_for_that(scratch_registry, facts):
    def largest(moments) -> float:
        """Largest singular value of the centred features."""
        return float(moments.spectrum.values[0])

    tebench.metric(name="largest", **{**facts, "reads": "moments"}, per_case=True)(largest)
    features = feature_set()
    inside = np.isin(features.sample.role, [Role.FOREGROUND, Role.BACKGROUND])
    X = features.stages["encoder.1"].astype(float)
    cases = [X[inside & (features.sample.case == case)] for case in (0, 1)]
    expected = np.mean([np.linalg.svd(x - x.mean(0))[1][0] for x in cases])
    assert FeatureView(lambda: features, "task").value(request("largest"), {})[0] == pytest.approx(expected)


def test_a_failure_is_reported_and_never_kept(scratch_registry, facts):
    def broken(features, labels) -> float:
        """Raises."""
        raise ZeroDivisionError("of its own")

    tebench.metric(name="broken", **facts)(broken)
    found = compute(request("broken"), "task", "one", HEADER, FeatureView(feature_set, "task"))
    assert found.status == "failed" and "ZeroDivisionError: of its own" in found.reason
    assert found.score is None


def test_score_files_are_addressed_by_what_made_them(tmp_path):
    def path(r, **header):
        return path_of(tmp_path, r, "task", "one", {**HEADER, **header})

    base = path(request("gbc"))
    assert base == path(request("gbc", covariance="spherical"))
    others = [
        path(request("gbc", covariance="full")),
        path(request("gbc", stages="all")),
        path(request("gbc"), feature_hash="0" * 64),
        path(request("gbc"), label_hash="0" * 64),
    ]
    assert len({base, *others}) == 5


def test_the_runs_seed_reaches_metrics_unless_one_is_given():
    assert request("random", seed=5).parameters == {"seed": 5}
    assert request("random", seed=5).seed == 5
    given = Request.make(get("random"), {"seed": 0}, None, 5)
    assert given.parameters == {"seed": 0}, "a seed that is given stays, though it equals the default"


def part_scores(scores):
    """Scores of grtd and lbtc for encoders a, b, c."""
    made = []
    for name in ("grtd", "lbtc"):
        r = request(name)
        for encoder, score in zip("abc", scores[name], strict=True):
            ok = score is not None
            made.append(
                Score(
                    task="task", encoder=encoder, metric=name, parameters=r.parameters, stages=r.policy, seed=0,
                    status="ok" if ok else "not_applicable", reason="" if ok else "why not", score=score,
                    components={}, seconds=1.0, peak_mb=2.0, feature_hash="f", label_hash="l", metric_hash="m",
                    versions={},
                )
            )  # fmt: skip
    return made


def test_fusion_over_the_pool_and_without_an_encoder():
    made = part_scores({"grtd": [-4.0, -2.0, -3.0], "lbtc": [0.2, 0.4, 0.6]})
    rows = {row.encoder: row for row in pooled(request("grtd_lbtc"), made, ["a", "b", "c"], 1)}
    assert [rows[e].score for e in "abc"] == pytest.approx([0.0, 0.5, 1.0])  # alpha = 0 for one class
    assert rows["a"].components == {"grtd": -4.0, "lbtc": 0.2} and rows["a"].seconds >= 2.0
    narrower = pooled(request("grtd_lbtc"), made, ["a", "b"], 1)
    assert [row.score for row in narrower] == pytest.approx([0.0, 1.0])
    made = part_scores({"grtd": [-4.0, None, -3.0], "lbtc": [0.2, 0.4, 0.6]})
    rows = {row.encoder: row for row in pooled(request("grtd_lbtc"), made, ["a", "b", "c"], 1)}
    assert rows["b"].status == "not_applicable" and "why not" in rows["b"].reason
    assert rows["a"].reason == "pool without b" and rows["c"].score == pytest.approx(1.0)


def test_parameters_of_a_fusion_reach_its_parts():
    parts = requests.part_requests(request("grtd_lbtc", patch="feature"))
    assert parts["lbtc"].parameters["patch"] == "feature"
    wanted = requests.with_parts([request("grtd_lbtc"), request("lbtc")])
    assert [r.metric.name for r in wanted] == ["grtd", "lbtc", "grtd_lbtc"]


def test_elsewhere_leaves_the_task_itself_out():
    truth = pd.DataFrame(
        [("task", e, 0, v) for e, v in zip("abc", [0.9, 0.1, 0.5], strict=True)]
        + [("other", e, 0, v) for e, v in zip("abc", [0.1, 0.2, 0.3], strict=True)],
        columns=["task", "encoder", "seed", "value"],
    )
    made = part_scores({"grtd": [0.0, 0.0, 0.0], "lbtc": [0.0, 0.0, 0.0]})
    rows = pooled(request("mean_rank_elsewhere"), made, ["a", "b", "c"], 1, truth)
    scores = [row.score for row in rows]
    assert scores == sorted(scores) and len(set(scores)) == 3  # the order of the other task, not of its own
    alone = pooled(request("mean_rank_elsewhere"), made, ["a", "b", "c"], 1, truth[truth["task"] == "task"])
    assert {row.status for row in alone} == {"not_applicable"}
