"""The command line as a user meets it: help, bad names, bad values. Each in a process of its own."""

import re
import subprocess
import sys

import pytest


def tebench(*arguments, cwd=None):
    return subprocess.run([sys.executable, "-m", "tebench", *arguments], capture_output=True, text=True, cwd=cwd)


def test_help_teaches_and_is_cheap(tmp_path):
    done = tebench("--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for word in ("job=score", "job=finetune", "benchmark=starter", "grtd_lbtc", "logme", "Options", "Examples"):
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
        (["metric=logme", "metric.max_iter=0"], "parameter 'max_iter' must be int"),
        (["workers=0"], "workers must be a whole number >= 1, got 0"),
        (["seed=-1"], "seed must be a whole number >= 0, got -1"),
        (["device=tpu"], "device must be cpu, cuda or cuda:N, got 'tpu'"),
        (["encoders=deepbet"], "encoders must be a list of names such as encoders=[a,b], got 'deepbet'"),
        (["encoders=[]"], "name at least one"),
        (["encoders=[deepbett]"], "unknown encoder 'deepbett'. Did you mean 'deepbet'?"),
        (["tasks=[tisue]"], "unknown task 'tisue'. Did you mean 'tissues'?"),
        (["benchmark.pool=zo"], "unknown pool 'zo'. Did you mean 'zoo'?"),
        (["plugins=[absent.py]", "metric=lbtc"], "absent.py does not exist"),
        (["job.target=absent.csv"], "ground truth 'absent.csv' does not exist"),
        (["stages=middle"], "stages must look like encoder[-1], decoder[-3:], encoder or all, got 'middle'"),
        (["stages=3"], "stages must look like"),
        (["encoderz=[deepbet]"], "unknown option 'encoderz'. Did you mean 'encoders'?"),
        (["sampling.forground=3"], "unknown option of sampling default 'forground'. Did you mean 'foreground'?"),
        (["job=finetune", "job.seed=[0]"], "unknown option of job finetune 'seed'. Did you mean 'seeds'?"),
        (["metric=[logme,gbc]", "metric.max_iter=5"], "write metric.options.NAME.max_iter=VALUE"),
        (["benchmark.window=abc"], "benchmark.window must be three whole numbers"),
        (["benchmark.tasks=[]"], "benchmark.tasks must be a list of at least one name"),
        (["job.beside=random"], "job.beside must be a list"),
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
    ("arguments", "words"),
    [(["metric=logme", "metric.max_iter=many"], "could not be converted to Integer")],
)
def test_hydra_refuses_what_it_checks(tmp_path, arguments, words):
    done = tebench(*arguments, cwd=tmp_path)
    assert done.returncode != 0
    assert words in done.stderr


def test_offline_fetches_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("TEBENCH_CACHE", str(tmp_path / "cache"))
    done = tebench("offline=true", "metric=random", cwd=tmp_path)
    assert done.returncode == 2 and "not fetched" in done.stderr and "run: tebench assets" in done.stderr
    assert not list((tmp_path / "cache" / "assets").glob("[!.]*/"))


def test_configuration_is_printed(tmp_path):
    done = tebench("--cfg", "job", "metric=[gbc,logme]", "metric.options.gbc.covariance=full", cwd=tmp_path)
    assert "- gbc" in done.stdout and "covariance: full" in done.stdout, done.stderr


def test_a_verb_is_a_job_with_its_own_options_and_stages_need_no_quotes(tmp_path):
    done = tebench("cite", "metric=lbtc", "version=v1.0", "stages=encoder[-2:]", "--cfg", "job", cwd=tmp_path)
    assert "name: cite\n  metric: lbtc\n" in done.stdout and "version: v1.0" in done.stdout, done.stderr
    assert "stages: encoder[-2:]" in done.stdout and "name: grtd_lbtc" in done.stdout


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
