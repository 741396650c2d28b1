"""The service's address, called once without a key: the way there, the answer, its time."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import ssl
import time
import urllib.request
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from . import __version__, config
from .errors import CertificateError, ConfigurationError

ANSWER_LIMIT: Final = 4.0  # s, for each step of the way to the answer
BODY_LIMIT: Final = 256 * 1024  # bytes that are read of the answer
PATH: Final = "/v1/avatars/public?page_size=1"  # needs no key
PROXIES: Final = ("http", "https", "socks5", "socks5h")  # what httpx can go by


@dataclass(frozen=True)
class Answer:
    """The service's answer to a call without a key.

    Attributes:
        status: of HTTP.
        seconds: from the call to the answer.
        ahead: seconds that this machine's clock is ahead of the service's; None where it did not say the time.
        is_envelope: whether it has the form of the service's answers.
        location: where a redirect leads.
    """

    status: int
    seconds: float
    ahead: float | None
    is_envelope: bool
    location: str


def ask(base_url: str, proxy: str | None) -> Answer:
    """One call without a key, by the standard library: the client shows no headers, and tries again."""
    scheme = urlsplit(base_url).scheme
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({scheme: proxy} if proxy else {}),
        urllib.request.HTTPSHandler(context=_certificates()),
        _NoRedirect,
    )
    headers = {"Accept": "application/json", "User-Agent": f"liveavatar_nb/{__version__}", "Cache-Control": "no-cache"}
    began, began_at = time.monotonic(), time.time()
    try:
        response = opener.open(urllib.request.Request(base_url + PATH, headers=headers), timeout=ANSWER_LIMIT)  # noqa: S310 (http or https)
    except HTTPError as refusal:
        response = refusal
    with response:
        seconds = time.monotonic() - began
        body = response.read(BODY_LIMIT)
        told = response.headers
    return Answer(
        status=response.status,
        seconds=seconds,
        ahead=_ahead(told.get("Date"), told.get("Age"), began_at + seconds / 2),
        is_envelope=_is_envelope(body),
        location=told.get("Location", ""),
    )


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Follows none: the client does not either."""


def _certificates() -> ssl.SSLContext:
    """The authorities that httpx trusts, so that the answer here is the client's."""
    import certifi  # noqa: PLC0415 (comes with httpx)

    return ssl.create_default_context(
        cafile=os.environ.get("SSL_CERT_FILE") or (None if os.environ.get("SSL_CERT_DIR") else certifi.where()),
        capath=os.environ.get("SSL_CERT_DIR"),
    )


def _ahead(date: str | None, age: str | None, now: float) -> float | None:
    try:
        told = parsedate_to_datetime(date or "").timestamp()
    except ValueError:
        return None
    # what a cache kept carries the old date, and how long ago that was
    return now - told - (int(age) if age and age.isdecimal() else 0)


def _is_envelope(body: bytes) -> bool:
    try:
        decoded = json.loads(body)
    except ValueError:
        return False
    return isinstance(decoded, dict) and "code" in decoded


def why_none(failure: Exception, host: str) -> tuple[str, str]:
    """Why no answer came, in words that follow the address, and what to do.

    Args:
        failure: what `ask` or `proxy_for` raised.
        host: who was called, the proxy where there is one.
    """
    cause: BaseException | str = failure.reason if isinstance(failure, URLError) else failure
    network = "Check the network, and the address."
    if isinstance(cause, ConfigurationError):
        return f"is not reached: {cause.message.rstrip('.')}", cause.remedy
    if isinstance(cause, socket.gaierror):
        return f"is not found: the name {host} does not resolve", network
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"has a certificate that is not accepted ({cause.verify_message})", CertificateError.default_remedy
    if isinstance(cause, ssl.SSLError):
        return f"agrees on no encryption ({cause.reason})", "Check the address: is it http, not https?"
    if isinstance(cause, TimeoutError):
        return "does not answer in time", f"{network} Does this network want a proxy (HTTPS_PROXY)?"
    if isinstance(cause, ConnectionRefusedError):
        return (
            f"is not reached: {host} refuses the connection",
            "Check the address, its port too. Does the service run?",
        )
    if isinstance(cause, OSError):
        return f"is not reached ({cause.strerror or cause})", network
    return f"is no web service ({type(cause).__name__})", "Check the address: is it https, not http?"


def proxy_for(base_url: str) -> str | None:
    """The environment's proxy for an address, as httpx takes it; None for this machine's own.

    Raises:
        ConfigurationError: httpx can use none of the environment's proxies, since one of them is not usable.
    """
    parts = urlsplit(base_url)
    if config.is_loopback(parts.hostname):
        return None
    found = urllib.request.getproxies()
    proxies = {
        scheme: proxy if "://" in proxy else f"http://{proxy}"
        for scheme in ("http", "https", "all")
        if (proxy := found.get(scheme))
    }
    for scheme, proxy in proxies.items():
        name = f"{scheme.upper()}_PROXY"
        if shown(proxy) is None:
            raise ConfigurationError(f"{name} is no address of a proxy.", remedy="It looks like http://host:port.")
        if proxy.startswith("socks") and importlib.util.find_spec("socksio") is None:
            raise ConfigurationError(f"{name} asks for SOCKS, not installed here.", remedy='pip install "httpx[socks]"')
    return None if urllib.request.proxy_bypass(parts.hostname or "") else proxies.get(parts.scheme, proxies.get("all"))


def shown(url: str, schemes: tuple[str, ...] = PROXIES) -> str | None:
    """Scheme, host and port of an address, without user, password, path and query; None where it is none."""
    try:
        parts = urlsplit(url)
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError:
        return None
    host = f"[{parts.hostname}]" if parts.hostname and ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{port}" if host and parts.scheme in schemes else None


def is_open(base_url: str) -> bool:
    """Whether what goes to an address can be read on the way."""
    parts = urlsplit(base_url)
    return parts.scheme == "http" and not config.is_loopback(parts.hostname)
