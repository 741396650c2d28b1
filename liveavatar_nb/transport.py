"""What goes over HTTP: the only module that uses httpx."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import httpx

from . import config
from .config import Masked
from .errors import (
    APIConnectionError,
    APIResponseError,
    APITimeoutError,
    AuthenticationError,
    ClientClosed,
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
    body: Mapping[str, Any] | None = None

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
        self.base_url = base_url
        self.key = key
        self.closed = False
        self._lent = http_client
        self._own: httpx.AsyncClient | None = None
        self._own_pid = 0
        self._attempts = max(1, options.max_retry) if options else config.MAX_ATTEMPTS
        self._base_delay = options.retry_interval if options else config.RETRY_BASE
        self._attempt_limit = options.timeout if options else config.READ_TIMEOUT

    def _client(self) -> httpx.AsyncClient:
        if self.closed:
            raise ClientClosed
        if self._lent is not None:
            return self._lent
        # a forked child shares the sockets of its parent, so it must not touch that client
        if self._own is None or self._own_pid != os.getpid():
            self._own, self._own_pid = httpx.AsyncClient(), os.getpid()
        return self._own

    async def aclose(self) -> None:
        """Closes the client that was made here; one that was handed in stays open."""
        self.closed = True
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
                if isinstance(failure, AuthenticationError) and call.token is None:
                    failure.remedy = f"The key came {self.key.source}: check it, or give another one."
                wait = delay(attempt, self._base_delay, getattr(failure, "retry_after", None))
                attempt += 1
                tries_left = attempt < self._attempts or call.safety is Safety.INSISTENT
                if not (tries_left and again(failure, call.safety) and time.monotonic() + wait < deadline):
                    raise
                logger.info("%s failed (%s), trying again in %.1f s", call, failure.message, wait)
            await asyncio.sleep(wait)

    async def _once(self, call: Call) -> dict[str, Any]:
        client = self._client()
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
                body = await _read(response, config.BODY_LIMIT)
            finally:
                await response.aclose()
        except httpx.HTTPError as failure:
            raise _no_answer(failure, str(call)) from None
        return envelope(response.status_code, response.headers, body, str(call))

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
        except httpx.HTTPError as failure:
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
        self._client = httpx.Client()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._client.close()

    def stop(self, base_url: str, key: Masked, session_id: str) -> bool:
        """Stops a session by its id (`POST /v1/sessions/stop`); whether the service confirmed it."""
        remaining = self._deadline - time.monotonic()
        if remaining <= 0:
            return False
        try:
            response = self._client.post(
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


def _no_answer(failure: httpx.HTTPError, what: str) -> APIConnectionError:
    sent = not isinstance(failure, NOT_SENT)
    if isinstance(failure, httpx.TimeoutException):
        return APITimeoutError(f"{what} was not answered in time ({type(failure).__name__}).", sent=sent)
    return APIConnectionError(f"{what} got no answer ({type(failure).__name__}: {failure}).", sent=sent)


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
    if 300 <= status_code < 400:
        raise APIResponseError(
            f"{what} answered with a redirect ({status_code}), which is not followed.", remedy="Check the api_url."
        )
    if not 200 <= status_code < 300:
        raise status_error(status_code, decoded, headers, what)
    if not isinstance(decoded, dict) or "data" not in decoded:
        raise APIResponseError(f"{what} answered {status_code} with no envelope.")
    if decoded.get("code") not in SUCCESS_CODES:
        raise status_error(status_code, decoded, headers, what)
    return decoded
