"""One pass over the features for all moment metrics together, none in the next run; damaged files are made again."""

import logging

import numpy as np
import pytest

import tebench
from tebench.features import moments_store
from tebench.features.sample import FeatureSet, Role, Sample
from tebench.features.sampling import assemble
from tebench.metrics import moments
from tebench.metrics.moments import Moments
from tebench.metrics.registry import get
from tebench.runtime import meter
from tebench.runtime.meter import Meter
from tebench.scoring.request import Request
from tebench.scoring.view import FeatureView

READ_MOMENTS = sorted(name for name, metric in tebench.list_metrics().items() if metric.reads == "moments")
STAGES = {"encoder.0": 4, "encoder.1": 70}  # classes of the second have fewer rows than columns: kept as factors


class Watched(dict):
    """Stage matrices that note when one is taken."""

    def __init__(self, *args):
        super().__init__(*args)
        self.taken = []

    def __getitem__(self, name):
        self.taken.append(name)
        return super().__getitem__(name)


def feature_set(change=0.0) -> FeatureSet:
    rng = np.random.default_rng(0)
    labels = (np.arange(150) % 3).astype(np.int16)
    role = np.where(labels == 0, Role.BACKGROUND, Role.FOREGROUND).astype(np.int8)
    role[:10] = Role.GLOBAL
    arrays = {
        "coordinates": np.zeros((150, 3), np.int32), "labels": labels, "case": (np.arange(150) // 75).astype(np.int16),
        "role": role, "patch": np.full(150, -1, np.int32),
    }  # fmt: skip
    sample: Sample = assemble("task", ("background", "a", "b"), ("c1", "c2"), arrays, {})
    stages = {
        name: (rng.standard_normal((150, d)) * np.geomspace(1, 0.1, d) + labels[:, None] + change).astype(np.float32)
        for name, d in STAGES.items()
    }
    return FeatureSet("one", sample, Watched(stages), {}, f"hash {change}")


@pytest.fixture(params=["factors", "gram"])
def form(request, monkeypatch):
    """Both forms in which a class is kept."""
    if request.param == "gram":
        monkeypatch.setattr(moments, "SMALL", 0)


@pytest.fixture
def passes(monkeypatch) -> list:
    """Shapes of the cached (float32) features that moments were formed from; mixed rows inside SFDA are float64."""
    found, original = [], Moments.of.__func__

    def of(cls, features, labels):
        if np.asarray(features).dtype == np.float32:
            found.append(np.shape(features))
        return original(cls, features, labels)

    monkeypatch.setattr(Moments, "of", classmethod(of))
    return found


def scores(view, names=READ_MOMENTS, stages="encoder") -> dict[str, float]:
    return {name: view.value(Request.make(get(name), {}, stages, 0), {})[0] for name in names}


def test_every_moment_metric_says_so():
    named = {
        "emms", "etran_lda", "gbc", "hscore", "hscore_regularized", "lfc", "logme", "ncti_ncc", "ncti_seli", "ncti_vc",
        "nleep", "pactran", "ped", "sfda", "transrate",
    }  # fmt: skip
    assert named <= set(READ_MOMENTS)
    others = {n: m.reads for n, m in tebench.list_metrics().items() if m.cost == "moments" and n not in READ_MOMENTS}
    assert set(others.values()) <= {"parts"}, others


def test_one_pass_for_all_metrics_and_none_in_the_next_run(tmp_path, form, passes):
    features = feature_set()
    alone = {name: scores(FeatureView(feature_set, "task"), [name])[name] for name in READ_MOMENTS}
    passes.clear()
    first = scores(FeatureView(lambda: features, "task", kept=tmp_path))
    assert passes == [(140, 4), (140, 70)], "one a stage: all moment metrics read the same rows"
    again = feature_set()
    second = scores(FeatureView(lambda: again, "task", kept=tmp_path))
    assert len(passes) == 2, "the second run reads moments from disk"
    assert first == second == alone, "the same bits from memory and from disk"
    third, sums_only = feature_set(), ["hscore", "hscore_regularized", "gbc", "logme", "transrate", "lfc", "emms"]
    scores(FeatureView(lambda: third, "task", kept=tmp_path), sums_only)
    assert third.stages.taken == [], "metrics of sums alone do not touch the features"


def test_a_wide_spectrum_is_not_read_twice(tmp_path, monkeypatch):
    """Where the spectrum comes from a second pass over the rows, that pass is kept as well."""
    monkeypatch.setattr(moments, "SMALL", 0)
    rng = np.random.default_rng(0)
    X = (rng.standard_normal((300, 5)) * [1, 1, 1, 1e-5, 1e-6]).astype(np.float32)
    y, path = np.arange(300) % 2, tmp_path / "moments-a.safetensors"
    formed, _ = moments_store.load_or_form(path, lambda: X, y)
    monkeypatch.setattr(Moments, "_factor", None)
    read, _ = moments_store.load_or_form(path, lambda: pytest.fail("the rows were read"), y)
    assert np.array_equal(read.spectrum.axes, formed.spectrum.axes) and read.rank == 5


@pytest.mark.parametrize("damage", ["bit", "cut", "empty", "no header", "foreign"])
def test_a_damaged_file_is_made_again(tmp_path, passes, caplog, damage):
    expected = scores(FeatureView(feature_set, "task", kept=tmp_path), stages="encoder[-1]")
    (file,) = tmp_path.glob("*.safetensors")
    sound = bytearray(file.read_bytes())
    broken = {
        "bit": sound[:-900] + bytes([sound[-900] ^ 1]) + sound[-899:], "cut": sound[:-5], "empty": b"",
        "no header": b"\0" * len(sound), "foreign": None,
    }[damage]  # fmt: skip
    if broken is None:
        other = feature_set(1.0)
        scores(FeatureView(lambda: other, "task", kept=tmp_path / "other"), stages="encoder[-1]")
        broken = next((tmp_path / "other").iterdir()).read_bytes()
    file.write_bytes(bytes(broken))
    passes.clear()
    with caplog.at_level(logging.WARNING):
        assert scores(FeatureView(feature_set, "task", kept=tmp_path), stages="encoder[-1]") == expected
    assert len(passes) == 1 and str(file) in caplog.text and "formed again" in caplog.text
    scores(FeatureView(feature_set, "task", kept=tmp_path), stages="encoder[-1]")
    assert len(passes) == 1, "the file is sound again"


def test_files_are_addressed_by_what_made_them(tmp_path, monkeypatch):
    features, rows, labels = feature_set(), np.arange(20), np.arange(20) % 2

    def path(features=features, stage="encoder.0", rows=rows, labels=labels):
        return moments_store.path_for(tmp_path, features, stage, rows, labels)

    part = assemble("task", ("b", "a"), ("c1",), {n: getattr(features.sample, n)[:75] for n in
                    ("coordinates", "labels", "case", "role", "patch")}, {})  # fmt: skip
    others = [
        path(feature_set(1.0)), path(stage="encoder.1"), path(rows=rows + 1), path(labels=1 - labels),
        path(FeatureSet("one", part, features.stages, {}, features.hash)),
    ]  # fmt: skip
    monkeypatch.setattr(moments_store, "VERSION", 2)
    assert len({*others, path()}) == 6 and path() != moments_store.path_for(tmp_path, features, "x", rows, labels)


def test_moments_that_cannot_be_formed_leave_no_file(tmp_path):
    with pytest.raises(tebench.base.errors.InputError, match="finite"):
        moments_store.load_or_form(tmp_path / "m.safetensors", lambda: np.full((4, 2), np.nan), np.array([0, 1, 0, 1]))
    assert not list(tmp_path.iterdir())


def test_each_metric_is_charged_for_what_it_shares(tmp_path, monkeypatch):
    monkeypatch.setattr(moments_store, "load_or_form", lambda path, gather, labels: (Moments.of(gather(), labels), 7.0))
    view = FeatureView(feature_set, "task")
    scores(view, ["hscore"], "encoder[-1]")
    with Meter() as seen:
        scores(view, ["hscore"], "encoder[-1]")
    assert 7 < seen.seconds < 8
    meter.charge(1.0)  # outside of any block: nothing to charge
