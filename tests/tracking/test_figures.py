"""Figures are drawn from arrays alone."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from mineralsweep.tracking.figures import confusion_matrix, fold_curves, learning_curves


def drawn(figure: object) -> Image.Image:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")  # type: ignore[attr-defined]
    return Image.open(buffer)


def test_learning_curves_have_a_panel_a_metric_and_mark_the_kept_epoch() -> None:
    figure = learning_curves(
        {"loss": [1.0, 0.5], "accuracy": [0.3, 0.6]},
        {"loss": [1.1, 0.7], "accuracy": [0.2, 0.5]},
        2,
    )
    assert [axes.get_title() for axes in figure.axes] == ["loss", "accuracy"]
    assert "kept: epoch 2" in [text.get_text() for text in figure.axes[-1].get_legend().get_texts()]
    assert drawn(figure).size[0] > 600


def test_fold_curves_show_every_fold_and_their_mean_as_far_as_all_went() -> None:
    figure = fold_curves({"accuracy": [[0.2, 0.4, 0.6], [0.4, 0.6]]}, [3, 2])
    [axes] = figure.axes
    assert axes.get_title() == "validation accuracy, 2 folds"
    lines = [list(map(float, line.get_ydata())) for line in axes.lines]
    assert [0.2, 0.4, 0.6] in lines
    assert [0.4, 0.6] in lines
    assert [0.6] in lines  # the epochs kept
    assert any(np.allclose(line, [0.3, 0.5]) for line in lines if len(line) == 2)
    assert drawn(figure).size[0] > 300


def test_the_confusion_matrix_shows_its_counts() -> None:
    figure = confusion_matrix(np.array([[5, 1], [0, 0]]), ["a", "b"], "validation split")
    assert sorted(text.get_text() for text in figure.axes[0].texts) == ["0", "0", "1", "5"]
    assert drawn(figure).size[1] > 200
