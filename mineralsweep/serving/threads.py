"""NumPy's own threads, kept out of the way of those that answer images side by side."""

from __future__ import annotations

import os
import threading

from threadpoolctl import threadpool_limits

SERVING = "_MLFLOW_IS_IN_SERVING_ENVIRONMENT"
"""MLflow's scoring application says so in the environment that it is a server."""


def is_server() -> bool:
    """Say whether this process answers requests of others."""
    return os.environ.get(SERVING) == "true"


def keep_apart() -> None:
    """In a server, have matrix products run on the thread that asks for them, from now on.

    That is the whole process's setting: in a notebook or a sweep it is left alone.
    """
    if not is_server():
        return
    # threadpoolctl lets one thread set it, as long as that one lives.
    setting = threading.Thread(target=threadpool_limits, args=(1,))
    setting.start()
    setting.join()
