"""What is to be classified: folders, patterns, tables and files, each file once."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from mineralsweep.data.sources.unlabelled import collect
from mineralsweep.errors import DataError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with files at several depths, and others that are passed over."""
    root = tmp_path / "photos"
    for name in (
        "a.jpg", "b.png", "deep/er/c.jpg", "deep/d.txt", ".hidden.jpg", ".git/e.jpg",
        "__MACOSX/f.jpg", "deep/@eaDir/g.jpg",
    ):  # fmt: skip
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    (root / "deep" / "loop").symlink_to(root)
    return root


def names(*arguments: str, column: str | None = None) -> list[str]:
    return [file.name for file in collect(arguments, column).files]


def test_a_folder_is_all_below_it_but_what_no_collection_has(folder: Path) -> None:
    assert names(str(folder)) == ["a.jpg", "b.png", "deep/d.txt", "deep/er/c.jpg"]
    collection = collect([str(folder)])
    assert collection.root == folder
    assert {file.origin for file in collection.files} == {"folder"}
    assert {one.path.name for one in collection.passed_over} == {
        ".git", "__MACOSX", "@eaDir", "loop",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("photos/*.jpg", ["photos/a.jpg"]),
        ("photos/**/*.jpg", ["photos/a.jpg", "photos/deep/er/c.jpg"]),
        ("**/er/*", ["photos/deep/er/c.jpg"]),
        ("photos/[ab].*", ["photos/a.jpg", "photos/b.png"]),
        ("photos/de*", ["photos/deep/d.txt", "photos/deep/er/c.jpg"]),
        ("photos/deep/**", ["photos/deep/d.txt", "photos/deep/er/c.jpg"]),
    ],
)  # fmt: skip
def test_a_pattern_that_the_shell_left_alone(
    folder: Path, pattern: str, expected: list[str]
) -> None:
    assert names(pattern) == expected


def test_a_pattern_without_matches_is_refused(folder: Path) -> None:
    with pytest.raises(DataError, match=r"photos/\*\.gif: .*matches none"):
        collect(["photos/*.gif"])


def test_a_name_with_brackets_is_a_name_where_there_is_such_a_file(folder: Path) -> None:
    (folder / "a[1].jpg").write_bytes(b"x")
    assert names("photos/a[1].jpg") == ["photos/a[1].jpg"]


def test_a_file_named_twice_is_asked_once(folder: Path) -> None:
    given = ["photos/a.jpg", str(folder), "photos/deep/../b.png", "photos/a.jpg"]
    collection = collect(given)
    assert [file.path.name for file in collection.files] == ["a.jpg", "b.png", "d.txt", "c.jpg"]
    assert collection.files[0].origin == "file"
    assert collection.root == Path.cwd()


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_a_table_names_files_from_its_own_folder(folder: Path, ending: str) -> None:
    frame = pd.DataFrame({"File": ["a.jpg", "deep/er/c.jpg", "gone.jpg"], "note": ["", "x", ""]})
    table = folder / f"photos{ending}"
    frame.to_csv(table, index=False) if ending == ".csv" else frame.to_parquet(table)
    files = collect([str(table)]).files
    assert [file.name for file in files] == ["a.jpg", "deep/er/c.jpg", "gone.jpg"]
    assert [bool(file.reason) for file in files] == [False, False, True]
    assert {file.origin for file in files} == {"table"}


def test_a_table_s_own_name_for_the_column(folder: Path) -> None:
    (folder / "t.csv").write_text("picture,label\na.jpg,\n")
    assert names("photos/t.csv", column="picture") == ["a.jpg"]
    with pytest.raises(DataError, match=r"no column 'file'.*--column NAME"):
        collect(["photos/t.csv"])
    with pytest.raises(DataError, match="no column 'pictur'; did you mean 'picture'"):
        collect(["photos/t.csv"], "pictur")


def test_a_name_is_one_line(folder: Path) -> None:
    (folder / "new\nline.jpg").write_bytes(b"x")
    assert "new\\nline.jpg" in names(str(folder))


def test_a_name_longer_than_a_file_s_can_be_is_a_file_that_is_not_there() -> None:
    [file] = collect(["n" * 300 + ".jpg"]).files
    assert file.origin == "file"
