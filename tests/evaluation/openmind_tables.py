"""OpenMind's published table, as the suite keeps it, for the tests of what a table can show."""

from pathlib import Path

from tebench.evaluation import dice_table

FILE = Path(__file__).parents[2] / "leaderboard" / "ground_truth" / "openmind.csv"
SIX = ["isl", "hnt", "msf", "tpc", "acd", "kit"]


def table(architecture="ResEncL", tasks=SIX):
    rows, notes = dice_table.read(FILE)
    return dice_table.table(rows, name="openmind", encoders=[f"{architecture}-*"], tasks=tasks, notes=notes)
