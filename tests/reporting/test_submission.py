"""Submissions: a sound one passes, every kind of wrong one is refused with its reason, none does harm."""

import json
import math
from pathlib import Path

import leaderboard_world
import numpy as np
import pandas as pd
import pytest

import tebench
from tebench.cli.config import compose
from tebench.cli.jobs import validate as job
from tebench.features.sample import FeatureSet, Sample
from tebench.publication import control as control_of
from tebench.publication import leaderboard_rows, rescoring, submission
from tebench.publication.validation import MEASURED, allowed, claims, validate

SOURCE = leaderboard_world.digest("mine.py")
TREE = Path(tebench.__file__).parents[1] / "leaderboard"


@pytest.fixture(name="folder", scope="module")
def _folder(tmp_path_factory):
    rows, truth = leaderboard_world.rows_and_truth()
    rows = rows[rows["metric"].isin(["grtd", "gbc"])]
    return leaderboard_world.write(tmp_path_factory.mktemp("leaderboard"), rows, truth)


@pytest.fixture(name="sound", scope="module")
def _sound():
    """(facts, rows) of a metric `mine`, with `gbc` made again beside it."""
    rows, truth = leaderboard_world.rows_and_truth()
    mine = rows[rows["metric"] == "grtd"].assign(metric="mine", title="Mine", metric_hash=SOURCE)
    control = {task: {row.encoder: row.score - 1.0 for row in part.itertuples()} for task, part in mine.groupby("task")}
    facts = {
        "format": 1, "benchmark": "starter", "protocol": "starter-v1", "metric": "mine", "source_sha256": SOURCE,
        "beside": ["gbc"], "environment": control_of.environment(), "control": control,
        "claims": claims(mine, truth, leaderboard_world.POOL)["mine"],
    }  # fmt: skip
    return facts, pd.concat([mine, rows[rows["metric"] == "gbc"]], ignore_index=True)


@pytest.fixture(name="check")
def _check(folder, sound, tmp_path):
    """Change a copy of the sound submission, write it, validate it."""

    def check(change=lambda facts, rows: None, text=lambda text: text, **options):
        facts, rows = json.loads(json.dumps(sound[0])), sound[1].copy(deep=True)
        changed = change(facts, rows)
        path = tmp_path / "submission.csv"
        path.write_text(text(submission.text(facts, rows if changed is None else changed)), encoding="utf-8")
        return validate(path, folder, **options)

    return check


def test_a_sound_submission_passes_and_is_accepted_once(folder, check, tmp_path, capsys):
    found = check(source_sha256=SOURCE)
    assert found.problems == []
    assert any("true labels score better than permuted ones in" in note for note in found.notes)
    target = folder / "results" / "starter.csv"
    before = target.read_text()
    config = compose("validate", str(tmp_path / "submission.csv"), f"folder={folder}", "accept=true")[1:]
    try:
        job.run(*config)
        assert "sound" in capsys.readouterr().out
        once = target.read_text()
        assert set(leaderboard_rows.read(target)["metric"]) == {"gbc", "grtd", "mine"}
        job.run(*config)  # in the tree it stays sound after its rows are published
        assert target.read_text() == once
    finally:
        target.write_text(before)


def _set(column, value, metric="mine", cells=slice(0, 1)):
    def change(facts, rows):
        index = rows.index[rows["metric"] == metric][cells]
        for i in index:
            rows.at[i, column] = value

    return change


def _fact(name, value):
    return lambda facts, rows: facts.__setitem__(name, value)


def _claim(facts, rows):
    facts["claims"]["mean"] += 1e-6


def _fail_without_reason(facts, rows):
    rows.loc[0, ["status", "score", "reason"]] = ["failed", math.nan, ""]


def _better_control(facts, rows):
    for row in rows[rows["metric"] == "mine"].itertuples():
        facts["control"][row.task][row.encoder] = row.score + 1.0


def _constant(facts, rows):
    rows.loc[rows["metric"] == "mine", "score"] = 0.5


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda facts, rows: rows.drop(index=0), "metric mine: 1 missing cell"),
        (lambda facts, rows: pd.concat([rows, rows.iloc[:1]]), "1 duplicate row"),
        (_fail_without_reason, "without a reason"),
        (_set("feature_hash", "0" * 64, cells=slice(None)), "different feature_hash"),
        (lambda facts, rows: rows.assign(label_hash="0" * 64), "label_hash is not the published one"),
        (lambda facts, rows: rows.assign(n_foreground=7), "n_foreground is not the published one"),
        (lambda facts, rows: rows[rows["task"] == "tissues"], "tasks differ from the published: absent subcortex"),
        (lambda facts, rows: rows.assign(pool="0" * 12), "pool 000000000000 is not the benchmark's"),
        (_set("score", 0.25, "gbc"), "value drift of gbc, 1 cell(s)"),
        (_set("score", 0.25), "claimed tau_w on"),
        (_claim, "claimed tau_w on mean is"),
        (_fact("claims", {}), "claims must name"),
        (_constant, "constant over the encoders"),
        (_better_control, "implausible: true labels score better than permuted ones in 0 of"),
        (lambda facts, rows: facts["control"].pop("tissues") and None, "control must have one entry"),
        (_fact("protocol", "starter-v9"), "protocol is 'starter-v9'"),
        (_fact("beside", []), "beside"),
        (_fact("metric", "other"), "rows hold metrics gbc, mine"),
        (_fact("benchmark", "absent"), "unknown benchmark 'absent'"),
        (_fact("benchmark", "../../etc/passwd"), "a path in '../../etc/passwd'"),
        (_fact("source_sha256", "abc"), "64 hex digits"),
        (_fact("format", 2), "format must be 1"),
        (_fact("more", 1), "unknown entry 'more'"),
        (_fact("environment", {"<script>": "x"}), "markup"),
        (_fact("environment", {"a": {"b": 1}}), "environment must map"),
        (_fact("claims", {"mean": True}), "claims must map"),
        (_fact("claims", {"mean": 10**400}), "claims must map"),
        (lambda facts, rows: rows.assign(title="<img src=x onerror=alert(1)>"), "markup or direction marks ('<')"),
        (lambda facts, rows: rows.assign(title="\u202egbc"), "markup or direction marks"),
        (_set("task", "<script>alert(1)</script>"), "task '<script>alert(1)</script>' does not match"),
        (_set("encoder", "../../../etc/passwd"), "encoder '../../../etc/passwd' does not match"),
        (_set("metric", "Mine!"), "metric 'Mine!' does not match"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(check, change, words):
    found = check(change)
    assert any(words in what for what in found.problems), found


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.replace("Mine", "=cmd|' /C calc'!A0", 1), "starts like a spreadsheet formula"),
        (lambda text: text.replace("Mine", "@SUM(A1)", 1), "starts like a spreadsheet formula"),
        (lambda text: text.replace('"mean": ', '"mean": NaN, "x": ', 1), "NaN is no number"),
        (lambda text: text.replace('"format": 1', '"format": 1, "format": 1', 1), "twice"),
        (lambda text: "# " + "[" * 100_000 + "\n" + text.split("\n", 1)[1], "not JSON"),
        (lambda text: "# " + '{"a":' * 900 + "1" + "}" * 900 + "\n" + text.split("\n", 1)[1], "absent"),
        (lambda text: "# " + "x" * 1_000_001 + "\n" + text.split("\n", 1)[1], "first line must be"),
        (lambda text: text.split("\n", 1)[1], "first line must be"),
        (lambda text: text.split("\n", 1)[0], "first line must name the columns"),
        (lambda text: text.replace("Mine", "\x1b[2J", 1), "control characters"),
        (lambda text: text.replace("Mine", "M" * 30_000, 1), "at most 20000"),
        (lambda text: text + "<b>\n" * 10_000, "1 cells, expected 20"),
        (lambda text: "", "first line must be"),
    ],
)
def test_hostile_bytes_are_refused_with_reasons(check, change, words):
    found = check(text=change)
    assert any(words in what for what in found.problems), found.problems[:5]
    assert len(found.problems) < 500
    said = "\n".join(rescoring.report(Path("x.csv"), found))
    assert len(said) < 50_000 and "\x1b" not in said


@pytest.mark.parametrize("score", ["nan", "inf", "-inf", "1e999", "1_0", ""])
def test_scores_that_are_no_numbers_are_refused(check, sound, score):
    value = repr(float(sound[1]["score"].iloc[0]))
    found = check(text=lambda text: text.replace(f",{value},", f",{score},"))
    assert any("score must be a finite number" in what for what in found.problems), found.problems[:3]


def test_files_that_are_no_plain_files_are_refused(folder, tmp_path, monkeypatch):
    (tmp_path / "link.csv").symlink_to("/etc/passwd")
    for path in (tmp_path / "link.csv", tmp_path, Path("/dev/zero"), tmp_path / "absent.csv"):
        assert "not a plain file" in validate(path, folder).problems[0]
    (tmp_path / "large.csv").write_bytes(b"x" * 100)
    monkeypatch.setattr(submission, "MOST_BYTES", 99)
    assert "refused above" in validate(tmp_path / "large.csv", folder).problems[0]
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    assert "not UTF-8" in validate(tmp_path / "binary.csv", folder).problems[0]


def test_a_submission_made_on_another_processor_is_sound(folder, check):
    """Features and scores differ in their last bits there: the hashes are a note, drift within the measured is none."""
    measured = folder / MEASURED
    measured.write_text("metric,other,n,absolute,relative,swaps,status_changes\ngbc,Other,42,1e-5,2e-3,0,0\n")

    def elsewhere(by):
        def change(facts, rows):
            spread = rows[rows["metric"] == "gbc"].groupby("task")["score"].transform(lambda s: s.std(ddof=0))
            moved = rows["score"].add(by * spread, fill_value=0)
            return rows.assign(feature_hash="0" * 64, score=rows["score"].where(rows["metric"] != "gbc", moved))

        return change

    try:
        assert allowed(folder) == {"gbc": 0.01}
        found = check(elsewhere(0.005))
        assert found.problems == []
        assert any("differ in their bits from the published in" in note for note in found.notes)
        assert any("value drift of gbc" in problem for problem in check(elsewhere(0.02)).problems)
    finally:
        measured.unlink()
    assert any("value drift of gbc" in problem for problem in check(elsewhere(0.005)).problems), "no tolerance is known"


def test_the_source_that_is_given_must_be_the_submitted_one(check):
    assert "not the hash of the metric's file" in check(source_sha256="0" * 64).problems[0]


def test_without_published_rows_nothing_can_be_compared(check, sound, tmp_path):
    (tmp_path / "s.csv").write_text(submission.text(*sound))
    assert "no rows of benchmark starter are published yet" in validate(tmp_path / "s.csv", tmp_path).problems[0]


def test_a_refusal_is_an_exit_code(folder, tmp_path, capsys):
    (tmp_path / "s.csv").write_text("x")
    with pytest.raises(SystemExit, match="1"):
        job.run(*compose("validate", str(tmp_path / "s.csv"), f"folder={folder}")[1:])
    assert "refused" in capsys.readouterr().out


def test_every_submission_of_the_tree_is_sound():
    refused = {
        path.name: found.problems
        for path in sorted((TREE / "submissions").glob("*"))
        if path.name != "README.md" and not (found := validate(path, TREE)).sound
    }
    assert refused == {}


def test_the_control_permutes_labels_within_each_case_only():
    n = 60
    case, labels = np.repeat([0, 1], n // 2).astype(np.int16), np.arange(n).astype(np.int16)
    zeros = np.zeros(n, np.int32)
    sample = Sample("t", ("a",), ("x", "y"), np.zeros((n, 3), np.int32), labels, case, zeros, zeros, {}, "h", "l")
    made = control_of.permuted(FeatureSet("e", sample, {}, {}, "h"), 0).sample.labels
    assert (labels == np.arange(n)).all() and not (made == labels).all()
    for k in (0, 1):
        assert sorted(made[case == k]) == labels[case == k].tolist()


def test_a_metric_known_to_read_labels_needs_a_control(check, monkeypatch):
    from tebench.metrics import registry
    from tebench.publication import validation

    without = _fact("control", {})
    assert check(without).sound  # unknown here: only noted
    assert any("no control" in note for note in check(without).notes)
    known = registry.load()
    monkeypatch.setattr(validation.registry, "load", lambda: known | {"mine": known["grtd"]})
    assert any("although the metric reads labels" in problem for problem in check(without).problems)
    monkeypatch.setattr(validation.registry, "load", lambda: known | {"mine": known["random"]})
    assert check(without).sound


def test_some_cells_are_scored_again_with_the_metrics_file(folder, sound, tmp_path, monkeypatch):
    """What a forger cannot know: which cells. `_score` itself is walked by hand, on real features."""
    from types import SimpleNamespace

    from tebench.metrics import registry

    facts, rows = sound
    path = tmp_path / "s.csv"
    path.write_text(submission.text(facts, rows), encoding="utf-8")
    settings = compose("validate", "benchmark=starter")[1]
    true = rows[rows["metric"] == "mine"].set_index(["task", "encoder"])["score"]
    known = registry.load() | {"mine": SimpleNamespace(name="mine", reads="matrix")}
    monkeypatch.setattr(registry, "load", lambda: known)
    monkeypatch.setattr(rescoring, "_score", lambda settings, metric, row: true[row.task, row.encoder])
    problems, notes = rescoring.again(settings, path, 3)
    assert problems == [] and notes[0].startswith("3 cells scored again, equal to rounding: ")
    far = 0.1 * true.std()
    monkeypatch.setattr(rescoring, "_score", lambda settings, metric, row: true[row.task, row.encoder] + far)
    assert rescoring.again(settings, path, 3)[0][0].startswith("the scores are not what the metric gives: ")
    known["mine"].reads = "parts"
    assert "no cell was scored again" in rescoring.again(settings, path, 3)[1][0]
    del known["mine"]
    assert "registers no metric 'mine'" in rescoring.again(settings, path, 3)[0][0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda facts, rows: rows.assign(title="gBc"), "title gbc is that of another metric"),
        (_set("title", "Mi\u200bne"), "invisible"),
        (_set("metric_hash", "0" * 64), "2 values of metric_hash"),
        (_set("peak_mb", 1e300), "peak_mb reaches 1e+300"),
    ],
)
def test_dressed_up_rows_are_refused(check, change, words):
    assert any(words in problem for problem in check(change).problems), check(change).problems
