"""Networks and probes compiled to ONNX: they answer without TensorFlow, each image on one thread.

A folder of a compiled model has a graph, or the path of one that it shares with others of the same
model, and which of the graph's answers are its own.
"""

from __future__ import annotations

import json
import os
import threading
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mineralsweep.data.decode import Pixels
from mineralsweep.serving import probe
from mineralsweep.serving.ensemble import CLASSES_FILE, root_of
from mineralsweep.serving.probe import StageClassifier

GRAPH_FILE = "compiled.onnx"
SETTINGS_FILE = "compiled.json"

Answers = list[NDArray[np.float32]]


@dataclass(frozen=True)
class Graph:
    """A loaded graph: uint8 (n, height, width, 3) -> arrays of n rows.

    Attributes:
        session: of ONNX Runtime; may be used from several threads at once.
        image_size: (height, width) in pixels.
    """

    session: Any
    image_size: tuple[int, int]

    def run(self, images: Pixels) -> Answers:
        """Return all that the graph answers."""
        name = self.session.get_inputs()[0].name
        answers: Answers = self.session.run(None, {name: np.ascontiguousarray(images)})
        return answers


_GRAPHS: weakref.WeakValueDictionary[tuple[Path, int], Graph] = weakref.WeakValueDictionary()
"""Those in use: a server that loads one model after the other must not keep them all."""
_LOADING = threading.Lock()


def _graph(file: Path) -> Graph:
    """Return the graph in a file: one for all that share it."""
    key = file, file.stat().st_mtime_ns
    with _LOADING:
        graph = _GRAPHS.get(key)
        if graph is None:
            graph = _GRAPHS[key] = _read(file)
        return graph


def _read(file: Path) -> Graph:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(file), options, ["CPUExecutionProvider"])
    _, height, width, _ = session.get_inputs()[0].shape
    return Graph(session, (int(height), int(width)))


@dataclass(frozen=True)
class Compiled:
    """What prepares images by a graph; `prepared_as` is the graph's file."""

    graph: Graph
    classes: tuple[str, ...]
    prepared_as: str

    @property
    def image_size(self) -> tuple[int, int]:
        return self.graph.image_size

    def predict(self, images: Pixels) -> NDArray[np.float32]:
        """Answer uint8 (n, height, width, 3) in [0, 255] with float32 (n, classes)."""
        return self.answer(self.prepare(images))

    def prepare(self, images: Pixels) -> Answers:
        """Return all that the graph answers."""
        return self.graph.run(images)

    def answer(self, prepared: Answers) -> NDArray[np.float32]:
        """Answer what `prepare` gave with float32 (n, classes)."""
        raise NotImplementedError


class CompiledNetwork(Compiled):
    """A network; its graph answers with the probabilities, and maybe an embedding."""

    def answer(self, prepared: Answers) -> NDArray[np.float32]:
        return prepared[0]

    def embedding(self, prepared: Answers) -> NDArray[np.float32] | None:
        return prepared[1] if len(prepared) > 1 else None


@dataclass(frozen=True)
class CompiledProbe(Compiled):
    """A probe; its graph answers with what is pooled of each stage, and an embedding.

    Attributes:
        start: the place of its first stage among the graph's answers.
    """

    members: tuple[StageClassifier, ...]
    start: int

    def answer(self, prepared: Answers) -> NDArray[np.float32]:
        own = prepared[self.start : self.start + len(self.members)]
        numbers = [_numbers(one, pooled) for one, pooled in zip(self.members, own, strict=True)]
        return probe.answer_numbers(self.members, numbers, len(self.classes))

    def embedding(self, prepared: Answers) -> NDArray[np.float32]:
        return prepared[-1]


def _numbers(member: StageClassifier, pooled: NDArray[np.float32]) -> NDArray[np.float64]:
    if member.pooling is None:
        return pooled.astype(np.float64)
    return member.pooling.of_covariances(pooled.astype(np.float64))


def save_settings(folder: Path, graph: Path, start: int = 0, channels: Sequence[int] = ()) -> None:
    """Note which graph is a folder's.

    Args:
        folder: of a network or a probe.
        graph: the file; in the folder, or in that of another one of the same model.
        start, channels: of a probe: where its answers start, and how many each stage has.
    """
    settings = {
        "graph": Path(os.path.relpath(graph, folder)).as_posix(),
        "start": start,
        "channels": list(channels),
    }
    (folder / SETTINGS_FILE).write_text(json.dumps(settings), encoding="utf-8")


def is_compiled(folder: Path) -> bool:
    """Say whether a folder's model was compiled."""
    return (folder / SETTINGS_FILE).is_file()


def load(folder: Path) -> CompiledNetwork | CompiledProbe:
    """Read a compiled model; nothing in the files is executed.

    Raises:
        UntrustedModel: a classifier's file holds what none of ours does.
        OSError, ValueError, KeyError: the folder lacks a file, or one is damaged.
    """
    settings = json.loads((folder / SETTINGS_FILE).read_text(encoding="utf-8"))
    file = (folder / str(settings["graph"])).resolve()
    if not file.is_relative_to(root_of(folder).resolve()):
        raise ValueError(f"{folder / SETTINGS_FILE}: must lead to a graph of the same model")
    graph = _graph(file)
    classes = tuple(json.loads((folder / CLASSES_FILE).read_text(encoding="utf-8")))
    if not probe.is_probe(folder):
        return CompiledNetwork(graph, classes, str(file))
    members = probe.load_members(folder, settings["channels"])
    return CompiledProbe(graph, classes, str(file), members, int(settings["start"]))
