"""Work on few and on many images: the same results, told from time to time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import ImageOps

from mineralsweep.data import duplicates, work
from mineralsweep.data.sources import sample
from mineralsweep.data.work import done, silent, told
from mineralsweep.errors import DataError
from tests.pictures import catalog_of, encode


def half(number: int) -> float:
    if number < 0:
        raise DataError(f"{number} is below 0")
    return number / 2


@pytest.mark.parametrize("few", [100, 0], ids=["threads", "processes"])
def test_results_come_in_order_and_errors_as_they_are(
    few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "FEW", few)
    assert list(done(half, list(range(90)), "halves", silent)) == [n / 2 for n in range(90)]
    with pytest.raises(DataError, match="-3 is below 0"):
        list(done(half, [1, 2, -3], "halves", silent))


def test_what_takes_long_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    assert list(told(range(5), 5, "counting", lines.append)) == [0, 1, 2, 3, 4]
    assert lines == []
    monkeypatch.setattr(work, "EVERY", 0.0)
    list(told(range(1200), 1500, "counting", lines.append))
    assert lines[0] == "counting: 0 of 1,500"
    assert lines[-1] == "counting: 1,199 of 1,500"


def test_a_catalogue_and_its_copies_are_the_same_either_way(
    make_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    root = make_folder(6)
    picture = sample.draw("bornite", 2).convert("RGB")
    (root / "ash" / "one.jpg").write_bytes(encode(picture, "JPEG"))
    (root / "ash" / "two.jpg").write_bytes(encode(ImageOps.mirror(picture), "JPEG"))
    (root / "ash" / "cut.jpg").write_bytes(encode(picture, "JPEG")[:300])
    found = catalog_of(root)
    groups = duplicates.groups(found)
    monkeypatch.setattr(work, "FEW", 0)
    monkeypatch.setenv("MINERALSWEEP_CACHE", str(tmp_path / "another"))
    again = catalog_of(root)
    assert again == found
    assert len(again.rejected) == 1
    assert duplicates.groups(again) == groups
    assert len(set(groups)) == len(groups) - 1
