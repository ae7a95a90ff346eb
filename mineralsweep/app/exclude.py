"""A trial that is to count no more."""

from __future__ import annotations

from mineralsweep.app.checks import check_store
from mineralsweep.core.record import BASELINE
from mineralsweep.errors import ConfigError
from mineralsweep.search.lock import study_locked
from mineralsweep.search.state import State, exists, folder_of


def exclude(study: str, trial: str, reason: str) -> None:
    """Have a trial of a study count no more, and write the reason on its run.

    It stays in MLflow. It is no candidate for the champion, and stands on no leaderboard, once the
    study is resumed.

    Args:
        study: its name.
        trial: the trial's number, or "baseline".
        reason: why.

    Raises:
        InputError: there is no such study or trial, it is no sweep's, the reason is empty, or the
            study has a driver.
    """
    from mineralsweep.tracking import open_store
    from mineralsweep.tracking.store import EXCLUDED
    from mineralsweep.tracking.study_run import number_of, trial_runs

    if not reason.strip():
        raise ConfigError("--reason: must say why the trial is excluded; it is written on its run")
    if not exists(study):
        State.read(study)  # tells which there are
    with study_locked(folder_of(study)):
        state = State.read(study)
        if state.kind != "sweep":
            raise ConfigError(f"STUDY: study '{study}' is a {state.kind}: it has no champion")
        store = open_store()
        check_store(state, store)
        number = str(BASELINE) if trial == "baseline" else trial
        every = trial_runs(store, state.run_id)
        runs = [run for run in every if str(number_of(run)) == number]
        if not runs:
            raise ConfigError(f"TRIAL: study '{study}' has no trial {trial}; see its leaderboard")
        state.excluded[number] = reason
        state.save()
        for run in runs:
            store.log(run.info.run_id, tags={EXCLUDED: reason})
