"""Plain facts -> matplotlib figures in one style -> SVG elements that stand inside a page."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from html import escape
from typing import Any

import matplotlib as mpl
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from mineralsweep.config.entries import Entry, Range
from mineralsweep.core import objective as objectives
from mineralsweep.core.hyperparameter import Value
from mineralsweep.core.record import TrialRecord, epoch_named
from mineralsweep.data.catalog import Catalog
from mineralsweep.evaluation import Proportion
from mineralsweep.evaluation.calibration import Calibration
from mineralsweep.report.explanations import Drop

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
LONG_NAME = 10
"""Letters: three of more have no room side by side in a legend."""
LETTERS_IN_A_ROW = 28
"""Of all names under an axis; more stand at a slant."""
SHAPES, COLOURS = "os^D", (BLUE, ORANGE, GREEN, PURPLE, SKY)


DPI = 100
"""Of a picture in a notebook."""


class Chart(Figure):
    """A figure that a notebook shows as a picture, whatever backend matplotlib has there."""

    def _repr_png_(self) -> bytes:
        content = io.BytesIO()
        with mpl.rc_context(STYLE):
            self.savefig(content, format="png", dpi=DPI)
        return content.getvalue()


@contextmanager
def panel(
    height: float = HEIGHT, width: float = WIDTH, legend: bool = True, columns: int = 3
) -> Iterator[tuple[Chart, Axes]]:
    """Give a figure with one pair of axes, to be drawn on in the report's style.

    Args:
        height: in inches.
        width: in inches.
        legend: stands above the axes, where it hides nothing.
        columns: of the legend; fewer for long names.
    """
    with mpl.rc_context(STYLE):
        figure = Chart(figsize=(width, height), layout="constrained")
        yield figure, figure.subplots()
        if legend:
            figure.legend(
                loc="outside upper left", ncols=columns, handlelength=1.4, columnspacing=1.0
            )


def inline(figure: Figure, name: str, alt: str) -> Markup:
    """Return a figure as an <svg> element without references to anything outside it.

    Args:
        figure: drawn inside `panel`.
        name: of letters, digits and dashes; makes the ids inside it unique on the page.
        alt: what it shows, in words.
    """
    text = io.StringIO()
    nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
    with mpl.rc_context(STYLE):
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


def mark(place: int) -> tuple[str, str]:
    """Return a group's shape and colour: never colour alone; 20 groups differ."""
    return SHAPES[place % len(SHAPES)], COLOURS[place % len(COLOURS)]


def history(records: Sequence[TrialRecord], objective: str) -> Figure:
    """Draw each trial's value in the order of their numbers, and the best so far."""
    scored = [record for record in records if record.value is not None]
    done = [record for record in scored if record.state == "COMPLETE"]
    with panel() as (figure, axes):
        for state, shape, word in (("COMPLETE", "o", "complete"), ("PRUNED", "x", "pruned")):
            some = [record for record in scored if record.state == state]
            if some:
                axes.plot([r.number for r in some], _values(some), shape, color=BLUE, label=word)
        _whiskers(axes, done)
        if done:
            better = np.minimum if objectives.get(objective).sign > 0 else np.maximum
            axes.step(
                [record.number for record in done], better.accumulate(np.array(_values(done))),
                where="post", color=ORANGE, label="best so far",
            )  # fmt: skip
        axes.set(xlabel="trial", ylabel=metric(objective))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def costs(
    records: Sequence[TrialRecord],
    front: Sequence[TrialRecord],
    objective: str,
    cost: Callable[[TrialRecord], float],
    label: str,
    chosen: TrialRecord | None = None,
) -> Figure:
    """Draw each trial's value over what it costs; a line joins those of the front.

    Args:
        records: complete trials.
        front: those that no other beats, the cheapest first.
        objective: the value's name.
        cost: a trial -> its cost, above 0.
        label: of the axis of costs.
        chosen: gets a ring.
    """
    with panel(2.8, columns=2) as (figure, axes):
        names = list(dict.fromkeys(str(one.params["architecture"]) for one in records))
        for place, name in enumerate(names):
            mine = [one for one in records if one.params["architecture"] == name]
            shape, color = mark(place)
            axes.plot([cost(r) for r in mine], _values(mine), shape, color=color, label=name)
        axes.step(
            [cost(one) for one in front], _values(front), where="post", color=INK, lw=1, ls=":"
        )
        if chosen is not None:
            axes.plot(
                [cost(chosen)], _values([chosen]), "o", ms=10,
                markerfacecolor="none", color=INK, label="chosen",
            )  # fmt: skip
        axes.set(xlabel=label, ylabel=metric(objective), xscale="log")
        _plain_log_ticks(axes.xaxis)
    return figure


def _whiskers(axes: Axes, records: Sequence[TrialRecord]) -> None:
    intervals = {r.number: score for r in records if (score := r.score()) is not None}
    axes.vlines(
        list(intervals),
        [one.low for one in intervals.values()], [one.high for one in intervals.values()],
        color=BLUE, alpha=0.35, lw=1,
    )  # fmt: skip


def metric(objective: str) -> str:
    """Return the label of an axis of values."""
    return f"validation {objective.replace('_', ' ')}"


def importance(shares: Mapping[str, float]) -> Figure:
    """Draw one bar a setting, the largest on top, each with its number."""
    names = list(shares)[::-1]
    with panel(0.9 + 0.28 * len(names), legend=False) as (figure, axes):
        bars = axes.barh(names, [shares[name] for name in names], color=BLUE, height=0.6)
        axes.bar_label(bars, fmt="%.2f", padding=3)
        axes.set(xlabel="share of the importance", xlim=(0, max(1e-9, *shares.values()) * 1.2))
        axes.grid(axis="y", visible=False)
    return figure


def drops(lost: Sequence[Drop]) -> Figure:
    """Draw the accuracy lost without a group of numbers, with its standard deviation."""
    shown = list(lost)[::-1]
    with panel(0.9 + 0.28 * len(shown), legend=False) as (figure, axes):
        axes.barh(
            [drop.group.replace("_", " ") for drop in shown], [drop.mean for drop in shown],
            xerr=[drop.spread for drop in shown], color=BLUE, ecolor=INK, height=0.6,
        )  # fmt: skip
        axes.set(xlabel="accuracy lost")
        axes.grid(axis="y", visible=False)
    return figure


def slices(
    name: str,
    entry: Entry,
    records: Sequence[TrialRecord],
    objective: str,
    best: TrialRecord,
    architectures: Sequence[str],
) -> Figure:
    """Draw the value of each trial over one setting; a shape and a colour an architecture."""
    shown = [r for r in records if r.value is not None and name in r.params]
    chosen = [] if isinstance(entry, Range) else _in_order({r.params[name] for r in shown})
    columns = 2 if max(map(len, architectures)) > LONG_NAME else 3
    with panel(HEIGHT + 0.4 * bool(chosen), columns=columns) as (figure, axes):
        for place, architecture in enumerate(architectures):
            mine = [r for r in shown if r.params["architecture"] == architecture]
            _points(axes, name, mine, chosen, mark(place), architecture)
        if name in best.params:
            axes.plot(
                [_place(best.params[name], chosen)], _values([best]), "o", ms=10,
                markerfacecolor="none", color=INK, label="best",
            )  # fmt: skip
        if isinstance(entry, Range) and entry.log:
            axes.set_xscale("log")
            _plain_log_ticks(axes.xaxis)
        if chosen:
            names = [str(value) for value in chosen]
            slanted = len("".join(names)) > LETTERS_IN_A_ROW
            axes.set_xticks(
                range(len(names)), names, rotation=25 * slanted, ha="right" if slanted else "center"
            )
        axes.set(xlabel=name.replace("_", " "), ylabel=metric(objective))
        axes.margins(x=0.15 if chosen else 0.05)
    return figure


def _in_order(values: Collection[Value]) -> list[Value]:
    """Return numbers by size, and texts by the alphabet after them."""
    numbers = [value for value in values if isinstance(value, int | float)]
    return sorted(numbers) + sorted(value for value in values if isinstance(value, str))


def _points(
    axes: Axes,
    name: str,
    records: Sequence[TrialRecord],
    chosen: Sequence[Value],
    look: tuple[str, str],
    label: str,
) -> None:
    """Draw trials over a setting: filled is complete, hollow pruned."""
    shape, color = look
    unnamed = True
    for state, face in (("COMPLETE", color), ("PRUNED", "none")):
        some = [record for record in records if record.state == state]
        if some:
            axes.plot(
                [_place(r.params[name], chosen) for r in some], _values(some), shape,
                color=color, markerfacecolor=face, label=label if unnamed else "_",
            )  # fmt: skip
            unnamed = False


def _place(value: Value, chosen: Sequence[Value]) -> Any:
    return chosen.index(value) if chosen else value


def _values(records: Sequence[TrialRecord]) -> list[float]:
    return [record.value for record in records if record.value is not None]


def learning_curve(
    name: str, train: Sequence[float], validation: Sequence[float], best_epoch: int | None
) -> Figure:
    """Draw one metric an epoch, train against validation."""
    with panel(2.0) as (figure, axes):
        if train:
            axes.plot(range(1, len(train) + 1), train, "o-", color=BLUE, label="train")
        axes.plot(
            range(1, len(validation) + 1), validation, "s--", color=ORANGE, label="validation"
        )
        if best_epoch is not None:
            axes.axvline(
                best_epoch, color=INK, ls=":", lw=1, label=f"kept: {epoch_named(best_epoch)}"
            )
        axes.set(xlabel="epoch", ylabel=name)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def recalls(parts: Mapping[str, Mapping[str, Proportion]]) -> Figure:
    """Draw each class's recall with its interval, a shape and a colour a part of the split."""
    classes = list(dict.fromkeys(name for recall in parts.values() for name in recall))[::-1]
    with panel(1.0 + 0.34 * len(classes)) as (figure, axes):
        for place, (part, recall) in enumerate(parts.items()):
            shape, color = mark(place)
            rows = [classes.index(name) - 0.16 * place + 0.08 for name in recall]
            values = list(recall.values())
            axes.hlines(rows, [v.low for v in values], [v.high for v in values], color=color)
            axes.plot([v.value for v in values], rows, shape, color=color, label=part)
        axes.set_yticks(range(len(classes)), classes)
        axes.set(xlabel="recall, with its 95 % interval", xlim=(-0.03, 1.03))
        axes.grid(axis="y", visible=False)
    return figure


def reliability(shown: Calibration) -> Figure:
    """Draw accuracy over confidence, a point a bin with its interval; on the diagonal is right."""
    with panel(3.0) as (figure, axes):
        axes.plot([0, 1], [0, 1], ls=":", color=INK, lw=1, label="perfectly calibrated")
        x = [one.confidence for one in shown.bins]
        axes.vlines(
            x, [one.accuracy.low for one in shown.bins], [one.accuracy.high for one in shown.bins],
            color=BLUE, alpha=0.6,
        )  # fmt: skip
        axes.plot(x, [one.accuracy.value for one in shown.bins], "o-", color=BLUE, label="model")
        axes.set(xlabel="mean confidence", ylabel="accuracy", xlim=(0, 1.02), ylim=(-0.02, 1.02))
    return figure


def sizes(catalog: Catalog) -> Figure:
    """Draw each image's width and height in pixels, a shape and a colour a class."""
    with panel(2.8) as (figure, axes):
        for place, name in enumerate(catalog.classes):
            facts = [image.facts for image in catalog.images if image.label == name]
            shape, color = mark(place)
            axes.plot(
                [one.width for one in facts], [one.height for one in facts], shape,
                color=color, alpha=0.6, ms=3, label=name,
            )  # fmt: skip
        axes.set(xlabel="width in pixels", ylabel="height in pixels", xscale="log", yscale="log")
        for axis in (axes.xaxis, axes.yaxis):
            _plain_log_ticks(axis)
    return figure


def _plain_log_ticks(axis: Axis) -> None:
    """Write 200, 500, 1000 instead of powers of ten with a factor."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())
