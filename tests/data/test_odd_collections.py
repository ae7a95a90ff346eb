"""Collections that are nearly right: what is meant is taken, or said in words."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mineralsweep.config import Override, build
from mineralsweep.data import groups
from mineralsweep.data.catalog import Catalog
from mineralsweep.data.dataset import open_dataset
from mineralsweep.data.profile import concerns
from mineralsweep.data.settings import DataSettings
from mineralsweep.errors import DataError
from tests.pictures import catalog_of, encode, noisy, write_classes

Make = Callable[..., Path]
TREES = ("ash", "beech", "cedar")


def reasons(found: Catalog) -> dict[str, str]:
    return {one.path.name: one.reason for one in found.rejected + found.listing.folders}


def with_table(root: Path, text: str = "") -> Path:
    """Write twelve pictures and a table that names them."""
    write_classes(root / "images", ("ash", "beech"), 6)
    rows = [f"images/{one}/{row:03d}.png,{one}" for one in ("ash", "beech") for row in range(6)]
    path = root / "labels.csv"
    path.write_text("\n".join(["file,label", *rows, text]))
    return path


def split_in_each_class(root: Path) -> Path:
    for number, label in enumerate(TREES):
        for first, (name, count) in enumerate({"train": 6, "val": 2, "test": 4}.items()):
            write_classes(root / label, (name,), count, first=1000 * number + 100 * first)
    return root


def test_a_file_beside_the_parts_of_a_class_does_not_undo_the_split(tmp_path: Path) -> None:
    root = split_in_each_class(tmp_path / "d")
    (root / "ash" / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
    (root / "ash" / "late.png").write_bytes(encode(noisy((9, 9, 9), 7777)))
    dataset = open_dataset(DataSettings(str(root)))
    assert dataset.shares == "folders"
    assert "in none of them" in reasons(dataset.catalog)["late.png"]


def test_classes_of_which_some_are_divided_are_refused(tmp_path: Path) -> None:
    root = split_in_each_class(tmp_path / "d")
    write_classes(root, ("elm",), 8, first=5000)
    with pytest.raises(DataError, match=r"\(ash, beech, cedar\), and others are not \(elm\)"):
        catalog_of(root)


def test_one_name_in_two_spellings_of_unicode_is_one_class(tmp_path: Path) -> None:
    write_classes(tmp_path / "d", ("caf\u00e9", "tea"), 4)
    write_classes(tmp_path / "d", ("cafe\u0301",), 4, first=100)
    assert catalog_of(tmp_path / "d").counts() == {"caf\u00e9": 8, "tea": 4}


def test_what_stands_beside_a_split_is_counted(tmp_path: Path) -> None:
    for first, part in enumerate(("train", "test")):
        write_classes(tmp_path / "d" / part, TREES, 5, first=100 * first)
    write_classes(tmp_path / "d", ("unlabelled",), 4, first=900)
    found = catalog_of(tmp_path / "d")
    assert reasons(found)["unlabelled"].endswith("none of them; 4 files in it")
    assert found.skipped() == "0 skipped; 1 folders passed over"


def test_a_table_in_the_folder_is_named(tmp_path: Path) -> None:
    path = with_table(tmp_path / "kag")
    for one in (tmp_path / "kag" / "images").iterdir():
        for file in one.iterdir():
            file.rename(one.parent / f"{one.name}{file.name}")
        one.rmdir()
    text = path.read_text().replace("ash/", "ash").replace("beech/", "beech")
    path.write_text(text)
    with pytest.raises(DataError, match=r"a table that names its images: give .*labels.csv"):
        catalog_of(tmp_path / "kag")


def test_blank_rows_are_passed_over_and_nothing_else_is_read(tmp_path: Path) -> None:
    (tmp_path / "private.png").write_bytes(encode(noisy((9, 9, 9), 8888)))
    path = with_table(tmp_path / "coll", ",\n , \n,ash\n")
    assert reasons(catalog_of(path)) == {"labels.csv": "row 16 of labels.csv names no file"}


def test_a_name_that_is_too_long_or_nearly_right_is_told(tmp_path: Path) -> None:
    path = with_table(tmp_path, f"{'x' * 300}.png,ash\nimages/ash/000.JPG,ash\n000.png,ash\n")
    told = [one.reason for one in catalog_of(path).rejected]
    assert told == [
        "row 14 of labels.csv names no file that is there",
        "row 15 of labels.csv names no file that is there; did you mean 'images/ash/000.png'?",
        "row 16 of labels.csv names no file that is there",
    ]


def test_a_quote_that_is_not_closed_is_told_by_its_row(tmp_path: Path) -> None:
    path = with_table(tmp_path)
    path.write_text(path.read_text().replace("images/ash/002", '"images/ash/002'))
    with pytest.raises(DataError, match=r"row 13 goes over several .* 'images/ash/002.png,ash'"):
        catalog_of(path)


def test_excel_s_line_on_the_separator_is_read_and_a_bare_header_refused(tmp_path: Path) -> None:
    path = with_table(tmp_path)
    path.write_text("sep=;\n" + path.read_text().replace(",", ";"))
    assert catalog_of(path).counts() == {"ash": 6, "beech": 6}
    path.write_text("file,label\n")
    with pytest.raises(DataError, match="has a header and no rows"):
        catalog_of(path)


def test_blanks_that_were_taken_off_labels_are_said(tmp_path: Path) -> None:
    path = with_table(tmp_path)
    path.write_text(path.read_text().replace("000.png,ash", "000.png,ash "))
    assert any("taken off: 'ash '" in line for line in concerns(open_dataset(DataSettings(path))))


def test_classes_that_a_setting_leaves_out_are_its_fault(make_folder: Make) -> None:
    root = make_folder(5)
    with pytest.raises(DataError, match=r"fewer than 99 usable images: data\.min_images"):
        open_dataset(DataSettings(str(root), min_images=99))


@pytest.mark.parametrize(
    ("name", "asked"),
    [("IMG_20231012_1415{:02d}", False), ("2023-10-12 14.15.{:02d}", False), ("rock{}-top", True),
     ("rock{}b", True)],
)  # fmt: skip
def test_a_camera_s_names_are_no_specimens(tmp_path: Path, name: str, asked: bool) -> None:
    root = write_classes(tmp_path / "d", TREES, 12)
    for label in TREES:
        for number, path in enumerate(sorted((root / label).iterdir())):
            other = "side" if name.endswith("top") else "c"
            shape = name.replace("top", other).replace("b", other) if number % 2 else name
            path.rename(path.with_name(shape.format(number // 2 if asked else number) + ".png"))
    assert (groups.suggested(catalog_of(root)) is not None) == asked


def test_groups_of_which_no_split_can_be_made_are_not_suggested(tmp_path: Path) -> None:
    root = write_classes(tmp_path / "d", TREES, 12)
    for label in TREES:
        for number, path in enumerate(sorted((root / label).iterdir())):
            path.rename(path.with_name(f"tray{number % 2}_{number}.png"))
    assert groups.suggested(catalog_of(root)) is None


def test_a_class_of_few_groups_silences_no_question_about_the_others(tmp_path: Path) -> None:
    root = write_classes(tmp_path / "d", (*TREES, "elm"), 12)
    for label in (*TREES, "elm"):
        for number, path in enumerate(sorted((root / label).iterdir())):
            stone = number // (6 if label == "elm" else 2)
            path.rename(path.with_name(f"{label}{stone}_{number}.png"))
    assert groups.suggested(catalog_of(root)) is not None


def fixed(root: Path, target: Path) -> str:
    from mineralsweep.app.data_fix import fix

    raw = {"question": "?", "space": {"architecture": "colour_texture"}}
    made = fix(build(raw, "test", [Override("data.source", str(root), "PATH")]), target)
    assert made.rows == len(target.read_text().splitlines()) - 1
    return target.read_text()


def test_fix_loses_no_photograph_whose_label_alone_is_open(tmp_path: Path) -> None:
    root = write_classes(tmp_path / "d", TREES, 6)
    shutil.copy(root / "ash" / "000.png", root / "beech" / "twin.png")
    (root / "cedar" / "000.png").rename(root / "cedar" / "3.45.10\u202fPM.png")
    text = fixed(root, tmp_path / "out.csv")
    open_rows = [row for row in text.splitlines() if ",,," in row]
    assert [row.split(",")[0] for row in open_rows] == ["d/ash/000.png", "d/beech/twin.png"]
    assert all("the same bytes stand in the classes ash and beech" in row for row in open_rows)
    assert "d/cedar/3.45.10\u202fPM.png,cedar" in text
    again = fixed(tmp_path / "out.csv", tmp_path / "again.csv")
    assert [row.split(",")[0] for row in again.splitlines() if ",,," in row] == [
        "d/ash/000.png", "d/beech/twin.png",
    ]  # fmt: skip


def test_fix_makes_one_class_of_two_spellings_before_it_looks_for_copies(tmp_path: Path) -> None:
    root = write_classes(tmp_path / "d", TREES, 6)
    write_classes(root, ("Ash",), 2)  # the same bytes as in ash
    text = fixed(root, tmp_path / "out.csv")
    assert "Ash" not in {row.split(",")[1] for row in text.splitlines()}
    assert sum(row.split(",")[1] == "ash" for row in text.splitlines()) == 6


def test_fix_writes_a_table_that_works_below_a_link(tmp_path: Path) -> None:
    root = write_classes(tmp_path / "d", TREES, 6)
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "short").symlink_to(tmp_path / "deep" / "er")
    fixed(root, tmp_path / "short" / "out.csv")
    assert len(catalog_of(tmp_path / "short" / "out.csv").images) == 18


def test_a_fixed_table_asks_for_groups_still(tmp_path: Path) -> None:
    root = write_classes(tmp_path / "d", TREES, 12)
    for label in TREES:
        for number, path in enumerate(sorted((root / label).iterdir())):
            path.rename(path.with_name(f"{label}{number // 3}_view{number % 3}.png"))
    twin = root / "ash" / "ash0_view0.png"
    (root / "ash" / "extra.png").write_bytes(twin.read_bytes() + b"\0")  # other bytes, alike
    fixed(root, tmp_path / "out.csv")
    dataset = open_dataset(DataSettings(str(tmp_path / "out.csv")))
    assert any("--set data.groups=name" in line for line in concerns(dataset))
