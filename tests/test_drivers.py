"""Several drivers on one study: who is alive, who leads, and who is dead."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend

from mineralsweep.engines.drivers import Alone, Sharing

BEAT, LEASE = 0.05, 0.6


def until(said: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not said() and time.monotonic() < deadline:
        time.sleep(0.05)
    return said()


def storage(path: Path) -> BaseStorage:
    return JournalStorage(JournalFileBackend(str(path / "shared.journal")))


def sharing(path: Path) -> Sharing:
    return Sharing(storage(path), "granite", BEAT, LEASE)


class Silent(Sharing):
    """A driver on another machine whose process stands still: it beats no more."""

    def _keep_beating(self) -> None:
        return


def test_one_alone_leads_and_every_other_is_dead() -> None:
    alone = Alone()
    assert alone.leads()
    assert alone.others() == []
    assert alone.is_dead("elsewhere:1:1")
    assert alone.is_dead("")
    assert not alone.is_dead(alone.me)


def test_the_first_to_come_leads_and_hands_over_when_it_leaves(tmp_path: Path) -> None:
    with sharing(tmp_path) as second_in_line:
        assert second_in_line.leads()
    with sharing(tmp_path) as first, sharing(tmp_path) as second:
        assert first.leads()
        assert not second.leads()
        assert first.others() == [second.me]
        assert not first.is_dead(second.me)
        first.close()
        assert second.leads()
        assert second.is_dead(first.me)


def test_a_driver_that_falls_silent_is_dead_after_its_lease(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mineralsweep.engines.drivers.driver_id", lambda: "elsewhere:1:1")
    silent = Silent(storage(tmp_path), "granite", BEAT, LEASE)
    monkeypatch.undo()
    with sharing(tmp_path) as watching:
        assert not watching.is_dead("elsewhere:1:1")
        assert not watching.leads()
        assert until(watching.leads)
        assert watching.is_dead("elsewhere:1:1")
    silent.close()


def test_a_driver_that_beats_is_alive_past_its_lease(tmp_path: Path) -> None:
    with sharing(tmp_path) as first, sharing(tmp_path) as second:
        time.sleep(2 * LEASE)
        assert not second.is_dead(first.me)
        assert not second.leads()


@pytest.mark.parametrize("process", [f"{2**22 + 1}:1", f"{os.getpid()}:1"])
def test_on_this_machine_a_driver_without_its_process_is_dead_at_once(
    tmp_path: Path, process: str
) -> None:
    # The second case: its number was given to a later process, this one.
    with sharing(tmp_path) as watching:
        host = watching.me.rsplit(":", 2)[0]
        assert watching.is_dead(f"{host}:{process}")
