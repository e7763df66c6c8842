"""All encoder stages side by side: what is read, for every kind of metric, and what it shares."""

import numpy as np
import pytest

from tebench.base.errors import InputError, NotApplicable
from tebench.features.joint import JOINT, JointStage, WithJoint
from tebench.features.sample import FeatureSet, Role
from tebench.features.sampling import assemble
from tebench.metrics.evaluate_one import check_policy, evaluate, select_stages
from tebench.metrics.registry import get, load
from tebench.scoring.readings import primary
from tebench.scoring.request import Request
from tebench.scoring.view import FeatureView

N = 120


def feature_set(scale=1.0, stages=("encoder.0", "encoder.1", "decoder.0")) -> FeatureSet:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, N).astype(np.int16)
    case = (np.arange(N) // (N // 2)).astype(np.int16)
    role = np.where(labels > 0, Role.FOREGROUND, Role.BACKGROUND).astype(np.int8)
    patch = np.full(N, -1, np.int32)
    for number, start in enumerate(range(0, 40, 5)):  # eight patches of five
        patch[start : start + 5] = number
        role[start], role[start + 1 : start + 5] = Role.ANCHOR, Role.MEMBER
    coordinates = rng.integers(0, 20, (N, 3)).astype(np.int32)
    arrays = {"coordinates": coordinates, "labels": labels, "case": case, "role": role, "patch": patch}
    sample = assemble("t", ("background", "a", "b"), ("c0", "c1"), arrays, {})
    matrices = {
        name: (factor * (rng.normal(size=(N, 4 + i)) + labels[:, None])).astype(np.float32)
        for i, (name, factor) in enumerate(zip(stages, (scale, 100.0, 1.0), strict=False))
    }
    return FeatureSet("e", sample, matrices, {"name": "e"}, "hash", None)


def value(features, metric, policy="joint", **given):
    return FeatureView(lambda: features, "t").value(Request.make(get(metric), given, policy, 0), {})


def test_every_stage_has_the_same_mass():
    features = feature_set()
    joint = WithJoint(features.stages)[JOINT]
    whole = joint[np.arange(N)]
    assert joint.shape == whole.shape == (N, 9) and whole.dtype == np.float32
    for part, stage in ((whole[:, :4], "encoder.0"), (whole[:, 4:], "encoder.1")):
        assert np.mean((part.astype(float) ** 2).sum(1)) == pytest.approx(1, abs=1e-6)
        assert np.corrcoef(part[:, 0], features.stages[stage][:, 0])[0, 1] == pytest.approx(1)
    assert np.array_equal(joint[3:7], whole[3:7]) and np.array_equal(joint[[9, 2]], whole[[9, 2]])
    assert list(WithJoint(features.stages)) == list(features.stages)  # "all" does not read it
    dead = JointStage([np.zeros((5, 2), np.float32), np.ones((5, 1), np.float32)])
    assert dead[:].tolist() == [[0, 0, 1]] * 5  # zeros stay zero


@pytest.mark.parametrize("metric", ["grtd_relative", "hscore", "lfc", "knn", "lbtc"])  # matrix, moments, cases, patches
def test_each_kind_of_metric_reads_it(metric):
    """The value is that of the matrix put together by hand, and does not depend on how large a stage's numbers are."""
    features = feature_set()
    found, components = value(features, metric)
    assert components == {"joint": found}
    declared, sample = get(metric), features.sample
    rows = sample.rows(*(Role[name.upper()] for name in declared.rows))
    if declared.reads == "patches":
        rows = np.arange(N)
    encoder = [features.stages[name].astype(np.float64) for name in ("encoder.0", "encoder.1")]
    by_hand = np.concatenate([x / np.sqrt((x**2).sum(1).mean()) for x in encoder], axis=1)[rows]
    labels = np.unique(sample.labels[rows], return_inverse=True)[1]
    patches = sample.patches() if declared.reads == "patches" else None
    cases = sample.case[rows].astype(int)
    expected = evaluate(declared, declared.complete({}), by_hand, labels, cases, patches, None)
    assert found == pytest.approx(expected, rel=1e-4)
    assert value(feature_set(scale=1e-3), metric)[0] == pytest.approx(found, rel=1e-4)


def test_joint_is_a_policy_and_needs_encoder_stages():
    check_policy("joint")
    with pytest.raises(InputError, match="encoder, all or joint, got 'jointly'"):
        check_policy("jointly")
    with pytest.raises(NotApplicable, match="no encoder stages"):
        select_stages("joint", ["decoder.0"])
    with pytest.raises(NotApplicable, match="no encoder stages"):
        value(feature_set(stages=("decoder.0",)), "knn")


def test_moments_of_the_joint_stage_are_kept_like_any_other(tmp_path):
    features = feature_set()
    first = FeatureView(lambda: features, "t", kept=tmp_path)
    request = Request.make(get("hscore"), {}, "joint", 0)
    found = first.value(request, {})[0]
    assert [path.name.split("-")[1] for path in tmp_path.glob("moments-*")] == ["joint"]
    again = FeatureView(lambda: features, "t", kept=tmp_path)
    assert again.value(request, {})[0] == found


def test_every_metric_has_a_primary_reading_or_a_reason():
    found = {name: primary(metric) for name, metric in load().items()}
    assert all((stages == "joint") == (why == "") and stages in ("joint", None) for stages, why in found.values())
    assert found["knn"] == found["lbtc"] == found["grtd_lbtc"] == found["hscore"] == ("joint", "")
    assert found["leep"] == (None, "reads the class probabilities of a source head")
    assert found["n_parameters"] == found["mean_rank_elsewhere"] == (None, "reads no features")
