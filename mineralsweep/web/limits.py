"""What a server takes at most: bytes and seconds a request, bytes and requests at a time."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mineralsweep.web.metrics import Metrics

MAX_REQUEST_BYTES = 256 * 2**20
MAX_BYTES_UNDER_WAY = 1024 * 2**20
"""Of all requests that are under way."""
RECEIVE_SECONDS = 120.0
"""A request may take so long to come."""
MAX_REQUESTS = 128
"""Under way at a time; more are sent away with 503, before their bytes are read."""
GONE = 499
"""How a request is counted whose client went away before it was answered."""
ALWAYS = ("/ping", "/health", "/metrics", "/version")
"""Routes that are answered however many requests are under way."""
KNOWN = ("/", "/invocations", "/classify", "/explain", "/version", "/metrics", "/ping", "/health")
"""Routes that are counted by their name."""


class Limited:
    """An ASGI application within the limits; every request is counted.

    Args:
        inner: the application.
        metrics: count.
        proxies: whose pages may ask, beside the server's own. Not those of this machine's other
            servers: they have its name, and another port.
    """

    def __init__(self, inner: ASGIApp, metrics: Metrics, proxies: Collection[str] = ()) -> None:
        self._inner = inner
        self._proxies = proxies
        self._metrics = metrics
        self._under_way = 0
        self.bytes_under_way = 0

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
        reason = _refused_by_headers(scope, sent, self._proxies)
        if reason:
            await _refuse(send, *reason)
            return
        if self._under_way > MAX_REQUESTS and scope["path"] not in ALWAYS:
            why = f"{MAX_REQUESTS} requests are under way; try again in a second"
            await _refuse(send, 503, why, {"retry-after": "1"})
            return
        length = sent.get(b"content-length", "0")
        if length.isdigit() and int(length) > MAX_REQUEST_BYTES:
            await _refuse(send, 413, _too_large(int(length)))
            return
        body = _Body(self, receive, send)
        # Of one that went away, or was refused, nobody waits for an answer.
        try:
            with contextlib.suppress(ClientDisconnect):
                await self._inner(scope, body.receive, body.send)
        finally:
            self.bytes_under_way -= body.taken


class _Body:
    """The body of one request as it comes; past a limit the request is refused.

    Attributes:
        taken: bytes that came so far.
    """

    def __init__(self, limited: Limited, receive: Receive, send: Send) -> None:
        self.taken = 0
        self._limited = limited
        self._receive = receive
        self._send = send
        self._whole = self._refused = self._gone = False
        self._until = asyncio.get_running_loop().time() + RECEIVE_SECONDS

    async def receive(self) -> Message:
        """Return what comes next; to the application a refused client is one that went away."""
        if not self._refused:
            try:
                # After the whole body comes, some time, that the client went away.
                async with asyncio.timeout_at(None if self._whole else self._until):
                    message = await self._receive()
            except TimeoutError:
                why = f"the request did not come whole in {RECEIVE_SECONDS:g} s"
                await self._refuse(408, why)
            else:
                self._whole = not message.get("more_body", False)
                self._gone = self._gone or message["type"] == "http.disconnect"
                await self._count(len(message.get("body", b"")))
                if not self._refused:
                    return message
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Pass on an answer that somebody still waits for."""
        if not (self._refused or self._gone):
            await self._send(message)

    async def _count(self, size: int) -> None:
        self.taken += size
        self._limited.bytes_under_way += size
        if self.taken > MAX_REQUEST_BYTES:
            await self._refuse(413, _too_large(self.taken))
        elif self._limited.bytes_under_way > MAX_BYTES_UNDER_WAY:
            why = f"{MAX_BYTES_UNDER_WAY} bytes are under way; try again in a second"
            await self._refuse(503, why, {"retry-after": "1"})

    async def _refuse(self, status: int, why: str, headers: dict[str, str] | None = None) -> None:
        self._refused = True
        await _refuse(self._send, status, why, headers)


def _refused_by_headers(
    scope: Scope, headers: dict[bytes, str], proxies: Collection[str]
) -> tuple[int, str] | None:
    """Return why a request is refused by its headers alone: a status and a sentence."""
    if scope["method"] != "POST":
        return None
    origin = headers.get(b"origin", "")
    place = urlsplit(origin)
    if origin and place.netloc != headers.get(b"host") and place.hostname not in proxies:
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
