"""The smaller sections of a sweep file: data, budget, stop, training, faults, gate."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from mineralsweep.core.recipe import FIXED, Flips, Schedule
from mineralsweep.data.settings import COLUMNS, SHARES, DataSettings, GroupRule
from mineralsweep.data.split import parse_shares
from mineralsweep.errors import ConfigError


class Strict(BaseModel):
    """Frozen; no unknown keys, and no text for a number."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Misplaced(ValueError):
    """Carries the name of the entry that broke a rule found by its parent."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


def as_tuple(value: Any) -> Any:
    """Return YAML's list as a tuple, and anything else as it is."""
    return tuple(value) if isinstance(value, list) else value


def _group_rule(value: Any) -> Any:
    """Refuse what names no groups."""
    if value in (None, "folder", "name"):
        return value
    [(by, text), *more] = value.items() if isinstance(value, dict) and value else [("", "")]
    if more or by not in ("pattern", "column") or not isinstance(text, str) or not text:
        raise ValueError(
            "must be folder, name, {pattern: REGULAR EXPRESSION} or {column: NAME}, got"
            f" {value}"
        )
    if by == "pattern":
        try:
            re.compile(text)
        except re.error as error:
            raise ValueError(f"pattern {text} is no regular expression: {error}") from None
    return value


def _column_names(value: Any) -> Any:
    """Refuse what names no columns."""
    known = isinstance(value, dict) and all(
        key in COLUMNS and isinstance(name, str) and name for key, name in value.items()
    )
    if not known:
        raise ValueError(
            f"must map some of {', '.join(COLUMNS)} to a table's own names of these, as in"
            f" {{file: photo, label: mineral}}, got {value}"
        )
    return value


class Data(Strict):
    """Where the photographs come from, and how they are divided: see `data.settings`."""

    source: str = Field(default="sample", min_length=1)
    split: str = SHARES
    split_seed: int = Field(default=0, ge=0)
    redivide: bool = False
    classes: Annotated[tuple[str, ...] | None, BeforeValidator(as_tuple)] = None
    min_images: int = Field(default=0, ge=0)
    near_duplicates: Literal["group", "ignore"] = "group"
    groups: Annotated[Any, BeforeValidator(_group_rule)] = None
    columns: Annotated[dict[str, str], BeforeValidator(_column_names)] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _shares_add_up(self) -> Self:
        try:
            if self.split not in ("folders", "column"):
                parse_shares(self.split)
        except ConfigError as error:
            raise Misplaced("split", str(error)) from None
        return self

    def settings(self) -> DataSettings:
        """Return them as plain data."""
        rule = None
        if isinstance(self.groups, dict):
            [(by, value)] = self.groups.items()
            rule = GroupRule(by, value)
        elif self.groups is not None:
            rule = GroupRule(self.groups)
        return DataSettings(**{**vars(self), "groups": rule})


class Budget(Strict):
    """When to stop. `timeout` is in seconds; `patience` in epochs without a lower loss, 0: off."""

    trials: int = Field(default=20, ge=1, le=100_000)
    epochs: int = Field(default=30, ge=1, le=10_000)
    patience: int = Field(default=0, ge=0)
    timeout: float | None = Field(default=None, gt=0)


class Training(Strict):
    """How a trial trains, whatever its hyperparameters.

    Attributes:
        precision: "auto" is bfloat16 where the processor or GPU has it, else float32.
        views: augmented views of each training image under a frozen trunk, kept in the store
            of activations; an epoch draws one of them. 0: no store, a new view through the whole
            network each epoch.
        head_epochs: the first epochs train the head alone, before layers of the trunk join it.
        schedule, warmup, balance, average_weights, flips: see `core.recipe.Recipe`; None: the
            architecture's own.
    """

    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    views: int = Field(default=4, ge=0, le=1000)
    head_epochs: int = Field(default=0, ge=0, le=10_000)
    schedule: Schedule | None = None
    warmup: int | None = Field(default=None, ge=0, le=10_000)
    balance: float | None = Field(default=None, ge=0, le=1)
    average_weights: float | None = Field(default=None, ge=0, lt=1)
    flips: Flips | None = None

    def recipe_changes(self) -> dict[str, float | int | str | None]:
        """Return the options of a recipe that are fixed for the whole sweep, None: not given."""
        return {name: getattr(self, name) for name in FIXED}


GIB = re.compile(r"(\d+(?:\.\d+)?) ?(GiB|MiB)")


def _bytes(value: Any) -> Any:
    """Read 4GiB or 500MiB."""
    found = GIB.fullmatch(value) if isinstance(value, str) else None
    if value is None or type(value) is int:
        return value
    if found is None:
        raise ValueError(f"must be a size such as 4GiB or 500MiB, got {value!r}")
    return int(float(found[1]) * (2**30 if found[2] == "GiB" else 2**20))


class Resources(Strict):
    """What a trial, or one of its folds, gets of a machine.

    Attributes:
        cpus: threads; None: as suits the executor.
        gpus: GPUs, or a part of one; None: one where the machine has some, else none.
        memory: in bytes, written as 4GiB: that a cluster's node must have for it; None: not asked.
    """

    cpus: int | None = Field(default=None, ge=1, le=1024)
    gpus: float | None = Field(default=None, ge=0, le=64)
    memory: Annotated[int | None, BeforeValidator(_bytes), Field(ge=2**20)] = None


ANY = Resources()


class Faults(Strict):
    """What becomes of a trial that fails.

    Attributes:
        retries: how often a trial is tried again after a fault that may pass: its process died,
            or memory ran out (then with half the batch).
        max_consecutive_failures: so many failed trials one after the other stop the sweep.
        trial_timeout: seconds that one trial may take, from its start; None: no limit.
        silence_timeout: seconds after which a trial that reports nothing, no epoch and no view, is
            ended as failed: it hangs. None: never.
        checkpoint_every: seconds of training that may be lost when the sweep is stopped; at the end
            of the next epoch a trial's state is written to disk.
        store_timeout: seconds that a sweep that is done waits for an MLflow that does not answer.
    """

    retries: int = Field(default=1, ge=0, le=10)
    max_consecutive_failures: int = Field(default=3, ge=1)
    trial_timeout: float | None = Field(default=None, gt=0)
    silence_timeout: float | None = Field(default=3600.0, gt=0)
    checkpoint_every: float = Field(default=30.0, ge=0)
    store_timeout: float = Field(default=600.0, ge=0)


class Stop(Strict):
    """Rules that start no further trial; those that run go on to their end.

    Attributes:
        goal: of the objective: at least so much where it is maximized, at most where minimized.
        no_progress: so many trials in a row without a better one.
        cost: seconds of training, summed over the trials.
    """

    goal: float | None = Field(default=None, allow_inf_nan=False)
    no_progress: int | None = Field(default=None, ge=1)
    cost: float | None = Field(default=None, gt=0)


class Gate(Strict):
    """Which registered model a sweep's best trial joins, and when it takes the alias champion.

    Attributes:
        model: the registered model's name; one a collection.
        alpha: of the exact McNemar test against the standing champion, two-sided; the interval
            of the difference has the same confidence.
        min_difference: the whole interval of the paired difference must lie above it.
        min_accuracy: on the test split, in [0, 1].
        min_recall: of every class, on the test split, in [0, 1].
        find_every_class: refuses a model that never finds one of its classes on the test split.
        max_calibration_error: expected calibration error on the test split, in [0, 1].
        max_false_alarms: share of the test images that may be called unlike the training; what is
            aimed at is 0.05.
        max_latency_ms: milliseconds an image, through the model as it is served.
        max_size_mb: of the model's files, in 1,000,000 bytes.
    """

    model: str = Field(default="mineral-classifier", pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}$")
    alpha: float = Field(default=0.05, gt=0, le=0.5)
    min_difference: float = Field(default=0.0, ge=0, lt=1)
    min_accuracy: float = Field(default=0.0, ge=0, le=1)
    min_recall: float = Field(default=0.0, ge=0, le=1)
    find_every_class: bool = True
    max_calibration_error: float = Field(default=1.0, ge=0, le=1)
    max_false_alarms: float = Field(default=0.5, ge=0, le=1)
    max_latency_ms: float = Field(default=5000.0, gt=0)
    max_size_mb: float = Field(default=1000.0, gt=0)
