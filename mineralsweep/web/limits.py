"""What a server takes at most: bytes a request, and requests at a time."""

from __future__ import annotations

import contextlib
import json
import time
from urllib.parse import urlsplit

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mineralsweep.web.metrics import Metrics

MAX_REQUEST_BYTES = 256 * 2**20
MAX_REQUESTS = 128
"""Under way at a time; more are sent away with 503, before their bytes are read."""
GONE = 499
"""How a request is counted whose client went away before it was answered."""
ALWAYS = ("/ping", "/health", "/metrics", "/version")
"""Routes that are answered however many requests are under way."""
KNOWN = ("/", "/invocations", "/classify", "/explain", "/version", "/metrics", "/ping", "/health")
"""Routes that are counted by their name."""


class Limited:
    """An ASGI application within the limits; every request is counted."""

    def __init__(self, inner: ASGIApp, metrics: Metrics) -> None:
        self._inner = inner
        self._metrics = metrics
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        started, status = time.perf_counter(), GONE

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self._metrics.began()
        self._under_way += 1
        try:
            await self._answer(scope, receive, noted)
        finally:
            self._under_way -= 1
            route = scope["path"] if scope["path"] in KNOWN else "other"
            self._metrics.ended(route, status, time.perf_counter() - started)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        sent = {name: value.decode("latin-1") for name, value in scope["headers"]}
        foreign = _foreign(scope, sent)
        if foreign:
            await _refuse(send, *foreign)
            return
        if self._under_way > MAX_REQUESTS and scope["path"] not in ALWAYS:
            why = f"{MAX_REQUESTS} requests are under way; try again in a second"
            await _refuse(send, 503, why, {"retry-after": "1"})
            return
        length = sent.get(b"content-length", "0")
        if length.isdigit() and int(length) > MAX_REQUEST_BYTES:
            await _refuse(send, 413, _too_large(int(length)))
            return
        taken, refused = 0, False

        async def bounded() -> Message:
            nonlocal taken, refused
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > MAX_REQUEST_BYTES and not refused:
                refused = True
                await _refuse(send, 413, _too_large(taken))
            return {"type": "http.disconnect"} if refused else message

        async def unless_refused(message: Message) -> None:
            if not refused:
                await send(message)

        # Of one that went away, or was refused, nobody waits for an answer.
        with contextlib.suppress(ClientDisconnect):
            await self._inner(scope, bounded, unless_refused)


def _foreign(scope: Scope, headers: dict[bytes, str]) -> tuple[int, str] | None:
    """Return why a request is refused by its headers alone: a status and a sentence."""
    if scope["method"] != "POST":
        return None
    origin = headers.get(b"origin", "")
    if origin and urlsplit(origin).netloc != headers.get(b"host"):
        return 403, "a page of another server may not ask this one"
    if scope["path"] == "/invocations" and b"content-type" not in headers:
        return 415, "say what it is: -H 'Content-Type: application/json'"
    return None


def _too_large(size: int) -> str:
    return f"{size} bytes; a request has at most {MAX_REQUEST_BYTES}: send fewer images at a time"


async def _refuse(send: Send, status: int, why: str, headers: dict[str, str] | None = None) -> None:
    body = json.dumps({"error": why}).encode()
    sent = {"content-type": "application/json", "content-length": str(len(body)), **(headers or {})}
    pairs = [(name.encode(), value.encode()) for name, value in sent.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})
