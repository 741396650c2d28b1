"""The service's operations, one method each, typed: `api.sessions`, `api.avatars`, `api.credits`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeVar

from .config import Masked
from .errors import (
    APIConnectionError,
    APIResponseError,
    APIStatusError,
    InvalidArgument,
    LiveAvatarException,
    SchemaError,
    StartOutcomeUnknown,
)
from .listing import Listing, Page
from .models import Avatar, Credits, Record, SessionRecord, SessionToken, StartedSession, decode
from .retry import Safety
from .transport import Call, Transport

PAGE_SIZE_LIMIT = 100  # items of a page, by the contract

VideoQuality = Literal["very_high", "high", "medium", "low"]
VideoEncoding = Literal["VP8", "H264"]
EndReason = Literal[
    "UNKNOWN", "USER_DISCONNECTED", "SERVER_ERROR", "IDLE_TIMEOUT", "NO_CREDITS", "USER_CLOSED",
    "AVATAR_DELETED", "MAX_DURATION_REACHED", "ZOMBIE_SESSION_REAP", "AGENT_HANG_UP",
]  # fmt: skip

R = TypeVar("R", bound=Record)


class _Resource:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def _get(self, kind: type[R], path: str) -> R:
        call = Call("GET", path)
        return decode(kind, (await self._transport.send(call))["data"], str(call))

    def _pages(
        self, kind: type[R], path: str, page_size: int, *, signed: bool = True, **query: Any
    ) -> Callable[[int], Awaitable[Page[R]]]:
        if not 1 <= page_size <= PAGE_SIZE_LIMIT:
            raise InvalidArgument(f"page_size must be 1 to {PAGE_SIZE_LIMIT}, not {page_size}.")

        async def fetch(number: int) -> Page[R]:
            call = Call("GET", path, query={"page": number, "page_size": page_size, **query}, signed=signed)
            data = (await self._transport.send(call))["data"]
            if not isinstance(data, dict) or not isinstance(data.get("results"), list):
                raise SchemaError(f"{call} answered in an unknown form: there is no list at `$.results`.")
            items = [decode(kind, item, str(call)) for item in data["results"]]
            return Page(items, data.get("count", len(items)), bool(data.get("next")))

        return fetch


class Sessions(_Resource):
    """`/v1/sessions`: tokens, start, stop, keep-alive, lists."""

    def list(
        self,
        *,
        type: Literal["active", "historic"] = "active",  # noqa: A002 (the contract's name)
        page_size: int = 20,
        avatar_id: str | None = None,
        embed_id: str | None = None,
        context_id: str | None = None,
    ) -> Listing[SessionRecord]:
        """Sessions of the account (`GET /v1/sessions`).

        Args:
            type: those that run, or those that ended.
            page_size: 1 to 100.
            avatar_id, embed_id, context_id: only those with that one.
        """
        if type not in ("active", "historic"):
            raise InvalidArgument(f"type must be 'active' or 'historic', not {type!r}.")
        return Listing(
            self._pages(
                SessionRecord, "/v1/sessions", page_size,
                type=type, avatar_id=avatar_id, embed_id=embed_id, context_id=context_id,
            )
        )  # fmt: skip

    async def get(self, session_id: str) -> SessionRecord:
        """One session, running or ended (`GET /v1/sessions/{session_id}`)."""
        return await self._get(SessionRecord, f"/v1/sessions/{session_id}")

    async def create_token(self, **body: Any) -> SessionToken:
        """A session that may be started (`POST /v1/sessions/token`); nothing is billed yet.

        Args:
            body: the fields of the contract's `LiteToken` or `FullToken`.
        """
        call = Call("POST", "/v1/sessions/token", body=body)
        return decode(SessionToken, (await self._transport.send(call))["data"], str(call))

    async def start(self, session_id: str, session_token: Masked) -> StartedSession:
        """Starts a session (`POST /v1/sessions/start`): billing begins.

        Sent again only where it surely was not processed.

        Args:
            session_id: from `create_token`.
            session_token: from `create_token`.

        Raises:
            StartOutcomeUnknown: it may be billed; stop it by its id.
        """
        try:
            return decode(
                StartedSession, (await self.send_start(session_id, session_token))["data"], "POST /v1/sessions/start"
            )
        except SchemaError as failure:
            raise _unknown(failure, session_id) from None

    async def send_start(self, session_id: str, session_token: Masked) -> dict[str, Any]:
        """As `start`, with the envelope as it came."""
        body = {"session_id": session_id}
        call = Call("POST", "/v1/sessions/start", Safety.ONCE, token=session_token, body=body)
        try:
            return await self._transport.send(call)
        except (APIConnectionError, APIResponseError) as failure:
            if surely_not_started(failure):
                raise
            raise _unknown(failure, session_id) from None

    async def stop(
        self,
        session_id: str,
        *,
        reason: EndReason = "USER_CLOSED",
        session_token: Masked | None = None,
        limit: float | None = None,
    ) -> None:
        """Stops a session (`POST /v1/sessions/stop`), signed by its token where given, else by the API key.

        Args:
            session_id: which.
            reason: the contract's end reason.
            session_token: the session's own token.
            limit: seconds for all attempts.
        """
        body = {"session_id": session_id, "reason": reason}
        call = Call("POST", "/v1/sessions/stop", Safety.INSISTENT, token=session_token, body=body)
        await self._transport.send(call, **({} if limit is None else {"limit": limit}))

    async def keep_alive(self, session_id: str, *, session_token: Masked | None = None) -> None:
        """Resets a session's idle timer (`POST /v1/sessions/keep-alive`)."""
        body = {"session_id": session_id}
        await self._transport.send(Call("POST", "/v1/sessions/keep-alive", token=session_token, body=body))


def surely_not_started(failure: LiveAvatarException) -> bool:
    """Whether a start call that failed so cannot have been applied: it never left, or the service refused it."""
    if isinstance(failure, APIConnectionError):
        return not failure.sent
    if isinstance(failure, APIStatusError):
        return 400 <= failure.status_code < 500 and failure.status_code not in (408, 409)
    return False


def _unknown(failure: LiveAvatarException, session_id: str) -> StartOutcomeUnknown:
    return StartOutcomeUnknown(
        f"The start of session {session_id} may have been applied: {failure.message}",
        session_id=session_id,
        remedy="It is not sent again; stop it by its id.",
    )


class Avatars(_Resource):
    """`/v1/avatars`: the account's own, and those that all may use."""

    def list(self, *, page_size: int = 100) -> Listing[Avatar]:
        """The account's own avatars (`GET /v1/avatars`)."""
        return Listing(self._pages(Avatar, "/v1/avatars", page_size))

    def public(self, *, page_size: int = 100) -> Listing[Avatar]:
        """Avatars that all may use (`GET /v1/avatars/public`)."""
        return Listing(self._pages(Avatar, "/v1/avatars/public", page_size, signed=False))

    async def get(self, avatar_id: str) -> Avatar:
        """One avatar (`GET /v1/avatars/{avatar_id}`)."""
        return await self._get(Avatar, f"/v1/avatars/{avatar_id}")


class AccountCredits(_Resource):
    """`/v1/users/credits`."""

    async def get(self) -> Credits:
        """What is left on the account (`GET /v1/users/credits`)."""
        return await self._get(Credits, "/v1/users/credits")
