"""What a study's numbers look like: plain facts -> matplotlib figures in the report's style."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from mineralsweep.config.entries import Entry, Range
from mineralsweep.core.hyperparameter import Value
from mineralsweep.core.record import TrialRecord
from mineralsweep.evaluation import Proportion
from mineralsweep.evaluation.calibration import Calibration
from mineralsweep.report.feature_groups import Drop
from mineralsweep.report.svg import BLUE, GREEN, INK, ORANGE, PURPLE, new_figure, style

MARKS = (("o", BLUE), ("s", ORANGE), ("^", GREEN), ("D", PURPLE))
"""A shape and a colour a group: never colour alone."""


def history(records: Sequence[TrialRecord], objective: str) -> Figure:
    """Draw each trial's value in the order of their numbers, and the best so far."""
    scored = [record for record in records if record.value is not None]
    with style():
        figure = new_figure()
        axes = figure.subplots()
        for state, mark, word in (("COMPLETE", "o", "complete"), ("PRUNED", "x", "pruned")):
            some = [record for record in scored if record.state == state]
            if some:
                axes.plot(
                    [r.number for r in some], _values(some), mark, color=BLUE, label=word
                )  # fmt: skip
        if objective == "accuracy":
            _whiskers(axes, [r for r in scored if r.state == "COMPLETE"])
        done = [record for record in scored if record.state == "COMPLETE"]
        if done:
            values = np.array([record.value for record in done], float)
            best = np.maximum if objective == "accuracy" else np.minimum
            axes.step(
                [record.number for record in done], best.accumulate(values),
                where="post", color=ORANGE, label="best so far",
            )  # fmt: skip
        axes.set(xlabel="trial", ylabel=f"validation {objective}")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _legend(figure)
    return figure


def _whiskers(axes: Axes, records: Sequence[TrialRecord]) -> None:
    intervals = [record.interval() for record in records]
    axes.vlines(
        [record.number for record in records],
        [one.low for one in intervals], [one.high for one in intervals],
        color=BLUE, alpha=0.35, lw=1,
    )  # fmt: skip


def importance(shares: Mapping[str, float]) -> Figure:
    """Draw one bar a setting, the largest on top, each with its number."""
    names = list(shares)[::-1]
    with style():
        figure = new_figure(0.9 + 0.28 * len(names))
        axes = figure.subplots()
        bars = axes.barh(names, [shares[name] for name in names], color=BLUE, height=0.6)
        axes.bar_label(bars, fmt="%.2f", padding=3)
        axes.set(xlabel="share of the importance", xlim=(0, max(1e-9, *shares.values()) * 1.2))
        axes.grid(axis="y", visible=False)
    return figure


def drops(found: Sequence[Drop]) -> Figure:
    """Draw the accuracy lost without a group of numbers, with its standard deviation."""
    shown = list(found)[::-1]
    with style():
        figure = new_figure(0.9 + 0.28 * len(shown))
        axes = figure.subplots()
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
    seen = {record.params["architecture"] for record in shown}
    texts = not isinstance(entry, Range)
    with style():
        figure = new_figure()
        axes = figure.subplots()
        for place, architecture in enumerate(architectures):
            if architecture not in seen:
                continue
            mark, color = MARKS[place % len(MARKS)]
            for state, face in (("COMPLETE", color), ("PRUNED", "none")):
                some = [
                    r for r in shown
                    if r.params["architecture"] == architecture and r.state == state
                ]  # fmt: skip
                axes.plot(
                    [_place(r.params[name], texts) for r in some], _values(some), mark,
                    color=color, markerfacecolor=face,
                    label=architecture if state == "COMPLETE" else "_",
                )  # fmt: skip
        if name in best.params:
            axes.plot(
                [_place(best.params[name], texts)], _values([best]), "o", ms=10,
                markerfacecolor="none", color=INK, label="best",
            )  # fmt: skip
        if isinstance(entry, Range) and entry.log:
            axes.set_xscale("log")
            _plain_log_ticks(axes.xaxis)
        axes.set(xlabel=name.replace("_", " "), ylabel=f"validation {objective}")
        axes.margins(x=0.15 if texts else 0.05)
        _legend(figure)
    return figure


def _place(value: Value, texts: bool) -> Any:
    return str(value) if texts else value


def _values(records: Sequence[TrialRecord]) -> list[float]:
    return [record.value for record in records if record.value is not None]


def learning_curve(
    metric: str, train: Sequence[float], validation: Sequence[float], best_epoch: int | None
) -> Figure:
    """Draw one metric an epoch, train against validation."""
    with style():
        figure = new_figure(2.0)
        axes = figure.subplots()
        axes.plot(range(1, len(train) + 1), train, "o-", color=BLUE, label="train")
        axes.plot(
            range(1, len(validation) + 1), validation, "s--", color=ORANGE, label="validation"
        )
        if best_epoch is not None:
            axes.axvline(best_epoch, color=INK, ls=":", lw=1, label=f"kept: epoch {best_epoch}")
        axes.set(xlabel="epoch", ylabel=metric)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _legend(figure)
    return figure


def recalls(parts: Mapping[str, Mapping[str, Proportion]]) -> Figure:
    """Draw each class's recall with its interval, a shape and a colour a part of the split."""
    classes = list(dict.fromkeys(name for recall in parts.values() for name in recall))[::-1]
    with style():
        figure = new_figure(1.0 + 0.34 * len(classes))
        axes = figure.subplots()
        for place, (part, recall) in enumerate(parts.items()):
            mark, color = MARKS[place % len(MARKS)]
            rows = [classes.index(name) - 0.16 * place + 0.08 for name in recall]
            values = list(recall.values())
            axes.hlines(rows, [v.low for v in values], [v.high for v in values], color=color)
            axes.plot([v.value for v in values], rows, mark, color=color, label=part)
        axes.set_yticks(range(len(classes)), classes)
        axes.set(xlabel="recall, with its 95 % interval", xlim=(-0.03, 1.03))
        axes.grid(axis="y", visible=False)
        _legend(figure)
    return figure


def reliability(found: Calibration) -> Figure:
    """Draw accuracy over confidence, a point a bin with its interval; on the diagonal is right."""
    with style():
        figure = new_figure(3.0)
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], ls=":", color=INK, lw=1, label="perfectly calibrated")
        x = [one.confidence for one in found.bins]
        axes.vlines(
            x, [one.accuracy.low for one in found.bins], [one.accuracy.high for one in found.bins],
            color=BLUE, alpha=0.6,
        )  # fmt: skip
        axes.plot(x, [one.accuracy.value for one in found.bins], "o-", color=BLUE, label="model")
        axes.set(xlabel="mean confidence", ylabel="accuracy", xlim=(0, 1.02), ylim=(-0.02, 1.02))
        _legend(figure)
    return figure


def sizes(points: Mapping[str, Sequence[tuple[int, int]]]) -> Figure:
    """Draw each image's (width, height) in pixels, a shape and a colour a class."""
    with style():
        figure = new_figure(2.8)
        axes = figure.subplots()
        for place, (name, pairs) in enumerate(points.items()):
            mark, color = MARKS[place % len(MARKS)]
            axes.plot(
                [w for w, _ in pairs], [h for _, h in pairs], mark,
                color=color, alpha=0.6, ms=3, label=name,
            )  # fmt: skip
        axes.set(xlabel="width in pixels", ylabel="height in pixels", xscale="log", yscale="log")
        for axis in (axes.xaxis, axes.yaxis):
            _plain_log_ticks(axis)
        _legend(figure)
    return figure


def _plain_log_ticks(axis: Axis) -> None:
    """Write 200, 500, 1000 instead of powers of ten with a factor."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _legend(figure: Figure) -> None:
    """Put the legend above the axes, where it hides nothing."""
    figure.legend(loc="outside upper left", ncols=3, handlelength=1.4, columnspacing=1.0)
