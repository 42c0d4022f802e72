"""Charts as SVG that stands in the page: text stays text, colours are the page's own variables, so that they
follow light and dark, and nothing is loaded from anywhere.

matplotlib draws them. What it adds for a file of its own (a declaration, metadata, ids that two charts
would share, a size in points) is taken out. Raises `ImportError` where it is not installed.
"""

import io
import re
from collections.abc import Callable, Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from commands.report.block_bootstrap import Estimate
from commands.report.figures import Distribution
from messages.units import ONE, Bps

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = {"ink": "#010101", "muted": "#020202", "line": "#030303", "bar": "#040404", "bad": "#050505"}
"""Names of the page's variables, and what stands for each while it is drawn."""
WIDTH_IN = 4.6
"""Inches, 331 points: on a phone a point is about a pixel, and letters are as large as they are meant."""
BINS = 20
"""Twice the promise in twentieths; what is larger stands in the last one."""
STYLE: Any = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.edgecolor": COLOURS["line"],
    "axes.labelcolor": COLOURS["muted"],
    "text.color": COLOURS["ink"],
    "xtick.color": COLOURS["muted"],
    "ytick.color": COLOURS["muted"],
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def cost_chart(name: str, alternative: str, per_million: Mapping[str, Estimate]) -> str:
    """Bars of USD per 1M traded by cause, with one standard error where all have one. `name`: unlike that of
    any other chart.
    """
    known = {cause: each for cause, each in per_million.items() if each.value is not None}
    places = range(len(known))
    values = [(each.value or 0) / ONE for each in known.values()]
    errors = [each.error / ONE for each in known.values() if each.error is not None]

    def draw(figure: "Figure") -> None:
        axes = figure.subplots()
        axes.barh(places, values, height=0.62, color=COLOURS["bar"])
        if len(errors) == len(values):
            axes.errorbar(
                values, places, xerr=errors, fmt="none", color=COLOURS["ink"], elinewidth=1.1, capsize=3
            )
        axes.axvline(0, color=COLOURS["line"], linewidth=0.8)
        axes.set_yticks(places, list(known))
        axes.tick_params(axis="y", length=0, labelcolor=COLOURS["ink"])
        axes.invert_yaxis()
        axes.set_xlabel("USD per 1M traded; above 0 is paid")

    return _svg(name, alternative, 0.3 * len(known) + 0.75, draw)


def imbalance_chart(name: str, alternative: str, shown: Mapping[str, Distribution], limit: Bps) -> str:
    """A histogram below the other, with the promise as a line through all."""
    share = float(limit.decimal()) / 100
    ticks = (0, BINS // 4, BINS // 2, 3 * BINS // 4, BINS)
    words = [f"{share * place * 2 / BINS:g} %" for place in ticks[:-1]]

    def draw(figure: "Figure") -> None:
        axes: Any = figure.subplots(len(shown), 1, sharex=True, squeeze=False)
        for each, (title, distribution) in zip(axes[:, 0], shown.items(), strict=True):
            counts = [0] * BINS
            for value in distribution.values:
                counts[bin_of(value, limit)] += 1
            colours = [COLOURS["bar" if place < BINS // 2 else "bad"] for place in range(BINS)]
            each.bar([place + 0.5 for place in range(BINS)], counts, width=0.86, color=colours)
            each.axvline(BINS // 2, color=COLOURS["ink"], linewidth=1.2, linestyle=(0, (4, 2)))
            each.set_ylim(0, max(*counts, 1) * 1.2)
            each.set_yticks([0, max(*counts, 1)])
            each.set_ylabel(title, color=COLOURS["ink"])
        last = axes[-1, 0]
        last.set_xlim(0, BINS)
        last.set_xticks(ticks, [*words, f"≥ {2 * share:g} %"])
        last.get_xticklabels()[-1].set_horizontalalignment("right")

    return _svg(name, alternative, 0.95 * len(shown) + 0.45, draw)


def bin_of(value: Bps, limit: Bps) -> int:
    """In which of `BINS` an imbalance is drawn: one that keeps the promise is left of the line."""
    if value <= limit:
        return min(BINS // 2 - 1, value * (BINS // 2) // limit if limit else 0)
    return min(BINS - 1, value * (BINS // 2) // limit if limit else BINS - 1)


def _svg(name: str, alternative: str, height_in: float, draw: "Callable[[Figure], None]") -> str:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    sink = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with rc_context({**STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=(WIDTH_IN, height_in), layout="constrained", facecolor="none")
        draw(figure)
        figure.savefig(sink, format="svg", transparent=True, metadata=nothing)
    drawn = sink.getvalue()
    drawn = drawn[drawn.index("<svg") :]
    drawn = re.sub(r"<metadata>.*?</metadata>", "", drawn, flags=re.DOTALL)
    drawn = re.sub(r'<g id="[^"]*"', "<g", drawn)
    drawn = re.sub(r' (?:xmlns(?::xlink)?|version)="[^"]*"', "", drawn)
    drawn = drawn.replace("xlink:href", "href")
    drawn = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", drawn)
    drawn = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", drawn)
    for variable, colour in COLOURS.items():
        drawn = drawn.replace(colour, f"var(--{variable})")
    label = escape(alternative, quote=True)
    return drawn.replace("<svg", f'<svg class="chart" role="img" aria-label="{label}"', 1)
