"""Readers of what a user brings: images, descriptions, checkpoints and their plans."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path

import numpy as np
from fuzz_registry import add, put, raw_data, reader

from tebench.base.errors import TebenchError


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
            for part in ("imagesTr", "labelsTr") if ending == ".tif" else ():
                put(world, f"{part}/case_000.json", b'{"spacing": [2, 1.5, 1]}')
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
            *([_nifti(folder, np.zeros((4, 4, 4, 2), np.int16), "." + name),
               _nifti(folder, raw_data.image(), ".nii" if name == "nii.gz" else ".nii.gz")]
              if name.startswith("nii") else []),  # also what is named as the other kind
        ]  # fmt: skip

    return read, sound


for _name in ("nii", "nii.gz", "mgz", "nrrd", "mha", "tif"):
    add(f"image .{_name}", _image_reader(_name))


@reader("voxel size of a .tif", "json")
def _spacing():
    def read(data: bytes, folder: Path):
        from tebench.tasks.images import stated_spacing

        put(folder, "case.tif", b"")
        put(folder, "case.json", data)
        stated_spacing(folder / "case.tif")

    def sound(folder: Path) -> list[bytes]:
        return [b'{"spacing": [2.0, 0.4, 0.4]}', b'{"spacing": ["1", 1, 1e-3], "origin": null}']

    return read, sound


@reader("dataset.json", "json")
def _description():
    def read(data: bytes, folder: Path):
        from tebench.tasks import dataset

        world = folder / "world"
        if not world.exists():
            raw_data.decathlon(world, 1)
            raw_data.nnunet(world, 1)
        put(world, "dataset.json", data)
        task = dataset.open_dataset(world, cache=folder / "checked", skip_broken=True)
        task.load(task.cases[0])

    def sound(folder: Path) -> list[bytes]:
        made = []
        for name, write in (("n", raw_data.nnunet), ("d", raw_data.decathlon)):
            made.append((write(folder / name, 1) / "dataset.json").read_bytes())
        regions = {"background": 0, "whole": [1, 2], "core": 2, "ignore": 3}
        listed = {"case_000": {"images": ["imagesTr/case_000_0000.nii.gz"], "label": "labelsTr/case_000.nii.gz"}}
        made.append((raw_data.nnunet(folder / "r", 1, labels=regions) / "dataset.json").read_bytes())
        made.append((raw_data.nnunet(folder / "l", 1, dataset=listed) / "dataset.json").read_bytes())
        for channel in range(2):  # nnU-Net's first version, a datalist of MONAI, and numbers as text
            words = {"modality": {"0": "T1"}, "labels": {"0": "background", "1": "core", "2": "rim"}}
            image = "imagesTr/case_000.nii.gz" if channel else ["imagesTr/case_000_0000.nii.gz"]
            words["training"] = [{"image": image, "label": "labelsTr/case_000.nii.gz", "fold": 0}]
            made.append(json.dumps(words).encode())
        words = {
            "channel_names": ["T1"],
            "labels": {"background": "0", "core": 1.0, "rim": "2"},
            "file_ending": "nii.gz",
        }
        made.append(json.dumps(words).encode())
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
    add(f"checkpoint {_name}", _checkpoint(_name))


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
    add(f"checkpoint plan, {_name}", _plan(_name), "json")


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
                return bytes([number << 3]) + varint(value)
            return bytes([number << 3 | 2]) + varint(len(value)) + value

        shape = field(2, field(1, 2)) + field(2, field(1, 3))
        tensor = field(1, 1) + field(2, shape) + field(4, struct.pack("<6f", *range(6)))
        attribute = field(1, b"value") + field(2, field(8, tensor))
        return [field(1, field(1, b"conv/w") + field(2, b"Const") + field(5, attribute))]

    return read, sound


def varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])
