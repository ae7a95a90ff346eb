"""Optuna's own plots of a study, as HTML fragments."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import optuna
from optuna import importance, visualization


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
