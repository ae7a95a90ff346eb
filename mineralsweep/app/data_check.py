"""Whether a sweep can be made of a collection, tried before anything is trained."""

from __future__ import annotations

from dataclasses import dataclass

from mineralsweep.config import Sweep
from mineralsweep.data.catalog import Catalog
from mineralsweep.data.dataset import Dataset, divide
from mineralsweep.data.profile import concerns, of_catalog
from mineralsweep.data.settings import SHARES
from mineralsweep.data.sources import open_catalog
from mineralsweep.data.work import Say, silent
from mineralsweep.errors import DataError


@dataclass(frozen=True)
class Verdict:
    """What becomes of a collection in a sweep.

    Attributes:
        catalog: what is in it.
        dataset: as it is divided; None where it can't be.
        problems: what would end a sweep, each with what mends it; none: it can be run.
        remarks: what a sweep would say of it.
        shares: of the split that was tried.
    """

    catalog: Catalog
    dataset: Dataset | None
    problems: tuple[str, ...]
    remarks: tuple[str, ...]
    shares: str = SHARES


def verdict(sweep: Sweep, say: Say = silent) -> Verdict:
    """Try the split, the groups and the folds of a sweep; `say` is told of what takes long.

    Raises:
        DataError: the source itself can't be used.
    """
    asked = sweep.data.settings()
    catalog = open_catalog(asked, say)
    shares = asked.split if "/" in asked.split else SHARES
    try:
        dataset = divide(catalog, asked, say)
    except DataError as error:
        remarks = tuple(of_catalog(catalog, asked))
        return Verdict(catalog, None, (str(error),), remarks, shares)
    problems = []
    if sweep.folds > 1:
        try:
            dataset.folds(sweep.folds, sweep.repeats)
        except DataError as error:
            problems.append(str(error))
    remarks = (*_divided(dataset), *concerns(dataset))
    return Verdict(catalog, dataset, tuple(problems), remarks, shares)


def _divided(dataset: Dataset) -> list[str]:
    parts, most = dataset.split, min(dataset.units(dataset.pool()).values())
    folds = f"up to {most} folds can be made" if most > 1 else "no folds can be made"
    return [
        f"Split {dataset.shares}: train {len(parts.train)}, validation {len(parts.validation)},"
        f" test {len(parts.test)}; {folds} of train and validation"
    ]
