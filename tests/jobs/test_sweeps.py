"""Sweeps through Hydra's launchers, as a user starts them: each in a process of its own."""

import os
import subprocess
import sys
from types import SimpleNamespace

import own_world
import pytest
import tiny_world

from tebench.base import storage
from tebench.base.errors import InputError, UnknownNameError
from tebench.cli import jobs, sweep
from tebench.cli.options import prepare


def tebench(folder, *arguments):
    folder.mkdir(exist_ok=True)
    given = {a.split("=", 1)[0] for a in arguments}
    rest = [a for a in tiny_world.SMALL if a.split("=", 1)[0] not in given]
    rest = own_world.read_by(next(a for a in arguments if a in jobs.names()), rest)
    command = [sys.executable, "-m", "tebench", *arguments, *rest, "cache=cache"]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=os.environ)


def feature_files(folder):
    found = sorted((folder / "cache" / "features").rglob("*.safetensors"))
    return {path.relative_to(folder): storage.sha256_file(path) for path in found}


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """One extraction sweep by each launcher, with a member that fails."""
    made = {}
    for launcher in ("basic", "joblib"):
        folder = tmp_path_factory.mktemp(launcher) / "run"
        more = [] if launcher == "basic" else ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
        made[launcher] = folder, tebench(folder, "extract", "-m", "encoders=[tiny],[tini],[other]", *more)
    return made


@pytest.mark.parametrize("launcher", ["basic", "joblib"])
def test_a_member_fails_alone_and_the_sweep_says_so(swept, launcher):
    folder, done = swept[launcher]
    assert done.returncode == 1
    assert "encoders=[tini]" in done.stderr and "Did you mean 'tiny'?" in done.stderr
    assert "at least one member of the sweep failed, first [" in done.stderr and "Traceback" not in done.stderr
    assert len(feature_files(folder)) == 4  # features and sample of the two others, one of them after the failure


def test_launchers_give_the_same_bytes_and_leave_the_folder_tidy(swept):
    found = [feature_files(folder) for folder, _ in swept.values()]
    assert found[0] == found[1]
    for folder, _ in swept.values():
        assert sorted(path.name for path in folder.iterdir()) == ["cache", "outputs"]
        assert not list(folder.rglob(".*.part*"))
        locks = list(folder.rglob("*.lock"))  # the files stay; nobody is noted in them any more
        assert locks and all(path.stat().st_size == 0 for path in locks)


def test_members_of_joblib_can_start_workers_of_their_own(tmp_path):
    """joblib leaves a start method behind that processes started by its workers do not know."""
    program = tmp_path / "program.py"
    program.write_text(
        "import math, multiprocessing\n"
        "from concurrent.futures import ProcessPoolExecutor\n"
        "from types import SimpleNamespace\n"
        "from hydra.core.hydra_config import HydraConfig\n"
        "from joblib import Parallel, delayed\n"
        "from tebench.cli import sweep\n"
        "def job():\n"
        "    context = multiprocessing.get_context('spawn')\n"
        "    with ProcessPoolExecutor(1, mp_context=context) as pool:\n"
        "        print(pool.submit(math.factorial, 5).result(), flush=True)\n"
        "def member():\n"
        "    HydraConfig.get = lambda: SimpleNamespace(overrides=SimpleNamespace(task=[]))\n"
        "    sweep.run_member(job)\n"
        "if __name__ == '__main__':\n"
        "    Parallel(n_jobs=2, backend='loky')(delayed(member)() for _ in range(2))\n"
    )
    done = subprocess.run([sys.executable, program], capture_output=True, text=True)
    assert done.stdout.split() == ["120", "120"], done.stderr


def test_members_that_share_an_output_folder_keep_cells_only(swept):
    folder, _ = swept["joblib"]
    done = tebench(
        folder, "-m", "score", "encoders=[tiny],[other]", "metric=[spread,fussy],[spread]", "hydra/launcher=joblib"
    )
    assert "members keep scores only" in done.stderr and done.returncode == 1
    assert "fussy on blobs / tiny: ZeroDivisionError: none of these" in done.stderr
    kept = sorted(path.name[:6] for path in (folder / "cache" / "scores").rglob("*.json"))
    assert kept == ["failed", "failed", "spread", "spread"]
    assert not (folder / "outputs" / "starter").exists() or not list((folder / "outputs").rglob("scores.csv"))


def test_what_is_swept_is_what_hydra_sweeps():
    arguments = ["-m", "encoders=[a],[b]", "tasks=[a,b]", "seed=range(0,3)", "hydra.launcher.n_jobs=1,2", "workers=1,2"]
    assert sweep.swept(arguments) == ["encoders", "seed", "workers"]
    assert sweep.prepare(["-m", "metric=a,b", "workers=1,2"]) == ["-m", "metric=a,b", "workers=1,2"]
    own = ["-m", "tasks=[a],[b]", "output=out/${hydra:job.num}"]
    assert sweep.prepare(own) == own
    assert sweep.prepare(["tasks=[a],[b]", "-m"]) == ["-m", "tasks=[a],[b]", "job.tables=false"]
    assert sweep.prepare(["-m", "job=extract", "tasks=[a],[b]"]) == ["-m", "job=extract", "tasks=[a],[b]"]
    with pytest.raises(InputError, match=r"tables=true in a sweep over tasks: .*'output=outputs/member-"):
        sweep.prepare(["-m", "tasks=[a],[b]", "job.tables=true"])
    assert sweep.asked(["--multirun"]) and sweep.asked(["hydra.mode=MULTIRUN"]) and not sweep.asked(["-c", "job"])


def test_a_launchers_own_exit_passes_and_a_jobs_becomes_an_error(monkeypatch):
    """submitit raises SystemExit(-1) inside the job when it requeues it; taken for a result, nothing would go on."""
    config = SimpleNamespace(overrides=SimpleNamespace(task=["seed=1"]))
    monkeypatch.setattr("hydra.core.hydra_config.HydraConfig.get", lambda: config)
    with pytest.raises(SystemExit) as passed:
        sweep.run_member(lambda: sys.exit(-1))
    assert passed.value.code == -1
    sweep.run_member(lambda: sys.exit(0))  # job=check ends so when all is well; the next member must still run
    with pytest.raises(sweep.MemberError, match=r"\[seed=1\] exit code 1"):
        sweep.run_member(lambda: sys.exit(1))
    with pytest.raises(sweep.MemberError, match="ZeroDivisionError"):
        sweep.run_member(lambda: 1 / 0)


def test_a_killed_member_of_joblib_is_said_in_words():
    killed = type("TerminatedWorkerError", (Exception,), {})("A worker process ... SIGKILL(-9)")
    assert sweep.explain(killed).startswith("a member of the sweep was killed, perhaps for lack of memory")
    assert sweep.explain(ValueError("x")) is None


def test_lists_of_metrics_can_be_swept():
    assert prepare(["-m", "metric=[logme,gbc],[lbtc]"]) == [
        "-m", "metric=several", "metric.names=[logme,gbc],[lbtc]",
    ]  # fmt: skip
    assert prepare(["-m", "metric=[logme], gbc"])[-1] == "metric.names=[logme],[gbc]"
    with pytest.raises(UnknownNameError, match="Did you mean 'logme'"):
        prepare(["-m", "metric=[logmee],[gbc]"])
    with pytest.raises(InputError, match="each once"):
        prepare(["-m", "metric=[gbc,gbc],[lbtc]"])
    assert prepare(["-m", "extract", "seed=0,1"]) == ["-m", "job=extract", "seed=0,1"]
