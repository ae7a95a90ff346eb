"""Images that a photographer would take again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from mineralsweep.data.sources import sample
from mineralsweep.report.quality import poor
from tests.pictures import catalog_of


def plain(number: int = 3) -> Image.Image:
    rng = np.random.default_rng(number)
    drawn = np.asarray(sample.draw("bornite", number).convert("RGB").resize((300, 300)))
    grain = rng.normal(0, 12, drawn.shape)
    return Image.fromarray(np.clip(drawn + grain, 0, 255).astype(np.uint8))


def levels(image: Image.Image, low: float, high: float) -> Image.Image:
    return image.point(lambda level: int(low + (high - low) * level / 255))


@pytest.mark.parametrize(
    ("spoilt", "reason"),
    [
        (lambda image: levels(image, 0, 50), "dark"),
        (lambda image: levels(image, 246, 255), "pale"),
        (lambda image: levels(image, 100, 115), "uses under a tenth of the range"),
        (lambda image: image.filter(ImageFilter.GaussianBlur(6)), "blurred"),
        (lambda image: image.resize((40, 90)), "under 64 pixels on the shorter side"),
        (lambda image: image.resize((900, 200)), "over 3 times as long as wide"),
    ],
    ids=["dark", "pale", "faint", "blurred", "small", "long"],
)
def test_each_kind_is_named_and_the_others_are_not(
    spoilt: object, reason: str, tmp_path: Path
) -> None:
    folder = tmp_path / "photos" / "bornite"
    folder.mkdir(parents=True)
    for number in range(3):
        plain(number).save(folder / f"{number}.png")
    spoilt(plain(9)).save(folder / "spoilt.png")  # type: ignore[operator]
    found = catalog_of(tmp_path / "photos")
    named = {found.file(one.row): one.reasons for one in poor(found)}
    assert list(named) == ["bornite/spoilt.png"]
    assert any(reason in text for text in named["bornite/spoilt.png"])


def test_no_image_is_no_poor_image(tmp_path: Path) -> None:
    (tmp_path / "photos" / "ash").mkdir(parents=True)
    (tmp_path / "photos" / "ash" / "cut.jpg").write_bytes(b"\xff\xd8")
    assert poor(catalog_of(tmp_path / "photos")) == ()
