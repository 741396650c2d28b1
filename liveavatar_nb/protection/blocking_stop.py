"""`BlockingStopper`: stops sessions without an event loop."""

from __future__ import annotations

import ssl
import time
from typing import Any, Final, Self

import httpx

from .. import config
from ..config import Masked
from ..errors import APIStatusError, APITimeoutError, NotFoundError
from ..rest.connection import CredentialAuth
from ..rest.envelope import envelope
from ..rest.network import Network
from .evidence import whether_over

AUTH_REFUSALS: Final = (401, 403, 407)  # statuses with which a gateway demands credentials
ANY_IPV4: Final = "0.0.0.0"  # noqa: S104 (the local end of a connection; nothing listens on it)


class _IPv4First(httpx.BaseTransport):
    """A transport that connects over IPv4, and over any address family if that fails.

    httpx's own transport would try a name's addresses one after the other, IPv6 first. On a network without IPv6, each
    IPv6 address would delay the stop by a timeout. (An event loop tries the addresses in parallel.)
    """

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._by_ipv4 = httpx.HTTPTransport(verify=tls, trust_env=False, local_address=ANY_IPV4)
        self._by_any = httpx.HTTPTransport(verify=tls, trust_env=False)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        try:
            return self._by_ipv4.handle_request(request)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            return self._by_any.handle_request(request)

    def close(self) -> None:
        self._by_ipv4.close()
        self._by_any.close()


class BlockingStopper:
    """Stops sessions without an event loop: at interpreter exit, in the guard, or if the loop is dead.

    Args:
        limit: Maximum seconds for all calls together.
        network: The proxies and certificates to use; None uses the environment's.
    """

    def __init__(self, limit: float = config.EXIT_STOP_LIMIT, network: Network | None = None) -> None:
        self._deadline = time.monotonic() + limit
        self._network = network or Network.of()
        self._clients: dict[str, httpx.Client] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        for client in self._clients.values():
            client.close()

    def warm_up(self, base_url: str) -> None:
        """Import, ahead of time, the code that a stop needs, in case the package is uninstalled in the meantime.

        Raises:
            ConfigurationError: The proxy or the certificates are invalid.
        """
        import encodings.idna  # noqa: F401, PLC0415 (a connection would import it)

        self._client(base_url)

    def reach(self, base_url: str) -> None:
        """Check that the service responds, with a call that needs no credentials (`GET /v1/avatars/public`).

        Any response from the service will do, even an error.

        Raises:
            Exception: There is no response, or something else responds, such as a gateway or a captive portal.
        """
        try:
            self._send("GET", base_url, "/v1/avatars/public", None, params={"page_size": 1})
        except APIStatusError as failure:
            if failure.status_code in AUTH_REFUSALS and failure.code is None:
                raise

    def stop(self, base_url: str, key: Masked, session_id: str, *, waiting: int = 0) -> bool:
        """Stop a session by its id (`POST /v1/sessions/stop`).

        Args:
            base_url: The service's address.
            key: The key that signs the call.
            session_id: The session's id.
            waiting: The number of stops still to come, which share the remaining time.

        Returns:
            Whether the service confirmed the stop.
        """
        return self._stop(base_url, key, session_id, waiting) is None

    def stop_for_certain(self, base_url: str, key: Masked, session_id: str) -> bool:
        """Stop a session; if the service refuses, check whether the session is over anyway.

        Args:
            base_url: The service's address.
            key: The key that signs the calls.
            session_id: The session's id.

        Returns:
            Whether the session is certain to be over.
        """
        failure = self._stop(base_url, key, session_id, waiting=1)
        if not isinstance(failure, APIStatusError):
            return failure is None
        try:
            return self._is_over(base_url, key, session_id)
        except Exception:  # noqa: BLE001 (on any failure nothing is certain)
            return False

    def _stop(self, base_url: str, key: Masked, session_id: str, waiting: int) -> Exception | None:
        """Stop a session; return the failure if the service did not confirm the stop, otherwise None."""
        body = {"session_id": session_id, "reason": "USER_CLOSED"}
        try:
            self._send("POST", base_url, "/v1/sessions/stop", key, waiting=waiting, json=body)
        except Exception as failure:  # noqa: BLE001 (the interpreter is exiting: the next stop must get its turn)
            return failure
        return None

    def _is_over(self, base_url: str, key: Masked, session_id: str) -> bool:
        requests, answer = whether_over(session_id), None
        try:
            while True:
                request = requests.send(answer)
                try:
                    answer = self._send("GET", base_url, request.path, key, params=request.query)["data"]
                except NotFoundError:
                    answer = None
        except StopIteration as found:
            return bool(found.value)

    def _send(
        self, method: str, base_url: str, path: str, key: Masked | None, *, waiting: int = 0, **content: Any
    ) -> dict[str, Any]:
        # a fair share of the remaining time, so that a slow response leaves time for later stops
        limit = (self._deadline - time.monotonic()) / (waiting + 1)
        if limit <= 0:
            raise APITimeoutError(f"There was no time left for {method} {path}.", sent=False)
        with self._client(base_url).stream(
            method,
            f"{base_url}{path}",
            headers={"accept-encoding": "identity"},
            auth=None if key is None else CredentialAuth(key, bearer=False),
            timeout=httpx.Timeout(limit, connect=limit / 2),
            follow_redirects=False,
            **content,
        ) as response:
            body = bytearray()
            until = time.monotonic() + limit
            for piece in response.iter_raw():
                body += piece
                if len(body) > config.BODY_LIMIT or time.monotonic() > until:
                    raise APITimeoutError(f"{method} {path} got no response in time.")
            return envelope(response.status_code, response.headers, bytes(body), f"{method} {path}")

    def _client(self, base_url: str) -> httpx.Client:
        if base_url not in self._clients:
            options = self._network.for_http(base_url)
            self._clients[base_url] = httpx.Client(**options, transport=_IPv4First(options["verify"]))
        return self._clients[base_url]
