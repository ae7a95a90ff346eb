"""Images in JSON, as clients write them: data URIs, URL-safe base64, and what is no base64 at all.

MLflow's route takes plain base64. It drops the signs that are not of its alphabet, so that a data
URI becomes noise, and one string that is no base64 costs a whole request its answer.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

DATA_URI = re.compile(r"data:[^,]{0,100};base64,")
URL_SAFE = str.maketrans("-_", "+/")
NO_ROWS = ("columns", "index", "params")
"""Of a request's entries, those that hold no images."""
OWN_UNDERLINES = 2
"""In the words of a request: `dataframe_split`, `on_error`."""


class PlainBase64:
    """MLflow's application behind one that turns every image of a JSON request to plain base64.

    A body is looked through only where a sign tells that it may need it, or after a refusal.
    """

    def __init__(self, inner: ASGIApp) -> None:
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/invocations":
            await self._inner(scope, receive, send)
            return
        request = Request(scope, receive)
        if "json" not in request.headers.get("content-type", ""):
            await self._inner(scope, receive, send)
            return
        body = await request.body()
        if not _suspect(body):
            refusal: list[Message] = []
            await self._inner(scope, _given(body, receive), _held(send, refusal))
            if not refusal:
                return
            plain = await run_in_threadpool(mended, body)
            if plain == body:
                for message in refusal:
                    await send(message)
                return
        else:
            plain = await run_in_threadpool(mended, body)
        await self._inner(_of_length(scope, len(plain)), _given(plain, receive), send)


def mended(body: bytes) -> bytes:
    """Return a request with every image in plain base64; as it is where it is no JSON.

    What is no base64 is handed on as the bytes that it is: the model refuses it, by its row.
    """
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError):
        return body
    if not isinstance(asked, dict):
        return body
    changed = {key: value if key == "params" else _plain(value) for key, value in asked.items()}
    return body if changed == asked else json.dumps(changed).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {key: one if key in NO_ROWS else _plain(one) for key, one in value.items()}
    if isinstance(value, str):
        return _base64(value)
    if value is None:
        return ""
    return base64.b64encode(json.dumps(value).encode()).decode()


def _base64(text: str) -> str:
    uri = DATA_URI.match(text)
    bare = "".join(text[uri.end() if uri else 0 :].split()).translate(URL_SAFE)
    padded = bare.rstrip("=")
    padded += "=" * (-len(padded) % 4)
    try:
        base64.b64decode(padded, validate=True)
    except (binascii.Error, ValueError):
        return base64.b64encode(text.encode()).decode()
    return text if padded == text else padded


def _suspect(body: bytes) -> bool:
    return b"data:" in body or b"-" in body or body.count(b"_") > OWN_UNDERLINES


def _given(body: bytes, receive: Receive) -> Receive:
    """Return what gives a whole body at once, then what the client sends."""
    waiting = [body]

    async def given() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return given


def _held(send: Send, refusal: list[Message]) -> Send:
    """Return what passes an answer on, but keeps a refusal of the request."""

    async def passed(message: Message) -> None:
        refused = message["type"] == "http.response.start" and message["status"] == 400
        if refused or refusal:
            refusal.append(message)
        else:
            await send(message)

    return passed


def _of_length(scope: Scope, length: int) -> Scope:
    headers = [pair for pair in scope["headers"] if pair[0] != b"content-length"]
    return {**scope, "headers": [*headers, (b"content-length", str(length).encode())]}
