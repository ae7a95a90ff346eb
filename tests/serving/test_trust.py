"""A model file that anybody may have written: what is not ours is refused, nothing of it runs."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.neighbors import KNeighborsClassifier

from mineralsweep import descriptors
from mineralsweep.errors import UntrustedModel
from mineralsweep.serving import ensemble, estimator, network, pyfunc, trust
from mineralsweep.serving.estimator import ESTIMATOR_FILE, SETTINGS_FILE, TextureClassifier

RNG = np.random.default_rng(0)
LABELS = np.arange(30) % 3
NUMBERS = RNG.normal(size=(30, descriptors.count())).astype(np.float32) + LABELS[:, None]


def fitted() -> Any:
    return ExtraTreesClassifier(3, random_state=0).fit(NUMBERS, LABELS)


def saved(folder: Path, model: Any) -> Path:
    estimator.save(TextureClassifier(model, ("a", "b", "c"), (32, 32), "all"), folder)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return saved(tmp_path / "m", fitted())


def edit(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Write the skops file again with another schema."""
    path = folder / ESTIMATOR_FILE
    with zipfile.ZipFile(path) as packed:
        entries = {name: packed.read(name) for name in packed.namelist()}
    schema = json.loads(entries["schema.json"])
    change(schema)
    entries["schema.json"] = json.dumps(schema).encode()
    with zipfile.ZipFile(path, "w") as packed:
        for name, content in entries.items():
            packed.writestr(name, content)


def test_what_was_saved_is_loaded(folder: Path) -> None:
    expected = fitted().predict_proba(NUMBERS)
    loaded = network.load(folder)
    assert isinstance(loaded, TextureClassifier)
    np.testing.assert_allclose(loaded.answer(NUMBERS), expected, atol=1e-6)
    assert len(loaded.predict(np.zeros((0, 32, 32, 3), np.uint8))) == 0


def test_a_function_in_place_of_a_type_is_refused(folder: Path, tmp_path: Path) -> None:
    def run_a_command(schema: dict[str, Any]) -> None:
        schema |= {"__class__": "system", "__module__": "os", "__loader__": "FunctionNode"}

    edit(folder, run_a_command)
    with pytest.raises(UntrustedModel, match=r"names os\.system, loaded as FunctionNode"):
        network.load(folder)


def test_a_type_deep_inside_is_refused(folder: Path) -> None:
    def another_loader(schema: dict[str, Any]) -> None:
        schema["content"]["content"]["estimators_"]["content"][1]["__loader__"] = "MethodNode"

    edit(folder, another_loader)
    with pytest.raises(UntrustedModel, match="loaded as MethodNode"):
        network.load(folder)


def test_a_type_that_skops_trusts_and_we_don_t_make_is_refused(tmp_path: Path) -> None:
    neighbours = KNeighborsClassifier(2).fit(NUMBERS, LABELS)
    with pytest.raises(UntrustedModel, match="KNeighborsClassifier"):
        network.load(saved(tmp_path, neighbours))


def test_skops_itself_is_told_no_more_than_the_list() -> None:
    assert set(trust.ASKED_FOR) <= trust.ALLOWED


@pytest.mark.parametrize(
    ("name", "value"),
    [("children_left", 10**6), ("children_right", 0), ("feature", 5000), ("feature", -5)],
)
def test_a_tree_that_leads_out_of_its_arrays_is_refused(
    tmp_path: Path, name: str, value: int
) -> None:
    model = fitted()
    getattr(model.estimators_[1].tree_, name)[0] = value
    with pytest.raises(UntrustedModel, match="broken link"):
        network.load(saved(tmp_path, model))


def test_a_broken_tree_inside_a_calibrated_classifier_is_found(tmp_path: Path) -> None:
    model = CalibratedClassifierCV(ExtraTreesClassifier(2, random_state=0), cv=2)
    model.fit(NUMBERS, LABELS)
    network.load(saved(tmp_path / "whole", model))
    model.calibrated_classifiers_[1].estimator.estimators_[0].tree_.children_left[0] = 10**6
    with pytest.raises(UntrustedModel, match="broken link"):
        network.load(saved(tmp_path / "broken", model))


def test_a_file_that_unpacks_to_too_much_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trust, "LARGEST", 1000)
    with pytest.raises(UntrustedModel, match="at most 1000 are read"):
        network.load(folder)


def test_other_numbers_are_refused(folder: Path) -> None:
    settings = json.loads((folder / SETTINGS_FILE).read_text())
    (folder / SETTINGS_FILE).write_text(json.dumps({**settings, "features": "colour"}))
    with pytest.raises(UntrustedModel, match="does not take the 754 numbers"):
        network.load(folder)
    (folder / SETTINGS_FILE).write_text(json.dumps({**settings, "features_version": 99}))
    with pytest.raises(ValueError, match="version 99 of the colour and texture numbers"):
        network.load(folder)


def test_a_damaged_file_is_an_error_and_no_model(folder: Path) -> None:
    (folder / ESTIMATOR_FILE).write_bytes(b"PK no zip")
    with pytest.raises(ValueError, match="is no skops file"):
        network.load(folder)


def test_a_model_is_found_in_a_folder_of_a_logged_one(folder: Path, tmp_path: Path) -> None:
    deep = tmp_path / "logged" / "artifacts"
    deep.mkdir(parents=True)
    folder.rename(deep / "network")
    assert network.find(tmp_path / "logged") == deep / "network"
    with pytest.raises(OSError, match="holds no trained model"):
        network.find(tmp_path / "m2")


def test_it_asks_for_what_it_needs_and_no_tensorflow(folder: Path, tmp_path: Path) -> None:
    names = {line.partition("==")[0] for line in pyfunc.requirements(folder)}
    assert {"scikit-learn", "scikit-image", "skops", "mlflow"} <= names
    assert not {"tensorflow", "keras"} & names
    (tmp_path / "n").mkdir()
    (tmp_path / "n" / network.NETWORK_FILE).write_bytes(b"")
    others = {line.partition("==")[0] for line in pyfunc.requirements(tmp_path / "n")}
    assert {"tensorflow", "keras"} <= others
    assert "skops" not in others


def test_it_is_served_without_loading_tensorflow(folder: Path) -> None:
    import subprocess
    import sys

    code = (
        "import sys; from pathlib import Path; from mineralsweep.serving import network;"
        f" import numpy as np; m = network.load(Path({str(folder)!r}));"
        " m.predict(np.zeros((1, 32, 32, 3), np.uint8));"
        " sys.exit(','.join({'tensorflow', 'keras'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode == 0


def test_members_that_answer_together_share_an_image_s_numbers(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = saved(tmp_path / "o", ExtraTreesClassifier(3, random_state=1).fit(NUMBERS, LABELS))
    apart = [network.load(one) for one in (folder, other)]
    images = RNG.integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    expected = np.mean([one.predict(images) for one in apart], axis=0)
    ensemble.combine([folder, other], ("a", "b", "c"), tmp_path / "both")
    counted = []
    features = descriptors.features
    monkeypatch.setattr(
        descriptors, "features", lambda *asked: counted.append(1) or features(*asked)
    )
    np.testing.assert_allclose(network.load(tmp_path / "both").predict(images), expected, atol=1e-6)
    assert len(counted) == 1
    whole = ExtraTreesClassifier(3, random_state=2).fit(
        NUMBERS[:, : descriptors.count("whole")], LABELS
    )
    third = tmp_path / "t"
    estimator.save(TextureClassifier(whole, ("a", "b", "c"), (32, 32), "whole"), third)
    again = saved(tmp_path / "again", fitted())
    separate = [network.load(one).predict(images) for one in (again, third)]
    ensemble.combine([again, third], ("a", "b", "c"), tmp_path / "mixed")
    mixed = network.load(tmp_path / "mixed").predict(images)
    np.testing.assert_allclose(mixed, np.mean(separate, axis=0), atol=1e-6)
