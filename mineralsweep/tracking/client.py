"""MLflow's client, made patient: errors that may pass are waited out."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
from collections.abc import Callable
from typing import Any, cast

import requests
import tenacity
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

PASSING_CODES = {
    "INTERNAL_ERROR",
    "TEMPORARILY_UNAVAILABLE",
    "REQUEST_LIMIT_EXCEEDED",
    "DEADLINE_EXCEEDED",
    "RESOURCE_EXHAUSTED",
    "ABORTED",
    "CANCELLED",
    "IO_ERROR",
    "UNKNOWN",
}
"""MLflow's error codes of a server that can't answer now; others say that it has refused."""
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)
TOO_MANY_REQUESTS = 429


def may_pass(error: BaseException) -> bool:
    """Say whether an error of the tracking or the artifact store may pass by itself.

    No answer, a timeout, an answer of 5xx or 429, and a locked database may. A refusal (401, 403,
    a run that is not there, a value that is not taken) and a disk that is full or read-only don't.
    """
    if _of_the_disk(error):
        return False
    if isinstance(error, requests.HTTPError) and error.response is not None:
        status = error.response.status_code
        return bool(status >= 500 or status == TOO_MANY_REQUESTS)
    if isinstance(error, MlflowException):
        return error.error_code in PASSING_CODES
    if isinstance(error, requests.RequestException | ConnectionError | TimeoutError):
        return True
    return type(error).__module__.startswith(("sqlalchemy.", "urllib3.", "botocore."))


def _of_the_disk(error: BaseException) -> bool:
    """Databases and servers tell of a full disk in words only."""
    if isinstance(error, OSError) and error.errno in DISK_ERRORS:
        return True
    words = (
        os.strerror(errno.ENOSPC),
        os.strerror(errno.EROFS),
        "database or disk is full",
        "readonly database",
    )
    return any(one.lower() in str(error).lower() for one in words)


FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8.0
"""Seconds between two tries; each pause is twice the one before."""


def patiently(call: Callable[..., Any], seconds: float) -> Callable[..., Any]:
    """Return a function that is called again while its error may pass, for so many seconds."""
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(may_pass),
        wait=tenacity.wait_exponential(FIRST_PAUSE, LONGEST_PAUSE),
        stop=tenacity.stop_after_delay(seconds),
        before_sleep=_tell,
        reraise=True,
    )
    return retrying.wraps(call)


def _tell(state: tenacity.RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    if state.attempt_number == 1:
        logging.getLogger(__name__).warning("MLflow is unreachable (%s); waiting", shorten(error))


def shorten(error: BaseException | None) -> str:
    """Return an error's cause in a few words."""
    words = str(error)
    if "refused" in words:
        return "connection refused"
    if "timed out" in words or "timeout" in words:
        return "timeout"
    return (words.splitlines() or [type(error).__name__])[0][:80]


class _PatientClient:
    """An `MlflowClient` each of whose methods waits errors out."""

    def __init__(self, client: MlflowClient, seconds: float) -> None:
        self.bare = client
        self._seconds = seconds

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.bare, name)
        return patiently(value, self._seconds) if callable(value) else value


def bare(client: MlflowClient) -> MlflowClient:
    """Return the client within a patient one."""
    return client.bare if isinstance(client, _PatientClient) else client


def patient(client: MlflowClient, seconds: float) -> MlflowClient:
    """Return a client that waits errors out that may pass.

    Args:
        client: the one that is asked.
        seconds: after which an error is raised all the same.
    """
    return cast(MlflowClient, _PatientClient(client, seconds))


REQUEST_SECONDS = 15
IMPATIENCE = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": str(REQUEST_SECONDS),
}


def impatient() -> contextlib.ExitStack:
    """Return a context in which MLflow's client gives up on a dead server in seconds, once.

    Its own way is to ask seven times, up to two minutes each: nobody would hear that the server is
    away. Asked twice, a server that was only slow would also do twice what should be done once.
    """
    stack = contextlib.ExitStack()
    for name, value in IMPATIENCE.items():
        if name not in os.environ:
            os.environ[name] = value
            stack.callback(os.environ.pop, name, None)
    return stack
