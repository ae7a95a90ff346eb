"""What is compiled answers as what was trained, and needs no TensorFlow."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import weakref
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from mineralsweep.core.recipe import Flips
from mineralsweep.export.onnx import compile_folder
from mineralsweep.serving import compiled, ensemble, network, probe
from mineralsweep.serving.compiled import CompiledNetwork, CompiledProbe
from tests import tiny

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


def compared(folder: Path) -> ensemble.Classifier:
    """Compile a folder, and compare its answers with those before."""
    images = tiny.images(9, seed=7)
    expected = network.load(folder).predict(images)
    compile_folder(folder)
    loaded = network.load(folder)
    np.testing.assert_allclose(loaded.predict(images), expected, atol=2e-5)
    assert loaded.image_size == (tiny.SIDE, tiny.SIDE)
    assert loaded.classes == tiny.CLASSES
    assert loaded.predict(images[:0]).shape == (0, 3)
    return loaded


@pytest.mark.parametrize("flips", get_args(Flips))
def test_a_network(tmp_path: Path, flips: Flips) -> None:
    network.save(tiny.network(), tiny.CLASSES, tmp_path / "n", flips)
    loaded = compared(tmp_path / "n")
    assert isinstance(loaded, CompiledNetwork)
    assert not list(tmp_path.rglob("*.keras"))
    _, embedding = ensemble.answer(loaded, tiny.images(2))
    assert embedding is not None
    assert embedding.shape == (2, 4)  # the channels of its convolution


def test_a_probe_with_both_ways_of_pooling(tmp_path: Path) -> None:
    probe.save(tiny.probe(), tmp_path / "p")
    loaded = compared(tmp_path / "p")
    assert isinstance(loaded, CompiledProbe)
    _, embedding = ensemble.answer(loaded, tiny.images(2))
    assert embedding is not None
    assert embedding.shape == (2, 7)  # the channels of its deepest stage


def test_votes_over_folds_share_a_graph_and_their_embedding_is_the_first_one_s(
    tmp_path: Path,
) -> None:
    folds = []
    for fold in range(2):
        place = tmp_path / str(fold)
        network.save(tiny.network(fold), tiny.CLASSES, place / "n")
        probe.save(tiny.probe(fold), place / "p")
        network.combine([place / "n", place / "p"], tiny.CLASSES, place / "vote")
        folds.append(place / "vote")
    whole = tmp_path / "whole"
    network.combine(folds, tiny.CLASSES, whole)
    loaded = compared(whole)
    graphs = sorted(path.relative_to(whole).as_posix() for path in whole.rglob("*.onnx"))
    assert graphs == [
        "members/0/members/0/compiled.onnx",
        "members/0/members/1/compiled.onnx",
        "members/1/members/0/compiled.onnx",
    ]
    images = tiny.images(3)
    _, embedding = ensemble.answer(loaded, images)
    first = ensemble.leaves(loaded)[0][0]
    assert isinstance(first, CompiledNetwork)
    np.testing.assert_array_equal(embedding, first.embedding(first.prepare(images)))


def test_a_graph_is_shared_while_it_is_in_use_and_freed_after(tmp_path: Path) -> None:
    network.save(tiny.network(), tiny.CLASSES, tmp_path / "n")
    compile_folder(tmp_path / "n")
    first, second = (compiled.load(tmp_path / "n") for _ in range(2))
    assert first.graph is second.graph
    gone = weakref.ref(first.graph)
    del first, second
    gc.collect()
    assert gone() is None


def test_a_graph_of_another_model_is_not_read(tmp_path: Path) -> None:
    network.save(tiny.network(), tiny.CLASSES, tmp_path / "n")
    compile_folder(tmp_path / "n")
    (tmp_path / "n" / compiled.GRAPH_FILE).rename(tmp_path / "elsewhere.onnx")
    settings = {"graph": "../elsewhere.onnx", "start": 0, "channels": []}
    (tmp_path / "n" / compiled.SETTINGS_FILE).write_text(json.dumps(settings))
    with pytest.raises(ValueError, match="a graph of the same model"):
        network.load(tmp_path / "n")


def test_it_answers_without_tensorflow(tmp_path: Path) -> None:
    network.save(tiny.network(), tiny.CLASSES, tmp_path / "n")
    compile_folder(tmp_path / "n")
    script = (
        "import sys; from pathlib import Path; import numpy as np;"
        "from mineralsweep.serving import network;"
        f"model = network.load(Path({str(tmp_path / 'n')!r}));"
        f"model.predict(np.zeros((1, {tiny.SIDE}, {tiny.SIDE}, 3), np.uint8));"
        "assert not {'tensorflow', 'keras'} & set(sys.modules), 'loaded'"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
