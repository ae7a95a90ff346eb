"""The report of a study: what the search found, the data, the settings; and the whole page."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from warnings import catch_warnings, simplefilter

import optuna
from optuna.distributions import BaseDistribution

import mineralsweep
from mineralsweep.config import Sweep
from mineralsweep.config.entries import Entry
from mineralsweep.core import objective as objectives
from mineralsweep.core.record import BASELINE, TrialRecord
from mineralsweep.data.listing import shown
from mineralsweep.models.vote import is_vote
from mineralsweep.report import champion, charts, costs, parallel, photographs
from mineralsweep.report.evidence import Evidence
from mineralsweep.report.findings import counts, headlines, warnings_of
from mineralsweep.report.leaderboard import compact
from mineralsweep.report.leaderboard import leaderboard as full_table
from mineralsweep.report.page import Page, Section, render
from mineralsweep.report.summary import answer, scores_of
from mineralsweep.report.warnings import Warning

PED_ANOVA = "PED-ANOVA: which settings tell the best trials from the rest"
FANOVA = "fANOVA: which settings explain the spread over all trials"


def importances(records: Sequence[TrialRecord], sweep: Sweep) -> dict[str, dict[str, float]]:
    """Return evaluator -> setting -> share of the importance, largest first; shares add up to 1.

    PED-ANOVA: Watanabe, Bansal & Hutter 2023, arXiv:2304.10255. fANOVA: Hutter, Hoos &
    Leyton-Brown 2014. They answer different questions and may disagree.

    Raises:
        ValueError: there are too few complete trials, or nothing was varied.
    """
    study, kinds = as_optuna(records, sweep), optuna.importance
    if len(study.trials) < 2:
        raise ValueError("too few complete trials to tell which settings matter")
    with catch_warnings():
        simplefilter("ignore")  # both are marked as experimental
        evaluators: dict[str, kinds.BaseImportanceEvaluator] = {
            PED_ANOVA: kinds.PedAnovaImportanceEvaluator(),
            FANOVA: kinds.FanovaImportanceEvaluator(seed=0),
        }
        return {
            title: kinds.get_param_importances(study, evaluator=one)
            for title, one in evaluators.items()
        }


def as_optuna(records: Sequence[TrialRecord], sweep: Sweep) -> optuna.Study:
    """Return the complete trials as a study of Optuna's, in memory; the objective is its value."""
    space = sweep.space
    searched: dict[str, BaseDistribution] = {
        name: space.distribution(name) for name in space.searched()
    }
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction=objectives.get(sweep.objective).direction)
    for record in records:
        if record.state != "COMPLETE" or record.value is None:
            continue
        own = {name: value for name, value in record.params.items() if name in searched}
        study.add_trial(
            optuna.trial.create_trial(
                params=own, distributions={name: searched[name] for name in own}, value=record.value
            )
        )
    return study


SHOWN = 50
CURVES_OF = 3
REJECTED = 20


def leaderboard(evidence: Evidence) -> dict[str, Any]:
    """Return the trials, best first."""
    table = full_table(evidence.lines, evidence.sweep)
    shown = compact(table.head(SHOWN))
    best = "baseline" if evidence.best.number == BASELINE else str(evidence.best.number)
    trials = list(shown["trial"])
    return {
        "champion": trials.index(best) if best in trials else None,
        "columns": [str(name) for name in shown.columns],
        "rows": shown.to_numpy(object).tolist(),
        "left": max(0, len(table) - SHOWN),
        "n": evidence.best.n,
        "part": evidence.part,
        "left_out": evidence.left_out,
        "failures": [
            (record.number, record.reason)
            for record in evidence.records
            if record.state == "FAILED"
        ],
    }


def history(evidence: Evidence) -> dict[str, Any]:
    """Return the values in the order of the trials."""
    objective, best = evidence.sweep.objective, evidence.best_trial
    alt = f"{charts.metric(objective)} of {len(evidence.records)} trials in their order"
    if best is not None:
        alt += f"; the best is {best.title()} with {scores_of(best, objective)}"
    figure = charts.history(evidence.records, objective)
    return {"figure": charts.inline(figure, "history", f"{alt}.")}


def importance(evidence: Evidence) -> dict[str, Any]:
    """Return how much each setting mattered, by two evaluators."""
    complete = sum(record.state == "COMPLETE" for record in evidence.records)
    try:
        shares_by_title = importances(evidence.records, evidence.sweep)
    except (ValueError, RuntimeError, ZeroDivisionError) as error:
        return {"why_not": str(error), "complete": complete}
    figures = []
    for place, (title, shares) in enumerate(shares_by_title.items()):
        alt = f"{title}: " + ", ".join(f"{name} {share:.2f}" for name, share in shares.items())
        if shares:
            figure = charts.importance(shares)
            figures.append((title, charts.inline(figure, f"importance{place}", alt)))
    return {"figures": figures, "complete": complete}


def slices(evidence: Evidence) -> dict[str, Any]:
    """Return one chart a setting that was searched."""
    figures = []
    objective, best = evidence.sweep.objective, evidence.best_trial
    architectures = evidence.sweep.space.architectures()
    for place, (name, entry) in enumerate(_searched(evidence).items()):
        if best is None:
            break
        figure = charts.slices(name, entry, evidence.records, objective, best, architectures)
        value = best.params.get(name, "no such setting")
        alt = f"{charts.metric(objective)} over {name}; the best trial has {value}."
        figures.append(charts.inline(figure, f"slice{place}", alt))
    return {"figures": figures}


def coordinates(evidence: Evidence) -> dict[str, Any]:
    """Return all settings of all complete trials in one chart."""
    entries, best = _searched(evidence), evidence.best_trial
    complete = [record for record in evidence.records if record.state == "COMPLETE"]
    if best is None or len(entries) < 2 or len(complete) < 2:
        return {"why_not": "it takes two settings that were searched, and two complete trials"}
    figure = parallel.coordinates(entries, complete, evidence.sweep.objective, best.number)
    alt = (
        f"A line a trial over {', '.join(entries)} and {charts.metric(evidence.sweep.objective)};"
        f" {best.title()} stands out."
    )
    return {"figure": charts.inline(figure, "coordinates", alt)}


def _searched(evidence: Evidence) -> dict[str, Entry]:
    """Return the settings that were searched and that a trial has."""
    return {
        name: entry
        for name, entry in evidence.sweep.space.searched().items()
        if any(name in record.params and record.value is not None for record in evidence.records)
    }


def curves(evidence: Evidence) -> dict[str, Any]:
    """Return the best trials' loss, accuracy and objective, epoch by epoch."""
    trials = []
    for record in evidence.complete[:CURVES_OF]:
        values = evidence.curves(record.number)
        if not values:
            logging.getLogger(__name__).info("%s has no curves", record.title())
            continue
        figures, lasts = [], {}
        for name, (train, validation) in values.items():
            last = f"{validation[-1]:.3f} in validation"
            if train:
                last = f"{train[-1]:.3f} in training, {last}"
            lasts[name] = last
            if len(validation) == 1:  # an estimator's, or a single epoch's: a point is no curve
                continue
            figure = charts.learning_curve(name, train, validation, record.best_epoch)
            alt = f"{record.title()}, {name} over {len(validation)} epochs; last: {last}."
            figures.append(charts.inline(figure, f"curve{record.number}{name}", alt))
        scores = scores_of(record, evidence.sweep.objective)
        trials.append({"record": record, "scores": scores, "figures": figures, "lasts": lasts})
    votes = any(is_vote(str(one.params["architecture"])) for one in evidence.complete[:CURVES_OF])
    return {"trials": trials, "folds": evidence.sweep.folds > 1, "votes": votes}


def profile(evidence: Evidence) -> dict[str, Any]:
    """Return the images a class and a part, their sizes and formats, and what was left aside."""
    catalog = evidence.dataset.catalog
    rejected = [
        (shown(one.path, catalog.root), one.reason)
        for one in catalog.listing.folders + catalog.rejected
    ]
    return {
        "name": evidence.dataset.name,
        "shares": evidence.dataset.shares,
        "split_seed": evidence.dataset.split_seed,
        "digest": catalog.digest,
        "counts": counts(evidence),
        "classes": catalog.classes,
        "rejected": rejected[:REJECTED],
        "together": [evidence.dataset.files(rows) for rows in evidence.dataset.duplicates()],
        "rejected_in_all": len(rejected),
        **photographs.sizes(catalog),
    }


def settings(evidence: Evidence) -> dict[str, Any]:
    """Return the settings as MLflow has them, and how to make this page again."""
    params = evidence.store.client.get_run(evidence.run_id).data.params
    shown = {
        name.removeprefix("sweep."): value
        for name, value in sorted(params.items())
        if name.startswith("sweep.")
    }
    return {
        "settings": shown,
        "champion": evidence.best.params,
        "study": evidence.study,
        "run_id": evidence.run_id,
        "version": mineralsweep.__version__,
        "seconds": sum(record.seconds for record in evidence.records),
    }


Build = Callable[[Evidence], dict[str, Any]]
SECTIONS: tuple[tuple[str, str, Build], ...] = (
    ("leaderboard", "Leaderboard", leaderboard),
    ("history", "How the search went", history),
    ("costs", "Time and accuracy", costs.section),
    ("importance", "Which settings mattered", importance),
    ("slices", "Setting by setting", slices),
    ("coordinates", "All settings at once", coordinates),
    ("curves", "Learning curves of the best trials", curves),
    ("confusion", "What the champion confuses", champion.confusion),
    ("calibration", "Can its confidence be trusted?", champion.calibration),
    ("mistakes", "The most wrong images", champion.mistakes),
    ("attention", "Where the champion looks", champion.attention),
    ("augmentation", "Augmented views", champion.augmentation),
    ("data", "The data", profile),
    ("settings", "Settings, and how to make this page again", settings),
)
"""Name, title, and what builds it."""


def page(evidence: Evidence, sections: tuple[tuple[str, str, Build], ...] = SECTIONS) -> Page:
    """Return the page. The same study gives the same page."""
    warnings: list[Warning] = []

    def checks() -> dict[str, Any]:
        warnings.extend(warnings_of(evidence))
        return {"warnings": warnings}

    built = [Section(name, title, partial(build, evidence)) for name, title, build in sections]
    html = render(
        "study.html",
        [Section("warnings", "Read this first", checks), *built],
        study=evidence.study,
        question=" ".join(evidence.sweep.question.split()),
        answer=answer(evidence),
        decision=evidence.crowned.decision,
    )
    return Page(html, headlines(warnings))
