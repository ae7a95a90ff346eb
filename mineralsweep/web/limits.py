"""What a server takes at most: bytes a request, and requests at a time."""

from __future__ import annotations

import json
import time

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mineralsweep.web.metrics import Metrics

MAX_REQUEST_BYTES = 256 * 2**20
MAX_REQUESTS = 128
"""Under way at a time; more are sent away with 503, before their bytes are read."""
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
        started, status = time.perf_counter(), 500

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
        if self._under_way > MAX_REQUESTS:
            why = f"{MAX_REQUESTS} requests are under way; try again in a second"
            await _refuse(send, 503, why, {"retry-after": "1"})
            return
        length = dict(scope["headers"]).get(b"content-length", b"0")
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

        try:
            await self._inner(scope, bounded, unless_refused)
        except ClientDisconnect:
            if not refused:
                raise


def _too_large(size: int) -> str:
    return f"{size} bytes; a request has at most {MAX_REQUEST_BYTES}: send fewer images at a time"


async def _refuse(send: Send, status: int, why: str, headers: dict[str, str] | None = None) -> None:
    body = json.dumps({"error": why}).encode()
    sent = {"content-type": "application/json", "content-length": str(len(body)), **(headers or {})}
    pairs = [(name.encode(), value.encode()) for name, value in sent.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})
