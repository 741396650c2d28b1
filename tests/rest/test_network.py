"""The way to a service: proxies, exemptions, certificates, and what another process is told of them."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme

from liveavatar_nb.errors import ConfigurationError
from liveavatar_nb.rest.network import Network, shown

CANARY = "canary-5f1c"
SERVICE = "https://far.example/v1"


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy and no certificate of the environment this runs in."""
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def way(url: str, network: Network | None = None) -> str | None:
    proxy = (network or Network.of()).proxy(url)
    return None if proxy is None else proxy.reveal()


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("address", ["proxy.example:3128", "http://proxy.example:3128/"])
def test_a_websocket_goes_by_the_proxy_of_the_service(
    variable: str, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, address)
    network = Network.of()
    assert way(SERVICE, network) == way("wss://far.example/socket", network) == "http://proxy.example:3128"
    assert network.for_websocket("wss://far.example/socket")["proxy"] == "http://proxy.example:3128"
    assert str(network.for_http(SERVICE)["proxy"].url) == "http://proxy.example:3128"


def test_what_the_environment_says_later_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network.of()
    monkeypatch.setenv("ALL_PROXY", "proxy.example:3128")
    assert way(SERVICE, network) is None
    assert way(SERVICE) == "http://proxy.example:3128"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "[::1]"])
def test_the_environments_proxies_do_not_lead_to_this_machine(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(variable, "nonsense://x")
    assert way(f"https://{host}:8443/v1") is None
    assert way(f"ws://{host}:8443/v1") is None


def test_a_proxy_that_was_given_leads_everywhere(library: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """In httpx's meaning: the environment has no say then."""
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("HTTPS_PROXY", "http://another.example:1")
    network = Network.of(proxy=library.URL("http://proxy.example:3128"))
    for url in (SERVICE, "http://127.0.0.1:8000", "wss://far.example"):
        assert way(url, network) == "http://proxy.example:3128"


@pytest.mark.parametrize(
    ("rule", "reached", "not_reached"),
    [
        ("[::1]", ["https://[::2]", SERVICE], ["https://[::1]"]),
        ("[fd00::1]:8443", ["https://[fd00::1]"], ["https://[fd00::1]:8443", "wss://[fd00::1]:8443/x"]),
        ("fd00::/8", ["https://[fe80::1]", SERVICE], ["https://[fd12::1]", "wss://[fd12::1]:7880"]),
        ("[fd00::]/8", [SERVICE], ["https://[fd12::1]"]),
        ("fd00::1", ["https://[fd00::2]"], ["https://[fd00::1]"]),
        ("10.0.0.0/8", ["https://11.0.0.1", "https://far.example"], ["https://10.1.2.3", "ws://10.1.2.3:80"]),
        ("10.1.2.3", ["https://10.1.2.4"], ["https://10.1.2.3:1"]),
        ("far.example", ["https://notfar.example", "https://example"], [SERVICE, "wss://api.FAR.example"]),
        (".far.example", ["https://notfar.example"], ["https://api.far.example"]),
        ("*.far.example", ["https://notfar.example"], ["https://api.far.example"]),
        ("far.example:8443", [SERVICE], ["https://far.example:8443", "wss://far.example:8443"]),
        ("far.example:443", ["http://far.example"], [SERVICE, "wss://far.example"]),
        ("http://far.example", [SERVICE, "wss://far.example"], ["http://far.example", "ws://far.example"]),
        ("*", [], [SERVICE, "https://[::1]"]),
        (" , near.example,FAR.example ", ["https://other.example"], [SERVICE, "https://near.example"]),
        ("münchen.example, %, :::, [, ]:, 1.2.3.4/99, http://", [SERVICE, "https://[::2]"], []),
    ],
)
def test_no_proxy_in_every_form(
    rule: str, reached: list[str], not_reached: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", rule)
    assert [way(url) for url in reached] == ["http://proxy.example:3128"] * len(reached)
    assert [way(url) for url in not_reached] == [None] * len(not_reached)


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("http://user@proxy.example", "http://user:@proxy.example:80"),
        ("http://us%40er:p@ss:w%20rd@proxy.example:1", "http://us%40er:p%40ss%3Aw%20rd@proxy.example:1"),
        ("https://proxy.example/path?query", "https://proxy.example:443"),
        ("[::1]:3128", "http://[::1]:3128"),
    ],
)
def test_a_proxys_address_has_one_form_that_all_libraries_read_alike(given: str, normal: str) -> None:
    from websockets.proxy import parse_proxy  # noqa: PLC0415

    network = Network.of(proxy=given)
    assert way(SERVICE, network) == normal
    ours, theirs = network.for_http(SERVICE)["proxy"], parse_proxy(network.for_websocket("wss://far.example")["proxy"])
    assert (ours.url.host, ours.url.port or PORTS[ours.url.scheme]) == (theirs.host, theirs.port)
    assert ours.auth == (None if theirs.username is None else (theirs.username, theirs.password))


PORTS = {"http": 80, "https": 443}


@pytest.mark.parametrize(
    "address", ["nonsense://x", "http://", "ftp://h:1", "http://h:99999", "http://[::1", "h:p", ""]
)
def test_a_proxy_that_is_none_names_who_said_it(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match=r"^proxy .*It should look like"):
        Network.of(proxy=address)
    if address:
        monkeypatch.setenv("HTTPS_PROXY", address)
        network = Network.of()
        assert way("http://far.example", network) is None, "it is not needed there"
        for ask in (network.proxy, network.for_http, network.for_websocket):
            with pytest.raises(ConfigurationError, match=r"^HTTPS_PROXY "):
                ask("https://far.example")


@pytest.mark.skipif(importlib.util.find_spec("socksio") is not None, reason="SOCKS is installed")
def test_socks_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5h://proxy.example")
    with pytest.raises(ConfigurationError, match=r"ALL_PROXY needs SOCKS support.*httpx\[socks\]"):
        Network.of().for_http(SERVICE)


def test_a_socks_proxy_needs_a_package_more_for_the_websocket(monkeypatch: pytest.MonkeyPatch) -> None:
    has = {"socksio"}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object() if name in has else None)
    network = Network.of(proxy="socks5://proxy.example")
    assert way(SERVICE, network) == "socks5://proxy.example:1080"
    with pytest.raises(ConfigurationError, match="python-socks"):
        network.for_websocket("wss://far.example")


@pytest.mark.parametrize("wrong", [1, b"http://h:1", object()])
def test_what_is_no_proxy_or_no_trust_is_refused(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^proxy must be"):
        Network.of(proxy=wrong)
    with pytest.raises(ConfigurationError, match=r"^verify must be"):
        Network.of(verify=wrong if not isinstance(wrong, bytes) else None)  # type: ignore[arg-type]


def test_a_password_shows_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"nonsense://user:{CANARY}@h:1")
    with pytest.raises(ConfigurationError) as failure:
        Network.of(proxy=f"nonsense://user:{CANARY}@h:1")
    frames = failure.traceback
    shown_locals = [repr(entry.frame.f_locals) for entry in frames if Path(entry.path).parent.name == "liveavatar_nb"]
    assert CANARY not in f"{failure.value!r} {Network.of()!r} {shown_locals}"
    assert CANARY not in repr(Network.of(proxy=f"http://user:{CANARY}@h:1"))
    assert shown(f"http://user:{CANARY}@[::1]:1/{CANARY}?{CANARY}") == "http://[::1]:1"


# Certificates


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def service(authority: trustme.CA) -> Iterator[str]:
    """A service by https whose authority nobody knows."""

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(204)
            self.send_header("Connection", "close")
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    class Quiet(HTTPServer):
        def handle_error(self, *_: Any) -> None: ...

    server = Quiet(("127.0.0.1", 0), Answer)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    yield f"https://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "authorities.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


def is_reached(network: Network, url: str) -> bool:
    """By httpx, and by the handshake of a WebSocket."""
    try:
        with httpx.Client(**network.for_http(url)) as client:
            assert client.get(url).status_code == 204
        by_http = True
    except httpx.ConnectError:
        by_http = False
    assert asyncio.run(shakes_hands(network, url.replace("https", "wss"))) == by_http
    return by_http


async def shakes_hands(network: Network, url: str) -> bool:
    from websockets.asyncio.client import connect  # noqa: PLC0415
    from websockets.exceptions import InvalidStatus  # noqa: PLC0415

    try:
        async with connect(url, **network.for_websocket(url)):
            raise AssertionError("there is no WebSocket")
    except InvalidStatus:
        return True
    except ssl.SSLCertVerificationError:
        return False


def context(authority: trustme.CA) -> ssl.SSLContext:
    made = ssl.create_default_context()
    authority.configure_trust(made)
    return made


def passed_on(network: Network) -> Network:
    """As another process has it."""
    return Network.from_json(json.loads(json.dumps(network.to_json())))


def test_who_is_trusted_is_trusted_by_all_and_in_every_process(
    service: str, bundle: Path, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not is_reached(Network.of(), service)
    strict = Network.of(verify=ssl.create_default_context())
    assert not is_reached(strict, service)
    monkeypatch.chdir(bundle.parent)
    trusting = [
        Network.of(verify=bundle),
        Network.of(verify=bundle.name),
        Network.of(verify=False),
        Network.of(verify=context(authority)),
    ]
    monkeypatch.setenv("SSL_CERT_FILE", bundle.name)
    trusting.append(Network.of())
    assert not is_reached(strict, service), "a context decides itself"
    monkeypatch.delenv("SSL_CERT_FILE")
    os.chdir("/")
    for network in trusting:
        assert is_reached(network, service)
        assert is_reached(passed_on(network), service)
        assert passed_on(network).to_json() == network.to_json()
    assert [bool(network.caveat) for network in trusting] == [False, False, False, True, False]


def test_a_folder_of_certificates(service: str, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import subprocess  # noqa: PLC0415

    subprocess.run(["openssl", "rehash", str(bundle.parent)], check=True, timeout=30)
    assert is_reached(Network.of(verify=bundle.parent), service)
    monkeypatch.setenv("SSL_CERT_DIR", os.pathsep.join(["/nowhere", str(bundle.parent)]))
    assert is_reached(passed_on(Network.of()), service)


def test_certificates_that_cannot_be_read_name_who_said_them(
    tmp_path: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "empty.pem"
    empty.touch()
    for path in (tmp_path / "absent.pem", empty):
        with pytest.raises(ConfigurationError, match="certificates in verify can't be read"):
            Network.of(verify=path)
        for variable, other in (("SSL_CERT_DIR", "SSL_CERT_FILE"), ("SSL_CERT_FILE", "SSL_CERT_DIR")):
            monkeypatch.delenv(other, raising=False)
            monkeypatch.setenv(variable, str(path))
            network = Network.of()
            network.for_http("http://far.example"), network.for_websocket("ws://far.example")
            for ask in (network.for_http, network.for_websocket):
                with pytest.raises(ConfigurationError, match=f"certificates in {variable} can't be read"):
                    ask("https://far.example")


def test_by_http_nobody_is_trusted(service: str) -> None:
    """Reading certificates takes long: where none is needed a client has none, and never takes them for good."""
    with httpx.Client(**Network.of().for_http("http://127.0.0.1")) as client, pytest.raises(httpx.ConnectError):
        client.get(service)


def test_the_proxy_and_its_password_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://user:word@proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "fd00::/8,near.example")
    network = passed_on(Network.of())
    assert network == Network.of()
    assert way(SERVICE, network) == "http://user:word@proxy.example:3128"
    assert way("https://near.example", network) is way("https://[fd00::1]", network) is None
