"""Reading arrays from a PyTorch file of the old format: no PyTorch, and nothing is executed.

Such a file is a few pickles and then the numbers. A pickle may name any function of any module,
and its reader would call it. This reader knows four names, and none of them does anything.
"""

from __future__ import annotations

import math
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
LARGEST = 2**30
"""Bytes of a file that is read."""
DTYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}

MISTAKES = (pickle.UnpicklingError, EOFError, TypeError, AttributeError, LookupError)

Placed = tuple[tuple[Any, ...], int, tuple[int, ...], tuple[int, ...]]
"""An array before it is read: its storage, offset, shape and strides, in elements."""


def read(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a file by name.

    Args:
        path: of a state dict, as `torch.save` wrote it before version 1.6.

    Raises:
        OSError: it can't be read.
        ValueError: it is no such file, holds anything but arrays, is damaged, or too large.
    """
    size = path.stat().st_size
    if size > LARGEST:
        raise ValueError(f"{path}: {size} bytes; at most {LARGEST} are read")
    with path.open("rb") as file:
        try:
            return _arrays(file)
        except MISTAKES as error:
            raise ValueError(f"{path}: is no PyTorch file of arrays alone: {error}") from None


def _arrays(file: IO[bytes]) -> dict[str, NDArray[Any]]:
    if (_unpickled(file), _unpickled(file)) != (MAGIC, PROTOCOL):
        raise pickle.UnpicklingError("it begins with other numbers")
    _unpickled(file)  # of the machine that wrote it
    placed: dict[str, Placed] = dict(_unpickled(file))
    dtypes = {str(storage[2]): storage[1] for storage, *_ in placed.values()}
    storages = {str(key): _storage(file, dtypes[str(key)]) for key in _unpickled(file)}
    return {name: _array(storages[str(one[0][2])], one) for name, one in placed.items()}


def _storage(file: IO[bytes], dtype: np.dtype[Any]) -> NDArray[Any]:
    count = int.from_bytes(file.read(8), "little")
    numbers = file.read(count * dtype.itemsize) if count < LARGEST else b""
    if len(numbers) != count * dtype.itemsize:
        raise EOFError("it is cut off")
    return np.frombuffer(numbers, dtype)


def _array(storage: NDArray[Any], placed: Placed) -> NDArray[Any]:
    _, offset, shape, strides = placed
    reach = offset + sum((side - 1) * step for side, step in zip(shape, strides, strict=True))
    if min((offset, *shape, *strides)) < 0 or reach >= len(storage) or 0 in shape:
        raise pickle.UnpicklingError("an array lies outside of its numbers")
    if math.prod(shape) > len(storage):
        raise pickle.UnpicklingError("an array is larger than its numbers")
    steps = [step * storage.itemsize for step in strides]
    return np.lib.stride_tricks.as_strided(storage[offset:], shape, steps).copy()


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _placed
        if module == "torch" and name in DTYPES:
            return DTYPES[name]
        raise pickle.UnpicklingError(f"it names {module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        return pid


def _placed(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> Placed:
    return storage, int(offset), tuple(map(int, shape)), tuple(map(int, strides))


def _unpickled(file: IO[bytes]) -> Any:
    return _Reader(file).load()
