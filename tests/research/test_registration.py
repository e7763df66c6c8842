"""Registrations: what may be written, what must not change, and the order of commits."""

import subprocess
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest
from scipy.stats import weightedtau

from tebench.base.errors import InputError
from tebench.research.registration import history, outcome, record

HEADER = "protocol,encoder,task,seed,metric,value\n"


def form(name="flow", **changes):
    facts = {"metric": name, "parameters": {"time": 1.0}, "stages": "encoder", "direction": "up", "identity": "0" * 64}
    return record.Form(name=name, **{**facts, **changes})


def scores(forms, tasks=("lungs", "lobes"), encoders=("new", "newer")):
    return pd.DataFrame(
        [
            (one.name, task, encoder, one.metric, one.parameters, one.stages, "ok", "", len(encoder) / 3, {}, "f", "l")
            for one in forms for task in tasks for encoder in encoders
        ],
        columns=list(record.COLUMNS),
    )  # fmt: skip


def registration(forms=None, name="first", **changes):
    forms = forms or (form(), form("part", part_of="flow"))
    facts = {
        "benchmark": "starter", "ground_truth": "starter.csv", "protocols": {"short": "a" * 64}, "endpoint": "mean",
        "pool": {"name": "zoo", "id": "x", "encoders": ["old", "new", "newer"]}, "versions": {"numpy": "2"},
        "pairs": {"short": {"lungs": ["new", "newer"], "lobes": ["new"]}}, "scores": scores(forms),
        "today": date(2026, 11, 29),
    }  # fmt: skip
    return record.make(name, forms=forms, **{**facts, **changes})


def test_only_pairs_without_ground_truth_are_open():
    truth = pd.DataFrame(
        [("short", "lungs", "old"), ("short", "lungs", "new")], columns=["protocol", "task", "encoder"]
    )
    found = record.open_pairs(truth, ["short", "long"], ["lungs", "lobes"], ["old", "new", "newer"])
    assert found["short"] == {"lungs": ["newer"], "lobes": ["old", "new", "newer"]}
    assert found["long"] == {task: ["old", "new", "newer"] for task in ("lungs", "lobes")}
    with pytest.raises(InputError, match="protocol short exists for all 1 tasks and 1 encoders, so nothing is left"):
        record.open_pairs(truth, ["short"], ["lungs"], ["old"])


def test_it_is_read_as_it_was_written(tmp_path):
    made = registration()
    assert len(made.scores) == 2 * 3 + 0, "three pairs, two forms; newer x lobes is registered under no protocol"
    path = record.write(tmp_path, made)
    found = record.read(path)
    assert replace(found, scores=None) == replace(made, scores=None)
    assert found.scores["score"].tolist() == made.scores["score"].tolist(), "every digit"
    assert [one.name for one in found.judged] == ["flow"]
    assert found.covers("short", "lobes", "new")
    assert not found.covers("short", "lobes", "newer")
    assert not found.covers("long", "lobes", "new")
    assert record.paths(tmp_path) == [path]
    with pytest.raises(InputError, match="is registered and stays as it is"):
        record.write(tmp_path, made)


@pytest.mark.parametrize("suffix", [".json", ".csv"])
def test_a_changed_byte_is_seen(tmp_path, suffix):
    path = record.write(tmp_path, registration())
    file = path.with_suffix(suffix)
    file.write_text(file.read_text().replace("lobes", "lobed", 1))
    with pytest.raises(InputError, match=r"altered after it was written|changed after it was registered"):
        record.read(path)


def test_a_renamed_or_missing_file_is_refused(tmp_path):
    path = record.write(tmp_path, registration())
    other = path.with_name("second.json")
    other.write_bytes(path.read_bytes())
    other.with_suffix(".csv").write_bytes(path.with_suffix(".csv").read_bytes())
    with pytest.raises(InputError, match="not a registration of format 1 under its own name"):
        record.read(other)
    path.with_suffix(".csv").unlink()
    with pytest.raises(InputError, match="does not hold a registration"):
        record.read(path)


def test_what_may_not_be_registered():
    many = tuple(form(f"f{i}") for i in range(6))
    with pytest.raises(InputError, match="1 to 5 forms, got 6"):
        registration(many)
    with pytest.raises(InputError, match="two forms have one name"):
        registration((form(), form()))
    with pytest.raises(InputError, match="name must be lower case"):
        registration(name="First one")
    broken = scores([form()])
    broken.loc[0, ["status", "reason"]] = ["failed", "ValueError: no"]
    with pytest.raises(InputError, match="1 scores failed: flow on lungs / new: ValueError: no"):
        registration((form(),), scores=broken)
    with pytest.raises(InputError, match=r"form flow has 2 scores for 3 pairs \(lobes / new\)"):
        registration((form(),), scores=scores([form()], tasks=("lungs",)))


@pytest.fixture
def repository(tmp_path):
    """A git repository with old ground truth, and a function that commits all."""

    def git(*arguments):
        who = ["-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false"]
        return subprocess.run(
            ["git", "-C", tmp_path, *who, *arguments], check=True, capture_output=True, text=True
        ).stdout

    def commit(message):
        git("add", "-A")
        git("commit", "-qm", message)

    git("init", "-q")
    (tmp_path / "ground_truth").mkdir()
    truth = tmp_path / "ground_truth" / "starter.csv"
    truth.write_text(HEADER + "short,old,lungs,0,dsc,0.5\n")
    commit("old rows")
    return tmp_path, truth, commit, git


def check(path, truth):
    return history.problems(path, record.read(path), truth.parent)


def test_ground_truth_that_comes_after_is_sound(repository):
    root, truth, commit, _ = repository
    path = record.write(root / "registrations", registration())
    assert check(path, truth) == ["it is not committed: commit it before the first run of its pairs"]
    commit("register")
    assert check(path, truth) == []
    truth.write_text(truth.read_text() + "short,new,lungs,0,dsc,0.6\n")
    assert check(path, truth) == []
    commit("new rows")
    assert check(path, truth) == []


def test_ground_truth_before_or_with_the_registration_is_refused(repository):
    root, truth, commit, _ = repository
    truth.write_text(truth.read_text() + "short,new,lobes,0,dsc,0.6\n")
    path = record.write(root / "registrations", registration())
    assert check(path, truth) == ["it is not committed, and ground truth exists for short / lobes / new"]
    commit("both at once")
    (reason,) = check(path, truth)
    assert "ground truth of short / lobes / new is in commit" in reason
    assert "not after it" in reason


def test_rows_that_were_taken_out_again_are_seen(repository):
    root, truth, commit, _ = repository
    old = truth.read_text()
    truth.write_text(old + "short,new,lungs,0,dsc,0.6\n")
    commit("rows")
    truth.write_text(old)
    commit("rows out")
    path = record.write(root / "registrations", registration())
    commit("register")
    assert "short / lungs / new" in check(path, truth)[0]


def test_rows_from_a_branch_beside_are_refused(repository):
    root, truth, commit, git = repository
    git("checkout", "-qb", "side")
    truth.write_text(truth.read_text() + "short,newer,lungs,0,dsc,0.6\n")
    commit("rows on a branch")
    git("checkout", "-q", "-")
    path = record.write(root / "registrations", registration())
    commit("register")
    assert check(path, truth) == []
    git("merge", "-q", "--no-edit", "side")
    assert "short / lungs / newer" in check(path, truth)[0]


def test_a_changed_registration_is_refused(repository):
    root, truth, commit, _ = repository
    path = record.write(root / "registrations", registration())
    commit("register")
    path.unlink()
    other = scores([form()])
    other["score"] += 1
    record.write(path.parent, registration((form(),), scores=other))
    found = check(path, truth)
    assert any("is not what commit" in reason for reason in found)
    commit("better numbers")
    found = check(path, truth)
    assert any("first.csv was changed by commit" in reason for reason in found)


def test_without_history_nothing_is_claimed(tmp_path, repository):
    root, truth, commit, _ = repository
    path = record.write(root / "registrations", registration())
    commit("register")
    subprocess.run(["git", "clone", "-q", "--depth", "1", f"file://{root}", tmp_path / "shallow"], check=True)
    copy = tmp_path / "shallow" / "registrations" / path.name
    with pytest.raises(InputError, match="shallow clone, which hides the order of commits"):
        check(copy, truth)


def test_outside_a_repository_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    path = record.write(tmp_path, registration())
    with pytest.raises(InputError, match="is in no git repository"):
        history.problems(path, record.read(path), tmp_path)


def test_results_are_over_registered_pairs_with_ground_truth(scratch_registry):
    """A fused form is fused anew over a smaller pool; a task without all of its ground truth does not count."""
    encoders, tasks = ("a", "b", "c", "d"), ("lungs", "lobes")
    rng = np.random.default_rng(0)
    parts = {name: {(t, e): rng.random() for t in tasks for e in encoders} for name in ("global", "edge")}
    gate = {"alpha": 0.25, "beta": None, "gamma": None, "gate": "fixed", "time": 1.0, "balance": "sample"}
    gate |= {"strata": True, "anchors": False}
    shared = {"time": 1.0, "balance": "sample"}
    forms = (
        form("gate", metric="gated_flow", parameters=gate),
        form("global", metric="gradient_flow", parameters={**shared, "strata": True}, part_of="gate"),
        form("edge", metric="boundary_flow", parameters={**shared, "anchors": False}, part_of="gate"),
        form("down", metric="twonn", parameters={"kept": 0.9}, direction="down"),
    )
    rows = scores(forms, tasks, encoders)
    for name, values in parts.items():
        own = rows["form"] == name
        rows.loc[own, "score"] = [values[pair] for pair in zip(rows["task"][own], rows["encoder"][own], strict=True)]
    rows.loc[rows["form"] == "down", "score"] = rng.random(8)
    made = registration(forms, scores=rows, pairs={"short": {task: list(encoders) for task in tasks}})
    mixed = {pair: 0.25 * parts["global"][pair] + 0.75 * parts["edge"][pair] for pair in parts["edge"]}
    dice = {pair: 0.2 + value / 2 for pair, value in mixed.items()}
    done = [pair for pair in dice if pair != ("lobes", "d")]
    truth = pd.DataFrame(
        [("short", e, t, s, "dsc", dice[t, e] + 0.001 * s) for t, e in done for s in range(3)],
        columns=["protocol", "encoder", "task", "seed", "metric", "value"],
    )  # fmt: skip
    pools = {"zoo": list(encoders), "few": ["a", "b"], "three": ["a", "b", "c"]}
    found = outcome.results(made, {"short": truth, "other": truth}, pools, {"lungs": 2, "lobes": 2})
    assert set(found["pool"]) == {"zoo", "three"}
    assert dict(zip(found["pool"], found["tasks"], strict=True)) == {"zoo": 1, "three": 2}
    assert set(found["form"]) == {"gate", "down"}, "parts are not judged"
    members = ["a", "b", "c"]
    taus = []
    for task in tasks:
        scaled = [[(parts[p][task, e] - min(parts[p][task, m] for m in members)) for e in members] for p in parts]
        mixed = 0.25 * np.array(scaled[0]) / max(scaled[0]) + 0.75 * np.array(scaled[1]) / max(scaled[1])
        taus.append(weightedtau(mixed, [dice[task, e] for e in members]).statistic)
    own = found.query("pool == 'three' and form == 'gate'")["tau_w"].item()
    assert own == pytest.approx(np.mean(taus))
    values = rows[(rows["form"] == "down") & (rows["task"] == "lungs")].set_index("encoder")["score"]
    expected = weightedtau([-values[e] for e in encoders], [dice["lungs", e] for e in encoders]).statistic
    assert found.query("pool == 'zoo' and form == 'down'")["tau_w"].item() == pytest.approx(expected)
