"""The errors of clients, sessions, rooms and widgets. Catch `LiveAvatarException` to catch them all.

    LiveAvatarException
    ├── ConfigurationError            no key, or an invalid URL (also a ValueError)
    ├── InvalidArgument               an argument is invalid (also a ValueError)
    │   └── AudioError                the audio can't be read
    ├── ClientClosed                  the client was closed before the call
    ├── ProtectionError               a start was refused because nothing could stop the session later
    ├── APIConnectionError            the service didn't respond
    │   ├── APITimeoutError           the service didn't respond in time
    │   └── CertificateError          the service's certificate was rejected
    ├── APIResponseError              the response can't be used
    │   ├── SchemaError               a field is missing or has the wrong type
    │   └── APIStatusError            an error response: `status_code`, `code`, `request_id`, `retry_after`
    │       ├── AuthenticationError   401: the key or token is wrong
    │       ├── CreditsError          402, or 403 because credits ran out
    │       ├── ConcurrencyLimitError 403 with code 4003: too many sessions at once
    │       ├── NotFoundError         404
    │       ├── ValidationError       422: `fields` lists the invalid fields
    │       └── RateLimitError        429
    ├── SessionError                  about one session: `session_id`
    │   ├── SessionAlreadyLive        a second start while a session is live
    │   ├── SessionEnded              the session ended before the call: `end_reason`
    │   ├── LoopEnded                 the session's event loop ended; the guard stops the session
    │   ├── AvatarNeverCame           the service never sent `connected`, or the avatar's video never arrived
    │   ├── RoomNotHeld               a conversation needs somebody in the session's room, but the room is empty
    │   ├── WrongMode                 the session's mode, LITE or FULL, doesn't support the call
    │   ├── UtteranceFailed           the avatar didn't speak, or didn't finish
    │   ├── StartOutcomeUnknown       the session may be running and billed; a stop was requested
    │   └── StopNotConfirmed          the service didn't confirm a stop
    ├── ViewError                     a page couldn't do what was requested
    └── SimulatorError                the embedded simulator didn't start

`str(error)` says what happened and what to do about it; `error.remedy` says only what to do.
Two errors are Python's own: `TimeoutError` if a `timeout=` of yours passes, `AttributeError` for an unknown name. And a
`Simulator`'s commands raise `liveavatar_nb.simulator.SimulatorError`, since the simulator shares nothing with clients.
`LiveAvatarWarning` is for calls that are allowed but probably a mistake.
"""

from __future__ import annotations

import contextlib
import contextvars
import sys
import warnings
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Any, Final, NamedTuple

__all__ = [
    "APIConnectionError",
    "APIResponseError",
    "APIStatusError",
    "APITimeoutError",
    "AudioError",
    "AuthenticationError",
    "AvatarNeverCame",
    "CertificateError",
    "ClientClosed",
    "ConcurrencyLimitError",
    "ConfigurationError",
    "CreditsError",
    "InvalidArgument",
    "LiveAvatarException",
    "LiveAvatarWarning",
    "LoopEnded",
    "NotFoundError",
    "ProtectionError",
    "RateLimitError",
    "RoomNotHeld",
    "SchemaError",
    "SessionAlreadyLive",
    "SessionEnded",
    "SessionError",
    "SimulatorError",
    "StartOutcomeUnknown",
    "StopNotConfirmed",
    "UtteranceFailed",
    "ValidationError",
    "ViewError",
    "WrongMode",
]

PACKAGE: Final = __name__.partition(".")[0]
# packages whose frames are skipped, so that a warning points at a line of the user's code
BETWEEN: Final = (PACKAGE, "asyncio", "nest_asyncio", "nest_asyncio2")
CONCURRENCY_CODE: Final = 4003  # the envelope's `code` when too many sessions are running
LONGEST_MESSAGE: Final = 500  # maximum length of a service message quoted in an error, in characters


class LiveAvatarException(Exception):
    """The base class of this package's errors.

    Args:
        message: What happened, in one sentence.
        remedy: What to do about it, in one sentence. Defaults to the class's `default_remedy`.

    Attributes:
        title: The message of an error of this class that was raised without one.
        default_remedy: The remedy of an error of this class that was raised without one.
    """

    title = "Something went wrong"
    default_remedy = ""

    def __init__(self, message: str = "", *, remedy: str | None = None) -> None:
        self.message = message or f"{self.title}."
        self.remedy = self.default_remedy if remedy is None else remedy
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()

    def __reduce__(self) -> tuple[Any, ...]:
        # default pickling can't pass keyword-only arguments
        return _restore, (type(self), self.args, self.__dict__)


def _restore(kind: type[LiveAvatarException], args: tuple[Any, ...], state: dict[str, Any]) -> LiveAvatarException:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class ConfigurationError(LiveAvatarException, ValueError):
    """The client can't be created from these settings."""

    title = "Not set up"


class InvalidArgument(LiveAvatarException, ValueError):
    """An argument of the call is invalid; nothing was sent.

    Attributes:
        field: The argument's name, or its path within a nested body (`avatar_persona.voice_settings.speed`). None
            if the error isn't about one field.
    """

    title = "That can't be used"

    def __init__(self, message: str = "", *, remedy: str | None = None, field: str | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.field = field


class AudioError(InvalidArgument):
    """The audio can't be read; the message says what was found and what is accepted."""

    title = "This audio can't be read"


class ClientClosed(LiveAvatarException):
    """The client was closed before the call."""

    title = "This client is closed"
    default_remedy = "Create a new one."


class ProtectionError(LiveAvatarException):
    """A start was refused because nothing would stop the session if this process died."""

    title = "The session can't be protected"
    default_remedy = "Make the journal's folder writable, or pass allow_unjournaled=True to start anyway."


class APIConnectionError(LiveAvatarException):
    """The service didn't respond.

    Either its host name couldn't be resolved, the connection was refused or cut, or its certificate was invalid.

    Attributes:
        sent: False if it is certain that the request never reached the service.
    """

    title = "The service can't be reached"
    default_remedy = "Check the network and the api_url, then try again."

    def __init__(self, message: str = "", *, remedy: str | None = None, sent: bool = True) -> None:
        super().__init__(message, remedy=remedy)
        self.sent = sent


class APITimeoutError(APIConnectionError):
    """The service didn't respond in time."""

    title = "The service took too long to answer"
    default_remedy = "Try again; if it keeps happening, the service may be down."


class CertificateError(APIConnectionError):
    """The service's certificate was rejected; nothing was sent, and retrying wouldn't help."""

    title = "The service's certificate was rejected"
    default_remedy = (
        "Check this machine's clock and the api_url. If your proxy uses its own certificates, "
        "set SSL_CERT_FILE to its CA file, or pass verify=."
    )


class APIResponseError(LiveAvatarException):
    """The service's response can't be used."""

    title = "The service sent a response that can't be used"
    default_remedy = "Try again; if it keeps happening, this package may be older than the service."


class SchemaError(APIResponseError):
    """A field of the response is missing or has the wrong type; the message names its path."""

    title = "The service's response has an unknown format"


class APIStatusError(APIResponseError):
    """The service responded with an error.

    Attributes:
        status_code: The HTTP status.
        code: The envelope's `code`, or None.
        body: The response's JSON without secrets, or None if it isn't JSON.
        request_id: The service's id for the request, or None.
        retry_after: Seconds to wait before retrying, or None.
    """

    title = "The service refused the request"
    default_remedy = ""

    def __init__(
        self,
        message: str = "",
        *,
        status_code: int,
        code: int | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        body: Any = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.status_code = status_code
        self.code = code
        self.body = body
        self.request_id = request_id
        self.retry_after = retry_after


class AuthenticationError(APIStatusError):
    """401: the API key or the session's token is wrong."""

    title = "The key was rejected"
    default_remedy = "Check LIVEAVATAR_API_KEY, or pass api_key=."


class CreditsError(APIStatusError):
    """402, or 403 because credits ran out."""

    title = "Not enough credits"
    default_remedy = "Add credits, or use the sandbox (is_sandbox=True): free, one minute, one avatar."


class ConcurrencyLimitError(APIStatusError):
    """403 with code 4003: more sessions at once than the plan allows.

    Attributes:
        sessions: The running sessions; each session's `whose` says who started it. Set only if the error comes from a
            client's `start`.
    """

    title = "Too many sessions at once"
    default_remedy = (
        "Stop one first: sessions(active=True) lists them, and stop_orphans() stops those left by dead kernels."
    )
    sessions: Sequence[Any] = ()


class NotFoundError(APIStatusError):
    """404: the requested object doesn't exist."""

    title = "Not found"
    default_remedy = "Check the id."


class ValidationError(APIStatusError):
    """422: a field is invalid.

    Attributes:
        fields: The paths of the invalid fields, e.g. `body.avatar_id`.
    """

    title = "A field is invalid"

    def __init__(self, message: str = "", *, fields: Sequence[str] = (), **status: Any) -> None:
        super().__init__(message, **status)
        self.fields = tuple(fields)


class RateLimitError(APIStatusError):
    """429: too many requests; `retry_after` says how long to wait."""

    title = "Too many requests"
    default_remedy = "Wait a moment and try again."


class SessionError(LiveAvatarException):
    """The base class of errors about one session.

    Attributes:
        session_id: The session's id.
    """

    def __init__(self, message: str = "", *, session_id: str | None, remedy: str | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.session_id = session_id


class SessionAlreadyLive(SessionError):
    """A session is already live, so a second start was refused; nothing was sent."""

    title = "A session is already live"
    default_remedy = (
        "It is in .session. Pass replace=True to stop it first, or concurrent=True to run both (each is billed)."
    )


class SessionEnded(SessionError):
    """The session ended before the call.

    Attributes:
        end_reason: One of the contract's end reasons, or None if it isn't known.
    """

    title = "The session has ended"
    default_remedy = "Start a new one."

    def __init__(self, message: str = "", *, session_id: str | None, end_reason: str | None = None) -> None:
        super().__init__(message, session_id=session_id)
        self.end_reason = end_reason


class LoopEnded(SessionError):
    """The session's event loop ended, so nothing keeps the session alive; the guard stops it."""

    title = "The event loop has ended"
    default_remedy = "Keep the loop running as long as the session: call stop() before it ends, or use `async with`."


class AvatarNeverCame(SessionError):
    """The avatar never connected.

    Either the service never sent `connected` (event `session.state_updated`), and the session was stopped; or
    `wait_for_avatar` saw no video, and the session continues.
    """

    title = "The avatar didn't connect"
    default_remedy = "Try again, or try another avatar."


class RoomNotHeld(SessionError):
    """The session's room is empty and this process can't join it; nothing was sent.

    Conversations go through the room, so somebody has to be in it.
    """

    title = "Nobody is in the session's room"
    default_remedy = (
        'Show the session with view() in a cell, or let this process join the room: pip install "liveavatar-nb[media]".'
    )


class WrongMode(SessionError):
    """The call needs a session in the other mode, LITE or FULL; nothing was sent."""

    title = "Not in this mode"
    default_remedy = (
        "Start a session with a context for a conversation (FULL), or without one for your own audio (LITE)."
    )


class UtteranceFailed(SessionError):
    """The avatar didn't speak, or didn't finish. The text isn't resent, and the session continues."""

    title = "The avatar didn't say it"
    default_remedy = "Try again."


class StartOutcomeUnknown(SessionError):
    """The session may be running and billed, although the start call got no usable response.

    The start call is never resent.

    Attributes:
        confirmed_stopped: Whether the service confirmed that the session isn't running. This value is kept up to date:
            a start can take effect after the stop, so the session is looked up again 10, 30 and 60 s later.
    """

    title = "The start's outcome is unknown"

    def __init__(
        self,
        message: str = "",
        *,
        session_id: str | None,
        remedy: str | None = None,
        confirmed_stopped: bool = False,
    ) -> None:
        super().__init__(message, session_id=session_id, remedy=remedy)
        self.confirmed_stopped = confirmed_stopped


class StopNotConfirmed(SessionError):
    """The service didn't confirm a stop; the session may keep running until it reaches its cap."""

    title = "The stop wasn't confirmed"
    default_remedy = "Call stop() again; if that fails too, the session ends when it reaches its cap."


class ViewError(LiveAvatarException):
    """A page couldn't do what was requested.

    Either no page is showing the view, there is no video yet, or the page didn't respond.
    """

    title = "The view can't do that now"


class SimulatorError(LiveAvatarException):
    """The embedded simulator didn't start."""

    title = "The simulator didn't start"


class LiveAvatarWarning(UserWarning):
    """A call is allowed but probably a mistake; the warning says what to do instead."""


_is_quiet: contextvars.ContextVar[bool] = contextvars.ContextVar("is_quiet", default=False)


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Suppress warnings inside this block."""
    token = _is_quiet.set(True)
    try:
        yield
    finally:
        _is_quiet.reset(token)


class CallSite(NamedTuple):
    """The line of the user's code that called this package.

    No frame is stored, so none of the caller's objects are kept alive.
    """

    filename: str
    line: int
    module: str
    registry: dict[Any, Any]  # that module's `__warningregistry__`


_called_at: contextvars.ContextVar[CallSite | None] = contextvars.ContextVar("called_at", default=None)


def calling_context() -> contextvars.Context:
    """Return a copy of the current context; in the copy, warnings point at the current line of the user's code."""
    context = contextvars.copy_context()
    context.run(_called_at.set, _call_site())
    return context


def warn(message: str) -> None:
    """Issue a warning that points at the user's code, whichever API or thread the call came through."""
    if _is_quiet.get():
        return
    at = _call_site()
    warnings.warn_explicit(message, LiveAvatarWarning, at.filename, at.line, at.module, at.registry)


def _call_site() -> CallSite:
    frame, recorded = sys._getframe(1), _called_at.get()
    while frame.f_back is not None and (package := _module(frame).partition(".")[0]) in BETWEEN:
        if package != PACKAGE and recorded is not None:
            # we are inside an event loop, so the caller isn't on this stack
            return recorded
        frame = frame.f_back
    registry = frame.f_globals.setdefault("__warningregistry__", {})
    return CallSite(frame.f_code.co_filename, frame.f_lineno, _module(frame), registry)


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__") or "")


def status_error(
    status_code: int, body: Any, call: str, *, request_id: str | None = None, retry_after: float | None = None
) -> APIStatusError:
    """Return the exception for an error response.

    Args:
        status_code: The HTTP status.
        body: The decoded JSON without secrets (the contract's `Failure` or `ValidationError`), or None if the body
            isn't JSON.
        call: The call's name, used in the message, e.g. "POST /v1/sessions/token".
        request_id: The service's id for the request.
        retry_after: The number of seconds that the service asks us to wait.
    """
    envelope = body if isinstance(body, dict) else {}
    code = envelope.get("code") if isinstance(envelope.get("code"), int) else None
    reason = envelope.get("message") if isinstance(envelope.get("message"), str) else None
    status: dict[str, Any] = {
        "status_code": status_code,
        "code": code,
        "request_id": request_id,
        "retry_after": retry_after,
        "body": body,
    }
    answered = f"{call} returned {status_code}"
    message = f"{_shorten(reason).rstrip('.')} ({answered})." if reason else f"{answered}."
    if status_code == 422:
        fields, details = _invalid_fields(envelope.get("detail"))
        message = f"{call} rejected a field: {_shorten(details or reason or 'the service did not say which')}."
        return ValidationError(message, fields=fields, **status)
    if status_code == 401:
        return AuthenticationError(message, **status)
    if status_code == 403 and code == CONCURRENCY_CODE:
        return ConcurrencyLimitError(message, **status)
    if status_code == 402 or (status_code == 403 and "credit" in (reason or "").lower()):
        return CreditsError(message, **status)
    kinds: dict[int, type[APIStatusError]] = {404: NotFoundError, 429: RateLimitError}
    if status_code >= 500:
        status["remedy"] = "The service is having problems. Try again in a moment."
    if status_code == 429 and retry_after is not None:
        status["remedy"] = f"Try again in {retry_after:g} s."
    return kinds.get(status_code, APIStatusError)(message, **status)


def _invalid_fields(detail: Any) -> tuple[list[str], str]:
    """Return the paths of the fields that a 422 response names, and a description of what is wrong with them."""
    entries = [entry for entry in detail if isinstance(entry, dict)] if isinstance(detail, list) else []
    fields = []
    for entry in entries:
        path = entry.get("loc")
        fields.append(".".join(str(part) for part in path) if isinstance(path, list) else "a field")
    return fields, "; ".join(f"{field}: {entry.get('msg')}" for field, entry in zip(fields, entries, strict=True))


def _shorten(text: str) -> str:
    return text if len(text) <= LONGEST_MESSAGE else f"{text[:LONGEST_MESSAGE]}..."
