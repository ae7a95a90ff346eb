"""NumPy's threads: one in a server, as they were elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from mineralsweep.serving.threads import SERVING

SCRIPT = """
import numpy as np
from threadpoolctl import threadpool_info
from mineralsweep.serving.threads import keep_apart

keep_apart()
import scipy.linalg  # brings another pool
keep_apart()
print(sorted(one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"))
"""


@pytest.mark.parametrize(("serving", "expected"), [("true", "[1, 1]"), ("", "2]")])
def test_a_server_answers_each_image_on_one_thread(serving: str, expected: str) -> None:
    told = {**os.environ, SERVING: serving, "OPENBLAS_NUM_THREADS": "2"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, timeout=60,
        env=told,
    )  # fmt: skip
    assert done.stdout.strip().endswith(expected)
