"""The model card of a registered version: what MLflow's page shows of it (Mitchell et al. 2019)."""

from __future__ import annotations

from collections.abc import Sequence

from mineralsweep.core import objective as objectives
from mineralsweep.core.record import TrialRecord
from mineralsweep.data.dataset import Dataset
from mineralsweep.evaluation import Proportion, Scores
from mineralsweep.registry.decision import times
from mineralsweep.registry.evidence import Evidence
from mineralsweep.registry.gate import MB

SHOWN_CLASSES = (25, 20, 12, 6, 3, 1)
"""So many classes, those of lowest recall, are named; the first number with which it fits."""
LONGEST = 3500
"""Characters. Beside it stands what the gate said."""


def card(
    record: TrialRecord, evidence: Evidence, dataset: Dataset, openings: int, rule: str = "",
    refit: str = "",
) -> str:  # fmt: skip
    """Return the Markdown of a version, at most 3,500 characters.

    Args:
        record: its trial.
        evidence: its answers on the test split, its speed and its size.
        dataset: that it was trained and tested on.
        openings: of the test split, over all studies.
        rule: by which it was chosen where it is not simply the best; "": it is.
        refit: what was trained once more, or why not; "": it was not asked for.
    """
    chosen = f"{_rule(record, rule)} {record.interval()}. The test split chose nothing."
    if refit:
        chosen += f" Then it was {refit}."
    texts = [_card(record, evidence, dataset, openings, chosen, one) for one in SHOWN_CLASSES]
    return next((text for text in texts if len(text) <= LONGEST), texts[-1])[:LONGEST]


def _card(
    record: TrialRecord,
    evidence: Evidence,
    dataset: Dataset,
    openings: int,
    chosen: str,
    shown: int,
) -> str:
    scores = evidence.scores()
    macro_f1 = objectives.get("macro_f1").shown(scores)
    stale = " Each look makes the score less fresh." if openings > 1 else ""
    sections = (
        f"**{record.params['architecture']}**, {record.title()} of a sweep.",
        f"## What it is for\n\n{_purpose(dataset, shown)}",
        f"## Data\n\n{_data(dataset, shown)}",
        f"## How it was chosen\n\n{chosen}",
        f"## Scores on the test split, opened {times(openings)}\n\nAccuracy **{scores.accuracy}**"
        f" (95 % interval), macro F1 {macro_f1}, loss {scores.loss:.3f}."
        f"{stale}\n\n{_recalls(scores, shown)}",
        f"## Confidence\n\n{_confidence(evidence)}",
        f"## Limits\n\n{_limits(scores, evidence.false_alarms(), shown)}",
        "## How to call it\n\nOne column `image` with the bytes of an image file (JPEG, PNG, GIF,"
        " WebP, TIFF, BMP), or the same in base64. The answer: `label`, `confidence`,"
        " `probabilities`, `verdict`, `novelty`. About"
        f" {evidence.latency_ms:.0f} ms an image where it was measured;"
        f" {evidence.size_bytes / MB:.1f} MB.\n\n    mineralsweep predict PHOTO.jpg",
        "## Licence\n\nUnknown: nobody has told this toolkit the licence of the photographs, and so"
        " of a model made from them. Find out before you publish either.",
    )
    return "\n\n".join(sections)


def _rule(record: TrialRecord, rule: str) -> str:
    if rule:
        return f"{rule[0].upper()}{rule[1:]}. Its accuracy by {_judged(record)}"
    return f"The best of its sweep by {_judged(record)}: accuracy"


def _purpose(dataset: Dataset, shown: int) -> str:
    drawn = " It has seen drawn images alone: it knows no photograph." * (
        dataset.source == "sample"
    )
    return (
        f"Names the class of one image, out of {len(dataset.classes)}: "
        f"{_names(dataset.classes, shown)}. For images like those of its data; not for"
        f" decisions that nobody checks.{drawn}"
    )


def _data(dataset: Dataset, shown: int) -> str:
    if len(dataset.classes) <= shown:
        described = dataset.describe()
    else:
        parts = dataset.split
        described = (
            f"{dataset.name}: {len(dataset.catalog.images)} images; train {len(parts.train)},"
            f" validation {len(parts.validation)}, test {len(parts.test)}"
        )
    together = " Near-duplicates stand on one side of the split." * bool(dataset.duplicates())
    return f"{described}. SHA-256 {dataset.catalog.digest[:16]}.{together}"


def _judged(record: TrialRecord) -> str:
    if record.folds == 1:
        return "its validation split"
    return "cross-validation over all images but those of the test split"


def _recalls(scores: Scores, most: int) -> str:
    lowest = sorted(scores.recall.items(), key=lambda item: item[1].value)[:most]
    shown = [(name, recall) for name, recall in scores.recall.items() if (name, recall) in lowest]
    rows = "\n".join(f"| {name} | {recall} |" for name, recall in shown)
    left = len(scores.recall) - len(shown)
    more = f"\n\n{left} classes of higher recall are left out." if left else ""
    return f"| class | recall [95 % interval], n |\n| --- | --- |\n{rows}{more}"


def _confidence(evidence: Evidence) -> str:
    found, before = evidence.calibration(), evidence.uncalibrated()
    verdict = (
        "no more than a perfectly calibrated model shows by chance"
        if found.error <= found.chance
        else "more than a perfectly calibrated model shows by chance: don't take it at its word"
    )
    told = f"Expected calibration error {found} (95 % bootstrap interval): {verdict}."
    if before is None:
        return told
    return (
        f"{told} Without the temperature {evidence.temperature:.2f}, which was fitted on held-out"
        f" images, it would be {before.error:.3f}."
    )


def _limits(scores: Scores, false_alarms: Proportion | None, shown: int) -> str:
    limits = [
        "- It names one of its classes for any image, also for one that shows none of them."
        if false_alarms is None
        else "- An image unlike those that it was trained on gets the verdict `unlike_training`;"
        f" {false_alarms} of the test images did. Another mineral may look like one of its"
        " classes all the same.",
        "- Its scores hold for images like those of its data: other cameras, lights and sources may"
        " do worse.",
    ]
    blind = scores.never_found()
    if blind:
        limits.append(f"- It recognised no test image of {_names(blind, shown)}.")
    few = [name for name, recall in scores.recall.items() if recall.n < 10]
    if few:
        limits.append(
            f"- Fewer than 10 test images of {_names(few, shown)}: their recall is a guess."
        )
    return "\n".join(limits)


def _names(names: Sequence[str], shown: int) -> str:
    more = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {more} more" if more > 0 else "")
