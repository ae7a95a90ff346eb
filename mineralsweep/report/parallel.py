"""Parallel coordinates: every setting of every complete trial in one chart."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mineralsweep.config.entries import Entry, Range
from mineralsweep.core import objective as objectives
from mineralsweep.core.record import TrialRecord
from mineralsweep.report.charts import BLUE, LINE, ORANGE, WIDTH, panel


def coordinates(
    entries: Mapping[str, Entry], records: Sequence[TrialRecord], objective: str, best: int
) -> Figure:
    """Draw a line a trial over all settings, the better the darker.

    A line has a gap where its architecture lacks the setting.

    Args:
        entries: the settings that were searched, by name.
        records: the complete trials, at least one.
        objective: stands on the last axis.
        best: the number of the trial that stands out.
    """
    scales = [_scale(name, entry, records) for name, entry in entries.items()]
    values = [record.value for record in records if record.value is not None]
    scales.append(_Numbers(objective, values))
    sign = objectives.get(objective).sign
    order = sorted(records, key=lambda record: -sign * (record.value or 0.0))
    with panel(3.0, max(WIDTH, 1.05 * len(scales)), legend=False) as (figure, axes):
        for place, record in enumerate(order, start=1):
            params = {**record.params, objective: record.value}
            heights = [scale.height(params.get(scale.name)) for scale in scales]
            look: dict[str, Any] = {"color": BLUE, "alpha": 0.1 + 0.7 * place / len(order)}
            if record.number == best:
                look = {"color": ORANGE, "lw": 2.4, "zorder": 3}
            axes.plot(heights, "o-", **look)
        _draw(axes, scales)
    return figure


class _Numbers:
    """An axis of numbers, from the least to the largest that a trial had."""

    def __init__(self, name: str, values: Sequence[float], log: bool = False) -> None:
        self.name, self._log = name, log
        self._ends = (min(values, default=0.0), max(values, default=0.0))

    def height(self, value: Any) -> float:
        """Return where a line crosses the axis, in [0, 1]; NaN for None."""
        if value is None:
            return math.nan
        low, high, at = (math.log(x) if self._log else x for x in (*self._ends, value))
        return (at - low) / (high - low) if high > low else 0.5

    def ticks(self) -> list[str]:
        return [f"{end:.3g}" for end in dict.fromkeys(self._ends)]


class _Names:
    """An axis of names, evenly spaced."""

    def __init__(self, name: str, choices: Sequence[Any]) -> None:
        self.name, self._choices = name, [str(choice) for choice in choices]

    def height(self, value: Any) -> float:
        """Return where a line crosses the axis, in [0, 1]; NaN for None or another name."""
        if str(value) not in self._choices or len(self._choices) == 1:
            return math.nan if str(value) not in self._choices else 0.5
        return self._choices.index(str(value)) / (len(self._choices) - 1)

    def ticks(self) -> list[str]:
        return self._choices


def _scale(name: str, entry: Entry, records: Sequence[TrialRecord]) -> _Numbers | _Names:
    if any(isinstance(bound, str) for bound in entry.bounds()):
        return _Names(name, entry.bounds())
    values = [float(record.params[name]) for record in records if name in record.params]
    return _Numbers(name, values, log=isinstance(entry, Range) and entry.log)


def _draw(axes: Axes, scales: Sequence[_Numbers | _Names]) -> None:
    for place, scale in enumerate(scales):
        axes.axvline(place, color=LINE, lw=1, zorder=0)
        ticks = scale.ticks()
        for i, text in enumerate(ticks):
            height = i / (len(ticks) - 1) if len(ticks) > 1 else 0.5
            axes.annotate(text, (place, height), (3, 2), textcoords="offset points", fontsize=6.5)
    titles = [scale.name.replace("_", "\n") for scale in scales]
    axes.set_xticks(range(len(scales)), titles, fontsize=7.5)
    axes.set(yticks=[], ylim=(-0.06, 1.12), xlim=(-0.15, len(scales) - 0.45))
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
