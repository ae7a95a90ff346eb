"""How every page is made: one shell and style, section by section, each from a template's block."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


@dataclass(frozen=True)
class Page:
    """A page that stands alone, and the headlines of its warnings."""

    html: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Section:
    """One part of a page.

    Attributes:
        name: of its block in the page's template, and its place in a link.
        title: of the section.
        build: returns what the block shows.
    """

    name: str
    title: str
    build: Callable[[], dict[str, Any]]


def render(template: str, sections: Sequence[Section], **head: Any) -> str:
    """Return a page. A section that can't be made says so in its place; the others stand.

    The page loads nothing from elsewhere and runs no script.

    Args:
        template: its name; it extends page.html, and has a block for each section.
        sections: in their order.
        head: what the template's blocks `title` and `header` show.
    """
    made = [(section, _made(template, section)) for section in sections]
    return _environment().get_template(template).render(sections=made, **head)


def _made(template: str, section: Section) -> Markup:
    try:
        loaded = _environment().get_template(template)
        context = loaded.new_context(section.build())
        return Markup("".join(loaded.blocks[section.name](context)))  # noqa: S704 - it is escaped
    except Exception as error:
        # A page that lacks a section is worth more than none.
        logging.getLogger(__name__).warning(
            "page: section %s: %s: %s", section.name, type(error).__name__, error, exc_info=True
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
