"""job=findings: write docs/findings.md, what the published rows of a benchmark show and cannot show."""

from __future__ import annotations

from pathlib import Path

from tebench.base import storage


def run(config: dict) -> None:
    """Read the boards, count, write the page."""
    from tebench.benchmark.spec import leaderboard_folder, published
    from tebench.publication import boards as leaderboard_boards
    from tebench.research.findings import page

    name = published(config)["benchmark"]["name"]
    job = config["job"]
    leaderboard = leaderboard_folder(job["leaderboard"])
    protocols = leaderboard_boards.protocols(leaderboard, name, first=config["protocol"]["name"])
    boards = [leaderboard_boards.read(leaderboard, name, protocol=one) for one in protocols]
    path = storage.make_folder(Path(job["folder"])) / "findings.md"
    storage.write_text(path, page.page(boards, _volumes(leaderboard, name)))
    print(path)


def _volumes(leaderboard: Path, name: str):
    """Dice per volume and class beside the ground truth, or None where no such file is."""
    import pandas as pd

    from tebench.publication.boards import facts_of

    truth = leaderboard / "ground_truth" / facts_of(name)["ground_truth"]
    path = truth.with_name(f"{truth.stem}_volumes.csv")
    return pd.read_csv(path) if path.is_file() else None
