"""What is checked before anything is run or written."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from mineralsweep import machine
from mineralsweep.config import Sweep
from mineralsweep.data.concerns import concerns
from mineralsweep.data.dataset import Dataset, open_dataset
from mineralsweep.errors import ConfigError, StudyConflict, WeightsUnavailable
from mineralsweep.models import get as get_architecture
from mineralsweep.models import weights as pretrained
from mineralsweep.urls import without_password

OWNER_TRIES = 20
STATE_FOLDER = Path(".mineralsweep")
Say = Callable[[str], None]


def study_folder(name: str) -> Path:
    """Return where a study keeps its journal and its workers' logs.

    Raises:
        ConfigError: the name would make a strange path.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        raise ConfigError(
            f"--study: may hold letters, digits, '.', '_' and '-', at most 100, got '{name}'"
        )
    return STATE_FOLDER / "studies" / name


def storage_url(flag: str | None) -> str | None:
    """Return the URL of the engine's database: the flag's, else MINERALSWEEP_STORAGE, else None.

    Raises:
        ConfigError: it is no URL, it is MLflow's database, or the flag holds a password, which
            `mlflow run` would write into the run.
    """
    url = flag or os.environ.get("MINERALSWEEP_STORAGE")
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
            " put the URL into the environment: MINERALSWEEP_STORAGE"
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


@contextlib.contextmanager
def study_locked(folder: Path) -> Iterator[None]:
    """Keep a second driver on this machine from the study; the lock dies with its owner.

    Raises:
        StudyConflict: another process has it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = _owner(lock)
            raise StudyConflict(
                f"study '{folder.name}' is at work in another process (number {owner});"
                " wait for it, or take another name: --study NAME"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


DRIVERS_AT_MOST = 64


@contextlib.contextmanager
def own_folder(folder: Path, shared: bool) -> Iterator[Path]:
    """Lock a study's folder and give it; a further driver of a shared study gets one within it.

    Raises:
        StudyConflict: another process has it, and the study is not shared.
    """
    places = [folder]
    if shared:
        places += [folder / f"driver-{number}" for number in range(2, DRIVERS_AT_MOST + 1)]
    with contextlib.ExitStack() as held:
        for place in places:
            try:
                held.enter_context(study_locked(place))
                break
            except StudyConflict:
                if place == places[-1]:
                    raise
        yield place


def _owner(lock: TextIO) -> str:
    """Return the number of the process that holds a lock; it may be writing it just now."""
    for _ in range(OWNER_TRIES):
        lock.seek(0)
        owner = lock.read().strip()
        if owner:
            return owner
        time.sleep(0.1)
    return "unknown"


def suited_to_machine(sweep: Sweep) -> Sweep:
    """Fill in the number of workers where it is "auto"."""
    if sweep.workers is not None:
        return sweep
    return sweep.model_copy(
        update={"workers": min(machine.workers(), sweep.budget.trials * sweep.fits())}
    )


def open_sweep_data(sweep: Sweep, say: Say) -> Dataset:
    """Open a sweep's data set and say what is in it, what was skipped included."""
    data = sweep.data
    dataset = open_dataset(
        data.source, data.split, data.split_seed, data.classes, data.near_duplicates
    )
    say(dataset.describe())
    skipped = len(dataset.catalog.rejected)
    if skipped:
        say(f"{skipped} files were skipped; see why: mineralsweep data check {data.source}")
    for warning in concerns(dataset):
        say(warning)
    return dataset


def leave_out_unavailable(sweep: Sweep) -> tuple[Sweep, list[str]]:
    """Drop architectures whose weights can't be had; return the smaller sweep and the reasons.

    Raises:
        WeightsUnavailable: none would be left, or the weights are a path that does not exist.
    """
    space, reasons = sweep.space, []
    for name in sweep.space.architectures():
        try:
            check_weights(name, sweep.weights)
        except WeightsUnavailable as error:
            if len(space.architectures()) == 1 or sweep.weights != "imagenet":
                raise
            reasons.append(f"{name}: {error}")
            space = space.without(name)
    return sweep.model_copy(update={"space": space}), reasons


def check_weights(architecture: str, weights: str) -> None:
    """Raise WeightsUnavailable where an architecture needs weights that can't be had."""
    if get_architecture(architecture).pretrained:
        pretrained.resolve(weights)


def fingerprint(sweep: Sweep, dataset: Dataset) -> dict[str, str]:
    """Return what may not change while a study lives, by name."""
    return {
        **{f"space.{name}": entry.describe() for name, entry in sweep.space.entries().items()},
        "objective": sweep.objective,
        "engine.name": sweep.engine.name,
        "engine.pruner": sweep.engine.pruner,
        "engine.pruner_options": str(sweep.engine.pruner_options),
        **_oracle(sweep),
        **_folds(sweep, dataset),
        "budget.epochs": str(sweep.budget.epochs),
        "budget.patience": str(sweep.budget.patience),
        "image_size": str(sweep.image_size or "auto"),
        "weights": sweep.weights,
        **{f"training.{name}": str(value) for name, value in sweep.training},
        "seed": str(sweep.seed),
        "data": f"{len(dataset.catalog.images)} images, digest {dataset.catalog.digest[:16]}",
        "split": f"{dataset.shares}, digest {dataset.split.digest[:16]}",
    }


def _oracle(sweep: Sweep) -> dict[str, str]:
    """Return KerasTuner's oracle: its state on disk can't be read by another one."""
    if sweep.engine.name != "keras-tuner":
        return {}
    return {
        "engine.sampler": sweep.engine.resolved(),
        "engine.sampler_options": str(sweep.engine.sampler_options),
    }


def _folds(sweep: Sweep, dataset: Dataset) -> dict[str, str]:
    """Return which images stand in which fold; nothing where there are none, as before folds."""
    if sweep.folds == 1:
        return {}
    divided = dataset.folds(sweep.folds, sweep.repeats)
    digests = [image.digest for image in dataset.catalog.images]
    text = "\n".join(" ".join(sorted(digests[row] for row in fold)) for _, fold in divided)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return {"folds": f"{sweep.folds}, repeats {sweep.repeats}, digest {digest[:16]}"}
