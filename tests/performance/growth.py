"""Time of emst against N and D, and of quadratic peers where they are fast enough. Run through benchmark.py."""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from benchmark import OUT, passes
from graphs import points

from tebench.graphs import emst, knn

TITLE = "Growth of the graph times with N and D"
NOTE = "Figure: growth.svg, growth.png. One pass = 2 N^2 D float32 operations at the rate of the same run."
SIZES, WIDTHS = (1_000, 2_000, 5_000, 10_000, 20_000, 40_000), (8, 32, 128, 320, 1024)


def rows():
    """Time against N at D = 320 and 32, then against D at N = 10,000; the figure is written at the end."""
    table = []
    for what, call in (("emst", emst), ("knn k=10", lambda x: knn(x, 10, certified=False))):
        settings = [(count, width) for width in (32, 320) for count in SIZES] + [(10_000, width) for width in WIDTHS]
        for count, width in dict.fromkeys(settings):
            x = points("gaussian", count, width)
            row = {"what": what, "N": count, "D": width}
            table.append(row | passes(lambda x=x, call=call: call(x), count, width, 3 if count < 40_000 else 1))
            yield table[-1]
    figure(table)


def figure(table: list[dict]) -> None:
    fig, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    styles = {"emst": ("#0b5fa5", "o"), "knn k=10": ("#c2571a", "s")}
    for what, (colour, marker) in styles.items():
        mine = [row for row in table if row["what"] == what]
        for width, line in ((320, "-"), (32, "--")):
            part = [row for row in mine if row["D"] == width and row["N"] in SIZES]
            axes[0].loglog(
                [row["N"] for row in part], [row["seconds"] for row in part], line, color=colour, marker=marker,
                markersize=4, label=f"{what}, D = {width}",
            )  # fmt: skip
        part = sorted((row for row in mine if row["N"] == 10_000), key=lambda row: row["D"])
        axes[1].semilogx(
            [row["D"] for row in part], [row["passes"] for row in part], color=colour, marker=marker, markersize=4,
            label=what,
        )  # fmt: skip
    part = [row for row in table if row["what"] == "emst" and row["D"] == 320 and row["N"] in SIZES]
    axes[0].loglog(
        [row["N"] for row in part], [2e-9 * row["N"] ** 2 * 320 / row["GFLOP/s"] for row in part],
        ":", color="0.4", label="one pass, D = 320",
    )  # fmt: skip
    axes[0].set(xlabel="points N", ylabel="CPU seconds, one thread", title="Time against N")
    axes[1].axhline(1, color="0.4", linestyle=":", linewidth=1)
    axes[1].set(xlabel="dimension D", ylabel="passes (2 N² D operations)", title="Passes against D, N = 10,000")
    axes[1].set_yscale("log")
    axes[1].set_yticks([0.5, 1, 2, 5, 10], ["0.5", "1", "2", "5", "10"])
    axes[1].set_xticks(WIDTHS, [str(width) for width in WIDTHS])
    axes[1].minorticks_off()
    for axis in axes:
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(frameon=False, fontsize=8)
    for ending in ("svg", "png"):
        fig.savefig(OUT / f"growth.{ending}", dpi=150)
    plt.close(fig)
