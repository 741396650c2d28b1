"""What goes over HTTP: the only module that uses httpx."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from . import config
from .config import Masked
from .errors import (
    APIConnectionError,
    APIResponseError,
    APITimeoutError,
    AuthenticationError,
    ClientClosed,
    ConfigurationError,
    InvalidArgument,
    LiveAvatarException,
    status_error,
)
from .retry import ConnectOptions, Safety, again, delay

logger = logging.getLogger("liveavatar_nb.transport")

SUCCESS_CODES = frozenset({1000, 100, 200})  # `code` of the envelope: 1000 on the live service, the others seen before
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


class _Signed(httpx.Auth):
    """Puts the credential on a request as it leaves, so that no frame of ours ever holds it."""

    def __init__(self, credential: Masked, *, bearer: bool) -> None:
        self._credential = credential
        self._bearer = bearer

    def auth_flow(self, request: httpx.Request) -> Any:
        if self._bearer:
            request.headers["Authorization"] = f"Bearer {self._credential.reveal()}"
        else:
            request.headers["X-API-KEY"] = self._credential.reveal()
        yield request


@dataclass(frozen=True)
class Call:
    """One call of the contract.

    Args:
        method: GET, POST...
        path: from `/v1` on.
        safety: what sending it twice would do.
        token: a session's token; without one the API key signs the call.
        signed: False for the calls that need no credential.
        query: parameters; None ones are left out.
        body: what is sent as JSON; None sends none.
    """

    method: str
    path: str
    safety: Safety = Safety.REPEATABLE
    token: Masked | None = None
    signed: bool = True
    query: Mapping[str, Any] | None = None
    body: Mapping[str, Any] | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class Transport:
    """Sends calls and decodes their envelopes.

    Args:
        base_url: the service's address, without `/v1`.
        key: the API key.
        http_client: an `httpx.AsyncClient` of the caller's, who also closes it; made at first use when not given.
        options: attempts, base delay and limit of one attempt; RELIABILITY's policy when not given.
    """

    def __init__(
        self,
        base_url: str,
        key: Masked,
        *,
        http_client: httpx.AsyncClient | None = None,
        options: ConnectOptions | None = None,
    ) -> None:
        if http_client is not None and not isinstance(http_client, httpx.AsyncClient):
            raise InvalidArgument(f"The HTTP client must be an httpx.AsyncClient, not {type(http_client).__name__}.")
        if not key.fits_a_header:
            raise ConfigurationError(f"The API key {key.source} holds signs that no key has.", remedy="Copy it anew.")
        self.base_url = base_url
        self.key = key
        self.closed = False
        self._lent = http_client
        self._own: httpx.AsyncClient | None = None
        self._own_pid = 0
        self._attempts = max(1, options.max_retry) if options else config.MAX_ATTEMPTS
        self._base_delay = options.retry_interval if options else config.RETRY_BASE
        self._attempt_limit = options.timeout if options else config.READ_TIMEOUT

    def _client(self, safety: Safety = Safety.REPEATABLE) -> httpx.AsyncClient:
        lent_is_open = self._lent is not None and not self._lent.is_closed
        if self._lent is not None and lent_is_open and not self.closed:
            return self._lent
        # a stop must arrive, also where the client it came by was closed
        if (self.closed or self._lent is not None) and safety is not Safety.INSISTENT:
            raise ClientClosed
        # a forked child shares the sockets of its parent, so it must not touch that client
        if self._own is None or self._own_pid != os.getpid():
            self._own, self._own_pid = httpx.AsyncClient(trust_env=goes_by_proxy(self.base_url)), os.getpid()
        return self._own

    async def aclose(self) -> None:
        """Closes the client that was made here; one that was handed in stays open."""
        self.closed = True
        await self._close_own()

    async def _close_own(self) -> None:
        own, self._own = self._own, None
        if own is not None and self._own_pid == os.getpid():
            await own.aclose()

    async def send(self, call: Call, *, limit: float = config.TOTAL_TIMEOUT) -> dict[str, Any]:
        """The decoded envelope of `call`, tried again as `retry` says.

        Args:
            call: what to send.
            limit: seconds for all attempts together.

        Raises:
            APIConnectionError, APITimeoutError, APIResponseError, APIStatusError: see `errors`.
        """
        deadline = time.monotonic() + limit
        attempt = 0
        while True:
            try:
                async with asyncio.timeout_at(asyncio.get_running_loop().time() + deadline - time.monotonic()):
                    return await self._once(call)
            except TimeoutError:
                raise APITimeoutError(f"{call} was not answered within {limit:g} s.") from None
            except LiveAvatarException as failure:
                if isinstance(failure, AuthenticationError):
                    failure.remedy = (
                        f"The key came {self.key.source}: check it, or give another one."
                        if call.token is None
                        else "It was the session's own token: start a new session."
                    )
                wait = delay(attempt, self._base_delay, getattr(failure, "retry_after", None))
                attempt += 1
                tries_left = attempt < self._attempts or call.safety is Safety.INSISTENT
                if not (tries_left and again(failure, call.safety) and time.monotonic() + wait < deadline):
                    raise
                logger.info("%s failed (%s), trying again in %.1f s", call, failure.message, wait)
            await asyncio.sleep(wait)

    async def _once(self, call: Call) -> dict[str, Any]:
        client = self._client(call.safety)
        headers = {"accept": "application/json"}
        request = client.build_request(
            call.method,
            self.base_url + call.path,
            params={name: value for name, value in (call.query or {}).items() if value is not None},
            json=call.body,
            headers=headers,
            timeout=httpx.Timeout(self._attempt_limit, connect=min(config.CONNECT_TIMEOUT, self._attempt_limit)),
        )
        auth = _Signed(call.token or self.key, bearer=call.token is not None) if call.signed else None
        try:
            response = await client.send(request, auth=auth, stream=True, follow_redirects=False)
            try:
                return envelope(
                    response.status_code, response.headers, await _read(response, config.BODY_LIMIT), str(call)
                )
            finally:
                await response.aclose()
        except LiveAvatarException:
            raise
        except Exception as failure:  # noqa: BLE001 (also what the hooks of a client that was handed in raise)
            raise _no_answer(failure, str(call)) from None
        finally:
            if self.closed:
                await self._close_own()

    async def fetch(self, url: str) -> tuple[str, bytes]:
        """Media type and bytes of a picture, without any credential.

        Raises:
            APIConnectionError, APIStatusError, APIResponseError: as for `send`.
        """
        client = self._client()
        try:
            # auth=None keeps httpx from sending what a user's client or .netrc holds for that host
            request = client.build_request("GET", url, timeout=config.READ_TIMEOUT)
            response = await client.send(request, auth=None, stream=True, follow_redirects=False)
            try:
                body = await _read(response, config.PICTURE_LIMIT)
            finally:
                await response.aclose()
        except LiveAvatarException:
            raise
        except Exception as failure:  # noqa: BLE001 (as for `send`)
            raise _no_answer(failure, "GET of a picture") from None
        if response.status_code != 200:
            raise status_error(response.status_code, None, response.headers, "GET of a picture")
        return response.headers.get("content-type", "application/octet-stream").split(";")[0], body


class BlockingStopper:
    """The stop that needs no event loop, for the interpreter's exit.

    Args:
        limit: seconds for all stops together.
    """

    def __init__(self, limit: float = config.EXIT_STOP_LIMIT) -> None:
        self._deadline = time.monotonic() + limit
        self._clients: dict[bool, httpx.Client] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        for client in self._clients.values():
            client.close()

    def _client(self, base_url: str) -> httpx.Client:
        by_proxy = goes_by_proxy(base_url)
        if by_proxy not in self._clients:
            self._clients[by_proxy] = httpx.Client(trust_env=by_proxy)
        return self._clients[by_proxy]

    def stop(self, base_url: str, key: Masked, session_id: str) -> bool:
        """Stops a session by its id (`POST /v1/sessions/stop`); whether the service confirmed it."""
        remaining = self._deadline - time.monotonic()
        if remaining <= 0:
            return False
        try:
            response = self._client(base_url).post(
                f"{base_url}/v1/sessions/stop",
                json={"session_id": session_id, "reason": "USER_CLOSED"},
                auth=_Signed(key, bearer=False),
                timeout=remaining,
                follow_redirects=False,
            )
            envelope(response.status_code, response.headers, response.content, "POST /v1/sessions/stop")
        except (httpx.HTTPError, LiveAvatarException):
            return False
        return True


async def _read(response: httpx.Response, limit: int) -> bytes:
    body = bytearray()
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) > limit:
            raise APIResponseError(f"The service's answer is larger than {limit // 1024} KiB.")
    return bytes(body)


def _no_answer(failure: Exception, what: str) -> APIConnectionError:
    sent = not isinstance(failure, NOT_SENT)
    kind = type(failure).__name__
    if isinstance(failure, httpx.TimeoutException):
        return APITimeoutError(f"{what} was not answered in time ({kind}).", sent=sent)
    # only the words of a failed connection are safe to quote: others can hold a header
    told = f"{kind}: {failure}" if isinstance(failure, httpx.ConnectError) else kind
    return APIConnectionError(f"{what} got no answer ({told}).", sent=sent)


def goes_by_proxy(url: str) -> bool:
    """Whether the environment's proxies apply to an address: not to this machine's own."""
    host = urlsplit(url).hostname or ""
    return not (host == "localhost" or host.startswith("127.") or host == "::1")


def envelope(status_code: int, headers: Mapping[str, str], body: bytes, what: str) -> dict[str, Any]:
    """The decoded envelope of an answer, if it is a success: any 2xx with code 1000, 100 or 200, or an empty 204.

    Raises:
        APIStatusError: the service says no.
        APIResponseError: it is no envelope, or a redirect.
    """
    if status_code == 204 and not body:
        return {"code": 1000, "data": None, "message": None}
    try:
        decoded = json.loads(body) if body else None
    except ValueError:
        decoded = None
    if 200 <= status_code < 300 and isinstance(decoded, dict) and "data" in decoded:
        if decoded.get("code") in SUCCESS_CODES:
            return decoded
    elif 200 <= status_code < 300:
        decoded = None
    failure: APIResponseError
    if 300 <= status_code < 400:
        failure = APIResponseError(
            f"{what} answered with a redirect ({status_code}), which is not followed.", remedy="Check the api_url."
        )
    elif 200 <= status_code < 300 and decoded is None:
        failure = APIResponseError(f"{what} answered {status_code} with no envelope.")
    else:
        failure = status_error(status_code, decoded, headers, what)
    del body, decoded  # a traceback that shows local variables must not show tokens
    raise failure
