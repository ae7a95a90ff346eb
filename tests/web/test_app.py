"""The server: what it answers at each route, what it refuses, and a champion that changes."""

from __future__ import annotations

import base64
import http.client
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import pandas as pd
import pytest

from mineralsweep.registry.versions import NAME, uri_of
from mineralsweep.tracking import open_store
from mineralsweep.web import app, encoded, limits
from mineralsweep.web import live as live_module
from mineralsweep.web.explain import GRID
from mineralsweep.web.live import LiveModel
from tests import pictures, tiny
from tests.web.serving import IMAGE, OTHERS, Registry, ask, form, registry_of, running

pytestmark = [
    pytest.mark.usefixtures("store_made"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]
CHAMPION = f"models:/{NAME}@champion"
JSON = "application/json"


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return registry_of(open_store(), tmp_path / "models")


@pytest.fixture
def live(registry: Registry) -> LiveModel:
    return LiveModel(registry.store, CHAMPION, registry.load)


@pytest.fixture
def port(live: LiveModel) -> Iterator[int]:
    with running(app.make(live)) as port:
        yield port


def test_an_image_is_answered_as_body_as_form_and_by_mlflow_s_route(port: int) -> None:
    status, told, _ = ask(port, "POST", "/classify", IMAGE)
    assert status == 200
    [answer] = told["answers"]
    assert told["model"] == uri_of(NAME, "1")
    assert answer["label"] in tiny.CLASSES
    assert answer["confidence"] == max(answer["probabilities"].values())
    assert answer["verdict"] == ("unlike_training" if answer["novelty"] > 1 else "like_training")
    body, kind = form(("a.jpg", IMAGE), ("b.jpg", IMAGE))
    _, told, _ = ask(port, "POST", "/classify", body, Content_Type=kind)
    assert [one["file"] for one in told["answers"]] == ["a.jpg", "b.jpg"]
    assert [one["label"] for one in told["answers"]] == [answer["label"]] * 2
    rows = {"dataframe_split": {"columns": ["image"], "data": [[base64.b64encode(IMAGE).decode()]]}}
    status, told, _ = ask(
        port, "POST", "/invocations", json.dumps(rows).encode(), Content_Type=JSON
    )
    assert status == 200
    assert told["predictions"][0]["label"] == answer["label"]
    assert told["predictions"][0]["confidence"] == pytest.approx(answer["confidence"], abs=1e-5)


def test_a_bad_image_costs_the_others_nothing_in_a_form_and_by_a_parameter(port: int) -> None:
    body, kind = form(("a.jpg", IMAGE), ("b.txt", b"hello"), ("c.jpg", IMAGE))
    status, told, _ = ask(port, "POST", "/classify", body, Content_Type=kind)
    assert status == 200
    assert [bool(one["label"]) for one in told["answers"]] == [True, False, True]
    bad = told["answers"][1]
    assert (bad["verdict"], bad["file"]) == ("unusable", "b.txt")
    assert "text" in bad["reason"]
    data = [[base64.b64encode(one).decode()] for one in (IMAGE, b"hello")]
    rows = {"dataframe_split": {"columns": ["image"], "data": data}}
    for params, wanted in (({}, 400), ({"params": {"on_error": "answer"}}, 200)):
        sent = json.dumps({**rows, **params}).encode()
        status, told, _ = ask(port, "POST", "/invocations", sent, Content_Type=JSON)
        assert status == wanted
    assert [one["verdict"] == "unusable" for one in told["predictions"]] == [False, True]
    assert told["predictions"][1]["label"] is None  # NaN is no JSON


PLAIN = base64.b64encode(IMAGE).decode()
AS_SENT = {
    "data:image/jpeg;base64," + PLAIN: "",
    "data:image/png;base64," + PLAIN: "",
    base64.urlsafe_b64encode(IMAGE).decode().rstrip("="): "",
    "\n".join(PLAIN[i : i + 76] for i in range(0, len(PLAIN), 76)): "",
    "stone.jpg": "a text file",
    "https://example.org/stone.jpg": "a web address",
    "a": "a text file",
    "": "empty",
    None: "empty",
    5: "a text file",
}


@pytest.mark.parametrize("form", ["dataframe_split", "dataframe_records", "inputs", "instances"])
def test_json_is_taken_as_clients_write_it_and_what_is_no_image_is_refused_by_its_row(
    port: int, form: str
) -> None:
    column = [PLAIN, *AS_SENT]
    rows: dict[str, Any] = {
        "dataframe_split": {"columns": ["image"], "data": [[one] for one in column]},
        "dataframe_records": [{"image": one} for one in column],
        "inputs": {"image": column},
        "instances": [{"image": one} for one in column],
    }
    sent = {form: rows[form], "params": {"on_error": "answer"}}
    status, told, _ = ask(
        port, "POST", "/invocations", json.dumps(sent).encode(), Content_Type=JSON
    )
    assert status == 200, told
    for answer, wanted in zip(told["predictions"], ["", *AS_SENT.values()], strict=True):
        assert wanted in answer["reason"]
        assert bool(answer["label"]) == (not wanted)
    del sent["params"]
    status, told, _ = ask(
        port, "POST", "/invocations", json.dumps(sent).encode(), Content_Type=JSON
    )
    assert status == 400
    assert all(f"row {row}: " in told["message"] for row in range(5, 11))
    assert "row 1: " not in told["message"]


@pytest.mark.parametrize(
    "text", [r'{"inputs": ["\ud800"]}', '{"inputs": ' + "[" * 900 + "]" * 900 + "}"]
)
def test_json_that_is_no_text_or_too_deep_is_refused_and_breaks_nothing(
    port: int, text: str
) -> None:
    assert ask(port, "POST", "/invocations", text.encode(), Content_Type=JSON)[0] == 400


def test_of_a_request_the_images_alone_are_changed() -> None:
    sent = {
        "signature_name": "serving_default", "params": {"on_error": "an-swer"},
        "dataframe_records": [{"image": "YWE", "weight": None, "name": "a-b"}],
    }  # fmt: skip
    changed = json.loads(encoded.mended(json.dumps(sent).encode()))
    row = {"image": "YWE=", "weight": None, "name": "a-b"}
    assert changed == {**sent, "dataframe_records": [row]}
    other = {"dataframe_split": {"columns": ["image", "n"], "data": [["YWE", 7]]}}
    assert json.loads(encoded.mended(json.dumps(other).encode())) == other


def test_what_its_headers_forbid_is_refused(port: int) -> None:
    foreign = ask(port, "POST", "/classify", IMAGE, Origin="http://evil.example")
    assert foreign[0] == 403
    own = ask(port, "POST", "/classify", IMAGE, Origin=f"http://127.0.0.1:{port}")
    assert own[0] == 200
    for name in ("localhost", "127.0.0.1"):  # of another server on this machine
        other = ask(port, "POST", "/classify", IMAGE, Origin=f"http://{name}:{port + 1}")
        assert other[0] == 403
    assert ask(port, "POST", "/invocations", b"{}")[0] == 415


def test_the_page_of_a_proxy_that_was_named_may_ask_and_no_other(live: LiveModel) -> None:
    with running(app.make(live, proxies=("stones.example",))) as port:
        for host in (f"127.0.0.1:{port}", "stones.example"):
            told = {"Origin": "https://stones.example", "Host": host}
            assert ask(port, "POST", "/classify", IMAGE, **told)[0] == 200
        assert ask(port, "POST", "/classify", IMAGE, Origin="https://evil.example")[0] == 403


@pytest.mark.parametrize(
    ("body", "kind"),
    [(b"", "image/jpeg"), (b"hello", "image/jpeg"), form(), form(("a.txt", b"<html></html>"))],
)
def test_what_is_no_image_is_refused_in_a_sentence(port: int, body: bytes, kind: str) -> None:
    status, told, _ = ask(port, "POST", "/classify", body, Content_Type=kind)
    assert status == 400
    assert told["error"]
    assert "Traceback" not in told["error"]


def test_why_has_a_place_for_each_part_and_the_nearest_training_images(
    registry: Registry, tmp_path: Path
) -> None:
    picture = tmp_path / "one.png"
    picture.write_bytes(pictures.encode(pictures.noisy((10, 200, 10), 2)))
    live = LiveModel(registry.store, CHAMPION, registry.load)
    with running(app.make(live, {f"{i:064x}": picture for i in range(0, 30, 2)})) as port:
        status, told, _ = ask(port, "POST", "/explain", IMAGE)
        assert status == 200
        assert [len(row) for row in told["heat"]] == [GRID] * GRID
        assert 0 <= min(map(min, told["heat"])) <= max(map(max, told["heat"])) <= 1
        distances = [one["distance"] for one in told["nearest"]]
        assert distances == sorted(distances)
        shown = [bool(one["picture"]) for one in told["nearest"]]
        assert any(shown)
        assert ask(port, "POST", "/explain", b"hello")[0] == 400


def test_without_photographs_none_is_shown(port: int) -> None:
    _, told, _ = ask(port, "POST", "/explain", IMAGE)
    assert told["nearest"]
    assert not any(one["picture"] for one in told["nearest"])


def test_it_says_which_model_and_counts(port: int) -> None:
    ask(port, "POST", "/classify", IMAGE)
    ask(port, "POST", "/classify", b"hello")
    _, about, _ = ask(port, "GET", "/version")
    assert (about["model"], about["version"]) == (NAME, "1")
    assert about["why"]
    _, text, told = ask(port, "GET", "/metrics")
    assert told["content-type"].startswith("text/plain")
    lines = text.decode().splitlines()
    assert 'mineralsweep_requests_total{route="/classify",status="200"} 1.0' in lines
    assert 'mineralsweep_requests_total{route="/classify",status="400"} 1.0' in lines
    assert f'mineralsweep_model{{uri="{uri_of(NAME, "1")}"}} 1.0' in lines
    assert sum(line.startswith("mineralsweep_images_total{") for line in lines) == 2


def test_the_page_loads_nothing_from_elsewhere(port: int) -> None:
    status, page, told = ask(port, "GET", "/")
    assert status == 200
    assert "default-src 'none'" in told["content-security-policy"]
    for name in ("page.css", "page.js"):
        assert f'"page/{name}"'.encode() in page
        assert ask(port, "GET", f"/page/{name}")[0] == 200
    assert b"//" not in page
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert ask(port, "GET", path)[0] == 404
    assert ask(port, "GET", "/page/..%2fapp.py")[0] == 404


def test_a_page_of_another_host_is_not_answered(port: int) -> None:
    assert ask(port, "GET", "/version", Host="evil.example")[0] == 400
    assert ask(port, "GET", "/version", Host="localhost:80")[0] == 200


@pytest.mark.parametrize("announced", [True, False])
def test_a_request_that_is_too_large_is_refused(
    port: int, announced: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_REQUEST_BYTES", 1000)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    body = bytes(5000)
    if announced:
        connection.request("POST", "/classify", body)
    else:
        connection.request("POST", "/classify", iter([body[:2000], body[2000:]]), {},
                           encode_chunked=True)  # fmt: skip
    reply = connection.getresponse()
    assert reply.status == 413
    assert "at most 1000" in json.loads(reply.read())["error"]
    connection.close()


def test_a_request_that_does_not_come_whole_is_ended(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RECEIVE_SECONDS", 0.2)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.putrequest("POST", "/classify")
    connection.putheader("Content-Length", str(len(IMAGE)))
    connection.endheaders(IMAGE[:100])
    reply = connection.getresponse()
    assert reply.status == 408
    assert "0.2 s" in json.loads(reply.read())["error"]
    connection.close()


def test_bytes_under_way_are_bounded_and_given_back(
    live: LiveModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited = app.make(live)
    with running(limited) as port:
        monkeypatch.setattr(limits, "MAX_BYTES_UNDER_WAY", len(IMAGE) - 1)
        status, _, headers = ask(port, "POST", "/classify", IMAGE)
        assert (status, headers["retry-after"]) == (503, "1")
        monkeypatch.setattr(limits, "MAX_BYTES_UNDER_WAY", len(IMAGE))
        assert [ask(port, "POST", "/classify", IMAGE)[0] for _ in range(3)] == [200] * 3
    assert limited.bytes_under_way == 0


def test_a_model_of_another_make_is_named_and_answers_by_mlflow_s_route(
    registry: Registry,
) -> None:
    class Sums(mlflow.pyfunc.PythonModel):
        def predict(self, context: object, model_input: pd.DataFrame) -> list[int]:
            return [len(model_input)]

    folder = "sums"
    mlflow.pyfunc.save_model(folder, python_model=Sums())
    registry.models[uri_of(NAME, "1")] = mlflow.pyfunc.load_model(folder)
    live = LiveModel(registry.store, CHAMPION, registry.load)
    with running(app.make(live)) as port:
        status, told, _ = ask(port, "POST", "/classify", IMAGE)
        assert status == 400
        assert "/invocations" in told["error"]
        rows = json.dumps({"dataframe_split": {"columns": ["image"], "data": [["a"], ["b"]]}})
        status, told, _ = ask(port, "POST", "/invocations", rows.encode(), Content_Type=JSON)
        assert (status, told["predictions"]) == (200, [2])


def test_too_many_requests_at_a_time_are_sent_away(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_REQUESTS", 0)
    status, told, headers = ask(port, "POST", "/classify", IMAGE)
    assert (status, headers["retry-after"]) == (503, "1")
    assert ask(port, "GET", "/ping")[0] == 200  # whoever looks whether it lives is answered
    assert "try again" in told["error"]


def test_no_request_is_lost_or_answered_by_two_models_while_the_champion_changes(
    registry: Registry, live: LiveModel, port: int
) -> None:
    done = threading.Event()

    def move() -> None:
        for version in ("2", "1", "2"):
            registry.make_champion(version)
            assert live.refresh()
            done.wait(0.2)

    classes = {uri_of(NAME, "1"): tiny.CLASSES, uri_of(NAME, "2"): OTHERS}
    body, kind = form(*[("a.jpg", IMAGE)] * 3, ("b.txt", b"hello"))

    def request(_: int) -> str:
        status, told, _ = ask(port, "POST", "/classify", body, Content_Type=kind)
        assert status == 200
        assert {one["label"] for one in told["answers"][:3]} <= set(classes[told["model"]])
        assert told["answers"][3]["verdict"] == "unusable"
        return str(told["model"])

    mover = threading.Thread(target=move)
    with ThreadPoolExecutor(8) as clients:
        answers = clients.map(request, range(160))
        mover.start()
        models = list(answers)
    mover.join()
    assert set(models) == set(classes)
    assert ask(port, "GET", "/version")[1]["version"] == "2"


def test_a_version_that_can_t_be_loaded_leaves_the_other_one_answering(
    registry: Registry, live: LiveModel, port: int
) -> None:
    del registry.models[uri_of(NAME, "2")]
    registry.make_champion("2")
    with pytest.raises(KeyError):
        live.refresh()
    assert ask(port, "POST", "/classify", IMAGE)[1]["model"] == uri_of(NAME, "1")


def test_a_version_that_could_not_be_loaded_is_not_fetched_again_at_once(
    registry: Registry, live: LiveModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_module, "TRY_AGAIN_SECONDS", 0.5)
    kept = registry.models.pop(uri_of(NAME, "2"))
    registry.make_champion("2")
    with pytest.raises(KeyError):
        live.refresh()
    registry.models[uri_of(NAME, "2")] = kept
    assert not live.refresh()
    time.sleep(0.5)
    assert live.refresh()


def test_a_client_that_went_away_is_no_error_of_the_server(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.putrequest("POST", "/classify")
    connection.putheader("Content-Length", "100")
    connection.endheaders(b"half")
    connection.close()
    counted = 'mineralsweep_requests_total{route="/classify",status="499"} 1.0'
    until = time.monotonic() + 10
    while counted not in ask(port, "GET", "/metrics")[1].decode():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_version_that_was_named_is_kept(registry: Registry) -> None:
    live = LiveModel(registry.store, uri_of(NAME, "2"), registry.load)
    registry.make_champion("2")
    assert not live.refresh()
    assert live.loaded.uri == uri_of(NAME, "2")
