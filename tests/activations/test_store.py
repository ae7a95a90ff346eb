"""The store of features: built once, checked, bounded. Its content is anything here."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mineralsweep.activations import store
from mineralsweep.activations.store import Activations, NoRoom, Request
from mineralsweep.errors import ConfigError

SHAPE = (2, 3, 4)
SIZE = 2 * 3 * 4 * 2


class Builder:
    """Fills the array with a number, and counts how often it was asked."""

    def __init__(self, value: float = 1.5) -> None:
        self.value = value
        self.built = 0

    def __call__(self, target: Activations) -> None:
        self.built += 1
        target[...] = self.value


def ensure(key: store.Key, build: Callable[[Activations], None]) -> Activations:
    (found,) = store.ensure([Request(key, SHAPE, build)])
    return found


def allow(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setenv(store.CAP_VARIABLE, str(size / 2**30))


def test_it_is_built_once_and_then_read() -> None:
    build = Builder()
    for _ in range(3):
        found = ensure({"cut": 1}, build)
        assert found.dtype == store.DTYPE
        np.testing.assert_array_equal(found.astype(float), np.full(SHAPE, 1.5))
    assert build.built == 1
    ensure({"cut": 2}, build)
    assert build.built == 2


def test_what_was_read_can_t_be_written() -> None:
    found = ensure({"cut": 1}, Builder())
    with pytest.raises(ValueError, match="read-only"):
        found[0, 0, 0] = 2


@pytest.mark.parametrize("harm", ["flip a byte", "cut short", "no entry", "entry is no JSON"])
def test_a_damaged_entry_is_built_again(harm: str) -> None:
    build = Builder()
    ensure({"cut": 1}, build)
    (one,) = store.stored()
    data, entry = one.place / store.DATA, one.place / store.ENTRY
    if harm == "flip a byte":
        content = bytearray(data.read_bytes())
        content[7] ^= 1
        data.write_bytes(content)
        os.utime(data, ns=(1, 1))
    elif harm == "cut short":
        data.write_bytes(data.read_bytes()[:-2])
    elif harm == "no entry":
        entry.unlink()
    else:
        entry.write_text("{")
    found = ensure({"cut": 1}, build)
    assert build.built == 2
    np.testing.assert_array_equal(found.astype(float), np.full(SHAPE, 1.5))


def test_a_build_that_fails_leaves_nothing_and_can_be_tried_again() -> None:
    def fail(target: Activations) -> None:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        ensure({"cut": 1}, fail)
    assert store.stored() == []
    assert [path for path in store.folder().iterdir() if path.is_dir()] == []
    ensure({"cut": 1}, Builder())


def test_the_rest_of_a_killed_build_is_removed() -> None:
    build = Builder()
    ensure({"cut": 1}, build)
    (one,) = store.stored()
    (one.place / store.ENTRY).unlink()  # it is written last
    (one.place / "half.part").write_bytes(b"x")
    assert store.stored() == []
    ensure({"cut": 1}, build)
    assert build.built == 2
    assert {path.name for path in one.place.iterdir()} == {store.ENTRY, store.DATA}


def test_several_that_want_it_at_once_wait_for_one_builder() -> None:
    started = threading.Barrier(4)
    build = Builder()
    found: list[Activations] = []

    def want() -> None:
        started.wait()
        found.append(ensure({"cut": 1}, build))

    threads = [threading.Thread(target=want) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert build.built == 1
    assert len(found) == 4


def test_two_that_want_the_same_ones_share_the_work() -> None:
    """Each passes over what the other builds; a slow builder shows it."""
    built: list[tuple[str, int]] = []

    def builder(cut: int) -> Callable[[Activations], None]:
        def build(target: Activations) -> None:
            built.append((threading.current_thread().name, cut))
            time.sleep(0.05)
            target[...] = cut

        return build

    def want() -> None:
        found = store.ensure([Request({"cut": cut}, SHAPE, builder(cut)) for cut in range(6)])
        assert [float(one.flat[0]) for one in found] == [0, 1, 2, 3, 4, 5]

    threads = [threading.Thread(target=want, name=name) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(cut for _, cut in built) == [0, 1, 2, 3, 4, 5]
    assert {name for name, _ in built} == {"a", "b"}


def test_the_longest_unused_goes_first_when_the_cap_is_reached(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    allow(monkeypatch, 2 * SIZE)
    build = Builder()
    for cut in (1, 2):
        ensure({"cut": cut}, build)
    for age, one in zip(
        (200, 100), sorted(store.stored(), key=lambda o: o.key["cut"]), strict=True
    ):
        os.utime(one.place / store.ENTRY, (one.used - age, one.used - age))
    ensure({"cut": 1}, build)  # used again: now 2 is the longest unused
    ensure({"cut": 3}, build)
    assert {one.key["cut"] for one in store.stored()} == {1, 3}


def test_what_has_no_room_is_refused_before_it_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    build = Builder()
    allow(monkeypatch, SIZE - 1)
    with pytest.raises(NoRoom, match=r"more than MINERALSWEEP_ACTIVATIONS_GIB allows"):
        ensure({"cut": 1}, build)
    monkeypatch.delenv(store.CAP_VARIABLE)
    monkeypatch.setattr(store, "SPARE_DISK", 2**60)
    with pytest.raises(NoRoom, match=r"don't fit on the disk of .*GiB free"):
        ensure({"cut": 1}, build)
    assert build.built == 0


@pytest.mark.parametrize("text", ["much", "-1", "nan", "inf"])
def test_a_cap_that_is_no_number_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(store.CAP_VARIABLE, text)
    with pytest.raises(ConfigError, match=f"must be a number of GiB from 0 up, got '{text}'"):
        store.cap()


def test_entries_say_what_they_are() -> None:
    ensure({"cut": 4, "views": 8}, Builder())
    (one,) = store.stored()
    assert one.key == {"cut": 4, "views": 8}
    assert one.size == SIZE
    assert json.loads((Path(one.place) / store.ENTRY).read_text())["shape"] == list(SHAPE)
    store.clear()
    assert store.stored() == []
