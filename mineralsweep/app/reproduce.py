"""The original study again: its five variants as a grid over splits and folds, and one table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from mineralsweep.app.checks import Say
from mineralsweep.app.session import Request, Session, opened
from mineralsweep.config import Sweep
from mineralsweep.core.hyperparameter import Params
from mineralsweep.core.record import TrialRecord
from mineralsweep.data.dataset import Dataset, Division
from mineralsweep.engines.engine import Proposal
from mineralsweep.errors import ConfigError, RunError, SweepFailed, did_you_mean
from mineralsweep.evaluation import Scores
from mineralsweep.models.original import VARIANTS, Variant
from mineralsweep.search.state import State, exists

if TYPE_CHECKING:
    import pandas as pd

    from mineralsweep.search.listener import Listener
    from mineralsweep.tracking import Store

OPENINGS = "mineralsweep.test_parts_read"

Tested = Callable[[Session, TrialRecord, Dataset], Scores]
"""(study, a training, the data with its division) -> scores on the test part."""


@dataclass(frozen=True)
class Protocol:
    """How each variant is trained; what is None is as the original had it.

    Attributes:
        variants: names of `VARIANTS`.
        seeds: single splits with the original's shares, each with another seed and first weights.
        folds: of all images; 0: none.
        epochs: of a training on a single split, at most; the original's own where those are fewer.
        fold_epochs: the same for a fold.
    """

    variants: tuple[str, ...] = tuple(VARIANTS)
    seeds: int = 5
    folds: int = 5
    epochs: int | None = None
    fold_epochs: int | None = None

    def __post_init__(self) -> None:
        for name in self.variants:
            if name not in VARIANTS:
                raise ConfigError(
                    f"--variants: unknown variant '{name}'{did_you_mean(name, VARIANTS)}"
                )


@dataclass(frozen=True)
class Cell:
    """One training: a variant on one division of the images."""

    variant: Variant
    division: Division
    epochs: int

    @property
    def name(self) -> str:
        """What tells it from the others of a study."""
        return f"{self.variant.name} | {self.division} | {self.epochs} epochs"

    def _settings(self) -> Params:
        return {name: value for name, value in self.variant.params.items() if value is not None}

    def proposal(self, number: int) -> Proposal:
        """Return the training as a trial of a study."""
        return Proposal(
            number,
            {"architecture": self.variant.architecture, **self._settings()},
            epochs=self.epochs,
            division=str(self.division),
            seed=self.division.fold or self.division.seed,
        )


@dataclass(frozen=True)
class Reproduced:
    """The table, and where it stands. `failed`: trainings that failed, by name, with the reason."""

    table: pd.DataFrame
    markdown: str
    store: Store
    run_id: str
    failed: dict[str, str]


def cells(protocol: Protocol, left_out: Sequence[str] = ()) -> Iterator[Cell]:
    """Give all trainings; the first ones of every variant come first.

    Args:
        protocol: what is asked for.
        left_out: architectures that can't be trained here.
    """
    variants = [VARIANTS[name] for name in protocol.variants]
    variants = [one for one in variants if one.architecture not in left_out]
    for seed in range(protocol.seeds):
        for variant in variants:
            shares = variant.network.split
            yield _cell(variant, Division(shares=shares, seed=seed), protocol.epochs)
    for fold in range(1, protocol.folds + 1):
        for variant in variants:
            division = Division(fold=fold, of=protocol.folds)
            yield _cell(variant, division, protocol.fold_epochs)


def _cell(variant: Variant, division: Division, most: int | None) -> Cell:
    own = variant.network.epochs
    return Cell(variant, division, min(own, most or own))


def request(protocol: Protocol, common: Sweep, study: str) -> Request:
    """Return the study that trains a protocol's variants.

    Args:
        protocol: what is asked for.
        common: the data, the weights, the workers and the precision.
        study: its name.
    """
    names = dict.fromkeys(VARIANTS[name].architecture for name in protocol.variants)
    space = type(common.space).model_validate({"architecture": list(names)})
    known = State.read(study).protocol.get("cells", []) if exists(study) else []
    trials = len({*known, *(cell.name for cell in cells(protocol))})
    budget = common.budget.model_copy(update={"trials": trials, "patience": 0})
    sweep = common.model_copy(update={"space": space, "budget": budget, "baseline": "none"})
    return Request("reproduction", sweep, study, protocol=asdict(protocol))


def reproduce(
    asked: Request, listener: Listener, say: Say, tested: Tested | None = None
) -> Reproduced:
    """Train what is asked for and not there yet, and return the table of all of it.

    After all have been trained, the test part of each training is read once. The same call goes on
    where an interrupted one was.

    Args:
        asked: see `request`.
        listener: is told of the trainings.
        say: is told of the rest, a line at a time.
        tested: reads a training's test part; None: through the model that was logged.

    Raises:
        StudyConflict: the study holds trainings on other data or with other settings.
        RunError: no training succeeded.
    """
    given = {name: value for name, value in asked.protocol.items() if name != "cells"}
    protocol = Protocol(**{**given, "variants": tuple(given["variants"])})
    with opened(asked, listener, say, lambda state: _proposals(protocol, state)) as session:
        try:
            session.study().run()
        except SweepFailed as error:
            if not any(one.state == "COMPLETE" for one in session.engine.records()):
                raise RunError(f"no training succeeded: {error}") from None
        session.executor.close()
        reproduced = _concluded(session, protocol, tested or _tested)
        session.run.end("FAILED" if reproduced.failed else "FINISHED")
        return reproduced


def _proposals(protocol: Protocol, state: State) -> list[Proposal]:
    """Number the trainings: those of an earlier start keep their numbers."""
    known: list[str] = list(state.protocol.get("cells", []))
    wanted = {cell.name: cell for cell in cells(protocol, tuple(state.left_out))}
    known += [name for name in wanted if name not in known]
    state.protocol["cells"] = known
    state.save()
    numbers = {name: number for number, name in enumerate(known)}
    return [cell.proposal(numbers[name]) for name, cell in wanted.items()]


def _concluded(session: Session, protocol: Protocol, tested: Tested) -> Reproduced:
    """Read the test part of every training, and write the table."""
    from mineralsweep.report import reproduction
    from mineralsweep.report.reproduction import Outcome

    state = session.state
    names: list[str] = state.protocol["cells"]
    by_number = {one.number: one for one in session.run.located(session.engine.records())}
    outcomes, failed = [], {}
    wanted = list(cells(protocol, tuple(state.left_out)))
    for place, cell in enumerate(wanted, start=1):
        record = by_number.get(names.index(cell.name))
        if record is None or record.state == "FAILED":
            failed[cell.name] = record.reason if record else "it was not trained"
            continue
        dataset = session.task.divided(str(cell.division))
        scores = tested(session, record, dataset)
        train = len(dataset.split.train)
        best = record.best_epoch or 0
        outcome = Outcome(cell.variant.name, cell.division, cell.epochs, best, train, scores)
        outcomes.append(outcome)
        session.say(f"[{place}/{len(wanted)}] {cell.name}: test accuracy {outcome.scores.accuracy}")
    variants = [VARIANTS[name] for name in protocol.variants]
    missing = [one.name for one in variants if one.architecture in state.left_out]
    shown = reproduction.table(variants, outcomes, missing)
    text = reproduction.page(shown, outcomes, len(wanted), failed, missing)
    session.run.log_table(shown, "study")
    session.run.log_text(text, "study.md")
    session.run.describe(text)
    session.run.tag({OPENINGS: str(len(outcomes))})
    return Reproduced(shown, text, session.store, session.run.run_id, failed)


def _tested(session: Session, record: TrialRecord, dataset: Dataset) -> Scores:
    """Return a training's scores on its test part, which is read once."""
    from mineralsweep.registry import tested

    evidence, is_new = tested(session.store, record, dataset)
    if is_new:
        session.run.log_test(evidence.scores(), "test part", record.run_id)
    return evidence.scores()
