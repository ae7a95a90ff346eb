"""The exception tree.

::

    MineralsweepError                what the command line turns into a message and an exit code
    ├── InputError                   the user can mend it: exit code 2
    │   ├── ConfigError              a flag or a sweep file
    │   ├── DataError                a folder of photographs
    │   │   └── UnusableImage        one file, or one row of a request
    │   ├── ArchitectureError        an architecture and its hyperparameters or image size
    │   ├── WeightsUnavailable       pretrained weights neither cached nor reachable
    │   ├── StudyConflict            a study name that is taken by a different question
    │   └── UntrustedModel           a model's file that holds what no model of ours does
    └── RunError                     the work itself failed: exit code 1
        ├── TrainingDiverged         the loss is no longer a finite number
        ├── StoreAway                MLflow did not come back; the results wait on disk
        ├── StoreRefused             MLflow refused what it was given; the results wait on disk
        └── SweepFailed              no trial could be completed
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class MineralsweepError(Exception):
    """Base of every error that the package raises on purpose."""

    exit_code = 1


class InputError(MineralsweepError):
    """Something the user gave is wrong, and the user can mend it."""

    exit_code = 2


class ConfigError(InputError):
    """A flag or an entry of a sweep file breaks a rule."""


class DataError(InputError):
    """A folder of photographs can't be used as asked."""


class UnusableImage(DataError):
    """One image can't be decoded; the message is the reason alone.

    Attributes:
        photograph: whether somebody may miss it; a video or a sidecar file is missed by nobody.
    """

    def __init__(self, reason: str, photograph: bool = True) -> None:
        super().__init__(reason)
        self.photograph = photograph


class ArchitectureError(InputError):
    """An architecture was asked for something that it can't do."""


class WeightsUnavailable(InputError):
    """Pretrained weights are neither on this machine nor reachable."""


class StudyConflict(InputError):
    """A study of this name exists and asks another question."""


class UntrustedModel(InputError):
    """A model's file names types, sizes or links that no model of this package has."""


class RunError(MineralsweepError):
    """The work was well described and failed all the same."""


class TrainingDiverged(RunError):
    """The loss became NaN or infinite."""


class StoreAway(RunError):
    """The tracking store did not answer until the end; all results wait on disk."""


class StoreRefused(RunError):
    """The tracking store refused something, and would again; all results wait on disk."""


class SweepFailed(RunError):
    """A sweep ended without one completed trial."""


def did_you_mean(value: str, known: Iterable[str]) -> str:
    """Return `"; did you mean 'x'?"` for a near match, else the list of known names."""
    names = sorted(known)
    close = difflib.get_close_matches(str(value), names, n=1, cutoff=0.6)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; known: {', '.join(names)}"
