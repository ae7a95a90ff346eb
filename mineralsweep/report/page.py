"""The report: one HTML page that stands alone, made section by section."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from mineralsweep.report.evidence import Evidence
from mineralsweep.report.sections import champion, data, network, search


@dataclass(frozen=True)
class Section:
    """One part of the page. `name` is its template's, and its place in a link."""

    name: str
    title: str
    build: Callable[[Evidence], dict[str, Any]]


SECTIONS = (
    Section("warnings", "Read this first", search.warnings),
    Section("leaderboard", "Leaderboard", search.leaderboard),
    Section("history", "How the search went", search.history),
    Section("importance", "Which settings mattered", search.importance),
    Section("slices", "Setting by setting", search.slices),
    Section("curves", "Learning curves of the best trials", search.curves),
    Section("confusion", "What the champion confuses", champion.confusion),
    Section("calibration", "Can its confidence be trusted?", champion.calibration),
    Section("mistakes", "The most wrong images", champion.mistakes),
    Section("attention", "Where the champion looks", network.attention),
    Section("augmentation", "Augmented views", network.augmentation),
    Section("data", "The data", data.profile),
    Section("settings", "Settings, and how to make this page again", data.settings),
)


def render(evidence: Evidence, sections: Sequence[Section] = SECTIONS) -> str:
    """Return the page. A section that can't be made says so in its place; the others stand.

    The same study gives the same page. It loads nothing from elsewhere and runs no script.
    """
    made = [(section, _made(section, evidence)) for section in sections]
    best, crowned = evidence.best, evidence.crowned
    return (
        _environment()
        .get_template("page.html")
        .render(
            study=evidence.study,
            question=" ".join(evidence.sweep.question.split()),
            best=best,
            interval=best.interval(),
            crowned=crowned,
            sections=made,
        )
    )


def _made(section: Section, evidence: Evidence) -> Markup:
    try:
        template = _environment().get_template(f"{section.name}.html")
        return Markup(template.render(section.build(evidence)))  # noqa: S704 - it is escaped
    except Exception as error:
        # A page that lacks a section is worth more than none, and a sweep must not fail by it.
        logging.getLogger(__name__).warning(
            "report: section %s: %s: %s", section.name, type(error).__name__, error, exc_info=True
        )
        reason = f"{type(error).__name__}: {error}"
        return Markup('<p class="broken">This section could not be made: {}</p>').format(reason)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("mineralsweep.report"),
        autoescape=True,  # names of classes and files may hold anything
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
