"""Who works on a study: one driver alone, or several that share a database."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

import psutil

from mineralsweep.engines.engine import driver_id

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

BEAT_SECONDS = 5.0
LEASE_SECONDS = 45.0
BEAT, DRIVER = "mineralsweep.beat", "mineralsweep.driver"


class Drivers(Protocol):
    """The drivers of one study. `me` is this one's id; `shared`: whether there may be others."""

    me: str
    shared: bool

    def is_dead(self, driver: str) -> bool:
        """Say whether a driver ("": none) has ended; a silent one counts after its lease."""

    def leads(self) -> bool:
        """Say whether this driver does what only one may do: open the study, and conclude it."""

    def others(self) -> list[str]:
        """Return the ids of the other drivers that are alive."""

    def close(self) -> None:
        """Leave. May be called twice."""


class Alone:
    """The only driver: the lock on the study's folder sees to that."""

    shared = False

    def __init__(self) -> None:
        self.me = driver_id()

    def is_dead(self, driver: str) -> bool:
        return driver != self.me

    def leads(self) -> bool:
        return True

    def others(self) -> list[str]:
        return []

    def close(self) -> None:
        return


def may_share(storage: str | None) -> bool:
    """Say whether several drivers can work on one study in this storage: on a database server.

    A journal and SQLite are files for one writer.
    """
    return storage is not None and not storage.startswith("sqlite")


@contextlib.contextmanager
def joined(storage: str | None, study: str) -> Iterator[Drivers]:
    """Be one of a study's drivers while the block lasts; the only one in a storage not shared.

    Raises:
        ConfigError: the storage can't be opened.
    """
    if storage is None or not may_share(storage):
        yield Alone()
        return
    from mineralsweep.engines.optuna import open_storage

    drivers = Sharing(open_storage(storage, Path()), study)
    try:
        yield drivers
    finally:
        with contextlib.suppress(Exception):  # a database that is away knows by the beat
            drivers.close()


class Sharing:
    """One of several drivers that share a database.

    Each has a trial in an Optuna study of its own, "NAME (drivers)": the database gives every one
    its number, and the living driver with the lowest number leads. A thread writes a beat every
    few seconds. Whether a beat changes is watched on this machine's own clock, so that the
    machines' clocks need not agree.

    Args:
        storage: of the search.
        study: its name.
        beat: seconds between beats.
        lease: a driver whose beat stands still for so many seconds is dead. On this machine a
            driver whose process has ended is dead at once.
    """

    shared = True

    def __init__(
        self,
        storage: BaseStorage,
        study: str,
        beat: float = BEAT_SECONDS,
        lease: float = LEASE_SECONDS,
    ) -> None:
        import optuna

        self.me = driver_id()
        self._storage = storage
        self._beat, self._lease = beat, lease
        self._seen: dict[str, tuple[str, float]] = {}
        self._study = optuna.create_study(
            storage=storage,
            study_name=f"{study} (drivers)",
            load_if_exists=True,
            sampler=optuna.samplers.RandomSampler(),
        )
        template = optuna.trial.create_trial(
            state=optuna.trial.TrialState.RUNNING, user_attrs={DRIVER: self.me, BEAT: "0"}
        )
        self._study_id = storage.get_study_id_from_name(self._study.study_name)
        self._trial_id = storage.create_new_trial(self._study_id, template_trial=template)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep_beating, name="beat", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def is_dead(self, driver: str) -> bool:
        return driver != self.me and driver not in self._alive()

    def leads(self) -> bool:
        alive = self._alive()
        return bool(alive) and alive[0] == self.me

    def others(self) -> list[str]:
        return [driver for driver in self._alive() if driver != self.me]

    def close(self) -> None:
        if self._ended.is_set():
            return
        self._ended.set()
        self._thread.join()
        self._study.tell(self._storage.get_trial(self._trial_id).number, 0.0)

    def _keep_beating(self) -> None:
        count = 0
        while not self._ended.wait(self._beat):
            count += 1
            try:
                self._storage.set_trial_user_attr(self._trial_id, BEAT, str(count))
            except Exception:  # noqa: S112 - the database is away; the study's own calls tell of it
                continue

    def _alive(self) -> list[str]:
        """Return the living drivers' ids, in the order in which they came."""
        import optuna

        running = self._study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,))
        return [
            trial.user_attrs[DRIVER]
            for trial in running
            if self._is_alive(trial.user_attrs[DRIVER], trial.user_attrs[BEAT])
        ]

    def _is_alive(self, driver: str, beat: str) -> bool:
        if driver == self.me:
            return True
        if _has_ended_here(driver, self.me):
            return False
        now = time.monotonic()
        last, since = self._seen.get(driver, ("", now))
        if beat != last:
            since = now
        self._seen[driver] = (beat, since)
        return now - since <= self._lease


def _has_ended_here(driver: str, me: str) -> bool:
    """Say whether a driver of this machine has no process any more."""
    host, number, started = driver.rsplit(":", 2)
    if host != me.rsplit(":", 2)[0]:
        return False
    try:
        return psutil.Process(int(number)).create_time() * 1e9 > int(started)  # another, later one
    except psutil.NoSuchProcess:
        return True
