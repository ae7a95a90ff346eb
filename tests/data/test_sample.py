from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from mineralsweep.data import decode
from mineralsweep.data.sources import sample

PER_CLASS = len(sample.FILE_KINDS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample.write(tmp_path_factory.mktemp("drawn"), per_class=PER_CLASS)


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    first = sample.write(tmp_path / "first", per_class=3, seed=5)
    second = sample.write(tmp_path / "second", per_class=3, seed=5)
    assert contents(first) == contents(second)


def test_another_seed_draws_other_pictures() -> None:
    assert sample.draw("bornite", 0).tobytes() != sample.draw("bornite", 0, seed=1).tobytes()


def test_a_picture_does_not_depend_on_the_others() -> None:
    alone = sample.draw("chrysocolla", 4)
    for mineral in reversed(sample.CLASSES):
        sample.draw(mineral, 2)
    assert sample.draw("chrysocolla", 4).tobytes() == alone.tobytes()


def test_every_picture_is_another_one(folder: Path) -> None:
    files = contents(folder)
    assert len(set(files.values())) == len(files)


def test_a_folder_a_class_with_as_many_pictures_as_asked(folder: Path) -> None:
    counts = Counter(Path(name).parent.as_posix() for name in contents(folder))
    assert counts == dict.fromkeys(sample.CLASSES, PER_CLASS)


def test_formats_modes_and_sizes_are_mixed(folder: Path) -> None:
    facts = [decode.inspect(content) for content in contents(folder).values()]
    formats = Counter(fact.format for fact in facts)
    assert set(formats) == {"JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP"}
    assert formats["JPEG"] > len(facts) / 2
    assert {"RGB", "RGBA", "P"} <= {fact.mode for fact in facts}
    assert len({(fact.height, fact.width) for fact in facts}) > len(facts) / 2
    assert {fact.height > fact.width for fact in facts} == {True, False}
    assert all(120 <= side <= 420 for fact in facts for side in (fact.height, fact.width))


def test_a_jpeg_may_have_an_extension_that_says_nothing(folder: Path) -> None:
    odd = folder / "bornite" / "07. bo"
    assert decode.inspect(odd.read_bytes()).format == "JPEG"


@pytest.mark.parametrize("mineral", sample.CLASSES)
def test_a_cut_out_is_transparent_around_an_opaque_specimen(mineral: str) -> None:
    picture = sample.draw(mineral, sample.FILE_KINDS.index("cut-out.png"))
    assert picture.mode == "RGBA"
    alpha = np.asarray(picture)[..., 3]
    assert (alpha == 0).mean() > 0.1
    assert (alpha == 255).mean() > 0.1


@pytest.mark.parametrize("mineral", sample.CLASSES)
def test_pictures_are_not_blank(mineral: str) -> None:
    assert all(np.asarray(sample.draw(mineral, index)).std() > 4 for index in range(6))


def test_unknown_mineral_is_refused() -> None:
    with pytest.raises(ValueError, match=r"one of biotite, bornite, chrysocolla, got 'borite'"):
        sample.draw("borite", 0)


@pytest.mark.parametrize(("index", "seed"), [(-1, 0), (0, -1)])
def test_negative_numbers_are_refused(index: int, seed: int) -> None:
    with pytest.raises(ValueError, match="non-negative"):
        sample.draw("biotite", index, seed)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Make `ensure` draw one picture a class; the list has the folder of every drawing."""
    written: list[Path] = []
    whole = sample.write

    def write(folder: Path) -> Path:
        written.append(folder)
        return whole(folder, per_class=1)

    monkeypatch.setattr(sample, "write", write)
    return written


def test_ensure_draws_once(tmp_path: Path, small: list[Path]) -> None:
    cache = tmp_path / "not" / "there yet"
    first = sample.ensure(cache)
    before = contents(first)
    assert sample.ensure(cache) == first == cache / f"sample-v{sample.VERSION}"
    assert contents(first) == before
    assert len(before) == len(sample.CLASSES)
    assert len(small) == 1
    assert list(cache.iterdir()) == [first]


def test_ensure_at_once_gives_both_a_whole_folder(
    tmp_path: Path, small: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    both_have_drawn = threading.Barrier(2, timeout=10)
    alone = sample.write

    def write(folder: Path) -> Path:
        alone(folder)
        both_have_drawn.wait()
        return folder

    monkeypatch.setattr(sample, "write", write)
    seen: list[int] = []
    threads = [
        threading.Thread(target=lambda: seen.append(len(contents(sample.ensure(tmp_path)))))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [len(sample.CLASSES)] * 2
    assert len(small) == 2
    assert [path.name for path in tmp_path.iterdir()] == [f"sample-v{sample.VERSION}"]


def test_a_drawing_that_fails_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(folder: Path) -> Path:
        folder.mkdir()
        raise OSError("disk full")

    monkeypatch.setattr(sample, "write", write)
    with pytest.raises(OSError, match="disk full"):
        sample.ensure(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_ensure_tells_when_its_name_is_taken_by_a_file(tmp_path: Path, small: list[Path]) -> None:
    (tmp_path / f"sample-v{sample.VERSION}").write_text("in the way")
    with pytest.raises(OSError, match="sample-v"):
        sample.ensure(tmp_path)
