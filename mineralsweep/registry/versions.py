"""The versions of one registered model in MLflow: their aliases, evidence and decisions."""

from __future__ import annotations

import contextlib
import json
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

import mlflow
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from mineralsweep import files
from mineralsweep.errors import InputError
from mineralsweep.registry.decision import GATE, Decision, brief, tags_of, with_decisions
from mineralsweep.registry.evidence import Evidence
from mineralsweep.tracking import Store
from mineralsweep.tracking.locations import check, has_files, path_of, way_on
from mineralsweep.tracking.store import EXCLUDED, TEST_DIGEST, pages
from mineralsweep.tracking.trial_run import MODEL

NAME = "mineral-classifier"
"""The registered model, unless the sweep file names another: `gate.model`."""

CHAMPION = "champion"
PREVIOUS = "previous"
CHALLENGER = "challenger"
CHAMPION_URI = f"models:/{NAME}@{CHAMPION}"

DIGEST = "mineralsweep.files_sha256"
FILES = "mineralsweep.files"
HISTORY = f"{GATE}decision."
EMPTY = dict.fromkeys(("time", "verdict", "version", "against", "by", "note", "why"), "")
"""What a decision in short consists of."""

TAG_LENGTH = 4000
"""Of a tag's value; MLflow takes 5,000 characters."""
MISSING = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""What MLflow answers for an unknown version, name or alias; other errors are no answer."""


def uri_of(name: str, version: str) -> str:
    """Return the address that MLflow loads a version by."""
    return f"models:/{name}/{version}"


def option_for(name: str) -> str:
    """Return " --model NAME" for a command that is shown, "" for the default model."""
    return "" if name == NAME else f" --model {shlex.quote(name)}"


class Versions:
    """One registered model."""

    def __init__(self, store: Store, name: str = NAME) -> None:
        self.store = store
        self.name = name
        self._client = store.client

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes of this machine from deciding at the same time."""
        with files.one_at_a_time(f"registry {self.store.uri} {self.name}"):
            yield

    def register(self, run_id: str, model_id: str, card: str, tags: Mapping[str, str]) -> str:
        """Make a version of a logged model, or find the one that an earlier session made."""
        try:
            self._client.create_registered_model(self.name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        made_before = self.of_model(model_id)
        if made_before:
            return made_before
        source = self._client.get_logged_model(model_id).artifact_location
        made = self._client.create_model_version(
            self.name, source, run_id, {**tags, MODEL: model_id}, description=card,
            model_id=model_id,
        )  # fmt: skip
        return str(made.version)

    def of_model(self, model_id: str) -> str:
        """Return the version that was made of a logged model, "" where there is none."""
        made = (str(one.version) for one in self.every() if one.tags.get(MODEL) == model_id)
        return next(made, "")

    def every(self) -> list[ModelVersion]:
        """Return every version, the newest first."""
        wanted = f"name = '{self.name}'"
        found = pages(self._client.search_model_versions, wanted)
        return sorted(found, key=lambda one: int(one.version), reverse=True)

    def get(self, version: str) -> ModelVersion:
        """Return one version.

        Raises:
            InputError: there is none of this number.
        """
        try:
            return self._client.get_model_version(self.name, version)
        except MlflowException as error:
            if error.error_code not in MISSING:
                raise
            known = ", ".join(str(one.version) for one in self.every()) or "none"
            raise InputError(
                f"VERSION: {self.name} has no version {version}; it has: {known}"
            ) from None

    def holder(self, alias: str) -> str:
        """Return the version that has an alias, "" where none has it."""
        try:
            held = self._client.get_model_version_by_alias(self.name, alias)
        except MlflowException as error:
            if error.error_code not in MISSING:
                raise
            return ""
        return str(held.version)

    def give(self, alias: str, version: str) -> None:
        """Set an alias; where no version is named, take it away."""
        if version:
            self._client.set_registered_model_alias(self.name, alias, version)
        else:
            self._client.delete_registered_model_alias(self.name, alias)

    def tag(self, version: str, tags: Mapping[str, str]) -> None:
        """Set tags on a version."""
        for key, value in tags.items():
            self._client.set_model_version_tag(self.name, version, key, value[:TAG_LENGTH])

    def untag(self, version: str, key: str) -> None:
        """Remove a tag of a version, if it is there."""
        if key in self.get(version).tags:
            self._client.delete_model_version_tag(self.name, version, key)

    def keep_evidence(self, run_id: str, evidence: Evidence) -> None:
        """Keep a model's answers with its run."""
        self._client.log_text(run_id, evidence.to_json(), _evidence_file(evidence.digest))

    def kept_evidence(self, run_id: str, digest: str) -> Evidence | None:
        """Return a model's answers on the test split of this digest, None where there are none."""
        text = self._read(run_id, _evidence_file(digest))
        if text is None:
            return None
        try:
            evidence = Evidence.from_json(text)
        except (ValueError, KeyError, TypeError):
            return None
        return evidence if evidence.digest == digest else None

    def evidence(self, version: str) -> Evidence | None:
        """Return what a version was judged by, None where it left nothing."""
        held = self.get(version)
        digest = held.tags.get(TEST_DIGEST)
        return self.kept_evidence(held.run_id, digest) if held.run_id and digest else None

    def lost_evidence(self, version: str) -> str:
        """Say where a tested version's answers were looked for in vain.

        Returns:
            A sentence without its stop; "" where its run's files are there, or it was never tested.
        """
        held = self.get(version)
        if not held.run_id or TEST_DIGEST not in held.tags:
            return ""
        place = path_of(self._client.get_run(held.run_id).info.artifact_uri)
        if place is None or has_files(place):
            return ""
        return f"its answers on the test split are not in {place}; {way_on(place, self.store.uri)}"

    def split_of(self, version: str) -> dict[str, Any]:
        """Return how the split of a version's training was asked for: shares and seed."""
        run_id = self.get(version).run_id
        inputs = self._client.get_run(run_id).inputs if run_id else None
        try:
            [told, *_] = inputs.dataset_inputs if inputs else []
            return dict(json.loads(told.dataset.profile or "")["split"])
        except (ValueError, LookupError, TypeError):
            return {}

    def excluded(self, version: str) -> str:
        """Return why a version's trial was excluded; "" where it was not, or has no run."""
        run_id = self.get(version).run_id
        return self._client.get_run(run_id).data.tags.get(EXCLUDED, "") if run_id else ""

    def keep_record(self, decision: Decision) -> None:
        """Keep a decision's record with its version's run, before the aliases move.

        Raises:
            InputError: the run's files are not where they were.
        """
        held = self.get(decision.version)
        if held.run_id:
            check(self.store.where(held.run_id))
            folder = _record_folder(decision.version, 1 + _decisions(held))
            self._client.log_text(held.run_id, decision.to_json(), f"{folder}/promotion.json")
            self._client.log_text(held.run_id, decision.to_markdown(), f"{folder}/promotion.md")

    def note(self, decision: Decision) -> None:
        """Write a decision into its version's tags: it is taken."""
        held = self.get(decision.version)
        number = 1 + _decisions(held)
        tags = tags_of(decision)
        for key in [key for key, value in tags.items() if not value]:
            self.untag(decision.version, key)
            del tags[key]
        # The tags first: they are what counts, the description is for reading.
        self.tag(decision.version, {**tags, f"{HISTORY}{number:02d}": brief(decision)})
        self._describe(decision.version, held, decision)

    def _describe(self, version: str, held: ModelVersion, decision: Decision) -> None:
        """Write every decision under a version's description: it is what MLflow's page shows."""
        decisions = [*_told(held), json.loads(brief(decision))]
        told = with_decisions(held.description or "", decisions)
        self._client.update_model_version(self.name, version, told)

    def decision(self, version: str) -> Decision | None:
        """Return the last decision about a version, None where there is none."""
        held = self.get(version)
        return self._record(held, _decisions(held))

    def unnoted(self, version: str) -> Decision | None:
        """Return a decision whose session was killed before it was noted, None without one."""
        held = self.get(version)
        return self._record(held, 1 + _decisions(held))

    def _record(self, held: ModelVersion, number: int) -> Decision | None:
        if not number or not held.run_id:
            return None
        file = f"{_record_folder(str(held.version), number)}/promotion.json"
        text = self._read(held.run_id, file)
        return None if text is None else Decision.from_json(text)

    def history(self) -> list[dict[str, str]]:
        """Return every decision in short, the newest first; see `decision.brief`."""
        found = [one for version in self.every() for one in _told(version)]
        return sorted(found, key=lambda one: str(one["time"]), reverse=True)

    def _read(self, run_id: str, file: str) -> str | None:
        """Return a text artifact of a run, None where it or the run is not there.

        Where the store does not answer, nothing is known: that error is the caller's.
        """
        try:
            there = self._client.list_artifacts(run_id, file.rpartition("/")[0])
            if file not in {one.path for one in there}:
                return None
            return mlflow.artifacts.load_text(f"runs:/{run_id}/{file}")
        except MlflowException as error:
            if error.error_code not in MISSING:
                raise
            return None


def _evidence_file(digest: str) -> str:
    return f"gate/test-{digest[:16]}.json"


def _record_folder(version: str, number: int) -> str:
    return f"gate/version-{version}/decision-{number}"


def _decisions(held: ModelVersion) -> int:
    return sum(key.startswith(HISTORY) for key in held.tags)


def _told(held: ModelVersion) -> list[dict[str, str]]:
    """Return a version's decisions in short; what can't be read is left out."""
    found = []
    for key, text in held.tags.items():
        if key.startswith(HISTORY):
            with contextlib.suppress(ValueError, TypeError):
                found.append(
                    {name: str(value) for name, value in {**EMPTY, **json.loads(text)}.items()}
                )
    return found
