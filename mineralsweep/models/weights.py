"""Where pretrained weights come from: a file, a folder, a package, Keras's cache, a download."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mineralsweep.errors import WeightsUnavailable

if TYPE_CHECKING:
    import keras

    from mineralsweep.models.backbones import Backbone

    Reader = Callable[[keras.Model, Path], None]

Say = Callable[[str], None]

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
LEAST_SHARE = 0.9
"""Of the size of a backbone's file that one which holds its weights has at least."""
DOWNLOAD_SECONDS = 1800
STALL_SECONDS = 20
PROGRESS_SECONDS = 2.0


def imagenet_path(backbone: Backbone) -> Path:
    """Return where a backbone's ImageNet weights are kept, there or not.

    That is within the package that brings them, or the folder where Keras keeps its downloads.
    """
    if backbone.package:
        found = importlib.util.find_spec(backbone.package)
        places = found.submodule_search_locations if found else None
        return Path(places[0] if places else backbone.package) / "models" / backbone.file
    home = os.environ.get("KERAS_HOME")
    return (Path(home) if home else Path.home() / ".keras") / "models" / backbone.file


def resolve(weights: str, backbone: Backbone, say: Say = lambda words: None) -> Path | None:
    """Turn a `weights` setting into a file.

    Args:
        weights: "imagenet" (downloaded by Keras, and its checksum tested, on first use), the
            path of a file with the backbone's weights without its top, a folder that holds such
            files under Keras's own names, or "none".
        backbone: whose weights are wanted.
        say: is told how far a download has come.

    Returns:
        The file, or None for "none": random weights, on request only.

    Raises:
        WeightsUnavailable: no such file; ImageNet's are neither cached nor reachable; or the file
            is another one, or cut off.
    """
    if weights == "none":
        return None
    if weights != "imagenet":
        return _whole(_given(Path(weights), backbone), backbone)
    path = imagenet_path(backbone)
    if not path.is_file() and not backbone.package:
        try:
            _download(backbone, say)
        except OSError as error:
            raise WeightsUnavailable(
                f"weights: {backbone.name}'s can't be written to {path.parent}"
                f" ({error.strerror or error}); set KERAS_HOME to another folder"
            ) from None
    if path.is_file():
        return _whole(path, backbone)
    remedy = f"copy {backbone.file} to {path.parent}"
    if backbone.package:
        remedy = f"install the package {backbone.package.replace('_', '-')}"
    raise WeightsUnavailable(
        f"weights: {backbone.name}'s ImageNet weights are neither cached nor reachable; {remedy},"
        " or give the path of the file or of its folder: weights=PATH"
    )


def _whole(path: Path, backbone: Backbone) -> Path:
    """Return the path of a file that may hold a backbone's weights, by its beginning and size.

    Raises:
        WeightsUnavailable: it is a page that could not be downloaded, say, or cut off.
    """
    with path.open("rb") as file:
        begins = file.read(len(HDF5_SIGNATURE)) == HDF5_SIGNATURE
    size = path.stat().st_size / 1e6
    if (begins or backbone.package) and size >= LEAST_SHARE * backbone.megabytes:
        return path
    raise WeightsUnavailable(
        f"weights: {path} does not hold {backbone.name}'s weights:"
        f" {'' if begins or backbone.package else 'no HDF5 file, '}{size:.1f} MB of"
        f" {backbone.megabytes:.0f}; remove it or fetch it again: {backbone.file}"
    )


def _given(path: Path, backbone: Backbone) -> Path:
    """Return the file at a path, or the backbone's within a folder."""
    if path.is_dir():
        file = path / backbone.file
        if not file.is_file() and backbone.package:
            file = imagenet_path(backbone)
        if file.is_file():
            return file
        raise WeightsUnavailable(
            f"weights: {path} holds no {backbone.file}, which has {backbone.name}'s weights;"
            " put it there, or leave the backbone out"
        )
    if path.is_file():
        return path
    raise WeightsUnavailable(
        f"weights: no such file: {path}; give imagenet, none, the path of a file with"
        f" {backbone.name}'s weights without the top, or a folder that holds {backbone.file}"
    )


def load_into(
    trunk: keras.Model, path: Path, backbone: Backbone, reader: Reader | None = None
) -> None:
    """Load a weights file into a backbone's trunk.

    Args:
        trunk: the network without its top.
        path: of `resolve`.
        backbone: whose weights they are to be.
        reader: of a file that is not HDF5.

    Raises:
        WeightsUnavailable: the file is damaged, or holds another network's weights.
    """
    try:
        if reader is not None:
            reader(trunk, path)
            return
        trunk.load_weights(path)
    except Exception as error:  # h5py and Keras raise many kinds
        raise WeightsUnavailable(
            f"weights: {path} does not hold {backbone.name}'s weights without the top"
            f" ({str(error).splitlines()[0] if str(error) else type(error).__name__});"
            f" expected the layout of {backbone.file}"
        ) from error


def _download(backbone: Backbone, say: Say) -> None:
    # In a process of its own: the caller may not want TensorFlow, and a stall must end. In a folder
    # of its own: a download cut short must not be taken for the weights.
    target = imagenet_path(backbone)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".download-", dir=target.parent) as scratch:
        process = subprocess.Popen(
            [sys.executable, "-m", "mineralsweep.models.weights", backbone.application],
            env={**os.environ, "KERAS_HOME": scratch},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            code = _followed(process, Path(scratch), backbone, say)
        finally:
            process.kill()  # one that has ended is not there to be killed
            process.wait()
        loaded = Path(scratch) / "models" / backbone.file
        if code == 0 and loaded.is_file():
            loaded.replace(target)


def _followed(
    process: subprocess.Popen[bytes], folder: Path, backbone: Backbone, say: Say
) -> int | None:
    """Wait for a download, and tell how far it is; None where it takes too long."""
    ends, told = time.monotonic() + DOWNLOAD_SECONDS, ""
    while True:
        try:
            return process.wait(PROGRESS_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        here = sum(one.stat().st_size for one in folder.rglob("*") if one.is_file()) / 1e6
        progress = f"{backbone.name}: {here:.0f} of {backbone.megabytes:.0f} MB of weights"
        if here and progress != told:
            say(progress)
            told = progress
        if time.monotonic() > ends:
            return None


if __name__ == "__main__":
    import keras

    socket.setdefaulttimeout(STALL_SECONDS)
    getattr(keras.applications, sys.argv[1])(include_top=False, weights="imagenet")
