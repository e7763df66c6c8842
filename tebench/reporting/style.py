"""How every figure looks, and how it is written: paper style, colour-blind palette, reproducible bytes."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from tebench.base.errors import InputError
from tebench.base.storage import atomic_path, make_folder

FORMATS = ("png", "svg", "pdf")
GREY = "0.45"
# SVG ids are hashed with this salt and dates are left out, so that equal figures are equal files.
_SALT = "tebench"
_METADATA = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": "tebench"},
    "pdf": {"CreationDate": None, "Creator": "tebench", "Producer": None},
}


@dataclass(frozen=True)
class Look:
    """How an encoder is drawn: its words, its group (colour: pool or architecture), filled when pre-trained."""

    title: str
    group: str = "encoders"
    pretrained: bool = True


@contextlib.contextmanager
def theme():
    """Seaborn's paper theme for the block only; global settings are untouched."""
    import matplotlib as mpl
    import seaborn as sns

    settings = {
        **sns.axes_style("ticks"), **sns.plotting_context("paper"),
        "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans"], "axes.spines.top": False,
        "axes.spines.right": False, "axes.titlelocation": "left", "axes.linewidth": 0.8, "svg.hashsalt": _SALT,
        "svg.fonttype": "path", "pdf.fonttype": 42, "savefig.dpi": 200, "figure.dpi": 100, "text.usetex": False,
        "text.parse_math": True,
    }  # fmt: skip
    with mpl.rc_context(settings):
        yield


def new_figure(width: float, height: float):
    """A figure in inches without pyplot, so that nothing global is kept or shown."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def colours(looks) -> dict[str, tuple]:
    """Group -> colour of the colour-blind palette, groups in order of first use."""
    import seaborn as sns

    groups = list(dict.fromkeys(look.group for look in looks))
    return dict(zip(groups, sns.color_palette("colorblind", max(len(groups), 1)), strict=False))


def marker(look: Look, colour) -> dict:
    """Filled circle: pre-trained; open diamond: random initialisation."""
    if look.pretrained:
        return {"marker": "o", "markerfacecolor": colour, "markeredgecolor": "white", "markeredgewidth": 0.6}
    return {"marker": "D", "markerfacecolor": "white", "markeredgecolor": colour, "markeredgewidth": 1.4}


def legend_entries(looks) -> list:
    """Handles for the groups, and for filled against open markers where both occur."""
    from matplotlib.lines import Line2D

    looks, palette = list(looks), colours(looks)
    handles = []
    if len(palette) > 1:
        handles += [Line2D([], [], ls="", marker="s", ms=6, color=c, label=plain(g)) for g, c in palette.items()]
    if len({look.pretrained for look in looks}) == 2:
        for name, known in (("pre-trained", True), ("random initialisation", False)):
            handles.append(Line2D([], [], ls="", ms=6, label=name, **marker(Look("", "", known), GREY)))
    return handles


def plain(text) -> str:
    """Names are data: dollar signs would start mathematics, control characters break files."""
    return "".join(c if c.isprintable() else " " for c in str(text)).replace("$", r"\$")


def save(figure, folder: Path, name: str, *, formats=FORMATS) -> list[Path]:
    """Write NAME.png, .svg and .pdf into `folder`, each whole or not at all; SVG and PDF bytes are reproducible."""
    if Path(name).name != name or name.startswith("."):
        raise InputError(f"figure name must be a plain file name, got {name!r}.")
    folder = make_folder(Path(folder))
    written = []
    with theme():
        for suffix in formats:
            path = folder / f"{name}.{suffix}"
            with atomic_path(path) as temporary:
                figure.savefig(temporary, format=suffix, metadata=_METADATA[suffix])
            written.append(path)
    return written
