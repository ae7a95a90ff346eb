"""The champion: what it confuses, how well it is calibrated, its mistakes, what it rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mineralsweep.core import objective as objectives
from mineralsweep.data.decode import Pixels
from mineralsweep.evaluation import Scores
from mineralsweep.evaluation.calibration import calibration as measure
from mineralsweep.report import charts
from mineralsweep.report.evidence import Evidence, Predictions
from mineralsweep.report.explanations import (
    convolutions,
    drops,
    last_convolution,
    look,
    look_without,
)
from mineralsweep.report.page import heat, overlaid, thumbnail
from mineralsweep.serving import network
from mineralsweep.serving.ensemble import Classifier, Ensemble
from mineralsweep.serving.estimator import TextureClassifier
from mineralsweep.serving.network import Network
from mineralsweep.serving.probe import Probe

WRONG = 12
LOOKS = 3
"""Mistakes whose heat maps are shown."""
VIEWS = 7


def confusion(evidence: Evidence) -> dict[str, Any]:
    """Return what was taken for what, and each class's recall, on test and validation."""
    parts = {
        "test split": evidence.crowned.scores,
        evidence.part: evidence.validation_scores(),
    }
    figure = charts.recalls({part: scores.recall for part, scores in parts.items()})
    words = "; ".join(
        f"{part}: " + ", ".join(f"{name} {recall}" for name, recall in scores.recall.items())
        for part, scores in parts.items()
    )
    return {
        "classes": evidence.dataset.classes,
        "parts": [_part(part, scores) for part, scores in parts.items()],
        "figure": charts.inline(figure, "recalls", f"Recall with its interval. {words}"),
    }


def _part(name: str, scores: Scores) -> dict[str, Any]:
    totals = scores.confusion.sum(axis=1)
    share = scores.confusion / np.maximum(totals[:, None], 1)
    return {
        "name": name,
        "scores": scores,
        "macro_f1": objectives.get("macro_f1").shown(scores),
        "counts": scores.confusion.tolist(),
        "share": share.round(2).tolist(),
        "totals": totals.tolist(),
    }


def calibration(evidence: Evidence) -> dict[str, Any]:
    """Return accuracy over confidence, and the expected calibration error."""
    shown, part = evidence.test, "test split"
    if shown is None:
        shown, part = evidence.validation, evidence.part
    measured = measure(shown.probabilities, shown.labels)
    points = ", ".join(
        f"{one.confidence:.2f}: {one.accuracy.value:.2f} of {one.accuracy.n}"
        for one in measured.bins
    )
    alt = f"Accuracy over mean confidence, a point a bin: {points}."
    return {
        "part": part,
        "measured": measured,
        "before": evidence.answers and evidence.answers.uncalibrated(),
        "temperature": evidence.answers.temperature if evidence.answers else 1.0,
        "false_alarms": evidence.answers and evidence.answers.false_alarms(),
        "figure": charts.inline(charts.reliability(measured), "reliability", alt),
    }


def mistakes(evidence: Evidence) -> dict[str, Any]:
    """Return the images whose true class got the lowest probability, as pictures.

    Those of the validation split: a reader who looks at test images, and changes something,
    has used the test split up.
    """
    shown = evidence.validation
    places = most_wrong(shown)
    pictures = evidence.pixels(tuple(shown.rows[i] for i in places[:WRONG]))
    files = evidence.dataset.files([shown.rows[i] for i in places[:WRONG]])
    classes = evidence.dataset.classes
    return {
        "part": evidence.part,
        "total": len(places),
        "n": len(shown.rows),
        "shown": [
            {
                "uri": thumbnail(pixels),
                "file": name,
                "true": classes[shown.labels[i]],
                "predicted": classes[int(shown.probabilities[i].argmax())],
                "p_predicted": float(shown.probabilities[i].max()),
                "p_true": float(shown.probabilities[i, shown.labels[i]]),
            }
            for i, pixels, name in zip(places, pictures, files, strict=False)
        ],
    }


def most_wrong(shown: Predictions) -> list[int]:
    """Return the places of the wrong answers, the lowest probability of the truth first."""
    of_truth = shown.probabilities[np.arange(len(shown.rows)), list(shown.labels)]
    order = np.argsort(of_truth, kind="stable")
    return [int(i) for i in order if not shown.right[i]]


def attention(evidence: Evidence) -> dict[str, Any]:
    """Return what speaks for the answer on a few validation images: some right, some wrong."""
    shown = evidence.validation
    places = [*_surest(shown), *most_wrong(shown)[:LOOKS]]
    rows = tuple(shown.rows[i] for i in places)
    pictures = evidence.pixels(rows)
    with evidence.champion_files() as folder:
        loaded = network.load(network.find(folder))
        members = _members(loaded)
        seeing = [one for one in members if isinstance(one, Network | Probe)]
        if not seeing:
            return _groups(members, shown, evidence)
        member = seeing[0]
        if isinstance(member, Probe):
            looks = look_without(member, np.stack(evidence.pixels(rows, member.image_size)))
            told: dict[str, Any] = {
                "probe": ", ".join(one.stage for one in member.members),
                "others": len(seeing) < len(members),
            }
        else:
            layer = last_convolution(member.model)
            coarser = layer is not convolutions(member.model)[-1]
            looks = look(member.model, np.stack(pictures))
            told = {"layer": layer.name, "coarser": coarser}
    names = evidence.dataset.files(rows)
    classes = evidence.dataset.classes
    return {
        "member": len(members) > 1,
        **told,
        "size": looks[0].heat.shape,
        "looks": [
            {
                "file": name,
                "image": thumbnail(pixels),
                "heat": overlaid(pixels, one.heat),
                "maps": [heat(one.maps[:, :, c]) for c in range(one.maps.shape[2])],
                "true": classes[shown.labels[i]],
                "predicted": classes[one.predicted],
                "probability": one.probability,
            }
            for i, pixels, name, one in zip(places, pictures, names, looks, strict=True)
        ],
    }


def _members(classifier: Classifier) -> list[Classifier]:
    """Return an ensemble's members, or a single model alone."""
    if not isinstance(classifier, Ensemble):
        return [classifier]
    return [one for one, _ in classifier.leaves()]


def _groups(
    members: Sequence[Classifier], shown: Predictions, evidence: Evidence
) -> dict[str, Any]:
    """Return what an estimator of colour and texture rests on: it has no convolution."""
    fitted = [member for member in members if isinstance(member, TextureClassifier)]
    numbers = fitted[0].prepare(np.stack(evidence.pixels(shown.rows, fitted[0].image_size)))

    def answer(numbers: NDArray[np.float32]) -> NDArray[np.float32]:
        mean: NDArray[np.float32] = np.mean([one.answer(numbers) for one in fitted], axis=0)
        return mean

    lost = drops(answer, numbers, shown.labels, fitted[0].features)
    words = ", ".join(f"{drop.group} {drop.mean:.3f}" for drop in lost)
    return {
        "groups": lost,
        "n": len(shown.rows),
        "part": evidence.part,
        "member": len(members) > 1,
        "figure": charts.inline(
            charts.drops(lost), "drops", f"Accuracy lost without a group: {words}."
        ),
    }


def _surest(shown: Predictions) -> list[int]:
    """Return, for each class, the place of the image that was recognised with most confidence."""
    surest = []
    for label in sorted(set(shown.labels)):
        own = [i for i, right in enumerate(shown.right) if right and shown.labels[i] == label]
        if own:
            surest.append(max(own, key=lambda i: (shown.probabilities[i].max(), -i)))
    return surest


def augmentation(evidence: Evidence) -> dict[str, Any]:
    """Return one training image, and views of it as the champion's training drew them."""
    used = evidence.runs[evidence.best.number].data.params
    strengths = {name: _number(used, name) for name in ("augmentation", "crop", "colour")}
    drawn = {name: strength for name, strength in strengths.items() if strength}
    if not drawn:
        return {"strengths": drawn}
    row = evidence.dataset.split.train[0]
    pixels = evidence.pixels((row,))[0]
    return {
        "strengths": drawn,
        "file": evidence.dataset.files([row])[0],
        "original": thumbnail(pixels),
        "views": [thumbnail(view) for view in _views(pixels, strengths)],
    }


def _number(used: Mapping[str, str], name: str) -> float:
    """Return a setting as the run has it, 0 where the architecture or the recipe lacks it."""
    try:
        return float(used.get(name, 0))
    except ValueError:
        return 0.0


def _views(pixels: Pixels, strengths: Mapping[str, float]) -> list[Pixels]:
    from mineralsweep.data import augment
    from mineralsweep.training import variations

    random = np.random.default_rng(0)
    batch: Any = np.repeat(pixels[None].astype(np.float32), VIEWS, axis=0)
    batch = variations.crops(batch, strengths["crop"], random)
    batch = variations.colours(batch, strengths["colour"], random)
    for layer in augment.layers(strengths["augmentation"], seed=0):
        batch = layer(batch, training=True)
    return list(np.clip(np.asarray(batch), 0, 255).round().astype(np.uint8))
