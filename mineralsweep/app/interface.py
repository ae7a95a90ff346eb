"""For Python code and notebooks: sweeps, trainings and champions, without the command line."""

from __future__ import annotations

import contextlib
import hashlib
import sys
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mineralsweep import files
from mineralsweep.app.champion import Champion
from mineralsweep.app.checks import suited_to_machine, within
from mineralsweep.app.results import Sweep, Training
from mineralsweep.app.session import Request
from mineralsweep.config import Override, build, locate
from mineralsweep.config import Sweep as Settings
from mineralsweep.config import load as read
from mineralsweep.errors import ConfigError
from mineralsweep.models import get as get_architecture
from mineralsweep.search.state import home

# Of tqdm, which Optuna and MLflow load, in a notebook without ipywidgets: we show no bar of its.
warnings.filterwarnings("ignore", message=".*IProgress not found")

if TYPE_CHECKING:
    import pandas as pd

    from mineralsweep.app.checks import Say
    from mineralsweep.search.listener import Listener

    Data = str | Path | pd.DataFrame


def sweep(
    settings: str | Path | Mapping[str, Any],
    *,
    data: Data | None = None,
    study: str | None = None,
    minutes: float | None = None,
    objective: str | None = None,
    executor: str | None = None,
    address: str | None = None,
    parent_run_id: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    progress: bool = False,
) -> Sweep:
    """Search hyperparameters, test and register the best model, and return what was found.

    A study that exists goes on where it was. Everything is in MLflow, as after the command
    `mineralsweep sweep`; an active run of MLflow's becomes the parent of the sweep's run.

    Args:
        settings: a sweep that comes with the package by its name, such as "quick"; the path of a
            sweep file; or its content as plain data.
        data: in place of the settings': a folder a class, a table, "sample", or a DataFrame with
            the columns `file` and `label` (and `split`, `group`).
        study: its name; None makes one up.
        minutes: how long it may take: space and budget follow from it.
        objective: what trials are compared by, such as "macro_f1".
        executor: "local" or "ray".
        address: of a Ray cluster.
        parent_run_id: of a run of MLflow's; None: the active one, if there is one.
        overrides: other entries of the settings by their dotted names, as
            `{"budget.trials": 5}`.
        progress: whether to print what the command prints while it works.

    Raises:
        InputError: the settings, the data or the study can't be used; nothing was run.
        SweepFailed: no trial could be completed, or several failed in a row.
    """
    laid = [
        *_over(overrides),
        *_laid({"data.source": _source(data), "objective": objective}),
        *_laid({"executor": executor, "address": address}),
    ]
    if isinstance(settings, str | Path):
        file = locate(settings)
        chosen = [*_of_the_time(read(file, laid), minutes), *laid]
        asked = read(file, chosen)
    else:
        file, raw = None, dict(settings)
        chosen = [*_of_the_time(build(raw, "settings", laid), minutes), *laid]
        asked = build(raw, "settings", chosen)
    return _swept(Request("sweep", asked, study, file, parent_run_id=_parent(parent_run_id)),
                  progress)  # fmt: skip


def train(
    architecture: str,
    *,
    data: Data | None = None,
    study: str | None = None,
    epochs: int | None = None,
    parent_run_id: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    progress: bool = False,
    **hyperparameters: Any,
) -> Training:
    """Train one model, validate it, and return it; the test split is not opened.

    Args:
        architecture: one of README's models, such as "model2_1", or "my_nets.py:build".
        data: as of `sweep`; None: the drawn sample.
        study: its name; None makes one up.
        epochs: at most; None: the architecture's own.
        parent_run_id: as of `sweep`.
        overrides: as of `sweep`.
        progress: as of `sweep`.
        hyperparameters: of the architecture, such as `learning_rate=1e-3`.

    Raises:
        InputError: the settings or the data can't be used; nothing was run.
        RunError: the training failed; its run says why.
    """
    from mineralsweep.app.train import of_one_point
    from mineralsweep.app.train import train as trained

    asked = of_one_point(
        get_architecture(architecture),
        [
            *_laid({f"space.{name}": value for name, value in hyperparameters.items()}),
            *_over(overrides),
            *_laid({"data.source": _source(data), "budget.epochs": epochs}),
        ],
    )
    request = Request("training", asked, study, parent_run_id=_parent(parent_run_id))
    with _followed(request, progress) as (listener, say):
        outcome = trained(request, listener, say)
    return Training(outcome.study, outcome.record)


def resume(
    study: str, *, overrides: Mapping[str, Any] | None = None, progress: bool = False
) -> Sweep:
    """Go on with a sweep, with the settings that it was begun with.

    Args:
        study: its name.
        overrides: entries of its settings that may change, such as `{"budget.trials": 40}`.
        progress: as of `sweep`.

    Raises:
        ConfigError: there is no such sweep here.
    """
    request = Request.again(study, _over(overrides))
    if request.kind != "sweep":
        raise ConfigError(f"study: '{study}' is a {request.kind}, not a sweep")
    return _swept(request, progress)


def load(study: str) -> Sweep:
    """Return a sweep that has ended.

    Args:
        study: its name, or the id of its run in MLflow.

    Raises:
        InputError: there is no such sweep here, or it has no champion yet.
    """
    from mineralsweep.app.drawing import evidence_again

    return Sweep(evidence_again(study, _nothing))


def sample(folder: str | Path, *, per_class: int = 60, seed: int = 0) -> Path:
    """Draw minerals into a folder a class, and return the folder: for trying things out.

    Args:
        folder: is made if it is not there; files of the same names are written over.
        per_class: images of each of three classes.
        seed: other images, at least 0.

    Raises:
        ValueError: a negative seed.
        OSError: the folder can't be written.
    """
    from mineralsweep.data.sources import sample as drawn

    return drawn.write(Path(folder), per_class, seed)


def champion(name: str | None = None) -> Champion:
    """Return a registered model that can be asked.

    Args:
        name: of a registered model, whose champion is taken; or any model's URI, such as
            `models:/mineral-classifier/3`. None: the champion of mineral-classifier.

    Raises:
        InputError: there is no such model, or its files are not those that were registered.
    """
    uri = name if name is None or ":/" in name else f"models:/{name}@champion"
    return Champion(uri)


def _swept(request: Request, progress: bool) -> Sweep:
    from mineralsweep.app.drawing import evidence_again
    from mineralsweep.app.sweep import run_sweep

    with _followed(request, progress) as (listener, say):
        outcome = run_sweep(request, listener, say)
    return Sweep(evidence_again(outcome.study, _nothing))


@contextlib.contextmanager
def _followed(request: Request, progress: bool) -> Iterator[tuple[Listener, Say]]:
    from rich.console import Console

    from mineralsweep.app.progress import Progress, following

    if progress:
        with following(Console(), suited_to_machine(request.sweep)) as shown:
            yield shown, shown.say
    else:
        unseen = Console(quiet=True, force_terminal=False, force_jupyter=False)
        with Progress(unseen, suited_to_machine(request.sweep)) as quiet:
            yield quiet, _nothing


def _nothing(line: str) -> None:
    """Take what is said, and drop it."""


def _over(entries: Mapping[str, Any] | None) -> list[Override]:
    """Return a caller's own entries; None is a value of theirs."""
    return [Override(place, value, place, null=True) for place, value in (entries or {}).items()]


def _laid(entries: Mapping[str, Any]) -> list[Override]:
    return [Override(place, value, place) for place, value in entries.items() if value is not None]


def _of_the_time(asked: Settings, minutes: float | None) -> list[Override]:
    if minutes is None:
        return []
    return within(asked, minutes).overrides


def _source(data: Data | None) -> str | None:
    """Return what a sweep file would name; a DataFrame is written to a table of its own first.

    Raises:
        ConfigError: the DataFrame lacks a column.
    """
    if data is None or isinstance(data, str | Path):
        return None if data is None else str(data)
    lacking = [name for name in ("file", "label") if name not in data.columns]
    if lacking:
        raise ConfigError(f"data: the DataFrame has no column '{lacking[0]}'; it has"
                          f" {', '.join(map(str, data.columns))}")  # fmt: skip
    table = data.assign(file=[str(Path(str(one)).resolve()) for one in data["file"]])
    text = table.to_csv(index=False)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    path = (home() / "tables" / f"{digest}.csv").resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
    return str(path)


def _parent(run_id: str | None) -> str:
    """Return the run that a sweep's run belongs to, "" for none."""
    if run_id is not None or "mlflow" not in sys.modules:
        return run_id or ""
    import mlflow

    active = mlflow.active_run()
    return active.info.run_id if active else ""
