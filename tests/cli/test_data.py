"""`mineralsweep data check` and `data fix`, as their user types them."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import ImageOps

from mineralsweep.cli import main
from mineralsweep.data.dataset import open_dataset
from mineralsweep.data.settings import DataSettings
from mineralsweep.data.sources import sample
from tests.pictures import encode, write_classes

Make = Callable[..., Path]
Printed = pytest.CaptureFixture[str]


def test_a_collection_that_serves_is_said_to(make_folder: Make, capsys: Printed) -> None:
    assert main(["data", "check", str(make_folder(20)), "--set", "data.split=60/20/20"]) == 0
    printed = capsys.readouterr().out
    assert "Split 60/20/20: train 36, validation 12, test 12; up to 16 folds" in printed
    assert printed.rstrip().endswith(
        "--data " + str(Path("photos").resolve()) + " --set data.split=60/20/20"
    )


def test_a_sweep_that_would_fail_is_told_with_what_mends_it(
    make_folder: Make, capsys: Printed
) -> None:
    root = make_folder(20)
    write_classes(root, ("elm",), 2, first=70)
    assert main(["data", "check", str(root)]) == 1
    printed = capsys.readouterr().out
    assert "A sweep would fail" in printed
    assert "elm (2; none in test)" in printed
    assert "A sweep would fail" in Path("data-check.html").read_text()
    remedy = printed.rsplit("--set ", 1)[1].split()[0]
    assert main(["data", "check", str(root), "--set", remedy]) == 0
    assert "Left out: elm" in capsys.readouterr().out


def test_folds_of_a_sweep_file_are_tried(make_folder: Make, capsys: Printed) -> None:
    root = make_folder(5)
    Path("s.yaml").write_text("question: q\nspace: {architecture: colour_texture}\nfolds: 5\n")
    assert main(["data", "check", str(root), "--config", "s.yaml"]) == 1
    assert "for 5 folds" in capsys.readouterr().out
    assert main(["data", "check", str(root), "--config", "s.yaml", "--set", "folds=3"]) == 0


def test_a_folder_that_is_none_is_bad_input(capsys: Printed) -> None:
    assert main(["data", "check", "nowhere"]) == 2
    assert "no such folder" in capsys.readouterr().err


@pytest.fixture
def wrong(make_folder: Make) -> Path:
    """Return a collection with a class in two spellings, and one photograph in two classes."""
    root = make_folder(8)
    write_classes(root, ("Ash",), 3, first=70)
    picture = sample.draw("bornite", 2).convert("RGB")
    (root / "beech" / "one.jpg").write_bytes(encode(picture, "JPEG"))
    (root / "cedar" / "two.jpg").write_bytes(encode(ImageOps.mirror(picture), "JPEG"))
    return root


def test_a_corrected_table_is_read_by_a_sweep(wrong: Path, capsys: Printed) -> None:
    before = {path: path.read_bytes() for path in wrong.rglob("*") if path.is_file()}
    assert main(["data", "fix", str(wrong), "--out", "fixed/table.csv"]) == 0
    printed = capsys.readouterr().out
    assert "Ash became ash" in printed
    assert "Without a label now: 2." in printed
    assert "Next: mineralsweep data check fixed/table.csv" in printed
    assert {path: path.read_bytes() for path in wrong.rglob("*") if path.is_file()} == before
    rows = list(csv.DictReader(Path("fixed/table.csv").read_text().splitlines()))
    assert len(rows) == 29
    empty = [row for row in rows if not row["label"]]
    assert {Path(row["file"]).name for row in empty} == {"one.jpg", "two.jpg"}
    assert len({row["group"] for row in empty}) == 1
    assert "was beech; looks like the same photograph as cedar/two.jpg" in {
        row["note"] for row in empty
    }
    dataset = open_dataset(DataSettings("fixed/table.csv"))
    assert dataset.catalog.counts() == {"ash": 11, "beech": 8, "cedar": 8}
    assert main(["data", "check", "fixed/table.csv"]) == 0


def test_a_table_is_not_overwritten(make_folder: Make, capsys: Printed) -> None:
    root = make_folder(5)
    Path("photographs.csv").write_text("mine")
    assert main(["data", "fix", str(root)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert Path("photographs.csv").read_text() == "mine"


def test_a_ready_made_split_stays_in_the_table(tmp_path: Path) -> None:
    root = tmp_path / "divided"
    for first, (name, count) in enumerate({"train": 6, "val": 2, "test": 4}.items()):
        write_classes(root / name, ("ash", "beech"), count, first=100 * first)
    before = open_dataset(DataSettings(str(root)))
    assert main(["data", "fix", str(root), "--out", "table.csv"]) == 0
    after = open_dataset(DataSettings("table.csv"))
    assert after.split == before.split
    shutil.rmtree(root / "test")
    assert main(["data", "fix", str(root), "--out", "other.csv"]) == 0
    cut = open_dataset(DataSettings("other.csv"))
    assert cut.split == open_dataset(DataSettings(str(root))).split


def test_a_table_is_written_where_a_sweep_would_fail(tmp_path: Path, capsys: Printed) -> None:
    root = tmp_path / "divided"
    for first, (name, count) in enumerate({"train": 6, "val": 2, "test": 4}.items()):
        write_classes(root / name, ("ash", "beech", "elm"), count, first=100 * first)
    shutil.rmtree(root / "test" / "elm")
    (root / "train" / "ash" / "stone1").mkdir()
    for path in sorted((root / "train" / "ash").glob("*.png"))[:3]:
        path.rename(root / "train" / "ash" / "stone1" / path.name)
    assert main(["data", "check", str(root)]) == 1
    asked = ["--set", "data.groups=folder"]
    assert main(["data", "fix", str(root), "--out", "table.csv", *asked]) == 0
    assert "groups that belong together: 1" in capsys.readouterr().out
    rows = list(csv.DictReader(Path("table.csv").read_text().splitlines()))
    assert {row["split"] for row in rows} == {"train", "validation", "test"}
    assert sum(bool(row["group"]) for row in rows) == 3


def test_names_that_no_table_holds_are_told(make_folder: Make, capsys: Printed) -> None:
    root = make_folder(5)
    (root / "ash" / "000.png").rename(os.fsdecode(os.fsencode(root / "ash") + b"/\xff.png"))
    assert main(["data", "fix", str(root), "--out", "table.csv"]) == 0
    assert "can't hold their names: 1 (ash/\\xff.png)" in capsys.readouterr().out
    assert len(Path("table.csv").read_text().splitlines()) == 15


def test_a_table_that_cannot_be_written_is_bad_input(make_folder: Make, capsys: Printed) -> None:
    Path("file").write_text("")
    assert main(["data", "fix", str(make_folder(5)), "--out", "file/table.csv"]) == 2
    assert "--out: file/table.csv can't be written" in capsys.readouterr().err


def test_spellings_are_told_where_a_sweep_would_fail(make_folder: Make, capsys: Printed) -> None:
    root = make_folder(8)
    write_classes(root, ("Ash",), 1, first=70)
    assert main(["data", "check", str(root)]) == 1
    printed = capsys.readouterr().out
    assert "'Ash' and 'ash' are 2 classes" in printed
    assert printed.index("are 2 classes") < printed.index("A sweep would fail")


def test_fix_asks_about_a_column_that_it_does_not_take_over(
    make_folder: Callable[..., Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    files = sorted(make_folder(6).glob("*/*"))
    lines = [f"{one},{one.parent.name},{number // 3}" for number, one in enumerate(files)]
    table = tmp_path / "labels.csv"
    table.write_text("\n".join(["file,label,specimen", *lines]))
    assert main(["data", "fix", str(table), "--out", str(tmp_path / "one.csv")]) == 0
    asked = "data.groups={column: specimen}"
    assert asked in capsys.readouterr().out
    again = ["data", "fix", str(table), "--out", str(tmp_path / "two.csv"), "--set", asked]
    assert main(again) == 0
    assert "specimen" not in capsys.readouterr().out
    rows = list(csv.DictReader((tmp_path / "two.csv").read_text().splitlines()))
    assert len({row["group"] for row in rows}) == len(files) // 3


def test_fix_keeps_the_group_and_the_part_of_what_has_no_label(
    make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    files = sorted(make_folder(12).glob("*/*"))
    parts = ("train", "train", "validation", "test")
    lines = [
        [str(one), one.parent.name, f"stone{number // 2}", parts[number // 2 % 4]]
        for number, one in enumerate(files)
    ]
    lines[6][1] = ""
    lines += [[str(files[8]), label, *lines[8][2:]] for label in ("oak", "elm")]
    table = tmp_path / "labels.csv"
    table.write_text("\n".join(map(",".join, [["file", "label", "group", "split"], *lines])))
    assert main(["data", "fix", str(table), "--out", str(tmp_path / "fixed.csv")]) == 0
    rows = {
        (tmp_path / row["file"]).resolve(): row
        for row in csv.DictReader((tmp_path / "fixed.csv").read_text().splitlines())
    }
    assert len(rows) == len(files)
    for place in (6, 8):
        one, sister = rows[files[place].resolve()], rows[files[place + 1].resolve()]
        assert one["label"] == ""
        assert (one["split"], one["group"]) == (sister["split"], sister["group"])
        assert one["group"] != ""
