"""`Transport`: sends calls over HTTP and retries those that are safe to send again."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
import time
import zlib
from collections.abc import AsyncIterable, Mapping
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

import httpx
from msgspec import Struct
from msgspec.structs import replace

from .. import config
from ..concurrency.loops import EndingLoop
from ..config import Masked
from ..errors import (
    APIConnectionError,
    APIResponseError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    CertificateError,
    ClientClosed,
    ConfigurationError,
    InvalidArgument,
    LiveAvatarException,
    status_error,
)
from ..masking import secrets_in, without_secrets
from ..wirelog.exchange import Exchange
from ..wirelog.log import Wire
from .connection import CredentialAuth
from .envelope import envelope
from .libraries import classes
from .network import Network
from .retry import ConnectOptions, Policy, Safety

if TYPE_CHECKING:
    import httpx2

logger = logging.getLogger("liveavatar_nb.transport")

ENCODINGS: Final = {"identity": 0, "gzip": 31, "x-gzip": 31, "deflate": 47}  # zlib's window bits for each encoding
HEADERS: Final = {"accept": "application/json", "accept-encoding": "gzip"}
GIVE_SECRETS: Final = ("/v1/sessions/token", "/v1/sessions/start")
# the exceptions of an HTTP library that mean that the request was not sent
NOT_SENT: Final = ("ConnectError", "ConnectTimeout", "LocalProtocolError", "PoolTimeout", "UnsupportedProtocol")


class Call(Struct, frozen=True):
    """One call to the API.

    Args:
        method: The HTTP method.
        path: The path, beginning with `/v1`.
        safety: Whether the call may be sent more than once.
        token: A session's token; without one, the API key is the credential.
        signed: Whether the call needs a credential.
        query: The query parameters; None values are left out.
        body: The JSON body; None for no body.
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

    # without the body, which may hold secrets
    def __repr__(self) -> str:
        return f"<Call {self}>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("call", str(self))]


class _Progress:
    """An httpx trace hook that tracks how far a request got."""

    is_connecting = False

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        self.is_connecting = event.startswith("connection.")


class Transport:
    """Sends calls and decodes the envelopes of their responses.

    Args:
        base_url: The service's URL, without `/v1`.
        key: The API key.
        http_client: The caller's own `AsyncClient` of httpx or httpx2, which isn't closed here. By default, the
            transport creates its own clients.
        options: The number of attempts, the base delay, and the time limit of each attempt. Defaults to `Policy`'s.
        network: The proxies and certificates. Defaults to the environment's.
    """

    def __init__(
        self,
        base_url: str,
        key: Masked,
        *,
        http_client: httpx.AsyncClient | httpx2.AsyncClient | None = None,
        options: ConnectOptions | None = None,
        network: Network | None = None,
    ) -> None:
        if http_client is not None and not isinstance(http_client, classes("AsyncClient")):
            kind = f"{type(http_client).__module__}.{type(http_client).__name__}"
            raise InvalidArgument(f"The HTTP client must be an AsyncClient of httpx or httpx2, not {kind}.")
        if not key.fits_a_header:
            raise ConfigurationError(
                f"The API key {key.source} contains characters that aren't allowed in a key.", remedy="Copy it again."
            )
        self.base_url = base_url
        self.key = key
        self.network = network or Network.of()
        self.closed = False
        self.last: Exchange | None = None
        self.wire = Wire()
        self._policy = Policy.of(options)
        self._lent = cast("httpx.AsyncClient | None", http_client)  # httpx2's has the same methods
        self._own: dict[asyncio.AbstractEventLoop, dict[str, httpx.AsyncClient]] = {}  # our clients, by loop and URL
        self._process = os.getpid()
        self._closing: set[asyncio.Future[None]] = set()

    def _client(self, url: str, safety: Safety = Safety.REPEATABLE) -> httpx.AsyncClient:
        """Return the client to use for URLs that begin with `url`."""
        lent_is_open = self._lent is not None and not self._lent.is_closed
        if self._lent is not None and lent_is_open and not self.closed:
            return self._lent
        # a stop must go out even if the caller has closed the client
        if (self.closed or self._lent is not None) and safety is not Safety.INSISTENT:
            raise ClientClosed
        # a call that must not be sent twice gets a new connection, since a pooled one may already be dead
        if safety is Safety.ONCE:
            return self._new_client(url)
        own = self._clients_of_loop()
        if url not in own:
            own[url] = self._new_client(url)
        return own[url]

    def _clients_of_loop(self) -> dict[str, httpx.AsyncClient]:
        """Return our own clients for the running loop, since a client's connections work on one loop only."""
        if self._process != os.getpid():
            # a forked child must not touch the sockets that it shares with its parent
            self._own, self._process = {}, os.getpid()
        loop = asyncio.get_running_loop()
        if loop not in self._own:
            for other in list(self._own):
                if other.is_closed():
                    self._own.pop(other, None)
            self._own[loop] = {}
            if isinstance(loop, EndingLoop):
                loop.at_end(self._close_own)
        return self._own[loop]

    def _new_client(self, url: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(**self.network.for_http(url), headers=HEADERS)

    @property
    def is_out_of_reach(self) -> bool:
        """Whether the caller's client uses a custom transport, which no other process can recreate."""
        if self._lent is None:
            return False
        # httpx offers no public access to a client's transports
        transports = [getattr(self._lent, "_transport", None), *getattr(self._lent, "_mounts", {}).values()]
        ordinary = classes("AsyncHTTPTransport")
        return any(item is not None and type(item) not in ordinary for item in transports)

    @property
    def caveat(self) -> str:
        """What can't be passed to another process, phrased for an error message; empty if everything can be passed."""
        if self.is_out_of_reach:
            return "http_client uses a custom transport, which can't be passed to another process"
        if self._lent is not None:
            return "the proxy, certificates and headers of http_client can't be passed to another process"
        return self.network.caveat

    async def aclose(self) -> None:
        """Close the HTTP clients created on this loop; the caller's own stays open."""
        self.closed = True
        await self._close_own()

    async def _close_own(self) -> None:
        if self._process == os.getpid():
            for client in self._own.pop(asyncio.get_running_loop(), {}).values():
                await client.aclose()

    async def send(self, call: Call) -> dict[str, Any]:
        """Send a call, retry it as the policy allows, and return the decoded envelope.

        Raises:
            APIConnectionError, APITimeoutError, APIResponseError, APIStatusError: See `errors`.
        """
        now = asyncio.get_running_loop().time
        limit = self._policy.limit(call.safety)
        deadline = now() + limit
        attempt = 0
        while True:
            attempt += 1
            try:
                async with asyncio.timeout_at(deadline):
                    return await self._attempt(call, deadline)
            except TimeoutError:
                raise APITimeoutError(f"{call} got no response within {limit:g} s.") from None
            except LiveAvatarException as failure:
                if call.token is not None and _may_use_key(call) and _is_refused(failure):
                    call = replace(call, token=None)
                    continue
                if isinstance(failure, AuthenticationError):
                    failure.remedy = self._credential_remedy(call)
                wait = self._policy.wait(failure, call.safety, attempt, deadline - now())
                if wait is None:
                    raise
                logger.info("%s failed (%s), retrying in %.1f s", call, failure.message, wait)
            await asyncio.sleep(wait)

    def _credential_remedy(self, call: Call) -> str:
        if call.token is not None:
            return "The session's own token was rejected: start a new session."
        return f"The key came {self.key.source}: check it, or pass another one."

    async def _attempt(self, call: Call, deadline: float) -> dict[str, Any]:
        client = self._client(self.base_url, call.safety)
        step_limit = self._policy.attempt_limit or config.READ_TIMEOUT  # of connecting, reading, writing and waiting
        request = client.build_request(
            call.method,
            self.base_url + call.path,
            params={name: value for name, value in (call.query or {}).items() if value is not None} or None,
            json=call.body,
            # our own clients send these headers by default, which is faster
            headers=HEADERS if client is self._lent else None,
            timeout=(min(config.CONNECT_TIMEOUT, step_limit), step_limit, step_limit, step_limit),
        )
        exchange = self.last = Exchange(
            call.method,
            str(request.url),
            None if not call.signed else "bearer" if call.token else "key",
            call.body,
            sent_size=0 if call.body is None else int(request.headers["content-length"]),
        )
        mark_changed = self.wire.add(exchange)
        try:
            # don't assign the body to a variable, to keep tokens out of tracebacks that print local variables
            return envelope(
                *await self._exchange(call, client, request, exchange),
                str(call),
                lambda data: without_secrets(data, self._secrets(call)),
                keep=lambda data: self._keep(exchange, data, call),
            )
        except LiveAvatarException as failure:
            exchange.error = failure.message
            raise
        except asyncio.CancelledError:
            is_late = asyncio.get_running_loop().time() >= deadline
            exchange.error = "It wasn't answered in time." if is_late else "It was cancelled."
            raise
        finally:
            mark_changed()

    async def _exchange(
        self, call: Call, client: httpx.AsyncClient, request: httpx.Request, exchange: Exchange
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Send the call once and return the response's status, headers and body."""
        progress = _Progress()
        if self._policy.attempt_limit:
            # tracing is slow, and only needed if the caller's time limit can interrupt a connection attempt
            request.extensions["trace"] = progress
        credential = (call.token or self.key) if call.signed else None
        auth = None if credential is None else CredentialAuth(credential, bearer=call.token is not None)
        began = time.perf_counter()
        failure: BaseException
        try:
            async with asyncio.timeout(self._policy.attempt_limit):
                response = await client.send(request, auth=auth, stream=True, follow_redirects=False)
                try:
                    exchange.status = response.status_code
                    exchange.request_id = response.headers.get("x-request-id")
                    exchange.size = response.num_bytes_downloaded
                    return response.status_code, response.headers, await _read(response, config.BODY_LIMIT, exchange)
                finally:
                    await self._close(response)
        except LiveAvatarException:
            raise
        except TimeoutError:
            limit = self._policy.attempt_limit
            when = "in time" if limit is None else f"within {limit:g} s"
            failure = APITimeoutError(f"{call} got no response {when}.", sent=not progress.is_connecting)
        except asyncio.CancelledError as cancelled:
            # keep the message, because anyio's cancel scopes use it to recognise their own cancellations
            failure = asyncio.CancelledError(*cancelled.args)
        except Exception as error:  # noqa: BLE001 (hooks of the caller's client may raise anything)
            failure = _no_answer(error, str(call))
        finally:
            exchange.seconds = time.perf_counter() - began
            if call.safety is Safety.ONCE and client is not self._lent:
                await client.aclose()
            if self.closed:
                await self._close_own()
        # raise a new error, because the frames of the original one hold the request's headers
        raise failure

    async def _close(self, response: httpx.Response) -> None:
        """Close a response completely, even if the call is cancelled in the meantime.

        httpcore protects closing from anyio's cancel scopes, but not from `Task.cancel()`. Such a
        cancellation would leave the socket open and the connection in the pool, marked as in use.
        """
        closing = asyncio.ensure_future(response.aclose())
        self._closing.add(closing)  # a loop holds only weak references to its tasks
        closing.add_done_callback(self._closing.discard)
        await asyncio.shield(closing)

    def _keep(self, exchange: Exchange, answer: Any, call: Call) -> None:
        """Log the response, and remember any session secrets that it contains."""
        exchange.keep_answer(answer, self._secrets(call))
        data = answer.get("data") if call.path in GIVE_SECRETS and isinstance(answer, dict) else None
        if isinstance(data, dict) and isinstance(session_id := data.get("session_id"), str):
            self.wire.hide(session_id, secrets_in(data))

    def _secrets(self, call: Call) -> list[str]:
        """Return a request's secrets, which must be masked if the response quotes them."""
        return [self.key.reveal(), call.token.reveal() if call.token else "", *secrets_in(call.body)]

    async def fetch(self, url: str) -> tuple[str, bytes]:
        """Fetch a picture without sending a credential, and return its media type and bytes.

        Raises:
            APIConnectionError, APIStatusError, APIResponseError: As for `send`.
        """
        call = "GET of a picture"
        try:
            client = self._client("{0.scheme}://{0.netloc}".format(urlsplit(url)))
            # auth=None keeps httpx from sending credentials from the caller's client or .netrc
            request = client.build_request("GET", url, headers={"accept": "*/*"}, timeout=config.READ_TIMEOUT)
            async with asyncio.timeout(config.TOTAL_TIMEOUT):
                response = await client.send(request, auth=None, stream=True, follow_redirects=False)
                try:
                    body = await _read(response, config.PICTURE_LIMIT)
                finally:
                    await self._close(response)
        except LiveAvatarException:
            raise
        except TimeoutError:
            raise APITimeoutError(f"{call} got no response within {config.TOTAL_TIMEOUT:g} s.") from None
        except Exception as failure:  # noqa: BLE001 (as for `send`)
            raise _no_answer(failure, call) from None
        if response.status_code != 200:
            raise status_error(response.status_code, None, call)
        return response.headers.get("content-type", "application/octet-stream").split(";")[0], body


async def _read(response: httpx.Response, limit: int, exchange: Exchange | None = None) -> bytes:
    """Return the decompressed body if it has at most `limit` bytes, and count the bytes received in `exchange`.

    A small body may decompress to gigabytes, so decompression stops at the limit.
    """
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ENCODINGS:
        raise APIResponseError(f"The service's response is encoded as {encoding[:20]!r}, which was not requested.")
    body = await _decompress(response, ENCODINGS[encoding], limit + 1, exchange)
    if body is None:
        raise APIResponseError(f"The service's response could not be decompressed ({encoding}).")
    if len(body) > limit:
        del body  # keep tokens out of tracebacks that print local variables
        raise APIResponseError(f"The service's response is larger than {limit // 1024} KiB.")
    return body


async def _decompress(response: httpx.Response, window: int, limit: int, exchange: Exchange | None) -> bytes | None:
    """Return the decompressed body, or at least its first `limit` bytes; None if it is corrupt."""
    decompress = zlib.decompressobj(window).decompress if window else None
    body = bytearray()
    if response.is_stream_consumed:
        # the caller's client may have read the response already, e.g. with a mock transport
        return response.content
    # `aiter_raw` would close the response itself at the end, and a cancellation could interrupt that (see `_close`)
    async for piece in cast("AsyncIterable[bytes]", response.stream):
        if exchange is not None:
            exchange.size = (exchange.size or 0) + len(piece)
        try:
            body += piece if decompress is None else decompress(piece, limit - len(body))
        except zlib.error:
            return None
        if len(body) >= limit:
            break
    return bytes(body)


def _no_answer(failure: Exception, call: str) -> APIConnectionError:
    sent = not isinstance(failure, classes(*NOT_SENT))
    kind = type(failure).__name__
    if isinstance(failure, classes("TimeoutException")):
        return APITimeoutError(f"{call} got no response in time ({kind}).", sent=sent)
    if (certificate := _certificate_error(failure)) is not None:
        reason = getattr(certificate, "verify_message", "") or type(certificate).__name__
        return CertificateError(f"{call} failed: the service's certificate was rejected ({reason}).", sent=False)
    # only a connection error's message is safe to quote; others may contain a header
    reason = f"{kind}: {failure}" if isinstance(failure, classes("ConnectError")) else kind
    return APIConnectionError(f"{call} got no response ({reason}).", sent=sent)


def _certificate_error(failure: BaseException) -> ssl.SSLCertVerificationError | None:
    cause: BaseException | None = failure
    while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
        cause = cause.__cause__ or cause.__context__
    return cause


def _may_use_key(call: Call) -> bool:
    """Return whether the call is a stop that names its session; only then may the API key replace the token."""
    return call.safety is Safety.INSISTENT and "session_id" in (call.body or {})


def _is_refused(failure: LiveAvatarException) -> bool:
    return isinstance(failure, APIStatusError) and failure.status_code in (401, 403)
