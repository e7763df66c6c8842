"""Every reader of files that may come from anyone, as a function of bytes; sound examples; and ways to spoil them.

A reader may take the bytes or refuse them with an error of tebench. Anything else it does is a defect.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import io
import json
import random
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / name) for name in ("tasks", "encoders", "features", "reporting")]
import raw_data  # noqa: E402

from tebench.errors import TebenchError  # noqa: E402


@dataclass(frozen=True)
class Reader:
    """read: of these bytes, with a folder of its own for files.   sound: bytes that it takes.   kind: how to spoil."""

    name: str
    read: Callable[[bytes, Path], object]
    sound: Callable[[Path], list[bytes]]
    kind: str = "bytes"


READERS: dict[str, Reader] = {}


def reader(name: str, kind: str = "bytes"):
    """Register `read(data, folder)`, whose `sound(folder)` gives examples."""

    def register(pair):
        READERS[name] = Reader(name, *pair(), kind)
        return pair

    return register


def put(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def _nifti(folder: Path, data, ending: str = ".nii") -> bytes:
    path = folder / f"made{ending}"
    raw_data.write(path, data)
    return path.read_bytes()


def _image_reader(name: str):
    def read(data: bytes, folder: Path):
        from tebench.tasks import dataset

        world = folder / name.replace(".", "_")
        ending = "." + name
        if not (world / "dataset.json").exists():
            raw_data.nnunet(world, 1, ending=ending)
        taken = False
        for path in ("imagesTr/case_000_0000", "labelsTr/case_000"):
            whole = (world / (path + ending)).read_bytes()
            put(world, path + ending, data)
            try:
                dataset.open_dataset(world, cache=folder / "checked").load("case_000")
                taken = True
            except TebenchError as error:
                refused = error
            finally:
                put(world, path + ending, whole)
        if not taken:
            raise refused

    def sound(folder: Path) -> list[bytes]:
        return [
            _nifti(folder, raw_data.image(), "." + name), _nifti(folder, raw_data.label(1, 2), "." + name),
            _nifti(folder, np.zeros((4, 4, 4, 2), np.int16), "." + name) if name.startswith("nii") else b"",
        ]  # fmt: skip

    return read, sound


for _name in ("nii", "nii.gz", "mgz", "nrrd", "mha"):
    READERS[f"image .{_name}"] = Reader(f"image .{_name}", *_image_reader(_name))


@reader("dataset.json", "json")
def _description():
    def read(data: bytes, folder: Path):
        from tebench.tasks import dataset

        world = folder / "world"
        if not world.exists():
            raw_data.decathlon(world, 1)
            raw_data.nnunet(world, 1)
        put(world, "dataset.json", data)
        task = dataset.open_dataset(world, cache=folder / "checked")
        task.load(task.cases[0])

    def sound(folder: Path) -> list[bytes]:
        made = []
        for name, write in (("n", raw_data.nnunet), ("d", raw_data.decathlon)):
            made.append((write(folder / name, 1) / "dataset.json").read_bytes())
        regions = {"background": 0, "whole": [1, 2], "core": 2, "ignore": 3}
        listed = {"case_000": {"images": ["imagesTr/case_000_0000.nii.gz"], "label": "labelsTr/case_000.nii.gz"}}
        made.append((raw_data.nnunet(folder / "r", 1, labels=regions) / "dataset.json").read_bytes())
        made.append((raw_data.nnunet(folder / "l", 1, dataset=listed) / "dataset.json").read_bytes())
        return made

    return read, sound


def _checkpoint(name: str):
    def read(data: bytes, folder: Path):
        from tebench.encoders import checkpoints

        checkpoints._read(put(folder, f"one{name}", data), "one", None)

    def sound(folder: Path) -> list[bytes]:
        import checkpoint_files
        import torch
        from safetensors.torch import save

        if name == ".safetensors":
            return [save({"a": torch.zeros(3, 2), "b": torch.arange(4)}, {"format": "pt"})]
        small = {"network_weights": {"encoder.stem.w": torch.zeros(2)}, "nnssl_adaptation_plan": {"a": [1, None]}}
        new, old = io.BytesIO(), io.BytesIO()
        torch.save(small, new)
        torch.save(small, old, _use_new_zipfile_serialization=False)
        whole = checkpoint_files.save(folder, checkpoint_files.resenc_content()).read_bytes()
        return [new.getvalue(), old.getvalue(), whole]

    return read, sound


for _name in (".pth", ".safetensors"):
    READERS[f"checkpoint {_name}"] = Reader(f"checkpoint {_name}", *_checkpoint(_name))


def _plan(kind: str):
    def files(folder: Path):
        import checkpoint_files
        from safetensors.torch import save_file

        path = folder / "weights.safetensors"
        if not path.exists():
            make = checkpoint_files.resenc_content if kind == "resenc" else checkpoint_files.primus_content
            content = make()
            folder.mkdir(parents=True, exist_ok=True)
            save_file({name: tensor.clone() for name, tensor in content["network_weights"].items()}, path)
            (folder / "plan.sound").write_text(json.dumps(content["nnssl_adaptation_plan"]))
        return path

    def read(data: bytes, folder: Path):
        from tebench.encoders import checkpoints

        path = files(folder / kind)
        put(path.parent, "adaptation_plan.json", data)
        checkpoints._read(path, "one", None).build()

    def sound(folder: Path) -> list[bytes]:
        return [(files(folder / kind).parent / "plan.sound").read_bytes()]

    return read, sound


for _name in ("resenc", "primus"):
    READERS[f"checkpoint plan, {_name}"] = Reader(f"checkpoint plan, {_name}", *_plan(_name), "json")


@reader("file beside a MONAI checkpoint", "json")
def _beside_monai():
    def read(data: bytes, folder: Path):
        import test_monai_networks as monai

        from tebench.encoders import checkpoints

        kind = next((kind for kind in monai.NETWORKS if kind.encode() in data), "UNet")
        place = folder / kind
        if not place.exists():
            place.mkdir(parents=True)
            monai.write(place, kind)
        put(place, "mine.json", data)
        checkpoints._read(place / "mine.pt", "mine", None)

    def sound(folder: Path) -> list[bytes]:
        import test_monai_networks as monai

        made = []
        for kind in monai.NETWORKS:
            (folder / kind).mkdir(parents=True)
            monai.write(folder / kind, kind, title="Mine", licence="CC0")
            made.append((folder / kind / "mine.json").read_bytes())
        return made

    return read, sound


@reader("TorchScript archive")
def _torchscript():
    def read(data: bytes, folder: Path):
        from tebench.encoders import torchscript

        torchscript.tensors(data)

    def sound(folder: Path) -> list[bytes]:
        import torch

        out = io.BytesIO()
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), out)
        return [out.getvalue()]

    return read, sound


@reader("TensorFlow graph")
def _graph():
    def read(data: bytes, folder: Path):
        from tebench.encoders import graphdef

        graphdef.constants(data)

    def sound(folder: Path) -> list[bytes]:
        def field(number: int, value) -> bytes:
            if isinstance(value, int):
                return bytes([number << 3]) + _varint(value)
            return bytes([number << 3 | 2]) + _varint(len(value)) + value

        shape = field(2, field(1, 2)) + field(2, field(1, 3))
        tensor = field(1, 1) + field(2, shape) + field(4, struct.pack("<6f", *range(6)))
        attribute = field(1, b"value") + field(2, field(8, tensor))
        return [field(1, field(1, b"conv/w") + field(2, b"Const") + field(5, attribute))]

    return read, sound


def _varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


@functools.cache
def _feature_folder(folder: Path) -> Path:
    import extraction_fakes as fakes

    from tebench.features.extraction import extract

    task = fakes.make_task(1)
    return extract(task, fakes.ConvEncoder(), fakes.make_sample(task, 8), cache=folder / "features", progress=False)


def _cached(file: str):
    """One file of a feature folder; the manifest is made to agree with it where it is not itself the input."""

    def read(data: bytes, folder: Path):
        from tebench import storage
        from tebench.features import cache

        place = _feature_folder(folder)
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
                (place / cache.MANIFEST).write_text(json.dumps({**content, "checksum": storage.hash_json(content)}))
            cache.read(place)
        finally:
            for name, whole in kept.items():
                (place / name).write_bytes(whole)

    return read, lambda folder: [(_feature_folder(folder) / file).read_bytes()]


for _name, _kind in (("manifest.json", "json"), ("features.safetensors", "tensors"), ("sample.safetensors", "tensors")):
    READERS[f"cache {_name}"] = Reader(f"cache {_name}", *_cached(_name), _kind)


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


def _signed(read, sound, sign):
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
    from tebench import storage

    content.pop("checksum", None)
    return {**content, "checksum": storage.hash_json(content)}


@reader("score cell", "json")
def _cell():
    def read(data: bytes, folder: Path):
        from tebench import cells

        cells.read_cell(put(folder, "cell.json", data))

    def sound(folder: Path) -> list[bytes]:
        from tebench import cells

        return [json.dumps(_with_checksum(dict.fromkeys(cells.FIELDS, 1.0))).encode()]

    return _signed(read, sound, _with_checksum)


@reader("record of a failure", "json")
def _failure():
    def read(data: bytes, folder: Path):
        from tebench import failures

        failures.standing(put(folder, "failed-x.json", data), False)

    def sound(folder: Path) -> list[bytes]:
        from tebench import failures

        folder.mkdir(parents=True, exist_ok=True)
        failures.record(folder / "failed-x.json", {"task": "a"}, "ValueError: no")
        return [(folder / "failed-x.json").read_bytes()]

    return _signed(read, sound, _with_checksum)


@reader("fine-tuning result", "json")
def _result():
    def sign(content: dict) -> dict:
        from tebench.finetuning import rows
        from tebench.storage import hash_json

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

    return _signed(read, sound, sign)


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


@reader("leaderboard rows", "csv")
def _rows():
    def read(data: bytes, folder: Path):
        from tebench.reporting import leaderboard_rows

        leaderboard_rows.read(put(folder, "rows.csv", data))

    def sound(folder: Path) -> list[bytes]:
        return [_leaderboard_rows().encode()]

    return read, sound


@functools.cache
def _leaderboard_rows() -> str:
    import leaderboard_world

    from tebench.reporting import leaderboard_rows

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
        from tebench import score_table

        score_table.as_scores(score_table.read(put(folder, "scores.csv", data), "abc", "xy"), "scores.csv")

    def sound(folder: Path) -> list[bytes]:
        long = ["encoder,task,score,metric"] + [f"{e},{t},0.5,m" for e in "abc" for t in "xy"]
        return [b"encoder,x,y\na,1,2\nb,3,4\nc,5,6\n", "\n".join(long).encode()]

    return read, sound


@reader("submission", "csv")
def _submission():
    def read(data: bytes, folder: Path):
        from tebench.reporting import submission

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
        from hydra import compose, initialize_config_module
        from hydra.errors import HydraException
        from omegaconf import OmegaConf
        from omegaconf.errors import OmegaConfBaseException

        from tebench import cli
        from tebench.errors import InputError
        from tebench.options import prepare, requested_metrics, store_metrics

        words = data.decode("utf-8", "replace").split("\0")
        words = [word for word in words if not word.lstrip("+~").startswith("plug")]  # plugins are code on purpose
        ready = prepare(words)
        store_metrics()
        try:
            with initialize_config_module("tebench.conf", version_base="1.3"):
                config = compose("config", overrides=ready)
            plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
        except (HydraException, OmegaConfBaseException) as error:
            raise InputError(str(error)) from error
        cli.check(plain)
        requested_metrics(plain)

    def sound(folder: Path) -> list[bytes]:
        lines = [
            ["metric=[lbtc,logme]", "metric.options.lbtc.k=3", "stages=encoder[-1]", "seed=1"],
            ["job=extract", "encoders=[deepbet]", "tasks=[tissues]", "device=cpu"], ["metric=all", "workers=2"],
            ["job=finetune", "protocol.steps=10", "job.seeds=[0,1]"], ["cite", "metric=lbtc"],
            ["benchmark.window=null"],
        ]  # fmt: skip
        return ["\0".join(line).encode() for line in lines]

    return read, sound


JUNK = [
    None, True, False, 0, -1, 1, 2**31, 2**63, 10**30, -(10**18), 0.5, 1e308, float("nan"), float("inf"), "", "a", "0",
    "../../etc/passwd", "/", "\x00", "é\ud800", "x" * 5000, [], {}, [[]], [None], {"": None}, [0, 0, 0], ["a", 1],
    {"0": 0}, [1e400], [2**40] * 3,
]  # fmt: skip


def spoil(rng: random.Random, sound: list[bytes], kind: str) -> bytes:
    """One input: a sound example altered in its structure or in its bytes."""
    data = rng.choice([one for one in sound if one])
    roll = rng.random()
    if kind == "json" and roll < 0.8:
        return _spoiled_json(rng, data)
    if kind == "tensors" and roll < 0.6 and data[8:9] == b"{":
        size = int.from_bytes(data[:8], "little")
        head = _spoiled_json(rng, data[8 : 8 + size], deep=True)
        return len(head).to_bytes(8, "little") + head + data[8 + size :]
    if kind in ("csv", "words") and roll < 0.8:
        return _spoiled_text(rng, data, b"\0" if kind == "words" else rng.choice([b"\n", b","]))
    return _spoiled_bytes(rng, data)


def _spoiled_json(rng: random.Random, data: bytes, deep: bool = False) -> bytes:
    value = [json.loads(data)]
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        parent, key = value, 0
        while isinstance(parent[key], dict | list) and parent[key] and rng.random() < 0.85:
            parent = parent[key]
            key = rng.choice(list(parent)) if isinstance(parent, dict) else rng.randrange(len(parent))
        what = rng.random()
        if what < 0.15 and parent is not value:
            del parent[key]
            break
        if what < 0.25 and isinstance(parent, dict):
            parent[rng.choice(("", "0", "extra", "__metadata__"))] = copy.deepcopy(rng.choice(JUNK))
        elif deep and isinstance(parent[key], str) and parent[key].startswith(("{", "[")) and what < 0.8:
            parent[key] = _spoiled_json(rng, parent[key].encode()).decode("utf-8", "replace")
        elif isinstance(parent[key], int) and what < 0.6:
            parent[key] = parent[key] + rng.choice((-1, 1, 8, 10**6, 10**12))
        else:
            parent[key] = copy.deepcopy(rng.choice(JUNK))
    return json.dumps(value[0]).encode()


def _spoiled_text(rng: random.Random, data: bytes, separator: bytes) -> bytes:
    pieces = data.split(separator)
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(len(pieces))
        what = rng.random()
        if what < 0.2 and len(pieces) > 1:
            del pieces[at]
        elif what < 0.4:
            pieces.insert(at, rng.choice(pieces))
        elif what < 0.8:
            words = [b'"', b"'", b"nan", b"1e999", b"-1", b"\xff", b"=1+1", b"<b>", b"", b"[", b"${", b"}", b"\\",
                     b"9" * 40, b"null", b"true", b"a.b=c", b"~x", b"{a:1}", b"\x00", b"..", b"+", b"@",
                     b"\xe2\x80\xae"]  # fmt: skip
            cut = rng.randrange(len(pieces[at]) + 1)
            pieces[at] = pieces[at][:cut] + rng.choice(words) + pieces[at][cut + rng.randrange(3) :]
        else:
            pieces[at] = _spoiled_bytes(rng, pieces[at])
    return separator.join(pieces)


def _spoiled_bytes(rng: random.Random, data: bytes) -> bytes:
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        what = rng.random()
        at = min(int(rng.expovariate(1 / 60)), len(out)) if rng.random() < 0.5 else rng.randrange(len(out) + 1)
        if what < 0.5 and at < len(out):
            out[at] = rng.choice((0, 255, 127, 128, rng.randrange(256), out[at] ^ (1 << rng.randrange(8))))
        elif what < 0.65:
            del out[at : at + rng.choice((1, 4, 8, len(out)))]
        elif what < 0.8:
            out[at:at] = rng.randbytes(rng.choice((1, 4, 8)))
        elif what < 0.9:
            out[at : at + 8] = rng.choice((b"\xff" * 8, b"\0" * 8, struct.pack("<q", 2**40), struct.pack("<d", 1e300)))
        else:
            begin = rng.randrange(len(out) + 1)
            out[at:at] = out[begin : begin + 64]
    return bytes(out)


def attempt(one: Reader, data: bytes, folder: Path) -> str:
    """ "taken", or "refused" with an error of tebench; anything else is raised on."""
    try:
        one.read(data, folder)
        return "taken"
    except TebenchError as error:
        assert str(error).strip(), "an error without words"
        return "refused"
