"""Where VGG16's pretrained weights come from: the cache, the network, or a file."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from mineralsweep.errors import WeightsUnavailable

if TYPE_CHECKING:
    import keras

IMAGENET_FILE = "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
DOWNLOAD_SECONDS = 900
STALL_SECONDS = 20


def imagenet_path() -> Path:
    """Return where Keras keeps VGG16's ImageNet weights without the top, there or not."""
    home = os.environ.get("KERAS_HOME")
    return (Path(home) if home else Path.home() / ".keras") / "models" / IMAGENET_FILE


def resolve(weights: str) -> Path | None:
    """Turn a `weights` setting into a file.

    Args:
        weights: "imagenet" (downloaded by Keras, and its checksum tested, on first use), the
            path of a weights file for VGG16 without its top, or "none".

    Returns:
        The file, or None for "none": random weights, on request only.

    Raises:
        WeightsUnavailable: no such file; or ImageNet's are neither cached nor reachable.
    """
    if weights == "none":
        return None
    if weights != "imagenet":
        path = Path(weights)
        if path.is_file():
            _check_is_hdf5(path)
            return path
        raise WeightsUnavailable(
            f"weights: no such file: {weights}; give imagenet, none, or the path of a .h5 file"
            " with VGG16's weights without the top"
        )
    path = imagenet_path()
    if not path.is_file():
        _download()
    if not path.is_file():
        raise WeightsUnavailable(
            "weights: VGG16's ImageNet weights are neither cached nor reachable; copy"
            f" {IMAGENET_FILE} to {path.parent}, or give its path: weights=PATH"
        )
    return path


def _check_is_hdf5(path: Path) -> None:
    with path.open("rb") as file:
        if file.read(len(HDF5_SIGNATURE)) != HDF5_SIGNATURE:
            raise WeightsUnavailable(
                f"weights: {path} does not hold VGG16's weights without the top (no HDF5 file);"
                f" expected the layout of {IMAGENET_FILE}"
            )


def load_into(trunk: keras.Model, path: Path) -> None:
    """Load a weights file into VGG16's trunk.

    Raises:
        WeightsUnavailable: the file is damaged, or holds another network's weights.
    """
    try:
        trunk.load_weights(path)
    except Exception as error:  # h5py and Keras raise many kinds
        raise WeightsUnavailable(
            f"weights: {path} does not hold VGG16's weights without the top"
            f" ({str(error).splitlines()[0] if str(error) else type(error).__name__});"
            f" expected the layout of {IMAGENET_FILE}"
        ) from error


def _download() -> None:
    # In a process of its own: the caller may not want TensorFlow, and a stall must end. In a folder
    # of its own: a download cut short must not be taken for the weights.
    target = imagenet_path()
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".download-", dir=target.parent) as scratch:
        try:
            done = subprocess.run(
                [sys.executable, "-m", "mineralsweep.models.weights"],
                env={**os.environ, "KERAS_HOME": scratch},
                timeout=DOWNLOAD_SECONDS,
                check=False,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        except subprocess.TimeoutExpired:
            return
        loaded = Path(scratch) / "models" / IMAGENET_FILE
        if done.returncode == 0 and loaded.is_file():
            loaded.replace(target)


if __name__ == "__main__":
    import keras

    socket.setdefaulttimeout(STALL_SECONDS)
    keras.applications.VGG16(include_top=False, weights="imagenet")
