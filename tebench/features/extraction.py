"""Read a frozen encoder at the sampled voxels of a task and keep the rows in the feature cache."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from tebench.base import failures, storage
from tebench.base.errors import CacheError, InputError
from tebench.features import cache as feature_cache
from tebench.features import gather, windows
from tebench.features.partial import PartialFeatures, assemble, clear_left
from tebench.features.progress import Progress
from tebench.features.sample import Sample
from tebench.features.volumes import Kept, Volume
from tebench.runtime.meter import Meter
from tebench.runtime.threads import one_thread
from tebench.tasks.base import Task

log = logging.getLogger(__name__)

MOST_AHEAD = 2**28  # bytes of a volume beside which the next one is read


def extract(
    task: Task,
    encoder,
    sample: Sample,
    *,
    cache: Path,
    decoder_seed: int = 0,
    interpolation: str = "nearest",
    patch: tuple[int, int, int] | None = None,
    overlap: float = 0.0,
    device: str = "cpu",
    progress: bool | Callable[[int, int], None] = True,
    retry: bool = True,
    kept: Kept | None = None,
) -> Path:
    """Features of one encoder at the sampled voxels of one task; returns their cache folder.

    encoder: a name of the catalogue, or an encoder object with `facts`, `spec`, `stages`, `fingerprint`.
    decoder_seed: of the random decoder.   interpolation: "nearest" or "trilinear" between map cells.
    patch: window in voxels, None = the encoder's own.   overlap: share of a window, 0 <= overlap < 1.
    progress: True shows a bar on stderr; a function is called with (windows done, windows in all).
    retry: try again what has a recorded failure that stands, see `tebench.base.failures`.
    kept: small volumes of extractions before, for encoders that read the same cases in the same way.

    Every sampled voxel is read once, by the window whose centre is nearest (the lower one at a tie);
    windows without one are not computed. A sound folder that is there already is returned at once;
    finished cases of an interrupted run are kept, of a killed one but for the last seconds (`partial.KEEP_AFTER`);
    the bytes do not depend on interruptions.
    Raises InputError for features that are not finite, naming encoder, stage and case.
    """
    _check(task, sample)
    gather.reader(interpolation)
    parts = made_from(
        task, encoder, sample, decoder_seed=decoder_seed, interpolation=interpolation, patch=patch, overlap=overlap
    )
    key = storage.hash_json(parts)
    folder = feature_cache.folder_for(cache, parts)
    if feature_cache.is_valid(folder, key):
        clear_left(folder)
        return folder
    name, failure = f"{parts['encoder']} / {task.name}", failures.path_for(folder)
    failures.refuse(failure, name, retry)
    cell = {"task": task.name, "encoder": parts["encoder"], "key": key}
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(storage.locked(folder.parent / f".{folder.name}"))
        except OSError as error:
            raise InputError(
                f"cannot write feature cache {folder}: {error.strerror}. Choose a writable one."
            ) from error
        # Another process may have finished it while this one waited for the lock.
        if not feature_cache.is_valid(folder, key, warn=False):
            log.info("extracting %s", name)
            _say_changed(folder, parts)
            with one_thread(), failures.recorded(failure, cell):
                _Extraction(task, _build(encoder), sample, parts, device, kept or Kept()).run(folder, key, progress)
    return folder


def made_from(
    task: Task, encoder, sample: Sample, *, decoder_seed=0, interpolation="nearest", patch=None, overlap=0.0,
    device=None, retry=None,
) -> dict:  # fmt: skip
    """What determines the features of `extract` with these arguments, as `tebench.features.cache` addresses them.

    device, retry: have no part in it.
    """
    return feature_cache.made_from(
        task=task.name, task_fingerprint=task.fingerprint, sample_hash=sample.hash, encoder=_name(encoder),
        encoder_fingerprint=_fingerprint(encoder), decoder_seed=decoder_seed, interpolation=interpolation,
        patch=patch, overlap=overlap,
    )  # fmt: skip


class _Extraction:
    def __init__(self, task: Task, encoder, sample: Sample, parts: dict, device: str, kept: Kept):
        from tebench.features.frozen import FrozenNetwork

        self.task, self.sample, self.parts, self.device, self.kept = task, sample, parts, device, kept
        self.spec, self.overlap = encoder.spec, parts["overlap"]
        self.patch = windows.check(parts["patch"] or encoder.spec.patch, self.overlap, encoder.spec.divisor)
        self.network = FrozenNetwork(encoder, parts["decoder_seed"], device)
        self.gather = gather.reader(parts["interpolation"])

    def run(self, folder: Path, key: str, progress) -> None:
        partial = PartialFeatures(folder, key)
        rows = {index: np.flatnonzero(self.sample.case == index) for index in np.unique(self.sample.case).tolist()}
        waiting = [index for index, mine in rows.items() if not partial.is_done(index, len(mine))]
        if len(waiting) < len(rows):
            log.info("%d of %d cases are kept from an interrupted run", len(rows) - len(waiting), len(rows))
        shown = Progress(progress, f"{self.network.name} / {self.task.name}", len(waiting))
        with partial:
            # Looking every 5 ms would cost 2.5 % of a small network. What is held for later depends on what ran before.
            aside = partial.n_bytes_held, self.kept.n_bytes_held
            with Meter(allocated=True, interval=0.02, aside=lambda: sum(held() for held in aside)) as meter, shown:
                for index, volume in self._volumes(waiting, rows):
                    begin, computed = time.perf_counter(), self.network.forward_seconds
                    matrices = self._case(index, volume, shown)
                    seconds = {
                        "total": round(time.perf_counter() - begin, 4),
                        "forward": round(self.network.forward_seconds - computed, 4),
                    }
                    partial.save(index, matrices, seconds)
            self._finish(folder, partial, list(rows), meter)

    def _volumes(self, indices: list[int], rows: dict[int, np.ndarray]) -> Iterator[tuple[int, Volume]]:
        """Cases in turn; beside a small one the next is read and normalised while the caller computes."""

        def load(index: int) -> Volume:
            return self.kept.prepare(self.task, self.sample.case_ids[index], self.sample, rows[index], self.spec)

        with ThreadPoolExecutor(1, thread_name_prefix="read-case") as reader:
            following = reader.submit(load, indices[0]) if indices else None
            for index, later in zip(indices, [*indices[1:], None], strict=False):  # no index: nothing to do
                volume = following.result()
                ahead = later is not None and volume.image.nbytes <= MOST_AHEAD
                following = reader.submit(load, later) if ahead else None
                yield index, volume
                if later is not None and not ahead:
                    del volume  # two of this size would stand in memory, and what reading one takes
                    following = reader.submit(load, later)

    def _case(self, index: int, volume: Volume, shown: Progress) -> dict[str, np.ndarray]:
        plan = windows.assign(volume.image.shape[1:], self.patch, volume.positions, self.overlap)
        shown.case(len(plan))
        n = len(volume.positions)
        out = {stage.name: np.empty((n, stage.channels), np.float32) for stage in self.network.stages}
        together = self.network.windows_together(self.patch)
        for begin in range(0, len(plan), together):
            group = plan[begin : begin + together]
            maps, probabilities = self.network(windows.cut(volume.image, [start for start, _ in group], self.patch))
            mine = np.concatenate([rows for _, rows in group])
            which = np.repeat(np.arange(len(group)), [len(rows) for _, rows in group])
            local = volume.positions[mine] - np.array([start for start, _ in group])[which]
            for stage, values in zip(self.network.stages, maps, strict=True):
                out[stage.name][mine] = self.gather(values, which, local, self.patch).cpu().numpy()
            if probabilities is not None:
                if feature_cache.PROBABILITIES not in out:
                    out[feature_cache.PROBABILITIES] = np.empty((n, probabilities.shape[1]), np.float32)
                chosen = gather.nearest(probabilities, which, local, self.patch)
                out[feature_cache.PROBABILITIES][mine] = chosen.cpu().numpy()
            shown.advance(len(group))
            del maps, values, probabilities  # else they stand beside those of the next windows
        for name, matrix in out.items():
            if not np.isfinite(matrix).all():
                raise InputError(
                    f"encoder {self.network.name!r}, stage {name}, case {self.sample.case_ids[index]!r} of task "
                    f"{self.task.name!r}: features are not finite (NaN or infinite). Check its weights and input."
                )
        return out

    def _finish(self, folder: Path, partial: PartialFeatures, indices: list[int], meter: Meter) -> None:
        seconds = [partial.seconds(index) for index in indices]
        facts = {
            "encoder": dataclasses.asdict(self.network.encoder.facts),
            "input": {**dataclasses.asdict(self.spec), "patch": list(self.patch)},
            "stages": [dataclasses.asdict(stage) for stage in self.network.stages],
            "device": self.device,
            "seconds": round(sum(case["total"] for case in seconds), 3),
            "forward_seconds": round(sum(case["forward"] for case in seconds), 3),
            "peak_memory_mb": None if meter.peak_mb is None else round(meter.peak_mb, 1),
        }
        feature_cache.write(
            folder, parts=self.parts, sample=self.sample, matrices=assemble(partial, self.sample.case), facts=facts
        )
        partial.clear()


def _check(task: Task, sample: Sample) -> None:
    if sample.task != task.name:
        raise InputError(f"the sample was drawn from task {sample.task!r}, not {task.name!r}.")
    if len(sample) == 0:
        raise InputError(f"the sample of task {task.name!r} is empty; nothing to extract.")
    strange = sorted(set(sample.case_ids) - set(task.cases))
    if strange:
        raise InputError(f"the sample holds cases that task {task.name!r} does not have: {', '.join(strange)}.")


def _say_changed(folder: Path, parts: dict) -> None:
    """A weight file of the user's carries no hash that somebody stated: that it changed shows in older features."""
    for other in sorted(folder.parent.glob("[0-9a-f]*/" + feature_cache.MANIFEST)):
        with contextlib.suppress(CacheError):
            was = feature_cache.manifest(other.parent)["made_from"]
            if was != parts and {**was, "encoder_fingerprint": parts["encoder_fingerprint"]} == parts:
                log.warning(
                    "encoder %r is another than when %s was made: its weights, the file beside them or its code "
                    "changed. Its features are made anew and the old ones kept; if you changed nothing, compare its "
                    "file with the place it came from.", parts["encoder"], other.parent,
                )  # fmt: skip
                return


def _name(encoder) -> str:
    return encoder if isinstance(encoder, str) else encoder.facts.name


def _fingerprint(encoder) -> str:
    if isinstance(encoder, str):
        from tebench.encoders import catalogue

        return catalogue.fingerprint(encoder)
    given = getattr(encoder, "fingerprint", None)
    if not isinstance(given, str) or not given:
        raise InputError(
            f"encoder object {_name(encoder)!r} needs an attribute `fingerprint`: a string that names its weights "
            f"and architecture, so that its features are never mistaken for another's. Got {given!r}."
        )
    return given


def _build(encoder):
    if isinstance(encoder, str):
        from tebench.encoders import catalogue

        return catalogue.build(encoder)
    return encoder
