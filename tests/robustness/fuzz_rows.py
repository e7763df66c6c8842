"""Readers of rows, submissions, protocols and command lines."""

from __future__ import annotations

import functools
import json
from pathlib import Path

from fuzz_registry import put, reader


@reader("leaderboard rows", "csv")
def _rows():
    def read(data: bytes, folder: Path):
        from tebench.publication import leaderboard_rows

        leaderboard_rows.read(put(folder, "rows.csv", data))

    def sound(folder: Path) -> list[bytes]:
        return [_leaderboard_rows().encode()]

    return read, sound


@functools.cache
def _leaderboard_rows() -> str:
    import leaderboard_world

    from tebench.publication import leaderboard_rows

    rows, _ = leaderboard_world.rows_and_truth()
    some = rows[rows["task"].isin(sorted(set(rows["task"]))[:1]) & rows["metric"].isin(sorted(set(rows["metric"]))[:2])]
    return leaderboard_rows.text(some)


@reader("ground truth", "csv")
def _truth():
    def read(data: bytes, folder: Path):
        from tebench.evaluation import groundtruth

        truth = groundtruth.read(put(folder, "truth.csv", data))
        groundtruth.require(truth, sorted(set(truth["encoder"])))

    def sound(folder: Path) -> list[bytes]:
        lines = ["protocol,encoder,task,seed,metric,value"]
        lines += [f"p,{encoder},{task},{seed},dsc,0.{seed}5" for encoder in "abc" for task in "xy" for seed in (0, 1)]
        return ["\n".join(lines).encode()]

    return read, sound


@reader("published scores", "csv")
def _scores():
    def read(data: bytes, folder: Path):
        from tebench.scoring import imported

        imported.as_scores(imported.read(put(folder, "scores.csv", data), "abc", "xy"), "scores.csv")

    def sound(folder: Path) -> list[bytes]:
        long = ["encoder,task,score,metric"] + [f"{e},{t},0.5,m" for e in "abc" for t in "xy"]
        return [b"encoder,x,y\na,1,2\nb,3,4\nc,5,6\n", "\n".join(long).encode()]

    return read, sound


@reader("submission", "csv")
def _submission():
    def read(data: bytes, folder: Path):
        from tebench.publication import submission

        found = submission.parse(submission.read(put(folder, "mine.csv", data)))
        assert all(isinstance(problem, str) for problem in found.problems)
        assert found.problems or found.rows is not None

    def sound(folder: Path) -> list[bytes]:
        facts = {"format": 1, "benchmark": "b", "protocol": "p", "metric": "m", "source_sha256": "0" * 64, "beside": [],
                 "environment": {}, "claims": {"x": 0.5, "mean": None}, "control": {"x": {"a": 0.1}}}  # fmt: skip
        return [f"# {json.dumps(facts)}\n{_leaderboard_rows()}".encode()]

    return read, sound


@reader("protocol YAML", "csv")
def _protocol():
    def read(data: bytes, folder: Path):
        from tebench.finetuning.protocol import Protocol

        Protocol.load(str(put(folder, "p.yaml", data)))

    def sound(folder: Path) -> list[bytes]:
        from importlib.resources import files

        return [(files("tebench.conf") / "protocol" / "starter-v1.yaml").read_bytes()]

    return read, sound


@reader("command line", "words")
def _command_line():
    def read(data: bytes, folder: Path):
        from hydra.errors import HydraException

        from tebench.base.errors import InputError
        from tebench.cli.config import compose

        words = data.decode("utf-8", "replace").split("\0")
        words = [word for word in words if not word.lstrip("+~").startswith("plug")]  # plugins are code on purpose
        try:
            compose(*words)
        except HydraException as error:
            raise InputError(str(error)) from error

    def sound(folder: Path) -> list[bytes]:
        lines = [
            ["metric=[lbtc,logme]", "metric.options.lbtc.k=3", "stages=encoder[-1]", "seed=1"],
            ["job=extract", "encoders=[deepbet]", "tasks=[tissues]", "device=cpu"], ["metric=all", "workers=2"],
            ["job=finetune", "protocol.steps=10", "job.seeds=[0,1]"], ["cite", "metric=lbtc"],
            ["benchmark.window=null"],
        ]  # fmt: skip
        return ["\0".join(line).encode() for line in lines]

    return read, sound
