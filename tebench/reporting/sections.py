"""A report as sections of sentences, tables and figures: for the terminal, as Markdown, as one file of HTML.

Sentences are plain text; `code` stands in backticks and nothing else is markup. Names are data and are escaped.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
import textwrap
from dataclasses import dataclass, field
from pathlib import Path

from tebench.reporting.formats import _escape_markdown, _plain
from tebench.reporting.tables import aligned

WIDTH = 120
_STYLE = """
:root { --ground: #fff; --text: #1b1f24; --soft: #57606a; --line: #d0d7de; --shade: #f3f5f7; }
@media screen and (prefers-color-scheme: dark) {
  :root { --ground: #14171a; --text: #e6e8ea; --soft: #a9b2bb; --line: #3a424a; --shade: #1d2226; }
}
* { box-sizing: border-box; }
html { color-scheme: light dark; }
body { margin: 0 auto; padding: 1rem clamp(.75rem, 2.5vw, 2.5rem); max-width: 72rem; background: var(--ground);
  color: var(--text); font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif;
  overflow-wrap: break-word; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: .2em 0; }
h2 { font-size: 1.25rem; margin: 1.8em 0 .4em; line-height: 1.25; }
p, li { max-width: 50rem; }
header p, figcaption, footer { color: var(--soft); }
code { font: .9em ui-monospace, "Liberation Mono", monospace; background: var(--shade); padding: .05em .25em;
  border-radius: .2em; overflow-wrap: anywhere; }
.wide { overflow-x: auto; margin: .8rem 0; }
table { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem; text-align: right; border-bottom: 1px solid var(--line); vertical-align: top; }
thead th { border-bottom: 2px solid var(--soft); color: var(--soft); vertical-align: bottom; }
th:first-child { text-align: left; }
tbody th { font-weight: 600; }
td { white-space: nowrap; }
figure { margin: 1rem 0; }
figure img { max-width: 100%; height: auto; background: #fff; border-radius: .3rem; }
figcaption { font-size: .9rem; max-width: 50rem; }
nav ul { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; padding: 0; list-style: none; }
@media print { nav { display: none; } h2 { break-after: avoid; } figure, tr { break-inside: avoid; } }
"""


@dataclass(frozen=True)
class Table:
    """head and rows of text; the first column names the row."""

    head: list[str]
    rows: list[list[str]]


@dataclass(frozen=True)
class Picture:
    """A figure by file name (without folder or suffix), what it shows, and its words for those who cannot see it."""

    name: str
    caption: str
    alt: str


@dataclass(frozen=True)
class Section:
    """A heading, then sentences (a list where there are several), tables, pictures and closing notes, in this order."""

    title: str
    sentences: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def terminal(title: str, sections: list[Section], *, width: int = WIDTH) -> str:
    """Plain text within `width` columns; a table that is wider is cut into blocks of columns."""
    lines = [title, "=" * len(title)]
    for section in sections:
        lines += ["", section.title, "-" * len(section.title)]
        for text in section.sentences:
            lines += textwrap.wrap(text, width, initial_indent="- ", subsequent_indent="  ")
        for table in section.tables:
            for block in _blocks(table, width):
                lines += ["", *aligned(block, rule_after=(0,))]
        for text in section.notes:
            lines += ["", *textwrap.wrap(text, width)]
    return "\n".join(lines) + "\n"


def markdown(title: str, lead: list[str], sections: list[Section], *, figures: str = "", level: int = 1) -> str:
    """Markdown with pipe tables. figures: folder of the pictures beside the page; level: of the title's heading."""
    lines = ["#" * level + f" {title}", ""]
    for text in lead:
        lines += [_marked(text), ""]
    for section in sections:
        lines += ["#" * (level + 1) + f" {section.title}", ""]
        lines += [f"- {_marked(text)}" for text in section.sentences]
        lines += [""] if section.sentences else []
        for table in section.tables:
            rows = [table.head, ["---"] + ["---:"] * (len(table.head) - 1), *table.rows]
            escaped = [row if i == 1 else [_escape_markdown(cell) for cell in row] for i, row in enumerate(rows)]
            lines += ["| " + " | ".join(row) + " |" for row in escaped] + [""]
        for picture in section.pictures:
            path = f"{figures}/{picture.name}.png" if figures else f"{picture.name}.png"
            lines += [f"![{picture.alt}]({path})", "", f"*{_marked(picture.caption)}*", ""]
        for text in section.notes:
            lines += [_marked(text), ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def page(title: str, lead: list[str], sections: list[Section], folder: Path) -> str:
    """One HTML file that asks for nothing: figures (NAME.svg of `folder`) inside it, no script, a closed policy."""
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    contents = "".join(f'<li><a href="#s{i}">{_text(s.title)}</a></li>' for i, s in enumerate(sections))
    parts = [
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{html.escape(policy)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">',
        f"<title>{html.escape(_plain(title))}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<header>",
        f"<h1>{_text(title)}</h1>", *[f"<p>{_text(text)}</p>" for text in lead],
        f'<nav aria-label="Sections"><ul>{contents}</ul></nav>\n</header>\n<main>',
    ]  # fmt: skip
    for i, section in enumerate(sections):
        parts.append(f'<section aria-labelledby="s{i}">\n<h2 id="s{i}">{_text(section.title)}</h2>')
        if section.sentences:
            parts.append("<ul>\n" + "\n".join(f"<li>{_text(text)}</li>" for text in section.sentences) + "\n</ul>")
        parts += [_html_table(table, section.title) for table in section.tables]
        parts += [_figure(picture, folder) for picture in section.pictures]
        parts += [f"<p>{_text(text)}</p>" for text in section.notes]
        parts.append("</section>")
    return "\n".join([*parts, "</main>\n</body>\n</html>\n"])


def _blocks(table: Table, width: int) -> list[list[list[str]]]:
    columns = [[_plain(cell) for cell in column] for column in zip(table.head, *table.rows, strict=True)]
    wide = [max(map(len, column)) for column in columns]
    blocks, taken = [[columns[0]]], wide[0]
    for column, size in zip(columns[1:], wide[1:], strict=True):
        if taken + 2 + size > width and len(blocks[-1]) > 1:
            blocks.append([columns[0]])
            taken = wide[0]
        blocks[-1].append(column)
        taken += 2 + size
    return blocks


def _marked(text: str) -> str:
    """Markdown of a sentence: escaped, but for what stands between backticks."""
    pieces = re.split(r"(`[^`]+`)", text)
    return "".join(_plain(piece) if piece.startswith("`") else _escape_markdown(piece) for piece in pieces)


def _text(text: str) -> str:
    """HTML of a sentence: escaped; backticks become code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(_plain(text), quote=True))


def _html_table(table: Table, name: str) -> str:
    head = "".join(f'<th scope="col">{_text(cell)}</th>' for cell in table.head)
    body = "\n".join(
        f'<tr><th scope="row">{_text(row[0])}</th>' + "".join(f"<td>{_text(cell)}</td>" for cell in row[1:]) + "</tr>"
        for row in table.rows
    )
    return (
        f'<div class="wide" role="region" aria-label="{_text(name)}" tabindex="0"><table>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>"
    )


def _figure(picture: Picture, folder: Path) -> str:
    data = base64.b64encode((folder / f"{picture.name}.svg").read_bytes()).decode()
    return (
        f'<figure><img alt="{html.escape(_plain(picture.alt))}" src="data:image/svg+xml;base64,{data}">'
        f"<figcaption>{_text(picture.caption)}</figcaption></figure>"
    )
