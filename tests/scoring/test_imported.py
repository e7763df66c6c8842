"""job=score job.scores=FILE.csv: a paper's table of scores under the suite's evaluation."""

import itertools
from importlib.resources import files

import numpy as np
import pandas as pd
import pytest
from scipy.stats import weightedtau

from tebench.base.errors import InputError
from tebench.benchmark.tables import evaluate_published
from tebench.cli.config import compose as settings_of
from tebench.evaluation import groundtruth
from tebench.scoring import imported

TRUTH = files("tebench.leaderboard") / "ground_truth" / "openmind.csv"
POOL = [f"ResEncL-OpenMind-{name}" for name in ("VoCo", "SwinUNETR", "SimCLR", "VF", "MG", "MAE", "S3D")]


@pytest.fixture(scope="module")
def truth():
    return groundtruth.read(TRUTH)


def evaluated(path, output, **options):
    settings = settings_of("benchmark=openmind_resenc", f"output={output}")[1]
    return evaluate_published(settings, {"scores": str(path), "direction": "up", "target": None, **options})


def test_ground_truth_rows_are_the_published_table(truth):
    """Spot values of Table 2 of arXiv 2412.17041, and its means over all 12 tasks, to .01 Dice points."""
    table = 100 * truth.pivot(index="encoder", columns="task", values="value")
    assert table.shape == (14, 12) and not any(words in name for name in table.index for words in ("scratch", "nnunet"))
    assert set(truth["protocol"]) == {"openmind-table2"} and set(truth["source"]) == {"arXiv 2412.17041 Table 2"}
    assert table.loc["ResEncL-OpenMind-MAE", "kit"] == pytest.approx(86.12)
    assert table.loc["PrimusM-OpenMind-SimMIM", "acd"] == pytest.approx(91.98)
    assert table.loc["ResEncL-OpenMind-MAE"].mean() == pytest.approx(70.91, abs=0.005)


@pytest.mark.parametrize(("task", "published"), [("msf", 0.705), ("kit", 0.869)])
def test_published_correlations_are_reached_by_some_order(truth, tmp_path, task, published):
    """arXiv 2602.23916 reports .705 (MSF) and .869 (KIT) for seven encoders: found under scipy's weightedtau."""
    dice = truth[truth["task"] == task].set_index("encoder")["value"].loc[POOL].to_numpy()
    order = next(
        order
        for order in itertools.permutations(range(len(POOL)))
        if abs(weightedtau(order, dice).statistic - published) < 5e-4
    )
    path = tmp_path / "scores.csv"
    pd.DataFrame({"encoder": POOL, task: order}).to_csv(path, index=False)
    text = evaluated(path, tmp_path / "out")
    result = pd.read_csv(tmp_path / "out" / "correlation.csv").set_index("task")
    assert round(result.loc[task, "tau_w"], 3) == published and result.loc[task, "n"] == 7
    assert "7 encoders" in text and (tmp_path / "out" / "figures" / f"correlation-{task}.svg").is_file()


def test_long_tables_and_both_directions(tmp_path, truth):
    rows = [(name, "kit", metric, sign * i) for metric, sign in (("a", 1), ("b", -1)) for i, name in enumerate(POOL)]
    path = tmp_path / "long.csv"
    pd.DataFrame(rows, columns=["encoder", "task", "metric", "score"]).to_csv(path, index=False)
    found = {}
    for direction in ("up", "down"):
        evaluated(path, tmp_path / direction, direction=direction)
        table = pd.read_csv(tmp_path / direction / "correlation.csv")
        found[direction] = table[table["task"] == "kit"].set_index("metric")["tau_w"]
    dice = truth[truth["task"] == "kit"].set_index("encoder")["value"].loc[POOL].to_numpy()
    assert found["up"]["a"] == pytest.approx(weightedtau(np.arange(7), dice).statistic)
    assert found["down"]["b"] == pytest.approx(found["up"]["a"]) and found["down"]["a"] == pytest.approx(
        found["up"]["b"]
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name,kit\na,1\n", "needs a column `encoder`"),
        ("encoder,kit\nResEncL-OpenMind-MEA,1\n", "Did you mean 'ResEncL-OpenMind-MAE'"),
        ("encoder,kits\nResEncL-OpenMind-MAE,1\n", "Did you mean 'kit'"),
        ("encoder,kit\nResEncL-OpenMind-MAE,nan\n", "no finite number"),
        ("encoder,kit\nResEncL-OpenMind-MAE,1\nResEncL-OpenMind-MAE,2\n", "given twice"),
        ("encoder,kit\nResEncL-OpenMind-MAE,1\nResEncL-OpenMind-MG,2\n", "at least 3 encoders, got 2"),
        ("encoder,task,score\nResEncL-OpenMind-MAE,kit,1\nResEncL-OpenMind-MG,msf,2\n", "missing"),
    ],
)
def test_bad_tables_are_refused(tmp_path, truth, text, words):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        imported.read(path, set(truth["encoder"]), set(truth["task"]))


def test_an_absent_table(tmp_path, truth):
    with pytest.raises(InputError, match="does not exist"):
        imported.read(tmp_path / "absent.csv", [], [])
