"""What a page shows: small copies of photographs, and the chart of their sizes."""

from __future__ import annotations

import base64
import io
import math
from html import escape

from PIL import Image

from mineralsweep.data.catalog import Catalog
from mineralsweep.data.decode import open_rgb
from mineralsweep.errors import UnusableImage
from mineralsweep.inspection.findings import Findings

SIDE = 280
"""Pixels: the longer side of a picture on the page."""
QUALITY = 78

# Okabe and Ito's colours, told apart with any colour vision, and a shape for each class as well.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#b58900", "#7f7f7f")
SHAPES = ("circle", "square", "triangle", "diamond")
CORNERS: dict[str, tuple[tuple[float, float], ...]] = {
    "triangle": ((0, -5), (4.5, 3.5), (-4.5, 3.5)),
    "diamond": ((0, -5), (5, 0), (0, 5), (-5, 0)),
}
WIDTH, HEIGHT, LEFT, BOTTOM = 640, 400, 56, 44


class Pictures:
    """Small copies of a catalogue's images as figures of HTML, each made once."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._made: dict[int, str] = {}

    def figure(self, row: int, caption: str) -> str:
        """Return one image with a caption, which is HTML already."""
        facts = self._findings.catalog.images[row].facts
        alt = escape(f"{self._findings.file(row)}, {facts.width} x {facts.height} pixels", True)
        return (
            f'<figure><img src="{self._source(row)}" alt="{alt}">'
            f"<figcaption>{caption}</figcaption></figure>"
        )

    def _source(self, row: int) -> str:
        if row not in self._made:
            self._made[row] = self._encoded(row)
        return self._made[row]

    def _encoded(self, row: int) -> str:
        try:
            image, _ = open_rgb(self._findings.catalog.images[row].path.read_bytes())
        except (OSError, UnusableImage):
            image = Image.new("RGB", (1, 1), "white")  # gone while we looked; its name stays
        image.thumbnail((SIDE, SIDE), reducing_gap=2.0)
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=QUALITY)
        return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def sizes_chart(catalog: Catalog) -> str:
    """Return an SVG of width against height, both on a logarithmic axis, one mark an image."""
    sides = [side for image in catalog.images for side in (image.facts.width, image.facts.height)]
    low, high = math.log10(max(1, min(sides)) / 1.15), math.log10(max(sides) * 1.15)

    def at(pixels: float) -> float:
        return (math.log10(pixels) - low) / (high - low)

    def x(pixels: float) -> float:
        return LEFT + at(pixels) * (WIDTH - LEFT - 10)

    def y(pixels: float) -> float:
        return HEIGHT - BOTTOM - at(pixels) * (HEIGHT - BOTTOM - 10)

    marks = []
    for image in catalog.images:
        number = catalog.classes.index(image.label)
        marks.append(_mark(number, x(image.facts.width), y(image.facts.height)))
    lines = []
    for tick in _ticks(10**low, 10**high):
        lines.append(
            f'<line x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="10" y2="{HEIGHT - BOTTOM}"'
            ' stroke="var(--line)"/>'
            f'<text x="{x(tick):.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{tick}</text>'
            f'<line x1="{LEFT}" x2="{WIDTH - 10}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"'
            ' stroke="var(--line)"/>'
            f'<text x="{LEFT - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick}</text>'
        )
    axes = (
        f'<text x="{WIDTH / 2}" y="{HEIGHT - 8}" text-anchor="middle">width, pixels</text>'
        f'<text transform="translate(13 {HEIGHT / 2}) rotate(-90)" text-anchor="middle">'
        "height, pixels</text>"
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" role="img"'
        f' aria-label="Width and height of {len(catalog.images)} images">'
        f"{''.join(lines)}{axes}{''.join(marks)}</svg><p>{_legend(catalog)}</p>"
    )


def _ticks(low: float, high: float) -> list[int]:
    steps = [step * 10**power for power in range(6) for step in (1, 2, 5)]
    return [step for step in steps if low <= step <= high]


def _legend(catalog: Catalog) -> str:
    return " ".join(
        f'<svg width="14" height="14" aria-hidden="true">{_mark(number, 7, 7)}</svg>'
        f" {escape(label)}&emsp;"
        for number, label in enumerate(catalog.classes)
    )


def _mark(number: int, x: float, y: float) -> str:
    paint = f'fill="{COLOURS[number % len(COLOURS)]}" fill-opacity=".55"'
    shape = SHAPES[number % len(SHAPES)]
    if shape == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" {paint}/>'
    if shape == "square":
        return f'<rect x="{x - 3.5:.1f}" y="{y - 3.5:.1f}" width="7" height="7" {paint}/>'
    corners = CORNERS[shape]
    points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)
    return f'<polygon points="{points}" {paint}/>'
