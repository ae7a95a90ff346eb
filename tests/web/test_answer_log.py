"""The log of a server's answers: what stands in it, and that answers never wait for it."""

from __future__ import annotations

import base64
import hashlib
import json
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mineralsweep.errors import ConfigError
from mineralsweep.registry.versions import NAME, uri_of
from mineralsweep.tracking import open_store
from mineralsweep.web import answer_log, app
from mineralsweep.web.answer_log import AnswerLog, ImageFolder
from mineralsweep.web.live import LiveModel
from tests import pictures
from tests.web.serving import IMAGE, ask, form, registry_of, running

TEXT = base64.b64encode(IMAGE).decode()
DIGEST = hashlib.sha256(IMAGE).hexdigest()


def answers(count: int = 1, **changes: Any) -> pd.DataFrame:
    """Return what a model says of images."""
    row = {"label": "ash", "confidence": 0.75, "verdict": "like_training", "novelty": 0.5}
    return pd.DataFrame([{**row, **changes}] * count)


def table(*values: Any) -> pd.DataFrame:
    return pd.DataFrame({"image": list(values)})


def rows(path: Path) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(path)) as database:
        database.row_factory = sqlite3.Row
        return [dict(row) for row in database.execute("SELECT * FROM answers ORDER BY rowid")]


@pytest.mark.parametrize(
    "sent",
    [table(IMAGE), table(TEXT), {"image": np.array([TEXT], object)}, np.array([[TEXT]]), [TEXT],
     table(f"data:image/jpeg;base64,{TEXT}")],
)  # fmt: skip
def test_an_image_has_one_digest_however_it_was_sent(tmp_path: Path, sent: Any) -> None:
    with AnswerLog(tmp_path / "a.db", print) as log:
        log.add(sent, answers(), "models:/m/3", "/invocations")
    [row] = rows(tmp_path / "a.db")
    assert row.pop("time").endswith("+00:00")
    assert row == {
        "sha256": DIGEST, "label": "ash", "confidence": 0.75, "verdict": "like_training",
        "novelty": 0.5, "version": "models:/m/3", "route": "/invocations", "file": "",
    }  # fmt: skip


def test_what_a_model_does_not_say_is_null(tmp_path: Path) -> None:
    said = pd.concat([answers(), answers(label=None, confidence=None, novelty=None)])
    with AnswerLog(tmp_path / "a.db", print) as log:
        log.add(table(IMAGE, b"hello"), said, "models:/m/3", "/classify")
        log.add(table(IMAGE), answers()[["label", "confidence"]], "models:/m/3", "/classify")
    _, unusable, silent = rows(tmp_path / "a.db")
    assert (unusable["label"], unusable["confidence"], unusable["novelty"]) == (None, None, None)
    assert (silent["label"], silent["verdict"], silent["novelty"]) == ("ash", None, None)


@pytest.mark.usefixtures("store_made")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_server_logs_every_route_with_the_version_that_answered(tmp_path: Path) -> None:
    registry = registry_of(open_store(), tmp_path / "models")
    live = LiveModel(registry.store, f"models:/{NAME}@champion", registry.load)
    sent = json.dumps({"inputs": [TEXT]}).encode()
    with AnswerLog(tmp_path / "a.db", print) as log, running(app.make(live, log=log)) as port:
        body, kind = form(("a.jpg", IMAGE), ("b.txt", b"hello"))
        ask(port, "POST", "/classify", body, Content_Type=kind)
        registry.make_champion("2")
        live.refresh()
        ask(port, "POST", "/invocations", sent, Content_Type="application/json")
        text = ask(port, "GET", "/metrics")[1].decode()
    found = [(row["route"], row["version"], row["verdict"] == "unusable") for row in
             rows(tmp_path / "a.db")]  # fmt: skip
    first, second = uri_of(NAME, "1"), uri_of(NAME, "2")
    assert found == [
        ("/classify", first, False), ("/classify", first, True), ("/invocations", second, False),
    ]  # fmt: skip
    assert {row["sha256"] for row in rows(tmp_path / "a.db")} == {
        DIGEST, hashlib.sha256(b"hello").hexdigest(),
    }  # fmt: skip
    assert "mineralsweep_log_dropped_total 0.0" in text


def wait_for(log: AnswerLog, dropped: int) -> None:
    until = time.monotonic() + 20
    while log.dropped != dropped and time.monotonic() < until:
        time.sleep(0.01)
    assert log.dropped == dropped


def test_answers_that_can_t_be_written_are_counted_and_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answer_log, "EVERY_SECONDS", 0.01)
    said: list[str] = []
    path = tmp_path / "logs" / "a.db"
    path.parent.mkdir()
    with AnswerLog(path, said.append) as log:
        path.parent.rename(tmp_path / "gone")  # as of a disk that was taken away
        log.add(table(IMAGE, IMAGE), answers(2), "models:/m/3", "/classify")
        wait_for(log, 2)
        log.add(table(IMAGE), answers(), "models:/m/3", "/classify")
        wait_for(log, 3)
        path.parent.mkdir()
        log.add(table(IMAGE), answers(), "models:/m/3", "/classify")
    assert len(rows(path)) == 1
    [line] = said
    assert str(path) in line


def test_a_request_never_waits_for_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer_log, "MAX_REQUEST_BYTES", 2 * len(IMAGE))
    monkeypatch.setattr(ImageFolder, "keep", lambda *args: time.sleep(1) or "")  # a slow disk
    said: list[str] = []
    folder = ImageFolder(tmp_path / "kept", 1)
    with AnswerLog(tmp_path / "a.db", said.append, folder) as log:
        started = time.monotonic()
        for _ in range(4):
            log.add(table(IMAGE), answers(), "models:/m/3", "/classify")
        assert time.monotonic() - started < 0.5
        assert log.dropped == 2
    assert len(rows(tmp_path / "a.db")) == 2
    assert len(said) == 1


@pytest.mark.parametrize("sent", [table(), 3, {"other": [TEXT]}, [None]])
def test_a_request_of_an_unknown_form_is_counted(tmp_path: Path, sent: Any) -> None:
    with AnswerLog(tmp_path / "a.db", print) as log:
        log.add(sent, answers(2), "models:/m/3", "/classify")
    assert log.dropped == 2


def keep(folder: Path, megabytes: int, contents: Sequence[bytes]) -> tuple[list[str], list[str]]:
    """Return what is said, and the names of the files that the log names."""
    said: list[str] = []
    path = folder.with_suffix(".db")
    with AnswerLog(path, said.append, ImageFolder(folder, megabytes)) as log:
        for content in contents:
            log.add(table(content), answers(), "models:/m/3", "/classify")
    return said, [row["file"] for row in rows(path)]


def test_images_are_kept_once_under_their_digest_when_asked(tmp_path: Path) -> None:
    png = pictures.encode(pictures.noisy((1, 2, 3), 1))
    said, named = keep(tmp_path / "kept", 1, [IMAGE, png, IMAGE])
    assert said == []
    assert Path(named[0]).read_bytes() == IMAGE
    assert [Path(one).name for one in named] == [
        f"{DIGEST}.jpg", f"{hashlib.sha256(png).hexdigest()}.png", f"{DIGEST}.jpg",
    ]  # fmt: skip


def test_no_more_images_are_kept_than_asked_and_none_is_deleted(tmp_path: Path) -> None:
    large = [IMAGE + bytes([at]) * 400_000 for at in range(4)]
    said, named = keep(tmp_path / "kept", 1, large)
    assert [bool(one) for one in named] == [True, True, False, False]
    assert len(said) == 1
    assert "1 MB" in said[0]
    said, named = keep(tmp_path / "kept", 1, [large[0], large[3]])  # another start
    assert [bool(one) for one in named][-2:] == [True, False]
    assert len(list((tmp_path / "kept").iterdir())) == 2


def test_another_program_s_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE answers (time TEXT)")
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="no log of answers"):
        AnswerLog(path, print)
    assert path.read_bytes() == before
    (tmp_path / "text").write_text("hello " * 100)
    for bad in (tmp_path / "text", tmp_path / "none" / "a.db", tmp_path):
        with pytest.raises(ConfigError, match="--log"):
            AnswerLog(bad, print)
    with pytest.raises(ConfigError, match="--log-images"):
        ImageFolder(tmp_path / "text", 1)
