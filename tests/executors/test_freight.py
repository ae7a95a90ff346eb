"""What travels to a node: everything a trial reads, once, and whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mineralsweep.data.dataset import Dataset
from mineralsweep.executors import freight
from tests.examples import trial

OWN = """
def build(input_shape, num_classes):
    import keras
    return keras.Sequential([keras.Input(input_shape), keras.layers.Flatten(),
                             keras.layers.Dense(num_classes, activation="softmax")])
"""


def elsewhere(path: Path) -> Path:
    return Path("/node") / path.name


def test_images_code_and_weights_are_read_from_where_they_were_sent(
    dataset: Dataset, tmp_path: Path
) -> None:
    code = tmp_path / "mine.py"
    code.write_text(OWN)
    spec = trial(dataset, tmp_path / "m", architecture=f"{code}:build")
    assert freight.needed(spec) == {spec.examples.arrays, code}
    moved = freight.moved(spec, elsewhere)
    assert moved.architecture == "/node/mine.py:build"
    assert moved.examples.arrays == elsewhere(spec.examples.arrays)
    assert replace(moved, architecture=spec.architecture, examples=spec.examples) == spec


def test_weights_of_a_vote_s_members_travel_too(dataset: Dataset, tmp_path: Path) -> None:
    weights = tmp_path / "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
    with weights.open("wb") as file:
        file.write(b"\x89HDF\r\n\x1a\n")
        file.truncate(60 * 10**6)  # as large as the real one: its beginning and size are looked at
    spec = trial(
        dataset, tmp_path / "m", architecture="vgg16+colour_texture", weights=str(tmp_path)
    )
    assert freight.needed(spec) == {spec.examples.arrays, weights}
    moved = freight.moved(spec, elsewhere)
    assert [one.hyperparameters.get("weights") for one in moved.voters] == [
        f"/node/{weights.name}", None
    ]  # fmt: skip


def test_weights_that_a_package_brings_stay(dataset: Dataset, tmp_path: Path) -> None:
    spec = trial(dataset, tmp_path / "m", architecture="probe", backbone="efficientnet_lite0")
    assert freight.needed(spec) == {spec.examples.arrays}
    assert freight.moved(spec, elsewhere).hyperparameters == spec.hyperparameters


def test_a_file_comes_once_and_what_came_otherwise_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINERALSWEEP_CACHE", str(tmp_path / "node"))
    monkeypatch.setattr(freight, "PART", 4)
    (tmp_path / "a.npy").write_bytes(b"0123456789")
    sent, asked = freight.described(tmp_path / "a.npy"), 0

    def parts() -> Iterator[bytes]:
        nonlocal asked
        asked += 1
        yield from freight.read(tmp_path / "a.npy")

    assert freight.received(sent, parts) == 10
    assert freight.received(sent, parts) == 0
    assert asked == 1
    assert sent.place.read_bytes() == b"0123456789"
    other = replace(sent, digest="0" * 64)
    with pytest.raises(OSError, match="not what was sent"):
        freight.received(other, parts)
    assert not other.place.exists()


def test_a_folder_travels_and_then_only_what_changed(tmp_path: Path) -> None:
    folder, there = tmp_path / "checkpoint", tmp_path / "there"
    (folder / "fold-1").mkdir(parents=True)
    (folder / "fold-1" / "state.npz").write_bytes(b"one")
    (folder / ".half").write_bytes(b"being written")
    freight.unpacked(freight.packed(folder), there)
    assert (there / "fold-1" / "state.npz").read_bytes() == b"one"
    assert len(list(there.rglob("*"))) == 2
    known = freight.times(folder)
    assert freight.packed(folder, known) == {}
    (folder / "last.npz").write_bytes(b"two")
    assert freight.packed(folder, known) == {"last.npz": b"two"}
    assert freight.packed(tmp_path / "none") == {}
    assert freight.packed(None) == {}
