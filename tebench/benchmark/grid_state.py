"""The state of every cell of a benchmark's grid, read from files alone: done, running, failed or missing.

How each is known:
  done     a result that fits its own checksum lies where the cell's ingredients say.
  running  a process holds the cell's lock; its note names host, process and since when. Where the file system keeps
           locks within one host, a lock left by another host counts while the cell's newest partial file is fresh.
           Scores take no lock: a score is done, failed or missing.
  failed   the failure is on record, with its reason (see `tebench.base.failures`).
  missing  none of these; the detail says what is kept of an interrupted one, and what is damaged.
"""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tebench.base import failures, storage
from tebench.base.errors import CacheError, TebenchError
from tebench.benchmark.spec import World

PARTS = ("extract", "finetune", "score")
STATES = ("done", "running", "failed", "missing")
COLUMNS = ("part", "task", "encoder", "seed", "metric", "state", "detail", "path")


@dataclass(frozen=True)
class State:
    """One cell. seed: of fine-tuning.   metric: of a score.   path: where its result lies or would lie."""

    part: str
    task: str
    encoder: str
    state: str
    detail: str = ""
    path: str = ""
    seed: int | None = None
    metric: str = ""

    @property
    def name(self) -> str:
        seed = "" if self.seed is None else f" seed {self.seed}"
        return f"{self.part} {self.task} / {self.encoder}{seed}{f' {self.metric}' if self.metric else ''}"


def extraction(world: World, *, fresh: float, verify: bool = False) -> tuple[list[State], dict]:
    """(states, (task, encoder) -> header of each sound feature folder). verify: hash the feature files too.

    fresh: minutes during which a partial file counts as a sign of life, see the module's text.
    """
    from tebench.features import cache
    from tebench.tasks import catalogue as tasks

    prints, states, headers = _fingerprints(world.encoders), [], {}
    for name in world.tasks:
        task = tasks.load(name)
        sample, why = _sample(world, task)
        for encoder in world.encoders:
            what: dict[str, Any] = {"part": "extract", "task": name, "encoder": encoder}
            fingerprint = prints[encoder]
            if isinstance(fingerprint, TebenchError):
                states.append(State(**what, state="failed", detail=f"cannot be read: {fingerprint}"))
                continue
            if sample is None:
                states.append(State(**what, state="missing", detail=why))
                continue
            parts = cache.made_from(
                task=name, task_fingerprint=task.fingerprint, sample_hash=sample.hash, encoder=encoder,
                encoder_fingerprint=fingerprint, decoder_seed=world.seed, interpolation=world.interpolation,
                patch=world.window_of(name), overlap=0.0,
            )  # fmt: skip
            folder = cache.folder_for(world.cache / "features", parts)
            what["path"] = str(folder)
            with _readable(what, states):
                try:
                    content = cache.check(folder, storage.hash_json(parts), verify=verify)
                    headers[name, encoder] = cache.header_of(content)
                    states.append(State(**what, state="done", detail=f"{content['rows']} voxels"))
                    continue
                except (CacheError, KeyError, OSError) as error:
                    damaged = f"damaged, made again by a rerun: {error}" if (folder / cache.MANIFEST).exists() else ""
                kept = sorted((folder.parent / f".{folder.name}.cases").glob("0*.safetensors"))
                progress = f"{len(kept)} of {len(sample.case_ids)} cases"
                lock, failure = folder.parent / f".{folder.name}", failures.path_for(folder)
                states.append(_unfinished(what, failure, lock, kept, progress, fresh, damaged))
    return states, headers


def finetuning_folder(folder: str | None, world: World) -> Path:
    """`folder`, or where fine-tuning keeps its results by default."""
    return Path(folder).expanduser() if folder else world.cache / "finetuning"


def finetuning(world: World, protocol, seeds: list[int], folder: Path, *, fresh: float) -> tuple[list[State], list]:
    """(states, [(run, its verified result), ...])."""
    from tebench.finetuning import rows
    from tebench.finetuning.cell import Sources
    from tebench.finetuning.protocol import Protocol
    from tebench.finetuning.runs import plan

    protocol, prints = Protocol.load(protocol), _fingerprints(world.encoders)
    readable = [name for name in world.encoders if not isinstance(prints[name], TebenchError)]
    states = [
        State("finetune", task, name, "failed", f"cannot be read: {prints[name]}", seed=seed)
        for name in world.encoders
        if name not in readable
        for task in world.tasks
        for seed in seeds
    ]
    results = []
    runs = plan(protocol, readable, world.tasks, seeds, folder=folder, sources=Sources.catalogues()) if readable else []
    for run in runs:
        what: dict[str, Any] = {
            "part": "finetune", "task": run.task, "encoder": run.encoder, "seed": run.seed, "path": str(run.path),
        }  # fmt: skip
        damaged = ""
        with _readable(what, states):
            if run.path.exists():
                try:
                    results.append((run, rows.read_result(run.path, run.key)))
                    states.append(State(**what, state="done", detail=f"dice {results[-1][1]['row']['value']:.4f}"))
                    continue
                except CacheError as error:
                    damaged = f"damaged, made again by a rerun: {error}"
            kept = [run.checkpoint] if run.checkpoint.exists() else []
            progress = f"step {_step(run.checkpoint)} of {protocol.steps}"
            states.append(_unfinished(what, run.failure, run.checkpoint, kept, progress, fresh, damaged))
    return states, results


def scoring(world: World, requests: list, headers: dict) -> tuple[list[State], dict]:
    """(states, (task, encoder) -> Scores, failed ones included). requests: those that are not defined over a pool."""
    from tebench.scoring import score_file
    from tebench.scoring.score import folder_of

    states: list[State] = []
    found: dict[tuple[str, str], list] = {}
    for task in world.tasks:
        for encoder in world.encoders:
            scores = found.setdefault((task, encoder), [])
            for request in requests:
                what: dict[str, Any] = {"part": "score", "task": task, "encoder": encoder, "metric": _spell(request)}
                if (task, encoder) not in headers:
                    states.append(State(**what, state="missing", detail="its features are not there"))
                    continue
                path = score_file.path_of(folder_of(world.cache), request, task, encoder, headers[task, encoder])
                what["path"] = str(path)
                with _readable(what, states):
                    score = score_file.read(path)
                    record = None if score else failures.read(failures.path_for(path))
                    if score:
                        states.append(State(**what, state="done", detail=score.reason))
                        scores.append(score)
                    elif record:
                        states.append(State(**what, state="failed", detail=_reason(record)))
                        scores.append(score_file.read_failed(path))
                    else:
                        detail = "damaged, computed again by a rerun" if path.exists() else ""
                        states.append(State(**what, state="missing", detail=detail))
    return states, {pair: [score for score in scores if score] for pair, scores in found.items()}


@contextlib.contextmanager
def _readable(what: dict, states: list[State]):
    """A cell in a folder that is closed to this user has failed, and the rest of the grid is still told."""
    try:
        yield
    except PermissionError as error:
        states.append(State(**what, state="failed", detail=f"cannot be read by this user: {error}"))


def _fingerprints(encoders) -> dict[str, str | TebenchError]:
    from tebench.encoders import catalogue

    found: dict[str, str | TebenchError] = {}
    for name in encoders:
        try:
            found[name] = catalogue.fingerprint(name)
        except TebenchError as error:
            found[name] = error
    return found


def _sample(world: World, task):
    """(the drawn sample or None, why there is none)."""
    from tebench.features import sample_store
    from tebench.features.sampling import Recipe

    path = sample_store.sample_path(task, Recipe(**world.sampling), world.seed, world.cache / "samples")
    try:
        if not path.exists():
            return None, "no sample of this task is drawn yet"
        return sample_store.read(path), ""
    except PermissionError as error:
        return None, f"the sample cannot be read by this user: {error}"
    except CacheError as error:
        return None, f"the sample is damaged and drawn again by a rerun: {error}"


def _unfinished(what: dict, failure: Path, lock: Path, kept: list[Path], progress: str, fresh, damaged: str) -> State:
    holder, now = storage.holder(lock), time.time()
    age = max(0.0, now - max((path.stat().st_mtime for path in kept if path.exists()), default=0.0))
    news = f", {progress}, newest {_ago(age)} old" if kept else ", nothing kept yet"
    if holder and holder.held:
        who = f"process {holder.pid} on {holder.host}, for {_ago(now - holder.since)}" if holder.host else "a process"
        return State(**what, state="running", detail=f"lock held by {who}{news}")
    if holder and holder.held is None and kept and age < 60 * fresh:
        where = f"lock left by process {holder.pid} on {holder.host or 'another host'}, judged by age{news}"
        return State(**what, state="running", detail=where)
    if known := failures.read(failure):
        return State(**what, state="failed", detail=_reason(known))
    interrupted = f"interrupted, a rerun goes on from {progress}, newest {_ago(age)} old" if kept else ""
    return State(**what, state="missing", detail="; ".join(text for text in (damaged, interrupted) if text))


def _reason(record: dict) -> str:
    how = "any rerun tries it again" if record["transient"] else "retry=true tries it again"
    return f"{record['error']} ({record['when']} on {record['host']}; {how})"


def _ago(seconds: float) -> str:
    seconds = max(0.0, seconds)
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _step(checkpoint: Path) -> int:
    """Steps in a checkpoint, from the header of its file alone."""
    try:
        with open(checkpoint, "rb") as file:
            size = int.from_bytes(file.read(8), "little")
            return int(json.loads(json.loads(file.read(min(size, 2**24)))["__metadata__"]["tebench"])["step"])
    except (OSError, KeyError, TypeError, ValueError):
        return 0


def _spell(request) -> str:
    defaults = {name: parameter.default for name, parameter in request.metric.parameters.items()}
    own = {name: value for name, value in request.parameters.items() if value != defaults.get(name)}
    return request.metric.name + (f" {storage.canonical_json(own)}" if own else "")
