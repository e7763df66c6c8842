"""Scores on this processor beside the published ones: what is asked, what is kept, what the page says."""

import pandas as pd

from tebench.research.studies import processors
from tebench.runtime import processor


def rows(values, metric="knn"):
    return pd.DataFrame(
        [("t", f"e{k}", metric, value, "ok", "more") for k, value in enumerate(values)],
        columns=["task", "encoder", "metric", "score", "status", "other column"],
    )


PUBLISHED = pd.concat([rows([1.0, 2.0, 3.0]), rows([1.0, 2.0, 3.0], "gbc"), rows([7.0] * 3, "n_parameters")])


def test_metrics_that_read_no_features_are_not_asked_for():
    asked = [one.metric.name for one in processors.requests(PUBLISHED)]
    assert asked == ["gbc", "knn"]
    assert [one.metric.name for one in processors.requests(PUBLISHED, ["knn"])] == ["knn"]


def test_each_processor_is_measured_once_and_the_others_stay():
    first = processors.measure(PUBLISHED, rows([1.0, 2.0, 3.1]), "P one", None)
    both = processors.measure(
        PUBLISHED, pd.concat([rows([3.0, 2.0, 1.0]), rows([1.0, 2.0, 3.0], "gbc")]), "P two", first
    )
    again = processors.measure(PUBLISHED, rows([1.0, 2.0, 3.0]), "P one", both)
    assert both["other"].tolist() == ["P one", "P two", "P two"]
    assert again.set_index(["other", "metric"]).loc[("P one", "knn"), "relative"] == 0
    text = processors.page(both, {"knn": "kNN", "gbc": "GBC"}, command="tebench")
    assert "- P0: P one, 3 pairs" in text and "- P1: P two, 3 pairs" in text
    # 2 / sqrt(2/3) SDs between the encoders, and all three pairs changed places but the tied none.
    assert "| kNN | 1.2e-01 | 2.4e+00 (3) | 9.8 |" in text
    assert "| GBC |  | 0.0e+00 | 0.01 |" in text


def test_a_processor_says_what_it_imitates(monkeypatch):
    for variable in processor.IMITATION:
        monkeypatch.delenv(variable, raising=False)
    assert processor.described() == processor.name() != ""
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "avx2")
    assert processor.described() == f"{processor.name()} as ATEN_CPU_CAPABILITY=avx2"
