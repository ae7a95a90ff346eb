"""The reader's shell: its console, and commands to type next as it will find them."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

from rich.console import Console

WIDTH_OF_FILES = 150
"""Columns of a table that goes to a file or a pipe."""


def plain_console() -> Console:
    """Return a console that neither wraps nor decorates text."""
    width = None if sys.stdout.isatty() else WIDTH_OF_FILES
    return Console(soft_wrap=True, highlight=False, markup=False, width=width)


def command(name: str) -> str:
    """Return how to type one of this environment's commands: its bare name if the PATH has it."""
    ours = Path(sys.executable).parent / name
    found = shutil.which(name)
    # MLproject adds .venv/bin to the PATH of its own commands, not to the reader's shell.
    if found and Path(found).is_absolute() and Path(found).parent == ours.parent:
        return name
    if ours.is_relative_to(Path.cwd()):
        return str(ours.relative_to(Path.cwd()))
    return str(ours)


def next_commands(tracking_uri: str, serve: str) -> str:
    """Return the lines that end a sweep or a training.

    Args:
        tracking_uri: of the store that was written to.
        serve: the model's URI.
    """
    mlflow, own = command("mlflow"), command("mineralsweep")
    local = "://" in tracking_uri and not tracking_uri.startswith("http")
    look = f"{mlflow} ui --backend-store-uri {shlex.quote(tracking_uri)}" if local else tracking_uri
    model = "" if serve.endswith("@champion") else f" --model {serve}"
    port = "--port 5001"
    return "\n".join(
        [
            "Next:",
            f"  compare   {look}",
            f"  predict   {own} predict PHOTO.jpg{model}",
            f"  serve     MLFLOW_TRACKING_URI={shlex.quote(tracking_uri)} {mlflow} models serve"
            f" -m {serve} --env-manager local {port}",
        ]
    )
