"""The same table as CSV, Markdown, LaTeX and HTML. Names are data: each format escapes them."""

from __future__ import annotations

import html as _html
import re

import pandas as pd

from tebench.evaluation.statistics import shown
from tebench.reporting.summary import Summary, number, p_text, span, summarise

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_text(frame: pd.DataFrame) -> str:
    """Long form, one row per (metric, task), ten significant digits; text that a spreadsheet would run is quoted."""
    frame = frame.copy()
    for name in frame.columns:
        if not pd.api.types.is_numeric_dtype(frame[name]):
            frame[name] = [_harmless(value) for value in frame[name]]
    return frame.to_csv(index=False, float_format="%.10g", lineterminator="\n")


def markdown(frame, *, title: str = "", titles=None, groups=None) -> str:
    """A pipe table: tau_w with interval in every cell; bold only outside chance after Holm."""
    summary = summarise(frame, titles=titles, groups=groups)
    head, body = _grid(summary, _escape_markdown, lambda text: f"**{text}**", star=r"\*", tilde=r"\~")
    lines = [f"**{_escape_markdown(title)}**", ""] if title else []
    lines += [_pipes(head), _pipes(["---"] + ["---:"] * (len(head) - 1)), *map(_pipes, body), ""]
    lines += [f"- {_escape_markdown(note)}" for note in [*summary.notes, *summary.legend]]
    return "\n".join(lines) + "\n"


def html(frame, *, title: str = "", titles=None, groups=None) -> str:
    """A <table> fragment without script or style; every name escaped."""
    summary = summarise(frame, titles=titles, groups=groups)
    head, body = _grid(summary, _escape_html, lambda text: f"<strong>{text}</strong>")
    n = len(summary.rows)

    def line(cells):
        return f'<tr><th scope="row">{cells[0]}</th>' + "".join(f"<td>{cell}</td>" for cell in cells[1:]) + "</tr>"

    lines = ['<table class="tebench">']
    if title:
        lines.append(f"<caption>{_escape_html(title)}</caption>")
    lines.append("<thead><tr>" + "".join(f'<th scope="col">{cell}</th>' for cell in head) + "</tr></thead>")
    lines += ["<tbody>", *map(line, body[:n]), "</tbody>", "<tfoot>", *map(line, body[n:]), "</tfoot>", "</table>"]
    lines += ["<ul>", *[f"<li>{_escape_html(note)}</li>" for note in [*summary.notes, *summary.legend]], "</ul>"]
    return "\n".join(lines) + "\n"


def latex(frame, *, title: str = "", titles=None, groups=None, label: str = "tab:correlation") -> str:
    r"""A booktabs table float (needs \usepackage{booktabs,graphicx}); intervals small beside each number.

    A `\resizebox` keeps many tasks within the text; the reasons follow as comments, so that they travel along.
    """
    summary = summarise(frame, titles=titles, groups=groups)
    head, body = _grid(
        summary, _escape_latex, lambda text: rf"\textbf{{{text}}}", small=r"{\scriptsize %s}", star="$^*$",
        tilde=r"\textasciitilde{}",
    )  # fmt: skip
    body = [[name, *[re.sub(r"-(?=\d)", "$-$", cell) for cell in cells]] for name, *cells in body]
    table = pd.DataFrame(body)
    columns = table.columns
    table = table.rename(columns=dict(zip(columns, head, strict=True))) if len(set(head)) == len(head) else table
    styled = table.style.hide(axis="index").format(escape=None)
    text = styled.to_latex(hrules=True, column_format="l" + "r" * (len(head) - 1))
    # The task facts stand below a rule of their own; Styler can only rule the ends.
    lines = text.split("\n")
    first_fact = next(i for i, line in enumerate(lines) if line.startswith("noise ceiling"))
    lines.insert(first_fact, r"\midrule")
    covers = next(line for line in summary.legend if line.startswith("[low"))
    caption = f"{_escape_latex(title)}. " if title else ""
    caption += (
        rf"Weighted Kendall $\tau_w$ of score and fine-tuned Dice, {summary.n} encoders. "
        + _escape_latex(covers.removesuffix("."))
        + r". $^*$ outside the 95\,\% interval of chance; bold: best, after Holm's correction."
    )
    return "\n".join(
        [
            r"% needs \usepackage{booktabs,graphicx}",
            *[f"% {note}" for note in _one_line([*summary.notes, *summary.legend])],
            r"\begin{table}[t]", r"\centering", rf"\caption{{{caption}}}", rf"\label{{{_label(label)}}}",
            r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
            *[line for line in lines if line], r"}",
            r"\end{table}", "",
        ]
    )  # fmt: skip


def _grid(summary: Summary, escape, embolden, *, small="%s", star="*", tilde="~") -> tuple[list[str], list[list[str]]]:
    """(head, rows) of escaped text: metrics, then the facts of the tasks."""
    grouped, beside = any(row.group for row in summary.rows), shown("wide")
    head = [
        "metric",
        *summary.tasks,
        "mean",
        "chance of mean",
        "p",
        *[one.title for one in beside],
        "n",
        *(["group"] if grouped else []),
    ]

    def cell(item):
        text = number(item.value) if not item.word else escape(item.word)
        mark = star * item.significant + tilde * item.partial
        if not item.word and item.low == item.low:
            text = (embolden(text) if item.bold else text) + " " + small % span(item.low, item.high)
        elif item.bold:
            text = embolden(text)
        return f"({text}{mark})" if item.aside else text + mark

    body = [
        [
            escape(row.title), *[cell(row.cells[task]) for task in summary.tasks], cell(row.mean),
            span(*row.chance), p_text(row.p), *[number(row.others[one.name], one.digits) for one in beside],
            str(summary.n) if not row.mean.word else "-", *([str(row.group or "-")] if grouped else []),
        ]
        for row in summary.rows
    ]  # fmt: skip
    pad = [""] * (len(head) - 2 - len(summary.tasks))
    facts = {
        "noise ceiling": [summary.ceiling_text(task) for task in [*summary.tasks, "mean"]],
        "chance": [*[span(*summary.chance[task]) for task in summary.tasks], ""],
        "reliability": [number(summary.reliability[task]) for task in [*summary.tasks, "mean"]],
    }
    body += [[name, *values, *pad] for name, values in facts.items()]
    return [escape(name) for name in head], body


def _pipes(cells) -> str:
    return "| " + " | ".join(cells) + " |"


def _plain(text) -> str:
    """One line without control characters."""
    return re.sub(r"[\x00-\x1f\x7f\u2028\u2029]+", " ", str(text))


def _escape_markdown(text) -> str:
    text = _plain(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|~])", r"\\\1", text)


def _escape_html(text) -> str:
    return _html.escape(_plain(text), quote=True)


_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "*": r"$^*$", "<": r"\textless{}", ">": r"\textgreater{}",
}  # fmt: skip


def _escape_latex(text) -> str:
    return "".join(_LATEX.get(character, character) for character in _plain(text))


def _label(text) -> str:
    return re.sub(r"[^A-Za-z0-9:_-]", "-", str(text))


def _one_line(texts) -> list[str]:
    return [_plain(text) for text in texts]


def _harmless(value):
    if not isinstance(value, str):
        return value
    value = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", "", value)
    return "'" + value if value.startswith(_FORMULA) else value
