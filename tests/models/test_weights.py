"""Where weights come from, and what is said where they can't be had."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest

from mineralsweep.app.checks import without_weights
from mineralsweep.config import build
from mineralsweep.errors import WeightsUnavailable
from mineralsweep.models import weights
from mineralsweep.models.backbones import BACKBONES
from mineralsweep.search.state import State

VGG16, LITE = BACKBONES["vgg16"], BACKBONES["efficientnet_lite0"]


@pytest.fixture(autouse=True)
def _no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))


def test_random_ones_are_no_file() -> None:
    assert weights.resolve("none", VGG16) is None


def like(path: Path, megabytes: float) -> Path:
    """Make a file that begins as weights do, of a size."""
    with path.open("wb") as file:
        file.write(weights.HDF5_SIGNATURE)
        file.truncate(int(megabytes * 1e6))
    return path


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", weights.HDF5_SIGNATURE * 9])
@pytest.mark.parametrize("cached", [True, False])
def test_a_file_that_can_t_be_weights_is_refused_before_any_trial(
    tmp_path: Path, content: bytes, cached: bool
) -> None:
    folder = tmp_path / "keras" / "models" if cached else tmp_path
    folder.mkdir(parents=True, exist_ok=True)
    (folder / VGG16.file).write_bytes(content)
    with pytest.raises(WeightsUnavailable, match="does not hold vgg16's weights"):
        weights.resolve("imagenet" if cached else str(tmp_path), VGG16)


def test_a_folder_that_can_t_be_written_is_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "file"))
    with pytest.raises(WeightsUnavailable, match=r"can't be written to .*; set KERAS_HOME"):
        weights.resolve("imagenet", VGG16)


def test_a_folder_has_them_under_keras_own_names(tmp_path: Path) -> None:
    like(tmp_path / VGG16.file, VGG16.megabytes)
    assert weights.resolve(str(tmp_path), VGG16) == tmp_path / VGG16.file
    with pytest.raises(WeightsUnavailable, match=r"holds no resnet50v2_weights_.*\.h5"):
        weights.resolve(str(tmp_path), BACKBONES["resnet50v2"])
    path = weights.resolve(str(tmp_path), LITE)  # the package's, where the folder has none
    assert path is not None
    assert path.is_file()


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(WeightsUnavailable, match="install the package efficientnet-lite0-pytorch"):
        weights.resolve("imagenet", LITE)


def downloading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Have `code` run as the process that downloads; `folder` is where it is to write."""
    script = tmp_path / "python"
    script.write_text(
        f"#!{sys.executable}\nimport os, pathlib, sys, time\n"
        "folder = pathlib.Path(os.environ['KERAS_HOME']) / 'models'\n"
        f"folder.mkdir(parents=True)\n{code}\n"
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(weights.sys, "executable", str(script))
    monkeypatch.setattr(weights, "PROGRESS_SECONDS", 0.05)


def test_a_download_tells_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "assert sys.argv[-1] == 'VGG16'\n"
        f"file = (folder / '{VGG16.file}').open('wb')\n"
        f"file.write({weights.HDF5_SIGNATURE!r}); file.truncate(3_000_000)\ntime.sleep(0.5)\n"
        f"file.truncate({int(VGG16.megabytes * 1e6)})"
    )
    downloading(tmp_path, monkeypatch, code)
    said: list[str] = []
    path = weights.resolve("imagenet", VGG16, said.append)
    assert path == tmp_path / "keras" / "models" / VGG16.file
    assert said[0] == "vgg16: 3 of 59 MB of weights"


@pytest.mark.parametrize("end", ["sys.exit(1)", "time.sleep(60)"])
def test_a_download_cut_short_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    downloading(tmp_path, monkeypatch, f"(folder / '{VGG16.file}').write_bytes(b'half')\n{end}")
    monkeypatch.setattr(weights, "DOWNLOAD_SECONDS", 0.5)
    with pytest.raises(WeightsUnavailable, match=f"nor reachable; copy {VGG16.file} to"):
        weights.resolve("imagenet", VGG16)
    assert not list((tmp_path / "keras" / "models").iterdir())


def test_a_backbone_that_the_folder_lacks_is_left_out(tmp_path: Path) -> None:
    space = {"architecture": ["model2", "vgg16"], "learning_rate": 1e-3}
    sweep = build({"question": "?", "space": space, "weights": str(tmp_path)}, "test")
    assert list(without_weights(sweep)) == ["vgg16"]


def test_backbones_without_weights_are_left_out_of_the_search(tmp_path: Path) -> None:
    space = {"architecture": ["probe", "vgg16"], "backbone": ["mobilenetv2", "efficientnet_lite0"]}
    points = [
        {"architecture": "probe", "backbone": one} for one in ("efficientnet_lite0", "mobilenetv2")
    ]
    sweep = build(
        {"question": "?", "space": space, "weights": str(tmp_path), "warm_start": points}, "test"
    )
    left_out = without_weights(sweep)
    assert list(left_out) == ["vgg16", "backbone mobilenetv2"]
    searched = State("s", "sweep", {}, left_out=left_out).searched(sweep)
    assert searched.space.architectures() == ("probe",)
    assert searched.space.backbones("probe") == ("efficientnet_lite0",)
    assert searched.first_points() == points[:1]
    # A vote of which one member lacks its weights can't be had, whatever the other searches.
    vote = build(
        {"question": "?", "weights": str(tmp_path),
         "space": {"architecture": ["probe", "vgg16 + probe"]}},
        "test",
    )  # fmt: skip
    left_out = without_weights(vote)
    assert list(left_out) == ["vgg16+probe"]
    searched = State("s", "sweep", {}, left_out=left_out).searched(vote)
    assert searched.space.architectures() == ("probe",)
    file = tmp_path / "one.weights.h5"
    file.write_bytes(b"")
    with pytest.raises(WeightsUnavailable, match=r"is one file, and efficientnet_lite0, mobilenet"):
        without_weights(sweep.model_copy(update={"weights": str(file)}))
    with pytest.raises(WeightsUnavailable, match="holds no mobilenet_v2"):
        without_weights(
            build(
                {
                    "question": "?",
                    "space": {"architecture": "probe", "backbone": "mobilenetv2"},
                    "weights": str(tmp_path),
                },
                "test",
            )
        )
