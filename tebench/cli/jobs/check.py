"""job=check: the common checks on the chosen metrics."""

from __future__ import annotations

import sys

from tebench.cli.options import requested_metrics
from tebench.metrics.checks import run_checks


def run(config: dict) -> None:
    """Print one line per check and exit with 1 when any failed."""
    failed = 0
    for metric, _ in requested_metrics(config):
        print(f"{metric.name}: {metric.title} ({metric.direction}, range {metric.range_text}, {metric.paper})")
        for result in run_checks(metric):
            print(f"  {result.status:<9} {result.check:<38} {result.seen}")
            failed += result.status == "fail"
        print()
    print(f"{failed} checks failed" if failed else "all checks passed")
    sys.exit(1 if failed else 0)
