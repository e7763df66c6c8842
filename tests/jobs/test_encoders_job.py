"""job=encoders: the table of what was understood, what is unusual, and what is refused."""

import sys
from pathlib import Path

import own_world
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "encoders"))
from checkpoint_files import primus_content, resenc_content, save

from tebench.base import storage
from tebench.cli.jobs import encoders
from tebench.encoders import checkpoints


def run(*words):
    encoders.run(*own_world.compose("job=encoders", *words))


@pytest.fixture(autouse=True)
def no_added_checkpoints(monkeypatch):
    monkeypatch.setenv(checkpoints.VARIABLE, "{}")


def test_a_folder_of_checkpoints(tmp_path, capsys):
    save(tmp_path / "ResEncL-S3D", {**resenc_content(), "spark_weights": {}})
    save(tmp_path / "PrimusM-MAE", primus_content())
    run(f"encoders=[{tmp_path},deepbrain]")
    heading, *lines = capsys.readouterr().out.splitlines()
    assert heading.split("  ")[0] == "encoder" and heading.split()[1:4] == ["architecture", "parameters", "stages"]
    assert [line.split()[0] for line in lines[:3]] == ["PrimusM-MAE", "ResEncL-S3D", "deepbrain"]
    for word in ("PrimusM", "3 x 72@8", "1x1x1", "zscore_all", "64x64x64", "zyx"):
        assert word in lines[0]
    assert "2@1, 3@2, 4@4, 4@8" in lines[1]
    assert "53,896" in lines[2] and "task's own" in lines[2] and "xyz" in lines[2]
    assert "supervised" in lines[2] and "brain" in lines[2].split()
    assert "  ResEncL-S3D: also holds spark_weights; not needed here" in lines


def test_refused_files_do_not_hide_the_others(tmp_path, capsys):
    save(tmp_path / "good", resenc_content())
    bad = save(tmp_path / "bad", resenc_content())
    bad.write_bytes(bad.read_bytes()[:1000])
    with pytest.raises(SystemExit) as caught:
        run(f"encoders={tmp_path}")
    out = capsys.readouterr().out
    assert caught.value.code == 1
    assert out.splitlines()[1].startswith("good ") and "  bad: checkpoint" in out.split("Refused")[1]


def test_the_pool_of_the_benchmark_without_a_download(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("TEBENCH_CACHE", str(tmp_path / "empty"))
    run()
    assert len(capsys.readouterr().out.splitlines()) == 7


def test_records_are_written_for_the_catalogues_encoders(tmp_path, capsys):
    save(tmp_path / "mine", resenc_content())
    run(f"encoders=[{tmp_path / 'mine'},deepbet,deepbet_graded_25]", f"records={tmp_path / 'records'}")
    written = sorted(path.name for path in (tmp_path / "records").iterdir())
    assert written == ["deepbet.json", "deepbet_graded_25.json"]
    record = storage.read_json(tmp_path / "records" / "deepbet.json")
    assert record["leakage"]["subcortex"] == "none" and record["factors"]["family"] == "deepbet"
    assert "records/deepbet.json" in capsys.readouterr().out


def test_the_inventory_as_csv_and_page(tmp_path, capsys):
    import csv

    value = resenc_content()
    value["trainer_name"] = "=1+1 <script>"
    save(tmp_path / "zoo" / "good", value)
    (tmp_path / "zoo" / "bad.pth").write_bytes(b"\x80")
    (tmp_path / "zoo" / "page.model").write_bytes(b"<!doctype html>")
    with pytest.raises(SystemExit):
        run(f"encoders=[{tmp_path / 'zoo'}]", f"job.folder={tmp_path / 'out'}")
    assert "out/encoders.csv" in capsys.readouterr().out
    rows = {line["encoder"]: line for line in csv.DictReader((tmp_path / "out" / "encoders.csv").open())}
    assert rows["good"]["format"] == "nnssl / OpenMind" and rows["good"]["training data"] == "Dataset745_OpenMind"
    assert "is truncated, damaged" in rows["bad"]["refused"] and "web page" in rows["page"]["refused"]
    assert rows["good"]["file"].endswith("good/checkpoint_final.pth") and not rows["good"]["refused"]
    page = (tmp_path / "out" / "encoders.html").read_text()
    assert "&lt;script&gt;" in page and "<script" not in page and page.count("<tr>") == 4


def test_the_page_of_the_zoo_is_what_the_table_says():
    from pathlib import Path

    from tebench.encoders.readers import families

    assert (Path(__file__).parents[2] / "docs" / "zoo.md").read_text() == families.page()
