"""Collections as people lay them out: class folders, ready-made splits, tables, odd folders."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mineralsweep.data.catalog import Catalog
from mineralsweep.data.dataset import Dataset, open_dataset
from mineralsweep.data.profile import concerns
from mineralsweep.data.settings import DataSettings, GroupRule
from mineralsweep.errors import DataError
from tests.pictures import catalog_of, encode, noisy, write_classes

Make = Callable[..., Path]
TREES = ("ash", "beech", "cedar")


def opened(root: Path, **settings: Any) -> Dataset:
    return open_dataset(DataSettings(str(root), **settings))


def sides(dataset: Dataset) -> dict[str, set[str]]:
    """Return the file names of each part."""
    parts = {"train": dataset.split.train, "validation": dataset.split.validation}
    parts["test"] = dataset.split.test
    return {name: {*dataset.files(rows)} for name, rows in parts.items()}


def reasons(found: Catalog) -> dict[str, str]:
    return {one.path.name: one.reason for one in found.rejected + found.listing.folders}


@pytest.fixture
def divided(tmp_path: Path) -> Path:
    """Return a collection that is divided already: 6, 2 and 4 pictures of three classes."""
    root = tmp_path / "divided"
    for first, (name, count) in enumerate({"train": 6, "val": 2, "test": 4}.items()):
        write_classes(root / name, TREES, count, first=100 * first)
    return root


@pytest.mark.parametrize(
    ("train", "validation", "test"),
    [("train", "val", "test"), ("Train", "valid", "Test"), ("training", "dev", "testing"),
     ("TRAIN", "validation", "test")],
)  # fmt: skip
def test_ready_made_folders_are_the_split(
    divided: Path, train: str, validation: str, test: str
) -> None:
    for old, new in {"train": train, "val": validation, "test": test}.items():
        (divided / old).rename(divided / f"_{old}")
        (divided / f"_{old}").rename(divided / new)
    dataset = opened(divided)
    assert dataset.classes == TREES
    assert dataset.shares == "folders"
    for part, name in (("train", train), ("validation", validation), ("test", test)):
        assert {file.split("/")[0] for file in sides(dataset)[part]} == {name}
    assert [len(rows) for rows in sides(dataset).values()] == [18, 6, 12]


@pytest.mark.parametrize(("lacking", "parts"), [("test", (12, 6, 6)), ("val", (12, 6, 12))])
def test_a_part_that_is_lacking_is_cut_out_of_train(
    divided: Path, lacking: str, parts: tuple[int, int, int]
) -> None:
    shutil.rmtree(divided / lacking)
    dataset = opened(divided)
    counted = [len(rows) for rows in sides(dataset).values()]
    if lacking == "test":  # 18 images at 40 to 40: half of them
        assert counted == [9, 6, 9]
    else:  # 18 images at 40 to 20
        assert counted == [12, 6, 12]
    stay = sides(dataset)["test" if lacking == "val" else "validation"]
    assert all(not file.startswith("train/") for file in stay)
    assert any(f"It has no {'test' if lacking == 'test' else 'validation'} part" in line
               for line in concerns(dataset))  # fmt: skip


def test_files_beside_the_class_folders_of_a_part_change_nothing(divided: Path) -> None:
    (divided / "train" / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
    (divided / "val" / "labels.csv").write_text("file,label")
    (divided / "README.txt").write_text("hello")
    (divided / "extra" / "ash").mkdir(parents=True)
    dataset = opened(divided)
    assert dataset.classes == TREES
    assert dataset.shares == "folders"
    assert "none of them" in reasons(dataset.catalog)["extra"]


def test_a_ready_made_split_can_be_divided_anew(divided: Path) -> None:
    dataset = opened(divided, redivide=True, split="40/20/40")
    assert dataset.shares == "40/20/40"
    assert len(dataset.split.test) == pytest.approx(0.4 * 36, abs=2)
    assert any("passed over" in line for line in concerns(dataset))


def test_unlabelled_test_images_are_named_and_the_part_is_cut(divided: Path) -> None:
    shutil.rmtree(divided / "test")
    (divided / "test").mkdir()
    for number in range(3):
        (divided / "test" / f"{number}.png").write_bytes(encode(noisy((9, 9, 9), 900 + number)))
    dataset = opened(divided)
    assert dataset.classes == TREES
    assert len(dataset.split.test) == 9
    assert [one.path.name for one in dataset.catalog.rejected] == ["0.png", "1.png", "2.png"]


def test_classes_that_lack_a_part_are_named_all_at_once(divided: Path) -> None:
    shutil.rmtree(divided / "test" / "ash")
    write_classes(divided / "test", ("oak",), 2, first=900)
    with pytest.raises(DataError) as raised:
        opened(divided)
    told = str(raised.value)
    assert "ash (8; none in test)" in told
    assert "oak (2; none in train and validation)" in told
    assert told.endswith("--set 'data.classes=[beech, cedar]'")
    assert opened(divided, classes=("beech", "cedar")).classes == ("beech", "cedar")


def test_copies_across_the_parts_stay_in_test(divided: Path) -> None:
    asked = next((divided / "test" / "ash").iterdir())
    shutil.copy(asked, divided / "train" / "ash" / "copy.png")
    dataset = opened(divided)
    assert len(dataset.split.test) == 12
    assert "the same bytes as" in reasons(dataset.catalog)["copy.png"]
    assert "test part" in reasons(dataset.catalog)["copy.png"]


def test_near_duplicates_across_the_parts_are_reported(divided: Path, tmp_path: Path) -> None:
    from mineralsweep.data.sources import sample

    picture = sample.draw("bornite", 0).convert("RGB")
    picture.save(divided / "train" / "ash" / "one.jpg", quality=90)
    picture.save(divided / "test" / "ash" / "two.jpg", quality=70)
    told = [line for line in concerns(opened(divided)) if "several parts" in line]
    assert len(told) == 1
    assert "train/ash/one.jpg and test/ash/two.jpg" in told[0] or "test/ash/two.jpg" in told[0]
    anew = opened(divided, redivide=True)
    assert not any("several parts" in line for line in concerns(anew))


def test_classes_of_those_names_are_classes(tmp_path: Path) -> None:
    root = write_classes(tmp_path / "stations", ("train", "test"), 5)
    assert catalog_of(root).classes == ("test", "train")


def test_split_folders_without_any_is_refused(make_folder: Make) -> None:
    with pytest.raises(DataError, match=r"data\.split: folders, .*--set data\.split=40/20/40"):
        opened(make_folder(5), split="folders")


def table(root: Path, name: str = "labels.csv", text: str | None = None) -> Path:
    """Write a table of 12 pictures of two classes into `root`."""
    folder = root / "images"
    folder.mkdir(parents=True)
    lines = ["file,label"]
    for number in range(12):
        (folder / f"{number}.png").write_bytes(encode(noisy((20 * number, 90, 60), number)))
        lines.append(f"images/{number}.png,{('ash', 'beech')[number % 2]}")
    path = root / name
    path.write_text(text or "\n".join(lines) + "\n")
    return path


def test_a_table_is_read_as_its_rows_say(tmp_path: Path) -> None:
    dataset = opened(table(tmp_path))
    assert dataset.catalog.counts() == {"ash": 6, "beech": 6}
    assert dataset.name == "labels"
    assert dataset.files([0])[0].startswith("images/")


@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
def test_separators_and_marks_of_other_programs_are_read(tmp_path: Path, sign: str) -> None:
    path = table(tmp_path)
    text = path.read_text().replace(",", sign)
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert catalog_of(path).counts() == {"ash": 6, "beech": 6}


def test_parquet_and_labels_that_are_numbers_are_read(tmp_path: Path) -> None:
    import pandas as pd

    frame = pd.read_csv(table(tmp_path))
    frame["label"] = [0, 1] * 6
    frame.to_parquet(tmp_path / "labels.parquet")
    assert catalog_of(tmp_path / "labels.parquet").counts() == {"0": 6, "1": 6}


def test_slashes_of_windows_are_read(tmp_path: Path) -> None:
    path = table(tmp_path)
    path.write_text(path.read_text().replace("/", "\\"))
    assert catalog_of(path).counts() == {"ash": 6, "beech": 6}


def test_rows_and_files_that_do_not_fit_are_listed(tmp_path: Path) -> None:
    path = table(tmp_path)
    (tmp_path / "images" / "more.png").write_bytes(encode(noisy((1, 2, 3), 77)))
    more = "images/gone.png,ash\nimages/0.png,beech\nimages/1.png,\nimages/2.png,ash\n"
    path.write_text(path.read_text() + more)
    found = catalog_of(path)
    assert reasons(found) == {
        "gone.png": "row 14 of labels.csv names no file that is there",
        "0.png": "row 15 of labels.csv says beech, an earlier row ash",
        "1.png": "row 16 of labels.csv has no label",
        "more.png": "no row of labels.csv names it",
    }
    assert found.counts() == {"ash": 5, "beech": 5}


def test_other_columns_are_named(tmp_path: Path) -> None:
    path = table(tmp_path)
    path.write_text(path.read_text().replace("file,label", "photo,mineral"))
    with pytest.raises(DataError, match=r"no column file and none label.*photo, mineral"):
        catalog_of(path)
    asked = opened(path, columns={"file": "photo", "label": "mineral"})
    assert asked.catalog.counts() == {"ash": 6, "beech": 6}
    with pytest.raises(DataError, match=r"no column 'mineal' for label; did you mean 'mineral'\?"):
        opened(path, columns={"file": "photo", "label": "mineal"})


def test_a_table_s_split_and_groups_are_used(tmp_path: Path) -> None:
    path = table(tmp_path)
    rows = path.read_text().splitlines()
    parts = ["train"] * 6 + ["val"] * 2 + ["test"] * 4
    stones = [f"stone{number // 2}" for number in range(12)]
    path.write_text("\n".join([f"{rows[0]},split,group"] + [
        ",".join(row) for row in zip(rows[1:], parts, stones, strict=True)
    ]))  # fmt: skip
    dataset = opened(path)
    assert dataset.shares == "column"
    assert [len(rows) for rows in sides(dataset).values()] == [6, 2, 4]
    assert len(set(dataset.groups)) == 6
    assert any(line.startswith("Groups: 6,") for line in concerns(dataset))
    path.write_text(path.read_text().replace("val,", "later,"))
    with pytest.raises(
        DataError,
        match=r"column 'split' must have one of .* got 'later' in row 8, 'later' in row 9",
    ):
        opened(path)
    assert opened(path, redivide=True).shares == "40/20/40"


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"\xff\xfe\x00\x00bad", "UTF-8|can't be read as a table"),
     (b"", "is empty; give a table with the columns file and label"),
     (b"file,label\nnowhere.png,ash\n", "none of its 1 rows names a file that is there")],
)  # fmt: skip
def test_tables_that_are_none_are_refused(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=told):
        catalog_of(path)
    with pytest.raises(DataError, match="no such file"):
        catalog_of(tmp_path / "gone.csv")


def test_folders_that_are_no_classes_are_passed_over_and_named(make_folder: Make) -> None:
    root = make_folder(4)
    for name in ("mlruns", "__MACOSX", ".mineralsweep", "empty"):
        (root / name).mkdir()
    (root / "mlruns" / "meta.yaml").write_text("a: 1")
    (root / "__MACOSX" / "._000.png").write_bytes(b"\x00\x05\x16\x07")
    (root / "notes").mkdir()
    (root / "notes" / "read me.txt").write_text("where they come from")
    (root / "ash" / ".thumbnails").mkdir()
    found = catalog_of(root)
    assert found.classes == TREES
    assert reasons(found)["mlruns"] == "MLflow's own"
    assert reasons(found)["__MACOSX"] == "macOS' own"
    assert reasons(found)["empty"] == "empty"
    assert reasons(found)[".mineralsweep"] == reasons(found)[".thumbnails"] == "a hidden folder"
    assert found.left_out == ("Left out: notes (no photographs among its files)",)


def test_linked_folders_are_followed_once(make_folder: Make, tmp_path: Path) -> None:
    root = make_folder(3)
    outside = write_classes(tmp_path / "elsewhere", ("more", "oak"), 2, first=50)
    (root / "ash" / "more").symlink_to(outside / "more")
    (root / "ash" / "again").symlink_to(outside / "more")
    (root / "oak").symlink_to(outside / "oak")
    (outside / "more" / "loop").symlink_to(outside / "more")
    (root / "ash" / "up").symlink_to(root)
    (root / "ash" / "side").symlink_to(root / "beech")
    found = catalog_of(root)
    assert found.counts() == {"ash": 5, "beech": 3, "cedar": 3, "oak": 2}
    told = reasons(found)
    assert "read already" in told["more"] or "read already" in told["again"]
    assert "read already" in told["loop"]
    assert "read by its own name" in told["up"]
    assert "read by its own name" in told["side"]


def test_a_deeper_folder_that_holds_the_classes_is_named(make_folder: Make, tmp_path: Path) -> None:
    inner = make_folder(3)
    outer = tmp_path / "download"
    (outer / "dataset").mkdir(parents=True)
    inner.rename(outer / "dataset" / "photos")
    (outer / "README.txt").write_text("hello")
    with pytest.raises(DataError, match=r"lie deeper: give .*download/dataset/photos"):
        catalog_of(outer)


def test_loose_photographs_are_told_from_other_files(make_folder: Make) -> None:
    root = make_folder(3)
    (root / "loose.png").write_bytes(encode(noisy((9, 9, 9), 2)))
    (root / "labels.txt").write_text("ash beech")
    lost = {one.path.name: one.photograph for one in catalog_of(root).rejected}
    assert lost == {"loose.png": True, "labels.txt": False}
    only = root.parent / "only"
    only.mkdir()
    (only / "a.png").write_bytes(encode(noisy((9, 9, 9), 3)))
    with pytest.raises(DataError, match=r"has 1 files and no class folders.*labels\.csv"):
        catalog_of(only)


def stones(root: Path, label: Callable[[int], str], folders: bool = False) -> Path:
    """Write 12 stones in 4 views each."""
    for number in range(12):
        for view in range(4):
            folder = root / label(number)
            name = f"rock{number:02d}_view{view}.png"
            if folders:
                folder, name = folder / f"rock{number:02d}", f"{view}.png"
            folder.mkdir(parents=True, exist_ok=True)
            picture = noisy((15 * number, 90, 200 - 9 * number), 10 * number + view)
            (folder / name).write_bytes(encode(picture))
    return root


def halves(number: int) -> str:
    return "ash" if number % 2 else "beech"


PATTERN = GroupRule("pattern", r"(rock\d+)_")


def test_images_of_one_specimen_stay_on_one_side(tmp_path: Path) -> None:
    dataset = opened(stones(tmp_path / "stones", halves), groups=PATTERN)
    assert len(set(dataset.groups)) == 12
    for rows in (*sides(dataset).values(),):
        names = {Path(file).name[:6] for file in rows}
        others = {Path(file).name[:6] for part in sides(dataset).values() if part != rows
                  for file in part}  # fmt: skip
        assert not names & others
    for train, held in dataset.folds(3):
        assert not {dataset.groups[row] for row in train} & {dataset.groups[row] for row in held}
    assert dataset.related() == dataset.groups


def test_folders_below_the_class_can_be_groups(tmp_path: Path) -> None:
    root = stones(tmp_path / "stones", halves, folders=True)
    assert len(set(opened(root, groups=GroupRule("folder")).groups)) == 12
    told = [line for line in concerns(opened(root)) if "suggest" in line]
    assert "48 images in 12 groups" in told[0]
    assert told[0].endswith("--set data.groups=folder")


def test_names_that_suggest_groups_are_asked_about(tmp_path: Path, make_folder: Make) -> None:
    root = stones(tmp_path / "stones", halves)
    told = [line for line in concerns(opened(root)) if "suggest" in line]
    assert "48 images in 12 groups, such as ash/rock01_view0.png and" in told[0]
    assert told[0].endswith("--set data.groups=name")
    rule = GroupRule("name")
    assert len(set(opened(root, groups=rule).groups)) == 12
    assert not any("suggest" in line for line in concerns(opened(root, groups=rule)))
    assert not any("suggest" in line for line in concerns(opened(make_folder(8))))


def test_a_group_in_two_classes_is_said(tmp_path: Path) -> None:
    root = stones(tmp_path / "stones", halves)
    shutil.move(root / "ash" / "rock01_view0.png", root / "beech" / "rock01_view0.png")
    lines = concerns(opened(root, groups=PATTERN))
    assert any("images of more than one class stand in 1 group:" in line for line in lines)


@pytest.mark.parametrize(
    ("rule", "told"),
    [(GroupRule("pattern", "stone"), "no file's name matches stone"),
     (GroupRule("name"), "no file's name is that of a specimen and a number"),
     (GroupRule("folder"), "no class folder has folders"),
     (GroupRule("column", "stone"), "only a table has columns")],
)  # fmt: skip
def test_a_rule_that_finds_no_group_is_refused(tmp_path: Path, rule: GroupRule, told: str) -> None:
    with pytest.raises(DataError, match=told):
        opened(write_classes(tmp_path / "trees", TREES, 8), groups=rule)


def test_small_classes_are_named_all_at_once_with_the_line_to_paste(make_folder: Make) -> None:
    root = make_folder(10)
    write_classes(root, ("elm",), 1, first=70)
    write_classes(root, ("fir",), 2, first=80)
    with pytest.raises(DataError) as raised:
        opened(root)
    told = str(raised.value)
    assert "elm (1; none in" in told
    assert "fir (2; none in validation)" in told
    assert told.endswith("--set data.min_images=3")
    dataset = opened(root, min_images=3)
    assert dataset.classes == TREES
    assert (
        concerns(dataset)[0] == "Left out: elm, fir (fewer than 3 usable images: data.min_images)"
    )


def test_classes_too_small_for_the_folds_are_named_all_at_once(make_folder: Make) -> None:
    root = make_folder(20)
    write_classes(root, ("elm", "fir"), 5, first=70)
    with pytest.raises(DataError, match=r"for 5 folds.*elm \(3\), fir \(3\).*--set folds=3"):
        opened(root).folds(5)


def test_names_that_differ_by_case_alone_are_said(tmp_path: Path) -> None:
    root = write_classes(tmp_path / "photos", ("Rose quartz", "rose_quartz", "opal"), 20)
    lines = concerns(opened(root))
    assert any("'Rose quartz' and 'rose_quartz' are 2 classes" in line for line in lines)


def test_settings_survive_as_plain_data(tmp_path: Path) -> None:
    asked = DataSettings("x", "folders", 3, True, ("a", "b"), 2, "ignore", PATTERN, {"file": "f"})
    assert DataSettings.from_dict(asked.to_dict()) == asked
    assert DataSettings.from_dict(DataSettings("x").to_dict()) == DataSettings("x")


def test_a_folder_that_can_not_be_read_is_said(make_folder: Make) -> None:
    if os.geteuid() == 0:
        pytest.skip("root reads every folder")
    root = make_folder(3)
    (root / "ash").chmod(0)
    try:
        assert "can't be read" in reasons(catalog_of(root))["ash"]
    finally:
        (root / "ash").chmod(0o755)


@pytest.mark.parametrize("names", [("training_set", "test_set"), ("Train", "Holdout"),
                                   ("train-data", "eval")])  # fmt: skip
def test_parts_go_by_many_names(tmp_path: Path, names: tuple[str, str]) -> None:
    for first, name in enumerate(names):
        write_classes(tmp_path / "d" / name, TREES, 8, first=100 * first)
    dataset = opened(tmp_path / "d")
    assert dataset.classes == TREES
    assert dataset.shares == "folders"


@pytest.mark.parametrize("names", [("batch1", "batch2"), ("val", "test")])
def test_folders_that_hold_the_same_folders_are_no_classes(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    for first, name in enumerate(names):
        write_classes(tmp_path / "d" / name, TREES, 8, first=100 * first)
    with pytest.raises(DataError, match=r"hold the same folders \(ash, beech, cedar\)"):
        opened(tmp_path / "d")


def test_a_split_within_each_class_is_used(tmp_path: Path) -> None:
    for number, label in enumerate(TREES):
        for first, (name, count) in enumerate({"train": 6, "val": 2, "test": 4}.items()):
            write_classes(tmp_path / "d" / label, (name,), count, first=1000 * number + 100 * first)
    dataset = opened(tmp_path / "d")
    assert dataset.classes == TREES
    assert dataset.shares == "folders"
    assert [len(rows) for rows in sides(dataset).values()] == [18, 6, 12]
    assert all("/test/" in file for file in sides(dataset)["test"])
    assert not any("suggest" in line for line in concerns(dataset))


def test_a_copy_in_another_group_joins_the_two(tmp_path: Path) -> None:
    root = stones(tmp_path / "stones", halves, folders=True)
    shutil.copy(root / "ash" / "rock01" / "0.png", root / "ash" / "rock03" / "again.png")
    dataset = opened(root, groups=GroupRule("folder"))
    assert len(set(dataset.groups)) == 11


def test_a_link_to_a_folder_that_is_not_read_is_followed(make_folder: Make) -> None:
    root = make_folder(3)
    write_classes(root / ".store", ("oak",), 3, first=50)
    (root / "oak").symlink_to(root / ".store" / "oak")
    assert catalog_of(root).counts() == {"ash": 3, "beech": 3, "cedar": 3, "oak": 3}


@pytest.mark.parametrize("more", [",", ",,", ", "])
def test_commas_at_the_ends_of_rows_change_nothing(tmp_path: Path, more: str) -> None:
    path = table(tmp_path)
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([header, *(row + more for row in rows)]))
    assert catalog_of(path).counts() == {"ash": 6, "beech": 6}
    path.write_text("\n".join([header, *(row + ",more" for row in rows)]))
    with pytest.raises(DataError, match="row 2 has more fields than the header"):
        catalog_of(path)


def test_headers_may_be_padded_and_capital(tmp_path: Path) -> None:
    path = table(tmp_path)
    path.write_text(path.read_text().replace("file,label", " File ,LABEL"))
    assert catalog_of(path).counts() == {"ash": 6, "beech": 6}


def test_names_in_another_unicode_and_with_blanks_are_found(tmp_path: Path) -> None:
    path = table(tmp_path)
    (tmp_path / "images" / "0.png").rename(tmp_path / "images" / "he\u0302tre.png")
    (tmp_path / "images" / "2.png").rename(tmp_path / "images" / "blank .png ")
    text = path.read_text().replace("/0.png", "/h\u00eatre.png")
    path.write_text(text.replace("images/2.png", "images/blank .png "))
    found = catalog_of(path)
    assert found.counts() == {"ash": 6, "beech": 6}
    assert found.rejected == ()


def test_folders_beside_those_that_rows_name_are_looked_into(tmp_path: Path) -> None:
    path = table(tmp_path)
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "more.png").write_bytes(encode(noisy((1, 2, 3), 77)))
    assert reasons(catalog_of(path)) == {"more.png": "no row of labels.csv names it"}


def test_a_column_that_names_specimens_is_asked_about(tmp_path: Path) -> None:
    path = table(tmp_path)
    header, *rows = path.read_text().splitlines()
    lines = [f"{row},stone{number // 3}" for number, row in enumerate(rows)]
    path.write_text("\n".join([f"{header},Specimen", *lines]))
    told = [line for line in concerns(opened(path)) if "Specimen" in line]
    assert told[0].endswith("--set 'data.groups={column: Specimen}'")
    dataset = opened(path, groups=GroupRule("column", "Specimen"))
    assert len(set(dataset.groups)) == 4
    assert not any("not used" in line for line in concerns(dataset))


def test_classes_whose_names_yaml_reads_otherwise_can_be_pasted(divided: Path) -> None:
    from mineralsweep.config import build
    from mineralsweep.config.load import pairs

    names = ("no", "null", "tiger's eye", "a$HOME", "1.0", "quartz")
    for number, part in enumerate(("train", "val", "test")):
        write_classes(divided / part, names, 2, first=5000 + 100 * number)
    shutil.rmtree(divided / "test" / "ash")
    with pytest.raises(DataError) as raised:
        opened(divided)
    pasted = shlex.split(str(raised.value).split("--set ")[1])
    raw = {"question": "q", "space": {"architecture": "colour_texture"}}
    built = build({**raw, "data": {"source": str(divided)}}, "test", pairs(pasted))
    dataset = open_dataset(built.data.settings())
    assert set(dataset.classes) == {*names, "beech", "cedar"}


def test_spellings_are_of_case_blanks_and_dashes_alone() -> None:
    from mineralsweep.data.profile import spellings

    assert spellings(["+", "-", "\u0915\u093f", "\u0915\u093e"]) == []
    assert spellings(["Rose quartz", "rose_quartz", "opal"]) == [["Rose quartz", "rose_quartz"]]


def test_our_own_pages_are_no_lost_photographs(make_folder: Make) -> None:
    from mineralsweep.cli import main

    root = make_folder(8)
    page = root / "data-check.html"
    assert main(["data", "check", str(root), "--page", str(page)]) == 0
    [rejected] = catalog_of(root).rejected
    assert rejected.reason == "a page of mineralsweep's own"
    assert not rejected.photograph


def test_a_column_without_a_name_is_passed_over(tmp_path: Path) -> None:
    path = table(tmp_path)
    rows = enumerate(path.read_text().splitlines())
    path.write_text("\n".join(f"{number or ''},{row}" for number, row in rows))  # as pandas does
    assert catalog_of(path).counts() == {"ash": 6, "beech": 6}


@pytest.mark.parametrize("name", ["images\0/0.png", "images/0.png\0", "\0"])
def test_a_name_that_no_file_can_have_names_no_file(tmp_path: Path, name: str) -> None:
    path = table(tmp_path)
    path.write_text(f"{path.read_text()}{name},ash\n")
    told = reasons(catalog_of(path)).values()
    assert any("names no file that is there" in reason for reason in told)


def test_a_whole_path_with_another_ending_is_told_from_the_file_that_is_there(
    tmp_path: Path,
) -> None:
    source = table(tmp_path)
    there = sorted(tmp_path.rglob("*.png"))
    lines = [f"{one},{'ash' if n % 2 else 'beech'}" for n, one in enumerate(there)]
    lines[0] = lines[0].replace(".png", ".jpeg")
    other = tmp_path / "elsewhere" / source.name
    other.parent.mkdir()
    other.write_text("\n".join(["file,label", *lines]))
    told = reasons(opened(other).catalog)[there[0].with_suffix(".jpeg").name]
    assert f"did you mean '{there[0]}'?" in told
