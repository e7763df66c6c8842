"""The grid from its files: partial, failed, running, damaged; and the tables of what is there."""

import json
import subprocess
import sys
import time
from dataclasses import replace

import own_world
import pandas as pd
import pytest
import tiny_world

from tebench.base import failures, storage
from tebench.base.errors import InputError, TebenchError
from tebench.benchmark import grid_state
from tebench.benchmark.spec import resolve
from tebench.cli.jobs import collect, extract, finetune, score, status
from tebench.features import cache


@pytest.fixture
def tiny(tmp_path, monkeypatch, scratch_registry):
    tiny_world.install(monkeypatch.setattr)
    for made in (tiny_world.spread, tiny_world.fussy):
        assert made.__name__ in scratch_registry._METRICS
    monkeypatch.chdir(tmp_path)

    def config(job, *changes, metric="spread"):
        given = {change.split("=", 1)[0] for change in changes}
        small = [a for a in tiny_world.SMALL if a.split("=", 1)[0] not in {"plugins", *given}]
        words = [f"metric={metric}", *small, *changes, f"cache={tmp_path / 'cache'}", "output=out"]
        words += ["rows=out"] if job == "finetune" else []
        return own_world.compose(f"job={job}", *own_world.read_by(job, words))

    return config


def states(config):
    return {state.name: state for state in status.states_of(*config, resolve(config[0]))}


def counts(config):
    return {name: state.state for name, state in states(config).items()}


def test_an_empty_cache_is_missing_and_says_why(tiny, capsys):
    status.run(*tiny("status", "job.seeds=[0]", "job.shown=1"))
    out = capsys.readouterr().out
    assert "missing (6)" in out and "no sample of this task is drawn yet" in out and "and 5 more" in out
    table = pd.read_csv("out/status.csv")
    assert tuple(table.columns) == grid_state.COLUMNS and set(table["state"]) == {"missing"} and len(table) == 6


def test_a_partial_grid_then_the_whole(tiny, capsys):
    extract.run(*tiny("extract", "encoders=[tiny]"))
    finetune.run(*tiny("finetune", "encoders=[tiny]", "job.seeds=[0]"))
    score.run(*tiny("score", "encoders=[tiny]", "job.tables=false"))
    assert counts(tiny("status", "job.seeds=[0,1]")) == {
        "extract blobs / tiny": "done",
        "extract blobs / other": "missing",
        "finetune blobs / tiny seed 0": "done",
        "finetune blobs / other seed 0": "missing",
        "finetune blobs / tiny seed 1": "missing",
        "finetune blobs / other seed 1": "missing",
        "score blobs / tiny spread": "done",
        "score blobs / other spread": "missing",
    }
    capsys.readouterr()
    collect.run(*tiny("collect", "job.ground_truth=true", "job.seeds=[0]"))
    out = capsys.readouterr().out
    assert "scores: 1 of 2 there" in out and "fine-tuning rows: 1 of 2 there" in out
    assert "score blobs / other spread: its features are not there" in out and "no correlation table" in out
    scores = pd.read_csv("out/scores.csv").set_index("encoder")
    assert scores["status"].to_dict() == {"tiny": "ok", "other": "missing"}
    assert "its features are not there" in scores.loc["other", "reason"]
    assert pd.read_csv("out/quick.csv")["encoder"].tolist() == ["tiny"]
    assert len(pd.read_csv("out/not_there.csv")) == 3

    score.run(*tiny("score", "job.tables=false"))
    finetune.run(*tiny("finetune", "job.seeds=[0]"))
    collect.run(*tiny("collect", "job.ground_truth=true", "job.seeds=[0]"))
    assert "nothing is missing" in capsys.readouterr().out
    assert set(counts(tiny("status", "job.seeds=[0]", "job.verify=true")).values()) == {"done"}


def test_a_fusion_waits_for_its_parts(tiny, capsys):
    score.run(*tiny("score", "encoders=[tiny,third]", "job.tables=false", metric="grtd_lbtc"))
    collect.run(*tiny("collect", "encoders=[tiny,other,third]", metric="grtd_lbtc"))
    scores = pd.read_csv("out/scores.csv").set_index("encoder")
    assert scores["metric"].unique().tolist() == ["grtd_lbtc"]
    assert scores["status"].to_dict() == {"tiny": "ok", "other": "missing", "third": "ok"}
    assert scores.loc["tiny", "reason"] == "pool without other"


def test_a_failed_score_stands_until_it_is_asked_for_again(tiny, monkeypatch):
    config = tiny("score", "job.tables=false", metric="fussy")
    with pytest.raises(InputError, match="2 of 2 scores failed"):
        score.run(*config)
    state = states(tiny("status", metric="fussy"))["score blobs / tiny fussy"]
    assert state.state == "failed" and "ZeroDivisionError: none of these features please me" in state.detail
    assert "retry=true tries it again" in state.detail
    collect.run(*tiny("collect", metric="fussy"))
    assert pd.read_csv("out/scores.csv")["status"].tolist() == ["failed", "failed"]

    calls = []
    from tebench.scoring import engine

    real = engine.traced
    monkeypatch.setattr(engine, "traced", lambda *given: calls.append(given) or real(*given))
    with pytest.raises(InputError, match="retry=true"):
        score.run(*config)
    assert not calls, "a failure that stands is not computed again"
    with pytest.raises(InputError, match="2 of 2 scores failed"):
        score.run(replace(config[0], retry=True), config[1])
    assert len(calls) == 2


def test_failed_extraction_and_fine_tuning_are_on_record_and_retried_on_request(tiny, monkeypatch):
    given = "tasks=[broken,blobs]", "benchmark.tasks=[broken,blobs]"
    config = tiny("finetune", *given, "encoders=[tiny]", "job.seeds=[0]")
    with pytest.raises(SystemExit):
        finetune.run(*config)
    found = states(tiny("status", *given, "encoders=[tiny]", "job.seeds=[0]", "job.parts=[finetune]"))
    assert found["finetune blobs / tiny seed 0"].state == "done"
    failed = found["finetune broken / tiny seed 0"]
    assert failed.state == "failed" and "RuntimeError: this case cannot be loaded" in failed.detail
    loads = []
    monkeypatch.setattr(
        "tebench.finetuning.cell._task", lambda *a: loads.append(a) or (_ for _ in ()).throw(OSError(5))
    )
    with pytest.raises(SystemExit):
        finetune.run(*config)
    assert not loads
    with pytest.raises(SystemExit):
        finetune.run(replace(config[0], retry=True), config[1])
    with pytest.raises(SystemExit):
        finetune.run(*config)
    assert len(loads) == 2, "an error of the machine (OSError) is tried again without being asked"

    extract.run(*tiny("extract"))
    one = next(iter(states(tiny("status")).values()))
    folder = grid_state.Path(one.path)
    (folder / "manifest.json").unlink()
    calls = []

    def broken(*_):
        calls.append(1)
        raise ValueError("odd network")

    monkeypatch.setattr("tebench.features.extraction._build", broken)
    for _ in range(2):
        with pytest.raises((ValueError, TebenchError), match="odd network"):
            extract.run(*tiny("extract"))
    state = states(tiny("status"))[one.name]
    assert len(calls) == 1 and state.state == "failed" and "ValueError: odd network" in state.detail
    monkeypatch.undo()


def test_damaged_files_are_named_and_not_counted_as_done(tiny, caplog):
    score.run(*tiny("score", "job.tables=false"))
    finetune.run(*tiny("finetune", "job.seeds=[0]"))
    config = tiny("status", "job.seeds=[0]", "job.verify=true")
    before = states(config)
    features = grid_state.Path(before["extract blobs / tiny"].path) / "features.safetensors"
    run, cell = (grid_state.Path(before[name].path) for name in (
        "finetune blobs / tiny seed 0", "score blobs / other spread",
    ))  # fmt: skip
    content = bytearray(features.read_bytes())
    content[-1] ^= 1
    features.write_bytes(content)
    run.write_text(run.read_text().replace('"value": ', '"value": 1'))
    cell.write_text("{")
    after = states(config)
    assert "features.safetensors is damaged" in after["extract blobs / tiny"].detail
    assert "does not match its own digest" in after["finetune blobs / tiny seed 0"].detail
    assert "damaged, computed again" in after["score blobs / other spread"].detail
    changed = {name for name in after if after[name].state != "done"}
    assert changed == {
        "extract blobs / tiny", "finetune blobs / tiny seed 0",
        "score blobs / other spread", "score blobs / tiny spread",
    }  # fmt: skip
    collect.run(*tiny("collect", "job.ground_truth=true", "job.seeds=[0]"))
    assert pd.read_csv("out/quick.csv")["encoder"].tolist() == ["other"]


def test_running_is_known_by_the_lock_and_its_note(tiny, tmp_path):
    extract.run(*tiny("extract"))
    config = tiny("status", "job.parts=[extract]")
    name = "extract blobs / tiny"
    folder = grid_state.Path(states(config)[name].path)
    (folder / "manifest.json").rename(tmp_path / "kept")
    lock, cases = folder.parent / f".{folder.name}", folder.parent / f".{folder.name}.cases"
    program = (
        "import sys, time; from tebench.base import storage\n"
        f"with storage.locked(storage.Path({str(lock)!r})): print('held', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    state = states(config)[name]
    assert state.state == "running" and f"lock held by process {process.pid} on " in state.detail
    process.kill()
    process.wait()
    cases.mkdir()
    (cases / "00000.safetensors").write_bytes(b"x")
    state = states(config)[name]
    assert state.state == "missing" and "interrupted, a rerun goes on from 1 of 3 cases" in state.detail
    # A lock left on another host, which this file system may not show: the partial file's age decides.
    storage.write_json(storage.Path(f"{lock}.lock"), {"host": "elsewhere", "pid": 7, "since": time.time()})
    state = states(config)[name]
    assert state.state == "running" and "left by process 7 on elsewhere, judged by age" in state.detail
    assert states(tiny("status", "job.parts=[extract]", "job.fresh=0"))[name].state == "missing"


def test_a_closed_folder_is_one_failed_cell(tiny, monkeypatch):
    score.run(*tiny("score", "job.tables=false"))
    before = states(tiny("status"))
    closed = grid_state.Path(before["extract blobs / tiny"].path)
    exists = grid_state.Path.exists

    def refuse(path, *arguments, **options):  # as for a user without rights; root has them always
        if closed in (path, *path.parents):
            raise PermissionError(13, "Permission denied", str(path))
        return exists(path, *arguments, **options)

    check = cache.check
    monkeypatch.setattr(cache, "check", lambda folder, *a, **k: (refuse(folder), check(folder, *a, **k))[1])
    monkeypatch.setattr(grid_state.Path, "exists", refuse)
    after = states(tiny("status"))
    told = after["extract blobs / tiny"]
    assert told.state == "failed" and "Permission denied" in told.detail
    assert len(after) == len(before)


def test_a_lock_that_cannot_be_read_may_be_held(tmp_path, monkeypatch):
    assert storage.holder(tmp_path / "x") is None
    (tmp_path / "x.lock").touch()

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(storage.os, "open", refuse)
    assert storage.holder(tmp_path / "x") == storage.Holder(None)


def test_tables_of_the_tasks_that_are_whole_and_none_that_are_stale(tiny, capsys):
    pool, both = "encoders=[tiny,other,third]", ["tasks=[blobs,broken]", "benchmark.tasks=[blobs,broken]"]
    score.run(*tiny("score", pool, "job.tables=false"))
    finetune.run(*tiny("finetune", pool, "job.seeds=[0,1]"))
    collect.run(*tiny("collect", pool, *both, "job.seeds=[0,1]", "job.ground_truth=true"))
    assert "left out of the tables: ground truth lacks 3 cell(s): tiny x broken" in capsys.readouterr().out
    assert set(pd.read_csv("out/correlation.csv")["task"]) == {"blobs", "mean"}
    assert set(pd.read_csv("out/scores.csv")["task"]) == {"blobs", "broken"}
    collect.run(*tiny("collect", pool, "job.seeds=[5]", "job.ground_truth=true"))
    assert "no fine-tuning run is finished yet" in capsys.readouterr().out
    out = grid_state.Path("out")
    assert not list(out.glob("correlation.*")) and not list((out / "figures").glob("*"))


def test_bad_options_are_named(tiny):
    for change, words in (
        ("job.parts=[rank]", "parts must be a list of one of extract, finetune, score"),
        ("job.fresh=-1", "fresh must be a number >= 0"),
        ("job.seeds=[]", "seeds=[]: name at least one"),
    ):
        with pytest.raises(InputError, match=words.replace("[", r"\[")):
            status.run(*tiny("status", change))


def test_status_is_light(tmp_path):
    code = (
        "import sys; sys.argv[1:] = ['status', 'cache=cache'];"
        "from tebench.cli.main import main; main();"
        "print({'torch', 'pandas', 'matplotlib', 'scipy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.strip().endswith("set()"), done.stderr


def test_records_of_failures_are_verified(tmp_path, caplog):
    path = failures.path_for(tmp_path / "a.json")
    failures.record(path, {"task": "t"}, ValueError("why"))
    found = failures.read(path)
    assert found["error"] == "ValueError: why" and not found["transient"] and failures.standing(path, False)
    assert failures.standing(path, True) is None
    path.write_text(json.dumps({**json.loads(path.read_text()), "error": "other"}))
    assert failures.read(path) is None and "not trusted" in caplog.text
    try:
        try:
            raise OSError("disk")
        except OSError as error:
            raise InputError("cannot write") from error
    except InputError as error:
        assert failures.transient(error)
    assert failures.transient(MemoryError()) and not failures.transient(RuntimeError())
    assert failures.transient_name("OutOfMemoryError") and failures.transient_name("FileNotFoundError")
    assert not failures.transient_name("ValueError") and not failures.transient_name("InputError")


def test_a_whole_grid_gives_the_tables_of_the_score_job_byte_for_byte(tiny, tmp_path, capsys):
    three = "encoders=[tiny,other,third]"
    finetune.run(*tiny("finetune", three, "job.seeds=[0,1]"))
    score.run(*tiny("score", three, "job.tables=false", metric="[spread,logme]"))
    collect.run(*tiny("collect", three, "job.ground_truth=true", "job.seeds=[0,1]", metric="[spread,logme]"))
    assert "nothing is missing" in capsys.readouterr().out
    names = ("scores.csv", "correlation.csv", "correlation.tex", "correlation.md")
    collected = {name: (tmp_path / "out" / name).read_bytes() for name in names}
    target = f"job.target={tmp_path / 'out' / 'quick.csv'}"
    score.run(*tiny("score", three, target, metric="[spread,logme]"))
    assert {name: (tmp_path / "out" / name).read_bytes() for name in names} == collected
    # One score less: its row stays, its metric is not ranked, the other metric is.
    file = next((tmp_path / "cache" / "scores" / "blobs" / "third").glob("spread-*.json"))
    file.unlink()
    collect.run(*tiny("collect", three, target, metric="[spread,logme]"))
    out = capsys.readouterr().out
    assert "scores: 5 of 6 there" in out and "score blobs / third spread" in out
    table = pd.read_csv(tmp_path / "out" / "correlation.csv").set_index(["metric", "task"])
    assert table.loc[("spread", "blobs"), "status"] == "missing"
    assert "third" in table.loc[("spread", "blobs"), "reason"]
    assert table.loc[("logme", "blobs"), "status"] in ("ok", "unreliable", "floor")
    scores = pd.read_csv(tmp_path / "out" / "scores.csv")
    assert scores.set_index(["metric", "encoder"]).loc[("spread", "third"), "status"] == "missing"
