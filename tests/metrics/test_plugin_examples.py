"""The example plug-ins of docs/plugins pass the common checks, as a third party's would."""

from pathlib import Path

import pytest

from tebench.metrics.checks import run_checks

FOLDER = Path(__file__).parents[2] / "docs" / "plugins"


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.py")), ids=lambda file: file.stem)
def test_an_example_passes_the_checks(file, scratch_registry):
    before = set(scratch_registry.load())
    scratch_registry.load_plugins([file])
    added = set(scratch_registry.load()) - before
    assert len(added) == 1
    metric = scratch_registry.get(added.pop())
    assert file.stem == f"reads_{metric.reads}"
    assert [f"{r.check}: {r.seen}" for r in run_checks(metric) if r.status == "fail"] == []
