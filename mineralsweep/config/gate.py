"""The gate's rules: what a model must show before it is served as the champion."""

from __future__ import annotations

from pydantic import Field

from mineralsweep.config.entries import Strict


class Gate(Strict):
    """Which registered model a sweep's best trial joins, and when it takes the alias champion.

    Attributes:
        model: the registered model's name; one a collection.
        alpha: of the exact McNemar test against the standing champion, two-sided; the interval
            of the difference has the same confidence.
        min_difference: the whole interval of the paired difference must lie above it.
        min_accuracy: on the test split, in [0, 1].
        min_recall: of every class, on the test split, in [0, 1].
        max_latency_ms: milliseconds an image, through the model as it is served.
        max_size_mb: of the model's files, in 1,000,000 bytes.
    """

    model: str = Field(default="mineral-classifier", pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}$")
    alpha: float = Field(default=0.05, gt=0, le=0.5)
    min_difference: float = Field(default=0.0, ge=0, lt=1)
    min_accuracy: float = Field(default=0.0, ge=0, le=1)
    min_recall: float = Field(default=0.0, ge=0, le=1)
    max_latency_ms: float = Field(default=5000.0, gt=0)
    max_size_mb: float = Field(default=1000.0, gt=0)
