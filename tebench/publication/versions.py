"""Frozen versions of the leaderboard: `leaderboard/v1.0/` holds rows, page, tables, figures and a manifest for good.

A frozen folder is a leaderboard folder of its own: its rows are copies, its page cites the version, and its manifest
lists the sha256 of every file. Later code may draw differently, so a version is held against its manifest, not redrawn.
"""

from __future__ import annotations

import io
import json
import math
import re
import shutil
import tempfile
from pathlib import Path

import pandas as pd

from tebench.base import storage
from tebench.base.errors import CacheError, InputError
from tebench.publication import publish

NAME = re.compile(r"v(0|[1-9]\d{0,3})\.(0|[1-9]\d{0,3})(\.(0|[1-9]\d{0,3}))?")
CHANGES = "CHANGES.md"
_KEY = ["pool", "task", "metric"]


def check_name(version) -> str:
    """The version's name, which becomes a folder: v1.0 or v1.0.1 and nothing else."""
    if not isinstance(version, str) or not NAME.fullmatch(version):
        raise InputError(f"a version is named like v1.0 or v1.0.1, got {str(version)[:60]!r}.")
    return version


def names(folder: Path) -> list[str]:
    """Frozen versions in `folder`, oldest first."""
    found = [path.name for path in Path(folder).glob("v*") if path.is_dir() and NAME.fullmatch(path.name)]
    return sorted(found, key=_order)


def freeze(folder: Path, version: str, *, protocol: str | None = None, workers: int = 1) -> Path:
    """Make `folder`/`version` from the rows of `folder`; whole or not at all, and never over an existing one."""
    folder, version = Path(folder), check_name(version)
    target = folder / version
    if target.exists() or target.is_symlink():
        raise InputError(f"{target} exists: a version stays as it was cited. Choose the next name.")
    earlier = names(folder)
    if earlier and _order(version) < _order(earlier[-1]):
        raise InputError(f"{version} is older than {earlier[-1]}, which is frozen already. Choose a later name.")
    made = publish.build(folder, version=version, protocol=protocol, workers=workers)
    if not made:
        raise InputError(f"{folder / 'results'} holds no rows to freeze. Score them with job=leaderboard update=true.")
    manifest = json.loads(made[publish.MANIFEST])
    for name in manifest["inputs"]:
        made[name] = (folder / name).read_bytes()
    tables = {name: data for name, data in made.items() if _is_table(name)}
    made[CHANGES] = changes(folder, version, tables, manifest["boards"]).encode()
    manifest["files"] |= {name: storage.sha256_bytes(made[name]) for name in (*manifest["inputs"], CHANGES)}
    made[publish.MANIFEST] = (json.dumps(manifest, sort_keys=True, indent=1) + "\n").encode()
    with tempfile.TemporaryDirectory(dir=folder, prefix=".freezing-") as temporary:
        whole = Path(temporary) / version
        for name, data in made.items():
            path = whole / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        shutil.move(whole, target)
    return target


def altered(folder: Path) -> list[str]:
    """What in the frozen versions is not what was frozen, one sentence a file; empty when all is as it was."""
    found = []
    for version in names(folder):
        root = Path(folder) / version
        try:
            stated = _files(root)
        except CacheError as error:
            found.append(f"{version}: {error}")
            continue
        for name, digest in sorted(stated.items()):
            if not (root / name).is_file():
                found.append(f"{version}/{name} is absent")
            elif storage.sha256_file(root / name) != digest:
                found.append(f"{version}/{name} is not what was frozen")
        lying = {path.relative_to(root).as_posix() for path in root.rglob("*") if not path.is_dir()}
        extra = lying - set(stated) - {publish.MANIFEST}
        found += [f"{version}/{name} was not frozen with it" for name in sorted(extra)]
    return found


def table(folder: Path, board: str, version: str | None = None) -> pd.DataFrame:
    """The published long table of one board, after its bytes were held against the manifest."""
    root = Path(folder) / check_name(version) if version else Path(folder)
    if not root.is_dir():
        raise InputError(f"version {version} does not exist. Frozen: {', '.join(names(folder)) or 'none'}.")
    name = f"tables/{board}.csv"
    stated = _files(root)
    if name not in stated:
        have = sorted(Path(n).stem for n in stated if _is_table(n))
        raise InputError(
            f"{root} publishes no board {board!r}. It has {', '.join(have) or 'none'}: benchmark= and protocol= choose."
        )
    path = root / name
    if not path.is_file() or storage.sha256_file(path) != stated[name]:
        raise CacheError(f"{path} is not the file that its manifest lists. Restore it, or run job=leaderboard.")
    return pd.read_csv(path, keep_default_na=False, na_values=[""], dtype={"pool": str, "task": str, "metric": str})


def changes(folder: Path, version: str, made: dict[str, bytes], rows: dict[str, str]) -> str:
    """Every mean and task number that moved since the version before, and what of its inputs is different.

    made: path -> bytes of the new tables.   rows: board -> path of the rows behind it.
    """
    earlier = names(folder)
    if not earlier:
        return f"# {version}\n\nThe first version.\n"
    before, lines = earlier[-1], []
    for name, data in sorted(made.items()):
        board = Path(name).stem
        new = pd.read_csv(io.BytesIO(data), keep_default_na=False, na_values=[""])
        try:
            old = table(folder, board, before)
        except InputError:
            lines += [f"- {board}: new board, {new['metric'].nunique()} metrics"]
            continue
        why = _reasons(Path(folder) / before / rows[board], Path(folder) / rows[board])
        old, new = old.set_index(_KEY)["tau_w"], new.set_index(_KEY)["tau_w"]
        for key in sorted({*old.index, *new.index}, key=str):
            first, second = (float(part.get(key, math.nan)) for part in (old, new))
            if first != second and not (math.isnan(first) and math.isnan(second)):
                where = f"{board} / {' / '.join(key)}"
                reason = why.get(key[2]) or "rows as before: ground truth, pool or code of the evaluation changed"
                lines.append(f"- {where}: {_spell(first)} -> {_spell(second)} ({reason})")
    return "\n".join([f"# {version}, tau_w that moved since {before}", "", *(lines or ["None."]), ""])


def _reasons(old: Path, new: Path) -> dict[str, str]:
    """metric -> which of its columns differ between two files of rows."""
    from tebench.publication import leaderboard_rows

    if not (old.is_file() and new.is_file()):
        return {}
    first, second = (leaderboard_rows.read(path) for path in (old, new))
    found = {}
    watched = (
        "parameters",
        "stages",
        "feature_hash",
        "label_hash",
        "metric_hash",
        "versions",
        "pool",
        "score",
        "status",
    )
    for metric in sorted({*first["metric"], *second["metric"]}):
        parts = [
            frame[frame["metric"] == metric].set_index(leaderboard_rows.KEY).sort_index() for frame in (first, second)
        ]
        if parts[0].empty or parts[1].empty:
            found[metric] = "metric added" if parts[0].empty else "metric removed"
        elif not parts[0].index.equals(parts[1].index):
            found[metric] = "other cells"
        elif differ := [name for name in watched if parts[0][name].map(str).ne(parts[1][name].map(str)).any()]:
            found[metric] = "different " + ", ".join(differ)
    return found


def _files(root: Path) -> dict[str, str]:
    manifest = storage.read_json(root / publish.MANIFEST)
    stated = manifest.get("files") if isinstance(manifest, dict) else None
    if not isinstance(stated, dict):
        raise CacheError(f"{root / publish.MANIFEST} is not a manifest of the leaderboard.")
    for name in stated:
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise CacheError(f"{root / publish.MANIFEST} lists {name[:80]!r}, which lies outside.")
    return stated


def _is_table(name: str) -> bool:
    return name.startswith("tables/") and name.endswith(".csv")


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version[1:].split("."))


def _spell(value: float) -> str:
    return "no number" if math.isnan(value) else f"{value:.3f}"
