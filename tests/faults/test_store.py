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
import sys, time
from mineralsweep.tracking import open_store
time.sleep(max(0, float(sys.argv[1]) - time.time()))
print(open_store().experiment_id)
"""


@pytest.mark.slow
@pytest.mark.parametrize("turn", range(ROUNDS))
def test_four_processes_open_a_fresh_store(tmp_path: Path, turn: int) -> None:
    together = str(time.time() + 12)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CODE, together],
            cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(4)
    ]  # fmt: skip
    answers = [process.communicate(timeout=200) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, answers
    assert len({out for out, _ in answers}) == 1
