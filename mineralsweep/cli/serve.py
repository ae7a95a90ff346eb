"""The command serve: the champion over HTTP, with a page to try it."""

from __future__ import annotations

import ipaddress
import os
import socket
from argparse import Namespace
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from mineralsweep.allocator import share_memory
from mineralsweep.cli.shell import DEFAULT_MODEL, plain_console
from mineralsweep.data.settings import DataSettings
from mineralsweep.data.sources import open_catalog
from mineralsweep.errors import ConfigError
from mineralsweep.serving.paths import READ_PATHS

if TYPE_CHECKING:
    from mineralsweep.web.answer_log import AnswerLog

HOST, PORT = "127.0.0.1", 5001
REFRESH_SECONDS = 10.0
LOG_IMAGES_MB = 1000


def serve(options: Namespace) -> int:
    """Serve a registered model until it is stopped."""
    host = options.host or HOST
    port = PORT if options.port is None else options.port
    seconds = REFRESH_SECONDS if options.refresh is None else options.refresh
    if not 0 < port < 65536:
        raise ConfigError(f"--port: must be from 1 to 65535, got {port}")
    if seconds <= 0:
        raise ConfigError(f"--refresh: must be more than 0 seconds, got {seconds:g}")
    share_memory()
    os.environ.pop(READ_PATHS, None)  # for a batch on this machine; never for who asks a server
    megabytes = _megabytes(options)
    photographs = _photographs(options.photographs) if options.photographs else {}

    import uvicorn

    from mineralsweep.tracking import open_store
    from mineralsweep.web import app
    from mineralsweep.web.live import LiveModel

    say = _never_failing(plain_console().print)
    log = _log(options, megabytes, say)
    live = LiveModel(open_store(), options.model or DEFAULT_MODEL)
    live.follow(seconds, say)
    proxies = (options.allowed_hosts or "").replace(",", " ").split()
    hosts = ("localhost", "127.0.0.1", "[::1]", host) if is_loopback(host) else ("*",)
    shown = f"http://{_reached_at(host)}:{port}"
    say(f"{live.title()} answers on {shown}")
    if not is_loopback(host):
        say("Everybody who reaches this address may ask it: there is no login.")
    say(f"  a page to try it:  {shown}/")
    say(f"  one image:         curl --data-binary @PHOTO.jpg {shown}/classify")
    say(f"  many, by MLflow:   {shown}/invocations")
    say(f"  which model:       {shown}/version     counters: {shown}/metrics")
    if log is not None:
        say(f"  answers are logged: mineralsweep watch {quote(options.log)}")
    say("Ctrl-C ends it.")
    with log or nullcontext():
        uvicorn.run(
            app.make(live, photographs, hosts, log, tuple(proxies)), host=host, port=port,
            log_level="warning", access_log=False, timeout_keep_alive=30,
        )  # fmt: skip
    return 0


def _never_failing(say: Callable[[str], None]) -> Callable[[str], None]:
    """Return what says a line where it can: a thread must not end because nobody reads it."""

    def said(line: str) -> None:
        with suppress(Exception, SystemExit):  # a full disk; rich ends the process on a closed pipe
            say(line)

    return said


def _megabytes(options: Namespace) -> int:
    """Return how much the folder of logged images may hold.

    Raises:
        ConfigError: a flag of the log lacks another.
    """
    if options.log_images and not options.log:
        raise ConfigError("--log-images: needs --log FILE")
    if options.log_images_mb is not None and not options.log_images:
        raise ConfigError("--log-images-mb: needs --log-images FOLDER")
    megabytes: int = LOG_IMAGES_MB if options.log_images_mb is None else options.log_images_mb
    if megabytes < 1:
        raise ConfigError(f"--log-images-mb: must be 1 or more, got {megabytes}")
    return megabytes


def _log(options: Namespace, megabytes: int, say: Callable[[str], None]) -> AnswerLog | None:
    from mineralsweep.web.answer_log import AnswerLog, ImageFolder

    if not options.log:
        return None
    images = ImageFolder(Path(options.log_images), megabytes) if options.log_images else None
    return AnswerLog(Path(options.log), say, images)


def is_loopback(host: str) -> bool:
    """Say whether only this machine reaches a host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _reached_at(host: str) -> str:
    """Return the name or address that people type to reach a host."""
    if is_loopback(host):
        return "localhost"
    if host not in ("0.0.0.0", "::"):  # noqa: S104 - what it means is told, not bound
        return f"[{host}]" if ":" in host else host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outward:
        try:
            outward.connect(("192.0.2.1", 9))  # for documentation (RFC 5737); nothing is sent
        except OSError:
            return socket.gethostname()
        return str(outward.getsockname()[0])


def _photographs(path: str) -> Mapping[str, Path]:
    """Return where the images of a collection are, by their SHA-256."""
    catalog = open_catalog(DataSettings(path))
    return {image.digest: image.path for image in catalog.images}
