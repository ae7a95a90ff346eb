"""What each pruner saves and what it costs, by replaying trials that were trained to the end.

    python -m benchmarks.pruners CURVES.json

CURVES.json holds a list of trials, each a list of [validation accuracy, validation loss], one for
every epoch; or a list of rows {"trial": 0, "epoch": 1, "seconds": 2.5, "val_accuracy": 0.5,
"val_loss": 1.2}. `seconds` is of this epoch alone; without it, every epoch takes as long. The
trials are put to each pruner in many random orders, one and two at a time. Nothing is trained.
"""

from __future__ import annotations

import argparse
import heapq
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from optuna.storages import InMemoryStorage

from mineralsweep.config import build
from mineralsweep.core.record import State, TrialRecord, champion
from mineralsweep.engines.optuna import OptunaEngine
from mineralsweep.engines.optuna_options import PRUNERS
from mineralsweep.errors import ConfigError

REPLAYED = [name for name in PRUNERS if name not in ("wilcoxon", "threshold")]
"""Wilcoxon judges folds, not epochs; a threshold's bound has no default."""

SHAPE = (
    "must hold a list of trials, each a list of [accuracy, loss], or a list of rows with trial,"
    " epoch, val_accuracy and val_loss"
)


@dataclass(frozen=True)
class Curve:
    """A trial, epoch by epoch.

    Attributes:
        accuracies: on the validation split, in [0, 1].
        losses: on the validation split, in nats.
        seconds: how long each epoch took.
    """

    accuracies: tuple[float, ...]
    losses: tuple[float, ...]
    seconds: tuple[float, ...]

    def record(self, number: int, state: State, epochs: int) -> TrialRecord:
        """Return how the trial ends after some epochs: its best weights had the lowest loss."""
        best = min(range(epochs), key=lambda epoch: self.losses[epoch])
        return TrialRecord(
            number=number, state=state, params={}, value=self.accuracies[best],
            accuracy=self.accuracies[best], loss=self.losses[best], n=0, best_epoch=best + 1,
            run_id="", model_id=None, reason="", seconds=0.0,
        )  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """How one order of the trials came out.

    Attributes:
        spent: epochs trained, as a share of those without pruning.
        regret: accuracy of the best trial without pruning minus the champion's.
        kept: the best trial without pruning was completed.
    """

    spent: float
    regret: float
    kept: bool


def main(arguments: Sequence[str] | None = None) -> None:
    """Replay every pruner and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("curves", type=Path, metavar="CURVES.json")
    parser.add_argument("--shuffles", type=int, default=200, help="orders of the trials")
    parser.add_argument("--seed", type=int, default=0, help="of the orders")
    parser.add_argument(
        "--startup-trials", type=int, default=5, help="engine.startup_trials of the sweep"
    )
    given = parser.parse_args(arguments)
    try:
        curves = read(given.curves)
    except ConfigError as error:
        sys.exit(str(error))
    longest = max(len(curve.losses) for curve in curves)
    print(f"{len(curves)} trials of {longest} epochs, {given.shuffles} orders each\n")
    print("| at a time | pruner | epochs spent | regret, median | regret, 90 % | best kept |")
    print("| ---: | --- | ---: | ---: | ---: | ---: |")
    for slots in (1, 2):
        for pruner in REPLAYED:
            settings = {"pruner": pruner, "startup_trials": given.startup_trials}
            outcomes = replay_orders(curves, settings, slots, given.shuffles, given.seed)
            print(_row(slots, pruner, outcomes), flush=True)


def read(path: Path) -> list[Curve]:
    """Read recorded trials in either form.

    Raises:
        ConfigError: the file can't be read, or does not hold two whole trials or more.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: can't be read: {error}") from None
    try:
        trials = _trials_of_rows(raw) if isinstance(raw[0], dict) else dict(enumerate(raw))
        curves = [_curve(f"{path}: trial {name}", epochs) for name, epochs in trials.items()]
    except (TypeError, KeyError, IndexError, ValueError) as error:
        raise ConfigError(f"{path}: {SHAPE}; {type(error).__name__}: {error}") from None
    if len(curves) < 2:
        raise ConfigError(f"{path}: must hold at least 2 trials, got {len(curves)}; record more")
    return curves


def replay_orders(
    curves: list[Curve], settings: dict[str, Any], slots: int, shuffles: int, seed: int
) -> list[Outcome]:
    """Replay trials in random orders; equal seeds give every pruner the same orders."""
    draw = np.random.default_rng(seed)
    orders = [draw.permutation(len(curves)) for _ in range(shuffles)]
    return [
        replay([curves[index] for index in order], settings, slots, f"order-{number}")
        for number, order in enumerate(orders)
    ]


def replay(curves: list[Curve], settings: dict[str, Any], slots: int, study: str) -> Outcome:
    """Run trials in their order, as a study would, over what they have recorded.

    Args:
        curves: the first is trial 0.
        settings: the sweep's `engine`.
        slots: trials at a time; which epoch ends next follows from their seconds.
        study: a name; it decides on each trial's bracket in Hyperband.
    """
    engine = _engine(settings, max(len(curve.losses) for curve in curves), study)
    waiting = len(curves)
    running: list[tuple[float, int, int]] = []  # (when its epoch ends, trial, epoch), a heap
    now, spent = 0.0, 0
    while waiting or running:
        while waiting and len(running) < slots:
            proposal = engine.ask()
            assert proposal is not None
            waiting -= 1
            ends = now + curves[proposal.number].seconds[0]
            heapq.heappush(running, (ends, proposal.number, 1))
        now, number, epoch = heapq.heappop(running)
        spent += 1
        if not _ends(engine, number, curves[number], epoch):
            ends = now + curves[number].seconds[epoch]
            heapq.heappush(running, (ends, number, epoch + 1))
    return _judge(curves, engine.records(), spent)


def _engine(settings: dict[str, Any], epochs: int, study: str) -> OptunaEngine:
    sweep = build(
        {
            "question": "Which pruner?",
            "space": {"architecture": "model2", "learning_rate": {"low": 1e-4, "high": 1e-1}},
            "budget": {"epochs": epochs},
            "engine": {"sampler": "random", **settings},
        },
        "benchmark",
    )
    return OptunaEngine(sweep, study, Path("unused"), InMemoryStorage())


def _ends(engine: OptunaEngine, number: int, curve: Curve, epoch: int) -> bool:
    """Report an epoch, from 1; tell the engine when it was the trial's last."""
    pruned = engine.report(number, epoch, curve.accuracies[epoch - 1]) is not None
    whole = epoch == len(curve.losses)
    if pruned or whole:
        engine.tell(curve.record(number, "COMPLETE" if whole else "PRUNED", epoch))
    return pruned or whole


def _judge(curves: list[Curve], records: list[TrialRecord], spent: int) -> Outcome:
    unpruned = [
        curve.record(number, "COMPLETE", len(curve.losses)) for number, curve in enumerate(curves)
    ]
    best, found = _crowned(unpruned), _crowned(records)
    return Outcome(
        spent=spent / sum(len(curve.losses) for curve in curves),
        regret=(best.accuracy or 0.0) - (found.accuracy or 0.0),
        kept=records[best.number].state == "COMPLETE",
    )


def _crowned(records: list[TrialRecord]) -> TrialRecord:
    best = champion(records, "accuracy")
    assert best is not None, "the engine spares a trial for this"
    return best


def _row(slots: int, pruner: str, outcomes: list[Outcome]) -> str:
    regrets = [outcome.regret for outcome in outcomes]
    cells = (
        str(slots),
        pruner,
        f"{np.median([outcome.spent for outcome in outcomes]):.0%}",
        f"{np.median(regrets):.4f}",
        f"{np.percentile(regrets, 90):.4f}",
        f"{np.mean([outcome.kept for outcome in outcomes]):.1%}",
    )
    return f"| {' | '.join(cells)} |"


def _trials_of_rows(rows: list[dict[str, Any]]) -> dict[Any, list[Any]]:
    trials: dict[Any, list[Any]] = {}
    for row in sorted(rows, key=lambda row: row["epoch"]):
        epochs = trials.setdefault(row["trial"], [])
        epochs.append((row["val_accuracy"], row["val_loss"], row.get("seconds", 1.0)))
        if row["epoch"] != len(epochs):
            raise ValueError(
                f"trial {row['trial']}: epochs must be 1, 2, 3, ... once each, got"
                f" {row['epoch']} in place of {len(epochs)}"
            )
    return trials


def _curve(place: str, epochs: list[Any]) -> Curve:
    rows = [epoch if len(epoch) == 3 else (*epoch, 1.0) for epoch in epochs]
    accuracies, losses, seconds = zip(*rows, strict=True)
    if not all(math.isfinite(value) for value in (*accuracies, *losses, *seconds)):
        raise ConfigError(f"{place}: every value must be finite; leave the trial out")
    if not all(0 <= value <= 1 for value in accuracies):
        raise ConfigError(f"{place}: accuracies must be from 0 to 1, got {max(accuracies)}")
    return Curve(accuracies, losses, seconds)


if __name__ == "__main__":
    main()
