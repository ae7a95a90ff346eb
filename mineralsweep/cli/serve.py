"""The command serve: the champion over HTTP, with a page to try it."""

from __future__ import annotations

import ipaddress
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

from mineralsweep.cli.shell import DEFAULT_MODEL, plain_console
from mineralsweep.data.settings import DataSettings
from mineralsweep.data.sources import open_catalog
from mineralsweep.errors import ConfigError

HOST, PORT = "127.0.0.1", 5001
REFRESH_SECONDS = 10.0


def serve(options: Namespace) -> int:
    """Serve a registered model until it is stopped."""
    host, port = options.host or HOST, options.port or PORT
    if not 0 < port < 65536:
        raise ConfigError(f"--port: must be from 1 to 65535, got {port}")
    photographs = _photographs(options.photographs) if options.photographs else {}

    import uvicorn

    from mineralsweep.tracking import open_store
    from mineralsweep.web import app
    from mineralsweep.web.live import LiveModel

    say = plain_console().print
    live = LiveModel(open_store(), options.model or DEFAULT_MODEL)
    live.follow(options.refresh or REFRESH_SECONDS, say)
    hosts = ("localhost", "127.0.0.1", "[::1]") if is_loopback(host) else ("*",)
    shown = f"http://{'localhost' if is_loopback(host) else host}:{port}"
    say(f"{live.title()} answers on {shown}")
    if not is_loopback(host):
        say("Everybody who reaches this address may ask it: there is no login.")
    say(f"  a page to try it:  {shown}/")
    say(f"  one image:         curl --data-binary @PHOTO.jpg {shown}/classify")
    say(f"  many, by MLflow:   {shown}/invocations")
    say(f"  which model:       {shown}/version     counters: {shown}/metrics")
    say("Ctrl-C ends it.")
    uvicorn.run(
        app.make(live, photographs, hosts), host=host, port=port, log_level="warning",
        access_log=False, timeout_keep_alive=30,
    )  # fmt: skip
    return 0


def is_loopback(host: str) -> bool:
    """Say whether only this machine reaches a host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _photographs(path: str) -> Mapping[str, Path]:
    """Return where the images of a collection are, by their SHA-256."""
    catalog = open_catalog(DataSettings(path))
    return {image.digest: image.path for image in catalog.images}
