"""NumPy's threads: one in a server, as they were elsewhere."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mineralsweep.serving.threads import SERVING

SCRIPT = """
import numpy as np, os
from threadpoolctl import threadpool_info, threadpool_limits
from mineralsweep.serving.threads import keep_apart

threadpool_limits(2)
keep_apart()
import scipy.linalg  # brings another pool
keep_apart()
print(sorted(one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"))
"""


@pytest.mark.parametrize(("serving", "expected"), [("true", "[1, 1]"), ("", "2]")])
def test_a_server_answers_each_image_on_one_thread(serving: str, expected: str) -> None:
    script = f"import os; os.environ[{SERVING!r}] = {serving!r}\n{SCRIPT}"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip().endswith(expected)
