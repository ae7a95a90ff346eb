"""Sweeps by time: which architectures, folds and image size so many minutes have room for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from mineralsweep.config.load import Override
from mineralsweep.errors import ConfigError, did_you_mean

PRESETS = {"quick": 2.0, "medium": 15.0, "best": 60.0}
"""Minutes, by name."""
LEAST = 1.0
"""Minutes: less has no room for TensorFlow's start and a report."""
OPTUNA = "optuna"
"""The engine that has pruners."""

SIZES = (448, 320, 224, 160)
"""Pixels a side, the best first: texture needs the larger ones."""
SECONDS_A_MEGAPIXEL = 0.4
"""Of one core, for one view of an image through efficientnet_lite0 (measured: docs/transfer.md)."""
VIEWS = 2
FIRST_SHARE = 1 / 3
"""Of the time, that the first probe's backbone may take."""
LEAST_SEARCH = 20.0
"""Seconds."""
FEWEST_FOLDS, FOLDS = 3, 5
FOLDS_FROM, MORE_BACKBONES_FROM, TWO_BACKBONES_FROM, FINE_TUNING_FROM = 4.0, 4.0, 8.0, 12.0
"""Minutes for a few hundred photographs; with more images, in proportion."""
FEW_HUNDRED = 400


@dataclass(frozen=True)
class Chosen:
    """What a preset lays over a sweep file, and a sentence on it."""

    overrides: list[Override]
    sentence: str


def minutes_of(preset: str | None, minutes: float | None) -> float | None:
    """Return the minutes that flags ask for, None where they ask for none.

    Raises:
        ConfigError: both are given, there is no such preset, or it is too short.
    """
    if preset is not None and minutes is not None:
        raise ConfigError("--minutes: --preset says it too; leave one out")
    if preset is not None and preset not in PRESETS:
        raise ConfigError(f"--preset: unknown name '{preset}'{did_you_mean(preset, PRESETS)}")
    asked = minutes if preset is None else PRESETS[preset]
    if asked is not None and asked < LEAST:
        raise ConfigError(f"--minutes: must be at least {LEAST:g}, got {asked:g}")
    return asked


def choose(
    minutes: float, images: int, smallest: int, cores: int, engine: str, prunes: bool = True
) -> Chosen:
    """Return the sweep that fills so many minutes.

    The search ends by the clock: what is chosen here decides that it has room for more than one
    trial, not when it ends.

    Args:
        minutes: of the whole command, the report included.
        images: in all.
        smallest: images of the smallest class outside the test split, near-duplicates counted
            once: no more folds are made.
        cores: of this machine.
        engine: of the sweep file; the pruner is Optuna's alone.
        prunes: whether trials may be; those with several objectives may not.

    Raises:
        ConfigError: so many images take longer to decode, answer, crown and draw.
    """
    seconds = 60 * minutes - _reserve(images)
    search = max(LEAST_SEARCH, _backbone_seconds(SIZES[-1], images, cores) / FIRST_SHARE)
    if seconds < search:
        least = math.ceil((_reserve(images) + search) / 60)
        raise ConfigError(f"--minutes: {images} images need at least {least}, got {minutes:g}")
    room = minutes * FEW_HUNDRED / max(images, FEW_HUNDRED // 2)
    size = _size(seconds, images, cores)
    divided = room >= FOLDS_FROM and smallest >= FEWEST_FOLDS
    folds = min(FOLDS, smallest) if divided else 1
    architectures = ["probe", "probe+colour_texture"]
    backbones = ["efficientnet_lite0"]
    space: dict[str, Any] = {
        "features": "covariance",
        "estimator": "linear",
        "penalty": {"low": 0.03, "high": 3.0, "log": True},
        "flips": ["horizontal", "all"] if room >= MORE_BACKBONES_FROM else ["horizontal"],
        "image_size": sorted({size, min(size, 320)}) if room >= MORE_BACKBONES_FROM else [size],
    }
    if room >= MORE_BACKBONES_FROM:
        backbones += ["mobilenetv2", "efficientnetv2b0"]
    first = {
        "backbone": backbones[0], "penalty": 0.3, "flips": "horizontal",
        "image_size": size,
    }  # fmt: skip
    points = [{"architecture": one, **first} for one in architectures]
    if room >= TWO_BACKBONES_FROM:
        architectures.append("probe+probe")
        space["second_backbone"] = ["vgg16", "mobilenetv2"]
        points.append({**first, "architecture": "probe+probe", "second_backbone": "vgg16"})
    points += [
        {**points[0], "backbone": one, "image_size": min(size, 320)} for one in backbones[1:]
    ]
    if room >= FINE_TUNING_FROM:
        architectures += ["finetune", "probe+finetune"]
        space |= {
            "unfrozen_stages": [1, 2],
            "learning_rate": {"low": 1e-6, "high": 1e-4, "log": True},
        }
        points.append({
            **points[0], "architecture": "probe+finetune", "image_size": min(size, 320),
            "unfrozen_stages": 2, "learning_rate": 1e-5,
        })  # fmt: skip
    whole = {"architecture": architectures, "backbone": backbones, **space}
    laid: dict[str, Any] = {
        "space": whole,
        "image_size": None,
        "folds": folds,
        "repeats": 1,
        "warm_start": points,
        "budget": {"trials": 1000, "epochs": 8, "timeout": round(seconds, 1)},
    }
    if engine == OPTUNA:
        laid |= {
            "engine.pruner": "wilcoxon" if folds > 1 and prunes else "none",
            "engine.pruner_options": {},
            "engine.startup_trials": len(points),
        }
    judged = f"{folds} folds" if folds > 1 else "one split"
    sentence = (
        f"{minutes:g} minutes for {images} images: {', '.join(architectures)}; images of {size}"
        f" pixels; {judged}; the search ends after {seconds:.0f} s"
    )
    flag = "--minutes"
    return Chosen([Override(name, one, flag, null=True) for name, one in laid.items()], sentence)


def _reserve(images: int) -> float:
    """Return the seconds that starting, crowning and drawing take: the test images are answered."""
    return 25.0 + 0.03 * images


def _size(seconds: float, images: int, cores: int) -> int:
    """Return the largest size at which the first probe leaves time for others."""
    fitting = (
        size for size in SIZES if _backbone_seconds(size, images, cores) <= FIRST_SHARE * seconds
    )
    return next(fitting, SIZES[-1])


def _backbone_seconds(size: int, images: int, cores: int) -> float:
    return SECONDS_A_MEGAPIXEL * VIEWS * images * size**2 / 1e6 / cores
