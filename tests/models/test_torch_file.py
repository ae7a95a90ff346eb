"""Arrays of a PyTorch file, without PyTorch; and nothing in such a file is executed."""

from __future__ import annotations

import io
import os
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mineralsweep.models import torch_file
from mineralsweep.models.torch_file import MAGIC, PROTOCOL

NUMBERS = np.arange(24, dtype="<f4")


class Named:
    """Pickled as a name of a module that is not here."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


class Call:
    """Pickled as a call of a named function."""

    def __init__(self, named: Named, *given: Any) -> None:
        self.named, self.given = named, given


class Storage(tuple):
    """Pickled as a persistent id."""


class Writer(pickle._Pickler):  # type: ignore[name-defined]
    """Writes names that can't be imported here."""

    def persistent_id(self, obj: Any) -> Any:
        return tuple(obj) if isinstance(obj, Storage) else None

    def save(self, obj: Any, *more: Any, **settings: Any) -> None:
        if isinstance(obj, Named):
            self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())
        elif isinstance(obj, Call):
            self.save(obj.named)
            self.save(obj.given)
            self.write(pickle.REDUCE)
        else:
            super().save(obj, *more, **settings)


def tensor(shape: Any, strides: Any, offset: int = 0, kind: str = "FloatStorage") -> Call:
    storage = Storage(("storage", Named("torch", kind), "7", "cpu", 24, None))
    rebuild = Named("torch._utils", "_rebuild_tensor_v2")
    return Call(rebuild, storage, offset, shape, strides, False, OrderedDict())


def write(path: Path, state: Any, numbers: bytes = NUMBERS.tobytes(), count: int = 24) -> Path:
    file = io.BytesIO()
    for one in (MAGIC, PROTOCOL, {"little_endian": True}, state, ["7"]):
        Writer(file, 2).dump(one)
    path.write_bytes(file.getvalue() + count.to_bytes(8, "little") + numbers)
    return path


def test_arrays_are_read_with_their_strides_and_offsets(tmp_path: Path) -> None:
    state = {"plain": tensor((2, 3), (3, 1)), "turned": tensor((3, 2), (1, 3), offset=4)}
    found = torch_file.read(write(tmp_path / "a.pth", state))
    np.testing.assert_array_equal(found["plain"], NUMBERS[:6].reshape(2, 3))
    np.testing.assert_array_equal(found["turned"], NUMBERS[4:10].reshape(2, 3).T)


def test_a_file_that_calls_a_function_is_refused_and_not_run(tmp_path: Path) -> None:
    state = {"a": Call(Named(os.system.__module__, "system"), f"touch {tmp_path}/ran")}
    with pytest.raises(ValueError, match=r"arrays alone: it names \w+\.system"):
        torch_file.read(write(tmp_path / "a.pth", state))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("shape", "strides", "offset"),
    [((5, 5), (5, 1), 0), ((2,), (1,), 23), ((2,), (-1,), 5), ((24,), (0,), -1), ((99,), (0,), 0)],
)
def test_an_array_outside_of_its_numbers_is_refused(
    tmp_path: Path, shape: Any, strides: Any, offset: int
) -> None:
    path = write(tmp_path / "a.pth", {"a": tensor(shape, strides, offset)})
    with pytest.raises(ValueError, match="its numbers"):
        torch_file.read(path)


def test_a_file_that_is_cut_off_is_refused_wherever(tmp_path: Path) -> None:
    path = write(tmp_path / "a.pth", {"a": tensor((2, 3), (3, 1))})
    content = path.read_bytes()
    for end in range(0, len(content) - 1, 7):
        path.write_bytes(content[:end])
        with pytest.raises(ValueError, match="no PyTorch file"):
            torch_file.read(path)


def test_a_count_that_no_file_holds_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.pth", {"a": tensor((2, 3), (3, 1))}, count=2**62)
    with pytest.raises(ValueError, match="cut off"):
        torch_file.read(path)


def test_other_files_are_refused(tmp_path: Path) -> None:
    for content in (b"", b"PK\x03\x04", pickle.dumps(1) + pickle.dumps(2), b"\x89HDF\r\n\x1a\n"):
        (tmp_path / "a.pth").write_bytes(content)
        with pytest.raises(ValueError, match="no PyTorch file"):
            torch_file.read(tmp_path / "a.pth")
