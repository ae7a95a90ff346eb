"""The architectures and their hyperparameters as Markdown tables: docs/sweep-files.md holds them.

`python -m mineralsweep.models.table` prints them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mineralsweep.core.hyperparameter import Hyperparameter, Value
from mineralsweep.models import ARCHITECTURES
from mineralsweep.models.architecture import IMAGE_SIZE, OF_NETWORKS, Architecture

OF_SIZE = "the file's `image_size`, or the architecture's own"


def architectures() -> str:
    """Return a table with a row an architecture."""
    rows = [
        (f"`{one.name}`", one.summary, "{} x {}".format(*one.image_size), str(one.smallest))
        for one in ARCHITECTURES.values()
    ]
    return _table(("architecture", "what it is", "image size", "smallest side"), rows)


def hyperparameters() -> str:
    """Return a table with a row a hyperparameter."""
    return _table(("entry", "values", "what it is", "default"), _rows())


def _rows() -> Iterable[tuple[str, str, str, str]]:
    names = dict.fromkeys(name for one in ARCHITECTURES.values() for name in one.hyperparameters)
    for name in names:
        owners = [one for one in ARCHITECTURES.values() if one.has(name)]
        declared = owners[0].hyperparameters[name]
        log = ", log scale" if declared.log else ""
        default = OF_SIZE if name == IMAGE_SIZE.name else _defaults(declared, owners)
        yield f"`{name}`", declared.values() + log, declared.help, default


def _defaults(declared: Hyperparameter, owners: Sequence[Architecture]) -> str:
    """Say each default with those that have it; the most common one last, of all the others."""
    by_value: dict[Value | None, list[str]] = {}
    for one in owners:
        by_value.setdefault(one.hyperparameters[declared.name].default, []).append(one.name)
    ordered = sorted(by_value.items(), key=lambda item: len(item[1]))
    *rare, (common, names) = ordered
    told = [f"{_text(value)}: {', '.join(some)}" for value, some in rare]
    of_all = declared.name in {one.name for one in OF_NETWORKS}
    others = ("other networks" if rare else "every network") if of_all else ", ".join(names)
    return "; ".join([*told, f"{_text(common)}: {others}"])


def _text(value: Value | None) -> str:
    if value is None:
        return "the optimizer's own"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    print(architectures(), hyperparameters(), sep="\n\n")
