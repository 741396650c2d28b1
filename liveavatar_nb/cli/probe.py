"""Calls the service once, without a key, and explains why a call failed."""

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

ANSWER_LIMIT: Final = 4.0  # time limit, in seconds, for each step of the call, such as connecting
BODY_LIMIT: Final = 256 * 1024  # maximum bytes to read from the response
PATH: Final = "/v1/avatars/public?page_size=1"  # the path of an operation that needs no key


@dataclass(frozen=True)
class Answer:
    """The service's response to a call without a key.

    Attributes:
        status: The HTTP status.
        seconds: The time from the call to the response, in seconds.
        ahead: How far this machine's clock is ahead of the service's, in seconds; None if the response has no valid
            `Date`.
        is_envelope: Whether the body is in the service's response format.
        location: The target of a redirect.
    """

    status: int
    seconds: float
    ahead: float | None
    is_envelope: bool
    location: str


def ask(base_url: str, network: Network) -> Answer:
    """Call the service once, without a key but with the client's proxies and certificates.

    The client itself is unsuitable here, because it retries failed calls and hides the headers.

    Raises:
        ConfigurationError: The proxy or the certificates are invalid.
        httpx.HTTPError: There was no response.
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
    received = response.headers
    return Answer(
        status=response.status_code,
        seconds=seconds,
        ahead=_ahead(received.get("Date"), received.get("Age"), began_at + seconds / 2),
        is_envelope=_is_envelope(body),
        location=received.get("Location", ""),
    )


def _ahead(date: str | None, age: str | None, now: float) -> float | None:
    try:
        sent_at = parsedate_to_datetime(date or "").timestamp()
    except ValueError:
        return None
    # a cached response keeps its original `Date`, and its `Age` header gives the seconds since then
    return now - sent_at - (int(age) if age and age.isdecimal() else 0)


def _is_envelope(body: bytes) -> bool:
    try:
        decoded = json.loads(body)
    except ValueError:
        return False
    return isinstance(decoded, dict) and "code" in decoded


def explain_failure(failure: Exception, host: str) -> tuple[str, str]:
    """Explain why there was no response.

    Args:
        failure: The exception from `ask`.
        host: The host that was contacted; if a proxy is used, this is the proxy's host.

    Returns:
        The reason, worded to follow the address in a sentence, and what to do about it.
    """
    network = "Check the network and the address."
    if isinstance(failure, ConfigurationError):
        return f"cannot be reached: {failure.message.rstrip('.')}", failure.remedy
    if isinstance(failure, httpx.ProxyError):
        return (
            f"cannot be reached: the proxy {host} refused the connection ({failure})",
            "Check the proxy, and whether you may use it.",
        )
    if isinstance(failure, httpx.TimeoutException | TimeoutError):
        return "does not respond in time", f"{network} Does this network need a proxy (HTTPS_PROXY)?"
    for cause in _causes(failure):
        if isinstance(cause, socket.gaierror):
            return f"cannot be found: the name {host} does not resolve", network
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"has a certificate that was rejected ({cause.verify_message})", CertificateError.default_remedy
        if isinstance(cause, ssl.SSLError):
            return f"does not support encryption ({cause.reason})", "Check the address: is it http, not https?"
        if isinstance(cause, ConnectionRefusedError):
            return (
                f"cannot be reached: {host} refused the connection",
                "Check the address and the port. Is the service running?",
            )
    if isinstance(failure, httpx.NetworkError):
        return f"cannot be reached ({str(failure) or type(failure).__name__})", network
    return f"is not a web service ({type(failure).__name__})", "Check the address: is it https, not http?"


def _causes(failure: BaseException | None) -> Iterator[BaseException]:
    while failure is not None:
        yield failure
        failure = failure.__cause__ or failure.__context__


def is_unencrypted(base_url: str) -> bool:
    """Return whether others on the network could read what is sent to this URL."""
    parts = urlsplit(base_url)
    return parts.scheme == "http" and not config.is_loopback(parts.hostname)
