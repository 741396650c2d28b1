"""What becomes of an answer on its way: each fault as a plain socket sees it, and that the call was applied."""

from __future__ import annotations

import gzip
import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

MEGABYTE = 1024 * 1024
CONTEXT = {"name": "Guide", "prompt": "p", "opening_text": None}


@contextmanager
def connection(caller: Any) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", urlsplit(caller.simulator.url).port), timeout=5) as made:
        yield made


def ask(made: socket.socket, caller: Any, path: str = "/v1/users/credits") -> None:
    made.sendall(
        f"GET {path} HTTP/1.1\r\nHost: {urlsplit(caller.simulator.url).netloc}\r\n"
        f"X-API-KEY: {caller.simulator.api_key}\r\n\r\n".encode()
    )


def head(made: socket.socket) -> tuple[dict[str, str], bytes]:
    """The headers, and what came of the body with them."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += made.recv(65_536)
    told, _, body = received.partition(b"\r\n\r\n")
    lines = told.decode().split("\r\n")[1:]
    return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}, body


def rest(made: socket.socket) -> bytes:
    received = b""
    while more := made.recv(65_536):
        received += more
    return received


@pytest.mark.parametrize(
    ("kind", "parameters", "error"),
    [
        ("truncated", {}, httpx.RemoteProtocolError),
        ("reset", {}, (httpx.ReadError, httpx.RemoteProtocolError)),
        ("huge", {"megabytes": 3}, None),
        ("gzip_bomb", {"megabytes": 3}, None),
        ("drip", {"seconds": 0}, None),
        ("garbage", {}, None),
        ("drop_after", {}, httpx.RemoteProtocolError),
    ],
)
def test_these_are_applied_once(caller: Any, kind: str, parameters: dict[str, Any], error: Any) -> None:
    caller.simulator.faults.add("contexts", kind, **parameters)
    if error is None:
        assert caller.post("/v1/contexts", CONTEXT).status_code == 200
    else:
        with pytest.raises(error):
            caller.post("/v1/contexts", CONTEXT)
    assert caller.get("/v1/contexts")["count"] == 1
    assert "Guide" in str(caller.get("/v1/contexts"))


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        ("status", {"status": 503}),
        ("redirect", {"location": "https://elsewhere.example/"}),
        ("drop_before", {}),
    ],
)
def test_these_are_not_applied(caller: Any, kind: str, parameters: dict[str, Any]) -> None:
    caller.simulator.faults.add("contexts", kind, **parameters)
    try:
        assert caller.post("/v1/contexts", CONTEXT).status_code in (503, 307)
    except httpx.RemoteProtocolError:
        assert kind == "drop_before"
    assert caller.get("/v1/contexts")["count"] == 0


def test_half_a_body_and_an_end_in_good_order(shared: Any) -> None:
    shared.simulator.faults.add("credits", "truncated")
    with connection(shared) as made:
        ask(made, shared)
        headers, body = head(made)
        body += rest(made)
    assert int(headers["content-length"]) // 2 == len(body) > 10
    assert body.startswith(b'{"code": 1000')


def test_half_a_body_and_a_reset(shared: Any) -> None:
    shared.simulator.faults.add("credits", "reset")
    with connection(shared) as made:
        ask(made, shared)
        headers, body = head(made)
        with pytest.raises(ConnectionResetError):
            rest(made)
    assert len(body) <= int(headers["content-length"]) // 2


def test_a_huge_body_is_right_and_does_not_say_how_long_it_is(shared: Any) -> None:
    shared.simulator.faults.add("credits", "huge", megabytes=5)
    response = shared.http.get("/v1/users/credits")
    assert "content-length" not in response.headers
    assert 5 * MEGABYTE < len(response.content) < 5 * MEGABYTE + 1_000
    assert response.json()["code"] == 1000


def test_a_small_body_that_inflates(shared: Any) -> None:
    shared.simulator.faults.add("credits", "gzip_bomb", megabytes=5)
    with shared.http.stream("GET", "/v1/users/credits") as response:
        packed = b"".join(response.iter_raw())
    assert response.headers["content-encoding"] == "gzip"
    assert len(packed) < MEGABYTE / 50
    inflated = gzip.decompress(packed)
    assert len(inflated) > 5 * MEGABYTE
    assert json.loads(inflated)["code"] == 1000


@pytest.mark.parametrize("kind", ["huge", "gzip_bomb"])
def test_who_hangs_up_holds_up_nobody(shared: Any, kind: str) -> None:
    shared.simulator.faults.add("credits", kind, megabytes=1024)
    with connection(shared) as made:
        ask(made, shared)
        head(made)
        began = time.monotonic()
        assert shared.http.get("/v1/languages").status_code == 200, "others are answered meanwhile"
    assert shared.http.get("/v1/languages").status_code == 200
    assert time.monotonic() - began < 1.5


def test_byte_by_byte(shared: Any) -> None:
    shared.simulator.faults.add("credits", "drip", seconds=0.01)
    began = time.monotonic()
    with shared.http.stream("GET", "/v1/users/credits") as response:
        pieces = [piece for piece in response.iter_raw() if piece]
    took = time.monotonic() - began
    assert json.loads(b"".join(pieces))["code"] == 1000
    assert len(pieces) > 30
    assert took > 0.01 * (len(b"".join(pieces)) - 1)


def test_a_stale_connection(caller: Any) -> None:
    """It looks well, and whoever uses it again gets nothing; nothing is applied of that either."""
    caller.simulator.faults.add("contexts", "stale")
    with connection(caller) as made:
        ask(made, caller, "/v1/contexts")
        headers, body = head(made)
        assert headers["connection"] == "keep-alive"
        while len(body) < int(headers["content-length"]):
            body += made.recv(65_536)
        made.settimeout(0.3)
        with pytest.raises(TimeoutError):
            made.recv(1)  # it is not closed: that a pool would notice
        made.settimeout(5)
        ask(made, caller, "/v1/contexts")
        with suppress(ConnectionResetError):
            assert made.recv(1) == b""
    paths = [request["path"] for request in caller.simulator.requests()]
    assert paths == ["/v1/contexts"], "the second one never arrived"


def test_a_pool_is_fooled_once(caller: Any) -> None:
    caller.simulator.faults.add("credits", "stale")
    assert caller.http.get("/v1/users/credits").status_code == 200
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)):
        caller.http.get("/v1/users/credits")
    assert caller.http.get("/v1/users/credits").status_code == 200


def test_a_redirect_leads_elsewhere(shared: Any) -> None:
    shared.simulator.faults.add("credits", "redirect", location="https://elsewhere.example/x")
    response = shared.http.get("/v1/users/credits", follow_redirects=False)
    assert (response.status_code, response.headers["Location"]) == (307, "https://elsewhere.example/x")
    assert response.headers["X-Request-Id"]


def test_a_status_with_a_page_of_a_proxy(shared: Any) -> None:
    shared.simulator.faults.add("credits", "status", status=502, body="<h1>Bad gateway</h1>")
    response = shared.http.get("/v1/users/credits")
    assert (response.status_code, response.text) == (502, "<h1>Bad gateway</h1>")
    assert response.headers["Content-Type"].startswith("text/html")
    shared.simulator.faults.add("credits", "status", status=500, body="{", content_type="application/json")
    response = shared.http.get("/v1/users/credits")
    assert (response.text, response.headers["Content-Type"]) == ("{", "application/json")


def test_it_ends_in_good_order_though_an_answer_drips(calling: Any) -> None:
    caller = calling()
    caller.simulator.faults.add("credits", "drip", seconds=5)
    with connection(caller) as made:
        ask(made, caller)
        head(made)
        began = time.monotonic()
        caller.simulator.close()
    assert time.monotonic() - began < 3
