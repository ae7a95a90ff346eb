"""Nested folds: nothing crosses, a file of results goes on, and the arithmetic is right."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from benchmarks import nested
from benchmarks.nested import Bench, Fit, Protocol

SMALL = Protocol(folds=2, repeats=2, inner=2, size=8, epochs=1)


@pytest.fixture
def bench(make_folder: Callable[..., Path]) -> Bench:
    return Bench(str(make_folder()), SMALL)


def test_rows_of_a_fit_never_meet(bench: Bench) -> None:
    tested: list[int] = []
    for outer in range(2):
        validated: list[int] = []
        for inner in range(2):
            train, validation, test = bench._rows(Fit(0, outer, inner, "compact"))
            assert not set(train) & set(validation)
            assert not set(test) & {*train, *validation}
            assert sorted([*train, *validation, *test]) == list(range(30))
            validated += validation
        assert sorted([*validated, *test]) == list(range(30))
        tested += test
    assert sorted(tested) == list(range(30))


def test_another_repeat_divides_anew_and_near_duplicates_stay_together(bench: Bench) -> None:
    first, second = (bench._rows(Fit(repeat, 0, 0, "compact"))[2] for repeat in range(2))
    assert first != second
    bench._groups = tuple(row // 2 for row in range(30))
    for outer in range(2):
        for part in bench._rows(Fit(0, outer, 0, "compact")):
            assert {row ^ 1 for row in part} == set(part)


def test_every_fit_has_a_seed_of_its_own() -> None:
    of_member = [fit for fit in nested.fits(Protocol()) if fit.member == "compact"]
    assert len({nested.seed_of(fit) for fit in of_member}) == len(of_member) == 75


class Quick:
    """Makes a fit's line without training, and notes which it made."""

    protocol = SMALL

    def __init__(self) -> None:
        self.made: list[Fit] = []
        self.rate = 0.1

    def header(self) -> dict[str, Any]:
        return {"protocol": asdict(SMALL), "labels": [0, 1, 0, 1]}

    def settings(self, member: str) -> dict[str, Any]:
        return {"rate": self.rate}

    def make(self, fit: Fit) -> dict[str, Any]:
        self.made.append(fit)
        return {"fit": asdict(fit), "settings": self.settings(fit.member)}


def test_the_same_command_makes_only_what_is_missing(tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    first, second = Quick(), Quick()
    nested.run(file, first, ["compact"], 60)  # type: ignore[arg-type]
    lines = file.read_text().splitlines(keepends=True)
    assert len(lines) == 1 + 8
    file.write_text("".join(lines[:5]) + lines[5][:7])  # killed while it wrote
    nested.run(file, second, ["compact"], 60)  # type: ignore[arg-type]
    assert second.made == first.made[4:]
    assert [fit for fit, _ in nested.read(file)[1]] == first.made


def test_time_ends_it_and_other_settings_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    quick = Quick()
    nested.run(file, quick, ["compact"], -1)  # type: ignore[arg-type]
    assert quick.made == []
    file.write_text(json.dumps({"protocol": {}}) + "\n")
    with pytest.raises(SystemExit, match="was begun with other settings or images"):
        nested.run(file, quick, ["compact"], 60)  # type: ignore[arg-type]


def test_fits_of_other_hyperparameters_are_not_mixed_with_these(tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    quick = Quick()
    nested.run(file, quick, ["compact"], 60)  # type: ignore[arg-type]
    quick.rate = 0.2
    with pytest.raises(SystemExit, match="holds fits of other hyperparameters"):
        nested.run(file, quick, ["compact"], 60)  # type: ignore[arg-type]


def line(member: str, inner: int, validation: Any, test: Any) -> dict[str, Any]:
    rows = [[0, 1], [2, 3], []][inner]
    return {
        "fit": asdict(Fit(0, 0, inner, member)),
        "validation": rows,
        "validation_probabilities": validation,
        "test": [4, 5],
        "test_probabilities": test,
    }


def test_the_candidate_that_the_inner_folds_prefer_is_scored_on_the_outer_fold(
    tmp_path: Path,
) -> None:
    """Texture is right on 3 of 4 inner images, compact and the vote on 4, the vote with less loss.

    On the outer fold the vote is right once, compact twice.
    """
    sure, unsure = [[1.0, 0.0], [0.0, 1.0]], [[0.6, 0.4], [0.4, 0.6]]
    lines = [
        {"protocol": asdict(SMALL), "labels": [0, 1, 0, 1, 0, 1]},
        line("texture", 0, sure, unsure),
        line("texture", 1, [[1.0, 0.0], [0.55, 0.45]], unsure),
        line("texture", 2, [], [[0.0, 1.0], [0.0, 1.0]]),  # fitted on all: this one answers
        line("compact", 0, unsure, unsure),
        line("compact", 1, unsure, unsure),
    ]
    file = tmp_path / "r.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)))
    [found] = nested.outer_folds(file)
    assert found.inner == {"texture": 0.75, "compact": 1.0, "texture + compact": 1.0}
    assert found.test == {"texture": 0.5, "compact": 1.0, "texture + compact": 0.5}
    assert (found.choose(found.inner), found.n) == ("texture + compact", 2)
    assert found.choose(["texture", "compact"]) == "compact"
    told = "chosen of 3 by inner folds: 0.500 over 1 outer folds: texture + compact 1 times"
    assert told in nested.table(file)


@pytest.mark.slow
def test_members_have_their_own_settings_and_size(
    make_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    small = nested.Member("colour_texture", 40, nested.MEMBERS["covariance"].hyperparameters)
    monkeypatch.setitem(nested.MEMBERS, "covariance", small)
    bench = Bench(str(make_folder()), SMALL)
    settings = bench.settings("covariance")
    assert (settings["size"], settings["hyperparameters"]["features"]) == (40, "covariance")
    assert "size" not in bench.settings("texture")
    made = bench.make(Fit(0, 0, 0, "covariance"))
    assert len(made["test_probabilities"]) == len(made["test"]) == 15


def test_an_outer_fold_that_lacks_a_fit_is_not_told(tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    lines = [{"protocol": asdict(SMALL), "labels": [0] * 6}, line("compact", 0, [[1, 0]] * 2, [])]
    file.write_text("\n".join(map(json.dumps, lines)))
    assert nested.table(file) == f"{file}: no outer fold is complete"
