"""One cell of the fine-tuning grid: what it is made from, where its files lie, and its execution."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tebench.base.errors import TebenchError
from tebench.base.storage import locked
from tebench.finetuning import rows
from tebench.finetuning.protocol import Protocol
from tebench.runtime import processor
from tebench.runtime.threads import one_thread

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sources:
    """Where tasks and encoders come from; functions that a spawned process can import."""

    load_task: Callable
    build_encoder: Callable
    encoder_fingerprint: Callable

    @staticmethod
    def catalogues() -> Sources:
        from tebench.encoders import catalogue as encoders
        from tebench.tasks import catalogue as tasks

        return Sources(tasks.load, encoders.build, encoders.fingerprint)


@dataclass(frozen=True)
class Run:
    """One cell of the grid."""

    protocol: Protocol
    encoder: str
    task: str
    seed: int
    key: str
    made_from: dict
    folder: Path

    @property
    def name(self) -> str:
        return f"{self.task}-{self.encoder}-seed{self.seed}"

    @property
    def path(self) -> Path:
        return self.folder / f"{self.name}-{self.key[:12]}.json"

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoints" / f"{self.key}.safetensors"

    @property
    def failure(self) -> Path:
        return self.folder / f"{rows.FAILED}{self.name}-{self.key[:12]}.json"

    def finished(self) -> bool:
        """A valid result lies there; a damaged one is reported, deleted and made again."""
        if not self.path.exists():
            return False
        try:
            rows.read_result(self.path, self.key)
        except TebenchError as error:
            log.warning("%s The run is repeated.", error)
            with contextlib.suppress(OSError):  # what writes the new result says what is wrong with the disk
                self.path.unlink(missing_ok=True)
            return False
        return True


def execute_run(run: Run, sources: Sources, device: str, every: int, progress: Callable[[int], None]) -> None:
    """Train, test, write the result, drop the checkpoint. A second process that comes meanwhile waits and finds it."""
    with locked(run.checkpoint):
        if not run.finished():
            with one_thread():
                _execute(run, sources, device, every, progress)


def _execute(run: Run, sources: Sources, device: str, every: int, progress: Callable[[int], None]) -> None:
    from tebench.finetuning.train import run as train

    task = _task(sources.load_task, run.task)
    encoder = sources.build_encoder(run.encoder)
    outcome = train(
        run.protocol, encoder, task, run.seed,
        key=run.key, checkpoint=run.checkpoint, every=every, device=device, progress=progress,
    )  # fmt: skip
    identity = {"protocol": run.protocol.name, "encoder": run.encoder, "task": run.task, "seed": run.seed}
    row = identity | {
        "metric": "dsc",
        "value": outcome.value,
        "floor": outcome.floor,
        "steps": run.protocol.steps,
        "seconds": round(outcome.seconds, 1),
        "protocol_hash": run.made_from["protocol_hash"],
        "encoder_fingerprint": run.made_from["encoder_fingerprint"],
        "task_fingerprint": run.made_from["task_fingerprint"],
        "packages": _package_hashes(encoder, task),
        "train_loss_last": outcome.train_loss_last,
        "weights_hash": outcome.weights_hash,
        **_environment(device),
    }
    volumes = [
        identity | {"volume": volume, "class": task.classes[k + 1], "dice": dice}
        for volume, values in outcome.dice.items()
        for k, dice in enumerate(values)
    ]
    rows.write_result(run.path, row, volumes, run.key, run.made_from)
    run.checkpoint.unlink(missing_ok=True)
    run.failure.unlink(missing_ok=True)


_TASKS: dict = {}


def _task(load, name: str):
    """The task with its cases kept in memory: a worker makes many runs on few tasks."""
    if (load, name) not in _TASKS:
        from dataclasses import replace
        from functools import lru_cache

        task = load(name)
        _TASKS[load, name] = replace(task, loader=lru_cache(maxsize=None)(task.loader))
    return _TASKS[load, name]


def _package_hashes(encoder, task) -> str:
    """`name=hash` of every packaged asset that encoder or task name as their source."""
    from tebench.assets import catalogue

    sources = f"{encoder.facts.source} {task.facts.get('source', '')} {task.facts.get('packages', '')}"
    return " ".join(f"{n}={catalogue.fingerprint(n)[:16]}" for n in sorted(catalogue.names()) if n in sources)


def _environment(device: str) -> dict:
    from importlib.metadata import version

    import torch

    from tebench.base.version import __version__

    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else "cpu"
    return {
        "device": name,
        "torch": torch.__version__,
        "monai": version("monai"),
        "tebench": __version__,
        "machine": processor.name(),
    }
