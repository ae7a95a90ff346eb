"""What the registry calls things: the model, its aliases, and the tags of its versions."""

from __future__ import annotations

import shlex

NAME = "mineral-classifier"
"""The registered model, unless the sweep file names another: `gate.model`."""

CHAMPION = "champion"
PREVIOUS = "previous"
CHALLENGER = "challenger"
CHAMPION_URI = f"models:/{NAME}@{CHAMPION}"

DIGEST = "mineralsweep.files_sha256"
GATE = "mineralsweep.gate."


def uri_of(name: str, version: str) -> str:
    """Return the address that MLflow loads a version by."""
    return f"models:/{name}/{version}"


def option_for(name: str) -> str:
    """Return " --model NAME" for a command that is shown, "" for the default model."""
    return "" if name == NAME else f" --model {shlex.quote(name)}"


def champion_uri(name: str) -> str:
    """Return the address of a model's champion."""
    return f"models:/{name}@{CHAMPION}"
