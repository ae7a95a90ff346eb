"""Arrays -> matplotlib figures. No pyplot: figures made in any thread leak nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from mineralsweep.core.record import epoch_named

TRAIN, VALIDATION, MARK = "#0072B2", "#D55E00", "#555555"  # Okabe & Ito: safe for colour-blind eyes
TITLE = 1.0
"""Where an axes' title is: said, it is not looked for at every drawing."""


def learning_curves(
    train: dict[str, Sequence[float]], validation: dict[str, Sequence[float]], best_epoch: int
) -> Figure:
    """Draw one panel a metric, train against validation.

    Args:
        train: metric name -> one value an epoch.
        validation: the same names and lengths.
        best_epoch: counted from 1; marked, since its weights are the ones kept. 0: those before.
    """
    figure, panels = _panels(len(train))
    for axes, name in zip(panels, train, strict=True):
        epochs = range(1, len(train[name]) + 1)
        axes.plot(epochs, train[name], "o-", ms=3, color=TRAIN, label="train")
        axes.plot(epochs, validation[name], "s-", ms=3, color=VALIDATION, label="validation")
        axes.axvline(best_epoch, color=MARK, ls=":", lw=1, label=f"kept: {epoch_named(best_epoch)}")
        axes.set_title(name, y=TITLE)
    panels[-1].legend(frameon=False)
    return figure


def fold_curves(folds: dict[str, Sequence[Sequence[float]]], kept: Sequence[int]) -> Figure:
    """Draw a validation metric of every fold, and their mean as far as all of them went.

    Args:
        folds: metric name -> for each fold one value an epoch.
        kept: the epoch (from 1) of each fold whose weights are kept; 0: those before the first.
    """
    figure, panels = _panels(len(folds))
    for axes, name in zip(panels, folds, strict=True):
        for values, epoch in zip(folds[name], kept, strict=True):
            axes.plot(range(1, len(values) + 1), values, lw=1, color=VALIDATION, alpha=0.5)
            if epoch:
                axes.plot(epoch, values[epoch - 1], "o", ms=4, color=VALIDATION)
        mean = [float(np.mean(values)) for values in zip(*folds[name], strict=False)]
        axes.plot(range(1, len(mean) + 1), mean, lw=2.5, color=TRAIN)
        axes.set_title(f"validation {name}, {len(kept)} folds", y=TITLE)
    last = panels[-1]
    last.plot([], [], "-o", lw=1, ms=4, color=VALIDATION, label="a fold; dot: the epoch kept")
    last.plot([], [], lw=2.5, color=TRAIN, label="mean of the folds")
    last.legend(frameon=False)
    return figure


def _panels(count: int) -> tuple[Figure, list[Axes]]:
    """Return a figure with panels side by side over epochs."""
    figure = Figure(figsize=(4.8 * count, 3.6))
    # Fixed: a layout that is worked out would take half of the drawing, for every trial.
    figure.subplots_adjust(left=0.2 / (count + 1), right=0.98, top=0.91, bottom=0.14, wspace=0.18)
    panels = list(figure.subplots(1, count, squeeze=False)[0])
    for axes in panels:
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.grid(alpha=0.25)
    return figure, panels


def confusion_matrix(counts: NDArray[np.int64], classes: Sequence[str], title: str) -> Figure:
    """Draw a confusion matrix with its counts.

    Args:
        counts: int (classes, classes), rows true, columns predicted.
        classes: names in the order of the rows.
        title: what was predicted.
    """
    longest = max(map(len, classes))
    side, left, bottom = 1.0 + 0.8 * len(classes), 0.8 + 0.085 * longest, 0.8 + 0.05 * longest
    width, height = left + side + 0.3, bottom + side + 0.5
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((left / width, bottom / height, side / width, side / height))
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(*counts.shape):
        dark = share[row, column] > 0.5
        axes.text(
            column, row, str(counts[row, column]),
            ha="center", va="center", color="white" if dark else "black",
        )  # fmt: skip
    ticks = range(len(classes))
    axes.set_xticks(ticks, classes, rotation=30, ha="right")
    axes.set_yticks(ticks, classes)
    axes.set(xlabel="predicted", ylabel="true")
    axes.set_title(title, y=TITLE)
    return figure
