"""How long a trial may take, and say nothing."""

from __future__ import annotations

import time

from mineralsweep.executors.limits import Limits, Watch


def test_silence_counts_from_when_it_was_heard_of_last() -> None:
    watch = Watch(started=time.monotonic() - 100, heard=time.monotonic() - 50)
    assert watch.too_late(Limits(silence=60.0)) is None
    assert watch.too_late(Limits(silence=40.0)) == (
        "reported nothing for 40 s, the limit: faults.silence_timeout"
    )
    watch.hear()
    assert watch.too_late(Limits(silence=40.0)) is None


def test_the_whole_time_counts_however_much_was_heard() -> None:
    watch = Watch(started=time.monotonic() - 100)
    assert watch.too_late(Limits.of(90.0, None)) == (
        "not done after 90 s, the limit: faults.trial_timeout"
    )
    assert watch.too_late(Limits.of(None, None)) is None
