"""The log of variants: one engine for all, the same as the metrics where both compute the same."""

import numpy as np
import pandas as pd
import pytest

import tebench
from tebench.features import cache
from tebench.features.sample import FeatureSet, Role
from tebench.features.sampling import assemble
from tebench.research.variants import catalogue, compute, log, page
from tebench.research.variants.catalogue import EXACT, LAST, Variant


@pytest.fixture
def features(monkeypatch):
    """A feature set of two encoder stages that `compute.scores` reads for any folder."""
    rng, n = np.random.default_rng(0), 600
    labels = rng.choice(3, n, p=[0.6, 0.3, 0.1]).astype(np.int16)
    role = rng.choice([Role.FOREGROUND, Role.BACKGROUND, Role.GLOBAL, Role.ANCHOR, Role.MEMBER], n).astype(np.int8)
    arrays = {
        "coordinates": np.zeros((n, 3), np.int32), "labels": labels, "case": rng.integers(0, 3, n).astype(np.int16),
        "role": role, "patch": np.where(role >= Role.ANCHOR, 0, -1).astype(np.int32),
    }  # fmt: skip
    sample = assemble("task", ("a", "b", "c"), ("1", "2", "3"), arrays, {})
    means = rng.standard_normal((3, 6))
    stages = {
        f"encoder.{i}": (means[labels] + rng.standard_normal((n, 6)) * np.arange(1, 7)).astype(np.float32)
        for i in range(2)
    }
    stages["decoder.0"] = np.full((n, 2), np.nan, np.float32)
    found = FeatureSet("encoder", sample, stages, {}, "hash")
    monkeypatch.setattr(cache, "read", lambda folder, verify: found)
    return found


def test_it_computes_what_the_metrics_compute(features):
    wanted, sample = [], features.sample
    for name, options, variant in (
        ("boundary_flow", {}, ("FLM", "MA", "FLMA")),
        ("boundary_flow", {"anchors": False, "time": 0.3}, ("FLM", "M", "FLM")),
        ("gradient_flow", {}, ("FLM", "FLM", "FLM")),
        ("gradient_flow", {"strata": True}, ("FLM", "F", "FLM")),
        ("gradient_flow", {"balance": "kept"}, ("FLM", "FLM", "FLM")),
    ):
        given = {"answers": "together"} if "balance" in options else EXACT
        wanted.append((name, options, Variant(LAST, *variant, time=options.get("time", 1.0), **given)))
    found = compute.scores("anywhere", [variant for *_, variant in wanted])
    for (name, options, _), value in zip(wanted, found, strict=True):
        stages = [
            tebench.score(name, rows, sample.labels, cases=sample.case, roles=sample.role_words(), **options)
            for stage, rows in features.stages.items()
            if stage.startswith("encoder")
        ]
        assert value == pytest.approx(np.mean(stages))


def test_averages_of_recall():
    right = np.array([1.0, 0, 1, 1, 0, np.nan])
    labels, cases = np.array([0, 0, 1, 0, 2, 1]), np.array([0, 0, 0, 1, 1, 1])
    # recalls: case 0: .5 and 1, no class 2; case 1: 1, class 1 not asked, 0
    expected = {
        "by case": (0.75 + 0.5) / 2, "by class": (0.75 + 1 + 0) / 3, "together": (2 / 3 + 1 + 0) / 3,
        "zero where absent": (0.5 + 1 + 0 + 1 + 0 + 0) / 6, "flat": (0.5 + 1 + 1 + 0) / 4,
        "by case, foreground": (1 + 0) / 2, "by class, foreground": (1 + 0) / 2, "together, foreground": 0.5,
        "accuracy": 3 / 5,
    }  # fmt: skip
    assert set(expected) == set(catalogue.ANSWERS)
    for answers, value in expected.items():
        assert compute._averaged(right, labels, cases, answers) == pytest.approx(value), answers


def test_the_catalogue_is_in_order_and_every_variant_is_computed(features):
    variants = catalogue.variants()
    assert len(set(variants)) == len(variants) > 300
    found = compute.scores("anywhere", variants)
    assert len(found) == len(variants)
    assert all(0 <= value <= 1 for value in found)
    assert all(1 <= catalogue.number(variants, f.boundary) <= len(variants) for f in catalogue.fusions())


def world(seed=0):
    rng = np.random.default_rng(seed)
    encoders = [f"e{i}" for i in range(6)]
    found = {(t, e): rng.random(len(catalogue.variants())).tolist() for t in ("one", "two") for e in encoders}
    rows = [(t, e, s, rng.random()) for t in ("one", "two") for e in encoders for s in range(2)]
    truth = pd.DataFrame(rows, columns=["task", "encoder", "seed", "value"])
    return found, {"p": truth, "q": truth.assign(value=1 - truth["value"])}, {"zoo": encoders, "ssl": encoders[:4]}


def test_the_table_and_the_page(monkeypatch):
    few = catalogue.fusions()[:3] + catalogue.fusions()[-3:]
    few += [form for form, _ in page.REPORTED if isinstance(form, catalogue.Fusion)]
    monkeypatch.setattr(catalogue, "fusions", lambda: few)
    found, truths, pools = world()
    table = log.table(found, truths, pools, {"one": 1, "two": 3})
    assert len(table) == len(catalogue.variants()) + len(catalogue.fusions())
    from scipy.stats import weightedtau

    dice = truths["p"].groupby(["task", "encoder"])["value"].mean()
    taus = [
        weightedtau([found[t, e][4] for e in pools["ssl"]], dice[t][pools["ssl"]]).statistic for t in ("one", "two")
    ]
    assert table.loc[4, "ssl p"] == pytest.approx(np.mean(taus), abs=1e-4)
    fused = table.iloc[-2]
    parts = [[found["two", e][int(fused[part]) - 1] for e in pools["zoo"]] for part in ("everywhere", "boundary")]
    assert (fused["scaled"], fused["gate"]) == ("min-max", "half")
    scaled = [(np.array(v) - min(v)) / np.ptp(v) for v in parts]
    expected = weightedtau(np.mean(scaled, axis=0), dice["two"][pools["zoo"]]).statistic
    alone = log.table({k: v for k, v in found.items() if k[0] == "two"}, truths, pools, {"two": 3})
    assert alone.iloc[-2]["zoo p"] == pytest.approx(expected, abs=1e-4)
    monkeypatch.setattr(page, "_POOLS", ("zoo", "ssl"))
    cut = tuple((form, " ".join(text.split()[:4])) for form, text in page.REPORTED)
    monkeypatch.setattr(page, "REPORTED", cut)
    text = page.page(table, ["p", "q"], "a command")
    assert f"{len(table)} variants and fusions" in text
    assert text.count("T = 1 |") + text.count("T = 1,") >= 2
    assert page.row_of(table, cut[-1][0])["gate"] == "released"
