"""docs/findings.md: plain sentences, each with its number, and the command that prints it."""

from __future__ import annotations

from tebench.evaluation.compare import holm
from tebench.publication.boards import Board
from tebench.publication.pools_table import LEAST
from tebench.reporting.summary import ALPHA, number
from tebench.research.findings import endpoint, instrument, metrics, numbers, words
from tebench.research.findings.numbers import OURS, RELEASED, RIVALS, TOPOLOGY

HELP = ((TOPOLOGY, "lbtc"), (TOPOLOGY, "grtd"))
CORRECTED = (
    ("grtd", "grtd_released"), ("lbtc", "lbtc_released"), (TOPOLOGY, RELEASED), ("grtd_relative", "grtd"),
    (OURS, TOPOLOGY), ("hscore_regularized", "hscore"),
)  # fmt: skip


def page(boards: list[Board], volumes=None) -> str:
    """The whole page; boards: the protocols of one benchmark; volumes: Dice per volume and class, where at hand."""
    name = boards[0].benchmark
    every = [(board, numbers.results(board, board.pools[0])) for board in boards]
    primary = [endpoint.table(board) for board in boards]
    # Small pools stand in two sections; what is evaluated once serves both.
    means = [
        {pool.name: numbers.means(numbers.results(board, pool)) for pool in board.pools[1:] if len(pool) >= LEAST}
        | {board.pools[0].name: numbers.means(result)}
        for board, result in every
    ]
    lines = [
        "# What the starter benchmark shows, and what it cannot" if name == "starter" else f"# What {name} shows",
        "",
        f"Made by `python -m tebench job=findings benchmark={name}` from the rows in `leaderboard/`; do not edit. The "
        f"raw table behind a section: `python -m tebench benchmark={name} protocol=PROTOCOL metric=[A,B]`, or the "
        "command named there. tau_w: weighted Kendall tau of score and fine-tuned Dice, mean over the tasks that can "
        "rank; [ ]: 95 % interval over ground-truth seeds; chance: middle 95 % over permutations of the encoders. "
        "p of one metric: 1,999 permutations, 19,999 where that gives p < .01. Two metrics are compared by the paired "
        "encoder-swap test; p is corrected (Holm) within its list. "
        "\"Not told apart\" means p >= .05: it is no proof of equality.",
        "",
        "## In short", "", *_short(every, means, primary), "",
        "## The instrument", "", *instrument.ground_truth(boards, volumes), "",
        "## Does any metric work?", "",
        *[line for board, result in every for line in metrics.overall(board, result)], "",
        "## The primary endpoint: inside architectures", "", *endpoint.section(boards, primary), "",
        "## Within one architecture, and across", "", *metrics.pools(boards, means), "",
        "## Does the topology metric beat LogME, GBC, H-score, CC-FV?", "",
        *metrics.pairs(boards, [(TOPOLOGY, rival) for rival in RIVALS]), "",
        "## Do GRTD and LBTC each help?", "", *metrics.pairs(boards, HELP), "",
        "## Is the gate right?", "", *metrics.gate(boards), "",
        "## Do the corrected forms beat the published ones?", "", *metrics.pairs(boards, CORRECTED), "",
        "## Do static baselines win?", "",
        *[line for board, result in every for line in metrics.static(board, result)], "",
        "## Is the order right where it is known?", "", *instrument.known_orders(boards), "",
        "## What this cannot show", "", *_limits(boards), "",
    ]  # fmt: skip
    return "\n".join(lines)


def _short(every, means, primary) -> list[str]:
    """The answers in a line each; words follow the numbers."""
    boards = [board for board, _ in every]
    beyond, topology, released = [], [], []
    for _, result in every:
        found = numbers.means(result)
        adjusted = dict(zip(found.index, holm(found["p"]), strict=True))
        beyond.append({m for m, p in adjusted.items() if p < ALPHA and found.loc[m, "tau_w"] > 0})
        released.append(RELEASED in found.index and found.loc[RELEASED, ["tau_w", "p"]].tolist())
        topology.append((found.loc[TOPOLOGY, "tau_w"], found.loc[TOPOLOGY, "p"], adjusted[TOPOLOGY]))
    titles, under = boards[0].titles, " and ".join(f"`{board.protocol}`" for board in boards)
    always = ", ".join(sorted(titles[m] for m in set.intersection(*beyond))) or "none"
    said = "; ".join(
        f"{number(tau)} under `{board.protocol}` (p {words.p_value(p)}, {words.p_value(corrected)} after Holm)"
        for board, (tau, p, corrected) in zip(boards, topology, strict=True)
    )
    rivals = [
        numbers.pair(board, board.pools[0], TOPOLOGY, rival) for board in boards for rival in RIVALS if rival in titles
    ]
    gaps = [one for one in rivals if one["tasks"]]
    higher = sum(one["difference"] > 0 for one in gaps)
    ahead = sum(p < ALPHA and one["difference"] > 0 for one, p in zip(gaps, holm([g["p"] for g in gaps]), strict=True))
    stars = set.intersection(*map(endpoint.starred, primary))
    inside = ", ".join(sorted(titles[m] for m in stars))
    lines = [
        f"- Shown to rank encoders inside architectures under {under} (primary endpoint, max-T over all metrics): "
        f"{inside or 'no metric'}.",
        f"- Outside chance over the whole pool under {under} after correction for all metrics: {always}"
        + ("." if stars or always == "none" else f"; that is, {endpoint.LIMITED}."),
        f"- The published topology metric, GRTD + LBTC, has mean tau_w {said}.",
        f"- Against LogME, GBC, H-score and CC-FV it is higher in {higher} of {len(gaps)} comparisons, shown better "
        f"(after Holm over all of them) in {ahead}.",
    ]
    if all(released):
        told = "; ".join(
            f"{number(tau)} under `{board.protocol}` (p {words.p_value(p)})"
            for board, (tau, p) in zip(boards, released, strict=True)
        )
        lines.append(f"- The same metric as its released code computes it has {told}.")
    for board in boards:
        extra = numbers.gates(board, board.pools[0])
        if len(extra):
            one = numbers.pair(board, board.pools[0], TOPOLOGY, numbers.REVERSED, extra)
            lines.append(
                f"- `{board.protocol}`: with its gate turned round it has {number(one['tau_second'])}, with the "
                f"released gate {number(one['tau_first'])} (p {words.p_value(one['p'])}, uncorrected), higher on "
                f"{one['better']} of {one['tasks']} tasks."
            )
    for board, of_pool in zip(boards, means, strict=True):
        within = [pool for pool in board.pools if pool.name in of_pool and pool.name.startswith(("within_", "ssl"))]
        for pool in within:
            found = of_pool[pool.name]
            told = "; ".join(words.said(board, found, m) for m in (TOPOLOGY, OURS) if m in found.index)
            lines.append(f"- `{board.protocol}`, within one architecture, {pool.name} (n = {len(pool)}): {told}.")
    return lines


def _limits(boards) -> list[str]:
    board = boards[0]
    tasks = len(board.tasks)
    return [
        f"- **Other encoders.** {len(board.pools[0])} small encoders of three shapes (at most 2.1 M parameters), "
        "eleven of them pre-trained here for minutes, on a handful of images. Intervals cover repeated measurement of "
        "these encoders, not others; chance says how far an order of this many encoders can be luck. Encoders of one "
        "shape resemble each other, so permuting them one by one makes chance look narrower than it is: read the pools "
        "of one architecture beside the whole.",
        f"- **Other tasks.** {tasks} tasks from a few real images: most are population averages (n = 1 image each), "
        "further cases are virtual subjects simulated from them; labels come from atlases or are derived. Tasks share "
        "images, so they are not independent.",
        "- **Long training.** 64 steps of all weights or 80 of the decoder: what an encoder gives early. Random and "
        "pre-trained encoders lose small classes in so few steps, random ones more often. Longer training was not "
        "measured.",
        "- **Which metric to use.** A metric that is outside chance here has been shown to work here. One that is not "
        "has not been shown to fail.",
    ]  # fmt: skip
