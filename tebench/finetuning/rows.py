"""Result files of fine-tuning runs, and the ground-truth rows that are collected from them.

One JSON a run: `row` (one ground-truth row), `volumes` (Dice per test volume and class), `made_from` (what the
key hashes), `key`, `digest` (of what the run computed; seconds and machine are not in it); and, of a protocol that
tests before its end, `curve` (Dice per number of steps, test volume and class).
"""

from __future__ import annotations

import logging
import math
from pathlib import Path

from tebench.base.errors import CacheError, InputError
from tebench.base.storage import atomic_path, hash_json, locked, read_json, write_json

log = logging.getLogger(__name__)

# What a run computes: the same on every machine of one kind, part of the digest.
_COMPUTED = (
    "protocol", "encoder", "task", "seed", "metric", "value", "floor", "steps", "train_loss_last",
    "encoder_fingerprint", "task_fingerprint", "protocol_hash", "weights_hash",
)  # fmt: skip
# How and where it was computed.
_ABOUT = ("seconds", "device", "torch", "monai", "tebench", "packages", "machine")
COLUMNS = (
    "protocol", "encoder", "task", "seed", "metric", "value", "floor", "steps", "seconds", "device", "torch", "monai",
    "tebench", "encoder_fingerprint", "task_fingerprint", "protocol_hash", "packages", "machine", "train_loss_last",
    "weights_hash",
)  # fmt: skip
VOLUME_COLUMNS = ("protocol", "encoder", "task", "seed", "volume", "class", "dice")
CURVE_COLUMNS = ("protocol", "encoder", "task", "seed", "steps", "volume", "class", "dice")
# Beside the results: records of failed runs, and results of older versions; neither is collected.
FAILED, SUPERSEDED = "failed-", "superseded"
_IDENTITY = ["protocol", "encoder", "task", "seed"]


def run_key(protocol_hash: str, encoder_fingerprint: str, task_fingerprint: str, seed: int) -> tuple[str, dict]:
    """Address of a run's result, and what it is the hash of."""
    made_from = {
        "protocol_hash": protocol_hash,
        "encoder_fingerprint": encoder_fingerprint,
        "task_fingerprint": task_fingerprint,
        "seed": seed,
    }
    return hash_json(made_from), made_from


def digest(content: dict) -> str:
    """Hash of what the run computed."""
    computed = {name: content["row"][name] for name in _COMPUTED}
    hashed = {"row": computed, "volumes": content["volumes"], "made_from": content["made_from"]}
    return hash_json(hashed | ({"curve": content["curve"]} if content.get("curve") else {}))


def write_result(
    path: Path, row: dict, volumes: list[dict], key: str, made_from: dict, curve: list[dict] | None = None
) -> dict:
    content = {"row": row, "volumes": volumes, "key": key, "made_from": made_from}
    content |= {"curve": curve} if curve else {}
    content["digest"] = digest(content)
    write_json(path, content)
    return content


def read_result(path: Path, key: str | None = None) -> dict:
    """A verified result file; CacheError when it is damaged or the result of another run."""
    content = read_json(path)
    try:
        good = (
            set(COLUMNS) == set(content["row"])
            and content["digest"] == digest(content)
            and content["key"] == hash_json(content["made_from"])
            and math.isfinite(content["row"]["value"])
            and all(set(volume) == set(VOLUME_COLUMNS) for volume in content["volumes"])
            and all(set(point) == set(CURVE_COLUMNS) for point in content.get("curve", ()))
            and not any(isinstance(v, dict | list) for r in (content["row"], *content["volumes"]) for v in r.values())
        )
    except (KeyError, TypeError, ValueError):
        good = False
    if not good:
        raise CacheError(f"{path} is damaged: it does not match its own digest. Run its cell again, or remove it.")
    if key is not None and content["key"] != key:
        raise CacheError(f"{path} holds the result of another run.")
    return content


def collect(folder: Path):
    """(rows, volumes): every result under `folder` as two pandas frames, in one fixed order.

    A file that cannot be read is named and left out: it may be another grid's, and stops this one's rows not. Refuses
    results of two versions of one protocol, encoder or task: rows that do not belong together never mix.
    """
    return tabulate(*_read_all(folder))


def collect_curves(folder: Path):
    """Dice before the end of the runs under `folder`, one row a number of steps, test volume and class."""
    import pandas as pd

    _, contents = _read_all(folder)
    frame = pd.DataFrame([point for c in contents for point in c.get("curve", ())], columns=list(CURVE_COLUMNS))
    order = ["protocol", "task", "encoder", "seed", "steps", "volume", "class"]
    return frame.sort_values(order).reset_index(drop=True)


def _read_all(folder: Path) -> tuple[list[Path], list[dict]]:
    files, contents = [], []
    for path in sorted(Path(folder).rglob("*.json")):
        if _is_result(path):
            try:
                contents.append(read_result(path))
                files.append(path)
            except CacheError as error:
                log.warning("%s It is in no table.", error)
    return files, contents


def tabulate(files: list[Path], contents: list[dict]):
    """(rows, volumes) of verified results; refuses those that do not belong together."""
    import pandas as pd

    rows = pd.DataFrame([content["row"] for content in contents], columns=list(COLUMNS))
    for group, version in (
        (_IDENTITY, "protocol_hash"),
        (["protocol"], "protocol_hash"),
        (["protocol", "encoder"], "encoder_fingerprint"),
        (["protocol", "task"], "task_fingerprint"),
    ):
        mixed = rows.groupby(group)[version].transform("nunique" if group is not _IDENTITY else "size") > 1
        if mixed.any():
            names = ", ".join(str(path) for path, bad in zip(files, mixed, strict=True) if bad)
            raise InputError(f"results of several versions of one {group[-1]}; keep those of one: {names}.")
    volumes = pd.DataFrame(
        [volume for content in contents for volume in content["volumes"]], columns=list(VOLUME_COLUMNS)
    )
    rows = rows.sort_values(["protocol", "task", "encoder", "seed"]).reset_index(drop=True)
    order = ["protocol", "task", "encoder", "seed", "volume", "class"]
    return rows, volumes.sort_values(order).reset_index(drop=True)


def _is_result(path: Path) -> bool:
    return not path.name.startswith((FAILED, ".")) and path.parent.name != SUPERSEDED


def write_csvs(folder: Path, out: Path, name: str = "starter") -> tuple[Path, ...]:
    """`collect` into `out`/NAME.csv and `out`/NAME_volumes.csv (an empty dice: class absent, not in the mean).

    Where a protocol tests before its end, also `collect_curves` into `out`/NAME_curves.csv.
    """
    # Several processes may write the same files: the last one must be the last that listed the results.
    with locked(Path(out) / f".{name}"):
        paths, curves = write_frames(collect(folder), out, name), collect_curves(folder)
        return paths if curves.empty else (*paths, _write(curves, Path(out) / f"{name}_curves.csv"))


def write_frames(frames, out: Path, name: str) -> tuple[Path, Path]:
    """(rows, volumes) as `out`/NAME.csv and `out`/NAME_volumes.csv."""
    paths = Path(out) / f"{name}.csv", Path(out) / f"{name}_volumes.csv"
    for path, frame in zip(paths, frames, strict=True):
        _write(frame, path)
    return paths


def _write(frame, path: Path) -> Path:
    with atomic_path(path) as temporary:
        frame.to_csv(temporary, index=False, lineterminator="\n", float_format="%.6g")
    return path
