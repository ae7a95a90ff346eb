"""What a chart shows: its order, its names."""

from __future__ import annotations

from mineralsweep.config.entries import Choices
from mineralsweep.report import charts
from tests.report.test_summary import record


def test_choices_stand_in_order_and_each_architecture_is_named() -> None:
    trials = [
        record(0, 0.9, params={"architecture": "probe", "image_size": 448}),
        record(1, 0.8, params={"architecture": "probe", "image_size": 320}),
        record(2, 0.7, params={"architecture": "finetune", "image_size": 1024}, state="PRUNED"),
    ]
    entry = Choices(choices=(448, 320, 1024))
    drawn = charts.slices("image_size", entry, trials, "accuracy", trials[0], ("probe", "finetune"))
    [axes] = drawn.axes
    assert [text.get_text() for text in axes.get_xticklabels()] == ["320", "448", "1024"]
    _, names = axes.get_legend_handles_labels()
    assert names == ["probe", "finetune", "best"]
    [best] = [line for line in axes.lines if line.get_label() == "best"]
    assert list(best.get_xdata()) == [1]
