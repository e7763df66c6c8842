"""Contrast of the leaderboard page from its own colours, by the formula of WCAG 2.2 (1.4.3 and 1.4.11, level AA).

tests/browser measures the same on the rendered page; here every pair of colours that can meet is held, seen or not.
"""

import re
from importlib.resources import files

import pytest

CSS = (files("tebench.publication") / "web" / "style.css").read_text()
GROUNDS = ("ground", "shade", "chance")
# (foreground, grounds it stands on): words need 4.5, marks and outlines 3.
WORDS = [
    ("text", GROUNDS),
    ("soft", GROUNDS),
    ("link", ("ground", "shade")),
    ("warn", ("ground", "shade")),
    ("ground", ("text",)),
]
MARKS = [
    ("mark", ("ground", "chance", "shade")), ("focus", ("ground", "shade")), ("soft", GROUNDS), ("text", GROUNDS),
    *((f"g{i}", ("ground",)) for i in range(6)),
]  # fmt: skip


def schemes():
    """light, dark and print -> name -> colour; a scheme inherits what it does not set."""
    rules = [
        dict(re.findall(r"--([a-z0-9]+): (#[0-9a-f]+)", block)) for block in re.findall(r":root \{(.*?)\}", CSS, re.S)
    ]
    light, dark, paper = rules
    return {"light": light, "dark": light | dark, "print": light | paper}


def luminance(colour):
    """Relative luminance of #rgb or #rrggbb."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * c for c in colour[1:])
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def ratio(first, second):
    """1 (equal) to 21 (black on white)."""
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def test_the_formula_gives_its_known_values():
    assert ratio("#000", "#ffffff") == pytest.approx(21)
    assert ratio("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)  # the known grey that just fails


@pytest.mark.parametrize("scheme", ["light", "dark", "print"])
@pytest.mark.parametrize(("pairs", "least"), [(WORDS, 4.5), (MARKS, 3.0)])
def test_every_pair_of_colours_reaches_aa(scheme, pairs, least):
    colours = schemes()[scheme]
    found = {(name, on): round(ratio(colours[name], colours[on]), 2) for name, grounds in pairs for on in grounds}
    print(scheme, found)
    assert {pair: value for pair, value in found.items() if value < least} == {}


def test_every_colour_of_the_page_is_a_named_one():
    """So that the pairs above are all there are."""
    body = re.sub(r":root \{.*?\}", "", CSS, flags=re.S)
    assert re.findall(r"#[0-9a-fA-F]{3,8}\b|rgba?\(|hsla?\(", re.sub(r"#[a-z-]+[ ,{:]", "", body)) == []
    assert set(re.findall(r"var\(--([a-z0-9]+)\)", body)) == set(schemes()["light"])
