"""job=judge and job=plan from the command line: files, page, sentences, refusals."""

import subprocess
import sys
from html.parser import HTMLParser

import pandas as pd
import pytest

from tebench.benchmark.dice import published_table
from tebench.benchmark.settings import Benchmark
from tebench.benchmark.spec import facts_of, leaderboard_folder
from tebench.evaluation import dice_table

ROWS = [
    f"enc_{e},task_{t},{s},{0.5 + 0.03 * e + 0.01 * ((e * (t + 2)) % 5) + 0.004 * ((e + 2 * s + t) % 3):.3f}"
    for e in range(6)
    for t in range(4)
    for s in range(2)
]


def run(*arguments, cwd):
    command = [sys.executable, "-m", "tebench", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)


@pytest.fixture(name="table", scope="module")
def _table(tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "mine <b>.csv"
    path.write_text("encoder,task,seed,dice\n" + "\n".join(ROWS) + "\n", encoding="utf-8")
    return path


@pytest.fixture(name="judged", scope="module")
def _judged(table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("judged")
    scores = folder / "scores.csv"
    lines = [f"m{m},enc_{e},task_{t},{(e * (m + 1) + t) % 7 + 0.1 * e}" for m in (1, 2) for e in range(6)
             for t in range(4)]  # fmt: skip
    scores.write_text("metric,encoder,task,score\n" + "\n".join(lines) + "\n", encoding="utf-8")
    done = run("judge", f'table="{table}"', f"scores={scores}", "draws=300", f"folder={folder / 'out'}", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "out", done.stdout


def test_text_tables_and_figures_are_written(judged):
    folder, text = judged
    for name in ("judge.txt", "judge.md", "judge.html", "spread.csv", "static.csv", "ceilings.csv", "claims.csv"):
        assert (folder / name).stat().st_size > 100, name
    assert (folder / "figures" / "ladder.svg").is_file() and (folder / "figures" / "ground-truth.pdf").is_file()
    assert "at the measured SD of a run" in text and "column dice read as fraction, told by its values" in text
    lists = pd.read_csv(folder / "static.csv")
    mean = lists[lists["source"] == "elsewhere"]["tau_w"].mean()
    assert f"reaches a mean tau_w of {mean:.3f}" in text.replace("\n  ", " ")
    assert max(map(len, text.splitlines())) <= 130


class _Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.asked = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.asked += [
            value for name, value in attrs if name in ("src", "href") and not value.startswith(("data:", "#"))
        ]


def test_the_page_asks_for_nothing_and_escapes_names(judged):
    text = (judged[0] / "judge.html").read_text(encoding="utf-8")
    page = _Tags()
    page.feed(text)
    assert page.asked == [] and "script" not in page.tags and page.tags.count("img") == 2
    assert "default-src &#x27;none&#x27;" in text and "mine &lt;b&gt;" in text and "b" not in page.tags
    markdown = (judged[0] / "judge.md").read_text(encoding="utf-8")
    assert "mine &lt;b&gt;" in markdown and "](figures/ladder.png)" in markdown


def test_plan_says_what_is_needed(table, tmp_path):
    sizes = ["numbers_of_encoders=[6,40]", "numbers_of_tasks=[4,12]", "numbers_of_seeds=[1,2]", "draws=200"]
    done = run("plan", f'table="{table}"', "difference=0.5", "level=0.4", *sizes, f"folder={tmp_path}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Fewest runs of the grid" in done.stdout and "from mine <b>" in done.stdout
    frame = pd.read_csv(tmp_path / "designs.csv")
    assert len(frame) == 8 and (frame["runs"] == frame["encoders"] * frame["tasks"] * frame["seeds"]).all()
    assert (tmp_path / "figures" / "contours.png").is_file() and (tmp_path / "plan.html").is_file()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["judge", "table=nowhere.csv"], "table nowhere.csv does not exist"),
        (["judge", "benchmark=openmind_resenc", "tasks=[liver]"], "liver"),
        (["judge", "benchmark=openmind_resenc", "without=[Unet*]"], "unknown encoder of the table (without)"),
        (["plan", "spread=0"], "spread must be positive"),
        (["plan", "numbers_of_tasks=[0]"], "tasks must list different whole numbers"),
    ],
)
def test_refusals_in_one_line(arguments, words, tmp_path):
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 2 and words in done.stderr and "Traceback" not in done.stderr


def test_a_benchmark_gives_its_pool_and_tasks():
    folder = leaderboard_folder(None) / "ground_truth"
    found = published_table(Benchmark.of(facts_of("starter")), folder / "starter.csv", "starter-v1")
    assert len(found.encoders) == 21 and len(found.judged) == 7 and found.n_seeds["lungs"] == 4
    found = published_table(
        Benchmark.of(facts_of("openmind_primus")), folder / "openmind.csv", "openmind-table2", tasks=["all"]
    )
    assert len(found.encoders) == 7 and len(found.judged) == 12 and found.name == "openmind_primus, openmind-table2"


@pytest.mark.parametrize(("file", "size"), [("cva.csv", (14, 4)), ("segbook.csv", (7, 8)), ("openmind.csv", (14, 12))])
def test_every_published_table_can_be_read(file, size):
    rows, _ = dice_table.read(leaderboard_folder(None) / "ground_truth" / file)
    assert dice_table.table(rows, name=file).mean().shape == size
    assert rows["source"].str.startswith("arXiv").all()
