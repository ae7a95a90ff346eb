"""What a sweep or a training left, for Python code and notebooks."""

from __future__ import annotations

import html
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mineralsweep.app.champion import Champion
from mineralsweep.config import Sweep as Settings
from mineralsweep.core.record import TrialRecord
from mineralsweep.errors import ConfigError

if TYPE_CHECKING:
    import optuna
    import pandas as pd
    from matplotlib.figure import Figure

    from mineralsweep.report import Evidence


SECONDS = "seconds"


@dataclass(frozen=True)
class Report:
    """A sweep's report: one page of HTML, with all its pictures. Shown by a notebook as it is."""

    page: str

    def save(self, path: str | Path) -> Path:
        """Write it to a file, and return the file.

        Raises:
            ConfigError: it can't be written.
        """
        from mineralsweep.app.drawing import write_page

        write_page(Path(path), self.page)
        return Path(path)

    def _repr_html_(self) -> str:
        # A frame: the page's own styles stay within it.
        return (
            f'<iframe srcdoc="{html.escape(self.page, quote=True)}" width="100%" height="600"'
            ' style="border: 1px solid #ccc" title="report"></iframe>'
        )


class Sweep:
    """A sweep that has ended: its trials, the best of them, and its report."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence

    @property
    def name(self) -> str:
        """The study's name: `resume` and `load` take it."""
        return self._evidence.study

    @cached_property
    def study(self) -> optuna.Study:
        """A copy in memory as a study of Optuna's, for its own plots and samplers.

        What is written to it goes nowhere. Of an engine that is not Optuna it has the complete
        trials alone.
        """
        from mineralsweep.app.session import storage_of
        from mineralsweep.engines.optuna import copy_of
        from mineralsweep.report.study import as_optuna

        if self.settings.engine.name != "optuna":
            return as_optuna(self._evidence.records, self.settings)
        return copy_of(self.name, *storage_of(self.name))

    @property
    def run_id(self) -> str:
        """Of its run in MLflow; those of the trials are its children."""
        return self._evidence.run_id

    @property
    def settings(self) -> Settings:
        """What it was run with."""
        return self._evidence.sweep

    @cached_property
    def leaderboard(self) -> pd.DataFrame:
        """A row a trial, the best first, each score with its interval."""
        from mineralsweep.report import leaderboard

        return leaderboard(list(self._evidence.lines), self._evidence.sweep)

    @property
    def best(self) -> TrialRecord:
        """The best trial (or the baseline, if it was better), with its settings and its run.

        Of several objectives: the one that was chosen for its costs.
        """
        return self._evidence.crowned.record

    @property
    def version(self) -> str:
        """The best trial's version in the registry."""
        return self._evidence.crowned.version

    @property
    def model_uri(self) -> str:
        """The best trial's registered model; MLflow loads it."""
        return f"models:/{self._evidence.sweep.gate.model}/{self.version}"

    @property
    def test(self) -> str:
        """The best trial's score on the test split, with its interval and its n."""
        from mineralsweep.core import objective

        crowned, named = self._evidence.crowned, self._evidence.sweep.objective
        return f"{named.replace('_', ' ')} {objective.get(named).shown(crowned.scores)}"

    @property
    def decision(self) -> str:
        """Whether the best trial became champion, and why, in sentences."""
        decision = self._evidence.crowned.decision
        return f"{decision.sentence()}. {decision.why}"

    def champion(self) -> Champion:
        """Return the best trial's registered model, to be asked."""
        return Champion(self.model_uri)

    def report(self) -> Report:
        """Draw its report."""
        from mineralsweep.app.drawing import drawn

        return Report(drawn(self._evidence).html)

    def plot_history(self) -> Figure:
        """Draw each trial's value, and the best so far."""
        from mineralsweep.report import charts

        return charts.history(self._evidence.records, self._evidence.sweep.objective)

    def plot_costs(self, name: str = "") -> Figure:
        """Draw each trial's value over what it costs, with the Pareto front and the chosen trial.

        Args:
            name: of a cost that the sweep measured, or "seconds" of training; "": the first
                cost, or else the seconds.

        Raises:
            ConfigError: the sweep measured no such cost.
        """
        from mineralsweep.report import costs

        measured = self.settings.costs
        if name == SECONDS or not (name or measured):
            return costs.over_time(self._evidence)
        if name and name not in measured:
            raise ConfigError(
                f"name: must be one of the sweep's costs ({', '.join(measured) or 'none'}), got"
                f" '{name}'; name it under objectives"
            )
        return costs.front(self._evidence, name or measured[0])

    def plot_slice(self, setting: str) -> Figure:
        """Draw each trial's value over one setting that was searched.

        Raises:
            ConfigError: it was not searched, or no trial is complete.
        """
        from mineralsweep.report import charts

        searched, best = self.settings.space.searched(), self._evidence.best_trial
        if setting not in searched or best is None:
            raise ConfigError(
                f"setting: must be one that was searched ({', '.join(searched)}), got '{setting}'"
            )
        return charts.slices(
            setting, searched[setting], self._evidence.records, self.settings.objective, best,
            self.settings.space.architectures(),
        )  # fmt: skip

    def plot_recall(self) -> Figure:
        """Draw the best trial's recall of each class, in validation and on the test split."""
        from mineralsweep.report import charts

        parts = {
            "test split": self._evidence.crowned.scores,
            self._evidence.part: self._evidence.validation_scores(),
        }
        return charts.recalls({part: scores.recall for part, scores in parts.items()})

    def plot_curves(self, trial: int | None = None, metric: str = "loss") -> Figure:
        """Draw a trial's learning curve.

        Args:
            trial: its number; None: the best trial's.
            metric: "loss", "accuracy", or the objective.

        Raises:
            ConfigError: there is no such trial, or it has no such curve.
        """
        from mineralsweep.report import charts

        number = self.best.number if trial is None else trial
        record = next((one for one in self._evidence.lines if one.number == number), None)
        curves = self._evidence.curves(number) if record and record.run_id else {}
        if record is None or metric not in curves:
            raise ConfigError(
                f"trial: trial {number} has no curve of {metric}; it has"
                f" {', '.join(curves) or 'none'}"
            )
        train, validation = curves[metric]
        return charts.learning_curve(metric, train, validation, record.best_epoch)

    def plot_importance(self) -> Figure:
        """Draw how much each setting mattered (PED-ANOVA).

        Raises:
            ConfigError: there are too few complete trials, or nothing was varied.
        """
        from mineralsweep.report import charts, study

        try:
            shares = study.importances(self._evidence.records, self._evidence.sweep)
        except (ValueError, RuntimeError, ZeroDivisionError) as error:
            raise ConfigError(f"study: {self.name}: no importance: {error}") from error
        return charts.importance(shares[study.PED_ANOVA])

    def __repr__(self) -> str:
        return f"Sweep(name={self.name!r}, best={self.best.title()!r}, test={self.test!r})"

    def _repr_html_(self) -> str:
        from mineralsweep.report.leaderboard import compact

        word = "Chosen" if self.settings.costs else "Best"
        said = "<br>".join(
            html.escape(line)
            for line in (f"{word}: {self.best.title()}", f"On the test split: {self.test}",
                         f"{self.model_uri}: {self.decision}")
        )  # fmt: skip
        table = compact(self.leaderboard).to_html(index=False, border=0)
        return f"<p><b>{html.escape(self.name)}</b><br>{said}</p>{table}"


@dataclass(frozen=True)
class Training:
    """A single training that has ended.

    Attributes:
        study: its name.
        record: its settings, its scores on the validation images, its run and its model.
    """

    study: str
    record: TrialRecord

    @property
    def run_id(self) -> str:
        """Of its run in MLflow."""
        return self.record.run_id

    @property
    def model_uri(self) -> str:
        """Of its model; MLflow loads it."""
        return f"models:/{self.record.model_id}"

    def model(self) -> Champion:
        """Return the model, to be asked."""
        return Champion(self.model_uri)
