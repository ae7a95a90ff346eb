"""What a person sees while trials run: a line a trial, and one line that is kept up to date."""

from __future__ import annotations

import contextlib
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from mineralsweep.core import objective as objectives
from mineralsweep.core.objective import Objective
from mineralsweep.core.record import BASELINE, TrialRecord, champion, epoch_named
from mineralsweep.core.trial import EpochReport, FoldResult, TrialSpec
from mineralsweep.models import get as get_architecture

if TYPE_CHECKING:
    from mineralsweep.config import Sweep
    from mineralsweep.tracking import Away

LINE_EVERY = 30.0
"""Seconds between progress lines where the output is no terminal."""


@contextlib.contextmanager
def following(console: Console, sweep: Sweep) -> Iterator[Progress]:
    """Show a study's progress; where it breaks off, say how to go on."""
    with Progress(console, sweep) as progress:
        try:
            yield progress
        except BaseException:
            progress.close()
            if progress.study:
                print(
                    "Not done. Finished trials are kept. Go on:"
                    f" mineralsweep resume {progress.study}",
                    file=sys.stderr,
                )
            raise


class Progress:
    """A `search.listener.Listener` that writes to a console.

    Args:
        console: where to.
        sweep: its budget, its folds, its objective, and its workers: trials at a time.
    """

    def __init__(self, console: Console, sweep: Sweep) -> None:
        self._console, self._sweep = console, sweep
        self._objective = objectives.get(sweep.objective)
        self._live = Live(console=console, transient=True, auto_refresh=False)
        self._running: dict[int, _Running] = {}
        self._records: list[TrialRecord] = []
        self._baseline: list[TrialRecord] = []
        self._started: dict[int, float] = {}
        self._last_line = time.monotonic()
        self._away: Away | None = None
        self._opened = time.monotonic()
        self._slots = 0
        self._where = ""
        self._refitting: str | None = None
        self.study: str | None = None

    @property
    def _trials(self) -> int:
        return self._sweep.budget.trials

    @property
    def _workers(self) -> int:
        return self._slots or self._sweep.workers or 1

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Take the moving line away."""
        self._live.stop()

    def say(self, line: str) -> None:
        """Print a line that stays."""
        self._console.print(line)

    def study_opened(self, name: str, ended: list[TrialRecord]) -> None:
        """A study was made, or goes on with trials that ended earlier."""
        self.study = name
        self._opened = time.monotonic()
        self._records = list(ended)
        at_once = f", {self._sweep.workers} at a time" if self._sweep.workers else ""
        if ended:
            done = f"{len(ended)} of {self._trials} trials done"
            self.say(f"Study {name}: resuming: {done}{at_once}")
        else:
            self.say(f"Study {name}: {self._trials} trials{at_once}")

    def slots_changed(self, count: int, words: str) -> None:
        if words and count != self._slots:
            self.say(words)
        self._slots, self._where = count, words

    def trial_started(self, spec: TrialSpec) -> None:
        self._running[spec.number] = _Running("starting", spec.epochs)
        self._started[spec.number] = time.monotonic()
        self.tick()

    def epoch_ended(self, spec: TrialSpec, report: EpochReport, fold: int | None = None) -> None:
        running = self._running[spec.number]
        running.words = None
        running.reports[fold] = report
        self.tick()

    def fold_ended(self, spec: TrialSpec, fold: FoldResult) -> None:
        running = self._running[spec.number]
        running.reports.pop(fold.fold, None)
        running.values.append(fold.value(self._objective.name))
        running.seconds.append(fold.seconds)
        self.tick()

    def trial_does(self, spec: TrialSpec, words: str) -> None:
        self._running[spec.number].words = words
        self.tick()

    def trial_retried(self, spec: TrialSpec, reason: str, goes_on: bool) -> None:
        self._running[spec.number] = _Running("starting again", spec.epochs)
        way = "going on from its checkpoint"
        if not goes_on:
            way = f"retrying with batches of {spec.batch_size}" if spec.optimizer else "retrying"
        self.say(f"Trial {spec.number}: {reason}; {way}")
        self.tick()

    def trial_ended(self, record: TrialRecord) -> None:
        self._running.pop(record.number, None)
        if record.number == BASELINE:
            self._baseline = [record]
            self.say(self._tell(record))
        else:
            self._records.append(record)
            self.say(f"[{len(self._records)}/{self._trials}] {self._tell(record)}")
        self._last_line = time.monotonic()
        self.tick()

    def refitting(self, words: str | None) -> None:
        self._refitting = words
        self.tick()

    def store_away(self, away: Away | None) -> None:
        if away is None and self._away is not None:
            self.say("MLflow is reachable again; delivering what waited, in order")
        elif away is not None and self._away is None:
            self.say(f"{away!s}; training goes on")
        self._away = away

    def tick(self) -> None:
        if self._console.is_terminal:
            self._live.update(Text(self._status(), overflow="ellipsis", no_wrap=True), refresh=True)
        elif (
            self._running or self._away or self._refitting
        ) and time.monotonic() - self._last_line > LINE_EVERY:
            self._last_line = time.monotonic()
            self.say(f"  {self._status()}")

    def _tell(self, record: TrialRecord) -> str:
        settings = ", ".join(
            f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in record.params.items()
            if name != "architecture"
        )
        head = f"trial {record.number} {record.params['architecture']} ({settings})"
        if record.number == BASELINE:
            head = f"Baseline, {record.params['architecture']}"
        scores = record.scores(self._objective.name)
        if not scores:
            return f"{head}: FAILED: {record.reason}"
        best = " <- best so far" if self._is_best(record) else ""
        why = f"; {record.reason}" if record.reason else ""
        state = "PRUNED, " if record.state == "PRUNED" else ""
        text = ", ".join(f"{name} {score}" for name, score in scores.items())
        is_network = get_architecture(str(record.params["architecture"])).kind == "network"
        epoch = f" at {epoch_named(record.best_epoch)}" if is_network else ""
        return f"{head}: {state}val_{text}{epoch}{why}; {record.seconds:.0f} s{best}"

    def _is_best(self, record: TrialRecord) -> bool:
        return record.state == "COMPLETE" and record is self._best()

    def _best(self) -> TrialRecord | None:
        return champion([*self._records, *self._baseline], self._objective.name)

    def _status(self) -> str:
        states = [record.state for record in self._records]
        parts = [str(self._away)] if self._away else []
        if self._refitting is not None:
            return " | ".join([*parts, f"refit on all images: {self._refitting}"])
        parts += [
            f"{len(states)} of {self._trials} trials done"
            f" ({states.count('PRUNED')} pruned, {states.count('FAILED')} failed)"
        ]
        parts += [self._where] if self._where else []
        best = self._best()
        if best is not None:
            parts.append(f"best {self._objective.metric} {best.value:.3f} ({best.title()})")
        for number, running in sorted(self._running.items()):
            who = "baseline" if number == BASELINE else f"trial {number}"
            parts.append(f"{who}: {running.tell(self._sweep, self._objective)}")
        left = self._seconds_left()
        until = self._seconds_until_timeout()
        if until is not None and (left is None or until < left):
            parts.append(f"timeout in {duration(until)}")
        elif left is not None:
            parts.append(f"about {duration(left)} left")
        return " | ".join(parts)

    def _seconds_until_timeout(self) -> float | None:
        timeout = self._sweep.budget.timeout
        if timeout is None:
            return None
        return max(0.0, self._opened + timeout - time.monotonic())

    def _seconds_left(self) -> float | None:
        """Return what is left: of a trial that runs by its own pace, of others by those before."""
        fits, now = self._sweep.fits(), time.monotonic()
        trials = {number: one for number, one in self._running.items() if number != BASELINE}
        paces = {number: pace for number, one in trials.items() if (pace := one.seconds_a_fit())}
        known = [record.seconds for record in self._records if record.seconds]
        known = known or [pace * fits for pace in paces.values()]
        if not known:
            return None
        typical = statistics.fmean(known)
        left = typical * max(self._trials - len(self._records) - len(trials), 0)
        for number, running in trials.items():
            if number in paces:
                left += paces[number] * (fits - running.fits_done())
            else:
                left += max(typical - (now - self._started[number]), 0.0)
        at_once = min(self._workers, fits * max(self._trials - len(self._records), len(trials)))
        return left / max(at_once, 1)


@dataclass
class _Running:
    """What a trial does now.

    Attributes:
        words: for what is no epoch.
        epochs: of the trial, at most; those of a reproduction have each their own.
        reports: the last epoch of each fold that runs; under None without folds.
        values, seconds: the objective's values of the folds that ended, and what they took.
    """

    words: str | None
    epochs: int
    reports: dict[int | None, EpochReport] = field(default_factory=dict)
    values: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def fits_done(self) -> float:
        """Return how many fits are done, those that run in part."""
        return len(self.values) + sum(one.epoch / self.epochs for one in self.reports.values())

    def seconds_a_fit(self) -> float:
        """Return how long one takes, by those that ended or else by an epoch; 0: not known yet."""
        if self.seconds:
            return statistics.fmean(self.seconds)
        epochs = [one.seconds * self.epochs for one in self.reports.values()]
        return statistics.fmean(epochs) if epochs else 0.0

    def tell(self, sweep: Sweep, objective: Objective) -> str:
        parts = [self.words] if self.words else []
        if sweep.fits() > 1:
            mean = f", mean {statistics.fmean(self.values):.3f}" if self.values else ""
            parts.append(f"{len(self.values)} of {sweep.fits()} folds done{mean}")
        for fold, report in sorted(self.reports.items(), key=lambda item: item[0] or 0):
            value = f"{objective.metric} {report.value(objective.name):.3f}"
            where = f"epoch {report.epoch}/{self.epochs}, {value}"
            parts.append(where if fold is None else f"fold {fold} {where}")
        return "; ".join(parts)


def duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
