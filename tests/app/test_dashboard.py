"""A study in optuna-dashboard: while it is there, to look at, on this machine alone."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mineralsweep.app import dashboard
from mineralsweep.config import build
from mineralsweep.engines.optuna import OptunaEngine, copy_of
from mineralsweep.errors import ConfigError
from mineralsweep.search.state import State

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def study() -> OptunaEngine:
    raw = {"question": "Is it shown?", "space": {"architecture": "model2", "learning_rate":
           {"low": 1e-4, "high": 1e-2}}, "objectives": ["accuracy", "latency_ms"]}  # fmt: skip
    state = State("shown", "sweep", raw)
    state.save()
    return OptunaEngine(build(raw, "x.yaml"), "shown", state.folder)


@contextmanager
def running(study: str) -> Iterator[int]:
    with dashboard.server(study, 0) as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield made.server_address[1]
        made.shutdown()
        thread.join()


def ask(port: int, method: str, path: str, host: str = "") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, headers={"Host": host} if host else {})
    reply = connection.getresponse()
    body = reply.read()
    connection.close()
    return reply.status, body


def test_a_study_is_shown_as_it_goes_on_and_can_not_be_changed(study: OptunaEngine) -> None:
    with running("shown") as port:
        status, body = ask(port, "GET", "/api/studies")
        assert status == 200
        [told] = json.loads(body)["study_summaries"]
        assert (told["study_name"], told["directions"]) == ("shown", ["maximize", "minimize"])
        study.ask()
        status, body = ask(port, "GET", "/api/studies/0?after=0")
        assert len(json.loads(body)["trials"]) == 1
        assert b"latency_ms" in body  # objectives have their names
        assert ask(port, "GET", "/dashboard/")[0] == 200
        assert ask(port, "DELETE", "/api/studies/0")[0] == 405
        assert ask(port, "POST", "/api/studies")[0] == 405
        assert ask(port, "GET", "/api/studies", host="example.org")[0] == 400
    assert len(copy_of("shown", State.read("shown").folder, None).trials) == 1


def test_what_can_not_be_shown_is_refused(study: OptunaEngine, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no study 'never'"):
        dashboard.server("never", 0)
    with running("shown") as port, pytest.raises(ConfigError, match=f"--port: {port}"):
        dashboard.server("shown", port)
    State("tuned", "sweep", {}).save()
    with pytest.raises(ConfigError, match="not Optuna"):
        dashboard.server("tuned", 0)
