"""The engine's own plots of a study on one page that stands alone."""

from __future__ import annotations

from html import escape

from mineralsweep.engines.engine import Engine


def plots_page(engine: Engine, study: str) -> str:
    """Return one self-contained HTML page with the engine's plots of the study."""
    from plotly.offline import get_plotlyjs

    sections = "\n".join(
        f"<section><h2>{escape(title)}</h2>{fragment}</section>"
        for title, fragment in engine.plots().items()
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(study)}: {engine.name}'s plots</title>"
        "<style>body{font:15px/1.5 system-ui,sans-serif;margin:1rem auto;max-width:70rem;"
        "padding:0 1rem}h2{font-size:1.05rem;margin:2rem 0 .5rem}</style>"
        f"<script>{get_plotlyjs()}</script></head><body>"
        f"<h1>{escape(study)}</h1>"
        "<p>The two importances answer different questions and may rank settings differently."
        " With few trials, read neither as more than a hint.</p>"
        f"{sections}</body></html>"
    )
