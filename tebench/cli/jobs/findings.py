"""job=findings: write docs/findings.md, what the published rows of a benchmark show and cannot show."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from tebench.base import storage
from tebench.benchmark.options import option
from tebench.benchmark.settings import Settings


@dataclass(frozen=True)
class Options:
    """Write in plain words what the published rows of a benchmark show and cannot show (docs/findings.md).

    tebench findings benchmark=starter
    """

    READS: ClassVar = ("benchmark", "protocol")

    leaderboard: str | None = option(None, "another folder than leaderboard/")
    folder: str = option("docs", "where findings.md goes")


def run(settings: Settings, options: Options) -> None:
    """Read the boards, count, write the page."""
    from tebench.benchmark.spec import leaderboard_folder, published
    from tebench.publication import boards as leaderboard_boards
    from tebench.research.findings import page

    name = published(settings).benchmark.name
    leaderboard = leaderboard_folder(options.leaderboard)
    protocols = leaderboard_boards.protocols(leaderboard, name, first=settings.protocol["name"])
    boards = [leaderboard_boards.read(leaderboard, name, protocol=one) for one in protocols]
    path = storage.make_folder(Path(options.folder)) / "findings.md"
    storage.write_text(path, page.page(boards, _volumes(leaderboard, name)))
    print(path)


def _volumes(leaderboard: Path, name: str):
    """Dice per volume and class beside the ground truth, or None where no such file is."""
    import pandas as pd

    from tebench.publication.boards import facts_of

    truth = leaderboard / "ground_truth" / facts_of(name)["ground_truth"]
    path = truth.with_name(f"{truth.stem}_volumes.csv")
    return pd.read_csv(path) if path.is_file() else None
