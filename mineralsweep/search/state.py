"""What a study knows of itself: one document in its folder, and where that folder is."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from mineralsweep import files, machine
from mineralsweep.config import Override, Sweep, build
from mineralsweep.core.record import TrialRecord
from mineralsweep.errors import ConfigError, StudyConflict, did_you_mean

HOME = "MINERALSWEEP_HOME"
FOLDER = ".mineralsweep"
FILE = "study.json"
VERSION = 1
"""Of the document."""
OF_BACKBONE = "backbone "
"""What the names of backbones begin with in `State.left_out`."""

Kind = Literal["sweep", "training", "reproduction"]


@dataclass
class State:
    """A study, as far as it is. Written as a whole whenever a field has changed: `save`.

    Attributes:
        study: its name.
        kind: `sweep`, `training` or `reproduction`.
        sweep: the settings as they were given, plain data: what this machine can't train included.
        config: the sweep file's path, "" without one.
        storage: the URL of the engine's database, without a password; "": the study's folder.
        question: what may not change while the study lives, by name.
        left_out: architectures that are not searched, and backbones (as "backbone vgg16"), with
            the reason.
        protocol: of a reproduction.
        run_id: of its run in MLflow, "" before there is one.
        store: where that run is, without a password.
        warm_start: the study that it was asked to learn from, "" without one.
        learned: which study the search learned from, "" without one.
        baseline: the baseline's record as plain data; None while there is none.
        champion: what was crowned, as `registry.Crowned.to_json` gave it; "" before.
        excluded: trials that count no more: number -> why.
        in_test: digests of images that the split keeps in the test part, for a champion was tested
            on them when the study began.
        ended: which rule ended the search, "" while it goes on.
    """

    study: str
    kind: Kind
    sweep: dict[str, Any]
    config: str = ""
    storage: str = ""
    question: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    protocol: dict[str, Any] = field(default_factory=dict)
    run_id: str = ""
    store: str = ""
    warm_start: str = ""
    learned: str = ""
    baseline: dict[str, Any] | None = None
    champion: str = ""
    excluded: dict[str, str] = field(default_factory=dict)
    in_test: list[str] = field(default_factory=list)
    ended: str = ""

    @classmethod
    def read(cls, study: str) -> Self:
        """Return the state of a study that was begun here.

        Raises:
            ConfigError: there is none of this name, or it can't be read.
        """
        path = folder_of(study) / FILE
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            if data.pop("version") != VERSION:
                raise ValueError("it was written by another release")
            return cls(**data)
        except FileNotFoundError:
            names = [one.parent.name for one in path.parent.parent.glob(f"*/{FILE}")]
            hint = did_you_mean(study, names) if names else f"; none was begun in {home()}"
            raise ConfigError(f"STUDY: no study '{study}'{hint}") from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(
                f"{path}: can't be read ({error}); take a new name: --study NAME"
            ) from None

    @property
    def folder(self) -> Path:
        """The study's folder."""
        return folder_of(self.study)

    def save(self) -> None:
        """Write the document over the earlier one.

        Raises:
            OSError: the disk takes no more; the earlier one stays.
        """
        text = json.dumps({"version": VERSION, **asdict(self)}, indent=1)
        files.write_atomically(
            self.folder / FILE, lambda path: path.write_text(text, encoding="utf-8")
        )

    def settings(self, overrides: list[Override] | None = None) -> Sweep:
        """Return the study's settings as they were given, with flags laid over them.

        Raises:
            ConfigError: a flag, or an entry of another release, breaks a rule.
        """
        return build(self.sweep, str(self.folder / FILE), overrides or [])

    def searched(self, sweep: Sweep) -> Sweep:
        """Return settings without the architectures and backbones that are left out.

        Raises:
            StudyConflict: they are others than the study was begun with, and nothing is left.
        """
        space = sweep.space
        for name, reason in self.left_out.items():
            try:
                if name.startswith(OF_BACKBONE):
                    space = space.without_backbone(name.removeprefix(OF_BACKBONE))
                else:
                    space = space.without(name)
            except ValueError as error:
                raise StudyConflict(
                    f"study '{self.study}' exists, and left out {name} ({reason}); now {error}."
                    " Take a new name: --study NAME"
                ) from None
        return sweep.model_copy(update={"space": space})

    def check(self, question: Mapping[str, str], storage: str) -> None:
        """Hold a new start to what the study was begun with.

        Raises:
            StudyConflict: they differ; the message names what changed.
        """
        place, other = self.storage or "its folder", storage or "its folder"
        if place != other:
            raise StudyConflict(
                f"study '{self.study}' is stored in {place}, not in {other}; set"
                " MINERALSWEEP_STORAGE to where it was begun (or unset it), or take a new name:"
                " --study NAME"
            )
        changes = [
            f"  {name}: was {self.question.get(name, 'not there')},"
            f" is {question.get(name, 'not there')}"
            for name in sorted(self.question.keys() | question.keys())
            if self.question.get(name) != question.get(name)
        ]
        if changes:
            raise StudyConflict(
                f"study '{self.study}' exists and asks another question:\n"
                + "\n".join(changes)
                + "\nundo the change, or take a new name: --study NAME; with --warm-start"
                f" {self.study} the new one learns from this one"
            )

    def baseline_record(self) -> TrialRecord | None:
        """Return how the baseline ended, None while it has not."""
        return None if self.baseline is None else TrialRecord.from_dict(self.baseline)

    def with_baseline(self, records: list[TrialRecord], sweep: Sweep) -> list[TrialRecord]:
        """Return the search's records and the baseline's, where there is one and it is wanted."""
        baseline = self.baseline_record()
        return records if baseline is None or sweep.baseline == "none" else [*records, baseline]

    def counted(self, records: list[TrialRecord]) -> list[TrialRecord]:
        """Return the records that are not excluded."""
        return [record for record in records if str(record.number) not in self.excluded]


def exists(study: str) -> bool:
    """Say whether a study was begun here."""
    return (folder_of(study) / FILE).exists()


def home() -> Path:
    """Return where studies are: MINERALSWEEP_HOME, else .mineralsweep where the command was typed.

    `mlflow run` works in the project's folder, and for a git address in a clone that is thrown
    away: the studies stay where `mlflow run` was typed.
    """
    chosen = os.environ.get(HOME)
    return Path(chosen).expanduser() if chosen else machine.typed_in() / FOLDER


def folder_of(study: str) -> Path:
    """Return a study's folder.

    Raises:
        ConfigError: the name would make a strange path.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", study):
        raise ConfigError(
            f"--study: may hold letters, digits, '.', '_' and '-', at most 100, got '{study}'"
        )
    if files.is_reserved(study):
        raise ConfigError(f"--study: Windows keeps '{study}' for a device; take another name")
    return home() / "studies" / study
