"""Mineral-like pictures, drawn with NumPy and Pillow alone.

A specimen (height, colour and gloss) is lit, laid on a backdrop and photographed with the faults
of real photographs, so that hyperparameters chosen blindly don't classify every picture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageColor, ImageDraw, ImageFilter, ImageFont

CLASSES: tuple[str, ...] = ("biotite", "bornite", "chrysocolla")

TARNISH = ("#b35c33", "#9e2457", "#661f8f", "#1f38a8", "#147a99", "#a88f33")
"""Bornite as its film of tarnish grows: copper, crimson, purple, blue, teal, brass."""

Rng = np.random.Generator
Shape = tuple[int, int]
Field = NDArray[np.float32]
Crystal = Callable[[Rng, Field, Field], Field]


@dataclass(frozen=True)
class Surface:
    """A specimen before it is lit.

    `height` is float32 (h, w) in pixels, `colour` float32 (h, w, 3), RGB in [0, 1], `gloss`
    float32 (h, w), the strength of the highlights; a `metal` colours them.
    """

    height: Field
    colour: Field
    gloss: Field
    metal: bool = False


def photograph(mineral: str, rng: Rng, cut_out: bool) -> Image.Image:
    """Draw one specimen of `mineral`.

    Args:
        mineral: one of `CLASSES`.
        rng: decides everything else.
        cut_out: leave the surroundings transparent.

    Returns:
        120 to 420 pixels a side, 8 bits a channel, mode RGBA for a cut-out, else RGB.
    """
    shape = _frame(rng)
    close_up = not cut_out and rng.random() < 0.22
    cover = np.ones(shape, np.float32) if close_up else _outline(rng, shape)
    scene = _light(rng, _SPECIMENS[mineral](rng, shape), cover)
    if cut_out:
        return Image.merge("RGBA", (*_expose(rng, scene).split(), _image(cover)))
    shadow = 0.6 * _blur(cover, 0.06)
    backdrop = _mix(_backdrop(rng, shape), (0, 0, 0), shadow)
    return _expose(rng, _mix(backdrop, scene, cover))


def _resize(field: Field, shape: Shape, how: Image.Resampling) -> Field:
    return np.asarray(Image.fromarray(field).resize(shape[::-1], how), np.float32)


def _fbm(rng: Rng, shape: Shape, rows: float, columns: float = 0, octaves: int = 4) -> Field:
    """Fractal noise in [0, 1]: random grids, each twice as fine and half as strong as the last.

    The coarsest has `rows` cells on the short side, and as many columns unless told otherwise.
    """
    total = np.zeros(shape, np.float32)
    for octave in range(octaves):
        cells = 2**octave * np.array([rows, columns or rows]) * shape / min(shape)
        grid = rng.random(np.minimum(cells.round() + 1, shape).astype(int), np.float32)
        total += _resize(grid, shape, Image.Resampling.BICUBIC) / 2**octave
    total -= total.min()
    return np.asarray(total / total.max())


def _blur(field: Field, share: float) -> Field:
    """Smooth over `share` of the short side."""
    height, width = field.shape
    cell = share * min(height, width)
    coarse = _resize(field, (round(height / cell), round(width / cell)), Image.Resampling.BOX)
    return _resize(coarse, (height, width), Image.Resampling.BICUBIC)


def _step(field: Field, edge: float, width: float) -> Field:
    """0 below `edge`, 1 above it, with a soft passage of `width`."""
    return np.asarray(np.clip((field - edge) / width + 0.5, 0, 1))


def _mix(first: ArrayLike, second: ArrayLike, share: Field | float) -> Field:
    """Blend two colours, or pictures of them: `share` 0 gives the first, 1 the second."""
    start, end = np.asarray(first, np.float32), np.asarray(second, np.float32)
    return np.asarray(start + (end - start) * np.asarray(share, np.float32)[..., None])


# Crystals: height over a unit disc, and far below zero outside the crystal.


def _dome(rng: Rng, y: Field, x: Field) -> Field:
    room = 1 - x**2 - y**2
    return np.where(room > 0, np.sqrt(np.abs(room)), np.float32(-9))


def _prism(rng: Rng, sides: int, bevel: float, tilt: float, stepped: bool = False) -> Crystal:
    """Polygons, all turned nearly alike, with a tilted top and a bevel (`stepped`: of sheets)."""
    turn = rng.uniform(0, np.pi)

    def crystal(rng: Rng, y: Field, x: Field) -> Field:
        rim = np.full(np.broadcast_shapes(y.shape, x.shape), -1, np.float32)
        for angle in turn + rng.normal(0, 0.15) + 2 * np.pi * np.arange(sides) / sides:
            across = float(np.sin(angle)) * y + float(np.cos(angle)) * x
            rim = np.maximum(rim, across / rng.uniform(0.6, 0.95))
        slope_y, slope_x, level = rng.normal(0, tilt, 3).tolist()
        top = np.minimum(bevel * (1 - rim), rng.uniform(0.05, 0.35))
        if stepped:
            top -= np.sin(100 * top) / 100
        return np.where(rim < 1, top + slope_y * y + slope_x * x + level, np.float32(-9))

    return crystal


def _grow(rng: Rng, shape: Shape, size: float, crystal: Crystal) -> tuple[Field, Field]:
    """Pack crystals of about `size`, a share of the short side; where they overlap the higher wins.

    Returns height in pixels and each crystal's own tone in [0, 1], both float32 (h, w).
    """
    pitch = size * min(shape)
    height, tone = np.full(shape, -pitch, np.float32), np.zeros(shape, np.float32)
    for cell in np.ndindex(*(int(side / pitch) + 2 for side in shape)):
        radius = pitch * rng.uniform(0.75, 1.5)
        middle = (cell + rng.uniform(-1, 0, 2)) * pitch
        low = np.maximum(middle - radius, 0).astype(int)
        high = np.clip(middle + radius + 1, low, shape).astype(int)
        y = ((np.arange(low[0], high[0]) - middle[0]) / radius).astype(np.float32)
        x = ((np.arange(low[1], high[1]) - middle[1]) / radius).astype(np.float32)
        top = np.float32(radius) * crystal(rng, y[:, None], x[None, :])
        window = np.s_[low[0] : high[0], low[1] : high[1]]
        np.copyto(tone[window], np.float32(rng.random()), where=top > height[window])
        np.maximum(height[window], top, out=height[window])
    return height, tone


# Minerals: random specimens, some of which look like another mineral at first sight.


def _biotite(rng: Rng, shape: Shape) -> Surface:
    """Black to brown mica: glossy flakes, or their sheets from the side; bronze, or in granite."""
    if rng.random() < 0.8:
        flakes = _prism(rng, 6, 0.7, 0.18, stepped=True)
        height, tone = _grow(rng, shape, rng.uniform(0.12, 0.35), flakes)
        height += 0.015 * min(shape) * _fbm(rng, shape, 5)
    else:
        tone = _fbm(rng, shape, rng.uniform(20, 40), 2)
        height = 0.08 * min(shape) * tone
    brown = np.float32(rng.choice([0.2, 0.5, 1.0]))
    colour = _mix((0.04, 0.04, 0.045), (0.30, 0.20, 0.11), brown * tone)
    if rng.random() < 0.25:
        colour = _mix(colour, (0.60, 0.42, 0.20), 0.8 * _step(_fbm(rng, shape, 3), 0.5, 0.5))
    surface = Surface(height, colour, np.full(shape, rng.uniform(0.4, 0.9), np.float32))
    return _within(rng, surface, (0.72, 0.67, 0.63)) if rng.random() < 0.25 else surface


def _bornite(rng: Rng, shape: Shape) -> Surface:
    """Metallic fragments in the colours of their tarnish; some mostly blue, some weathered dull."""
    height, tone = _grow(rng, shape, rng.uniform(0.08, 0.22), _prism(rng, 5, 0.9, 0.3))
    height += 0.06 * min(shape) * _fbm(rng, shape, 6)
    film = rng.uniform(0.3, 0.65) + 0.9 * (_fbm(rng, shape, 3) - 0.5) + 0.3 * (tone - 0.5)
    stages = np.array([ImageColor.getrgb(stage) for stage in TARNISH]) / 255
    bands = [np.interp(film, np.linspace(0, 1, len(stages)), band) for band in stages.T]
    colour = np.stack(bands, -1).astype(np.float32) * (0.6 + 0.6 * tone[..., None])
    if rng.random() < 0.3:
        dull = _step(_fbm(rng, shape, 3), rng.uniform(0.1, 0.5), 0.3)
        colour = _mix(colour, (0.22, 0.16, 0.12), 0.9 * dull)
    return Surface(height, colour, np.full(shape, rng.uniform(0.5, 1.0), np.float32), metal=True)


def _chrysocolla(rng: Rng, shape: Shape) -> Surface:
    """Blue-green botryoidal crust; some of it pale, some partly under its brown matrix."""
    height, tone = _grow(rng, shape, rng.uniform(0.08, 0.18), _dome)
    height += 0.03 * min(shape) * _fbm(rng, shape, 14)
    bands = 0.6 * _fbm(rng, shape, 3, octaves=6) + 0.2 * tone + 0.2 * np.square(np.sin(height))
    colour = _mix((0.02, 0.36, 0.46), (0.40, 0.80, 0.72), bands.astype(np.float32))
    if rng.random() < 0.2:
        colour = _mix(colour, (0.66, 0.80, 0.74), rng.uniform(0.4, 0.7))
    surface = Surface(height, colour, np.full(shape, rng.uniform(0.1, 0.4), np.float32))
    return _within(rng, surface, (0.26, 0.18, 0.12)) if rng.random() < 0.45 else surface


_SPECIMENS = {"biotite": _biotite, "bornite": _bornite, "chrysocolla": _chrysocolla}


def _within(rng: Rng, surface: Surface, rock: ArrayLike) -> Surface:
    """Leave a part of the surface under the rock it grew in."""
    shape = (surface.height.shape[0], surface.height.shape[1])
    covered = _step(_fbm(rng, shape, 3), rng.uniform(0.45, 0.7), 0.05)
    height = surface.height + covered * (0.06 * min(shape) * _fbm(rng, shape, 10) - surface.height)
    colour = _mix(surface.colour, _rock(rng, shape, rock), covered)
    return Surface(height, colour, surface.gloss * (1 - covered), surface.metal)


def _rock(rng: Rng, shape: Shape, colour: ArrayLike) -> Field:
    grains = 0.3 + 0.7 * _fbm(rng, shape, 5) + 0.5 * _fbm(rng, shape, 35, octaves=1)
    return _mix((0, 0, 0), colour, grains)


# The scene: where the specimen lies, its light and the camera.


def _frame(rng: Rng) -> Shape:
    """Height and width in pixels: landscape, square or portrait."""
    long = round(140 + 280 * rng.random() ** 2)
    short = max(120, round(long * rng.choice([1.0, 0.8, 0.75, 0.67])))
    return (short, long) if rng.random() < 0.6 else (long, short)


def _outline(rng: Rng, shape: Shape) -> Field:
    """How far the specimen covers each pixel, in [0, 1]."""
    y, x = (np.linspace(-1, 1, side, dtype=np.float32) + rng.uniform(-0.2, 0.2) for side in shape)
    reach = np.hypot(y[:, None], x[None, :]) + 0.5 * _fbm(rng, shape, 3)
    return 1 - _step(reach, rng.uniform(0.75, 1.1), 0.03)


def _light(rng: Rng, surface: Surface, cover: Field) -> Field:
    """Shade by one lamp and the sky: diffuse, a broad and a sharp highlight, dark crevices."""
    unit = 0.1 * min(cover.shape)
    body = surface.height + unit * _blur(cover, 0.1)
    slope_y, slope_x = (np.clip(slope, -1.5, 1.5) for slope in np.gradient(body))
    length = np.sqrt(slope_y**2 + slope_x**2 + 1)
    turn, rise = rng.uniform(0, 2 * np.pi), rng.uniform(0.6, 1.2)
    lamp = np.array([np.cos(rise) * np.sin(turn), np.cos(rise) * np.cos(turn), np.sin(rise)])
    halfway = (lamp + np.array([0, 0, 1])) / np.sqrt(2 + 2 * lamp[2])
    facing, mirror = (
        np.clip((z - y * slope_y - x * slope_x) / length, 0, 1)
        for y, x, z in (lamp.tolist(), halfway.tolist())
    )
    crevice = np.clip(0.9 + (body - _blur(body, 0.06)) / unit, 0.35, 1.1)
    diffuse = (0.35 + 0.8 * facing) * crevice
    highlight = surface.gloss * (0.25 * mirror**8 + 0.6 * mirror**64) * crevice
    tint = 0.1 + 1.6 * surface.colour if surface.metal else np.ones(3, np.float32)
    return np.asarray(surface.colour * diffuse[..., None] + tint * highlight[..., None])


def _backdrop(rng: Rng, shape: Shape) -> Field:
    """White, grey or black card, cloth, or rock: float32 (h, w, 3)."""
    kind = rng.choice(["white", "grey", "black", "cloth", "cloth", "rock"])
    if kind == "rock":
        return _rock(rng, shape, rng.uniform(0.3, 0.6) + rng.normal(0, 0.06, 3))
    if kind == "cloth":
        y, x = (np.sin(1.6 * np.arange(side, dtype=np.float32)) for side in shape)
        weave = 0.9 + 0.12 * y[:, None] * x[None, :] + 0.2 * _fbm(rng, shape, 3)
        return _mix((0, 0, 0), rng.uniform(0.1, 0.65, 3), weave)
    level = {"white": 0.95, "grey": rng.uniform(0.3, 0.7), "black": 0.05}[str(kind)]
    return _mix((0.8 * level,) * 3, (level,) * 3, _fbm(rng, shape, 1, octaves=1))


def _expose(rng: Rng, scene: Field) -> Image.Image:
    """Expose and tint the scene, add noise, and now and then fade, blur or sign the picture."""
    picture = scene * (rng.uniform(0.75, 1.35) * rng.normal(1, 0.07, 3)).astype(np.float32)
    if rng.random() < 0.2:
        grey = picture.mean(-1, keepdims=True)
        picture = 0.12 + 0.8 * (picture + (grey - picture) * rng.uniform(0.2, 0.65))
    noise = rng.standard_normal((*scene.shape[:2], 1), np.float32)
    image = _image(picture + noise * np.float32(rng.choice([0.008, 0.02, 0.05])))
    if rng.random() < 0.2:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(1, 2.5)))
    if rng.random() < 0.1:
        font = ImageFont.load_default(size=max(9, image.height // 16))
        text, place = f"(c) collection no. {rng.integers(100, 9999)}", (9, 0.9 * image.height)
        ImageDraw.Draw(image).text(place, text, fill=(235, 235, 235), font=font)
    return image


def _image(field: Field) -> Image.Image:
    return Image.fromarray((255 * np.clip(field, 0, 1)).astype(np.uint8))
