"""A fresh store that several processes open at the same moment.

MINERALSWEEP_ROUNDS says how often (once without it); `make faults` makes it 20.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROUNDS = int(os.environ.get("MINERALSWEEP_ROUNDS", "1"))
CODE = """
import pathlib, sys, time
import mlflow.store.tracking.sqlalchemy_store
from mineralsweep.tracking import open_store
pathlib.Path(sys.argv[1]).touch()
while not pathlib.Path("go").exists():
    time.sleep(0.001)
print(open_store().experiment_id)
"""


@pytest.mark.slow
@pytest.mark.parametrize("turn", range(ROUNDS))
def test_four_processes_open_a_fresh_store(tmp_path: Path, turn: int) -> None:
    names = ["a", "b", "c", "d"]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CODE, name],
            cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for name in names
    ]  # fmt: skip
    deadline = time.monotonic() + 120
    try:
        while not all((tmp_path / name).exists() for name in names):
            assert time.monotonic() < deadline
            assert not [process for process in processes if process.poll()]
            time.sleep(0.05)
        (tmp_path / "go").touch()
        answers = [process.communicate(timeout=200) for process in processes]
    finally:
        for process in processes:
            process.kill()  # one that has ended does not mind
    assert [process.returncode for process in processes] == [0] * 4, answers
    assert len({out for out, _ in answers}) == 1
