import matplotlib as mpl
import numpy as np
import pytest
import simulated_worlds

from tebench.base.errors import InputError
from tebench.evaluation.reliability import table
from tebench.reporting import figures, labels, style
from tebench.reporting.style import Look

LOOKS = {f"encoder{k:02d}": Look(f"Encoder $x_{k}", "abc"[k % 3], k % 2 == 0) for k in range(6)}


@pytest.fixture(name="world")
def _world():
    return simulated_worlds.ordinary()


@pytest.fixture(name="many_tasks")
def _many_tasks():
    return simulated_worlds.many()


@pytest.fixture(scope="module", name="drawn")
def _drawn():
    world = simulated_worlds.ordinary()
    return figures.correlation(world.points, world.frame, "one", looks=LOOKS, titles={"ideal": "Ideal & best"})


def test_correlation_draws_every_encoder_in_a_panel_per_metric(world, drawn):
    panels = [axes for axes in drawn.axes if axes.get_visible()]
    assert [axes.get_title(loc="left") for axes in panels] == ["Ideal & best", "good", "noise"]
    names = {look.title.replace("$", r"\$") for look in LOOKS.values()}
    shown = world.points.query("metric == 'ideal' and task == 'one'")
    for axes in panels:
        assert names <= {text.get_text() for text in axes.texts}
    marks = [line for line in panels[0].lines if line.get_marker() in ("o", "D")]
    drawn_at = sorted((line.get_xdata()[0], line.get_ydata()[0]) for line in marks)
    np.testing.assert_allclose(drawn_at, sorted(zip(shown["z"], shown["dice"], strict=True)))
    row = world.frame.query("metric == 'ideal' and task == 'one'").iloc[0]
    assert any(f"{row['tau_w']:.2f}" in t.get_text() and "n = 6" in t.get_text() for t in panels[0].texts)
    legend = [text.get_text() for text in drawn.legends[0].get_texts()]
    assert legend == ["a", "b", "c", "pre-trained", "random initialisation"]


def test_vector_files_are_byte_identical_between_drawings(world, drawn, tmp_path):
    again = figures.correlation(world.points, world.frame, "one", looks=LOOKS, titles={"ideal": "Ideal & best"})
    first, second = style.save(drawn, tmp_path / "a", "plot"), style.save(again, tmp_path / "b", "plot")
    assert [path.suffix for path in first] == [".png", ".svg", ".pdf"]
    for one, two in zip(first, second, strict=True):
        assert one.read_bytes() == two.read_bytes()
    assert b"<dc:date>" not in first[1].read_bytes()
    assert b"CreationDate" not in first[2].read_bytes()


def test_a_task_that_cannot_rank_says_so_above_its_panel(many_tasks):
    figure = figures.correlation(
        many_tasks.points, many_tasks.frame, "a_long_task_name_4", metrics=["metric_number_03"]
    )
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert any(text.startswith("not ranked: floor") for text in texts)


def test_cost_quality_front_and_refusal(world, tmp_path):
    frame = world.frame.copy()
    for name, seconds in (("ideal", 10.0), ("good", 1.0), ("noise", 0.0)):
        frame.loc[frame["metric"] == name, "seconds"] = seconds
    figure = figures.cost_quality(frame)
    axes = figure.axes[0]
    assert axes.get_xscale() == "log"
    assert {"ideal", "good", "noise"} <= {text.get_text() for text in axes.texts}
    assert "constant" not in {text.get_text() for text in axes.texts}
    with pytest.raises(InputError, match="no metric has both"):
        figures.cost_quality(frame.assign(seconds=np.nan))


def test_pareto_front_keeps_only_what_no_cheaper_metric_reaches():
    front = figures._front(np.array([1.0, 1.0, 2.0, 3.0, 4.0]), np.array([0.1, 0.3, 0.3, 0.2, 0.5]))
    assert front.tolist() == [1, 4]


def test_ground_truth_shows_seeds_and_rings_the_best_of_rankable_tasks(many_tasks):
    judged = table(many_tasks.truth, sorted(set(many_tasks.truth["encoder"])))
    figure = figures.ground_truth(many_tasks.truth, judged=judged)
    assert len(figure.axes) == 9
    for axes in figure.axes:
        seeds = [line for line in axes.lines if line.get_marker() == "|"]
        assert len(seeds) == 9
        assert all(len(line.get_xdata()) == 3 for line in seeds)
        rings = [line for line in axes.lines if line.get_markerfacecolor() == "none"]
        sunk = "floor" in axes.get_title(loc="left")
        assert len(rings) == (0 if sunk else 1)
        if rings:
            means = [np.mean(line.get_xdata()) for line in seeds]
            assert rings[0].get_xdata()[0] == pytest.approx(max(means))
    assert sum("floor" in axes.get_title(loc="left") for axes in figure.axes) == 1


def test_labels_do_not_overlap_each_other_or_points():
    rng = np.random.default_rng(0)
    with style.theme():
        figure = style.new_figure(5, 4)
        axes = figure.subplots()
        where = rng.standard_normal((16, 2))
        axes.plot(*where.T, "o")
        axes.margins(0.15)
        labels.settle(figure)
        texts = labels.place(axes, where, [f"encoder_{i:02d}" for i in range(16)], size=7)
        boxes = [text.get_window_extent() for text in texts]
        overlaps = [(i, j) for i in range(16) for j in range(i) if boxes[i].overlaps(boxes[j])]
        pixels = axes.transData.transform(where)
        covered = [i for i, box in enumerate(boxes) for point in pixels if box.contains(*point)]
    assert overlaps == []
    assert covered == []
    frame = axes.get_window_extent()
    assert all(frame.x0 <= (box.x0 + box.x1) / 2 <= frame.x1 for box in boxes)


def test_global_settings_and_pyplot_are_untouched(world):
    before = dict(mpl.rcParams)
    figures.cost_quality(world.frame)
    assert dict(mpl.rcParams) == before


def test_wrong_requests_are_refused(world, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="no ranked scores of constant"):
        figures.correlation(world.points, world.frame, "one", metrics=["constant"])
    with pytest.raises(InputError, match="no metric has scores"):
        figures.correlation(world.points, world.frame, "three")
    with pytest.raises(InputError, match="no rows"):
        figures.ground_truth(world.truth.head(0))
    figure = style.new_figure(1, 1)
    for name in ("../up", ".hidden", "a/b"):
        with pytest.raises(InputError, match="plain file name"):
            style.save(figure, tmp_path, name)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot create folder"):
        style.save(figure, tmp_path / "file" / "sub", "plot")

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkstemp", refuse)  # the tests may run as root, whom no mode stops
    with pytest.raises(InputError, match=r"cannot write .*plot\.png"):
        style.save(figure, tmp_path, "plot")
