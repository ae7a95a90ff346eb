"""What a new study learns from an old one."""

from __future__ import annotations

from collections import Counter

from mineralsweep.app.checks import Say, url_of
from mineralsweep.config import Sweep
from mineralsweep.engines.archive import records_of, suited
from mineralsweep.engines.engine import Engine
from mineralsweep.errors import ConfigError
from mineralsweep.search.state import State


def learn_from(old: str, state: State, engine: Engine, sweep: Sweep, say: Say) -> None:
    """Bring an old study's complete trials into a new one, as knowledge for its proposals.

    They count in no budget and stand on no leaderboard. Those that the new space does not hold are
    left out, counted and named. A study that has learned from `old` before learns nothing more.

    Args:
        old: the old study's name; it was begun here.
        state: of the new study.
        engine: of the new study.
        sweep: the new question.
        say: is told what was brought.

    Raises:
        ConfigError: there is no such study, none of its trials fits, or the new study was begun
            without it.
    """
    if state.learned.partition(":")[0] == old:
        return
    if state.learned or engine.records():
        raise ConfigError(
            f"--warm-start: study '{state.study}' was begun without {old}; take a new name:"
            " --study NAME"
        )
    earlier = State.read(old)
    records = earlier.counted(records_of(old, earlier.folder, url_of(earlier)))
    fitting, others = suited(records, sweep.space, sweep.objective, sweep.costs)
    if not fitting:
        raise ConfigError(
            f"--warm-start: no complete trial of study '{old}' lies in this space"
            f" ({_reasons(others) or 'it has none'}); leave it out, or widen the space"
        )
    engine.learn(fitting)
    complete = len(fitting) + len(others)
    state.learned = f"{old}: {len(fitting)} of {complete} complete trials"
    state.save()
    say(f"Learned from {state.learned}")
    if others:
        numbers = ", ".join(map(str, sorted(others)))
        say(f"  left out: {_reasons(others)} (trials {numbers})")


def _reasons(others: dict[int, str]) -> str:
    counts = Counter(others.values())
    return "; ".join(f"{reason} ({count}x)" for reason, count in counts.most_common(3))
