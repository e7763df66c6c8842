"""Frozen versions: rows, page and hashes for good, under plain names only."""

import html
import json
from pathlib import Path

import leaderboard_world
import pytest

import tebench
from tebench.base.errors import CacheError, InputError
from tebench.cli.config import compose
from tebench.cli.jobs import leaderboard as job
from tebench.cli.jobs.cite import cite
from tebench.publication import publish, versions
from tebench.publication.boards import Board


@pytest.fixture(name="folder")
def _folder(tmp_path, monkeypatch):
    """A leaderboard folder whose boards are cheap: whole pool only, no figures."""
    rows, truth = leaderboard_world.rows_and_truth()
    keep = rows["metric"].isin(["grtd", "gbc"])
    leaderboard_world.write(tmp_path, rows[keep], truth)
    plain = publish.boards
    monkeypatch.setattr(
        publish, "boards", lambda *a, **k: [Board(**{**vars(b), "pools": b.pools[:1]}) for b in plain(*a, **k)]
    )
    monkeypatch.setattr(publish, "_drawn", lambda recipes, workers: {"figures/starter-v1.svg": b"<svg/>"})
    return tmp_path


def test_a_version_holds_everything_is_kept_and_says_what_moved(folder):
    made = versions.freeze(folder, "v1.0", protocol="starter-v1")
    assert made == folder / "v1.0"
    lying = {path.relative_to(made).as_posix() for path in made.rglob("*") if path.is_file()}
    stated = json.loads((made / "manifest.json").read_text())
    assert lying == {*stated["files"], "manifest.json"}
    assert {"results/starter.csv", "ground_truth/starter.csv", "index.html", "README.md", "CHANGES.md"} <= lying
    assert stated["version"] == "v1.0" and "version = {v1.0}" in (made / "index.html").read_text()
    assert not list(folder.glob(".freezing*"))
    assert versions.altered(folder) == []
    with pytest.raises(InputError, match="stays as it was cited"):
        versions.freeze(folder, "v1.0")
    with pytest.raises(InputError, match=r"older than v1\.0"):
        versions.freeze(folder, "v0.9")

    rows, _ = leaderboard_world.rows_and_truth(seed=8)
    rows = rows[rows["metric"].isin(["grtd", "gbc"])].copy()
    before, _ = leaderboard_world.rows_and_truth()
    rows["score"] = rows["score"].where(rows["metric"] == "gbc", before.loc[rows.index, "score"])
    leaderboard_world.write(folder, rows, leaderboard_world.rows_and_truth()[1])
    changes = (versions.freeze(folder, "v1.1", protocol="starter-v1") / "CHANGES.md").read_text()
    assert "tau_w that moved since v1.0" in changes and "/ gbc: " in changes and "different score" in changes
    assert "/ grtd:" not in changes
    assert versions.names(folder) == ["v1.0", "v1.1"]

    page = folder / "v1.0" / "index.html"
    page.write_text(page.read_text() + " ")
    (folder / "v1.0" / "tables" / "stray.csv").write_text("")
    (folder / "v1.1" / "README.md").unlink()
    assert versions.altered(folder) == [
        "v1.0/index.html is not what was frozen", "v1.0/tables/stray.csv was not frozen with it",
        "v1.1/README.md is absent",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "name", ["1.0", "v1", "../v1.0", "v1.0/..", "v1.0/../../x", "/tmp/v1.0", "v01.0", "v1.0\n", "", None, 1.0, "v1.0 "]
)
def test_other_names_are_refused_before_anything_is_written(folder, name):
    before = sorted(folder.rglob("*"))
    with pytest.raises(InputError, match=r"named like v1\.0"):
        versions.freeze(folder, name)
    assert sorted(folder.rglob("*")) == before


def test_a_link_in_place_of_a_version_is_refused(folder, tmp_path_factory):
    (folder / "v2.0").symlink_to(tmp_path_factory.mktemp("elsewhere") / "absent")
    with pytest.raises(InputError, match="exists"):
        versions.freeze(folder, "v2.0")


def test_an_altered_table_is_not_cited(folder):
    made = versions.freeze(folder, "v1.0", protocol="starter-v1")
    assert set(versions.table(folder, "starter-v1", "v1.0")["metric"]) == {"grtd", "gbc"}
    with pytest.raises(InputError, match="publishes no board 'other'"):
        versions.table(folder, "other", "v1.0")
    with pytest.raises(InputError, match=r"v3.0 does not exist. Frozen: v1.0"):
        versions.table(folder, "starter-v1", "v3.0")
    (made / "tables" / "starter-v1.csv").write_text("task\n")
    with pytest.raises(CacheError, match="not the file that its manifest lists"):
        versions.table(folder, "starter-v1", "v1.0")


def test_the_command_cites_a_number_as_the_page_does(folder):
    made = versions.freeze(folder, "v1.0", protocol="starter-v1")
    said = cite(folder, "starter-v1", metric="grtd", task="tissues", version="v1.0")
    entry, _, link = said.rpartition("\n")
    page = html.unescape((made / "index.html").read_text())
    # The script sets the page's own entries together; tests/browser compares them.
    assert link == "leaderboard/v1.0/index.html#starter-v1.zoo.tissues.grtd"
    assert 'id="starter-v1.zoo.tissues.grtd"' in page
    assert "@misc{tebench-v1.0-starter-v1.zoo.tissues.grtd," in entry
    assert "version = {v1.0}" in entry and "tau\\_w" in entry
    assert cite(folder, "starter-v1", version="v1.0").startswith("@misc{tebench-v1.0,")
    with pytest.raises(InputError, match=r"unknown metric of leaderboard v1.0 'grdt'. Did you mean 'grtd'"):
        cite(folder, "starter-v1", metric="grdt", version="v1.0")
    with pytest.raises(InputError, match=r"named like v1\.0"):
        cite(folder, "starter-v1", version="../v1.0")


def test_versions_in_the_tree_are_as_they_were_frozen():
    assert versions.altered(Path(tebench.__file__).parents[1] / "leaderboard") == []


def test_the_check_names_an_altered_version(folder, capsys, monkeypatch):
    (folder / "v1.0").mkdir()
    (folder / "v1.0" / "manifest.json").write_text('{"files": {"../../secret": "0"}}')
    monkeypatch.setattr(publish, "build", lambda *_, **__: {"index.html": b"x"})
    monkeypatch.setattr(publish, "differences", lambda *_: [])
    with pytest.raises(SystemExit, match="1"):
        job.run(*compose("leaderboard", f"folder={folder}", "check=true", "workers=1")[1:])
    assert "lies outside" in (said := capsys.readouterr().out) and "frozen version was altered" in said
    with pytest.raises(InputError, match=r"neither with update nor with freeze"):
        compose("leaderboard", "check=true", "freeze=v1.0")
