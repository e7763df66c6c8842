import json
import math
import os
import signal
from types import SimpleNamespace

import pandas as pd
import pytest
from finetuning_fakes import SOURCES, quick

from tebench.base.errors import CacheError, InputError, UnknownNameError
from tebench.base.storage import read_json
from tebench.finetuning import rows
from tebench.finetuning.cell import Sources, _package_hashes
from tebench.finetuning.runs import collect, plan, run_grid
from tebench.finetuning.workers import Bar

SHORT = {"steps": 4}


def grid(folder, encoders=("tiny", "other"), tasks=("blobs",), seeds=(0, 1), workers=1, **changes):
    return run_grid(
        quick(**{**SHORT, **changes}), encoders, tasks, seeds, folder=folder, workers=workers, progress=False,
        sources=SOURCES,
    )  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grid")
    return folder, grid(folder)


def test_rows_have_the_declared_columns_and_order(finished):
    folder, report = finished
    table, volumes = collect(folder)
    assert tuple(table.columns) == rows.COLUMNS and tuple(volumes.columns) == rows.VOLUME_COLUMNS
    assert table[["encoder", "seed"]].values.tolist() == [["other", 0], ["other", 1], ["tiny", 0], ["tiny", 1]]
    assert len(report.done) == 4 and not report.failed
    first = table.iloc[0]
    expected = ["quick-v0", "blobs", "dsc", 4, "cpu"]
    assert first[["protocol", "task", "metric", "steps", "device"]].tolist() == expected
    assert first.encoder_fingerprint == "print-of-other" and first.task_fingerprint == "print-of-blobs"
    assert table.value.between(0, 1).all() and (table.seconds >= 0).all() and first.machine
    assert len(volumes) == 4 * 2 * 2


def test_values_are_recomputed_from_the_volumes_and_absent_classes_stay_out(finished):
    table, volumes = collect(finished[0])
    assert volumes[(volumes.volume == "half") & (volumes["class"] == "dark")].dice.isna().all()
    by_volume = volumes.groupby(["encoder", "seed", "volume"]).dice.mean()
    again = by_volume.groupby(["encoder", "seed"]).mean()
    for row in table.itertuples():
        assert row.value == pytest.approx(again[row.encoder, row.seed])


def test_csvs_are_the_same_bytes_each_time_and_read_back(finished, tmp_path):
    one = [path.read_bytes() for path in rows.write_csvs(finished[0], tmp_path / "one")]
    two = [path.read_bytes() for path in rows.write_csvs(finished[0], tmp_path / "two")]
    assert one == two
    back = pd.read_csv(tmp_path / "one" / "starter.csv")
    assert tuple(back.columns) == rows.COLUMNS and back.floor.dtype == bool and len(back) == 4


def test_dice_before_the_end_has_a_table_of_its_own(finished, tmp_path):
    grid(tmp_path / "runs", encoders=("tiny",), seeds=(0,), evaluate_from=1)
    rows_path, _, path = rows.write_csvs(tmp_path / "runs", tmp_path)
    curves = pd.read_csv(path)
    assert path.name == "starter_curves.csv" and tuple(curves.columns) == rows.CURVE_COLUMNS
    assert curves.groupby("steps").size().to_dict() == {1: 4, 2: 4}
    assert len(pd.read_csv(rows_path)) == 1 and len(rows.write_csvs(finished[0], tmp_path / "plain")) == 2
    changed = next((tmp_path / "runs").rglob("*.json"))
    content = read_json(changed)
    content["curve"][0]["dice"] = 0.123
    changed.write_text(json.dumps(content))
    with pytest.raises(CacheError, match="does not match its own digest"):
        rows.read_result(changed)


def test_finished_runs_are_found_and_not_repeated(finished):
    before = {path: path.stat().st_mtime_ns for path in finished[0].rglob("*.json")}
    report = grid(finished[0])
    assert not report.done and len(report.found) == 4
    assert before == {path: path.stat().st_mtime_ns for path in finished[0].rglob("*.json")}


def test_seeds_are_the_outer_loop():
    runs = plan(quick(), ["tiny", "other"], ["blobs"], [3, 1], folder="x", sources=SOURCES)
    assert [(run.seed, run.encoder) for run in runs] == [(3, "tiny"), (3, "other"), (1, "tiny"), (1, "other")]
    assert len({run.key for run in runs}) == 4


@pytest.mark.parametrize("damage", ["value", "truncated", "dice"])
def test_a_damaged_result_is_named_and_left_out_then_made_again(tmp_path, damage, caplog):
    grid(tmp_path, encoders=["tiny"], seeds=[0])
    path = plan(quick(**SHORT), ["tiny"], ["blobs"], [0], folder=tmp_path, sources=SOURCES)[0].path
    good = read_json(path)
    content = json.loads(path.read_text())
    if damage == "value":
        content["row"]["value"] = 0.99
    else:
        content["volumes"][0]["dice"] = 0.99
    path.write_text(path.read_text()[:-40] if damage == "truncated" else json.dumps(content))
    foreign = path.with_name("blobs-other-seed9-000.json")
    foreign.write_text("{}")
    assert collect(tmp_path)[0].empty
    assert path.name in caplog.text and f"{foreign.name} is damaged" in caplog.text
    assert grid(tmp_path, encoders=["tiny"], seeds=[0]).done == ["blobs-tiny-seed0"]
    assert read_json(path)["digest"] == good["digest"]
    assert len(collect(tmp_path)[0]) == 1


def test_results_of_another_version_are_set_aside_and_taken_back(tmp_path, caplog):
    grid(tmp_path, encoders=["tiny"], seeds=[0])
    old = collect(tmp_path)[0]
    grid(tmp_path, encoders=["other"], seeds=[1], decoder_lr=0.01)
    assert "set aside" in caplog.text and collect(tmp_path)[0].encoder.tolist() == ["other"]
    report = grid(tmp_path, encoders=["tiny"], seeds=[0])
    assert report.found == ["blobs-tiny-seed0"] and not report.done
    pd.testing.assert_frame_equal(collect(tmp_path)[0], old)


def test_rows_of_two_versions_never_mix(tmp_path):
    for folder, rate in (("one", 0.02), ("two", 0.01)):
        grid(tmp_path / folder, encoders=["tiny"], seeds=[0 if folder == "one" else 1], decoder_lr=rate)
    with pytest.raises(InputError, match="several versions of one protocol"):
        collect(tmp_path)
    grid(tmp_path / "three", encoders=["tiny"], seeds=[0])
    with pytest.raises(InputError, match="several versions of one seed"):
        collect(tmp_path)


def test_a_failed_run_is_written_down_reported_and_tried_again(tmp_path):
    report = grid(tmp_path, encoders=["tiny"], tasks=["broken", "blobs"], seeds=[0])
    assert report.done == ["blobs-tiny-seed0"]
    assert "this case cannot be loaded" in report.failed["broken-tiny-seed0"]
    failure = next(tmp_path.rglob("failed-broken-tiny-seed0-*.json"))
    assert "this case cannot be loaded" in read_json(failure)["error"]
    assert len(collect(tmp_path)[0]) == 1
    again = grid(tmp_path, encoders=["tiny"], tasks=["broken", "blobs"], seeds=[0])
    assert again.found == ["blobs-tiny-seed0"] and list(again.failed) == ["broken-tiny-seed0"]


def test_an_empty_folder_gives_empty_frames(tmp_path):
    table, volumes = collect(tmp_path)
    assert len(table) == len(volumes) == 0 and tuple(table.columns) == rows.COLUMNS


def test_bad_arguments_are_named(tmp_path):
    with pytest.raises(UnknownNameError, match=r"encoder 'tine'.*Did you mean 'tiny'"):
        grid(tmp_path, encoders=["tine"])
    with pytest.raises(UnknownNameError, match=r"task 'blob'.*Did you mean 'blobs'"):
        grid(tmp_path, tasks=["blob"])
    with pytest.raises(InputError, match="seeds must be whole numbers"):
        grid(tmp_path, seeds=[-1])
    with pytest.raises(InputError, match=r"encoders: give at least one, each once"):
        grid(tmp_path, encoders=["tiny", "tiny"])
    with pytest.raises(InputError, match="workers"):
        grid(tmp_path, workers=0)


def test_a_value_that_is_not_finite_is_never_read(tmp_path):
    row = dict.fromkeys(rows.COLUMNS, "x") | {"value": math.inf}
    with pytest.raises(ValueError):
        rows.write_result(tmp_path / "a.json", row, [], "k", {"seed": 0})
    assert not list(tmp_path.glob("*.json"))


def test_a_killed_worker_fails_its_run_alone_and_a_rerun_tries_it_again(tmp_path):
    sources = Sources(SOURCES.load_task, build_or_die, SOURCES.encoder_fingerprint)
    grid = (quick(**SHORT), ["tiny", "other"], ["blobs"], [0, 1])
    report = run_grid(*grid, folder=tmp_path, workers=2, progress=False, sources=sources)
    assert sorted(report.done) == ["blobs-tiny-seed0", "blobs-tiny-seed1"]
    assert sorted(report.failed) == ["blobs-other-seed0", "blobs-other-seed1"]
    assert all("killed, perhaps for lack of memory (signal 9)" in error for error in report.failed.values())
    again = run_grid(*grid, folder=tmp_path, workers=1, progress=False, sources=SOURCES, retry=False)
    assert sorted(again.done) == ["blobs-other-seed0", "blobs-other-seed1"] and not again.failed
    assert not list(tmp_path.rglob("failed-*.json"))


def build_or_die(name: str):
    if name == "other":
        os.kill(os.getpid(), signal.SIGKILL)
    return SOURCES.build_encoder(name)


def test_workers_give_the_weights_of_one_process(tmp_path, finished):
    report = grid(tmp_path, workers=2)
    assert len(report.done) == 4
    here, there = (
        {path.name: read_json(path)["digest"] for path in folder.rglob("blobs-*.json")}
        for folder in (tmp_path, finished[0])
    )
    assert len(here) == 4 and here == there


def test_packages_that_encoder_and_task_name_are_hashed_into_the_row():
    from tebench.assets import catalogue

    encoder = SimpleNamespace(facts=SimpleNamespace(source="deepbet 1.0.2, data/models/model.pt"))
    task = SimpleNamespace(facts={"source": "a template", "packages": ["nilearn"]})
    text = _package_hashes(encoder, task)
    assert text == " ".join(f"{name}={catalogue.fingerprint(name)[:16]}" for name in ("deepbet", "nilearn"))


def test_the_bar_counts_resumed_steps_as_done_but_not_as_speed():
    with Bar(quick(steps=10), 3, 1, True) as bar:
        bar.step("a", 4)
        bar.step("a", 5)
        bar.step("b", 0)
        bar.finish("b")
        assert (bar.bar.n, bar.bar.initial, bar.bar.total) == (25, 14, 30)
