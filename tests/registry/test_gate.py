"""The gate: constructed predictions in, a ruling out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from mineralsweep.config import Gate, load_gate
from mineralsweep.errors import ConfigError
from mineralsweep.registry.gate import broken_minimums, fair_images, first, rule
from tests.conftest import ROOT
from tests.evidence import answers, made, name


def judged(gained: int, lost: int, both: int = 100, **rules: Any) -> Any:
    champion, challenger = answers(both, gained, lost, neither=20)
    return rule(made(challenger), made(champion), Gate(**rules))


def test_a_better_challenger_takes_the_alias() -> None:
    ruling = judged(gained=14, lost=2)
    assert ruling.takes
    assert ruling.basis == "paired test"
    assert ruling.paired.p == pytest.approx(0.00418, abs=1e-4)
    assert ruling.paired.low > 0
    assert "right alone on 14 images, wrong alone on 2, n = 136" in ruling.why


def test_a_worse_challenger_is_refused() -> None:
    ruling = judged(gained=2, lost=14)
    assert not ruling.takes
    assert "It is not ahead." in ruling.why


def test_a_lucky_challenger_is_refused() -> None:
    ruling = judged(gained=7, lost=3)  # 4 images better of 130: luck would do that often
    assert not ruling.takes
    assert ruling.paired.difference > 0
    assert ruling.paired.p > 0.05
    assert "may be luck" in ruling.why
    assert "test images are needed" in ruling.why


def test_an_equal_challenger_is_refused() -> None:
    assert not judged(gained=0, lost=0).takes
    assert not judged(gained=5, lost=5).takes


def test_challengers_no_better_than_the_champion_seldom_get_through() -> None:
    rng = np.random.default_rng(0)
    through = 0
    for _ in range(300):
        champion, challenger = rng.random((2, 120)) < 0.8
        through += rule(made(list(challenger)), made(list(champion)), Gate()).takes
    assert through / 300 < 0.025 + 0.02  # half of alpha: only the better half of luck counts


def test_a_stricter_alpha_and_a_least_difference_refuse_what_would_pass() -> None:
    assert judged(gained=10, lost=2).takes
    assert not judged(gained=10, lost=2, alpha=0.01).takes
    ruling = judged(gained=14, lost=2, min_difference=0.05)
    assert not ruling.takes
    assert "not surely by more than gate.min_difference 0.05" in ruling.why


@pytest.mark.parametrize(
    ("rules", "changes", "words"),
    [
        ({"min_accuracy": 0.9}, {}, "test accuracy 0.750 .* below gate.min_accuracy 0.9"),
        ({"min_recall": 0.6}, {}, "recall of beech, 0.500 .*, is below gate.min_recall 0.6"),
        ({}, {"latency_ms": 5500.0}, "5500 ms an image, more than gate.max_latency_ms 5000"),
        ({}, {"size_bytes": 1_200_000_000}, "1200.0 MB, more than gate.max_size_mb 1000"),
    ],
)
def test_each_minimum_refuses_with_or_without_a_champion(
    rules: dict[str, float], changes: dict[str, Any], words: str
) -> None:
    challenger = made([True, False, True, True] * 5, **changes)  # of beech, every other one
    champion = made([False] * 20)
    for ruling in (first(challenger, Gate(**rules)), rule(challenger, champion, Gate(**rules))):
        assert not ruling.takes
        assert ruling.basis == "minimums"
        assert re.search(words, ruling.why)


def test_the_first_champion_needs_the_minimums_alone() -> None:
    assert first(made([False] * 8 + [True] * 2), Gate()).takes  # by default they are low: see docs
    assert broken_minimums(made([True] * 10), Gate(min_recall=1.0)) == []


def test_a_model_that_never_finds_a_class_is_refused_with_or_without_a_champion() -> None:
    blind = made([False, True] * 10)  # every ash is taken for a beech
    for ruling in (first(blind, Gate()), rule(blind, made([False] * 20), Gate())):
        assert (ruling.takes, ruling.basis) == (False, "minimums")
        assert "ash" in ruling.why
        assert "beech" not in ruling.why
        assert "gate.find_every_class" in ruling.why
    assert first(blind, Gate(find_every_class=False)).takes
    assert first(made([True, True] + [False, True] * 9), Gate()).takes  # one ash is enough


def test_a_class_without_a_test_image_can_be_neither_found_nor_missed() -> None:
    absent = made([True] * 6, classes=("ash", "beech", "elm"), probabilities=np.eye(3)[[0, 1] * 3])
    assert first(absent, Gate()).takes


def test_drawn_minerals_give_way_to_photographs_and_never_the_other_way() -> None:
    drawn, photographs = made([True] * 20, drawn=True), made([True] * 20, first=100)
    ruling = rule(photographs, drawn, Gate(), name="version 1")
    assert ruling.takes
    assert ruling.basis == "drawn sample"
    assert "version 1 knows the drawn sample only" in ruling.why
    ruling = rule(drawn, photographs, Gate())
    assert not ruling.takes
    assert "knows photographs (trees)" in ruling.why


def test_other_classes_are_not_compared() -> None:
    ruling = rule(made([True] * 20, classes=("ash", "elm")), made([False] * 20), Gate())
    assert not ruling.takes
    assert ruling.basis == "not comparable"
    assert "It knows the classes ash, elm" in ruling.why
    blind = made([False] * 20, classes=("ash", "elm"))
    ruling = rule(blind, made([True] * 20), Gate(min_accuracy=0.5), name="version 4")
    assert ruling.basis == "minimums"
    assert "is below gate.min_accuracy" in ruling.why
    assert "version 4 has no answer for elm and it has no answer for beech" in ruling.why


def test_a_champion_that_left_no_answers_is_not_replaced_unseen() -> None:
    ruling = rule(made([True] * 20), None, Gate())
    assert not ruling.takes
    assert "left no answers" in ruling.why


def test_images_that_the_champion_learned_from_are_left_out() -> None:
    champion = made([False] * 30, first=100, learned=range(10))  # another split of the same images
    challenger = made([True] * 40)
    fair = fair_images(challenger, champion)
    assert fair == [name(at) for at in range(10, 40)]
    # On what it learned from, the champion would be right: asked there, it would look too good.
    told = dict.fromkeys(challenger.images, "ash")
    ruling = rule(challenger, champion, Gate(), told)
    assert ruling.paired is not None
    assert ruling.paired.n == 30
    assert "10 test images are left out" in ruling.why
    assert ruling.takes


def test_near_duplicates_of_what_the_champion_learned_from_are_left_out_too() -> None:
    champion = made([True] * 10, first=100, learned=[0])
    challenger = made([True] * 6, groups=(0, 0, 1, 2, 2, 3))
    assert fair_images(challenger, champion) == [name(at) for at in range(2, 6)]


def test_near_duplicates_in_the_test_split_are_one_image_to_the_test() -> None:
    champion, challenger = answers(both=20, gained=6, lost=0)
    groups = (*range(20), *[20] * 6)  # six shots of one stone: one coin, not six
    ruling = rule(made(challenger, groups=groups), made(champion), Gate())
    assert not ruling.takes
    assert (ruling.paired.gained, ruling.paired.n) == (1, 21)
    assert "Near-duplicates count once: 5 more are left out" in ruling.why
    assert rule(made(challenger), made(champion), Gate()).takes


def test_what_the_challenger_learned_from_is_no_fair_image_either() -> None:
    challenger = made([True] * 6, learned=[1], groups=(0, 0, 1, 2, 2, 3))
    champion = made([False] * 6)
    assert fair_images(challenger, champion) == [name(at) for at in range(2, 6)]


def test_another_test_split_that_the_champion_was_not_asked_about_is_not_compared() -> None:
    ruling = rule(made([True] * 40), made([False] * 30, first=100), Gate())
    assert not ruling.takes
    assert "tested on other images" in ruling.why


def test_an_image_that_was_sorted_anew_counts_by_its_class_of_now() -> None:
    champion = made([True] * 20)
    moved = made([True] * 20, labels=tuple(1 - label for label in champion.labels))
    ruling = rule(moved, champion, Gate(find_every_class=False))
    assert ruling.paired is not None
    assert ruling.paired.both + ruling.paired.lost == 0  # the champion is wrong on every one


def test_the_guide_shows_the_defaults() -> None:
    guide = (ROOT / "docs" / "evaluation.md").read_text()
    shown = yaml.safe_load(guide.split("```yaml\n")[1].split("```")[0])
    assert Gate(**shown["gate"]) == Gate()
    assert shown["gate"].keys() == Gate.model_fields.keys()


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("alpha", 0.0, "greater than 0"),
        ("min_recall", 1.5, "less than or equal to 1"),
        ("max_size_mb", -1.0, "greater than 0"),
        ("model", "a/b", "match pattern"),
    ],
)
def test_a_rule_out_of_range_is_told(key: str, value: Any, rule: str, tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"gate": {key: value}}))
    with pytest.raises(ConfigError, match=rf"gate\.{key}: must .*{rule}"):
        load_gate(file)
