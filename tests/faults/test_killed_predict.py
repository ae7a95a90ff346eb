"""Kill -9 while a collection is classified: typed again, the table is as if nobody had killed."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.pictures import write_classes

RUN = """
import sys, time
from mineralsweep.cli import main, predict
from tests.fakes import FakeModel

class Slow(FakeModel):
    def ask(self, contents):
        time.sleep(float(sys.argv[2]))
        return super().ask(contents)

predict.Model = lambda uri: Slow()
sys.exit(main(["predict", "photos", "--csv", sys.argv[1], "--sort", sys.argv[1] + ".sorted"]))
"""


def start(table: str, seconds: float) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", RUN, table, str(seconds)]
    return subprocess.Popen(command, env={"PYTHONPATH": str(ROOT), "MINERALSWEEP_CACHE": "cache"})


def lines(table: Path) -> int:
    return table.read_bytes().count(b"\n") if table.exists() else 0


@pytest.mark.slow
def test_what_was_killed_goes_on(tmp_path: Path) -> None:
    write_classes(tmp_path / "photos", ("ash", "beech"), 40)
    (tmp_path / "photos" / "page.jpg").write_text("<html>")
    assert start("whole.csv", 0).wait(60) == 0
    killed = Path("killed.csv")
    for _ in range(3):
        before, process = lines(killed), start("killed.csv", 0.5)
        while lines(killed) <= before:
            assert process.poll() is None
            time.sleep(0.02)
        process.kill()
        process.wait()
    assert 1 < lines(killed) < lines(Path("whole.csv")) == 82
    assert start("killed.csv", 0).wait(60) == 0
    assert killed.read_bytes() == Path("whole.csv").read_bytes()
    placed = [
        {path.relative_to(folder) for path in Path(folder).rglob("*.*") if path.is_file()}
        for folder in ("whole.csv.sorted", "killed.csv.sorted")
    ]
    assert placed[0] == placed[1]
    assert len(placed[0]) == 80
