"""A trained model as it answers: decoded, classified, calibrated, compared with the training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mineralsweep.data.decode import Pixels, decode
from mineralsweep.data.depth import FULL
from mineralsweep.descriptors.pyramid import pyramid
from mineralsweep.errors import UnusableImage
from mineralsweep.serving import confidence, ensemble, familiarity, network
from mineralsweep.serving.ensemble import Classifier
from mineralsweep.serving.familiarity import Familiarity, Seen

LIKE_TRAINING = "like_training"
UNLIKE_TRAINING = "unlike_training"


@dataclass(frozen=True)
class Answer:
    """The answer to one image.

    Attributes:
        probabilities: float32 (classes,), calibrated, adding up to 1.
        novelty: above 1 the image is unlike the training images; None: it was not measured.
    """

    probabilities: NDArray[np.float32]
    novelty: float | None

    @property
    def verdict(self) -> str | None:
        """LIKE_TRAINING or UNLIKE_TRAINING; None where it was not measured."""
        if self.novelty is None:
            return None
        return LIKE_TRAINING if self.novelty <= 1.0 else UNLIKE_TRAINING


@dataclass(frozen=True)
class Served:
    """A loaded model with all that its answer needs.

    Attributes:
        classifier: of any kind.
        bits: that the collection's images with 16 bits a sample use.
        temperature: of its probabilities; 1: they are as the classifier gave them.
        familiarity: of the training images; None: it was not measured.
    """

    classifier: Classifier
    bits: int = FULL
    temperature: float = 1.0
    familiarity: Familiarity | None = None

    def answer(self, contents: Sequence[bytes]) -> list[Answer | Exception]:
        """Answer files of images.

        In the place of one that can't be used stands UnusableImage; of one for which the memory did
        not suffice, MemoryError: it costs the others nothing.
        """
        decoded = [self._decode(content) for content in contents]
        usable = [one for one in decoded if not isinstance(one, Exception)]
        answers = iter(self.classify(np.stack(usable)) if usable else [])
        return [one if isinstance(one, Exception) else next(answers) for one in decoded]

    def _decode(self, content: bytes) -> Pixels | Exception:
        try:
            return decode(content, self.classifier.image_size, self.bits)
        except (UnusableImage, MemoryError) as error:
            return error

    def classify(self, images: Pixels) -> list[Answer]:
        """Answer decoded images, uint8 (n, height, width, 3) of the model's size."""
        probabilities, embedding = ensemble.answer(self.classifier, images)
        calibrated = confidence.with_temperature(probabilities, self.temperature)
        if self.familiarity is None:
            return [Answer(row, None) for row in calibrated]
        novelty = self.familiarity.novelty(Seen(pyramid(images), embedding))
        return [Answer(*pair) for pair in zip(calibrated, map(float, novelty), strict=True)]


def load(folder: Path, bits: int = FULL) -> Served:
    """Read a trained model of any kind, with what was measured of it.

    Raises:
        UntrustedModel: it holds what no model of this package does.
        ArchitectureError: the user's own file can't be imported.
        OSError, ValueError, KeyError: the folder lacks a file, or one is damaged.
    """
    return Served(network.load(folder), bits, confidence.load(folder), familiarity.load(folder))
