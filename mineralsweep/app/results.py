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
    import pandas as pd
    from matplotlib.figure import Figure

    from mineralsweep.report import Evidence


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
    def study(self) -> str:
        """Its name: `resume` and `load` take it."""
        return self._evidence.study

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
        """The best trial (or the baseline, if it was better), with its settings and its run."""
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

    def plot_importance(self) -> Figure:
        """Draw how much each setting mattered (PED-ANOVA).

        Raises:
            ConfigError: there are too few complete trials, or nothing was varied.
        """
        from mineralsweep.report import charts, study

        try:
            shares = study.importances(self._evidence.records, self._evidence.sweep)
        except (ValueError, RuntimeError, ZeroDivisionError) as error:
            raise ConfigError(f"study: {self.study}: no importance: {error}") from error
        return charts.importance(shares[study.PED_ANOVA])

    def __repr__(self) -> str:
        return f"Sweep(study={self.study!r}, best={self.best.title()!r}, test={self.test!r})"

    def _repr_html_(self) -> str:
        from mineralsweep.report.leaderboard import compact

        said = "<br>".join(
            html.escape(line)
            for line in (f"Best: {self.best.title()}", f"On the test split: {self.test}",
                         f"{self.model_uri}: {self.decision}")
        )  # fmt: skip
        table = compact(self.leaderboard).to_html(index=False, border=0)
        return f"<p><b>{html.escape(self.study)}</b><br>{said}</p>{table}"


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
