"""The contract of an engine: it proposes trials, watches them, and remembers how they ended."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol, Self

from mineralsweep.evaluation import Proportion, wilson
from mineralsweep.space import Params

State = Literal["COMPLETE", "PRUNED", "FAILED"]


@dataclass(frozen=True)
class Proposal:
    """A trial to run. Numbers count from 0 in a study."""

    number: int
    params: Params


@dataclass(frozen=True)
class TrialRecord:
    """How a trial ended: one line of the leaderboard.

    Attributes:
        value: of the objective's metric, for the weights kept; None for a failed trial.
        accuracy: on the validation split, in [0, 1]; None for a failed trial.
        loss: on the validation split, in nats; None for a failed trial.
        n: images in the validation split.
        run_id: MLflow's run of the trial; "" while MLflow may not have it yet. An engine is told of
            a trial once it is safe on disk; `SweepRun.located` fills both in afterwards.
        model_id: MLflow's logged model; None for a failed trial, and while it is not there yet.
        reason: why it was pruned or failed, or ended before its last epoch; "" if neither.
        seconds: wall time of the training.
    """

    number: int
    state: State
    params: Params
    value: float | None
    accuracy: float | None
    loss: float | None
    n: int
    best_epoch: int | None
    run_id: str
    model_id: str | None
    reason: str
    seconds: float

    def interval(self) -> Proportion:
        """Return the validation accuracy with its interval.

        Raises:
            ValueError: the trial failed and has none.
        """
        if self.accuracy is None:
            raise ValueError(f"trial {self.number} failed: it has no accuracy")
        return wilson(round(self.accuracy * self.n), self.n)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that JSON can hold."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Read what `to_dict` gave."""
        return cls(**data)


class Engine(Protocol):
    """Search over a space, with storage of its own that only one driver writes.

    An engine is opened on a study's name: a new one, or one that exists. A study that exists
    must ask the same question; see `fingerprint` of the constructors.
    """

    name: str

    def ask(self) -> Proposal | None:
        """Propose the next trial; None when every trial of a finite space was proposed."""

    def report(self, number: int, epoch: int, value: float) -> str | None:
        """Take a running trial's metric after an epoch (from 1); answer why to stop it, or None."""

    def tell(self, record: TrialRecord) -> None:
        """End a trial. A failed one gets no value: failure is never a score."""

    def records(self) -> list[TrialRecord]:
        """Return every ended trial of the study, earlier sessions' included, by number."""

    def notes(self) -> dict[str, str]:
        """Return the study's own notes (such as its parent run), as they were set."""

    def set_note(self, key: str, value: str) -> None:
        """Remember a note with the study."""

    def plots(self) -> dict[str, str]:
        """Return the library's own plots of the study: title -> an HTML fragment."""
