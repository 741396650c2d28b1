"""The service's address, called once without a key: the way there, the answer, its time."""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

import httpx

from .. import __version__, config
from ..errors import CertificateError, ConfigurationError
from ..rest.network import Network

ANSWER_LIMIT: Final = 4.0  # s, for each step of the way to the answer
BODY_LIMIT: Final = 256 * 1024  # bytes that are read of the answer
PATH: Final = "/v1/avatars/public?page_size=1"  # needs no key


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


def ask(base_url: str, network: Network) -> Answer:
    """One call without a key, by the client's way: the client itself shows no headers, and tries again.

    Raises:
        ConfigurationError: its proxy or the certificates cannot be used.
        httpx.HTTPError: no answer came.
    """
    headers = {"Accept": "application/json", "User-Agent": f"liveavatar_nb/{__version__}", "Cache-Control": "no-cache"}
    with httpx.Client(**network.for_http(base_url), headers=headers, timeout=ANSWER_LIMIT) as client:
        began, began_at = time.monotonic(), time.time()
        with client.stream("GET", base_url + PATH, follow_redirects=False) as response:
            seconds = time.monotonic() - began
            body = b""
            for piece in response.iter_bytes():
                body += piece
                if len(body) > BODY_LIMIT:
                    break
    told = response.headers
    return Answer(
        status=response.status_code,
        seconds=seconds,
        ahead=_ahead(told.get("Date"), told.get("Age"), began_at + seconds / 2),
        is_envelope=_is_envelope(body),
        location=told.get("Location", ""),
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
        failure: what `ask` raised.
        host: who was called, the proxy where there is one.
    """
    network = "Check the network, and the address."
    if isinstance(failure, ConfigurationError):
        return f"is not reached: {failure.message.rstrip('.')}", failure.remedy
    if isinstance(failure, httpx.ProxyError):
        return f"is not reached: the proxy {host} refuses ({failure})", "Check the proxy, and who may use it."
    if isinstance(failure, httpx.TimeoutException | TimeoutError):
        return "does not answer in time", f"{network} Does this network want a proxy (HTTPS_PROXY)?"
    for cause in _causes(failure):
        if isinstance(cause, socket.gaierror):
            return f"is not found: the name {host} does not resolve", network
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"has a certificate that is not accepted ({cause.verify_message})", CertificateError.default_remedy
        if isinstance(cause, ssl.SSLError):
            return f"agrees on no encryption ({cause.reason})", "Check the address: is it http, not https?"
        if isinstance(cause, ConnectionRefusedError):
            return (
                f"is not reached: {host} refuses the connection",
                "Check the address, its port too. Does the service run?",
            )
    if isinstance(failure, httpx.NetworkError):
        return f"is not reached ({str(failure) or type(failure).__name__})", network
    return f"is no web service ({type(failure).__name__})", "Check the address: is it https, not http?"


def _causes(failure: BaseException | None) -> Iterator[BaseException]:
    while failure is not None:
        yield failure
        failure = failure.__cause__ or failure.__context__


def is_open(base_url: str) -> bool:
    """Whether what goes to an address can be read on the way."""
    parts = urlsplit(base_url)
    return parts.scheme == "http" and not config.is_loopback(parts.hostname)
