"""The command export: a registered model in another format, or as a folder for Docker."""

from __future__ import annotations

import shlex
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from mineralsweep.app.export import DOCKER, Exported, export
from mineralsweep.cli.shell import plain_console
from mineralsweep.errors import ConfigError

if TYPE_CHECKING:
    from mineralsweep.export.parity import Parity

FORMATS = ("onnx", "litert", "keras", DOCKER)
"""A test holds them with `export.formats.FORMATS`, which is not loaded for --help."""


def run(options: Namespace) -> int:
    """Export a model.

    Returns:
        0, or 1 where the exported model names other classes than the served one.
    """
    if options.format not in FORMATS:
        raise ConfigError(f"--format: must be one of {', '.join(FORMATS)}, got {options.format}")
    console = plain_console()
    done = export(options.model, options.format, Path(options.out), console.print)
    console.print("\n".join([*_where(done), *_compared(done.parity), "Next:", *_next(done)]))
    return 0 if done.parity is None or done.parity.agrees else 1


def _where(done: Exported) -> list[str]:
    if done.format == DOCKER:
        return [f"Wrote {done.folder}: Dockerfile, requirements.txt and model, {done.uri}"]
    megabytes = done.file.stat().st_size / 1e6
    return [
        f"Wrote {done.file}, {megabytes:.1f} MB, {done.uri}",
        f"  beside it: labels.json, classify.py, parity.json in {done.folder}",
    ]


def _compared(parity: Parity | None) -> list[str]:
    if parity is None:
        return []
    alike, asked = parity.read_alike, parity.compared
    other = "" if alike == asked else "; the others with colour profiles, 16 bits or the like"
    return [
        f"Parity with the served model: the same label on {parity.same_labels} of {asked} images,"
        f" largest difference of a probability {parity.largest_difference:.1e}",
        f"  images: {parity.images}",
        f"  classify.py reads {alike} of {asked} images as training did{other}",
        f"  images a second: served {parity.served_per_second}, exported"
        f" {parity.exported_per_second}",
        *([] if parity.agrees else ["Careful: the labels differ: don't use this model."]),
    ]


def _next(done: Exported) -> list[str]:
    folder = shlex.quote(str(done.folder))
    if done.format == DOCKER:
        return [
            f"  docker build -t mineral-classifier {folder}",
            "  docker run --rm -p 127.0.0.1:8080:8080 mineral-classifier",
        ]
    return [
        f"  pip install pillow numpy {done.runtime}",
        f"  python {shlex.quote(str(done.folder / 'classify.py'))} PHOTO.jpg",
    ]
