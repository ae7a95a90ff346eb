"""Graphs written as ONNX files, and a trained model's folder compiled with them."""

from __future__ import annotations

import logging
import warnings
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mineralsweep.export import graphs
from mineralsweep.serving import compiled, ensemble, network, own_code
from mineralsweep.serving.network import FLIPS_FILE, NETWORK_FILE, Network
from mineralsweep.serving.probe import BACKBONE_FILE, SAME_FILE, Probe
from mineralsweep.silence import stderr_silenced

if TYPE_CHECKING:
    from mineralsweep.export.graphs import Graph

OPSET = 17
"""Of ONNX 1.12 (2022): runtimes of today read it, and it has what our graphs need."""


def write(graph: Graph, image_size: tuple[int, int], target: Path) -> None:
    """Write a graph as an ONNX file with one input, `image`: uint8 (n, height, width, 3).

    Raises:
        Exception: of TensorFlow or of tf2onnx: the graph has what ONNX has not.
    """
    import tensorflow as tf

    with warnings.catch_warnings(action="ignore"):
        import tf2onnx

    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    signature = [tf.TensorSpec((None, *image_size, 3), tf.uint8, name="image")]
    with warnings.catch_warnings(action="ignore"), stderr_silenced():
        tf2onnx.convert.from_function(
            tf.function(graph, input_signature=signature),
            input_signature=signature, opset=OPSET, output_path=str(target),
        )  # fmt: skip


def compile_folder(folder: Path) -> None:
    """Compile every network and probe of a trained model's folder; what was compiled goes.

    Raises:
        Exception: as `write` does; the folder is then of no use.
    """
    sharing: dict[str, list[tuple[Path, Probe]]] = defaultdict(list)
    for place in list(_leaves(folder)):
        model = network.load(place)
        if isinstance(model, Network):
            target = place / compiled.GRAPH_FILE
            write(graphs.of_network(model), model.image_size, target)
            compiled.save_settings(place, target)
            for file in (NETWORK_FILE, FLIPS_FILE, own_code.FILE):
                (place / file).unlink(missing_ok=True)
        elif isinstance(model, Probe):
            sharing[f"{model.prepared_as} {model.image_size}"].append((place, model))
    for alike in sharing.values():
        _compile_probes(alike)


def _leaves(folder: Path) -> Iterator[Path]:
    """Give the folders of the single models within a model's."""
    if not ensemble.is_ensemble(folder):
        yield folder
        return
    for member in sorted((folder / ensemble.MEMBERS).iterdir(), key=lambda path: int(path.name)):
        yield from _leaves(member)


def _compile_probes(alike: list[tuple[Path, Probe]]) -> None:
    """Compile probes that prepare images alike into one graph, in the first one's folder."""
    target, start = alike[0][0] / compiled.GRAPH_FILE, 0
    write(graphs.of_probes([one for _, one in alike]), alike[0][1].image_size, target)
    for place, one in alike:
        channels = [output.shape[-1] for output in one.network.outputs]
        compiled.save_settings(place, target, start, channels)
        start += len(one.members)
        for file in (BACKBONE_FILE, SAME_FILE):
            (place / file).unlink(missing_ok=True)
