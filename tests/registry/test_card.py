"""The model card: what a reader of the registry must find, in MLflow's room for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from mineralsweep.core.record import TrialRecord
from mineralsweep.data.dataset import Dataset
from mineralsweep.evaluation import wilson
from mineralsweep.registry.card import card
from mineralsweep.registry.evidence import Evidence

RECORD = TrialRecord(
    3, "COMPLETE", {"architecture": "model2"}, 0.9, 0.9, 0.4, 10, 2, "r", "m", "", 10.0
)


def evidence(classes: tuple[str, ...], each: int, **more: Any) -> Evidence:
    """Return the answers of a model that takes everything for the first class."""
    labels = tuple(label for label in range(len(classes)) for _ in range(each))
    probabilities = np.full((len(labels), len(classes)), 0.1 / (len(classes) - 1), np.float32)
    probabilities[:, 0] = 0.9
    images = tuple(f"{row:064x}" for row in range(len(labels)))
    plain = Evidence(
        "photos",
        False,
        classes,
        images,
        tuple(range(len(labels))),
        labels,
        probabilities,
        {},
        12.4,
        4_000_000,
    )
    return replace(plain, **more)


def test_the_card_says_what_it_is_for_how_good_and_what_not(dataset: Dataset) -> None:
    text = card(RECORD, evidence(dataset.classes, 12), dataset, 1)
    for words in (
        "**model2**, trial 3", "out of 3: ash, beech, cedar", dataset.describe(),
        "by its validation split: accuracy 0.900 [0.596, 0.982], n = 10", "opened once",
        "Accuracy **0.333 [0.202, 0.497], n = 36**", f"| beech | {wilson(0, 12)} |",
        "Expected calibration error 0.567", "don't take it at its word",
        "recognised no test image of beech, cedar", "12 ms an image", "4.0 MB", "Unknown:",
        "mineralsweep predict PHOTO.jpg",
    ):  # fmt: skip
        assert words in text, words
    assert "Each look" not in text
    assert "Fewer than 10" not in text


def test_it_tells_of_few_images_and_of_a_test_split_that_was_opened_again(
    dataset: Dataset,
) -> None:
    text = card(RECORD, evidence(dataset.classes, 4), dataset, 3)
    assert "opened 3 times" in text
    assert "Each look makes the score less fresh" in text
    assert "Fewer than 10 test images of ash, beech, cedar" in text


def test_a_model_of_folds_and_one_of_the_drawn_sample_say_so(dataset: Dataset) -> None:
    folded = replace(RECORD, folds=2, fold_accuracies=(0.8, 1.0), spread=0.14)
    sample = replace(dataset, settings=replace(dataset.settings, source="sample"))
    text = card(folded, evidence(dataset.classes, 12), sample, 1)
    assert "by cross-validation over all images" in text
    assert "accuracy 0.900 ± 0.141 over 2 folds" in text
    assert "knows no photograph" in text


def test_many_classes_fit_in_the_room_that_mlflow_gives(dataset: Dataset) -> None:
    names = tuple(f"class number {i}" for i in range(120))
    images = tuple(
        replace(image, label=names[i % 120]) for i, image in enumerate(dataset.catalog.images * 8)
    )
    many = replace(dataset, catalog=replace(dataset.catalog, classes=names, images=images))
    text = card(RECORD, evidence(names, 12), many, 1)
    assert len(text) <= 3500
    assert "## Licence" in text
    assert "100 classes of higher recall are left out" in text
    assert "| class number 119 |" not in text
    assert "| class number 1 |" in text
    long = tuple(f"{i} " + 250 * "x" for i in range(12))
    images = tuple(replace(one, label=long[0]) for one in many.catalog.images)
    many = replace(many, catalog=replace(many.catalog, classes=long, images=images))
    text = card(RECORD, evidence(long, 9), many, 1)
    assert len(text) <= 3500
    assert "## Licence" in text  # the last section: nothing was cut off


def test_a_model_that_was_chosen_for_its_costs_is_not_called_the_best(dataset: Dataset) -> None:
    rule = "trial 3: accuracy 0.900 lies within 0.02 of the best"
    text = card(RECORD, evidence(dataset.classes, 12), dataset, 1, rule)
    assert f"T{rule[1:]}. Its accuracy by its validation split 0.900" in text
    assert "The best of its sweep" not in text
    assert "The best of its sweep" in card(RECORD, evidence(dataset.classes, 12), dataset, 1)
