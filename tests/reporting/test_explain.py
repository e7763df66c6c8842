"""The picture of one encoder: its numbers are the metrics', its choice of patches the sample's alone."""

import dataclasses

import numpy as np
import pytest
from matplotlib.text import Text

from tebench.base.errors import NotApplicable
from tebench.features.sample import FeatureSet
from tebench.features.sampling import Recipe, draw
from tebench.metrics.topology.grtd import grtd
from tebench.metrics.topology.lbtc import lbtc
from tebench.reporting import explain, style
from tebench.tasks.base import Case, Task


def _load(name):
    rng = np.random.default_rng(3)
    grid = np.indices((20, 18, 16)).transpose(1, 2, 3, 0)
    labels = (((grid - (10, 9, 8)) ** 2).sum(3) < 30).astype(np.int16)
    labels[3:8, 3:7, 4:12] = 2
    return Case(name, rng.normal(size=(1, 20, 18, 16)).astype(np.float32) + labels, labels, (1.0,) * 3, "virtual")


@pytest.fixture(name="world", scope="module")
def _world():
    task = Task("two $shapes", "t", ("background", "ball", "box"), ("a", "b"), (), {}, "f", _load)
    sample = draw(task, Recipe(foreground=40, background=60, global_voxels=0, anchors=12), seed=0)
    rng = np.random.default_rng(0)
    names = ["encoder.0", "encoder.1", "encoder.2", "encoder.3", "decoder.0", "decoder.1"]
    # Rounded, so that some rows are equal, as voxels of one feature cell are.
    stages = {
        name: np.round(rng.normal(size=(len(sample), 3)) + k * sample.labels[:, None], 0 if k < 2 else 2)
        for k, name in enumerate(names)
    }
    return task, FeatureSet("e", sample, stages, {}, "h")


def test_the_numbers_are_those_of_the_metrics(world):
    task, features = world
    sample = features.sample
    found = explain.leakage(features, "encoder.1")
    assert list(found.values) == ["encoder.1", "encoder.2", "encoder.3"]
    labels, cases = sample.labels.astype(int), sample.case.astype(int)
    each = [lbtc(features.stages[f"encoder.{k}"], labels, cases, sample.patches()) for k in (1, 2, 3)]
    assert found.lbtc == pytest.approx(np.mean(each))
    figure = explain.draw(features, task, task.load("a"), title="a_b $x$")
    words = " ".join(text.get_text() for text in figure.findobj(Text))
    assert f"LBTC {np.mean(each):.3f}" in words
    rows = np.flatnonzero((sample.case == 0) & np.isin(sample.role, (0, 1)))
    assert f"{len(rows)} voxels: {grtd(features.stages['decoder.1'][rows], labels[rows]):.4g}" in words


def test_red_edges_of_a_patch_are_those_that_join_labels(world):
    task, features = world
    spread = {name: np.random.default_rng(5).normal(size=values.shape) for name, values in features.stages.items()}
    features = dataclasses.replace(features, stages=spread)  # no equal rows: the drawn tree is the only one
    found = explain.leakage(features, "encoder.1")
    figure = style.new_figure(3, 3)
    for patch, value in list(zip(found.patches, found.values["encoder.1"], strict=True))[:4]:
        axes = figure.add_subplot()
        case = task.load(features.sample.case_ids[features.sample.case[patch[0]]])
        explain._draw_patch(axes, features, case, patch, "encoder.1", 2, explain._colours(3))
        drawn = [line.get_color() == explain.LEAK for line in axes.lines]
        assert len(drawn) == (patch >= 0).sum() - 1
        assert np.mean(drawn) == pytest.approx(value)
        axes.remove()


def test_the_label_tree_spans_the_classes_at_least_length():
    points = np.array([[0.0], [1.0], [3.0], [3.5], [9.0]])
    classes, edges = np.array([0, 0, 1, 1, 2]), np.array([[0, 1], [1, 2], [2, 3], [3, 4]])
    lengths = np.abs(points[edges[:, 0], 0] - points[edges[:, 1], 0])
    assert sorted(explain._bridges(edges, lengths, classes, 3)) == [1, 3]


def test_files_are_written(world, tmp_path, monkeypatch):
    task, features = world
    monkeypatch.setattr(explain, "PATCHES", 2)
    paths = style.save(explain.draw(features, task, task.load("b"), title="e", stage="encoder[0]"), tmp_path, "e")
    assert [path.read_bytes()[:4] for path in paths] == [b"\x89PNG", b"<?xm", b"%PDF"]


def test_without_boundary_patches_there_is_nothing_to_draw(world):
    task, features = world
    none = dataclasses.replace(features.sample, patch=np.full(len(features.sample), -1, np.int32))
    with pytest.raises(NotApplicable, match="no boundary patch"):
        explain.draw(dataclasses.replace(features, sample=none), task, task.load("a"), title="e")
