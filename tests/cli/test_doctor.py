"""The doctor, on real simulators, real sockets and what the environment holds."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from liveavatar_nb import LiveAvatar, Simulator
from liveavatar_nb.cli import doctor
from liveavatar_nb.cli.doctor import Finding, Report, examine
from liveavatar_nb.config import KEY_VARIABLE
from liveavatar_nb.errors import ConfigurationError

NAMES = [
    "python",
    "kernel",
    "widgets",
    "guard",
    "livekit",
    "key",
    "address",
    "clock",
    "account",
    "credits",
    "sessions",
    "sandbox",
]
CANARY = "canary-5f1c" * 4
ENVELOPE = json.dumps({"code": 1000, "data": {}, "message": None}).encode()


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (KEY_VARIABLE, "LIVEKIT_URL", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@contextmanager
def web(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """A server on loopback that answers each GET as `answer` does; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def says(status: int, body: bytes = ENVELOPE, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        # without a Date of its own, unless the headers have one
        handler.send_response_only(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def by_name(report: Report) -> dict[str, Finding]:
    assert [finding.name for finding in report] == NAMES
    return {finding.name: finding for finding in report}


def on(simulator: Simulator, *, start: bool = False) -> dict[str, Finding]:
    return by_name(examine(simulator.api_key, api_url=simulator.url, start=start))


# The whole


def test_a_demo_needs_no_key_and_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, CANARY)
    monkeypatch.setenv("HTTPS_PROXY", "nonsense://")
    told: list[Finding] = []
    report = examine(demo=True, start=True, tell=told.append)
    assert told == report
    assert not report.has_problem
    assert all(finding.state in ("ok", "warning") for finding in report), "nothing is skipped"
    assert "connected in" in by_name(report)["sandbox"].found


def test_without_key_the_rest_is_looked_at_and_the_account_skipped(simulator: Simulator) -> None:
    found = by_name(examine(api_url=simulator.url))
    assert found["key"].state == "problem"
    assert KEY_VARIABLE in found["key"].remedy
    assert found["address"].state == "ok"
    assert found["clock"].state == "ok"
    assert {found[name].state for name in NAMES[-4:]} == {"skipped"}


def test_the_key_is_shown_nowhere(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, CANARY)
    report = examine(api_url=simulator.url)
    found = by_name(report)
    assert KEY_VARIABLE in found["key"].found
    assert str(len(CANARY)) not in found["key"].found
    assert found["account"].state == "problem"
    assert "not accepted" in found["account"].found
    assert KEY_VARIABLE in found["account"].remedy
    shown = repr(report) + report._repr_html_() + json.dumps([finding.to_dict() for finding in report])
    assert CANARY not in shown


def test_a_key_that_no_header_can_hold() -> None:
    finding, key = doctor.find_key(f"{CANARY} {CANARY}")
    assert (finding.state, key) == ("problem", None)
    assert CANARY not in repr(finding)


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigurationError):
        examine(api_url="nowhere")


def test_without_a_service_it_is_soon_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, CANARY)
    began = time.monotonic()
    # a socket that listens, and never answers
    with socket.create_server(("127.0.0.1", 0)) as silent:
        found = by_name(examine(api_url=f"http://127.0.0.1:{silent.getsockname()[1]}"))
    assert time.monotonic() - began < 10
    assert found["address"].state == "problem"
    assert "does not respond in time" in found["address"].found
    assert {found[name].state for name in NAMES[-5:]} == {"skipped"}


def test_a_report_shows_itself() -> None:
    report = Report(
        [Finding("key", "problem", "<b>odd</b> \x1b[31m", "do & mend"), Finding("clock", "warning", "late")]
    )
    assert report.summary == "1 problem and 1 warning."
    assert repr(report).splitlines()[:2] == [
        "problem  key       <b>odd</b> ?[31m",
        "                   -> do & mend",
    ]
    html = report._repr_html_()
    assert "<b>odd" not in html
    assert "&lt;b&gt;odd" in html
    assert "do &amp; mend" in html
    assert Report([Finding("key", "ok", "found")]).summary == "Everything is fine."


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_finding_fits_the_width(width: int) -> None:
    finding = Finding("sessions", "warning", "word " * 40, "remedy " * 40)
    assert max(len(line) for line in finding.text(width).splitlines()) <= width


# This machine


def test_windows_is_untested(monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor.python().state == "ok"
    monkeypatch.setattr(platform, "system", lambda: "Windows")
    assert doctor.python().state == "warning"
    assert "untested" in doctor.python().found


@pytest.mark.parametrize(
    ("package", "version", "state", "remedy"),
    [
        ("jupyterlab", None, "ok", ""),
        ("ipykernel", "7.1.0a1", "ok", ""),
        ("ipykernel", "7.0.1", "problem", 'pip install "ipykernel>=7.1"'),
        ("ipykernel", "6.29.5", "warning", 'pip install "ipykernel>=7.1"'),
        ("ipykernel", None, "warning", 'pip install "ipykernel>=7.1"'),
        ("anywidget", None, "problem", "pip install anywidget"),
    ],
)
def test_kernels(package: str, version: str | None, state: str, remedy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def look(name: str) -> str:
        if name != package:
            return "8.0"
        if version is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return version

    monkeypatch.setattr(importlib.metadata, "version", look)
    finding = doctor.kernel()
    assert finding.state == state
    assert remedy in finding.remedy
    assert (f"{package} {version}" if version else f"no {package}") in finding.found


def test_widgets_that_were_not_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "STATIC", tmp_path)
    assert doctor.widgets().state == "problem"
    assert "pip install" in doctor.widgets().remedy
    (tmp_path / "panel.js").write_text("x" * 1500)
    (tmp_path / "widgets.css").write_text("")
    assert doctor.widgets().state == "problem", "an empty file is no style sheet"
    (tmp_path / "widgets.css").write_text("x" * 500)
    assert doctor.widgets() == Finding("widgets", "ok", "the browser code is built: 2 files, 2 kB")


def test_a_journal_that_cannot_be_written_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor.guard().state == "ok"
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    found = doctor.guard()
    assert found.state == "problem"
    assert str(tmp_path) in found.found
    assert "allow_unjournaled" in found.remedy


def test_livekit_by_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEKIT_URL", f"wss://user:{CANARY}@rooms.example:7880/path?token={CANARY}")
    monkeypatch.setenv("LIVEKIT_API_KEY", CANARY)
    monkeypatch.delenv("LIVEKIT_API_SECRET", raising=False)
    found = doctor.livekit()
    assert (found.state, found.found) == (
        "warning",
        "LIVEKIT_URL is wss://rooms.example:7880, but LIVEKIT_API_SECRET is not set",
    )
    monkeypatch.setenv("LIVEKIT_API_SECRET", CANARY)
    assert doctor.livekit() == Finding("livekit", "ok", "LIVEKIT_URL is wss://rooms.example:7880")
    monkeypatch.setenv("LIVEKIT_URL", CANARY)
    assert doctor.livekit().state == "warning"
    assert CANARY not in repr(doctor.livekit())


@pytest.mark.parametrize(
    ("script", "state", "told"),
    [
        (None, "ok", "no server here"),
        ("echo livekit-server version 1.11.0", "ok", "livekit-server version 1.11.0"),
        ("exit 3", "warning", "does not report its version"),
    ],
)
def test_livekit_on_the_path(
    script: str | None, state: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if script:
        server = tmp_path / "livekit-server"
        server.write_text(f"#!/bin/sh\n{script}\n")
        server.chmod(server.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert doctor.livekit().state == state
    assert told in doctor.livekit().found


def test_a_check_that_fails_by_itself_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> str:
        raise ZeroDivisionError(CANARY)

    monkeypatch.setattr(importlib.metadata, "version", broken)
    kernel = by_name(examine(demo=True))["kernel"]
    assert kernel.state == "problem"
    assert "ZeroDivisionError" in kernel.found
    assert CANARY not in repr(kernel)


# The address and the clock


@pytest.mark.parametrize(
    ("answer", "state", "told"),
    [
        (says(200), "ok", "responds in"),
        (says(429), "ok", "responds in"),
        (says(503), "problem", "returns 503: the service is having problems"),
        (says(200, b"<html>Welcome"), "problem", "returns 200, but does not look like LiveAvatar"),
        (says(404), "problem", "returns 404, but does not look like LiveAvatar"),
        (
            says(302, Location=f"https://user:{CANARY}@portal.example/login?t={CANARY}"),
            "problem",
            "redirects to https://portal.example,",
        ),
    ],
)
def test_what_the_address_answers(answer: Callable[[BaseHTTPRequestHandler], None], state: str, told: str) -> None:
    with web(answer) as url:
        finding, _ = doctor.address(url)
    assert finding.state == state
    assert told in finding.found
    assert CANARY not in repr(finding)
    assert finding.remedy or state == "ok"


def test_an_address_that_does_not_resolve() -> None:
    finding, answer = doctor.address("https://nowhere.invalid")
    assert answer is None
    assert finding.state == "problem"
    assert "name nowhere.invalid does not resolve" in finding.found


def test_a_connection_that_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert "refused the connection" in doctor.address(f"http://127.0.0.1:{port}")[0].found


def test_https_where_there_is_http(simulator: Simulator) -> None:
    finding, _ = doctor.address(simulator.url.replace("http:", "https:"))
    assert finding.state == "problem"
    assert "is it http, not https?" in finding.remedy


def test_what_is_no_web_service() -> None:
    with socket.create_server(("127.0.0.1", 0)) as odd:

        def greet() -> None:
            connection, _ = odd.accept()
            with connection:
                connection.sendall(b"220 mail.example ESMTP\r\n")
                connection.recv(1000)

        thread = threading.Thread(target=greet)
        thread.start()
        finding, _ = doctor.address(f"http://127.0.0.1:{odd.getsockname()[1]}")
        thread.join()
    assert "is not a web service" in finding.found


@pytest.mark.parametrize(
    ("behind", "age", "state", "told"),
    [
        (0, 0, "ok", "as the service's"),
        (30, 0, "ok", "30 s behind"),
        (95, 0, "warning", "95 s behind"),
        (-3600, 0, "warning", "3600 s ahead"),
        # what a cache kept for an hour is an hour old
        (-3600, 3600, "ok", "as the service's"),
    ],
)
def test_clocks(behind: int, age: int, state: str, told: str) -> None:
    with web(says(200, Date=formatdate(time.time() + behind + 0.5, usegmt=True), Age=str(age))) as url:
        finding = doctor.clock(doctor.address(url)[1])
    assert finding.state == state
    # the header has no fractions of a second
    near = [told.replace(str(abs(behind)), str(abs(behind) + off)) for off in (-1, 0, 1)]
    assert any(one in finding.found for one in near), finding


@pytest.mark.parametrize("date", ["yesterday", ""])
def test_a_service_that_does_not_say_the_time(date: str) -> None:
    with web(says(200, Date=date)) as url:
        assert doctor.clock(doctor.address(url)[1]).state == "skipped"


def test_the_key_never_travels_unencrypted(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        heard.append(f"{handler.path} {handler.headers}")
        says(200)(handler)

    # the machine far away is reached by a proxy, so that it can be here
    with web(answer) as url:
        monkeypatch.setenv("HTTP_PROXY", url.replace("//", f"//user:{CANARY}@"))
        report = examine("k" * 32, api_url="http://far.example")
    found = by_name(report)
    assert found["address"].state == "warning"
    assert f"through the proxy {url}" in found["address"].found
    assert found["account"].found == "not checked: the key would be sent unencrypted"
    assert len(heard) == 1
    assert heard[0].startswith("http://far.example/v1/avatars/public")
    assert "k" * 32 not in heard[0]
    assert CANARY not in repr(report)


def test_this_machine_is_reached_by_no_proxy(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert doctor.address(simulator.url)[0].state == "ok"


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:9", "nonsense://x", "http://h:port"])
def test_a_proxy_that_cannot_be_used(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    finding, _ = doctor.address("https://far.example")
    assert finding.state == "problem"
    assert "ALL_PROXY" in finding.found
    assert "SOCKS" in finding.found or "http://host:port" in finding.remedy


# The account


@pytest.mark.parametrize(("left", "state"), [("100", "ok"), ("2", "ok"), ("1.999", "warning"), ("0", "warning")])
def test_credits(left: str, state: str) -> None:
    finding = doctor.credits_left(Decimal(left))
    assert finding.state == state
    assert ("sandbox" in finding.remedy) == (state == "warning")


def test_a_service_in_trouble_is_told(simulator: Simulator) -> None:
    simulator.faults.add("credits", "status", times=None, status=400, message="\x1b[31mnot <today>")
    found = on(simulator)
    assert found["account"].state == "problem"
    assert "not <today>" in found["account"].found
    assert "\x1b" not in found["account"].text()
    assert [found[name].state for name in NAMES[-3:]] == ["skipped"] * 3


def test_an_account_that_does_not_answer_in_time(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "CHECK_LIMIT", 0.5)
    simulator.faults.add("credits", "delay", times=None, seconds=3)
    began = time.monotonic()
    found = on(simulator)
    assert time.monotonic() - began < 2.5
    assert found["account"].state == "problem"
    assert "in time" in found["account"].found


def test_sessions_that_run_are_told_with_what_stops_them(simulator: Simulator, la: LiveAvatar) -> None:
    assert on(simulator)["sessions"] == Finding("sessions", "ok", "none running")
    la.start(is_sandbox=True)
    assert on(simulator)["sessions"] == Finding("sessions", "ok", "1 in the sandbox, free")
    started = la.start("Silas", concurrent=True)
    warning = on(simulator)["sessions"]
    assert warning.state == "warning"
    assert "1 is running and billed" in warning.found
    assert str(started.id) in warning.found
    # the remedy is code: it does what it says
    code = warning.remedy.removeprefix("To stop one, run ").rstrip(".").replace("its id", str(started.id))
    eval(code, {"LiveAvatar": lambda: la})
    assert on(simulator)["sessions"].state == "ok"


def test_the_sandbox_on_request_only(simulator: Simulator) -> None:
    before = len(simulator.ledger())
    assert on(simulator)["sandbox"].state == "skipped"
    assert len(simulator.ledger()) == before
    assert on(simulator, start=True)["sandbox"].state == "ok"
    last = simulator.ledger()[-1]
    assert last.is_sandbox
    assert last.starts == 1
    assert last.credits == Decimal(0)
    assert last.end_reason == "USER_CLOSED"


def test_a_sandbox_that_fails_is_told_and_stopped(simulator: Simulator) -> None:
    simulator.faults.add("start", "status", status=500)
    sandbox = on(simulator, start=True)["sandbox"]
    assert sandbox.state == "problem"
    assert sandbox.remedy
    assert not simulator.billed()


def test_a_sandbox_that_takes_too_long_is_stopped(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "SANDBOX_LIMIT", 1.0)
    simulator.faults.add("socket", "never_connected", times=None)
    sandbox = on(simulator, start=True)["sandbox"]
    assert sandbox.state == "problem"
    assert not simulator.billed()
