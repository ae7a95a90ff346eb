"""Several drivers on one study: who is alive, who leads, and who is dead."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend

from mineralsweep.engines.drivers import Alone, Drivers, Sharing
from mineralsweep.engines.optuna import OptunaEngine
from tests.contracts.test_engines import record, sweep

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


@pytest.mark.parametrize("number", [2**22 + 1, None], ids=["no process", "a later process"])
def test_on_this_machine_a_driver_without_its_process_is_dead_at_once(
    tmp_path: Path, number: int | None
) -> None:
    process = f"{number or os.getpid()}:1"  # the later process is this one
    with sharing(tmp_path) as watching:
        host = watching.me.rsplit(":", 2)[0]
        assert watching.is_dead(f"{host}:{process}")


def opened(path: Path, drivers: Drivers, trials: int, sampler: str = "random") -> OptunaEngine:
    settings = sweep(
        space={"architecture": ["model2", "model1"], "learning_rate": [0.1, 0.2]},
        budget={"trials": trials, "epochs": 2},
        engine={"sampler": sampler},
        warm_start=[],
    )
    return OptunaEngine(
        settings, "granite", path, storage(path), {}, drivers.me, drivers.is_dead, drivers.leads
    )


@pytest.mark.parametrize(("sampler", "trials", "wanted"), [("random", 3, 3), ("grid", 9, 4)])
def test_of_two_drivers_the_slower_gives_the_last_trial_back(
    tmp_path: Path, sampler: str, trials: int, wanted: int
) -> None:
    with sharing(tmp_path) as one, sharing(tmp_path) as other:
        first, second = (opened(tmp_path, who, trials, sampler) for who in (one, other))
        asked = [(engine, engine.ask()) for engine in (first, second) * 3]
        given = [(engine, proposal) for engine, proposal in asked if proposal is not None]
        assert [proposal.number for _, proposal in given] == list(range(wanted))
        assert first.taken() == second.taken() == wanted
        assert first.at_work() == [n for n in range(wanted) if n % 2]
        for engine, proposal in given:
            engine.tell(record(proposal.number, proposal.params))
        assert len(first.records()) == wanted
        assert first.at_work() == second.at_work() == []


def test_a_trial_given_back_leaves_no_gap_in_a_grid_that_goes_on(tmp_path: Path) -> None:
    with sharing(tmp_path) as one, sharing(tmp_path) as other:
        first, second = opened(tmp_path, one, 1, "grid"), opened(tmp_path, other, 1, "grid")
        begun = first.ask()
        assert second.ask() is None
    assert begun is not None
    first.tell(record(begun.number, begun.params))
    with sharing(tmp_path) as alone:
        later = opened(tmp_path, alone, 9, "grid")
        points = [begun.params]
        while (proposal := later.ask()) is not None:
            points.append(proposal.params)
            later.tell(record(proposal.number, proposal.params))
        assert len({tuple(point.items()) for point in points}) == len(points) == 4


def test_only_the_leader_takes_up_what_a_dead_driver_left(tmp_path: Path) -> None:
    with sharing(tmp_path) as one, sharing(tmp_path) as other:
        first, second = (opened(tmp_path, who, 9) for who in (one, other))
        with sharing(tmp_path) as third:
            lost = opened(tmp_path, third, 9).ask()
        assert lost is not None
        fresh = second.ask()
        assert fresh is not None
        assert fresh.number == lost.number + 1
        again = first.ask()
        assert again is not None
        assert again == lost


def test_a_driver_that_wakes_up_finds_its_trial_taken_and_ended(tmp_path: Path) -> None:
    with sharing(tmp_path) as one, sharing(tmp_path) as other:
        first, second = opened(tmp_path, one, 9), opened(tmp_path, other, 9)
        begun = second.ask()
        assert begun is not None
        first._adopt(first._trials()[begun.number])  # as after the other's lease
        assert not second.owns(begun.number)
        first.tell(record(begun.number, begun.params))
        assert "took the trial up" in str(second.report(begun.number, 1, 0.5))
        one.close()
        assert not second.owns(begun.number)


def test_a_lost_trial_that_the_budget_has_no_room_for_is_not_waited_for(tmp_path: Path) -> None:
    with sharing(tmp_path) as dead:
        engine = opened(tmp_path, dead, 9)
        told, lost = engine.ask(), engine.ask()
        assert told is not None
        assert lost is not None
        engine.tell(record(told.number, told.params))
    with sharing(tmp_path) as alone:
        later = opened(tmp_path, alone, 1)
        assert later.taken() == 1
        assert later.at_work() == []


def test_a_trial_that_a_driver_had_and_lost_can_be_reopened_while_another_one_works(
    tmp_path: Path,
) -> None:
    with sharing(tmp_path) as one, sharing(tmp_path) as other:
        first, second = opened(tmp_path, one, 9), opened(tmp_path, other, 9)
        begun = first.ask()
        assert begun is not None
        first.report(begun.number, 1, 0.5)
        second.tell(record(begun.number, begun.params))  # as after the first one's silence
        first.reopen([begun.number])
        assert first.records() == []
        assert second.ask() is not None
        assert first.ask() == begun
        assert first.owns(begun.number)
        first.tell(record(begun.number, begun.params, value=0.75))
        assert [told.value for told in second.records()] == [0.75]
