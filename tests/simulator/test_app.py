"""A forged Host and a foreign Origin are refused, on HTTP and on the WebSocket."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

FRIEND = "https://friend.example"  # which the shared simulator names


def port(shared: Any) -> int:
    return int(urlsplit(shared.simulator.url).port)


@pytest.mark.parametrize(
    "path", ["/v1/avatars/public", "/healthz", "/pictures/x.svg", "/nowhere", "/_simulator/ledger"]
)
@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "127.0.0.1",
        "127.0.0.1:1",
        "localhost.evil.example:{port}",
        "127.0.0.1:{port}.evil.example",
        "[::1]:{port}",
        "",
    ],
)
def test_a_forged_host_is_refused(shared: Any, host: str, path: str) -> None:
    assert shared.http.get(path, headers={"Host": host.format(port=port(shared))}).status_code == 403


def test_both_names_of_this_machine_are_right(shared: Any) -> None:
    for name in ("127.0.0.1", "localhost", "LOCALHOST"):
        assert shared.http.get("/healthz", headers={"Host": f"{name}:{port(shared)}"}).status_code == 200


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "http://127.0.0.1:1",
        "http://localhost",
        f"{FRIEND}.evil.example",
        "https://127.0.0.1:{port}",
        "",
    ],
)
def test_a_foreign_origin_is_refused(shared: Any, origin: str) -> None:
    headers = {"Origin": origin.format(port=port(shared))}
    for response in (
        shared.http.get("/v1/avatars/public", headers=headers),
        shared.http.post("/v1/sessions/token", headers=headers),
        shared.http.options("/v1/sessions/token", headers=headers),
    ):
        assert response.status_code == 403
        assert "access-control-allow-origin" not in response.headers


def test_its_own_pages_may_call(shared: Any) -> None:
    for origin in (shared.simulator.url, f"http://localhost:{port(shared)}"):
        response = shared.http.get("/healthz", headers={"Origin": origin})
        assert response.status_code == 200
        assert "access-control-allow-origin" not in response.headers


def test_a_named_origin_is_answered_by_name(shared: Any) -> None:
    for path in ("/v1/avatars/public", f"/pictures/{shared.avatar('Ann')}.svg", "/nowhere"):
        response = shared.http.get(path, headers={"Origin": FRIEND})
        assert response.headers["access-control-allow-origin"] == FRIEND
        assert response.headers["vary"] == "Origin"
    preflight = shared.http.options(
        "/v1/sessions/token",
        headers={
            "Origin": FRIEND,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "x-api-key",
        },
    )
    assert preflight.status_code == 204
    assert "X-API-KEY" in preflight.headers["access-control-allow-headers"]
    assert preflight.headers["access-control-allow-origin"] == FRIEND


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Host": "evil.example"}])
def test_the_socket_is_behind_the_gate(shared: Any, headers: dict[str, str]) -> None:
    session = shared.started()
    raw = {name: value for name, value in headers.items() if name != "Host"}
    url = session.ws_url
    if "Host" in headers:
        # the client writes Host from the address, so the address is forged and the connection made by hand
        url = url.replace("127.0.0.1", headers["Host"])
        with pytest.raises(InvalidStatus) as refused:
            connect(url, address=("127.0.0.1", port(shared)), proxy=None)
    else:
        with pytest.raises(InvalidStatus) as refused:
            connect(url, additional_headers=raw, proxy=None)
    assert refused.value.response.status_code == 403
    shared.stop(session.id)


def test_a_named_origin_may_open_the_socket(shared: Any) -> None:
    session = shared.started()
    with connect(session.ws_url, origin=Origin(FRIEND), proxy=None) as socket:
        assert "connecting" in socket.recv(timeout=2)
    shared.stop(session.id)
