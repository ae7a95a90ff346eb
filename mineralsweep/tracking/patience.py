"""Which of the store's errors may pass by waiting."""

from __future__ import annotations

import errno
import os

import requests
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
