"""After a sweep: its best trial is tested once, registered, and put before the gate."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from mlflow.exceptions import MlflowException

from mineralsweep.config import Gate
from mineralsweep.core.record import BASELINE, TrialRecord
from mineralsweep.data.catalog import Catalog
from mineralsweep.data.dataset import Dataset
from mineralsweep.errors import InputError
from mineralsweep.evaluation import Scores
from mineralsweep.registry import packaging
from mineralsweep.registry.candidate import examine, test_tags
from mineralsweep.registry.card import card
from mineralsweep.registry.decision import Decision
from mineralsweep.registry.evidence import Evidence, ask, digest_of_split
from mineralsweep.registry.files import downloaded, fetched, fingerprint, open_folder
from mineralsweep.registry.promotion import Answers, decide
from mineralsweep.registry.versions import Versions, uri_of
from mineralsweep.search.refit import Refit
from mineralsweep.tracking import Store, StudyRun
from mineralsweep.tracking.client import may_pass
from mineralsweep.tracking.store import TEST_DIGEST


@dataclass(frozen=True)
class Crowned:
    """A sweep's best trial, tested and registered; the decision says whether it is champion.

    Attributes:
        record: its trial.
        scores: on the test split.
        version: in the registry.
        openings: how often the test split has been opened, over all studies in the store.
        decision: of the gate.
        refit: what was trained once more, or why not; "": it was not asked for.
    """

    record: TrialRecord
    scores: Scores
    version: str
    openings: int
    decision: Decision
    refit: str = ""

    def to_json(self) -> str:
        """Return text that `from_json` reads."""
        return json.dumps(
            {
                "record": self.record.to_dict(),
                "scores": self.scores.to_dict(),
                "version": self.version,
                "openings": self.openings,
                "decision": self.decision.to_json(),
                "refit": self.refit,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` gave.

        Raises:
            ValueError, KeyError: it is another release's.
        """
        data = json.loads(text)
        return cls(
            record=TrialRecord.from_dict(data["record"]),
            scores=Scores.from_dict(data["scores"]),
            version=data["version"],
            openings=data["openings"],
            decision=Decision.from_json(data["decision"]),
            refit=data.get("refit", ""),
        )


def crown(
    store: Store,
    run: StudyRun,
    record: TrialRecord,
    dataset: Dataset,
    study: str,
    rules: Gate | None = None,
    rule: str = "",
    refit: Refit | None = None,
) -> Crowned:
    """Open the test split once for the best trial, register its model, and ask the gate.

    A session that was killed in here is taken up where it was: answers that were kept are not
    asked for again, a version that was made is found, a decision that was taken stands.

    Args:
        store: where models are.
        run: the sweep's run; takes the test scores.
        record: the best trial by validation.
        dataset: its test split is used.
        study: the study's name, for the version's tags.
        rules: of the gate; None: the defaults.
        rule: by which the trial was chosen where it is not simply the best; for the model card.
        refit: of the trial; its network is registered, where there is one.
    """
    rules = rules or Gate()
    versions = Versions(store, rules.model)
    assert record.model_id is not None  # complete trials have logged one
    served = record.model_id
    if not versions.of_model(served):  # an earlier release registered the trial's own
        network = None if refit is None else refit.network
        served = packaging.ensure(store, record.run_id, served, dataset, record.folds, network)
    with downloaded(f"models:/{served}") as folder:
        files = fingerprint(folder)  # before it is loaded, which writes compiled code
        test = digest_of_split(dataset)
        evidence = versions.kept_evidence(record.run_id, test)
        if evidence is None or (evidence.model or record.model_id) != served:
            evidence = examine(versions, record.run_id, folder, dataset, run.run_id)
    scores, openings = evidence.scores(), store.openings(test)
    words = refit.words if refit else ""
    run.log_test(scores, f"test split, {record.title()}")
    tags = {**_tags(record, scores, study), **files, TEST_DIGEST: test}
    version = versions.register(
        record.run_id, served, card(record, evidence, dataset, openings, rule, words), tags
    )
    decision = decide(versions, version, evidence, rules, answers_from(versions, dataset.catalog))
    run.tag({"mineralsweep.version": version, "mineralsweep.verdict": decision.verdict})
    return Crowned(record, scores, version, openings, decision, words)


def tested(store: Store, record: TrialRecord, dataset: Dataset) -> tuple[Evidence, bool]:
    """Return a trial's answers on a test split, which is read once, and whether it was read now."""
    versions, test = Versions(store), digest_of_split(dataset)
    evidence = versions.kept_evidence(record.run_id, test)
    if evidence is not None:
        return evidence, False
    with downloaded(f"models:/{record.model_id}") as folder:
        return examine(versions, record.run_id, folder, dataset), True


def answers_from(versions: Versions, catalog: Catalog) -> Answers:
    """Return a way to ask a registered version about the images of a catalogue."""
    by_digest = {image.digest: image for image in catalog.images}

    def answers(version: str, images: Sequence[str]) -> Mapping[str, str]:
        at_hand = [by_digest[image] for image in images if image in by_digest]
        try:
            with fetched(uri_of(versions.name, version)) as folder:
                found = ask(open_folder(folder).predict, at_hand, catalog.classes)
        except InputError as error:
            cause = error.__cause__
            if cause is not None and may_pass(cause) and "404 Client Error" not in str(cause):
                raise cause from None  # the store is away: nothing is decided by that
            raise  # absent or changed files, other classes: it can't be asked
        except (ValueError, TypeError, MlflowException):
            return {}  # another release's, whose code does not run with these libraries
        names = [catalog.classes[column] for column in found.argmax(axis=1)]
        return dict(zip((image.digest for image in at_hand), names, strict=True))

    return answers


def _tags(record: TrialRecord, scores: Scores, study: str) -> dict[str, str]:
    return {
        "mineralsweep.study": study,
        "mineralsweep.trial": "baseline" if record.number == BASELINE else str(record.number),
        "validation_accuracy": str(record.interval()),
        **test_tags(scores),
    }
