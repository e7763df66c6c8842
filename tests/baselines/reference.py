"""Reference values for the tests: what public implementations, or independent derivations (`own:`), give.

`reference_values.json`: case -> key -> value, source (repository and function) and notes (its known slips).
`reference_cases.py`: the generator of the cases.
"""

import json
from functools import cache
from pathlib import Path

import reference_cases

from tebench.metrics.moments import Moments

VALUES = json.loads((Path(__file__).parent / "reference_values.json").read_text())


@cache
def case(name):
    arrays = reference_cases.make(name)
    for array in arrays.values():
        array.setflags(write=False)
    return arrays


@cache
def moments(name):
    return Moments.of(case(name)["X"], case(name)["y"])


def value(name, key):
    return VALUES[name][key]["value"]


def having(key):
    """Names of the cases with a number under `key`."""
    return [name for name, entries in VALUES.items() if entries.get(key, {}).get("value") is not None]
