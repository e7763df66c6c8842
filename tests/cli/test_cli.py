"""The command line as a user meets it: help, bad names, bad values. Each in a process of its own."""

import os
import re
import subprocess
import sys

import pytest

from tebench.benchmark.conf import chosen_by_default
from tebench.benchmark.options import parameters_of
from tebench.benchmark.settings import Shared
from tebench.cli import jobs
from tebench.cli.config import compose
from tebench.cli.options import prepare


def tebench(*arguments, cwd=None):
    return subprocess.run([sys.executable, "-m", "tebench", *arguments], capture_output=True, text=True, cwd=cwd)


def test_help_teaches_and_is_cheap(tmp_path):
    done = tebench("--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for word in ("  score ", "  finetune ", "benchmark=starter", "grtd_lbtc", "logme", "Options", "Examples"):
        assert word in done.stdout
    assert len(re.findall(r"^  python -m tebench", done.stdout, flags=re.M)) >= 5
    # The promise of two CPU seconds, as a count of what costs them: nothing heavy is imported.
    code = (
        "import sys; sys.argv[1:] = ['--help']; from tebench.cli.main import main; main();"
        "print({'torch', 'pandas', 'hydra'} & set(sys.modules))"
    )
    heavy = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert heavy.stdout.strip().endswith("set()"), heavy.stderr


def test_version():
    import tebench as package

    assert tebench("--version").stdout.strip() == f"tebench {package.__version__}"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["metric=logmee"], "unknown metric 'logmee'. Did you mean 'logme'? Known:"),
        (["metric=[lbtc,logmee]"], "unknown metric 'logmee'"),
        (["metric=[lbtc,lbtc]"], "lbtc given twice"),
        (["metric=[]"], "names no metric"),
        (["job=scor"], "unknown job 'scor'. Did you mean 'score'?"),
        (["benchmark=startr"], "unknown benchmark 'startr'. Did you mean 'starter'?"),
        (["protocol=starter"], "unknown protocol 'starter'. Did you mean 'starter-v1"),
        (["metric=gbc", "metric.covarianc=full"], "option of metric gbc 'covarianc'. Did you mean 'covariance'?"),
        (["metric=gbc", "metric.covariance=round"], "parameter 'covariance' must be one of spherical, diagonal, full"),
        (["metric=logme", "metric.max_iter=0"], "parameter 'max_iter' must be a whole number"),
        (["workers=0"], "workers must be a whole number >= 1, got 0"),
        (["seed=-1"], "seed must be a whole number >= 0, got -1"),
        (["device=tpu"], "device must be cpu, cuda or cuda:N, got 'tpu'"),
        (["encoders={a: 1}"], "encoders must be a list of names such as encoders=[a,b] or null, got {'a': 1}"),
        (["encoders=[]"], "name at least one"),
        (["encoders=[deepbett]"], "unknown encoder 'deepbett'. Did you mean 'deepbet'?"),
        (["tasks=[tisue]"], "unknown task 'tisue'. Did you mean 'tissues'?"),
        (["benchmark.pool=zo"], "unknown pool 'zo'. Did you mean 'zoo'?"),
        (["plugins=[absent.py]", "metric=lbtc"], "absent.py does not exist"),
        (["job.target=absent.csv"], "ground truth 'absent.csv' does not exist"),
        (["stages=middle"], "stages must look like encoder[-1], decoder[-3:], encoder, all or joint, got 'middle'"),
        (["stages=3"], "stages must look like"),
        (["encoderz=[deepbet]"], "unknown option of job score 'encoderz'. Did you mean 'encoders'?"),
        (["sampling.forground=3"], "unknown option of sampling default 'forground'. Did you mean 'foreground'?"),
        (["job=finetune", "sede=[0]"], "unknown option of job finetune 'sede'. Did you mean 'seeds'?"),
        (["scor"], "unknown job 'scor'. Did you mean 'score'?"),
        (["--metric=logme"], "Options are written without dashes: metric=VALUE"),
        (["+foo=1"], "unknown option of job score 'foo'. Known:"),
        (["+sead=1"], "unknown option of job score 'sead'. Did you mean 'seed'?"),
        (["~sampling"], "nothing can be taken out of the configuration"),
        (["metric=lbtc", "metric.size=two"], "metric lbtc: parameter 'size' must be a whole number"),
        (["seed=0,1"], "seed=0,1 gives several values to one run. Add -m"),
        (["metric=choice(lbtc,logme)"], "metric=choice(lbtc,logme) gives several values to one run. Add -m"),
        (["-m", "--cfg", "job", "seed=0,1"], "--cfg prints the configuration of one run: leave out -m"),
        (["extract", "metric=logme"], "job extract does not read the option 'metric'. It reads benchmark,"),
        (["score", "again"], "'again' is no option"),
        (["metric=mine"], "A metric of your own needs its file: metric=mine plugins=FILE.py."),
        (["rank", "metric.k=3"], "name the metric first"),
        (["check", "metric=knn", "metric.k=1"], "leave out metric.k"),
        (["metric=[logme,gbc]", "metric.max_iter=5"], "write metric.options.NAME.max_iter=VALUE"),
        (["benchmark.window=abc"], "benchmark.window must be three whole numbers"),
        (["benchmark.tasks=[]"], "benchmark.tasks must be a list of at least one name"),
        (["job.beside=randm"], "unknown metric 'randm'. Did you mean 'random'"),
        (["progress=maybe"], "progress must be true or false, got 'maybe'"),
        (["device=cuda"], "has no CUDA"),
        (["job=assets", "offline=true"], "job=assets is what fetches"),
        (["job=finetune", "protocol.steps=2"], "Give the changed protocol a name: protocol.name=mine"),
        (["sampling.foreground=-5", "metric=random"], "foreground"),
        (["output=/dev/null/out"], "cannot create folder /dev/null/out"),
        (["cache=/dev/null/cache"], "cannot create folder /dev/null/cache"),
    ],
)
def test_bad_input_is_named(tmp_path, arguments, words):
    done = tebench(*arguments, cwd=tmp_path)
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        "tasks=lungs", "task=lungs", "tasks=[lungs]", "task=[lungs]", "job=score tasks=lungs", "+tasks=lungs",
    ],
)  # fmt: skip
def test_a_bare_name_is_a_list_of_one_singular_and_plural(words):
    assert compose(*words.split())[1].tasks == ("lungs",)


@pytest.mark.parametrize(
    "words", [["metric=logme,gbc"], ["metric=[logme, gbc]"], ["metric=[logme,", "gbc]"], ["metrics=[logme,gbc]"]]
)
def test_lists_of_metrics_in_every_spelling(words):
    assert [metric.name for metric, _ in compose(*words)[1].metrics] == ["logme", "gbc"]


def test_rank_reads_metric_and_its_options_and_cite_the_singular():
    _, settings, _ = compose("rank", "dataset=x", "encoders=y", "metric=[logme,knn]", "metric.options.knn.k=2")
    assert [(m.name, given.get("k")) for m, given in settings.metrics] == [("logme", None), ("knn", 2)]
    assert compose("rank", "dataset=x", "encoders=y")[1].metrics is None
    assert compose("cite", "metrics=lbtc", "tasks=[lungs]")[2].task == "lungs"
    assert compose("leaderboard", "update=true", "metric=gbc")[2].metrics == ("gbc",)
    assert compose("rank", "dataset=/a b/(c)", "encoders=y")[2].dataset == "/a b/(c)"


def test_another_question_has_another_folder():
    lines = [
        "metric=knn", "metric=logme", "metric=[knn,logme]", "metric=knn tasks=lungs", "metric=knn stages=all",
        "metric=knn metric.k=5", "metric=knn preset=paper", "metric=knn metric.k=3 preset=paper", "metric=all",
        "metric=knn seed=1", "metric=knn sampling.foreground=9", "metric=knn protocol=starter-v1-frozen",
        "metric=knn benchmark.window=null", "metric=knn beside=[]", "metric=knn benchmark=starter",
        "metric=knn target=a", "metric=knn encoders=[deepbet,deepbrain,deepbet_random]",
    ]  # fmt: skip
    folders = [compose(*line.split())[1].output for line in lines]
    assert len(set(folders)) == len(lines) and folders[0] == "outputs/quick/knn"
    assert folders[3] == "outputs/quick/knn__tasks-lungs"
    same = [
        "metric=[knn]",
        "metric=knn metric.k=3",
        "metric=knn workers=1 retry=true progress=false",
        "status metric=knn",
    ]
    assert {compose(*line.split())[1].output for line in same} == {folders[0]}


def test_what_a_job_reads_is_told_by_its_own_help(tmp_path):
    done = tebench("rank", "--help", cwd=tmp_path)
    assert done.returncode == 0 and done.stdout.startswith("tebench rank: Rank encoders for your own data")
    for words in (
        "tebench rank dataset=",
        "  max_cases=null ",
        "  metric=null ",
        "Options of every job",
        "  workers=2 ",
    ):
        assert words in done.stdout
    assert "  tables=" not in done.stdout and "retry=" not in done.stdout
    unknown = tebench("scor", "--help", cwd=tmp_path)
    assert unknown.returncode == 2 and "Did you mean 'score'" in unknown.stderr


@pytest.mark.parametrize("name", jobs.names())
def test_every_job_says_what_it_does_and_its_examples_are_accepted(name):
    assert len(jobs.summary(name)) > 20 and jobs.examples(name)
    known = {*parameters_of(Shared), *chosen_by_default()}
    assert set(jobs.options_of(name).READS) <= known
    for line in jobs.examples(name):
        words = line.split("   ")[0].split()[1:]
        if not any(word.startswith("plugins=") for word in words):
            prepare([word for word in words if not word.startswith("hydra/")])


def test_tab_completion(tmp_path):
    def complete(line, shell="bash"):
        command = [sys.executable, "-m", "tebench", "-sc", f"query={shell}"]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "COMP_LINE": line})
        assert done.stderr == ""
        return done.stdout.split()

    assert complete("tebench ra") == ["rank"]
    assert complete("tebench metric=[lbtc,logm") == ["metric=[lbtc,logme"]
    assert complete("tebench rank skip_broken=", "fish") == ["skip_broken=false", "skip_broken=true"]
    assert "tasks=lungs" in complete("tebench task tasks=lu", "zsh")
    assert "metric.k=" in complete("tebench metric=knn metric.")
    code = "import sys; sys.argv = ['tebench', '-sc', 'install=bash']; from tebench.cli.main import main; main()"
    installed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "-F hydra_bash_completion tebench" in installed.stdout, installed.stderr


def test_offline_fetches_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("TEBENCH_CACHE", str(tmp_path / "cache"))
    done = tebench("offline=true", "metric=random", cwd=tmp_path)
    assert done.returncode == 2 and "not fetched" in done.stderr and "run: tebench assets" in done.stderr
    assert not list((tmp_path / "cache" / "assets").glob("[!.]*/"))


def test_configuration_is_printed(tmp_path):
    done = tebench("--cfg", "job", "metric=[gbc,logme]", "metric.options.gbc.covariance=full", cwd=tmp_path)
    assert "- gbc" in done.stdout and "covariance: full" in done.stdout, done.stderr


def test_a_verb_is_a_job_with_its_own_options_and_stages_need_no_quotes(tmp_path):
    done = tebench("cite", "metric=lbtc", "version=v1.0", "--cfg", "job", cwd=tmp_path)
    assert "name: cite\n  metric: lbtc\n" in done.stdout and "version: v1.0" in done.stdout, done.stderr
    done = tebench("stages=encoder[-2:]", "--cfg", "job", cwd=tmp_path)
    assert "stages: encoder[-2:]" in done.stdout and "name: grtd_lbtc" in done.stdout, done.stderr


def test_check_job_says_pass_and_fail_by_exit_code(tmp_path):
    assert tebench("job=check", "metric=hscore", cwd=tmp_path).returncode == 0
    (tmp_path / "wrong.py").write_text(
        "from tebench import metric\n"
        "@metric(name='wrong', title='Wrong', paper='none', direction='up', range=(0.0, 1.0),\n"
        "        reads='matrix', cost='linear')\n"
        "def wrong(features, labels) -> float:\n"
        "    'Leaves its declared range.'\n"
        "    return 2.0\n"
    )
    done = tebench("job=check", "metric=wrong", "plugins=[wrong.py]", cwd=tmp_path)
    assert done.returncode == 1
    assert re.search(r"fail +finite float .*outside its declared range \[0, 1\]", done.stdout)


def test_help_lists_the_metrics_of_plugins_and_bears_a_closed_pipe(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from tebench import metric\n"
        "@metric(name='helped', title='H', paper='arXiv:0000.00000', direction='up', range=(0.0, 1.0),\n"
        "        reads='matrix', cost='linear', invariances=())\n"
        "def helped(features, labels) -> float:\n"
        "    'A number.'\n"
        "    return 0.5\n"
    )
    assert "  helped " in tebench("--help", "plugins=[mine.py]", cwd=tmp_path).stdout
    pipe = f"{sys.executable} -m tebench --help | head -1"
    done = subprocess.run(["bash", "-c", pipe], capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.startswith("tebench:") and done.stderr == ""
