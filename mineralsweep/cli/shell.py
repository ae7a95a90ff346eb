"""The reader's shell: its console, and commands to type next as it will find them."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from mineralsweep.machine import typed_in
from mineralsweep.urls import without_password

if TYPE_CHECKING:
    from mineralsweep.tracking import Store

DEFAULT_MODEL = "models:/mineral-classifier@champion"
"""What `predict` and `verify` take without a flag; `registry.CHAMPION_URI`, not loaded here."""

WINDOWS = os.name == "nt"
WIDTH_OF_FILES = 200
"""Columns of a table that goes to a file or a pipe."""


def plain_console() -> Console:
    """Return a console that neither wraps nor decorates text."""
    width = None if sys.stdout.isatty() else WIDTH_OF_FILES
    return Console(soft_wrap=True, highlight=False, markup=False, width=width)


def short_uri(tracking_uri: str) -> str:
    """Return a store's URI without a password; a database where the user is, by its name alone."""
    return without_password(tracking_uri).replace(f"sqlite:///{typed_in()}/", "sqlite:///")


def run_line(run_id: str | None, store: Store) -> str:
    """Say where a run is."""
    return f"Run: {run_id} in experiment '{store.experiment}', {short_uri(store.uri)}"


def with_store(tracking_uri: str) -> str:
    """Return what stands before a command that is to find a store; "" for MLflow's own default."""
    shown = short_uri(tracking_uri)
    if shown == "sqlite:///mlflow.db":
        return ""
    return f"MLFLOW_TRACKING_URI={shlex.quote(without_password(tracking_uri))} "


def next_commands(tracking_uri: str, serve: str) -> str:
    """Return the lines that end a sweep or a training.

    Args:
        tracking_uri: of the store that was written to.
        serve: the model's URI.
    """
    with_uri = with_store(tracking_uri)
    compare = f"{with_uri}mlflow ui"
    if tracking_uri.startswith("http"):
        compare = f"open {shlex.quote(without_password(tracking_uri))}"
    quoted = shlex.quote(serve)
    model = "" if serve == DEFAULT_MODEL else f" --model {quoted}"
    return "\n".join(
        [
            "Next:",
            *_activation(),
            f"  {compare}",
            f"  {with_uri}mineralsweep predict PHOTO.jpg{model}",
            f"  {with_uri}mineralsweep serve{model}",
            f"  {with_uri}mlflow models serve -m {quoted} --env-manager local --port 5001",
        ]
    )


def _activation() -> list[str]:
    """Where this environment is not the shell's, its commands are not found (nor uvicorn)."""
    here = Path(sys.prefix)
    active = os.environ.get("VIRTUAL_ENV") or os.environ.get("CONDA_PREFIX")
    script = here / ("Scripts" if WINDOWS else "bin") / "activate"
    activated_by_mlflow = ".mlflow" in here.parts  # for its own command only
    if not script.exists() or (active and Path(active) == here and not activated_by_mlflow):
        return []
    shown = script.relative_to(Path.cwd()) if script.is_relative_to(Path.cwd()) else script
    return [f"  {shown}" if WINDOWS else f"  source {shown}"]
