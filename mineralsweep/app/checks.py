"""What is checked before anything is run or written."""

from __future__ import annotations

import itertools
import os
import re
import shlex
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

from mineralsweep import machine
from mineralsweep.config import Sweep, presets
from mineralsweep.data.dataset import Dataset, open_dataset
from mineralsweep.data.profile import concerns
from mineralsweep.data.sources import SOURCES
from mineralsweep.errors import ConfigError, DataError, StudyConflict, WeightsUnavailable
from mineralsweep.models import get as get_architecture
from mineralsweep.models import weights as pretrained
from mineralsweep.models.backbones import get as get_backbone
from mineralsweep.search.state import OF_BACKBONE, State
from mineralsweep.urls import without_password

if TYPE_CHECKING:
    from mineralsweep.tracking import Store

STORAGE = "MINERALSWEEP_STORAGE"
Say = Callable[[str], None]


def storage_url(flag: str | None) -> str | None:
    """Return the URL of the engine's database: the flag's, else MINERALSWEEP_STORAGE, else None.

    Raises:
        ConfigError: it is no URL, it is MLflow's database, or the flag holds a password, which
            `mlflow run` would write into the run.
    """
    url = flag or os.environ.get(STORAGE)
    if url is None:
        return None
    shown = without_password(url)
    if flag is not None and shown != url:
        run_id = os.environ.get("MLFLOW_RUN_ID")
        where = "would be written into the run"
        if run_id:  # `mlflow run` writes its parameters first
            where = f"stands in run {run_id} already: delete that run, and change the password"
        raise ConfigError(
            f"--storage: {shown} holds a password, which {where};"
            f" put the URL into the environment: {STORAGE}"
        )
    if not re.match(r"[a-z0-9]+(\+[a-z0-9]+)?://", url):
        raise ConfigError(
            f"--storage: must be a database URL such as sqlite:///studies.db, got '{shown}'"
        )
    if url == os.environ.get("MLFLOW_TRACKING_URI") or url.endswith("/mlflow.db"):
        raise ConfigError(
            f"--storage: {shown} is MLflow's database, the engine needs its own;"
            " write for example sqlite:///studies.db"
        )
    return url


def suited_to_machine(sweep: Sweep) -> Sweep:
    """Fill in the number of workers where it is "auto"; a cluster has as many as there is room."""
    if sweep.workers is not None or sweep.executor == "ray":
        return sweep
    workers = min(machine.workers(), sweep.budget.trials * sweep.fits())
    return sweep.model_copy(update={"workers": workers})


def within(sweep: Sweep, minutes: float) -> presets.Chosen:
    """Return what a sweep of its data does in so many minutes on this machine."""
    dataset = open_dataset(sweep.data.settings())
    return presets.choose(
        minutes, len(dataset.catalog.images), min(dataset.units(dataset.pool()).values()),
        machine.cores(), sweep.engine.name, prunes=not sweep.costs,
    )  # fmt: skip


def open_sweep_data(sweep: Sweep, say: Say) -> Dataset:
    """Open a sweep's data set and say what is in it, what was skipped included."""
    dataset = open_dataset(sweep.data.settings(), say)
    catalog = dataset.catalog
    say(dataset.describe())
    if catalog.rejected or catalog.listing.folders:
        why = f"mineralsweep data check {shlex.quote(dataset.source)}"
        say(f"Files: {catalog.skipped()}; see why: {why}")
    for warning in concerns(dataset):
        say(warning)
    return dataset


def open_study_data(study: str, sweep: Sweep, say: Say) -> Dataset:
    """Open the data set of a study that was begun before; it may have been moved since."""
    try:
        return open_sweep_data(sweep, say)
    except DataError as error:
        source = sweep.data.source
        if source in SOURCES or Path(source).exists():
            raise
        raise DataError(
            f"{error}. Where it was moved, to go on with study '{study}': mineralsweep resume"
            f" {study} --set data.source=PATH; where the whole project was: mineralsweep doctor"
        ) from None


UNEVEN = 1.5
"""The largest class over the smallest one, from which accuracy is said to favour the large."""


def uneven(sweep: Sweep, dataset: Dataset) -> str:
    """Return a warning where the objective may miss small classes; "" elsewhere."""
    counts = dataset.catalog.counts()
    small, large = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
    if sweep.objective != "accuracy" or counts[large] < UNEVEN * counts[small]:
        return ""
    return (
        f"Classes are uneven ({small} {counts[small]}, {large} {counts[large]}): accuracy can be"
        f" high without {small}; to weigh classes alike: --objective macro_f1"
    )


def without_weights(sweep: Sweep, say: Say = lambda words: None) -> dict[str, str]:
    """Return the architectures and backbones whose weights can't be had, with the reason.

    Args:
        sweep: the settings.
        say: is told how far a download has come.

    Raises:
        WeightsUnavailable: none would be left, or the weights are a path that does not exist.
    """
    space = sweep.space
    asked = {name: space.backbones(name) for name in space.architectures()}
    lacking = _lacking({one for ones in asked.values() for one in ones}, sweep.weights, say)
    if lacking and not _may_lack(sweep.weights):
        raise WeightsUnavailable(next(iter(lacking.values())))
    left_out = {}
    for name in asked:
        own, searched = get_architecture(name).backbone, space.searched_backbones(name)
        if own in lacking:
            left_out[name] = lacking[own]
        for choices in searched:
            if lacking.keys() >= {*choices}:
                left_out[name] = lacking[choices[0]]
    if len(left_out) == len(asked):
        raise WeightsUnavailable(next(iter(left_out.values())))
    stay = [space.searched_backbones(name) for name in asked if name not in left_out]
    some = sorted({*itertools.chain(*itertools.chain(*stay))} & lacking.keys())
    return left_out | {OF_BACKBONE + one: lacking[one] for one in some}


def _lacking(backbones: Collection[str], weights: str, say: Say) -> dict[str, str]:
    """Return the backbones whose weights can't be had, with the reason.

    Raises:
        WeightsUnavailable: a file can't hold the weights of several.
    """
    if len(backbones) > 1 and Path(weights).is_file():
        raise WeightsUnavailable(
            f"weights: {weights} is one file, and {', '.join(sorted(backbones))} are searched;"
            " give the folder that holds a file for each, or search one backbone"
        )
    reasons = {}
    for name in sorted(backbones):
        try:
            pretrained.resolve(weights, get_backbone(name), say)
        except WeightsUnavailable as error:
            reasons[name] = str(error)
    return reasons


def _may_lack(weights: str) -> bool:
    """Say whether a network's weights may be lacking there: in a file of one's own they may not."""
    return weights == "imagenet" or Path(weights).is_dir()


def check_weights(sweep: Sweep) -> None:
    """Raise WeightsUnavailable where weights of the search can't be had."""
    space = sweep.space
    asked = {one for name in space.architectures() for one in space.backbones(name)}
    for reason in _lacking(asked, sweep.weights, lambda words: None).values():
        raise WeightsUnavailable(reason)


def check_own_networks(sweep: Sweep, classes: int, say: Say) -> None:
    """Build each network of the user's own once, and say which code its saved model will need.

    Raises:
        ArchitectureError: it can't be built, or not be saved.
    """
    for name in sweep.space.architectures():
        architecture = get_architecture(name)
        if not architecture.address:
            continue
        from mineralsweep.serving import own_code

        model = architecture.build((*sweep.size_for(name), 3), classes)
        layers = own_code.check(model, architecture.source)
        if layers:
            say(
                f"{architecture.name}: {', '.join(layers)} are no layers of Keras:"
                f" {architecture.source or architecture.address} is saved with each model, and is"
                " run when one is loaded"
            )


def check_store(state: State, store: Store) -> None:
    """Hold a study to the store that it was begun in.

    Raises:
        StudyConflict: its run is not there.
    """
    if not state.run_id or not store.has_run(state.run_id):
        raise StudyConflict(
            f"study '{state.study}': its run {state.run_id} is not in {store.shown_uri};"
            f" set MLFLOW_TRACKING_URI to where it began: {state.store or 'nowhere yet'}"
        )


def url_of(state: State) -> str | None:
    """Return the URL of a study's own storage, None for its folder.

    A password is not kept with the study: the environment has it.

    Raises:
        StudyConflict: the environment does not have it.
    """
    given = storage_url(None) if state.storage else None
    if given is not None and without_password(given) == state.storage:
        return given
    if "***" in state.storage:
        raise StudyConflict(
            f"study '{state.study}' is stored in {state.storage}; set MINERALSWEEP_STORAGE to it,"
            " with the password"
        )
    return state.storage or None
