"""`BlockingStopper`: stops sessions without an event loop."""

from __future__ import annotations

import ssl
import time
from typing import Any, Final, Self

import httpx

from .. import config
from ..config import Masked
from ..errors import APIStatusError, APITimeoutError, NotFoundError
from ..rest.connection import Signed
from ..rest.envelope import envelope
from ..rest.network import Network
from .evidence import whether_over

WHO_ASKS: Final = (401, 403, 407)  # by which a gateway refuses whom it does not know
ANY_IPV4: Final = "0.0.0.0"  # noqa: S104 (what a connection begins at, not what is listened on)


class _IPv4First(httpx.BaseTransport):
    """Connects by IPv4, and by any address where that fails.

    One after the other the addresses of a name would be tried, the newer kind first: where the network does not
    carry that, a stop would be late by a time-out for each. An event loop would race them.
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
    """The stop that needs no event loop, for the interpreter's exit, the guard, and a loop that is dead.

    Args:
        limit: seconds for all calls together.
        network: the way to the services; None takes the environment's.
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
        """Has all in memory that a stop needs: what it was installed from may be gone by then.

        Raises:
            ConfigurationError: the proxy or the certificates cannot be used.
        """
        import encodings.idna  # noqa: F401, PLC0415 (what a connection imports by itself)

        self._client(base_url)

    def reach(self, base_url: str) -> None:
        """Calls the service without any credential (`GET /v1/avatars/public`); returns where it answers, however.

        Raises:
            Exception: it does not, or what answers is none of the service: a gateway, or a portal.
        """
        try:
            self._send("GET", base_url, "/v1/avatars/public", None, params={"page_size": 1})
        except APIStatusError as failure:
            if failure.status_code in WHO_ASKS and failure.code is None:
                raise

    def stop(self, base_url: str, key: Masked, session_id: str, *, waiting: int = 0) -> bool:
        """Stops a session by its id (`POST /v1/sessions/stop`); whether the service confirmed it.

        Args:
            base_url: the service's address.
            key: signs the call.
            session_id: which.
            waiting: how many stops are to follow, which share the time that is left.
        """
        return self._stop(base_url, key, session_id, waiting) is None

    def stop_for_certain(self, base_url: str, key: Masked, session_id: str) -> bool:
        """As `stop`; where the service refuses, it is asked whether it is over all the same."""
        failure = self._stop(base_url, key, session_id, waiting=1)
        if not isinstance(failure, APIStatusError):
            return failure is None
        try:
            return self._is_over(base_url, key, session_id)
        except Exception:  # noqa: BLE001 (whatever it was, nothing is certain)
            return False

    def _stop(self, base_url: str, key: Masked, session_id: str, waiting: int) -> Exception | None:
        """What kept the service from confirming a stop."""
        body = {"session_id": session_id, "reason": "USER_CLOSED"}
        try:
            self._send("POST", base_url, "/v1/sessions/stop", key, waiting=waiting, json=body)
        except Exception as failure:  # noqa: BLE001 (the interpreter ends: the next stop must have its turn)
            return failure
        return None

    def _is_over(self, base_url: str, key: Masked, session_id: str) -> bool:
        looks, answer = whether_over(session_id), None
        try:
            while True:
                look = looks.send(answer)
                try:
                    answer = self._send("GET", base_url, look.path, key, params=look.query)["data"]
                except NotFoundError:
                    answer = None
        except StopIteration as found:
            return bool(found.value)

    def _send(
        self, method: str, base_url: str, path: str, key: Masked | None, *, waiting: int = 0, **content: Any
    ) -> dict[str, Any]:
        # its share of what is left: a service that drips must not take the time of those that wait
        limit = (self._deadline - time.monotonic()) / (waiting + 1)
        if limit <= 0:
            raise APITimeoutError(f"No time was left for {method} {path}.", sent=False)
        with self._client(base_url).stream(
            method,
            f"{base_url}{path}",
            headers={"accept-encoding": "identity"},
            auth=None if key is None else Signed(key, bearer=False),
            timeout=httpx.Timeout(limit, connect=limit / 2),
            follow_redirects=False,
            **content,
        ) as response:
            body = bytearray()
            until = time.monotonic() + limit
            for piece in response.iter_raw():
                body += piece
                if len(body) > config.BODY_LIMIT or time.monotonic() > until:
                    raise APITimeoutError(f"{method} {path} was not answered in time.")
            return envelope(response.status_code, response.headers, bytes(body), f"{method} {path}")

    def _client(self, base_url: str) -> httpx.Client:
        if base_url not in self._clients:
            way = self._network.for_http(base_url)
            self._clients[base_url] = httpx.Client(**way, transport=_IPv4First(way["verify"]))
        return self._clients[base_url]
