"""Locks that die with their process, and the package where there is no Unix."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from mineralsweep import files
from tests.conftest import ROOT

HOLD = """
import sys, time
from pathlib import Path
from mineralsweep import files
with files.exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def holder(path: Path) -> subprocess.Popen[str]:
    held = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert held.stdout is not None
    assert held.stdout.readline() == "held\n"
    held.stdout.close()
    return held


def test_a_lock_names_the_process_that_has_it_and_dies_with_it(tmp_path: Path) -> None:
    lock = tmp_path / "study" / "lock"
    held = holder(lock)
    try:
        with pytest.raises(files.Taken) as caught, files.exclusive(lock):
            pytest.fail("two have the lock")
        assert caught.value.owner == str(held.pid)
    finally:
        held.kill()
        held.wait()
    with files.exclusive(lock):
        assert (lock.parent / "lock.owner").read_text() == str(os.getpid())
    assert [path.name for path in lock.parent.iterdir()] == ["lock"]


def test_one_at_a_time_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINERALSWEEP_CACHE", str(tmp_path))
    order: list[str] = []

    def second() -> None:
        with files.one_at_a_time("key"):
            order.append("second")

    with files.one_at_a_time("key"):
        other = threading.Thread(target=second)
        other.start()
        with files.one_at_a_time("another key"):
            time.sleep(0.2)
        order.append("first")
    other.join()
    assert order == ["first", "second"]


WITHOUT_UNIX = """
# These may need Unix, and are loaded before it is taken away.
import keras, keras_tuner, mlflow.pyfunc, multiprocessing, optuna, psutil, skops.io
import importlib, os, pkgutil, signal, sys
for name in ("fcntl", "grp", "pwd", "resource", "termios"):
    sys.modules[name] = None
for name in ("SIGKILL", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGALRM", "SIGCHLD", "alarm", "pause"):
    delattr(signal, name)
for name in ("fork", "getuid", "killpg", "posix_fallocate", "setsid", "sched_getaffinity", "uname"):
    delattr(os, name)
import mineralsweep
for module in pkgutil.walk_packages(mineralsweep.__path__, "mineralsweep."):
    importlib.import_module(module.name)
print("done")
"""


@pytest.mark.slow
def test_every_module_can_be_imported_where_there_is_no_unix() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WITHOUT_UNIX], capture_output=True, text=True,
        cwd=ROOT, check=False,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1:] == ["done"], done.stderr[-2000:]
