"""Readers of what lies in the cache: features, samples, moments, cells, results, states of training."""

from __future__ import annotations

import contextlib
import functools
import json
from pathlib import Path

import numpy as np
from fuzz_registry import add, put, reader

from tebench.base.errors import TebenchError


@functools.cache
def feature_folder(folder: Path) -> Path:
    import extraction_fakes as fakes

    from tebench.features.extraction import extract

    task = fakes.make_task(1)
    return extract(task, fakes.ConvEncoder(), fakes.make_sample(task, 8), cache=folder / "features", progress=False)


def _cached(file: str):
    """One file of a feature folder; the manifest is made to agree with it where it is not itself the input."""

    def read(data: bytes, folder: Path):
        from tebench.base import storage
        from tebench.features import cache

        place = feature_folder(folder)
        kept = {name: (place / name).read_bytes() for name in (cache.MANIFEST, file)}
        try:
            (place / file).write_bytes(data)
            if file == cache.MANIFEST:
                try:
                    content = json.loads(data)
                    if isinstance(content, dict):  # let it past the checksums, to what reads it
                        content.pop("checksum", None)
                        content["key"] = storage.hash_json(content.get("made_from"))
                        content["checksum"] = storage.hash_json(content)
                        link = place.with_name(content["key"][:16])
                        (place / file).write_text(json.dumps(content))
                        if link != place:
                            link.symlink_to(place)
                            try:
                                cache.read(link)
                            finally:
                                link.unlink()
                            return
                except (ValueError, RecursionError):
                    pass
            else:
                content = json.loads(kept[cache.MANIFEST])
                content.pop("checksum")
                content["files"][file] = {"sha256": storage.sha256_bytes(data), "bytes": len(data)}
                (place / cache.MANIFEST).write_text(json.dumps(storage.seal(content)))
            cache.read(place)
        finally:
            for name, whole in kept.items():
                (place / name).write_bytes(whole)

    return read, lambda folder: [(feature_folder(folder) / file).read_bytes()]


for _name, _kind in (("manifest.json", "json"), ("features.safetensors", "tensors"), ("sample.safetensors", "tensors")):
    add(f"cache {_name}", _cached(_name), _kind)


@reader("drawn sample", "tensors")
def _sample():
    def read(data: bytes, folder: Path):
        from tebench.features import sample_store

        sample_store.read(put(folder, "s.safetensors", data))

    def sound(folder: Path) -> list[bytes]:
        import extraction_fakes as fakes

        from tebench.features import sample_store
        from tebench.features.sampling import Recipe

        sample_store.load_or_draw(fakes.make_task(1), Recipe(), 0, folder / "drawn")
        return [next((folder / "drawn").glob("*.safetensors")).read_bytes()]

    return read, sound


@reader("moments", "tensors")
def _moments():
    labels = np.repeat([0, 1, 2], 4)

    def rows():
        return np.random.default_rng(0).normal(size=(12, 3))

    def read(data: bytes, folder: Path):
        from tebench.features import moments_store

        moments_store._read(put(folder, "moments-x-0.safetensors", data), rows, labels)

    def sound(folder: Path) -> list[bytes]:
        from tebench.features import moments_store

        folder.mkdir(parents=True, exist_ok=True)
        moments_store.load_or_form(folder / "moments-x-0.safetensors", rows, labels)
        return [(folder / "moments-x-0.safetensors").read_bytes()]

    return read, sound


def _resealed(read, sound, sign):
    """JSON files with a checksum: the input once as it is, once with its checksum put right."""

    def both(data: bytes, folder: Path):
        with contextlib.suppress(TebenchError):
            read(data, folder)
        try:
            content = json.loads(data)
            signed = json.dumps(sign(content)).encode() if isinstance(content, dict) else data
        except (ValueError, RecursionError, KeyError, TypeError):
            return
        read(signed, folder)

    return both, sound


def _with_checksum(content: dict) -> dict:
    from tebench.base import storage

    content.pop("checksum", None)
    return storage.seal(content)


@reader("score", "json")
def _score():
    def read(data: bytes, folder: Path):
        from tebench.scoring import score_file

        score_file.read(put(folder, "score.json", data))

    def sound(folder: Path) -> list[bytes]:
        from tebench.scoring.score import FIELDS

        return [json.dumps(_with_checksum(dict.fromkeys(FIELDS, 1.0))).encode()]

    return _resealed(read, sound, _with_checksum)


@reader("record of a failure", "json")
def _failure():
    def read(data: bytes, folder: Path):
        from tebench.base import failures

        failures.standing(put(folder, "failed-x.json", data), False)

    def sound(folder: Path) -> list[bytes]:
        from tebench.base import failures

        folder.mkdir(parents=True, exist_ok=True)
        failures.record(folder / "failed-x.json", {"task": "a"}, "ValueError: no")
        return [(folder / "failed-x.json").read_bytes()]

    return _resealed(read, sound, _with_checksum)


@reader("fine-tuning result", "json")
def _result():
    def sign(content: dict) -> dict:
        from tebench.base.storage import hash_json
        from tebench.finetuning import rows

        content["key"] = hash_json(content["made_from"])
        content["digest"] = rows.digest(content)
        return content

    def read(data: bytes, folder: Path):
        from tebench.finetuning import rows

        path = put(folder, "results/run.json", data)
        rows.tabulate([path], [rows.read_result(path)])

    def sound(folder: Path) -> list[bytes]:
        from tebench.finetuning import rows

        row = dict.fromkeys(rows.COLUMNS, "x") | {"value": 0.5, "seed": 0}
        volumes = [{"protocol": "x", "encoder": "x", "task": "x", "seed": 0, "volume": "v", "class": "c", "dice": 0.5}]
        return [json.dumps(sign({"row": row, "volumes": volumes, "made_from": {"a": 1}})).encode()]

    return _resealed(read, sound, sign)


@reader("fine-tuning checkpoint", "tensors")
def _state():
    def read(data: bytes, folder: Path):
        from tebench.finetuning import checkpoint

        checkpoint.restore(put(folder, "state.safetensors", data), key="k")

    def sound(folder: Path) -> list[bytes]:
        import torch

        from tebench.finetuning import checkpoint

        checkpoint.save(folder / "state.safetensors", {"a": torch.zeros(3)}, key="k", step=1, losses=[1.0], seconds=1.0)
        return [(folder / "state.safetensors").read_bytes()]

    return read, sound
