"""Pictures on Dagster's pages.

Belongs here: drawing numbers. Does not belong here: choosing them, or the text of any document.
"""

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dagster as dg

_INCHES, _DOTS = (7.0, 2.4), 80
_COLOURS = ("#4F43DD", "#D9730D", "#2E8B57", "#8A8A8A")


def bars(title: str, unit: str, values: Mapping[str, float]) -> dg.MarkdownMetadataValue:
    """One bar for each name, in their order, as a PNG inside the page."""
    axes, page = _drawn(title, list(values))
    axes.bar(range(len(values)), list(values.values()), color=_COLOURS[0])
    axes.set_ylabel(unit, fontsize=8)
    return page()


def lines(
    title: str,
    names: Sequence[str],
    values: Mapping[str, Sequence[float]],
    bands: Mapping[str, Sequence[tuple[float, float]]],
) -> dg.MarkdownMetadataValue:
    """A line of shares (0 to 1) for each series over the names, some with a band around them, as a PNG inside the page."""
    axes, page = _drawn(title, names)
    places = range(len(names))
    for (name, series), colour in zip(values.items(), _COLOURS, strict=False):
        axes.plot(places, series, color=colour, label=name, linewidth=1.2, marker="o", markersize=2.5)
        if name in bands:
            low, high = zip(*bands[name], strict=True)
            axes.fill_between(places, low, high, color=colour, alpha=0.15, linewidth=0)
    axes.set_ylim(0, 1.02)
    axes.legend(fontsize=7, loc="lower left", ncols=len(values))
    return page()


def _drawn(title: str, names: Sequence[str]) -> tuple[Any, Callable[[], dg.MarkdownMetadataValue]]:
    """Axes with these names below, and what makes the page's entry of them."""
    from matplotlib.figure import Figure  # slow to import, and drawn for few runs only

    figure = Figure(figsize=_INCHES, dpi=_DOTS, layout="constrained")
    axes = figure.subplots()
    step = max(1, len(names) // 8)
    axes.set_xticks(range(0, len(names), step), list(names)[::step], fontsize=8)
    axes.set_title(title, fontsize=9)
    axes.tick_params(axis="y", labelsize=8)

    def page() -> dg.MarkdownMetadataValue:
        picture = io.BytesIO()
        figure.savefig(picture, format="png")
        return dg.MetadataValue.md(f"![{title}](data:image/png;base64,{base64.b64encode(picture.getvalue()).decode()})")

    return axes, page
