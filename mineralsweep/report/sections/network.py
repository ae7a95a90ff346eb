"""Inside the champion: where it looks, and the augmentation that it was trained with."""

from __future__ import annotations

from typing import Any

import numpy as np

from mineralsweep.packaging import network
from mineralsweep.packaging.ensemble import Classifier, Ensemble
from mineralsweep.packaging.network import Network
from mineralsweep.report.attention import convolutions, last_convolution, look
from mineralsweep.report.evidence import Evidence, Predictions
from mineralsweep.report.pictures import heat, overlaid, thumbnail
from mineralsweep.report.sections.champion import most_wrong

WRONG = 3
VIEWS = 7


def attention(evidence: Evidence) -> dict[str, Any]:
    """Return Grad-CAM and feature maps for a few validation images: some right, some wrong."""
    shown = evidence.validation
    places = [*_surest(shown), *most_wrong(shown)[:WRONG]]
    rows = tuple(shown.rows[i] for i in places)
    pictures = evidence.pixels(rows)
    with evidence.champion_files() as folder:
        loaded = network.load(network.find(folder))
        member = _first_network(loaded)
        if member is None:
            return {"why_not": "the champion is no network: it has no convolution to look into"}
        layer = last_convolution(member.model)
        coarser = layer is not convolutions(member.model)[-1]
        found = look(member.model, np.stack(pictures))
    names = evidence.dataset.files(rows)
    classes = evidence.dataset.classes
    return {
        "member": member is not loaded,
        "layer": layer.name,
        "coarser": coarser,
        "size": found[0].heat.shape,
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
            for i, pixels, name, one in zip(places, pictures, names, found, strict=True)
        ],
    }


def _first_network(classifier: Classifier) -> Network | None:
    """Return a network, or the first member of an ensemble of them; None where there is none."""
    while isinstance(classifier, Ensemble):
        classifier = classifier.members[0]
    return classifier if isinstance(classifier, Network) else None


def _surest(shown: Predictions) -> list[int]:
    """Return, for each class, the place of the image that was recognised with most confidence."""
    found = []
    for label in sorted(set(shown.labels)):
        own = [i for i, right in enumerate(shown.right) if right and shown.labels[i] == label]
        if own:
            found.append(max(own, key=lambda i: (shown.probabilities[i].max(), -i)))
    return found


def augmentation(evidence: Evidence) -> dict[str, Any]:
    """Return one training image, and views of it at the champion's strength."""
    strength = evidence.best.params.get("augmentation")
    if not isinstance(strength, int | float) or strength == 0:
        return {"strength": None}
    row = evidence.dataset.split.train[0]
    pixels = evidence.pixels((row,))[0]
    return {
        "strength": float(strength),
        "file": evidence.dataset.files([row])[0],
        "original": thumbnail(pixels),
        "views": [thumbnail(view) for view in _views(pixels, float(strength))],
    }


def _views(pixels: Any, strength: float) -> list[Any]:
    from mineralsweep import augment

    batch = np.repeat(pixels[None].astype(np.float32), VIEWS, axis=0)
    for layer in augment.layers(strength, seed=0):
        batch = layer(batch, training=True)
    return list(np.clip(np.asarray(batch), 0, 255).round().astype(np.uint8))
