"""Means over random decoders: which metrics take part, what is averaged, and how evaluation sees the draws."""

from dataclasses import replace
from types import SimpleNamespace

import pandas as pd
import pytest

from tebench.base.errors import InputError
from tebench.benchmark import scores as benchmark_scores
from tebench.evaluation.draws import by_draw
from tebench.metrics.registry import get, load
from tebench.scoring.decoder_draws import averaged, reads_decoder
from tebench.scoring.request import Request
from tebench.scoring.score import frame, made

HEADER = {"feature_hash": "f" * 64, "label_hash": "l" * 64, "facts": {}}


def request(name, stages=None):
    return Request.make(get(name), {}, stages, 0)


def score(name, value, stages=None, **outcome):
    given = {"score": value, "seconds": 1.0, "peak_mb": 2.0 + (value or 0), "components": {"decoder.0": value}}
    return made(request(name, stages), "t", "e", HEADER, **given | outcome)


def test_who_reads_the_decoder():
    found = {name for name, metric in load().items() if reads_decoder(request(name))}
    assert {"grtd", "grtd_relative", "ccfv", "grtd_lbtc", "grtd_relative_lbtc"} <= found
    assert not {"lbtc", "knn", "n_parameters", "leep", "mean_rank_elsewhere", "ncti"} & found
    assert reads_decoder(request("knn", "all")) and reads_decoder(request("knn", "decoder[-1]"))
    assert not reads_decoder(request("grtd", "encoder[-1]")) and not reads_decoder(request("grtd", "joint"))


def test_the_mean_holds_its_draws():
    first = [score("grtd", 1.0), score("knn", 5.0)]
    found = averaged([first, [score("grtd", 2.0)], [score("grtd", 6.0)]])
    assert found[0].score == 3.0 and found[0].seconds == 3.0 and found[0].peak_mb == 8.0
    assert found[0].components == {"decoder.0": 3.0, "draw.0": 1.0, "draw.1": 2.0, "draw.2": 6.0}
    assert found[1] is first[1]
    gone = score("grtd", None, status="not_applicable", reason="why", components={})
    bad = averaged([first, [gone]])[0]
    assert (bad.status, bad.reason, bad.score, bad.components) == ("not_applicable", "why", None, {})
    other = replace(score("grtd", 9.0), parameters={"other": 1})
    assert averaged([first[:1], [other]])[0] is first[0]  # other parameters are another score
    with pytest.raises(InputError, match="no draws"):
        averaged([])


def test_each_draw_is_a_row_for_evaluation():
    table = frame(averaged([[score("grtd", 1.0), score("knn", 5.0)], [score("grtd", 2.0)]]))
    found = by_draw(table)
    assert found[["metric", "seed", "score", "seconds"]].values.tolist() == [
        ["grtd", 0, 1.0, 1.0], ["grtd", 1, 2.0, 1.0], ["knn", 0, 5.0, 1.0],
    ]  # fmt: skip
    as_text = table.assign(components=['{"draw.0": 1.0, "draw.1": 2.0}', ""])
    assert by_draw(as_text)["score"].tolist() == [1.0, 2.0, 5.0]
    with pytest.raises(InputError, match="column components absent"):
        by_draw(pd.DataFrame({"score": [1.0]}))


def test_a_world_scores_every_draw_with_a_decoder_of_its_own(monkeypatch):
    seen = []

    def direct(world, requests, plugins, preset):
        seen.append((world.decoder_seed, [one.metric.name for one in requests]))
        return world.decoder_seed

    def pooled(world, asked, found, *_):
        return [score(one.metric.name, float(found)) for one in asked]

    monkeypatch.setattr(benchmark_scores, "direct_scores", direct)
    monkeypatch.setattr(benchmark_scores, "replace", lambda world, **given: SimpleNamespace(**vars(world) | given))
    monkeypatch.setattr(benchmark_scores, "over_pool", pooled)
    world = SimpleNamespace(seed=3, decoder_draws=2, decoder_seed=None)
    found = benchmark_scores.score_world(world, [request("knn"), request("grtd")], None)
    assert seen == [(3, ["knn", "grtd"]), (4, ["grtd"])]
    assert [one.score for one in found] == [3.0, 3.5]
    seen.clear()
    benchmark_scores.score_world(world, [request("knn")], None)
    assert seen == [(3, ["knn"])]
