"""Everything that `leaderboard/` publishes, made from its rows alone: page, Markdown, tables, figures, manifest.

Same rows, same bytes. Figures are drawn by matplotlib, whose versions differ in their last decimals; so the manifest
names the version, and figures are compared byte by byte under that version only (their hashes always).
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from tebench.base import storage
from tebench.base.errors import CacheError, InputError
from tebench.evaluation.arrays import MEAN
from tebench.publication import citation, leaderboard_page
from tebench.publication.boards import Board, Result, evaluate_all, result_of
from tebench.publication.boards import read_all as boards
from tebench.publication.page_data import long_csv
from tebench.reporting import figures, figures_slopes, formats, style
from tebench.reporting.judge_report import PAGES
from tebench.runtime.workers import each

DEVELOPMENT = "development"
# Pages on what the numbers can show: path from the repository's root -> title.
READING = {"docs/findings.md": "What the starter benchmark shows, the primary endpoint first", **PAGES}
MANIFEST = "manifest.json"
PANELS = 12
_DRAWN = ("svg", "pdf")


def build(
    folder: Path, *, version: str = DEVELOPMENT, protocol: str | None = None, draw: bool = True, workers: int = 1
) -> dict[str, bytes]:
    """Path below `folder` -> bytes of every generated file; nothing is written. No rows: nothing.

    protocol: the one whose board stands first.   draw: with the figures; without, only for `differences`.
    workers: processes that the pools of all boards, and then the figures, are shared among.
    """
    found = boards(folder, protocol=protocol)
    evaluate_all(found, workers)
    return render(found, _inputs(folder, found), version=version, draw=draw, workers=workers) if found else {}


def render(
    found: list[Board], inputs: dict[str, str], *, version: str = DEVELOPMENT, draw: bool = True, workers: int = 1
) -> dict[str, bytes]:
    """All files of the boards. inputs: path -> sha256 of what they were read from."""
    source = storage.hash_json(inputs)[:12]
    # A frozen version stands alone: pages that are regenerated later would not be about its rows.
    links = READING if version == DEVELOPMENT else {}
    page = leaderboard_page.render(found, version=version, source=source, links=links)
    texts = {"index.html": page, "README.md": readme(found, version, links)}
    drawn = {}
    for board in found:
        texts[f"tables/{board.name}.csv"] = long_csv(board)
        for result in board.results:
            texts |= _tables(result)
    if draw:
        drawn = _drawn([recipe for board in found for recipe in _figures(board)], workers)
    made = {name: text.encode() for name, text in texts.items()} | drawn
    manifest = {
        "version": version,
        "boards": {board.name: f"results/{board.benchmark}.csv" for board in found},
        "inputs": inputs,
        "matplotlib": _matplotlib(),
        "files": {name: storage.sha256_bytes(data) for name, data in made.items()},
    }
    made[MANIFEST] = (json.dumps(manifest, sort_keys=True, indent=1) + "\n").encode()
    return dict(sorted(made.items()))


def write(folder: Path, made: dict[str, bytes]) -> list[Path]:
    """Write the files and remove generated ones of an earlier run that no longer belong."""
    for name in set(_stated(folder)) - set(made):
        (folder / name).unlink(missing_ok=True)
    for name, data in made.items():
        with storage.atomic_path(folder / name) as temporary:
            temporary.write_bytes(data)
    return [folder / name for name in made]


def differences(folder: Path, made: dict[str, bytes]) -> list[str]:
    """What in `folder` is not what the rows give, one sentence a file; empty when all is as it must be.

    Figures that `made` lacks (draw=False) are held against the hashes of the manifest only.
    """
    drawn = any(_is_drawn(name) for name in made)
    manifest = _manifest(folder)
    same_matplotlib = manifest.get("matplotlib") == _matplotlib()
    found = []
    for name, data in sorted(made.items()):
        path = folder / name
        if not path.is_file():
            found.append(f"{name} is absent")
        elif name == MANIFEST:
            fresh = json.loads(data)
            for key in ("version", "boards", "inputs"):
                if manifest.get(key) != fresh[key]:
                    found.append(f"{name}: {key} belongs to other rows")
        elif (not _is_drawn(name) or same_matplotlib) and path.read_bytes() != data:
            found.append(f"{name} differs")
    stated = manifest.get("files", {})
    for name, digest in sorted(stated.items()) if isinstance(stated, dict) else ():
        if name not in made and (drawn or not made or not _is_drawn(name)):
            found.append(f"{name} is of no use any more")
        elif not (folder / name).is_file():
            found += [f"{name} is absent"] if name not in made else []
        elif storage.sha256_file(folder / name) != digest:
            found.append(f"{name} is not the file that {MANIFEST} lists")
    known = {*made, *_stated(folder)}
    extra = [
        p.relative_to(folder).as_posix() for part in ("tables", "figures") for p in sorted((folder / part).glob("*"))
    ]
    found += [f"{name} was not generated" for name in extra if name not in known]
    return found


def spot_check(folder: Path, *, protocol: str | None = None) -> list[str]:
    """What a short look finds wrong in `folder`, one sentence a file: inputs, every file's hash, and the tables of each
    board's smallest pool made anew. `differences` after `build` looks at everything, and takes as long as making it.
    """
    shown = boards(folder, protocol=protocol)
    manifest = _manifest(folder)
    found = [] if manifest.get("inputs") == _inputs(folder, shown) else [f"{MANIFEST}: inputs belongs to other rows"]
    texts = {}
    for board in shown:
        texts |= _tables(result_of(board, min(board.pools, key=len)))
    for name, digest in _stated(folder).items():
        if not (folder / name).is_file():
            found.append(f"{name} is absent")
        elif storage.sha256_file(folder / name) != digest:
            found.append(f"{name} is not the file that {MANIFEST} lists")
    for name, text in texts.items():
        if not (folder / name).is_file() or (folder / name).read_bytes() != text.encode():
            found.append(f"{name} differs")
    return found


def readme(found: list[Board], version: str, links: Mapping[str, str] = READING) -> str:
    """The Markdown table of each whole pool, and where the rest is."""
    lines = [
        "# Leaderboard", "",
        "Made from the rows in `results/` and `ground_truth/` by `python -m tebench job=leaderboard`; do not edit.",
        "The page [index.html](index.html) shows every pool and task, each number with its picture, its influence and",
        "its citation; [tables](tables) and [figures](figures) hold the same for papers.", "",
        *(f"- [{title}](../{path})" for path, title in links.items()), *([""] if links else []),
    ]  # fmt: skip
    for board in found:
        result = board.results[0]
        options = {"titles": board.titles, "groups": result.groups.get(MEAN)}
        pools = "; ".join(f"{pool.name} ({len(pool)} encoders, id {pool.id})" for pool in board.pools)
        lines += [
            f"## {formats._escape_markdown(_heading(result))}",
            "",
            formats.markdown(result.frame, **options).rstrip(),
        ]
        lines += [f"- pools: {formats._escape_markdown(pools)}; each is computed for itself.", ""]
    return "\n".join([*lines, "## Cite", "", "```bibtex", citation.bibtex(version), "```", ""])


def _tables(result: Result) -> dict[str, str]:
    """Path -> text of the tables of one pool."""
    board, name = result.board, f"{result.board.name}-{result.pool.name}"
    options = {"title": _heading(result), "titles": board.titles, "groups": result.groups.get(MEAN)}
    return {
        f"tables/{name}.tex": formats.latex(result.frame, **options, label=f"tab:{name}"),
        f"tables/{name}.md": formats.markdown(result.frame, **options),
    }


def _heading(result: Result) -> str:
    board = result.board
    return f"{board.name}: {board.title}; pool {result.pool.name}, protocol {board.protocol}"


def _figures(board: Board) -> list[tuple[str, partial]]:
    """(name, how to draw it) of the whole pool's figures; correlations of the PANELS best metrics, the page has all."""
    result, name = board.results[0], board.name
    means = result.frame[result.frame["task"] == MEAN].sort_values(["tau_w", "metric"], ascending=[False, True])
    best = list(means["metric"][means["tau_w"].notna()])
    pair = figures_slopes.best_pair(result.frame)
    words = {"titles": board.titles, "looks": board.looks}
    found = [(f"{name}-ground-truth",
              partial(figures.ground_truth, board.truth, looks=board.looks, judged=result.judged))]  # fmt: skip
    for task in dict.fromkeys(result.points["task"]):
        points = result.points[result.points["task"] == task]
        have = set(points["metric"])
        shown = [metric for metric in best if metric in have][:PANELS] or sorted(have)[:PANELS]
        drawing = partial(figures.correlation, points, result.frame, task, metrics=shown, **words)
        found.append((f"{name}-{task}", drawing))
        if pair and set(pair) <= have:
            drawing = partial(
                figures_slopes.slopes, result.scores, board.truth, result.frame, task, pair, board.directions,
                pool=result.pool, seed=board.seed, **words,
            )  # fmt: skip
            found.append((f"{name}-slopes-{task}", drawing))
    if means["status"].eq("ok").sum() > 1:
        found.append((f"{name}-cost-quality", partial(figures.cost_quality, result.frame, titles=board.titles)))
    return found


def _drawn(recipes: list[tuple[str, partial]], workers: int) -> dict[str, bytes]:
    """Path -> bytes of every figure."""
    parts = each(_draw, recipes, workers, "drawing", progress=False, kept="nothing was written.", fork=True)
    return {name: data for part in parts for name, data in part.items()}


def _draw(recipe: tuple[str, partial]) -> dict[str, bytes]:
    name, drawing = recipe
    with tempfile.TemporaryDirectory() as folder:
        paths = style.save(drawing(), Path(folder), name, formats=_DRAWN)
        return {f"figures/{path.name}": path.read_bytes() for path in paths}


def _inputs(folder: Path, found: list[Board]) -> dict[str, str]:
    from tebench.publication.boards import facts_of

    names = {f"results/{board.benchmark}.csv" for board in found}
    # A benchmark of the user's names its file by an absolute path.
    names |= {str(Path("ground_truth") / facts_of(board.benchmark)["ground_truth"]) for board in found}
    return {name: storage.sha256_file(folder / name) for name in sorted(names)}


def _manifest(folder: Path) -> dict:
    with contextlib.suppress(CacheError):
        found = storage.read_json(folder / MANIFEST)
        if isinstance(found, dict):
            return found
    return {}


def _stated(folder: Path) -> dict[str, str]:
    """Files of the manifest with their hashes, only those that lie where generated files may lie."""
    stated = _manifest(folder).get("files", {})
    if not isinstance(stated, dict):
        return {}
    for name in stated:
        parts = Path(name).parts
        if not (
            name in ("index.html", "README.md")
            or (len(parts) == 2 and parts[0] in ("tables", "figures") and ".." not in parts)
        ):
            raise InputError(
                f"{folder / MANIFEST} lists {name!r}, which job=leaderboard never makes. Restore the manifest."
            )
    return stated


def _is_drawn(name: str) -> bool:
    return name.rsplit(".", 1)[-1] in _DRAWN


def _matplotlib() -> str:
    import matplotlib

    return matplotlib.__version__
