"""What job=rank shows and leaves: verdict and table for the terminal, CSV files, and one picture."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd

from tebench.base.storage import write_json, write_text
from tebench.evaluation import ranking
from tebench.metrics.registry import get
from tebench.reporting import ranking_page, ranking_words, style
from tebench.reporting.document import aligned
from tebench.reporting.formats import csv_text
from tebench.reporting.summary import number, p_text


def ranked(found: dict, names: list[str]) -> pd.DataFrame:
    """Rows of every metric, see `tebench.evaluation.ranking.rank`. found: metric -> encoder -> Scores."""
    frames = [ranking.rank(name, found[name], _bounds(name)) for name in names]
    joined = pd.concat([frame.astype(object) for frame in frames], ignore_index=True)
    for column in ("score", "low", "high", "draw_sd", "case_se", "behind", "behind_low", "behind_high", "p", "seconds"):
        joined[column] = pd.to_numeric(joined[column])
    return joined


def write(
    folder: Path, ranked: pd.DataFrame, times: dict, *, names: list[str], main: str, why: str, task, n_all: int,
    n_draws: int, refused: dict, notes: list[str], config: dict, classes: pd.DataFrame, readings: pd.DataFrame,
    untrained: pd.DataFrame, by_class: dict[str, pd.DataFrame], seconds: float,
) -> str:  # fmt: skip
    """Write all files of a ranking, and return the text for the terminal.

    main, why: the metric that ranks, and why.   untrained: every encoder beside the random weights of its shape.
    by_class: class -> rows under `main` of telling it from every other voxel.   seconds: of the whole job.
    """
    agreed = ranking.agreement(ranked)
    titles = {name: get(name).title for name in names}
    lines = [
        *ranking.verdict(ranked, main, titles, len(task.cases), agreed),
        *ranking_words.untrained(ranked, main, untrained, readings), *ranking_words.by_class(by_class),
        *ranking_words.place(main, len(times)),
    ]  # fmt: skip
    drawn = f"{n_draws} draw{'s' if n_draws != 1 else ''} of voxels"
    head = [
        f"{task.name}: {len(task.cases)} of {n_all} cases, {len(task.classes) - 1} foreground classes, "
        f"{drawn}, {len(times)} encoders",
        *notes,
        f"Ranked by {titles[main]}: {why}",
    ]
    text = "\n".join(
        [
            *head, "", *lines, "", columns(ranked, main, names, titles, times), "",
            *([f"Agreement between metrics (weighted tau over encoders):\n{matrix(agreed, names, titles)}", ""]
              if len(agreed) and agreed["tau_w"].notna().any() else []),
            *(["Rank by class (each told from every other voxel):", aligned(ranking_words.class_table(by_class)), ""]
              if by_class else []),
            "Classes (cases that hold them, their voxels, rows and boundary anchors read in all draws):",
            aligned(classes), "",
            "What each encoder reads:", aligned(readings.drop(columns=["pre-training"])), "",
            *([*("Not ranked:", *(f"  {name}: {reason}" for name, reason in refused.items())), ""] if refused else []),
            *([*("Reasons:", *_reasons(ranked, titles)), ""] if _reasons(ranked, titles) else []),
            *LEGEND,
        ]
    )  # fmt: skip
    ranked["main"] = ranked["metric"] == main
    for name in ("extraction", "forward", "scoring", "peak_mb"):
        ranked[f"encoder_{name}" + ("" if name == "peak_mb" else "_s")] = [times[e][name] for e in ranked["encoder"]]
    tables = {
        "ranking": ranked, "agreement": agreed, "classes": classes, "readings": readings, "untrained": untrained,
        **({"by_class": ranking_words.long(by_class)} if by_class else {}),
    }  # fmt: skip
    for name, frame in tables.items():
        write_text(folder / f"{name}.csv", csv_text(frame))
    write_json(folder / "config.json", config)
    pictures = style.save(figure(ranked, agreed, main, names, titles, task.name, len(task.cases)), folder, "ranking")
    write_text(folder / "ranking.txt", text + "\n")
    page = ranking_page.page(
        head=head, verdict=lines, table=ranking_words.table(ranked, main, names, titles, untrained), why=why,
        picture=pictures[0], by_class=by_class, classes=classes, readings=readings, notes=notes, task=task,
        refused=refused, reasons=_reasons(ranked, titles), times=times, seconds=seconds, main=titles[main],
        agreed=agreed, titles=titles, config=config, legend=LEGEND,
    )  # fmt: skip
    write_text(folder / "ranking.html", page.html())
    listed = ", ".join(
        ["ranking.html", "ranking.txt", *(f"{name}.csv" for name in tables), *(p.name for p in pictures)]
    )
    return f"{text}\nwritten to {folder}: {listed}"


LEGEND = (
    "[low, high]: 95 % interval over cases (jackknife, Student's t) and draws of voxels; the random decoder, other",
    "  scanners and other tasks are not covered. A score's interval says nothing about fine-tuned Dice.",
    "ranks: best and worst over draws and cases left out.  =: not told apart from first (paired t, Holm, p >= .05).",
)


def choose(ranked, names: list[str], chosen: bool, evidence: list, n_encoders: int) -> tuple[str, str]:
    """(the metric that ranks, why): the user's first, or the best by evidence that applies to most encoders."""
    ok = ranked[ranked["status"] == "ok"].groupby("metric")["encoder"].nunique()
    applies = {name: int(ok.get(name, 0)) for name in [*names, *(item.metric for item in evidence)]}
    by_name = {item.metric: item for item in evidence}
    if chosen:
        main = names[0]
        why = "first of metric=; the leaderboard has no row that says how well it ranks."
        if main in by_name:
            place = list(by_name).index(main) + 1
            why = f"first of metric=, number {place} of {len(evidence)} by evidence: {_numbers(by_name[main])}."
    else:
        order = list(dict.fromkeys([*(name for name in by_name if name in names), *names]))
        most = max(applies[name] for name in order)
        main = next(name for name in order if applies[name] == most)
        if main not in by_name:
            why = "the suite's default" if main == names[0] else f"it applies to {most} encoders, {order[0]} does not"
            why += "; no leaderboard row says how well it ranks, so this is no evidence."
        elif main == evidence[0].metric:
            why = f"recommended. {by_name[main].text()}"
        else:
            why = (
                f"the best by evidence of those that apply to {most} encoders (the leaderboard's first, "
                f"{evidence[0].metric}, applies to {applies[evidence[0].metric]}): {_numbers(by_name[main])}."
            )
    return main, why if applies[
        main
    ] == n_encoders else f"{why} It applies to {applies[main]} of {n_encoders} encoders."


def _numbers(item) -> str:
    caveat = "" if item.beyond_chance else ", not outside chance"
    return (
        f"mean tau_w {item.tau_w:.2f} on {item.benchmark}, n = {item.n_encoders} encoders, chance "
        f"[{item.null_low:.2f}, {item.null_high:.2f}]{caveat}"
    )


def columns(ranked, main: str, names: list[str], titles: dict, times: dict) -> str:
    """The table as aligned text: the main metric's ranking, the ranks by the others, and the time each took."""
    others = [name for name in names if name != main]
    ranks = {name: ranked[ranked["metric"] == name].set_index("encoder")["rank"] for name in others}
    heads = ["", "", "encoder", "score", "95 % interval", "ranks", "behind", "p", *[titles[n] for n in others],
             "extraction s", "scoring s"]  # fmt: skip
    lines = [heads]
    for row in ranked[ranked["metric"] == main].itertuples():
        ok = row.status == "ok"
        cells = [
            f"{int(row.rank)}" if ok else "-", "=" if ok and row.rank != 1 and row.together else "", row.encoder,
            _digits(row.score) if ok else row.status.replace("_", " "), _span(row.low, row.high) if ok else "",
            f"{int(row.rank_low)}-{int(row.rank_high)}" if ok else "",
            _digits(row.behind) if ok and row.rank != 1 else "", p_text(row.p) if ok and row.rank != 1 else "",
            *[_rank(ranks[name].get(row.encoder)) for name in others],
            f"{times[row.encoder]['extraction']:.1f}", f"{times[row.encoder]['scoring']:.1f}",
        ]  # fmt: skip
        lines.append(cells)
    widths = [max(len(line[i]) for line in lines) for i in range(len(heads))]
    text = [
        "  ".join(
            c.ljust(w) if i == 2 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return "\n".join([text[0], "-" * max(map(len, text)), *text[1:]])


def matrix(agreed, names: list[str], titles: dict) -> str:
    """Weighted tau of every two metrics as a triangle."""
    known = {frozenset((row.metric, row.other)): row.tau_w for row in agreed.itertuples()}
    width = max(len(titles[name]) for name in names)
    heads = [titles[name] for name in names[:-1]]
    lines = [" " * (width + 2) + "  ".join(heads)]
    for index, name in enumerate(names[1:], 1):
        cells = [number(known[frozenset((name, other))]).rjust(len(titles[other])) for other in names[:index]]
        lines.append(f"  {titles[name]:<{width}}"[: width + 2] + "  ".join(cells))
    return "\n".join(lines)


def figure(ranked, agreed, main: str, names: list[str], titles: dict, task: str, n_cases: int):
    """Left: score and interval, best on top; right: rank under every metric."""
    own = ranked[ranked["metric"] == main]
    shown = own[own["status"] == "ok"]
    order = own["encoder"].tolist()
    with style.theme():
        import seaborn as sns

        rows = max(len(order), 3)
        made = style.new_figure(5.4 + 0.62 * len(names), 1.35 + 0.32 * rows)
        left, right = made.subplots(1, 2, gridspec_kw={"width_ratios": [3, 0.55 * len(names) + 0.3]})
        colour, faint = sns.color_palette("colorblind")[0], "0.55"
        for row in shown.itertuples():
            y = order.index(row.encoder)
            close = row.rank == 1 or row.together
            tone = colour if close else faint
            if math.isfinite(row.low):
                left.plot([row.low, row.high], [y, y], color=tone, lw=1.6, solid_capstyle="butt")
            left.plot(row.score, y, "o", ms=6, color=tone, markerfacecolor=tone if row.rank == 1 else "white")
        for row in own[own["status"] != "ok"].itertuples():
            left.text(0.02, order.index(row.encoder), row.status.replace("_", " "), fontsize=7, color=faint,
                      va="center", transform=left.get_yaxis_transform())  # fmt: skip
        left.set_yticks(range(len(order)), [style.plain(name) for name in order], fontsize=8)
        left.set_ylim(rows - 0.4, -0.6)
        left.set_xlabel(f"{style.plain(titles[main])}\nbars: 95 % over cases and voxel draws", fontsize=8)
        left.grid(axis="x", color="0.92", lw=0.6)
        left.tick_params(axis="x", labelsize=7)
        left.tick_params(axis="y", length=0)
        _rank_grid(right, ranked, order, names, titles, rows)
        noun = "case" if n_cases == 1 else "cases"
        made.suptitle(
            f"{style.plain(task)}, {n_cases} {noun}.  Blue: not told apart from the first (paired test)",
            fontsize=8.5,
            x=0.02,
            ha="left",
        )
    return made


def _rank_grid(axes, ranked, order, names, titles, rows) -> None:
    import matplotlib as mpl

    table = ranked[ranked["status"] == "ok"].pivot(index="encoder", columns="metric", values="rank")
    table = table.reindex(index=order, columns=names).astype(float).to_numpy()
    shades = mpl.colormaps["Blues_r"].with_extremes(bad="0.96")
    image = axes.imshow(np.ma.masked_invalid(table), cmap=shades, vmin=1, vmax=max(len(order) * 1.35, 3), aspect="auto")
    for (y, x), value in np.ndenumerate(table):
        known = math.isfinite(value)
        dark = known and np.dot(image.cmap(image.norm(value))[:3], (0.299, 0.587, 0.114)) < 0.55
        axes.text(x, y, f"{int(value)}" if known else "n/a", ha="center", va="center", fontsize=7.5,
                  color="white" if dark else "0.2" if known else "0.5")  # fmt: skip
    axes.set_xticks(
        range(len(names)), [style.plain(titles[name]) for name in names], rotation=35, ha="right", fontsize=7
    )
    axes.set_yticks([])
    axes.set_ylim(rows - 0.4, -0.6)
    axes.tick_params(length=0)
    axes.set_title("rank by metric", fontsize=8)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _bounds(name: str) -> tuple[float, float]:
    """The metric's range on the oriented scale."""
    metric = get(name)
    if not isinstance(metric.range, tuple):
        return -math.inf, math.inf
    low, high = metric.range
    return (low, high) if metric.direction == "up" else (-high, -low)


def _digits(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else "-"


def _span(low: float, high: float) -> str:
    return f"[{_digits(low)}, {_digits(high)}]" if math.isfinite(low) else "-"


def _rank(value) -> str:
    return "-" if value is None or value != value else str(int(value))


def _reasons(ranked, titles) -> list[str]:
    said = ranked[ranked["reason"].astype(bool) & ranked["reason"].notna()]
    return [
        f"  {titles[metric]}, {', '.join(part['encoder'])}: {reason}"
        for (metric, reason), part in said.groupby(["metric", "reason"], sort=False)
    ]
