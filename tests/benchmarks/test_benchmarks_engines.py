"""What the comparison of the engines makes of two runs."""

from __future__ import annotations

from typing import Any

from benchmarks.engines import summary, table


def run() -> dict[str, Any]:
    def record(number: int, rate: float, value: float, state: str = "COMPLETE") -> dict[str, Any]:
        params = {"learning_rate": rate}
        return {"number": number, "params": params, "value": value, "state": state, "n": 80}

    return {
        "total_seconds": 120.0,
        "trace": [
            {"trial": trial, "epoch": epoch, "seconds": 10.0 * trial + epoch}
            for trial in range(3)
            for epoch in (1, 2)
        ],
        "records": [record(0, 0.1, 0.5), record(1, 0.2, 0.7), record(2, 0.2, 0.9, "PRUNED")],
    }


def test_a_run_is_summed_up_by_its_best_complete_trial() -> None:
    assert summary(run()) == {
        "minutes": 2.0, "settings": 2, "trials": 3, "epochs": 6, "best": 0.7, "n": 80,
        "until_best": 0.2,
    }  # fmt: skip


def test_the_table_has_a_row_a_run() -> None:
    lines = table({"one": run(), "two": run()}).splitlines()
    assert len(lines) == 4
    assert lines[2] == "| one | 2 | 3 | 6 | 0.700 (n = 80) | 2.0 min | 0.2 min |"
