"""The routes: a page, `/classify`, `/explain`, `/version`, `/metrics`, and all of MLflow's own."""

from __future__ import annotations

import asyncio
import base64
import functools
import io
import json
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import scoring_server
from starlette.datastructures import UploadFile
from starlette.middleware.trustedhost import TrustedHostMiddleware

from mineralsweep.data.decode import decode, open_rgb
from mineralsweep.errors import UnusableImage
from mineralsweep.web import explain
from mineralsweep.web.answer_log import AnswerLog
from mineralsweep.web.encoded import PlainBase64
from mineralsweep.web.limits import MAX_REQUESTS, Limited
from mineralsweep.web.live import LiveModel, Loaded
from mineralsweep.web.metrics import Metrics

PAGE = Path(__file__).parent / "page"
PAGE_FILES = {"page.css": "text/css", "page.js": "text/javascript"}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self';"
    " img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
THUMBNAIL = 160
MAX_FILES = 1024
WAITING = ThreadPoolExecutor(MAX_REQUESTS, "waiting")
"""Threads that wait for answers; the work is done by others, one a core."""
MOST_EXPLANATIONS = 8
"""Under way at a time: others are sent away, so that they take no places from answers."""
EXPLAINING = ThreadPoolExecutor(1, "explaining")
"""An explanation takes fifty answers: one at a time, so that the others are not kept waiting."""

T = TypeVar("T")


def make(
    live: LiveModel,
    photographs: Mapping[str, Path] | None = None,
    hosts: tuple[str, ...] = ("localhost", "127.0.0.1", "[::1]"),
    log: AnswerLog | None = None,
    proxies: tuple[str, ...] = (),
) -> Limited:
    """Return the ASGI application.

    Args:
        live: the model that answers.
        photographs: SHA-256 of files that may be shown as small pictures -> where they are.
        hosts: names that a browser may call the server by; "*": any.
        log: takes what is answered.
        proxies: names that others call it by, whose pages may ask it.
    """
    app, metrics = FastAPI(docs_url=None, redoc_url=None, openapi_url=None), Metrics()
    if log is not None:
        metrics.follow(log)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[*hosts, *proxies])
    _page(app)
    _answers(app, live, _Counted(live, metrics, log, "/classify"), photographs or {})

    @app.get("/version")
    async def version() -> JSONResponse:
        return JSONResponse({**live.loaded.about, "keeps": log.keeps if log else "nothing"})

    @app.get("/metrics")
    async def counted() -> Response:
        return Response(metrics.text(live.loaded.uri), media_type="text/plain; version=0.0.4")

    for path in ("/docs", "/redoc", "/openapi.json"):  # MLflow's load scripts from elsewhere
        app.get(path)(_absent)

    invoked = _Counted(live, metrics, log, "/invocations")
    mlflows = scoring_server.init(invoked)  # type: ignore[arg-type]
    app.mount("/", PlainBase64(mlflows, lambda: live.loaded.classifier is not None))
    return Limited(app, metrics, proxies)


class _Counted:
    """A live model whose answers are counted and logged, as MLflow's application calls it."""

    def __init__(
        self, live: LiveModel, metrics: Metrics, log: AnswerLog | None, route: str
    ) -> None:
        self._live = live
        self._metrics = metrics
        self._log = log
        self._route = route

    @property
    def metadata(self) -> Any:
        return self._live.metadata

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> pd.DataFrame:
        return self.answer(self._live.loaded, data, params)

    def answer(self, loaded: Loaded, data: Any, params: dict[str, Any] | None) -> pd.DataFrame:
        """Return the answers of the model that is named: another may have come since."""
        answers: pd.DataFrame = loaded.model.predict(data, params=params)
        if "label" not in answers:  # of another make: MLflow serves any model
            return answers
        verdicts = answers["verdict"] if "verdict" in answers else [None] * len(answers)
        self._metrics.answered(zip(answers["label"], verdicts, strict=True))
        if self._log is not None:
            self._log.add(data, answers, loaded.uri, self._route)
        return answers

    def rows(self, loaded: Loaded, contents: list[bytes]) -> list[dict[str, Any]]:
        """Return an answer an image; without tables, which cost a tenth of a small model's time."""
        if loaded.classifier is None:
            frame = pd.DataFrame({"image": contents})
            answers = self.answer(loaded, frame, {"on_error": "answer"})
            if "label" not in answers:
                raise UnusableImage(f"{loaded.uri} is no mineralsweep model: ask /invocations")
            return [{"reason": "", **row} for row in json.loads(answers.to_json(orient="records"))]
        rows: list[dict[str, Any]] = loaded.classifier.rows(contents)
        self._metrics.answered((row["label"], row["verdict"]) for row in rows)
        if self._log is not None:
            frame = pd.DataFrame({"image": contents})
            self._log.add(frame, pd.DataFrame(rows), loaded.uri, self._route)
        return rows


def _page(app: FastAPI) -> None:
    @app.get("/")
    async def page() -> FileResponse:
        return FileResponse(PAGE / "page.html", headers=HEADERS)

    @app.get("/page/{name}")
    async def part(name: str) -> Response:
        if name not in PAGE_FILES:
            return _error(404, f"no such file: {name}")
        return FileResponse(PAGE / name, media_type=PAGE_FILES[name], headers=HEADERS)


def _answers(
    app: FastAPI, live: LiveModel, counted: _Counted, photographs: Mapping[str, Path]
) -> None:
    @app.post("/classify")
    async def classify(request: Request) -> Response:
        try:
            files = await _files(request)
            loaded = live.loaded
            answers = await _in(WAITING, _classified, counted, loaded, files)
        except (UnusableImage, MlflowException) as error:
            message = error.message if isinstance(error, MlflowException) else str(error)
            return _error(400, message)
        if len(answers) == 1 and answers[0]["reason"]:
            return _error(400, answers[0]["reason"])
        return _json({"model": loaded.uri, "answers": answers})

    room = threading.BoundedSemaphore(MOST_EXPLANATIONS)

    @app.post("/explain")
    async def explained(request: Request) -> Response:
        try:
            ((_, content),) = await _files(request)
        except (UnusableImage, ValueError):
            return _error(400, "send one image")
        loaded = live.loaded
        if loaded.classifier is None:
            return _error(404, "this version can't explain its answers")
        if not room.acquire(blocking=False):
            return _error(503, "others wait for an explanation; try again in a few seconds")
        try:
            return _json(await _in(EXPLAINING, _explained, loaded, content, photographs))
        except UnusableImage as error:
            return _error(400, str(error))
        finally:
            room.release()


async def _in(threads: ThreadPoolExecutor, function: Callable[..., T], *arguments: Any) -> T:
    return await asyncio.get_running_loop().run_in_executor(threads, function, *arguments)


async def _files(request: Request) -> list[tuple[str, bytes]]:
    """Return the images of a request: its body is one, or a form that has some.

    Raises:
        UnusableImage: there is none.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        content = await request.body()
        if not content:
            raise UnusableImage("send an image: as the body, or as a file of a form")
        return [("", content)]
    async with request.form(max_files=MAX_FILES, max_fields=MAX_FILES) as form:
        found = [
            (one.filename or "", await one.read())
            for _, one in form.multi_items()
            if isinstance(one, UploadFile)
        ]
    if not found:
        raise UnusableImage("the form has no file; send one: curl -F image=@stone.jpg")
    return found


def _classified(
    model: _Counted, loaded: Loaded, files: list[tuple[str, bytes]]
) -> list[dict[str, Any]]:
    rows = model.rows(loaded, [content for _, content in files])
    return [{"file": name, **row} for (name, _), row in zip(files, rows, strict=True)]


def _explained(
    loaded: Loaded, content: bytes, photographs: Mapping[str, Path]
) -> Mapping[str, Any]:
    """Return why a model answers as it does, as JSON has it.

    Raises:
        UnusableImage: the file is no image.
    """
    assert loaded.classifier is not None
    served = loaded.classifier.served
    pixels = decode(content, served.classifier.image_size, served.bits)
    near = [
        {
            "label": loaded.learned.get(one.digest, ""),
            "distance": one.distance,
            "picture": _thumbnail(photographs.get(one.digest)),
        }
        for one in explain.neighbours(served, pixels)
    ]
    return {"heat": explain.heat(served, pixels).tolist(), "nearest": near}


@functools.lru_cache(maxsize=256)
def _thumbnail(path: Path | None) -> str:
    """Return a small JPEG as a data URI; "" where it may not be shown or can't be read."""
    if path is None:
        return ""
    try:
        small, _ = open_rgb(path.read_bytes(), least=THUMBNAIL)
    except (OSError, UnusableImage):
        return ""
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    content = io.BytesIO()
    small.save(content, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(content.getvalue()).decode()}"


async def _absent() -> Response:
    return _error(404, "there is no such page")


def _json(data: Any) -> Response:
    return JSONResponse(data, headers={"Cache-Control": "no-store"})


def _error(status: int, why: str) -> Response:
    return JSONResponse({"error": why}, status)
