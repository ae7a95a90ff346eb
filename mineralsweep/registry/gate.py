"""The gate: may a challenger take the alias champion? Rules and evidence in, a ruling out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from mineralsweep.config import Gate
from mineralsweep.evaluation import Paired, compare
from mineralsweep.evaluation.paired import difference_interval, images_needed
from mineralsweep.registry.evidence import Evidence

Basis = Literal[
    "minimums",  # an absolute rule is broken: nothing else is looked at
    "no champion",  # nobody to compare with
    "drawn sample",  # one of the two knows drawn minerals only
    "paired test",
    "not comparable",
]
MB = 1_000_000


@dataclass(frozen=True)
class Ruling:
    """What the gate says.

    Attributes:
        takes: whether the challenger takes the alias.
        basis: what it was decided by.
        why: for people, in sentences.
        paired: the comparison, None where there was none.
    """

    takes: bool
    basis: Basis
    why: str
    paired: Paired | None = None


def fair_images(challenger: Evidence, standing: Evidence) -> list[str]:
    """Return the challenger's test images that neither of the two has learned from.

    A near-duplicate of an image that one of them learned from is no fair one either.
    """
    pairs = list(zip(challenger.images, challenger.groups, strict=True))
    learned = challenger.learned.keys() | standing.learned.keys()
    known = {group for image, group in pairs if image in learned}
    return [image for image, group in pairs if group not in known]


def one_a_group(challenger: Evidence, images: Sequence[str]) -> list[str]:
    """Return the first of each group of near-duplicates: the tests take images for independent."""
    groups = dict(zip(challenger.images, challenger.groups, strict=True))
    first_of: dict[int, str] = {}
    for image in images:
        first_of.setdefault(groups[image], image)
    return list(first_of.values())


def rule(
    challenger: Evidence,
    standing: Evidence | None,
    rules: Gate,
    answers: Mapping[str, str] | None = None,
    name: str = "the champion",
    missing: str = "",
) -> Ruling:
    """Judge a challenger against a standing champion.

    Args:
        challenger: its evidence.
        standing: the champion's; None where it left none.
        rules: of the sweep file.
        answers: classes that the champion predicted, by image digest, beside those in its
            evidence.
        name: of the champion, for the sentences.
        missing: why answers of the champion are not at hand, "" where none are missed.
    """
    broken = broken_minimums(challenger, rules)
    others = [] if standing is None else _other_classes(challenger, standing, name)
    if broken:
        return Ruling(False, "minimums", " ".join([*broken, *others]))
    if standing is None:
        why = f"{name} left no answers of its own to compare with{_because(missing)}."
        return Ruling(False, "not comparable", why)
    if standing.drawn and not challenger.drawn:
        why = f"{name} knows the drawn sample only: it gives way to a model of photographs."
        return Ruling(True, "drawn sample", why)
    if challenger.drawn and not standing.drawn:
        why = f"It knows the drawn sample only, and {name} knows photographs ({standing.source})."
        return Ruling(False, "drawn sample", why)
    if others:
        return Ruling(False, "not comparable", " ".join(others))
    return _by_test(challenger, standing, rules, answers or {}, name, missing)


def _other_classes(challenger: Evidence, standing: Evidence, name: str) -> list[str]:
    """Return a sentence where the two know other classes: what the comparison lacks."""
    own, theirs = set(challenger.classes), set(standing.classes)
    if own == theirs or challenger.drawn != standing.drawn:
        return []
    lacks = [
        f"{who} has no answer for {', '.join(sorted(unknown))}"
        for who, unknown in ((name, own - theirs), ("it", theirs - own))
        if unknown
    ]
    return [
        f"It knows the classes {', '.join(challenger.classes)}, and {name} knows"
        f" {', '.join(standing.classes)}: they can't be compared, for {' and '.join(lacks)}."
    ]


def _because(missing: str) -> str:
    return f": {missing}" if missing else ""


def first(challenger: Evidence, rules: Gate) -> Ruling:
    """Judge a challenger where there is no champion: by the absolute minimums alone."""
    broken = broken_minimums(challenger, rules)
    if broken:
        return Ruling(False, "minimums", " ".join(broken))
    return Ruling(True, "no champion", "There was no champion, and it meets every minimum.")


def broken_minimums(challenger: Evidence, rules: Gate) -> list[str]:
    """Return a sentence for each absolute rule that a model breaks."""
    scores = challenger.scores()
    broken = []
    if scores.accuracy.value < rules.min_accuracy:
        broken.append(
            f"Its test accuracy {scores.accuracy} is below gate.min_accuracy"
            f" {rules.min_accuracy:g}."
        )
    broken += [
        f"Its recall of {name}, {recall}, is below gate.min_recall {rules.min_recall:g}."
        for name, recall in scores.recall.items()
        if recall.value < rules.min_recall
    ]
    blind = scores.never_found()
    if rules.find_every_class and blind:
        broken.append(
            f"It never finds {', '.join(blind)} on the test split, which gate.find_every_class"
            " refuses; set it to false where one class may be missed."
        )
    apart = challenger.calibration()
    if apart.error > rules.max_calibration_error:
        broken.append(
            f"Its expected calibration error {apart} is above gate.max_calibration_error"
            f" {rules.max_calibration_error:g}."
        )
    alarms = challenger.false_alarms()
    if alarms is not None and alarms.value > rules.max_false_alarms:
        broken.append(
            f"It calls {alarms} of the test images unlike the training, more than"
            f" gate.max_false_alarms {rules.max_false_alarms:g}."
        )
    if challenger.latency_ms > rules.max_latency_ms:
        broken.append(
            f"It takes {challenger.latency_ms:.0f} ms an image, more than gate.max_latency_ms"
            f" {rules.max_latency_ms:g}."
        )
    if challenger.size_bytes > rules.max_size_mb * MB:
        broken.append(
            f"Its files are {challenger.size_bytes / MB:.1f} MB, more than gate.max_size_mb"
            f" {rules.max_size_mb:g}."
        )
    return broken


def _by_test(
    challenger: Evidence,
    standing: Evidence,
    rules: Gate,
    answers: Mapping[str, str],
    name: str,
    missing: str,
) -> Ruling:
    """Compare the two on the images that neither has learned from."""
    known = {**answers, **standing.answers()}
    fair = [image for image in fair_images(challenger, standing) if image in known]
    if not fair:
        why = (
            f"{name} was tested on other images, and has answered none of this test split that"
            f" it did not learn from: the two can't be compared{_because(missing)}."
        )
        return Ruling(False, "not comparable", why)
    alone = one_a_group(challenger, fair)
    truth, own = challenger.truth(), challenger.answers()
    paired = compare(
        [known[image] == truth[image] for image in alone],
        [own[image] == truth[image] for image in alone],
    )
    better = paired.p <= rules.alpha and _low(paired, rules.alpha) > rules.min_difference
    left_out = _left_out(len(challenger.images) - len(fair), len(fair) - len(alone), name)
    why = f"Against {name}: {paired}.{left_out} {_verdict(paired, rules, better)}"
    return Ruling(better, "paired test", why, paired)


def _left_out(unfair: int, duplicates: int, name: str) -> str:
    """Say how many test images were not compared, "" where all were."""
    words = ""
    if unfair:
        words += (
            f" {unfair} test images are left out: one of the two has learned from them or from a"
            f" near-duplicate, or {name} never saw them."
        )
    if duplicates:
        words += (
            f" Near-duplicates count once: {duplicates} more are left out, and one image of each"
            " group is compared."
        )
    return words


def _low(paired: Paired, alpha: float) -> float:
    return difference_interval(paired.gained, paired.lost, paired.n, 1 - alpha)[0]


def _verdict(paired: Paired, rules: Gate, better: bool) -> str:
    if better:
        return "So it is shown to be better."
    if paired.gained <= paired.lost:
        return "It is not ahead."
    if paired.p <= rules.alpha and rules.min_difference:
        least = f"gate.min_difference {rules.min_difference:g}"
        return f"It is ahead, but not surely by more than {least}."
    needed = images_needed(paired, rules.alpha)
    assert needed is not None  # it is ahead
    return (
        "It is ahead, but that may be luck. To show a difference like this one, about"
        f" {needed[1]} test images are needed."
    )
