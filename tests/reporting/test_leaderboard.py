"""The leaderboard from rows: same bytes, recomputed pools, a page that asks for nothing and runs nothing foreign."""

import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from types import SimpleNamespace

import leaderboard_world
import numpy as np
import pandas as pd
import pytest

from tebench.base.errors import InputError
from tebench.cli.config import compose
from tebench.cli.jobs import leaderboard as job
from tebench.evaluation.arrays import MEAN
from tebench.evaluation.evaluate import evaluate
from tebench.evaluation.pools import Pool
from tebench.publication import boards as leaderboard_boards
from tebench.publication import citation, columns, leaderboard_page, leaderboard_rows, page_data, publish, renewal
from tebench.publication.boards import Board, evaluate_all, read, result_of
from tebench.publication.pools import rescore, stale
from tebench.reporting.summary import number

HOSTILE = "=1+1</script><script>alert('x')</script><img src=x onerror=alert(1)>\"&_%${\\input{x}}"
NARROW = Pool("third_party", tuple(leaderboard_world.ENCODERS[:3]))


@pytest.fixture(name="folder", scope="module")
def _folder(tmp_path_factory):
    folder = leaderboard_world.write(tmp_path_factory.mktemp("leaderboard"), *leaderboard_world.rows_and_truth())
    job.run(*compose("leaderboard", f"folder={folder}", "workers=1")[1:])
    return folder


@pytest.fixture(name="board", scope="module")
def _board(folder):
    return read(folder, "starter")


@pytest.fixture(name="page", scope="module")
def _page(folder):
    return (folder / "index.html").read_text()


class Tags(HTMLParser):
    """Every tag with its attributes; refuses markup that does not close."""

    VOID = ("meta", "img", "input", "br", "link")

    def __init__(self, text):
        super().__init__()
        self.tags, self.open = [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def _data(page):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)[1])


def _embedded(page):
    """View -> its rows as mappings, words in place of numbers that point at them."""
    data, found = _data(page), {}
    for board in data["boards"]:
        for pool in board["pools"]:
            for (task, slug), view in zip(board["tasks"], pool["views"], strict=True):
                rows = [dict(zip(data["row"], row, strict=True)) for row in view["rows"]]
                for row in rows:
                    row |= {name: data["strings"][row[name]] for name in page_data.WORDED}
                    row["metric"], row["slug"], row["title"] = board["metrics"][row["metric"]]
                    row |= {"task": task, "pool": pool, "board": board}
                found[".".join([board["slug"], pool["slug"], slug])] = rows
    return found


def test_the_same_rows_give_the_same_bytes_and_a_changed_byte_is_named(folder, capsys, monkeypatch):
    made = publish.build(folder, draw=False)  # the bytes of figures: test_figures.py
    assert publish.differences(folder, made) == []
    drawn = [f"figures/starter-v1-{name}.{kind}" for name in (
                 "cost-quality", "ground-truth", "slopes-subcortex", "slopes-tissues", "subcortex", "tissues")
             for kind in ("svg", "pdf")]  # fmt: skip
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert names == {*made, *drawn, "results/starter.csv", "ground_truth/starter.csv"}
    for name in ("index.html", "figures/starter-v1-tissues.svg", "tables/starter-v1.csv"):
        path = folder / name
        before = path.read_bytes()
        path.write_bytes(before[:-2] + b"?" + before[-1:])
        assert any(name in said for said in publish.differences(folder, made))
        path.unlink()
        assert f"{name} is absent" in publish.differences(folder, made)
        path.write_bytes(before)
    (folder / "tables" / "stray.tex").write_text("")
    assert publish.differences(folder, made) == ["tables/stray.tex was not generated"]
    monkeypatch.setattr(publish, "build", lambda *_, **__: made)
    with pytest.raises(SystemExit, match="1"):
        job.run(*compose("leaderboard", f"folder={folder}", "check=true", "workers=1")[1:])
    assert "tables/stray.tex was not generated" in capsys.readouterr().out
    (folder / "tables" / "stray.tex").unlink()


def test_changed_rows_are_noticed(folder, tmp_path):
    rows, truth = leaderboard_world.rows_and_truth(seed=4)
    leaderboard_world.write(tmp_path, rows, truth)
    for name in ("manifest.json", "index.html"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    fresh = {name: (tmp_path / name).read_bytes() for name in ("manifest.json", "index.html")}
    changed = json.loads(fresh["manifest.json"]) | {"inputs": publish._inputs(tmp_path, [read(tmp_path, "starter")])}
    fresh["manifest.json"] = json.dumps(changed).encode()
    assert "manifest.json: inputs belongs to other rows" in publish.differences(tmp_path, fresh)


def test_pool_scores_are_recomputed_and_equal_an_evaluation_of_the_narrower_pool(board, page):
    assert [pool.name for pool in board.pools] == ["zoo", "third_party", "random", "within_deepbet", "across_shapes"]
    rows, truth = board.rows, board.truth
    assert rescore(rows, truth, board.pools[0])["score"].equals(rescore(rows, truth, board.pools[0])["score"])
    narrow = rescore(rows, truth, NARROW)
    assert set(narrow["encoder"]) == set(NARROW.encoders)
    fused = narrow[(narrow["metric"] == "grtd_lbtc") & (narrow["task"] == "tissues")].set_index("encoder")
    parts = np.array([[c["grtd"], c["lbtc"]] for c in fused["components"]])
    scaled = (parts - parts.min(0)) / np.ptp(parts, axis=0)
    assert fused["score"].to_numpy() == pytest.approx((scaled[:, 0] + 2 * scaled[:, 1]) / 3)  # 2 classes: alpha = 1/3
    stored = rows[(rows["metric"] == "grtd_lbtc") & (rows["task"] == "tissues")].set_index("encoder")["score"]
    assert not np.allclose(fused["score"], stored.reindex(fused.index))
    expected = evaluate(narrow, truth[truth["encoder"].isin(NARROW.encoders)], board.directions, pool=NARROW)
    embedded = _embedded(page)
    compared = 0
    for row in expected.itertuples():
        view = page_data.view_id("starter-v1", "third_party", row.task)
        (shown,) = [item for item in embedded[view] if item["metric"] == row.metric]
        texts = dict(zip([one.name for one in columns.COLUMNS], shown["cells"], strict=not shown["word"]))
        if not shown["word"]:
            assert texts["n"] == str(row.n) and texts["regret"] == number(row.regret)
        for name in ("tau_w", "low", "null_low", "null_high", "p"):
            value = getattr(row, name)
            assert (shown[name] is None) == (value != value)
            if value == value:
                assert shown[name] == pytest.approx(value, rel=1e-5, abs=1e-9)
                compared += 1
    assert compared > 50


def test_the_stored_pool_is_what_recomputing_gives(board):
    """The identity that a wrong row would break: stored fused scores follow from the stored parts."""
    assert stale(board.rows, board.truth, board.pools[0]) == []
    other = board.rows.assign(pool=board.rows["pool"].where(board.rows["pool"] == "", "0" * 12))
    again = rescore(other, board.truth, board.pools[0])
    key = ["metric", "task", "encoder"]
    again, stored = (frame.set_index(key)["score"].sort_index() for frame in (again, board.rows))
    assert again.index.equals(stored.index)
    assert again.to_numpy(float) == pytest.approx(stored.to_numpy(float), rel=1e-12, nan_ok=True)


@pytest.mark.parametrize("metric", ["grtd_lbtc", "mean_rank_elsewhere"])
def test_a_pool_score_that_does_not_follow_from_its_parts_is_refused(board, tmp_path, metric):
    rows = board.rows.copy()
    rows.loc[rows.index[rows["metric"] == metric][0], "score"] += 1e-6
    assert stale(rows, board.truth, board.pools[0]) == [metric]
    leaderboard_world.write(tmp_path, rows, board.truth)
    with pytest.raises(InputError, match=f"scores of {metric} are not what"):
        read(tmp_path, "starter")


def test_an_unregistered_pool_metric_has_no_number_for_another_pool(board):
    rows = board.rows.replace({"metric": {"grtd_lbtc": "theirs"}})
    narrow = rescore(rows, board.truth, NARROW)
    own = narrow[narrow["metric"] == "theirs"]
    assert set(own["status"]) == {"not_applicable"}
    assert own["reason"].str.contains("not registered").all()
    assert own["score"].isna().all()


def test_page_is_one_file_without_requests(page):
    found = Tags(page).tags
    names = {tag for tag, _ in found}
    assert not names & {"link", "img", "iframe", "object", "embed", "base"}
    for tag, attributes in found:
        assert "src" not in attributes, tag
        assert not any(name.startswith("on") for name in attributes)
        assert "style" not in attributes  # the policy allows the one style element only
        # Files beside the page are linked, never loaded.
        assert (
            attributes.get("href", "#").startswith(("#", "tables/", "figures/"))
            or attributes["href"][3:] in publish.READING
        )
    assert not re.search(r"https?:|//[a-z]+\.|@import|url\(", page.replace("http://www.w3.org/2000/svg", "", 1))
    policy = next(a["content"] for _, a in found if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")


def test_the_whole_pool_is_there_without_javascript_and_anchors_are_unique(page, board):
    found = Tags(page).tags
    ids = [attributes["id"] for _, attributes in found if "id" in attributes]
    assert len(ids) == len(set(ids))
    anchors = {a["href"][1:] for t, a in found if t == "a" and a.get("href", "").startswith("#")}
    assert anchors <= set(ids)
    for task in (MEAN, *board.tasks):
        for metric in leaderboard_world.METRICS:
            assert page_data.view_id("starter-v1", "zoo", task, metric) in ids
    markup = page.split('id="data"')[0]
    assert markup.count("no source head") == len(board.tasks)  # the reason of a cell without a number is visible
    assert markup.count('<svg class="strip"') == 3 * (len(leaderboard_world.METRICS) - 1)  # leep has no number
    assert "not told apart from its best" in markup


def test_every_number_of_every_pool_is_in_the_data_with_what_its_picture_needs(page, board):
    embedded = _embedded(page)
    assert set(embedded) == {page_data.view_id("starter-v1", pool.name, task)
                             for pool in board.pools for task in (MEAN, *board.tasks)}  # fmt: skip
    for result in board.results:
        points = result.points.set_index(["metric", "task", "encoder"])
        effect = result.influence.set_index(["metric", "task", "left_out"])
        for task in (MEAN, *board.tasks):
            rows = embedded[page_data.view_id("starter-v1", result.pool.name, task)]
            assert {row["metric"] for row in rows} == set(leaderboard_world.METRICS)
            for row in rows:
                encoders = [row["board"]["encoders"][place][0] for place in row["pool"]["members"]]
                assert encoders == list(result.pool.encoders)
                for k, encoder in enumerate(encoders):
                    key = (row["metric"], task, encoder)
                    if key in points.index:
                        assert row["z"][k] == pytest.approx(points.loc[key, "z"], rel=1e-2)
                        assert row["score"][k] == columns.brief(points.loc[key, "score"])
                    if key in effect.index and np.isfinite(effect.loc[key, "tau_w"]):
                        assert row["without"][k] == number(effect.loc[key, "tau_w"])
                        assert row["change"][k] == number(effect.loc[key, "change"])
    leep = next(row for row in embedded["starter-v1.zoo.tissues"] if row["metric"] == "leep")
    words = {k: [_data(page)["strings"][place] for place in pair] for k, pair in leep["absent"].items()}
    assert list(words.values()) == [["n/a", "no source head"]] * 3


def test_influence_on_the_page_is_that_of_a_pool_fused_anew(board):
    result = board.results[0]
    left_out = board.pools[0].encoders[1]
    smaller = board.pools[0].without(left_out)
    truth = board.truth[board.truth["encoder"] != left_out]
    expected = evaluate(rescore(board.rows, truth, smaller), truth, board.directions, pool=smaller)
    for metric in ("grtd_lbtc", "gbc"):
        for task in (*board.tasks, MEAN):
            row = result.influence
            row = row[(row["metric"] == metric) & (row["task"] == task) & (row["left_out"] == left_out)].iloc[0]
            tau = expected[(expected["metric"] == metric) & (expected["task"] == task)]["tau_w"].iloc[0]
            assert row["tau_w"] == pytest.approx(tau)
            assert row["recomputed"]


def test_hostile_words_stay_text(board):
    encoder = board.rows["encoder"].iloc[0]
    rows = board.rows.replace({"metric": {"gbc": HOSTILE}, "encoder": {encoder: HOSTILE}, "task": {"tissues": HOSTILE}})
    rows["title"] = HOSTILE
    rows["reason"] = rows["reason"].where(rows["reason"] == "", HOSTILE)
    rows = rows[rows["metric"].isin([HOSTILE, "grtd", "leep"])].reset_index(drop=True)
    truth = board.truth.replace({"encoder": {encoder: HOSTILE}, "task": {"tissues": HOSTILE}})
    pool = Pool(HOSTILE, tuple(sorted(set(rows["encoder"]))))
    hostile = Board(HOSTILE, HOSTILE, rows, truth, (pool,))
    page = leaderboard_page.render([hostile], version=HOSTILE, source="0")
    found = Tags(page).tags
    assert [tag for tag, _ in found].count("script") == 2
    assert "img" not in {tag for tag, _ in found}
    assert not any(name.startswith("on") for _, attributes in found for name in attributes)
    text = page_data.long_csv(hostile)
    assert not re.search(r'(^|,|")=1\+1', text)
    assert "'=1+1" in text
    assert "<script" not in publish.readme([hostile], HOSTILE)
    assert "\\input{" not in citation.bibtex(HOSTILE, note=HOSTILE)


@pytest.fixture(name="pair", scope="module")
def _pair(board, tmp_path_factory):
    """A folder whose ground truth holds two protocols, and its boards."""
    truth = pd.concat([leaderboard_world.frozen(board.truth), board.truth])
    folder = leaderboard_world.write(tmp_path_factory.mktemp("pair"), board.rows, truth)
    return folder, publish.boards(folder, protocol="starter-v1")


def test_each_protocol_is_a_board_with_all_pools_and_none_mixes_with_another(pair, board):
    folder, (first, second) = pair
    assert [first.name, second.name] == ["starter-v1", "starter-v1-frozen"]
    assert [b.name for b in publish.boards(folder, protocol="starter-v1-frozen")] == [second.name, first.name]
    for found in (first, second):
        assert set(found.truth["protocol"]) == {found.protocol} == {found.name}
        assert found.pools == board.pools
    assert first.truth.equals(board.truth)
    pool, key = first.pools[0], ["metric", "task", "encoder"]
    scores = [rescore(found.rows, found.truth, pool).set_index(key)["score"].sort_index() for found in (first, second)]
    moved = (scores[0] - scores[1].reindex(scores[0].index)).abs().groupby("metric").max()
    assert list(moved.index[moved > 1e-9]) == ["mean_rank_elsewhere"]  # the one that reads ground truth
    other = second.truth[second.truth["task"] == "tissues"].groupby("encoder")["value"].mean()
    assert scores[1]["mean_rank_elsewhere", "subcortex"].to_dict() == other.rank().to_dict()
    made = [result_of(found, pool).frame for found in (first, second)]
    assert not np.allclose(made[0]["tau_w"], made[1]["tau_w"], equal_nan=True)
    expected = evaluate(rescore(second.rows, second.truth, pool), second.truth, second.directions, pool=pool)
    pd.testing.assert_frame_equal(made[1], expected)


def test_pools_that_are_evaluated_in_processes_are_those_evaluated_alone(pair):
    boards = [replace(found, pools=found.pools[1:]) for found in pair[1]]
    evaluate_all(boards, workers=2)
    for found in boards:
        assert [result.pool for result in found.results] == list(found.pools)
        assert all(result.board is found for result in found.results)
        alone = result_of(found, found.pools[0])
        for name in ("scores", "frame", "points", "influence", "judged"):
            pd.testing.assert_frame_equal(getattr(found.results[0], name), getattr(alone, name))


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"protocol": "starter-v1-frozen"}, ["starter-v1-frozen"]),
        ({"protocols": ["starter-v1-frozen", "starter-v1"]}, ["starter-v1-frozen", "starter-v1"]),
        ({}, ["starter-v1", "starter-v1-frozen"]),
    ],
)
def test_a_benchmark_can_name_its_protocols(pair, monkeypatch, facts, expected):
    facts = {"ground_truth": "starter.csv", "title": "t", "pool": "starter", **facts}
    monkeypatch.setattr(leaderboard_boards, "facts_of", lambda name: facts)
    assert leaderboard_boards.protocols(pair[0], "starter") == expected
    if "starter-v1" not in expected:  # the stored scores that read ground truth are of that protocol
        with pytest.raises(InputError, match="scores of mean_rank_elsewhere are not what"):
            publish.boards(pair[0])
    else:
        assert [board.protocol for board in publish.boards(pair[0])] == expected


def test_two_benchmarks_do_not_make_one_board(pair, monkeypatch):
    facts = {"ground_truth": "starter.csv", "title": "t", "pool": "starter"}
    monkeypatch.setattr(leaderboard_boards, "facts_of", lambda name: facts)
    rows = pair[0] / "results"
    (rows / "start.csv").write_bytes((rows / "starter.csv").read_bytes())
    try:
        with pytest.raises(InputError, match="two benchmarks make a board starter-v1, starter-v1-frozen"):
            publish.boards(pair[0])
    finally:
        (rows / "start.csv").unlink()


def test_a_protocol_that_lacks_a_cell_is_named(pair, board, tmp_path):
    other = leaderboard_world.frozen(board.truth).iloc[:-1]
    leaderboard_world.write(tmp_path, board.rows, pd.concat([board.truth, other]))
    with pytest.raises(InputError, match="ground truth lacks 1 cell"):
        publish.boards(tmp_path)


def test_update_replaces_only_the_rows_of_the_named_metrics(board, folder, tmp_path, monkeypatch):
    from tebench.benchmark import scores, spec
    from tebench.scoring.score import Score

    leaderboard_world.write(tmp_path, board.rows, board.truth)
    scored = board.rows[board.rows["metric"] == "gbc"].drop(columns=["title", "direction", "n_foreground"])
    scored = scored.assign(score=scored["score"] + 1)
    monkeypatch.setattr(scores, "score_world", lambda *_: [Score(**row) for row in scored.to_dict("records")])
    made = SimpleNamespace(name="starter", encoders=board.pools[0].encoders, tasks=board.tasks, pool="zoo", seed=0)
    monkeypatch.setattr(spec, "resolve", lambda _: made)
    settings, options = compose("leaderboard", "benchmark=starter", "update=true", "metric=gbc")[1:]
    rows = leaderboard_rows.read(renewal.update(settings, options, tmp_path))
    key = ["metric", "task", "encoder"]
    moved = (rows.set_index(key)["score"] - board.rows.set_index(key)["score"]).groupby("metric").mean()
    assert moved["gbc"] == pytest.approx(1)
    assert moved.drop("gbc").abs().max() == 0
    with pytest.raises(InputError, match="whole benchmark"):
        renewal.update(replace(settings, tasks=("tissues",)), options, tmp_path)
    with pytest.raises(InputError, match="Did you mean 'gbc'"):
        renewal.update(settings, replace(options, metrics=("gbcc",)), tmp_path)


def test_an_update_of_all_keeps_the_rows_of_submissions(board, tmp_path):
    rows = board.rows[board.rows["metric"].isin(["gbc", "grtd"])].replace({"metric": {"grtd": "theirs"}})
    known = {"gbc": None}
    assert renewal._kept(rows, None, known, tmp_path).empty  # a metric that left tebench
    (tmp_path / "submissions").mkdir()
    (tmp_path / "submissions" / "theirs.csv").touch()
    assert set(renewal._kept(rows, None, known, tmp_path)["metric"]) == {"theirs"}
    assert set(renewal._kept(rows, ["theirs"], known, tmp_path)["metric"]) == {"gbc"}


def test_a_manifest_cannot_reach_outside(folder, tmp_path):
    outside = tmp_path / "precious"
    outside.write_text("x")
    inner = tmp_path / "leaderboard"
    inner.mkdir()
    (inner / "manifest.json").write_text(json.dumps({"files": {"../precious": "0", "tables/../../precious": "0"}}))
    with pytest.raises(Exception, match="never makes"):
        publish.write(inner, {})
    assert outside.exists()


def test_the_short_look_sees_changed_rows_files_and_code(folder, board, tmp_path, monkeypatch):
    assert publish.spot_check(folder) == []
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    (copy / "index.html").write_text("x")
    (copy / "tables" / "starter-v1.csv").unlink()
    assert publish.spot_check(copy) == [
        "index.html is not the file that manifest.json lists", "tables/starter-v1.csv is absent"
    ]  # fmt: skip
    monkeypatch.setattr(publish, "_heading", lambda result: "other")
    assert {f"tables/starter-v1-third_party.{kind} differs" for kind in ("md", "tex")} == set(
        publish.spot_check(folder)
    )
    rows, truth = leaderboard_world.rows_and_truth(seed=4)
    leaderboard_world.write(copy, rows, truth)
    assert "manifest.json: inputs belongs to other rows" in publish.spot_check(copy)


def test_the_committed_leaderboard_is_what_its_rows_give():
    """A short look; `.ci/run` makes everything anew (job=leaderboard job.check=true)."""
    from importlib.resources import files
    from pathlib import Path

    assert publish.spot_check(Path(str(files("tebench.leaderboard")))) == []


def test_citation_says_what_the_citation_file_says():
    from pathlib import Path

    text = (Path(__file__).parents[2] / "CITATION.cff").read_text()
    assert f'title: "{citation.TITLE}"' in text
    assert f'name: "{citation.AUTHOR}"' in text
    assert f"date-released: {citation.YEAR}-" in text
