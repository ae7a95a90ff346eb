"""The process that trains: takes specs from a pipe, sends reports and results back.

The driver loads TensorFlow only at the end, to test the champion.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from mineralsweep.allocator import keep_memory
from mineralsweep.core.trial import EpochReport, TrialResult, TrialSpec
from mineralsweep.errors import MineralsweepError
from mineralsweep.executors.executor import Doing, Epoch, Event, Failed, Fault, Finished

WATCH_SECONDS = 0.2
ADOPTS = os.name == "posix"
"""Whether the system gives a process another parent when its own has ended."""
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)

Message = tuple[Event, int]
"""What became of the trial, and the worker's memory in bytes."""


class _DriverIsGoneError(Exception):
    """Nobody waits for this trial any more."""


def serve(connection: Connection, log: Path, threads: int, gpu: str | None = None) -> None:
    """Run trials until the pipe closes.

    Args:
        connection: brings `TrialSpec`s, then an answer to each report: None or a reason to stop.
        log: takes all that is printed here, TensorFlow's own messages included.
        threads: for TensorFlow's operations.
        gpu: the only one that this process sees, as CUDA names it; None: as it was.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver decides what Ctrl-C means
    die_with(os.getppid())
    print_to(log)
    configure(threads, gpu)
    from mineralsweep.training.run import run_trial

    while True:
        try:
            spec: TrialSpec = connection.recv()
            event = _end_of(spec, run_trial, connection)
        except (EOFError, OSError, _DriverIsGoneError):
            return
        connection.send((event, memory()))


def _end_of(
    spec: TrialSpec, run_trial: Callable[..., TrialResult], connection: Connection
) -> Finished | Failed:
    """Run a trial, whose reports go through the pipe."""

    def report(epoch: EpochReport) -> str | None:
        try:
            connection.send((Epoch(spec.number, epoch), memory()))
            answer: str | None = connection.recv()
        except (EOFError, OSError) as error:
            raise _DriverIsGoneError from error
        return answer

    def say(words: str) -> None:
        with contextlib.suppress(OSError):  # the next report finds the driver gone
            connection.send((Doing(spec.number, words), memory()))

    return ended(spec.number, lambda: Finished(spec.number, run_trial(spec, report, say)))


def ended(number: int, run: Callable[[], Finished]) -> Finished | Failed:
    """Run a trial; an exception of its is a failure, and is printed."""
    try:
        return run()
    except MineralsweepError as error:
        return Failed(number, str(error))
    except _DriverIsGoneError:
        raise
    except Exception as error:
        traceback.print_exc()
        first = (str(error).splitlines() or [""])[0]
        return Failed(number, f"{type(error).__name__}: {first}", fault=_fault(error))


def die_with(driver: int) -> None:
    """End this process soon after its driver, however that ended, also in the midst of an epoch."""

    alive = _watching(driver)

    def watch() -> None:
        while alive():
            time.sleep(WATCH_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="watch the driver", daemon=True).start()


def _watching(driver: int) -> Callable[[], bool]:
    """Return what says whether this process's parent is alive.

    Where a process outlives its parent, Unix gives it another one. Windows leaves the number as it
    was, so that the parent itself is looked at.
    """
    if ADOPTS:
        return lambda: os.getppid() == driver
    import psutil

    try:
        return psutil.Process(driver).is_running
    except psutil.NoSuchProcess:
        return lambda: False


def _fault(error: Exception) -> Fault:
    # TensorFlow's error is asked for by name, since it is loaded late; h5py's has no number.
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        return "memory"
    if isinstance(error, OSError) and (
        error.errno in DISK_ERRORS or os.strerror(errno.ENOSPC) in str(error)
    ):
        return "disk"
    return "error"


def print_to(log: Path) -> None:
    """Have all that this process prints, in C++ too, appended to a file."""
    log.parent.mkdir(parents=True, exist_ok=True)
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(target, 1)
    os.dup2(target, 2)
    sys.stdout, sys.stderr = (
        os.fdopen(number, "w", buffering=1, encoding="utf-8", errors="backslashreplace")
        for number in (1, 2)
    )


def configure(threads: int, gpu: str | None) -> None:
    """Load TensorFlow for training.

    Args:
        threads: for its operations.
        gpu: the only one that this process sees, "" for none; None: as it was.
    """
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.pop("MLFLOW_RUN_ID", None)
    keep_memory()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(min(threads, 2))
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)


def memory() -> int:
    """Return the bytes that this process holds."""
    import psutil

    return int(psutil.Process().memory_info().rss)
