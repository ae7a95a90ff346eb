"""Images in JSON, as clients write them: data URIs, URL-safe base64, and what is no base64 at all.

MLflow's route takes plain base64. It drops the signs that are not of its alphabet, so that a data
URI becomes noise, and one string that is no base64 costs a whole request its answer.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

DATA_URI = re.compile(r"data:[^,]{0,100};base64,")
URL_SAFE = str.maketrans("-_", "+/")
COLUMN = "image"
"""The only one of our models; other columns and other models' requests stay as they are."""
OWN_UNDERLINES = 2
"""In the words of a request: `dataframe_split`, `on_error`."""


class PlainBase64:
    """MLflow's application behind one that turns every image of a JSON request to plain base64.

    A body is looked through only where a sign tells that it may need it, or after a refusal.

    Args:
        inner: the application.
        takes_images: whether the model that answers is one of ours: other models' requests are
            not touched.
    """

    def __init__(self, inner: ASGIApp, takes_images: Callable[[], bool]) -> None:
        self._inner = inner
        self._takes_images = takes_images

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = scope["type"] == "http" and scope["path"] == "/invocations"
        if not asked or not self._takes_images():
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
        changed = _with_plain_rows(asked) if isinstance(asked, dict) else asked
        return body if changed == asked else json.dumps(changed).encode()
    except (ValueError, RecursionError):
        return body


def _with_plain_rows(asked: dict[str, Any]) -> dict[str, Any]:
    """Return a request with the images of its rows in plain base64; all else stays as it is."""
    changed = dict(asked)
    for key in ("inputs", "instances"):
        if key in asked:
            changed[key] = _plain(asked[key])
    records = asked.get("dataframe_records")
    if isinstance(records, list):
        changed["dataframe_records"] = [
            {**row, COLUMN: _plain(row[COLUMN])} if isinstance(row, dict) and COLUMN in row else row
            for row in records
        ]
    split = asked.get("dataframe_split")
    if isinstance(split, dict) and split.get("columns") == [COLUMN]:
        changed["dataframe_split"] = {**split, "data": _plain(split.get("data"))}
    return changed


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {**value, COLUMN: _plain(value[COLUMN])} if COLUMN in value else value
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
        return base64.b64encode(text.encode("utf-8", "replace")).decode()
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
