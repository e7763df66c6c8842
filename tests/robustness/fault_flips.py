"""Flipped bits where no room of `fault_rooms` looks: weight files, and what killed runs leave. Used by `faults.py`."""

from __future__ import annotations

import contextlib
import io
import logging
import random
import shutil
import sys
from collections import Counter
from pathlib import Path

import fault_rooms as rooms

from tebench.base import storage
from tebench.base.errors import CacheError, TebenchError

sys.path[:0] = [str(rooms.TESTS / name) for name in ("encoders", "tasks")]
FLIPS, KILLS = 40, 4


@contextlib.contextmanager
def flipped(path: Path, rng: random.Random):
    """One bit of the file is another inside; afterwards the file is as it was."""
    whole = path.read_bytes()
    data = bytearray(whole)
    at = rng.randrange(len(data))
    data[at] ^= 1 << rng.randrange(8)
    path.write_bytes(data)
    try:
        yield at
    finally:
        path.write_bytes(whole)


@contextlib.contextmanager
def heard():
    """What the library logs inside."""
    said, log = io.StringIO(), logging.getLogger("tebench")
    handler = logging.StreamHandler(said)
    log.addHandler(handler)
    try:
        yield said
    finally:
        log.removeHandler(handler)


def campaign(folder: Path, calm: dict[str, Path]) -> list[dict]:
    rows = [
        left_by_a_kill(folder, calm, "extraction", "cases/0*.safetensors"),
        left_by_a_kill(folder, calm, "fine-tuning", "checkpoints/*.safetensors"),
        stored_case(folder), signed(folder), pinned(folder), *own_checkpoints(folder), packaged(folder),
    ]  # fmt: skip
    for row in rows:
        row["problems"] = row.get("problems", [])
    return rows


def left_by_a_kill(folder: Path, calm, name: str, pattern: str) -> dict:
    """A run is killed once it has left such a file; a bit of each is flipped, then it runs again."""
    room, row, problems = rooms.ROOMS[name], Counter(), []
    for number in range(KILLS):
        kill = 8 + 5 * number
        while True:
            kill += 8
            place = rooms.start_of(room, folder / f"left-{name}-{number}-{kill}", calm)
            rooms.run(room, place, kill_at=kill)
            results = " ".join(
                path.name for path in place.rglob("*.json")
            )  # beside its result a checkpoint is not read
            found = [
                path
                for path in sorted(place.rglob("*.safetensors"))
                if path.match(f"*{pattern}") and path.name[0] != "." and path.stem[:12] not in results
            ]
            if found:
                break
            shutil.rmtree(place)
        path = random.Random(f"left {name} {number}").choice(found)
        data = bytearray(path.read_bytes())
        rng = random.Random(f"left {name} {number} bit")
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(data)
        again = rooms.run(room, place)
        here, there = rooms.content(place), rooms.content(calm[name])
        row["flips"] += 1
        row["named"] += str(path) in again.said
        row["made again, same bytes"] += again.status == "done" and here == there
        if not (str(path) in again.said and here == there):
            problems.append([str(path.relative_to(place)), again.status, again.said[-400:]])
        shutil.rmtree(place)
    what = "partial case of a killed extraction" if name == "extraction" else "checkpoint of a killed fine-tuning"
    return {"file": what, **row, "problems": problems}


def stored_case(folder: Path) -> dict:
    from tebench.tasks import case_store

    place, row, problems = folder / "cases", Counter(), []
    case_store.load_or_make(place, "a", lambda: rooms.fakes.blobs("a"))
    files = {path: path.read_bytes() for path in (place / "a.safetensors", place / "a.sha256")}
    rng = random.Random("stored case")
    for number in range(FLIPS):
        path = list(files)[number % 2]
        data = bytearray(files[path])
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(data)
        with heard() as said:
            case_store.load_or_make(place, "a", lambda: rooms.fakes.blobs("a"))
        same = {path: path.read_bytes() for path in files} == files
        blank = path.suffix == ".sha256" and "Making it again" not in said.getvalue()  # the newline at its end
        row["flips"] += 1
        row["named"] += str(place / "a.safetensors") in said.getvalue()
        row["made again, same bytes"] += same
        row["without meaning"] += blank
        if not (same or blank):
            problems.append([path.name, said.getvalue()[-300:]])
        for one, whole in files.items():
            one.write_bytes(whole)
    return {"file": "case of a task and its hash", **row, "problems": problems}


def signed(folder: Path) -> dict:
    """As rank's scores and plans, checks of data sets and rows of studies are kept."""
    path, row, problems = folder / "signed.json", Counter(), []
    content = {"metric": "gbc", "scores": [-3.25, 1e-300], "left_out": None, "status": "ok"}
    storage.write_sealed(path, content)
    rng = random.Random("signed")
    for _ in range(FLIPS * 5):
        with flipped(path, rng) as at:
            row["flips"] += 1
            try:
                same = storage.read_sealed(path) == content  # a blank between two values
                row["without meaning"] += same
                problems += [] if same else [at]
            except CacheError as error:
                row["refused"] += 1
                row["named"] += str(path) in str(error)
    return {"file": "JSON with a checksum", **row, "problems": problems}


def pinned(folder: Path) -> dict:
    """A weight file that comes with tebench."""
    from tebench.encoders import catalogue, published

    name, row, problems = "ssl_mae", Counter(), []
    place = folder / "pretrained_weights"
    place.mkdir()
    for ending in (".json", ".safetensors"):
        shutil.copy(published.folder() / f"{name}{ending}", place)
    real, published.folder = published.folder, lambda: place
    try:
        rng = random.Random("pinned")
        for _ in range(FLIPS):
            with flipped(place / f"{name}.safetensors", rng) as at:
                row["flips"] += 1
                try:
                    catalogue.build(name)
                    problems.append(at)
                except TebenchError as error:
                    row["refused"] += 1
                    row["named"] += f"{name}.safetensors" in str(error)
    finally:
        published.folder = real
    return {"file": "weights that come with tebench", **row, "problems": problems}


def own_checkpoints(folder: Path) -> list[dict]:
    """A changed byte is refused, or makes another encoder, which extraction says beside older features of it."""
    import checkpoint_files
    import torch
    from safetensors.torch import save_file

    from tebench.encoders import checkpoints

    content = checkpoint_files.resenc_content()
    archive = checkpoint_files.save(folder / "own-archive", content)
    plain = folder / "own-plain" / "one.safetensors"
    plain.parent.mkdir()
    save_file({name: torch.clone(tensor) for name, tensor in content["network_weights"].items()}, plain)
    storage.write_json(plain.parent / "adaptation_plan.json", content["nnssl_adaptation_plan"])
    rows = []
    for path in (archive, plain):
        rng, row, problems, whole = random.Random(path.suffix), Counter(), [], checkpoints.fingerprint(path)
        for _ in range(FLIPS):
            with flipped(path, rng) as at:
                checkpoints._sha256.cache_clear(), checkpoints._described.cache_clear()
                row["flips"] += 1
                try:
                    other = checkpoints.fingerprint(path)
                    row["another encoder"] += other != whole
                    problems += [at] if other == whole else []
                except TebenchError as error:
                    row["refused"] += 1
                    row["named"] += str(path) in str(error)
        rows.append({"file": f"weights of the user's, {path.suffix}", **row, "problems": problems})
    return rows


def packaged(folder: Path) -> dict:
    """A weight file of a fetched package; what is refused is fetched again, which is not tried here."""
    from tebench.assets import catalogue, fetch

    package, row, problems = catalogue.PACKAGES["deepbrain"], Counter(), []
    catalogue.fetch("deepbrain")
    real, place = fetch.folder_of, folder / f"{package.name}-{package.version}"
    shutil.copytree(real(package), place)
    fetch.folder_of = lambda _: place
    try:
        files = [path for path in sorted(place.rglob("*")) if path.is_file()]
        rng = random.Random("packaged")
        for number in range(FLIPS):
            path = files[number % len(files)]
            with flipped(path, rng) as at:
                fetch._VERIFIED.clear()
                said = fetch.state(package)
                blank = said == "fetched" and path.name == fetch.MANIFEST  # words beside the list of files
                row["flips"] += 1
                row["refused"] += said.startswith("damaged")
                row["named"] += str(path) in said
                row["without meaning"] += blank
                problems += [] if said.startswith("damaged") or blank else [[path.name, at, said]]
    finally:
        fetch.folder_of = real
        fetch._VERIFIED.clear()
    return {"file": "files of a fetched package", **row, "problems": problems}
