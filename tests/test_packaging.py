"""A built wheel holds everything, under the one name tebench, and runs away from the checkout."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy, so that the checkout stays as it is."""
    import shutil

    copy = tmp_path_factory.mktemp("source") / "tebench"
    ignore = shutil.ignore_patterns(".git", ".venv*", "build", "*.egg-info", "outputs", "__pycache__", "tests")
    shutil.copytree(ROOT, copy, ignore=ignore)
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", out, copy], check=True, capture_output=True, text=True
    )
    (path,) = out.glob("*.whl")
    return path


def test_wheel_holds_configuration_baselines_and_rows(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"tebench"}
    for name in (
        "conf/config.yaml",
        "baselines/logme.py",
        "leaderboard/ground_truth/starter.csv",
        "encoders/pretrained_weights/ssl_mae.json",
    ):
        assert f"tebench/{name}" in names
    expected = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("conf/**/*.yaml")}
    assert {f"tebench/{name}" for name in expected} <= set(names)
    packages = {path.parent.relative_to(ROOT).as_posix() for path in ROOT.glob("tebench/**/*.py")}
    assert {f"{package}/__init__.py" for package in packages} <= set(names), "a package is missing from pyproject.toml"


def test_wheel_runs_from_elsewhere(wheel, tmp_path):
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    code = (
        f"import sys; sys.path.insert(0, {str(site)!r}); import tebench; assert {str(site)!r} in tebench.__file__;"
        "from tebench.cli.main import main; sys.argv[1:] = ['--cfg', 'job', 'metric=gbc']; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert "metric:\n  name: gbc\n  covariance:" in done.stdout, done.stderr
