"""Pictures on Dagster's pages.

Belongs here: drawing numbers. Does not belong here: choosing them, or the text of any document.
"""

import base64
import io
from collections.abc import Mapping

import dagster as dg

_INCHES, _DOTS = (7.0, 2.4), 80


def bars(title: str, unit: str, values: Mapping[str, float]) -> dg.MarkdownMetadataValue:
    """One bar for each name, in their order, as a PNG inside the page."""
    from matplotlib.figure import Figure  # slow to import, and drawn for few runs only

    figure = Figure(figsize=_INCHES, dpi=_DOTS, layout="constrained")
    axes = figure.subplots()
    axes.bar(range(len(values)), list(values.values()), color="#4F43DD")
    step = max(1, len(values) // 8)
    axes.set_xticks(range(0, len(values), step), list(values)[::step], fontsize=8)
    axes.set_title(title, fontsize=9)
    axes.set_ylabel(unit, fontsize=8)
    axes.tick_params(axis="y", labelsize=8)
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return dg.MetadataValue.md(f"![{title}](data:image/png;base64,{base64.b64encode(picture.getvalue()).decode()})")
