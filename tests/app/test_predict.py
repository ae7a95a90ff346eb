"""Collections classified: a row an image, resumed where it stopped, sorted, bounded."""

from __future__ import annotations

import csv
import os
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from mlflow.exceptions import MlflowException

from mineralsweep import registry
from mineralsweep.app import answers, predict, sorting
from mineralsweep.app.answers import Answer
from mineralsweep.data.sources.unlabelled import collect
from mineralsweep.errors import ConfigError, InputError
from tests.fakes import FakeModel
from tests.pictures import encode, noisy

RED, BLUE = (220, 40, 40), (30, 40, 220)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return 40 pictures in two folders, of the same names."""
    root = tmp_path / "photos"
    for name, colour in {"one": RED, "two": BLUE}.items():
        (root / name).mkdir(parents=True)
        for number in range(20):
            picture = noisy(colour, 100 * (name == "one") + number)
            (root / name / f"{number:03d}.png").write_bytes(encode(picture))
    return root


def run(
    photos: Path, model: Any, table: Path | None = None, again: bool = False, **sort: Any
) -> list[predict.Predicted]:
    sorter = sorting.Sorter(**sort) if sort else None
    if table is None:
        return list(predict.predict(collect([str(photos)]), model, None, sorter))
    with answers.opened(table, again) as opened:
        return list(predict.predict(collect([str(photos)]), model, opened, sorter))


def rows(table: Path) -> list[dict[str, str]]:
    with table.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_a_row_an_image_in_the_order_of_the_files(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "answers.csv"
    model = FakeModel()
    found = run(folder, model, table)
    assert max(model.batches) <= predict.BATCH
    written = rows(table)
    expected = [f"{name}/{number:03d}.png" for name in ("one", "two") for number in range(20)]
    assert [row["file"] for row in written] == expected
    assert [row["label"] for row in written] == ["red"] * 20 + ["other"] * 20
    assert [one.answer.file for one in found] == expected
    assert list(written[0]) == [
        "file", "label", "confidence", "verdict", "p_red", "p_other", "reason", "model", "sha256",
        "folder",
    ]  # fmt: skip
    for row in written:
        assert float(row["p_red"]) + float(row["p_other"]) == pytest.approx(1, abs=1e-5)
        assert row["verdict"] == ""  # this model does not say
        assert Path(row["folder"], row["file"]).is_file()


def test_excel_and_pandas_read_it(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "answers.csv"
    run(folder, FakeModel(novelty=1.5), table)
    assert table.read_bytes().startswith(b"\xef\xbb\xbf")
    frame = pd.read_csv(table)
    assert frame["novelty"].tolist() == [1.5] * 40
    assert set(frame["verdict"]) == {"unlike_training"}
    assert frame["p_red"].dtype == float


def test_what_can_not_be_used_has_a_row_and_costs_the_others_nothing(
    folder: Path, tmp_path: Path
) -> None:
    (folder / "one" / "000.png").write_bytes(b"<html>")
    (folder / "one" / "001.png").write_bytes(b"")
    (folder / "one" / "clip.mp4").write_bytes(b"\0\0\0\x18ftypmp42\0\0\0\0isommp42")
    (folder / "gone.jpg").symlink_to("nowhere")
    table = tmp_path / "answers.csv"
    found = run(folder, FakeModel(), table)
    written = {row["file"]: row for row in rows(table)}
    assert len(written) == 41  # a video is missed by nobody
    assert sum(not one.counts for one in found) == 1
    unusable = {name for name, row in written.items() if row["verdict"] == "unusable"}
    assert unusable == {"gone.jpg", "one/000.png", "one/001.png"}
    assert "HTML page" in written["one/000.png"]["reason"]
    assert written["gone.jpg"]["label"] == written["gone.jpg"]["p_red"] == ""


def test_an_image_that_the_model_refuses_is_unusable(folder: Path) -> None:
    refused = (folder / "one" / "003.png").read_bytes()
    found = run(folder, FakeModel(refuses=refused))
    assert [one.answer.file for one in found if not one.answer.usable] == ["one/003.png"]


def test_what_is_there_is_not_asked_again(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "answers.csv"
    run(folder, FakeModel(), table)
    whole = table.read_bytes()
    model = FakeModel()
    assert all(one.earlier for one in run(folder, model, table))
    assert model.asked == []
    assert table.read_bytes() == whole
    run(folder, model, table, again=True)
    assert len(model.asked) == 40
    assert table.read_bytes() == whole


@pytest.mark.parametrize("seed", range(5))
def test_a_half_written_table_becomes_what_it_would_have_been(
    folder: Path, tmp_path: Path, seed: int
) -> None:
    table = tmp_path / "answers.csv"
    run(folder, FakeModel(), table)
    whole = table.read_bytes()
    header = whole.index(b"\n") + 1
    cut = header + (len(whole) - header) * (2 * seed + 1) // 11
    table.write_bytes(whole[:cut])
    model = FakeModel()
    run(folder, model, table)
    assert len(model.asked) == 40 - whole[:cut].count(b"\n") + 1
    assert table.read_bytes() == whole


def test_rows_are_on_the_disk_before_they_are_given(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "answers.csv"
    with answers.opened(table) as opened:
        first = next(predict.predict(collect([str(folder)]), FakeModel(), opened))  # type: ignore[arg-type]
        assert rows(table)[0]["file"] == first.answer.file
        with pytest.raises(ConfigError, match="is written by process"), answers.opened(table):
            pass
    assert 0 < len(rows(table)) < 40


def test_a_changed_image_takes_its_row_s_place_and_a_copy_is_not_asked(
    folder: Path, tmp_path: Path
) -> None:
    table = tmp_path / "answers.csv"
    run(folder, FakeModel(), table)
    new = encode(noisy(BLUE, 77))
    (folder / "one" / "005.png").write_bytes(new)
    (folder / "two" / "copy.png").write_bytes((folder / "two" / "000.png").read_bytes())
    (folder / "two" / "019.png").unlink()
    model = FakeModel()
    run(folder, model, table)
    assert model.asked == [new]
    written = rows(table)
    assert [row["file"] for row in written].count("one/005.png") == 1
    assert {row["file"]: row["label"] for row in written}["one/005.png"] == "other"
    assert {"two/copy.png", "two/019.png"} <= {row["file"] for row in written}
    assert len(written) == 41


def test_an_image_that_is_mended_is_asked(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "answers.csv"
    good = (folder / "one" / "000.png").read_bytes()
    (folder / "one" / "000.png").write_bytes(good[:100])
    run(folder, FakeModel(), table)
    assert rows(table)[0]["verdict"] == "unusable"
    (folder / "one" / "000.png").write_bytes(good)
    run(folder, FakeModel(), table)
    assert rows(table)[0]["label"] == "red"


def test_unusable_rows_first_lose_no_columns(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "answers.csv"
    for number in range(70):  # more than are told of at once
        (folder / f"a{number}.jpg").write_bytes(b"<html>")
    run(folder, FakeModel(), table)
    whole = table.read_bytes()
    assert rows(table)[-1]["p_other"]
    (folder / "a00.jpg").write_bytes(b"<html>")
    run(folder, FakeModel(), table)
    assert table.read_bytes().startswith(whole)


def test_another_folder_s_images_of_the_same_names_are_rows_of_their_own(
    folder: Path, tmp_path: Path
) -> None:
    table = tmp_path / "answers.csv"
    run(folder / "one", FakeModel(), table)
    run(folder / "two", FakeModel(), table)
    assert [row["file"] for row in rows(table)] == [f"{n:03d}.png" for n in range(20)] * 2
    assert [row["label"] for row in rows(table)] == ["red"] * 20 + ["other"] * 20


def test_another_model_s_answers_are_not_mixed(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "answers.csv"
    run(folder, FakeModel(), table)
    whole = table.read_bytes()
    with pytest.raises(
        ConfigError, match=r"answers of models:/m/1, and this is models:/m/2.*again"
    ):
        run(folder, FakeModel("models:/m/2"), table)
    assert table.read_bytes() == whole
    run(folder, FakeModel("models:/m/2"), table, again=True)
    assert {row["model"] for row in rows(table)} == {"models:/m/2"}


@pytest.mark.parametrize("again", [False, True])
def test_a_table_of_somebody_else_s_stays_as_it_is(
    folder: Path, tmp_path: Path, again: bool
) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("file,label\na.jpg,red\n")
    with pytest.raises(ConfigError, match="no table that predict wrote"):
        run(folder, FakeModel(), table, again)
    assert table.read_text() == "file,label\na.jpg,red\n"


@pytest.mark.parametrize("name", ["=cmd|' C'!A0.png", "+1.png", "-2.png", "@x.png", "a;=1.png"])
def test_no_cell_is_a_formula(folder: Path, tmp_path: Path, name: str) -> None:
    (folder / name).write_bytes(encode(noisy(RED, 5)))
    table = tmp_path / "answers.csv"
    run(folder, FakeModel(), table)
    for separator in ",;":
        with table.open(encoding="utf-8-sig", newline="") as file:
            cells = [cell for line in csv.reader(file, delimiter=separator) for cell in line]
        assert not [cell for cell in cells if cell.startswith(answers.FORMULA)]
    written = [row["file"] for row in rows(table)]
    assert [file for file in written if Path(file).name == name]
    assert all((folder / file).is_file() for file in written)
    model = FakeModel()
    run(folder, model, table)
    assert model.asked == []


def test_a_label_that_would_be_a_formula_is_read_again_as_it_was(tmp_path: Path) -> None:
    row = Answer("a.png", "/x", "=1+1", 0.5, {"=1+1": 0.5, "'b": 0.5}, model="m", sha256="1")
    with answers.opened(tmp_path / "a.csv") as table:
        table.add([row], ["=1+1", "'b"], novelty=False)
    assert rows(tmp_path / "a.csv")[0]["label"] == "'=1+1"
    with answers.opened(tmp_path / "a.csv") as table:
        assert table.known == {"1": row}


def test_images_are_sorted_and_none_is_overwritten(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "sorted"
    before = {path: path.read_bytes() for path in folder.rglob("*.png")}
    (folder / "bad.png").write_bytes(b"<html>")
    run(folder, FakeModel(), folder=target)
    placed = [path for path in target.rglob("*") if path.is_file()]
    assert {path.parent.name for path in placed} == {"red", "other"}
    assert sorted(path.read_bytes() for path in placed) == sorted(before.values())
    assert all(path.read_bytes() == content for path, content in before.items())
    mine = placed[0]
    mine.write_bytes(b"mine")
    (target / "red" / f".{placed[0].name}.part").write_bytes(b"half a copy")
    run(folder, FakeModel(), folder=target)
    assert mine.read_bytes() == b"mine"
    assert len([path for path in target.rglob("[!.]*") if path.is_file()]) == 40


def test_links_lead_to_the_originals(folder: Path, tmp_path: Path) -> None:
    run(folder, FakeModel(novelty=2.0), folder=tmp_path / "sorted", link=True)
    placed = list((tmp_path / "sorted" / "unlike_training").iterdir())
    assert len(placed) == 40
    assert {path.resolve() for path in placed} == set(folder.rglob("*.png"))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.jpg", "a-0123456789abcdef.jpg"),
        ("no ending", "no ending-0123456789abcdef"),
        ("x." + "e" * 200, "x." + "e" * 198 + "-0123456789abcdef"),
        ("ü" * 125 + ".jpg", "ü" * 100 + "-0123456789abcdef.jpg"),
    ],
)
def test_a_sorted_name_fits(folder: Path, tmp_path: Path, name: str, expected: str) -> None:
    (folder / name).write_bytes(b"x")
    for label, group in {"a/b": "a_b", "..": "_", "red": "red"}.items():
        answer = Answer("x", "/", label, 1.0, sha256="0123456789abcdef" * 4)
        sorting.Sorter(tmp_path / "s").put(folder / name, answer)
        assert (tmp_path / "s" / group / expected).is_file()


def test_sorting_into_what_is_asked_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    for arguments, target in (
        ([str(folder)], folder / "sorted"),
        ([str(folder)], folder),
        ([str(folder)], tmp_path / "link" / "sorted"),
        (["photos/**/*.png"], folder / "sorted"),
        ([str(folder / "one")], folder),
        ([str(folder / "one" / "000.png")], folder),
    ):
        with pytest.raises(ConfigError, match="--sort: "):
            sorting.check(target, collect(arguments))
    sorting.check(tmp_path / "sorted", collect([str(folder)]))
    sorting.check(folder / "one" / "sorted", collect([str(folder / "one" / "000.png")]))


def test_files_are_read_while_the_model_answers_and_no_more_than_the_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = encode(noisy(RED, 1))
    for number in range(30):
        (tmp_path / "photos").mkdir(exist_ok=True)
        (tmp_path / "photos" / f"{number:03d}.png").write_bytes(content)
    monkeypatch.setattr(predict, "BATCH_BYTES", 2 * len(content))
    monkeypatch.setattr(predict, "AHEAD_BYTES", 5 * len(content))
    read: list[Path] = []
    real = predict.reading.content
    enough = threading.Event()

    def content_of(path: Path) -> bytes:
        read.append(path)
        if len(read) > 3:
            enough.set()
        return real(path)

    class Slow(FakeModel):
        def ask(self, contents: Any) -> Any:
            if not self.asked:
                assert enough.wait(20)  # others are read meanwhile
                time.sleep(0.2)
                assert len(read) <= 3 + 6
            return super().ask(contents)

    monkeypatch.setattr(predict.reading, "content", content_of)
    model = Slow()
    assert len(run(tmp_path / "photos", model)) == 30
    assert max(model.batches) <= 3


def test_a_pipe_in_a_folder_is_no_wait(folder: Path) -> None:
    os.mkfifo(folder / "pipe.jpg")
    unusable = [one.answer for one in run(folder, FakeModel()) if not one.answer.usable]
    assert [answer.reason for answer in unusable] == ["not a regular file"]


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch, store_made: Path) -> SimpleNamespace:
    """Put a classifier in the place of a registered one, which refuses what begins with G."""

    def answer(frame: pd.DataFrame) -> pd.DataFrame:
        bad = [row for row, image in enumerate(frame["image"]) if image.startswith(b"G")]
        if bad:
            raise MlflowException("; ".join(f"row {row}: no GIF" for row in bad), error_code=1000)
        shares = [{"a": 0.75, "b": 0.25}] * len(frame)
        return pd.DataFrame({"label": "a", "confidence": 0.75, "probabilities": shares})

    classifier = SimpleNamespace(predict=answer, loaded=[])
    monkeypatch.setattr(registry, "settled", lambda uri: uri.replace("@champion", "/3"))
    monkeypatch.setattr(
        registry, "load_classifier", lambda uri: classifier.loaded.append(uri) or classifier
    )
    return classifier


def test_a_model_is_loaded_when_it_is_asked_and_named_by_its_version(
    registered: SimpleNamespace,
) -> None:
    model = predict.Model()
    assert model.uri == "models:/mineral-classifier/3"
    assert registered.loaded == []
    assert model.classes == ("a", "b")
    assert not model.tells_novelty
    rows = model.ask([b"x", b"GIF", b"y"])
    assert [row if isinstance(row, str) else row["label"] for row in rows] == ["a", "no GIF", "a"]
    assert registered.loaded == ["models:/mineral-classifier/3"]


def test_a_model_of_something_else_is_refused(registered: SimpleNamespace) -> None:
    registered.predict = lambda frame: pd.DataFrame({"price": [1.0] * len(frame)})
    with pytest.raises(InputError, match="is no classifier of images"):
        _ = predict.Model().classes
