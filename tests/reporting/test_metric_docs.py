"""The page of metrics: all of them, from their facts, and the committed copy is the regenerated one."""

from pathlib import Path

import pytest

import tebench
from tebench.base.errors import InputError
from tebench.cli.config import compose
from tebench.cli.jobs import docs
from tebench.reporting.metric_docs import built_in, render, section

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_the_committed_page_is_current():
    assert PAGE.read_text(encoding="utf-8") == render(built_in()), "run: python -m tebench job=docs"


def test_plugins_are_left_out(scratch_registry, facts):
    before = render(built_in())
    tebench.metric(name="mine", **facts)(lambda features, labels: 0.0)
    assert render(built_in()) == before


def test_a_section_says_what_was_declared(scratch_registry, facts):
    facts.update(
        title="Own", paper="arXiv 0000.00000", direction="down", range=(0.0, 1.0), per_case=True,
        invariances=("scale",), disagreements=("theirs gives 2 where 1 is right",), monotone="by definition",
        exceptions={"label names": "the lowest is background"},
    )  # fmt: skip

    @tebench.metric(name="own", **facts)
    def own(features, labels, *, width: int | None = None):
        """First line.

        x | y
        """

    text = section(scratch_registry.get("own"))
    for words in (
        "## own", "**Own.** First line.", "reference: [arXiv 0000.00000](https://arxiv.org/abs/0000.00000)",
        "better: lower (down)", "range: [0, 1]",
        "each case by itself", "unchanged by: scale, order of the rows", "```text\nx | y\n```",
        "| `width` | `null` | a whole number or null |", "- theirs gives 2 where 1 is right",
        "- direction: by definition",
        "- label names: the lowest is background",
    ):  # fmt: skip
        assert words in text


def test_a_refusal_shows_its_reason_and_no_range():
    text = section(tebench.list_metrics()["otce"])
    assert "refused: OTCE couples source and target samples" in text
    assert "range" not in text


def test_the_job_writes_the_page(tmp_path, capsys):
    docs.run(*compose("docs", f"folder={tmp_path / 'new'}")[1:])
    assert (tmp_path / "new" / "metrics.md").read_text(encoding="utf-8") == render(built_in())
    assert "metrics.md" in capsys.readouterr().out
    with pytest.raises(InputError, match="folder must be text, got None"):
        compose("docs", "folder=null")
