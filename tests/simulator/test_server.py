"""The same service in the foreground."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import textwrap

import httpx
import pytest
from websockets.sync.client import connect

from liveavatar_nb.simulator.server import serve

SCRIPT = textwrap.dedent("""
    from liveavatar_nb.simulator.server import serve
    serve(credits="7.5", on_ready=lambda url, key: print(url, key, flush=True))
    print("ended", flush=True)
""")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_interrupted(how: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        url, key = process.stdout.readline().split()
        answer = httpx.get(f"{url}/v1/users/credits", headers={"X-API-KEY": key}, trust_env=False, verify=False)
        assert answer.json()["data"] == {"credits_left": "7.5"}
        process.send_signal(how)
        output, errors = process.stdout.read(), process.stderr.read()
    assert errors == ""
    if how == signal.SIGINT:
        assert (output, process.returncode) == ("ended\n", 0)
    else:
        assert process.returncode == -signal.SIGTERM


LOGGED = textwrap.dedent("""
    import logging
    logging.basicConfig(level=logging.DEBUG)
""")


def test_a_users_own_log_holds_no_token() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", LOGGED + SCRIPT], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        url, key = process.stdout.readline().split()
        with httpx.Client(base_url=url, headers={"X-API-KEY": key}, trust_env=False, verify=False) as http:
            avatar = http.get("/v1/avatars").json()["data"]["results"][0]["id"]
            made = http.post("/v1/sessions/token", json={"avatar_id": avatar}).json()["data"]
            bearer = {"Authorization": f"Bearer {made['session_token']}"}
            ws_url = http.post("/v1/sessions/start", headers=bearer).json()["data"]["ws_url"]
        with connect(ws_url, proxy=None) as talker:
            talker.recv(timeout=2)
        process.send_signal(signal.SIGINT)
        logged = process.stderr.read()
    for secret in (key, made["session_token"], ws_url.partition("token=")[2]):
        assert secret not in logged


def test_wrong_settings_are_named() -> None:
    with pytest.raises(ValueError, match="host"):
        serve(host="0.0.0.0")
    with pytest.raises(ValueError, match="speed"):
        serve(speed=-1)


def test_a_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        serve(port=taken.getsockname()[1])
