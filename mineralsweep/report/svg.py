"""A matplotlib figure -> an SVG element that stands inside an HTML page."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.figure import Figure

INK, LINE = "#1f2328", "#c9d1d9"
"""Placeholders: the page's own colours take their place, in dark mode too."""
BLUE, ORANGE, GREEN, PURPLE, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9"
"""Okabe & Ito's colours, which colour-blind readers tell apart."""
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: small, and readable for a screen reader
    "svg.hashsalt": "mineralsweep",  # the same figure gives the same bytes
    "font.size": 9.0,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.titlesize": 9.5,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": LINE,
    "grid.linewidth": 0.5,
    "xtick.color": INK,
    "ytick.color": INK,
    "lines.linewidth": 1.4,
    "lines.markersize": 4.0,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
}
WIDTH, HEIGHT = 3.6, 2.5
"""Of one panel, in inches: legible at the width of a phone."""


@contextmanager
def style() -> Iterator[None]:
    """Draw in the report's style inside this context."""
    with mpl.rc_context(STYLE):
        yield


def new_figure(height: float = HEIGHT) -> Figure:
    """Return an empty figure of a panel's width; call it inside `style`."""
    return Figure(figsize=(WIDTH, height), layout="constrained")


def inline(figure: Figure, name: str, alt: str) -> Markup:
    """Return a figure as an <svg> element without references to anything outside it.

    Args:
        figure: drawn inside `style`.
        name: of letters, digits and dashes; makes the ids inside it unique on the page.
        alt: what it shows, in words.
    """
    text = io.StringIO()
    nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
    with style():
        figure.savefig(text, format="svg", metadata=nothing, transparent=True)
    body = re.sub(r"^.*?<svg [^>]*>", "", text.getvalue(), count=1, flags=re.DOTALL)
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'(\sid="|url\(#|href="#)', rf"\g<1>{name}-", body)
    body = body.replace(INK, "currentColor").replace(LINE, "var(--line)")
    body = body.replace(BLUE.lower(), "rgb(var(--blue))")  # a lighter one on dark paper
    body = re.sub(r"\n\s*", "\n", body)
    width, height = (side * 72 for side in figure.get_size_inches())
    label = escape(alt, quote=True)
    return Markup(  # noqa: S704 - matplotlib escapes text, and we escape the label
        f'<svg class="chart" viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{label}">'
        f"{body.strip()}"
    )
