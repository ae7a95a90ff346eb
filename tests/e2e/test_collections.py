"""Collections as people have them, from end to end: a ready-made split, a table, a grown one."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from mineralsweep.cli.main import main
from mineralsweep.data.sources import sample
from mineralsweep.registry import Versions
from mineralsweep.tracking import open_store
from tests.pictures import write_classes

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.usefixtures("store_made"),
]

SWEEP = """
question: Does a sweep take collections as they come?
data: {split: 40/20/40}
space: {architecture: colour_texture, estimator: linear}
budget: {trials: 1}
baseline: none
gate: {find_every_class: false}
"""
Printed = pytest.CaptureFixture[str]


def swept(data: Path, study: str, *more: str) -> int:
    Path("mine.yaml").write_text(SWEEP)
    return main(["sweep", "mine.yaml", "--data", str(data), "--study", study, *more])


def opened_for(version: str) -> set[str]:
    """Return the digests of a version's test images."""
    evidence = Versions(open_store()).evidence(version)
    assert evidence is not None
    return set(evidence.images)


def digests(folder: Path) -> set[str]:
    from tests.pictures import catalog_of

    return {image.digest for image in catalog_of(folder).images}


def test_a_ready_made_split_is_the_split_of_the_champion(tmp_path: Path, capsys: Printed) -> None:
    root = tmp_path / "divided"
    for first, (name, count) in enumerate({"train": 8, "valid": 3, "test": 4}.items()):
        write_classes(root / name, ("ash", "beech"), count, first=100 * first)
    assert main(["data", "check", str(root)]) == 0
    assert swept(root, "one") == 0
    printed = capsys.readouterr().out
    assert "Divided already, by its folders train/, val/, test/" in printed
    assert opened_for("1") == digests(root / "test")
    assert main(["resume", "one"]) == 0
    photo = next((root / "test" / "ash").iterdir())
    capsys.readouterr()
    assert main(["predict", "--json", str(photo)]) == 0
    assert json.loads(capsys.readouterr().out)["label"] in ("ash", "beech")


def test_a_table_with_groups_is_swept_and_grows(tmp_path: Path, capsys: Printed) -> None:
    root = sample.write(tmp_path / "drawn", per_class=12)
    files = [path for path in sorted(root.rglob("*")) if path.is_file()]
    table = tmp_path / "labels.csv"

    def write(count: int) -> None:
        with table.open("w", newline="") as opened:
            rows = csv.writer(opened)
            rows.writerow(["file", "label", "group"])
            for label in ("biotite", "bornite", "chrysocolla"):
                of_class = [path for path in files if path.parent.name == label][:count]
                for number, path in enumerate(of_class):
                    place = path.relative_to(tmp_path).as_posix()
                    rows.writerow([place, label, f"{label}{number // 2}"])

    write(8)
    assert swept(table, "first") == 0
    printed = capsys.readouterr().out
    assert "labels: 24 images" in printed
    assert "Groups: 12, each on one side" in printed
    before = opened_for("1")
    write(12)
    assert swept(table, "second") == 0
    printed = capsys.readouterr().out
    assert "Since champion version 1: 12 images added" in printed
    assert before <= opened_for("2")
    assert main(["report", "second", "--out", "second.html"]) == 0
    assert main(["resume", "second"]) == 0
    assert main(["promote", "2"]) in (0, 1)
