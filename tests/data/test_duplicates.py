"""Near-duplicates are grouped, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont, ImageOps

from mineralsweep.data import duplicates, looks
from mineralsweep.data.dataset import open_dataset
from mineralsweep.data.groups import several
from mineralsweep.data.profile import concerns
from mineralsweep.data.settings import DataSettings
from mineralsweep.data.sources import sample
from mineralsweep.errors import DataError
from tests.pictures import catalog_of, encode, noisy, write_classes

LISTED = (
    ("bornite/0002.jpg", "bornite/0160.jpg"),
    ("bornite/0009.jpg", "bornite/0016.jpg"),
    ("bornite/0048.jpg", "bornite/0103.jpg"),
    ("bornite/0099.jpg", "bornite/0144.jpg"),
    ("bornite/0028.jpg", "bornite/0168.jpg"),
    ("biotite/0014.jpg", "biotite/0017.jpg"),
)
"""Pairs among the photographs, found by eye."""
ALSO_SEEN = (
    ("bornite/0063.jpg", "bornite/0071.jpg"),
    ("bornite/0024.jpg", "bornite/0145.jpg"),
    ("bornite/0089.jpg", "bornite/0134.jpg"),
    ("bornite/0011.jpg", "bornite/0126.jpg"),
    ("bornite/0043.jpg", "bornite/0061.jpg"),
)
"""Found by the program, and seen by eye to be one photograph each."""


def marked(image: Image.Image) -> Image.Image:
    """Write an agency's name across the middle."""
    copy = image.copy()
    font = ImageFont.load_default(size=image.width // 8)
    ImageDraw.Draw(copy).text((image.width // 5, image.height // 2), "agency.com", (240,) * 3, font)
    return copy


def framed(image: Image.Image) -> Image.Image:
    """Lay the picture on white card, with a line of text below."""
    page = ImageOps.expand(image, image.width // 10, "white")
    ImageDraw.Draw(page).text((page.width // 3, page.height - 14), "no. 4711", "black")
    return page


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "smaller": lambda image: image.resize((image.width // 2, image.height // 2)),
    "larger": lambda image: image.resize((image.width * 2, image.height * 2)),
    "squeezed": lambda image: image.resize((image.width, image.height * 3 // 4)),
    "mirrored": ImageOps.mirror,
    "flipped": ImageOps.flip,
    "turned": lambda image: image.transpose(Image.Transpose.ROTATE_90),
    "turned and mirrored": lambda image: image.transpose(Image.Transpose.TRANSVERSE),
    "brighter": lambda image: image.point(lambda level: min(255, level * 1.2)),
    "marked": marked,
    "framed": framed,
}


@pytest.fixture(scope="module")
def drawn() -> list[Image.Image]:
    return [
        sample.draw(mineral, index).convert("RGB")
        for mineral in ("bornite", "chrysocolla")
        for index in (2, 4, 7)
    ]


def grouped(root: Path) -> list[set[str]]:
    """Return the names in each group of two or more."""
    dataset = open_dataset(DataSettings(str(root), "40/20/40", 0))
    return [set(dataset.files(rows)) for rows in dataset.duplicates()]


def write(root: Path, pictures: dict[str, Image.Image]) -> Path:
    for name, picture in pictures.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(picture, "JPEG", quality=60))
    return root


@pytest.mark.parametrize("change", COPIES)
def test_a_copy_is_found(change: str, drawn: list[Image.Image], tmp_path: Path) -> None:
    pictures = {f"a/{number}.jpg": image for number, image in enumerate(drawn)}
    pictures["b/0.jpg"] = COPIES[change](drawn[0])
    found = catalog_of(write(tmp_path, pictures))
    names = [image.path.parent.name + image.path.stem for image in found.images]
    groups = several(duplicates.groups(found))
    assert [{names[row] for row in rows} for rows in groups] == [{"a0", "b0"}]


def test_many_copies_of_each_of_many_photographs_are_all_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(duplicates, "MORE_CHECKS", 20)
    monkeypatch.setattr(duplicates, "LISTED", 100)
    drawn = [sample.draw("bornite", number).convert("RGB") for number in range(4)]
    pictures = {
        f"{number % 2}/{number}-{side}.jpg": image.resize((side, side))
        for number, image in enumerate(drawn)
        for side in range(100, 160, 5)
    }
    found = catalog_of(write(tmp_path, pictures))
    told: list[str] = []
    assert sorted(map(len, several(duplicates.groups(found, told.append)))) == [12] * 4
    assert told == []


def test_where_looking_ends_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(duplicates, "MORE_CHECKS", -7)
    monkeypatch.setattr(duplicates, "_are_one", lambda compared: False)
    drawn = sample.draw("bornite", 1).convert("RGB")
    pictures = {f"a/{side}.jpg": drawn.resize((side, side)) for side in range(100, 150, 5)}
    told: list[str] = []
    for _ in range(2):  # looked for, and kept
        duplicates.groups(catalog_of(write(tmp_path, pictures)), told.append)
    assert told == ["Near-duplicates: the nearest pairs were looked at until 3 differed"] * 2


def test_the_drawn_sample_has_none(tmp_path: Path) -> None:
    # Its pictures are alike on purpose: one lamp, a few kinds of ground, one texture a mineral.
    assert grouped(sample.write(tmp_path / "sample", per_class=15)) == []


def test_noise_and_plain_pictures_are_not_taken_for_copies(tmp_path: Path) -> None:
    root = write_classes(tmp_path / "photos", ("ash", "beech"), 10)
    for number, colour in enumerate(("white", "black", "grey", "red", "blue")):
        plain = Image.new("RGB", (60 + number, 50), colour)
        (root / "ash" / f"{colour}.png").write_bytes(encode(plain))
        (root / "beech" / f"{colour}.png").write_bytes(encode(plain.resize((80, 70 + number))))
    assert grouped(root) == []


def test_a_chain_of_copies_is_one_group() -> None:
    assert duplicates.joined(6, [(4, 5), (1, 3), (3, 4)]) == (0, 1, 2, 1, 1, 1)
    assert duplicates.joined(3, []) == (0, 1, 2)


def test_an_image_gone_since_it_was_listed_is_told(
    drawn: list[Image.Image], tmp_path: Path
) -> None:
    found = catalog_of(write(tmp_path, {"a/0.jpg": drawn[0], "b/0.jpg": marked(drawn[0])}))
    (tmp_path / "b" / "0.jpg").unlink()
    with pytest.raises(DataError, match=r"0.jpg: can't be read any more.*run the command again"):
        duplicates.groups(found)
    assert not (tmp_path / "cache" / "groups").exists()


def test_what_was_found_is_kept(
    drawn: list[Image.Image], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = catalog_of(write(tmp_path / "x", {"a/0.jpg": drawn[0], "b/0.jpg": marked(drawn[0])}))
    assert duplicates.groups(found) == (0, 0)
    kept = next((tmp_path / "cache" / "groups").iterdir())
    with monkeypatch.context() as patch:
        patch.setattr(duplicates, "_pairs", lambda catalog, say: pytest.fail("looked for again"))
        assert duplicates.groups(found) == (0, 0)
    for damaged in ("[0", "[0]", '["a", 0]', "7"):
        kept.write_text(damaged)
        assert duplicates.groups(found) == (0, 0)


def test_file_names_do_not_matter(drawn: list[Image.Image], tmp_path: Path) -> None:
    first = catalog_of(write(tmp_path / "x", {"a/0.jpg": drawn[0], "a/1.jpg": marked(drawn[0]),
                                                "a/2.jpg": drawn[1]}))  # fmt: skip
    second = catalog_of(write(tmp_path / "y", {"a/9.jpg": drawn[0], "a/8.jpg": marked(drawn[0]),
                                                 "a/1.jpg": drawn[1]}))  # fmt: skip
    assert duplicates.groups(first) == duplicates.groups(second)


def test_orientations_are_the_eight_of_the_square() -> None:
    pixels = np.arange(9, dtype=np.uint8).reshape(3, 3)
    seen = {looks.oriented(pixels, number).tobytes() for number in range(looks.SYMMETRIES)}
    assert len(seen) == 8
    assert looks.oriented(pixels, 0).tobytes() == pixels.tobytes()


def test_hashes_are_read_back(drawn: list[Image.Image]) -> None:
    hashes = looks.parse([looks.describe(image) for image in drawn])
    assert hashes.shape == (6, 3, 8)
    assert hashes.dtype == np.uint64
    assert looks.describe(Image.new("RGB", (50, 50), "red")) == ""
    assert looks.describe(noisy((9, 99, 9), 0, (1, 200))) != ""


@pytest.mark.slow
def test_copies_among_the_photographs(photos: Path) -> None:
    expected = [set(pair) for pair in (*LISTED, *ALSO_SEEN)]
    found = grouped(photos)
    assert sum(set(pair) in found for pair in LISTED) >= 5
    assert [group for group in found if group not in expected] == []


def test_ignored_near_duplicates_are_not_looked_for(
    drawn: list[Image.Image], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = {f"{label}/{number}.jpg": change(drawn[number])
                for label, change in (("a", COPIES["smaller"]), ("b", ImageOps.mirror))
                for number in range(6)}  # fmt: skip
    root = str(write(tmp_path / "x", pictures))
    dataset = open_dataset(DataSettings(root, "40/20/40", 0))
    assert len(dataset.duplicates()) == 6
    for part in (dataset.split.train, dataset.split.validation, dataset.split.test):
        assert {dataset.near_duplicates[row] for row in part}.isdisjoint(
            dataset.near_duplicates[row] for row in range(12) if row not in part
        )
    monkeypatch.setattr(duplicates, "_pairs", lambda catalog, say: pytest.fail("looked for"))
    ignored = open_dataset(DataSettings(root, "40/20/40", 0, near_duplicates="ignore"))
    assert ignored.near_duplicates == tuple(range(12))
    assert ignored.split.digest != dataset.split.digest


def test_concerns_name_what_is_in_doubt(drawn: list[Image.Image], tmp_path: Path) -> None:
    pictures = {f"a/{number}.jpg": image for number, image in enumerate(drawn)}
    pictures |= {"b/0.jpg": ImageOps.mirror(drawn[0]), "a/9.jpg": ImageOps.flip(drawn[1])}
    pictures |= {f"b/{number}.jpg": sample.draw("biotite", number).convert("RGB")
                 for number in range(1, 6)}  # fmt: skip
    lines = concerns(
        open_dataset(DataSettings(str(write(tmp_path / "x", pictures)), "40/20/40", 0))
    )
    assert lines[0].startswith("4 images are near-duplicates, in 2 groups: each group stands on")
    assert "Careful: a/0.jpg and b/0.jpg look like one photograph, in different classes" in lines[1]
    assert lines[2].startswith("Careful: few images of a 7 (3 to train on, 1 for validation), b 6")
