"""What is published: the wheel and the source distribution, their files, and what they say."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from tests.conftest import ROOT

PARTS = ("mineralsweep", "sweeps", "benchmarks", "deploy", "docs", "tests")
CACHES = shutil.ignore_patterns("__pycache__", "*.pyc", "results", ".env")
DATA = {
    "mineralsweep/py.typed", "mineralsweep/report/templates/study.html",
    "mineralsweep/sweeps/quick.yaml", "mineralsweep/web/page/page.js",
}  # fmt: skip


def run(*words: str, where: Path, path: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words], cwd=where, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": path, "PIP_NO_INDEX": "1", "NO_COLOR": "1"},
    )  # fmt: skip


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder dist/ of a copy of the project; the wheel is built of the other one."""
    copy = tmp_path_factory.mktemp("project")
    for name in PARTS:
        shutil.copytree(ROOT / name, copy / name, ignore=CACHES)
    for file in ROOT.iterdir():
        if file.is_file() and not file.name.startswith((".", "mlflow.db")):
            shutil.copy(file, copy)
    cache = copy / "mineralsweep" / "__pycache__"
    cache.mkdir()
    (cache / "left.cpython-311.pyc").write_bytes(b"")
    done = run("-m", "build", "--no-isolation", where=copy)
    assert done.returncode == 0, done.stdout + done.stderr
    return copy / "dist"


def source(part: str) -> set[str]:
    files = (path for path in (ROOT / part).rglob("*") if path.is_file())
    return {file.relative_to(ROOT).as_posix() for file in files if "__pycache__" not in file.parts}


@pytest.mark.slow
def test_the_wheel_has_the_package_and_the_sweeps_and_nothing_else(built: Path) -> None:
    [wheel] = built.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    sweeps = {f"mineralsweep/{name}" for name in source("sweeps")}
    about = {name for name in names if ".dist-info/" in name}
    assert names - about == source("mineralsweep") | sweeps
    assert names >= DATA


@pytest.mark.slow
def test_the_source_has_what_tests_and_pages_need_and_no_caches(built: Path) -> None:
    [packed] = built.glob("*.tar.gz")
    with tarfile.open(packed) as archive:
        names = {one.name.partition("/")[2] for one in archive if one.isfile()}
    for part in ("mineralsweep", "sweeps", "tests", "docs", "deploy"):
        lacking = {name for name in source(part) - names if not name.endswith("/.env")}
        assert lacking == set()
    assert names >= {"Makefile", "MLproject", "conda.yaml", "mkdocs.yml", "CITATION.cff",
                     "CONTRIBUTING.md", "CHANGELOG.md", "setup.py",
                     "benchmarks/sweeps.py"}  # fmt: skip
    assert [name for name in names if "__pycache__" in name or name.endswith(".pyc")] == []


@pytest.mark.slow
def test_twine_finds_nothing_to_mend(built: Path) -> None:
    done = run("-m", "twine", "check", "--strict", *map(str, built.iterdir()), where=built)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("PASSED") == 2


@pytest.mark.slow
def test_what_is_installed_has_its_sweeps_by_name_from_anywhere(
    built: Path, tmp_path: Path
) -> None:
    [wheel] = built.glob("*.whl")
    shutil.unpack_archive(wheel, tmp_path / "site", "zip")
    code = (
        "import sys, mineralsweep; from mineralsweep.config import locate;"
        "print(locate('quick')); from mineralsweep.cli import main; sys.exit(main(['sweep', 'x']))"
    )
    done = run("-c", code, where=tmp_path, path=str(tmp_path / "site"))
    assert done.stdout.strip() == str(tmp_path / "site/mineralsweep/sweeps/quick.yaml")
    assert done.returncode == 2
    assert "those are best, cnn," in done.stderr
    [about] = (tmp_path / "site").glob("*.dist-info/METADATA")
    told = Parser().parsestr(about.read_text(encoding="utf-8"))
    assert "Typing :: Typed" in told.get_all("Classifier", [])


def test_the_release_is_called_the_same_everywhere() -> None:
    import yaml

    import mineralsweep

    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert cited["version"] == mineralsweep.__version__
    assert cited["title"] == "mineralsweep"
    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pythons = {one.rpartition(" ")[2] for one in told["classifiers"] if ":: 3." in one}
    assert pythons == {"3.11", "3.12", "3.13"}
    assert told["requires-python"] == ">=3.11,<3.14"
