"""Killed, doubled and starved runs of a tiny world; `faults.py` beside this file is the whole campaign."""

import json
import os
import sys
from pathlib import Path

import fault_rooms as rooms
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "tasks"))
import raw_data

from tebench.base import storage
from tebench.base.errors import CacheError, InputError
from tebench.benchmark.own_data import budgeted
from tebench.tasks import dataset


@pytest.fixture(scope="module")
def world(tiny_rooms, tmp_path_factory):
    return rooms.calm_runs(tmp_path_factory.mktemp("calm"))


@pytest.mark.parametrize("room, number", [("extraction", 0), ("extraction", 11), ("scoring", 1), ("scoring", 12),
                                          ("fine-tuning", 2)])  # fmt: skip
def test_a_killed_run_loses_and_leaves_nothing(world, tmp_path, room, number):
    calm, outcomes = world
    how = rooms.moments_of_kill(room, 20, outcomes[room])[number]
    result = rooms.kill_and_rerun(rooms.ROOMS[room], tmp_path / "world", calm, **how)
    assert result["first"] == "killed" and result["second"] == "done", result
    assert not (result["lost"] or result["differ"] or result["left"]), result


@pytest.mark.parametrize("room", ["extraction", "scoring"])
def test_three_processes_on_one_cache(world, tmp_path, room):
    calm, _ = world
    place = rooms.start_of(rooms.ROOMS[room], tmp_path / "world", calm)
    children = [rooms.Child(rooms.ROOMS[room].work, place) for _ in range(3)]
    ended = [child.finish() for child in children]
    assert [one.status for one in ended] == ["done"] * 3, ended
    assert rooms.content(place) == rooms.content(calm[room]) and not rooms.leftovers(place)


@pytest.mark.parametrize("room, limit", [("extraction", 1500), ("scoring", 600), ("fine-tuning", 4000)])
def test_a_disk_that_takes_no_more_is_said_and_a_rerun_goes_on(world, tmp_path, room, limit):
    """A limit on the size of files stands for the full disk of `faults.py`: writing fails with an OSError half way."""
    calm, _ = world
    place = rooms.start_of(rooms.ROOMS[room], tmp_path / "world", calm)
    first = rooms.run(rooms.ROOMS[room], place, limit=limit)
    assert first.status == "error" and "cannot write" in first.said, first
    again = rooms.run(rooms.ROOMS[room], place)
    assert again.status == "done", again
    assert rooms.content(place) == rooms.content(calm[room]) and not rooms.leftovers(place)


def test_a_metric_that_failed_for_the_disk_is_tried_again_by_any_rerun(tmp_path):
    """Found: moments that a full disk refused failed their metrics for good, as if the data had been wrong."""
    from tebench.base import failures
    from tebench.metrics import registry
    from tebench.scoring import score_file
    from tebench.scoring.compute import compute
    from tebench.scoring.request import Request

    def refused(*_):
        raise InputError("cannot write moments: No space left on device.") from OSError(28, "No space left on device")

    class View:
        value = refused

    metric = registry.load()["gbc"]
    header = {"facts": {}, "feature_hash": "f", "label_hash": "l"}
    score = compute(Request(metric, {}), "task", "encoder", header, View())
    score_file.write(tmp_path / "x.json", score)
    assert score.status == "failed" and score.reason.startswith("OSError: cannot write moments")
    record = failures.read(failures.path_for(tmp_path / "x.json"))
    assert record["transient"] and failures.standing(failures.path_for(tmp_path / "x.json"), False) is None


def test_what_a_killed_writer_left_goes_and_a_living_one_s_stays(tmp_path):
    """Found: a killed write of a cell left its temporary file for ever."""
    import fcntl

    left, living = tmp_path / ".a.json.dead.part.json", tmp_path / ".a.json.live.part.json"
    other = tmp_path / ".b.json.dead.part.json"
    for path in (left, living, other):
        path.write_text("half")
    with open(living) as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        storage.write_json(tmp_path / "a.json", {"a": 1})
    assert sorted(os.listdir(tmp_path)) == [living.name, other.name, "a.json"]


def test_a_failed_write_leaves_no_file(tmp_path):
    with pytest.raises(InputError, match="cannot write"), storage.atomic_path(tmp_path / "a") as path:
        path.write_text("half")
        raise OSError(28, "No space left on device")
    assert os.listdir(tmp_path) == []


def test_sealed_json_is_read_back_or_refused(tmp_path):
    path = tmp_path / "x.json"
    storage.write_sealed(path, {"a": 0.125, "b": [1, "x"]})
    assert storage.read_sealed(path) == {"a": 0.125, "b": [1, "x"]}
    text = path.read_text()
    for other in (text.replace("0.125", "0.126"), text.replace("1,", "2,"), json.dumps({"a": 1}), "[]", "7"):
        path.write_text(other)
        with pytest.raises(CacheError, match=r"x\.json was altered after it was written, or carries no checksum"):
            storage.read_sealed(path)


def test_an_altered_check_of_a_data_set_is_made_again(tmp_path, caplog):
    """Found: a changed digit in it made the data another task, whose features were read anew, without a word."""
    raw_data.nnunet(tmp_path / "raw", 2)
    first = dataset.open_dataset(tmp_path / "raw", cache=tmp_path / "checked")
    stamp = sorted((tmp_path / "checked").glob("*/*.json"))[0]  # one a case
    text = stamp.read_text()
    digit = next(at for at in range(len(text)) if text[at : at + 2].isdigit())
    stamp.write_text(text[:digit] + str((int(text[digit]) + 1) % 10) + text[digit + 1 :])
    seen = []
    again = dataset.open_dataset(tmp_path / "raw", cache=tmp_path / "checked", on_case=seen.append)
    assert again.fingerprint == first.fingerprint and len(seen) == 2
    assert f"{stamp} was altered after it was written" in caplog.text and stamp.read_text() == text


def test_altered_scores_of_a_ranking_are_computed_again(tmp_path, caplog):
    """Found: they carried no checksum, and another digit was another score."""
    from tebench.metrics import registry
    from tebench.scoring import score_file
    from tebench.scoring.request import Request
    from tebench.scoring.score import made

    path = tmp_path / "gbc-x.json"
    request = Request.make(registry.get("gbc"), {}, None, 0)
    header = {"feature_hash": "f", "label_hash": "l"}
    score = made(request, "task", "a", header, score=-3.25, resamples={"draws": [-3.25], "left_out": None})
    score_file.write(path, score)
    assert score_file.read(path) == score
    path.write_text(path.read_text().replace("-3.25", "-3.24"))
    assert score_file.read(path) is None and "gbc-x.json was altered" in caplog.text


def test_an_altered_plan_of_a_ranking_is_made_again(tmp_path, caplog):
    path = tmp_path / "plan-x.json"
    storage.write_sealed(path, {"cases": 3, "share": 0.5, "full": 60.0})
    assert budgeted._plan(path)["cases"] == 3
    path.write_text(path.read_text().replace("3", "4", 1))
    assert budgeted._plan(path) is None and "plan-x.json was altered" in caplog.text
