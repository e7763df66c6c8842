"""job=verify on published rows that were made here, with a tiny protocol."""

from dataclasses import replace

import own_world
import pandas as pd
import pytest

from tebench.base.errors import InputError
from tebench.cli.jobs import verify
from tebench.finetuning import rows
from tebench.finetuning.runs import run_grid

TINY = """
name: tiny-verify
frozen: true
steps: 2
decoder_stride: 4
output_stride: 4
width: 2
image_lateral: false
overlap: 0.0
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """(configuration, CSV of the rows): one random encoder, one small task of the user's."""
    import sys
    from pathlib import Path

    import torch

    sys.path.insert(0, str(Path(__file__).parents[1] / "finetuning"))
    from finetuning_fakes import load_task

    from tebench.tasks import catalogue

    folder = tmp_path_factory.mktemp("verify")
    (folder / "tiny.yaml").write_text(TINY)
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(catalogue._OPENED, "blobs", load_task("blobs"))
        patch.setattr(catalogue, "names", lambda: ["blobs"])
        protocol = str(folder / "tiny.yaml")
        run_grid(protocol, ["deepbet_random"], ["blobs"], [0], folder=folder / "runs", progress=False)
        path = rows.write_csvs(folder / "runs", folder, "truth")[0]
        config = own_world.compose(
            "job=verify", f"protocols={protocol}", "encoders=deepbet_random", "tasks=blobs", "seeds=0",
            f"target={path}", f"rows={folder / 'out'}", "benchmark.pool=random", "benchmark.tasks=[blobs]", "workers=1",
            "progress=false", f"cache={folder / 'cache'}",
        )  # fmt: skip
        yield config, path
    torch.set_num_threads(threads)


def job(config, **changes):
    return config[0], replace(config[1], **changes)


def test_the_same_machine_finds_the_same_weights(world, capsys):
    verify.run(*world[0])
    assert "1 of 1 runs agree" in capsys.readouterr().out
    table = pd.read_csv(f"{world[0][1].rows}/verify.csv")
    assert table["weights"].tolist() == ["equal"] and table["difference"].tolist() == [0.0]


def test_a_row_that_was_not_measured_so_fails(world, tmp_path, capsys):
    table = pd.read_csv(world[1])
    table["value"] = (table["value"] + 0.5) % 1
    table.to_csv(tmp_path / "false.csv", index=False)
    with pytest.raises(SystemExit) as stopped:
        verify.run(*job(world[0], target=str(tmp_path / "false.csv")))
    assert stopped.value.code == 1 and "0 of 1 runs agree" in capsys.readouterr().out


def test_missing_rows_and_bad_options_are_named(world):
    with pytest.raises(InputError, match="no row of protocol tiny-verify for blobs-deepbet_random-seed7"):
        verify.run(*job(world[0], seeds=(7,)))
    with pytest.raises(InputError, match=r"protocols=\[\]: name at least one"):
        own_world.compose("verify", "protocols=[]")
    with pytest.raises(InputError, match=r"tolerance must be a number 0\.\.1 or null, got 3"):
        own_world.compose("verify", "tolerance=3")
