"""Everything public has a numpydoc docstring that names exactly its parameters, what it returns, and its errors.

Public: what `__all__` of a package lists. https://numpydoc.readthedocs.io/en/latest/format.html
"""

import inspect
import re

import pytest

import tebench
from tebench import graphs

PUBLIC = [getattr(package, name) for package in (tebench, graphs) for name in package.__all__]
FUNCTIONS = [thing for thing in PUBLIC if inspect.isfunction(thing)]


def sections(function) -> dict[str, str]:
    """Title -> text of each section; "" is what stands before the first."""
    parts = re.split(r"^(\w[\w ]*)\n-+\n", inspect.getdoc(function) or "", flags=re.MULTILINE)
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def problems(function) -> list[str]:
    found, have = [], sections(function)
    if not re.fullmatch(r"[A-Z].*\.", have[""].strip().split("\n")[0]):
        found.append("the first line is no sentence")
    entries = re.findall(r"^(\S[^:\n]*?)(?: : .+)?$", have.get("Parameters", ""), flags=re.MULTILINE)
    named = [name.lstrip("*") for entry in entries for name in entry.split(", ")]
    if named != list(inspect.signature(function).parameters):
        found.append(f"documents parameters {named}")
    if not have.get("Returns", "").strip():
        found.append("does not say what it returns")
    if named and not re.match(r"\w+(Error|Applicable)\n    \S", have.get("Raises", "")):
        found.append("does not say what it raises")
    return found


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_public_functions_are_documented(function):
    assert problems(function) == []


def test_the_check_sees_what_is_missing():
    def undocumented(one, two=2):
        """does something

        Parameters
        ----------
        one : int
            First.
        """

    assert problems(undocumented) == [
        "the first line is no sentence", "documents parameters ['one']", "does not say what it returns",
        "does not say what it raises",
    ]  # fmt: skip
    assert len(FUNCTIONS) >= 10
