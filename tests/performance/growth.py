"""Time of emst and knn against N and D, and of scoring against the number of encoders. Run through benchmark.py."""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from benchmark import OUT, passes, timed
from graphs import points

import tebench
from tebench.graphs import emst, knn

TITLE = "Growth of the graph times with N and D, and of scoring with the number of encoders"
NOTE = """\
Figure: growth.svg, growth.png. One pass = 2 N^2 D float32 operations at the rate of the same run.

Encoders: GRTD + LBTC of one task over a pool of K encoders, from feature matrices in memory. Everything in it is
simulated: 6 cases of 256 foreground and 2,560 background voxels in 4 classes, 300 boundary patches of 16 voxels,
Gaussian float32 features; GRTD reads three decoder stages (D = 128, 64, 32) case by case, LBTC three encoder stages
(D = 128, 256, 320). Cells are kept on disk, so an encoder that joins a pool costs one step of this line."""
SIZES, WIDTHS = (1_000, 2_000, 5_000, 10_000, 20_000, 40_000), (8, 32, 128, 320, 1024)
ENCODERS = (1, 2, 5, 10, 15, 20)


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
    for row in encoder_rows():
        table.append(row)
        yield row
    figure(table)


def encoder_rows():
    """CPU seconds of scoring pools of growing size; every encoder is scored once, and each pool fused."""
    rng, cases = np.random.default_rng(0), np.repeat(np.arange(6), 2_816)
    labels = np.concatenate([np.r_[rng.integers(1, 4, 256), np.zeros(2_560, int)] for _ in range(6)])
    patch_cases, patches = np.repeat(np.arange(6), 800), np.arange(4_800).reshape(300, 16)
    patch_labels, facts = rng.integers(0, 4, 4_800), tebench.list_metrics()["grtd_lbtc"]
    parts, seconds = {"grtd": [], "lbtc": []}, 0.0

    def features(own, width):
        means = rng.standard_normal((4, width))
        return (rng.standard_normal((len(own), width)) + means[own]).astype(np.float32)

    def score(decoder, encoder):
        parts["grtd"].append(np.mean([tebench.score("grtd", x, labels, cases=cases) for x in decoder]))
        trees = [tebench.score("lbtc", x, patch_labels, cases=patch_cases, patches=patches) for x in encoder]
        parts["lbtc"].append(np.mean(trees))

    for count in range(max(ENCODERS) + 1):
        decoder = [features(labels, width) for width in (128, 64, 32)]
        encoder = [features(patch_labels, width) for width in (128, 256, 320)]
        spent = timed(lambda given=(decoder, encoder): score(*given))
        if not count:  # the first call loads modules
            parts["grtd"].clear(), parts["lbtc"].clear()
            continue
        seconds += spent
        fused = 0.0
        if count > 1:
            pool = {name: np.array(values) for name, values in parts.items()}
            fused = timed(lambda pool=pool: facts.function(pool, 3))
        if count in ENCODERS:
            yield {"what": "grtd_lbtc, simulated pool", "encoders": count, "seconds": round(seconds + fused, 3)}


def figure(table: list[dict]) -> None:
    fig, axes = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
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
    part = [row for row in table if "encoders" in row]
    axes[2].plot(
        [row["encoders"] for row in part], [row["seconds"] for row in part], color="#3f7d3a", marker="o", markersize=4,
        label="GRTD + LBTC, one task",
    )  # fmt: skip
    axes[2].set(xlabel="encoders", ylabel="CPU seconds, one thread", title="Scoring a pool (simulated features)")
    axes[2].set_xticks(ENCODERS)
    axes[2].set_xlim(left=0)
    axes[2].set_ylim(bottom=0)
    for axis in axes:
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(frameon=False, fontsize=8)
    for ending in ("svg", "png"):
        fig.savefig(OUT / f"growth.{ending}", dpi=150)
    plt.close(fig)
