"""Records of the contract: what the service sends back, typed.

Fields that a newer service adds are kept in `extra`; values of enums are plain text, so that a new one is
no error. A required field that is missing or of another type is a `SchemaError` that names its path.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from .errors import SchemaError


class Record(msgspec.Struct, kw_only=True, dict=True):
    """The base of all records."""

    @property
    def extra(self) -> dict[str, Any]:
        """What the service sent beyond the contract."""
        kept: dict[str, Any] = self.__dict__.get("_extra", {})
        return kept

    def to_dict(self) -> dict[str, Any]:
        """The record as plain data, with what the service sent beyond the contract."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return {**plain, **self.extra}


R = TypeVar("R", bound=Record)


class VoiceName(Record):
    """A voice by id and name (schema `VoiceName`)."""

    id: str
    name: str


class Avatar(Record):
    """An avatar (schema `Avatar`; `GET /v1/avatars`, `GET /v1/avatars/public`)."""

    id: str
    name: str
    created_at: datetime
    updated_at: datetime
    error_message: str | None
    type: str = "VIDEO"
    status: str = "INIT"
    space_id: str | None = None
    preview_url: str | None = None
    is_expired: bool = False
    default_voice: VoiceName | None = None
    is_1080p: bool = False

    @property
    def is_usable(self) -> bool:
        """Whether a session can be started with it: only ACTIVE ones that have not expired."""
        return self.status == "ACTIVE" and not self.is_expired

    def __repr__(self) -> str:
        state = "" if self.is_usable else ", expired" if self.is_expired else f", {self.status}"
        return f"<Avatar {self.name!r} {self.id}{state}>"


class SessionRecord(Record):
    """A session as the service's list has it (schemas `ActiveSession`, `HistoricSession`).

    `duration` is in seconds, `credits_consumed` in credits; `end_at` and `end_reason` are there once it ended.
    """

    id: str
    created_at: datetime
    updated_at: datetime
    duration: int
    source: str
    mode: str
    is_sandbox: bool
    credits_consumed: float
    end_at: datetime | None = None
    end_reason: str | None = None

    def __repr__(self) -> str:
        life = f"ended, {self.end_reason}" if self.end_at else "active"
        return f"<SessionRecord {self.id} {self.mode} {life}, {self.duration} s, {self.credits_consumed:g} credits>"


class SessionToken(Record):
    """A session that may be started (schema `SessionToken`); nothing is billed yet. The token is not shown."""

    session_id: str
    session_token: str

    def __repr__(self) -> str:
        return f"<SessionToken for {self.session_id}>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("session_id", self.session_id)]


class StartedSession(Record):
    """A session that was started (schema `StartedSession`). Tokens and the socket's address are not shown."""

    session_id: str
    livekit_url: str | None
    livekit_client_token: str | None
    livekit_agent_token: str | None = None
    max_session_duration: int | None = None
    ws_url: str | None = None

    def __repr__(self) -> str:
        return f"<StartedSession {self.session_id}>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("session_id", self.session_id)]


class Credits(Record):
    """What is left on the account (schema `Credits`), in credits."""

    credits_left: Decimal


def decode(kind: type[R], data: Any, what: str) -> R:
    """`data` of an answer as a record.

    Args:
        kind: the record's class.
        data: decoded JSON.
        what: the call in words, for the error.

    Raises:
        SchemaError: a required field is missing or of the wrong type; the message names it.
    """
    try:
        record = msgspec.convert(data, kind, strict=True)
    except msgspec.ValidationError as error:
        told = str(error)
        del data  # a traceback that shows local variables must not show tokens
        raise SchemaError(f"{what} answered in an unknown form: {told}.") from None
    known = {field.encode_name for field in msgspec.structs.fields(kind)}
    if unknown := {name: value for name, value in data.items() if name not in known}:
        record.__dict__["_extra"] = unknown
    return record
