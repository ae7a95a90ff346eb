"""Optuna's own plots of a study, as HTML fragments."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Literal

import optuna
from optuna import importance, visualization
from optuna.trial import TrialState

from mineralsweep.config import Space
from mineralsweep.core.record import TrialRecord

DIRECTIONS: dict[str, Literal["maximize", "minimize"]] = {
    "accuracy": "maximize",
    "loss": "minimize",
}
ENDS = {"COMPLETE": TrialState.COMPLETE, "PRUNED": TrialState.PRUNED, "FAILED": TrialState.FAIL}


def draw(study: optuna.Study, metric: str) -> dict[str, str]:
    """Return title -> an HTML fragment, which needs plotly.js on the page.

    A plot that the trials so far can't fill is replaced by a sentence that says why.
    """
    wanted: dict[str, Callable[[], Any]] = {
        "History": lambda: visualization.plot_optimization_history(study, target_name=metric),
        "Slices": lambda: visualization.plot_slice(study, target_name=metric),
        "Parallel coordinates": lambda: visualization.plot_parallel_coordinate(
            study, target_name=metric
        ),
        "Importance by PED-ANOVA: which settings tell the best trials from the rest": (
            lambda: _importances(study, importance.PedAnovaImportanceEvaluator(), metric)
        ),
        "Importance by fANOVA: which settings explain the spread over all trials": (
            lambda: _importances(study, importance.FanovaImportanceEvaluator(seed=0), metric)
        ),
    }
    return {title: _fragment(make) for title, make in wanted.items()}


def study_of(records: list[TrialRecord], space: Space, objective: str) -> optuna.Study:
    """Return a study in memory that holds another engine's trials, to draw it the same way.

    Values that were reported after single epochs are not in it.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction=DIRECTIONS[objective])
    for record in records:
        searched = {
            name: value for name, value in record.params.items() if name in space.searched()
        }
        study.add_trial(
            optuna.trial.create_trial(
                state=ENDS[record.state],
                value=record.value if record.state == "COMPLETE" else None,
                params=searched,
                distributions={name: space.distribution(name) for name in searched},
            )
        )
    return study


def _importances(
    study: optuna.Study, evaluator: importance.BaseImportanceEvaluator, metric: str
) -> Any:
    return visualization.plot_param_importances(study, evaluator=evaluator, target_name=metric)


def _fragment(make: Callable[[], Any]) -> str:
    try:
        with warnings.catch_warnings():
            # Both evaluators are marked experimental or slow by Optuna; the page labels them.
            warnings.simplefilter("ignore")
            figure = make()
    except (ValueError, RuntimeError, ZeroDivisionError) as error:
        return f"<p>Not drawn: {error}</p>"
    if not figure.data:
        return "<p>Not drawn: the trials so far do not fill it.</p>"
    return str(figure.to_html(full_html=False, include_plotlyjs=False))
