"""optuna-dashboard over a study as it is, while it runs too: to look at, not to change."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from mineralsweep.app.session import storage_of
from mineralsweep.errors import ConfigError

Respond = Callable[..., Any]
Application = Callable[[dict[str, Any], Respond], Iterable[bytes]]
READING = ("GET", "HEAD")
LOOPBACK = "127.0.0.1"
NAMES = ("127.0.0.1", "localhost")
"""By which a browser on this machine may call the server."""


class Server(ThreadingMixIn, WSGIServer):
    """A server with a thread a request."""

    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Print no line a request."""


def server(study: str, port: int) -> Server:
    """Return a server of a study's dashboard on this machine alone; port 0: any that is free.

    Raises:
        ConfigError: there is no such study, its engine is not Optuna, optuna-dashboard is not
            installed, or the port is taken.
    """
    application = _application(study)
    try:
        return make_server(LOOPBACK, port, application, Server, _Quiet)
    except OSError as error:
        raise ConfigError(f"--port: {port} can't be used: {error.strerror}; name another") from None


def _application(study: str) -> Application:
    folder, url = storage_of(study)
    from mineralsweep.engines.optuna import has_journal, open_storage

    if url is None and not has_journal(folder):
        raise ConfigError(
            f"STUDY: the engine of study '{study}' is not Optuna, or it has no trial yet"
        )
    try:
        from optuna_dashboard import wsgi
    except ImportError:
        raise ConfigError(
            "optuna-dashboard is not installed: pip install 'mineralsweep[dashboard]'"
        ) from None
    return read_only(wsgi(open_storage(url, folder)))


def read_only(inner: Application) -> Application:
    """Return an application that passes on what only reads, asked for by this machine's names."""

    def answered(environ: dict[str, Any], respond: Respond) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] not in READING:
            return _refused(respond, "405 Method Not Allowed", "this dashboard changes nothing")
        if environ.get("HTTP_HOST", "").partition(":")[0].lower() not in NAMES:
            return _refused(respond, "400 Bad Request", "this server has another name")
        return inner(environ, respond)

    return answered


def _refused(respond: Respond, status: str, why: str) -> list[bytes]:
    respond(status, [("Content-Type", "application/json")])
    return [f'{{"reason": "{why}"}}'.encode()]
