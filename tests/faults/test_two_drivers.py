"""Two drivers started together on one study: one works, the other says who does.

MINERALSWEEP_PAIRS says how many pairs (1 without it); `make faults` makes it 20.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mineralsweep.data import sample

PAIRS = int(os.environ.get("MINERALSWEEP_PAIRS", "1"))
BIN = Path(sys.executable).parent
SWEEP = """
question: Who works?
image_size: 80
data: {source: minerals, split: 60/20/20}
space: {architecture: model2_1, learning_rate: {low: 3.0e-4, high: 3.0e-3, log: true}}
budget: {trials: 1, epochs: 1}
engine: {pruner: none}
baseline: none
workers: 1
"""


@pytest.mark.slow
@pytest.mark.timeout(60 + 90 * PAIRS)
def test_of_two_drivers_started_together_exactly_one_works(
    tmp_path: Path, store_made: Path
) -> None:
    assert store_made.parent == tmp_path
    sample.write(tmp_path / "minerals", per_class=10)
    (tmp_path / "mine.yaml").write_text(SWEEP)
    environment = {**os.environ, "MINERALSWEEP_CACHE": str(tmp_path / "cache")}
    for pair in range(PAIRS):
        command = [str(BIN / "mineralsweep"), "sweep", "mine.yaml", "--study", f"pair-{pair}"]
        both = [
            subprocess.Popen(
                command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE, text=True,
            )
            for _ in range(2)
        ]  # fmt: skip
        said = {one.returncode: (one, text) for one in both for text in [one.communicate()[1]]}
        assert sorted(said) == [0, 2], [text[-2000:] for _, text in said.values()]
        worker, _ = said[0]
        _, refusal = said[2]
        named = re.search(r"is at work in another process \(number (\d+)\)", refusal)
        assert named is not None, refusal
        assert int(named[1]) == worker.pid
