"""job=rank on own data and own checkpoints, from the command line's words to the files."""

import sys
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import own_world
from own_world import FEW, compose

from tebench.base.errors import InputError
from tebench.cli.jobs import rank
from tebench.encoders import checkpoints
from tebench.features import cache, joined
from tebench.metrics.registry import get
from tebench.scoring import jackknife
from tebench.scoring.request import Request
from tebench.scoring.view import FeatureView


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A data set of four two-channel cases, three encoders and one that reads three channels, ranked once."""
    import os

    before = os.environ.get(checkpoints.VARIABLE)
    os.environ[checkpoints.VARIABLE] = "{}"
    root = tmp_path_factory.mktemp("own")
    own_world.data_set(root / "Dataset007_Lesions", 4, channels=2)
    own_world.resenc(root / "zoo", "first", "second", "third")
    (root / "zoo" / "broken").mkdir()
    (root / "zoo" / "broken" / "broken.pth").write_bytes(b"no checkpoint")
    yield root, run(root, "job.draws=2")
    os.environ[checkpoints.VARIABLE] = before or "{}"


def config(root, *more):
    return compose(
        "job=rank", f"dataset={root / 'Dataset007_Lesions'}", f"encoders=[{root / 'zoo'}]", f"cache={root / 'cache'}",
        f"job.folder={root / 'out'}", "twins=false", "per_class=[]", *FEW, *more,
    )  # fmt: skip


def run(root, *more):
    import contextlib
    import io

    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        rank.run(*config(root, *more))
    return out.getvalue()


def test_the_text_says_all_that_matters(own):
    _, text = own
    assert "Dataset007_Lesions: 4 of 4 cases, 2 foreground classes, 2 draws of voxels, 3 encoders" in text
    assert "is first by" in text and "4 cases" in text and "told apart" in text
    assert "Ranked by" in text and ("tau_w" in text or "no evidence" in text)
    assert "Agreement between metrics" in text and "extraction s" in text
    assert "Not ranked:\n  broken: checkpoint" in text


def test_the_files(own):
    root, _ = own
    names = {path.name for path in (root / "out").iterdir()}
    assert {"ranking.csv", "agreement.csv", "ranking.txt", "ranking.png", "ranking.svg", "ranking.pdf"} <= names
    frame = pd.read_csv(root / "out" / "ranking.csv")
    main = frame[frame["main"]]
    assert sorted(main["rank"]) == [1, 2, 3] and set(main["encoder"]) == {"first", "second", "third"}
    varied = frame[frame["covers"] == "cases and voxel draws"]
    assert (varied["low"] <= varied["score"]).all() and (varied["score"] <= varied["high"]).all()
    still = frame[frame["covers"] == "nothing: it never varied"]
    assert len(varied) + len(still) == len(frame) and still["low"].isna().all()
    assert (frame["encoder_extraction_s"] > 0).all()
    assert frame["metric"].nunique() >= 4


def test_scores_are_those_of_the_plain_view(own):
    """The Score of an encoder against the metric on each draw, and on each draw without a case."""
    root, _ = own
    (folder,) = (root / "cache" / "features" / "Dataset007_Lesions" / "second").glob("[0-9a-f]*")
    features = cache.read(folder)
    draws = joined.draws_of(features.sample)
    requests = [Request.make(get(name), {}, None, 0) for name in ("logme", "grtd", "lbtc")]
    header = cache.header(folder)
    found = jackknife.scores(folder, "Dataset007_Lesions", "second", header, requests)
    for score, request in zip(found, requests, strict=True):
        for draw, rows in enumerate(draws):
            part = jackknife.at_rows(features, rows)
            value = FeatureView(lambda part=part: part, "t").value(request, features.facts)[0]
            assert score.resamples["draws"][draw] == pytest.approx(value, rel=1e-9)
            without = rows[features.sample.case[rows] != 2]
            part = jackknife.at_rows(features, without)
            value = FeatureView(lambda part=part: part, "t").value(request, features.facts)[0]
            assert score.resamples["left_out"][draw][2] == pytest.approx(value, rel=1e-9)


def test_a_second_run_computes_nothing_and_says_the_same(own, monkeypatch):
    root, text = own
    monkeypatch.setattr(jackknife, "scores", lambda *_: pytest.fail("computed again"))
    assert run(root, "job.draws=2") == text


def test_random_twins_and_classes_are_in_the_report(own):
    root, _ = own
    two = f"encoders=[{root / 'zoo' / 'first'},{root / 'zoo' / 'second'}]"
    text = run(root, "job.draws=2", "job.metrics=[gbc,logme]", two, "twins=true", "per_class=null")
    frame = pd.read_csv(root / "out" / "ranking.csv")
    assert set(frame["encoder"]) == {"first", "second", "first@random"}  # one twin: they are of one shape
    pairs = pd.read_csv(root / "out" / "untrained.csv").set_index("encoder")
    assert pairs["other"].to_dict() == {"first": "first@random", "second": "first@random"}
    scores = frame[frame["metric"] == "gbc"].set_index("encoder")["score"]
    assert pairs.loc["second", "above"] == pytest.approx(scores["second"] - scores["first@random"])
    assert "random weights of the same shape: " in text and "First by class: " in text
    rows = pd.read_csv(root / "out" / "by_class.csv")
    assert set(rows["class"]) == {"rim", "core"} and set(rows["metric"]) == {"gbc"} and len(rows) == 6
    page = (root / "out" / "ranking.html").read_text(encoding="utf-8")
    for words in ("first@random", "Class by class", "Evidence for the metric", "What each encoder reads", "zscore"):
        assert words in page
    assert "http" not in page.replace("http-equiv", "")  # nothing is fetched
    assert page.index("is first by GBC") < page.index("<h2>Ranking") < page.index("<h2>The data")


def test_a_class_against_the_rest_is_scored_on_two_labels(own):
    root, _ = own
    (folder,) = (root / "cache" / "features" / "Dataset007_Lesions" / "third").glob("[0-9a-f]*")
    features = cache.read(folder)
    request = Request.make(get("gbc"), {}, None, 0)
    (score,) = jackknife.scores(folder, "t", "third", cache.header(folder), [request], 2)
    rows = joined.draws_of(features.sample)[0]
    part = jackknife.at_rows(features, rows)
    two = jackknife.one_against_rest(part, 2)
    assert two.sample.labels.tolist() == (part.sample.labels == 2).astype(int).tolist()
    value = FeatureView(lambda: two, "t").value(request, features.facts)[0]
    assert score.resamples["draws"][0] == pytest.approx(value, rel=1e-9)


def test_what_was_read_is_reported(own):
    root, _ = own
    text = run(root, "job.draws=2")
    assert "different rows" in text and "voxels, resampled to 1x1x1 mm" in text
    classes = pd.read_csv(root / "out" / "classes.csv").set_index("class")
    assert classes["judged"].all() and (classes.loc[["rim", "core"], "cases"] == 4).all()
    assert classes.loc["core", "rows"] >= 4 * 16  # the floor, in every case
    readings = pd.read_csv(root / "out" / "readings.csv")
    assert set(readings.columns) >= {"spacing mm", "normalisation", "patch", "axes", "grid", "different rows"}


def test_cases_that_are_left_out_are_in_the_report(own, tmp_path):
    root, _ = own
    folder = own_world.data_set(tmp_path / "Dataset009_Broken", 4, channels=1)
    (folder / "labelsTr" / "case_1.nii.gz").write_bytes(b"no image")
    own_world.raw_data.write(folder / "labelsTr" / "case_2.nii.gz", np.zeros(own_world.SHAPE, np.uint8))
    some = (f"dataset={folder}", "job.metrics=[gbc,grtd]", "job.draws=1")
    with pytest.raises(InputError, match=r"exclude=\[case_1\], or all that are broken: skip_broken=true"):
        run(root, *some)
    text = run(root, *some, "skip_broken=true")
    assert "Left out as broken (1):" in text and "case_1: " in text and "3 of 3 cases" in text
    assert "1 of 3 label maps are empty: background only is read from them" in text
    frame = pd.read_csv(root / "out" / "ranking.csv")
    assert set(frame["status"]) == {"ok"}  # GRTD, within a case, is over the two that have foreground
    assert "Left out by name: case_1." in run(root, *some, "exclude=[case_1]")


def test_volumes_of_a_few_voxels_are_said_and_exploding_ones_refused(own, tmp_path):
    """Micro-CT of 0.05 mm read at 1 mm; and microns whose unit nobody wrote down."""
    root, _ = own
    zoo = own_world.resenc(tmp_path / "zoo", "a", "b")
    two = f"encoders=[{zoo}]"
    folder = own_world.data_set(tmp_path / "Dataset010_Small", 2, channels=1)
    for path in sorted(folder.rglob("*.nii.gz")):
        data = np.asanyarray(nibabel.load(path).dataobj)
        own_world.raw_data.write(path, data, np.diag([0.05, 0.05, 0.05, 1]))
    text = run(root, f"dataset={folder}", "job.metrics=[gbc]", "job.draws=1", two)
    assert "2x2x2 voxels, resampled to 1x1x1 mm: 2 cases with fewer than 8 along an axis" in text
    assert "different feature rows at" in text and "its scores rest on these few" in text
    for path in sorted(folder.rglob("*.nii.gz")):
        data = np.asanyarray(nibabel.load(path).dataobj)
        own_world.raw_data.write(path, data, np.diag([400.0, 400, 400, 1]))
    with pytest.raises(InputError, match="Check the unit of its voxel size"):
        run(root, f"dataset={folder}", "job.metrics=[gbc]", "job.draws=1", two)


def test_several_data_sets_give_one_table(own, tmp_path):
    root, _ = own
    other = own_world.data_set(tmp_path / "Dataset011_Other", 2, channels=1, seed=3)
    both = ("dataset=null", f"datasets=[{root / 'Dataset007_Lesions'},{other}]")
    text = run(root, *both, "job.metrics=[gbc]", "job.draws=1", f"job.folder={tmp_path / 'out'}")
    table = pd.read_csv(tmp_path / "out" / "joint.csv").set_index("encoder")
    for name in ("Dataset007_Lesions", "Dataset011_Other"):
        frame = pd.read_csv(tmp_path / "out" / name / "ranking.csv").set_index("encoder")
        assert table[name].to_dict() == frame["rank"].to_dict()
        assert (tmp_path / "out" / name / "ranking.html").is_file()
    ranks = table[["Dataset007_Lesions", "Dataset011_Other"]]
    assert table["mean rank"].to_dict() == ranks.mean(axis=1).to_dict() and table["mean rank"].is_monotonic_increasing
    assert "has the best mean rank over 2 data sets" in text and "Ranked by " in text
    with pytest.raises(InputError, match="are for one data set"):
        run(root, *both, "cases=[case_1]")
    with pytest.raises(InputError, match="each once"):
        run(root, "dataset=null", f"datasets=[{other},{other}]")
    with pytest.raises(InputError, match="needs a data set"):
        run(root, both[1])


def test_own_metrics_and_two_encoders(own):
    root, _ = own
    text = run(root, "job.draws=1", "job.metrics=[gbc,rtd_lite]", "max_cases=1", f"encoders=[{root / 'zoo' / 'first'},"
               f"{root / 'zoo' / 'third'}]")  # fmt: skip
    assert "Ranked by GBC: first of metric=" in text and "1 of 1 cases" in text
    assert "Nothing can be told apart with 1 case" in text and "Agreement between metrics" not in text


def test_a_budget_is_kept_to_and_said(own):
    root, _ = own
    text = run(root, "job.draws=2", "minutes=0.001", "job.metrics=[logme,gbc]")
    assert "budget of 0.001 min: 2 of 4 cases" in text and "Intervals are wider" in text and "may exceed it" in text
    frame = pd.read_csv(root / "out" / "ranking.csv")
    assert set(frame["metric"]) == {"logme", "gbc"} and frame["score"].notna().all()
    assert run(root, "job.draws=2", "minutes=0.001", "job.metrics=[logme,gbc]") == text  # the plan is kept
    assert "budget" not in run(root, "job.draws=2", "minutes=600", "job.metrics=[logme,gbc]")


def test_fewer_cases_give_wider_intervals(own):
    root, _ = own
    widths = []
    for cases in (2, 4):
        run(root, "job.draws=2", f"max_cases={cases}", "job.metrics=[gbc]")
        frame = pd.read_csv(root / "out" / "ranking.csv")
        widths.append((frame["high"] - frame["low"]).mean())
    assert widths[0] > widths[1]


def test_a_metric_that_applies_to_some_encoders_only(own, tmp_path):
    """Primus has no decoder stages: the fused score is formed over the others, and the rest says why."""
    root, _ = own
    own_world.primus(tmp_path, "vit")
    text = run(root, "job.draws=1", f"encoders=[{root / 'zoo' / 'first'},{root / 'zoo' / 'second'},{tmp_path}]",
               "max_cases=2", "job.metrics=[grtd_lbtc,logme]")  # fmt: skip
    assert "not applicable" in text and "no decoder stages" in text and "It applies to 2 of 3 encoders" in text


@pytest.mark.parametrize("leader", ["grtd_lbtc", None])
def test_the_recommended_metric_needs_no_decoder_stages_where_there_are_none(own, tmp_path, monkeypatch, leader):
    """A pool of Primus encoders only, whatever leads the leaderboard."""
    from tebench.publication import recommend

    row = recommend.Evidence(leader, 0.9, -0.5, 0.5, 0.01, 0.2, 6, 1, 3, "starter", "p")
    monkeypatch.setattr(recommend, "evidence", lambda *_: [row] if leader else [])
    root, _ = own
    own_world.primus(tmp_path, "MAE", "SimMIM", "VF")
    text = run(root, "job.draws=1", "max_cases=2", f"encoders=[{tmp_path}]")
    assert "Ranked by LogME: it applies to 3 encoders, grtd_lbtc does not" in text and "is first by LogME" in text
    assert "GRTD + LBTC" in text.split("Reasons:")[1] and "there are no decoder stages" in text
    frame = pd.read_csv(root / "out" / "ranking.csv")
    assert set(frame.loc[frame["metric"] == "grtd_lbtc", "status"]) == {"not_applicable"}
    assert set(frame.loc[frame["main"], "status"]) == {"ok"}


def test_ignored_voxels_are_in_no_sample_of_a_ranking(own, tmp_path):
    import json

    root, _ = own
    folder = own_world.data_set(tmp_path / "Dataset008_Partial", 3, channels=1)
    for path in sorted((folder / "labelsTr").iterdir()):
        image = nibabel.load(path)
        labels = np.asarray(image.dataobj).copy()
        labels[:14] = 3
        nibabel.save(nibabel.Nifti1Image(labels, image.affine), path)
    words = json.loads((folder / "dataset.json").read_text())
    (folder / "dataset.json").write_text(json.dumps({**words, "labels": {**words["labels"], "ignore": 3}}))
    text = run(root, f"dataset={folder}", "job.metrics=[logme,lbtc]", "job.draws=2")
    assert "voxels of value 3 (ignore) are in no sample" in text and "is first by LogME" in text
    (kept,) = (root / "cache" / "features" / "Dataset008_Partial" / "first").glob("[0-9a-f]*")
    sample = cache.read(kept).sample
    assert sample.labels.min() == 0 and sample.coordinates[:, 0].min() >= 14


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["job.dataset=null"], "needs a data set"),
        (["encoders=null"], "needs encoders="),
        (["job.draws=0"], "draws must be a whole number"),
        (["per_class=[corr]"], "Did you mean 'core'"),
        (["minutes=-3"], "minutes must be a number above 0"),
        (["job.metrics=[logmee]"], "Did you mean 'logme'"),
        (["job.metrics=[mean_rank_elsewhere]"], "own data do not have"),
        (["cases=[case_9]"], "case of Dataset007_Lesions 'case_9'"),
        (["encoders=[deepbet]"], "at least 2 encoders, 1 can read"),
    ],
)
def test_bad_input(own, more, words):
    with pytest.raises(InputError, match=words):
        rank.run(*config(own[0], *more))


def test_cases_are_left_out_one_by_one_or_in_groups():
    assert [g.tolist() for g in jackknife.case_groups(3)] == [[0], [1], [2]] and jackknife.case_groups(1) == []
    groups = jackknife.case_groups(23)
    assert len(groups) == jackknife.MOST_GROUPS and sorted(np.concatenate(groups)) == list(range(23))
