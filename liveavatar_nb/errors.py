"""Everything that can go wrong, as one tree; catch `LiveAvatarException` and you have caught it all.

    LiveAvatarException
    ├── ConfigurationError            no key, a URL that is none (also a ValueError)
    ├── InvalidArgument               an argument that the call cannot use (also a ValueError)
    │   └── AudioError                a sound that cannot be read
    ├── ClientClosed                  the client was closed before the call
    ├── ProtectionError               a start was refused: a dead kernel would have left the session billed
    ├── APIConnectionError            no answer came
    │   ├── APITimeoutError           none came in time
    │   └── CertificateError          the service's certificate was not accepted
    ├── APIResponseError              an answer that cannot be used
    │   ├── SchemaError               a field of it is missing or of the wrong type
    │   └── APIStatusError            it says no: `status_code`, `code`, `request_id`, `retry_after`
    │       ├── AuthenticationError   401: the key or token is wrong
    │       ├── CreditsError          402, or 403 for want of credits
    │       ├── ConcurrencyLimitError 403 with code 4003: too many sessions at once
    │       ├── NotFoundError         404
    │       ├── ValidationError       422: `fields` names what is wrong
    │       └── RateLimitError        429
    ├── SessionError                  about one session: `session_id`
    │   ├── SessionAlreadyLive        a second start while one is live
    │   ├── SessionEnded              it ended before the call: `end_reason`
    │   ├── LoopEnded                 the event loop that it lived on ended; the guard stops it
    │   ├── AvatarNeverCame           the service never said `connected`, or its video did not come
    │   ├── RoomNotHeld               nobody is in the session's room, by which a conversation goes
    │   ├── WrongMode                 the session's mode, LITE or FULL, does not have it
    │   ├── UtteranceFailed           what was to be said was not, or not to its end
    │   ├── StartOutcomeUnknown       a start that may have been billed: it was stopped by its id
    │   └── StopNotConfirmed          a stop that the service did not confirm
    ├── ViewError                     a page did not do what was asked of it
    └── SimulatorError                the embedded simulator did not come up

`str(error)` is what happened and what to do about it; `error.remedy` is the second half alone.
What is allowed, and still likely not meant, is a `LiveAvatarWarning`.
"""

from __future__ import annotations

import contextlib
import contextvars
import sys
import warnings
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Any, Final, NamedTuple

PACKAGE: Final = __name__.partition(".")[0]
# packages whose lines stand between a user's and a warning
BETWEEN: Final = (PACKAGE, "asyncio", "nest_asyncio", "nest_asyncio2")
CONCURRENCY_CODE: Final = 4003  # the envelope's code for too many sessions at once
LONGEST_MESSAGE: Final = 500  # characters of the service's own words in an error


class LiveAvatarException(Exception):
    """The base of all errors of this package.

    Args:
        message: what happened, one sentence.
        remedy: what to do about it, one sentence; the class's own when not given.
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
        # what has keywords only cannot be made again by its arguments
        return _revived, (type(self), self.args, self.__dict__)


def _revived(kind: type[LiveAvatarException], args: tuple[Any, ...], state: dict[str, Any]) -> LiveAvatarException:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class ConfigurationError(LiveAvatarException, ValueError):
    """The client cannot be made from what it was given."""

    title = "Not set up"


class InvalidArgument(LiveAvatarException, ValueError):
    """An argument that the call cannot use; nothing was sent.

    Attributes:
        field: its name, with its path in a nested body as in `avatar_persona.voice_settings.speed`; None where
            it is not about one.
    """

    title = "That cannot be used"

    def __init__(self, message: str = "", *, remedy: str | None = None, field: str | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.field = field


class AudioError(InvalidArgument):
    """A sound that cannot be read; the message names what was found and what is accepted."""

    title = "This sound cannot be read"


class ClientClosed(LiveAvatarException):
    """The client was closed before the call."""

    title = "This client is closed"
    default_remedy = "Make a new one."


class ProtectionError(LiveAvatarException):
    """A start was refused because nothing would stop the session if this process died; nothing was started."""

    title = "The session could not be protected"
    default_remedy = "See to the journal's folder, or allow it by allow_unjournaled=True."


class APIConnectionError(LiveAvatarException):
    """No answer came: a name that does not resolve, a refused or cut connection, a bad certificate.

    `sent` is False where the request surely never reached the service.
    """

    title = "The service cannot be reached"
    default_remedy = "Check the network and the api_url, then try again."

    def __init__(self, message: str = "", *, remedy: str | None = None, sent: bool = True) -> None:
        super().__init__(message, remedy=remedy)
        self.sent = sent


class APITimeoutError(APIConnectionError):
    """No answer came in time."""

    title = "The service took too long to answer"
    default_remedy = "Try again; if it stays so, the service may be down."


class CertificateError(APIConnectionError):
    """The service's certificate was not accepted; nothing was sent, and trying again would not help."""

    title = "The service's certificate was not accepted"
    default_remedy = (
        "Check this machine's clock and the api_url; behind a proxy with certificates of its own, "
        "name its authority in SSL_CERT_FILE, or by verify=."
    )


class APIResponseError(LiveAvatarException):
    """An answer came that cannot be used."""

    title = "The service gave an answer that cannot be used"
    default_remedy = "Try again; if it stays so, this package may be older than the service."


class SchemaError(APIResponseError):
    """A field of an answer is missing or of the wrong type; the message names its path."""

    title = "The service answered in an unknown form"


class APIStatusError(APIResponseError):
    """The service said no.

    Attributes:
        status_code: the HTTP status.
        code: the envelope's `code`, or None.
        body: the answer's JSON without secrets; None where it was no JSON.
        request_id: the service's id of the request, or None.
        retry_after: seconds to wait before trying again, or None.
    """

    title = "The service refused"
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

    title = "The key was not accepted"
    default_remedy = "Check LIVEAVATAR_API_KEY, or pass api_key=."


class CreditsError(APIStatusError):
    """402, or 403 for want of credits."""

    title = "Not enough credits"
    default_remedy = "Add credits, or use the sandbox (is_sandbox=True): free, one minute, one avatar."


class ConcurrencyLimitError(APIStatusError):
    """403 with code 4003: more sessions at once than the plan allows.

    Attributes:
        sessions: those that run, each with `whose`; where a client's `start` raised it.
    """

    title = "Too many sessions at once"
    default_remedy = "Stop one first: sessions(active=True) lists them, stop_orphans() stops what dead kernels left."
    sessions: Sequence[Any] = ()


class NotFoundError(APIStatusError):
    """404: there is no such thing."""

    title = "Not found"
    default_remedy = "Check the id."


class ValidationError(APIStatusError):
    """422: a field is wrong.

    Attributes:
        fields: the paths of the wrong fields, as in `body.avatar_id`.
    """

    title = "A field is wrong"

    def __init__(self, message: str = "", *, fields: Sequence[str] = (), **status: Any) -> None:
        super().__init__(message, **status)
        self.fields = tuple(fields)


class RateLimitError(APIStatusError):
    """429: too many requests; `retry_after` says when to come back."""

    title = "Too many requests"
    default_remedy = "Wait a moment and try again."


class SessionError(LiveAvatarException):
    """About one session, which `session_id` names."""

    def __init__(self, message: str = "", *, session_id: str | None, remedy: str | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.session_id = session_id


class SessionAlreadyLive(SessionError):
    """A second start while a session is live; nothing was sent."""

    title = "A session is live already"
    default_remedy = (
        "It is in .session; pass replace=True to stop it first, or concurrent=True to have both (each is billed)."
    )


class SessionEnded(SessionError):
    """The session ended before the call.

    Attributes:
        end_reason: one of the contract's end reasons, or None where it is not known.
    """

    title = "The session has ended"
    default_remedy = "Start a new one."

    def __init__(self, message: str = "", *, session_id: str | None, end_reason: str | None = None) -> None:
        super().__init__(message, session_id=session_id)
        self.end_reason = end_reason


class LoopEnded(SessionError):
    """The event loop that the session lived on ended, and nothing kept it alive any more; the guard stops it."""

    title = "The event loop has ended"
    default_remedy = "Keep the loop for as long as the session: stop() before it ends, or use `async with`."


class AvatarNeverCame(SessionError):
    """The service never said `connected` (event `session.state_updated`), and the session was stopped; or
    `wait_for_avatar` saw no video of it, and the session goes on.
    """

    title = "The avatar did not come"
    default_remedy = "Try again, or another avatar."


class RoomNotHeld(SessionError):
    """Nobody is in the session's room, by which a conversation goes, and this process cannot join; nothing was sent."""

    title = "Nobody is in the session's room"
    default_remedy = (
        'Show the session by view() in a cell, or have this process join: pip install "liveavatar-nb[media]".'
    )


class WrongMode(SessionError):
    """What was asked for belongs to the other mode of a session, LITE or FULL; nothing was sent."""

    title = "Not in this mode"
    default_remedy = "Start one without a context for your own sound (LITE), with one for a conversation (FULL)."


class UtteranceFailed(SessionError):
    """What was to be said was not, or not to its end; it is not sent again by itself. The session goes on."""

    title = "It was not said"
    default_remedy = "Try it again."


class StartOutcomeUnknown(SessionError):
    """A start that may have been billed although no usable answer came; it is never sent again.

    Attributes:
        confirmed_stopped: whether the service confirmed that it does not run. It is kept up to date: a start can
            be applied after its stop, so the session is looked for again 10, 30 and 60 s after it.
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
    """The service did not confirm a stop: the session may go on, at most to its cap."""

    title = "The stop was not confirmed"
    default_remedy = "Call stop() again; the session's cap ends it at the latest."


class ViewError(LiveAvatarException):
    """A page did not do what was asked of it: none shows the view, there is no video yet, or it did not answer."""

    title = "The view cannot do that now"


class SimulatorError(LiveAvatarException):
    """The embedded simulator did not come up."""

    title = "The simulator did not start"


class LiveAvatarWarning(UserWarning):
    """What the service takes, and what is likely not meant: it says what to do instead."""


_is_quiet: contextvars.ContextVar[bool] = contextvars.ContextVar("is_quiet", default=False)


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Within it `warn` warns of nothing: what is not likely meant is meant here."""
    token = _is_quiet.set(True)
    try:
        yield
    finally:
        _is_quiet.reset(token)


class CallSite(NamedTuple):
    """The line of a user's that called this package; it holds no frame, and nothing that the frame holds."""

    filename: str
    line: int
    module: str
    registry: dict[Any, Any]  # of the warnings that were shown for that module


_called_at: contextvars.ContextVar[CallSite | None] = contextvars.ContextVar("called_at", default=None)


def calling_context() -> contextvars.Context:
    """A copy of the present context: what runs in it, on whichever thread, warns at the line that calls now."""
    context = contextvars.copy_context()
    context.run(_called_at.set, _call_site())
    return context


def warn(message: str) -> None:
    """Warns at the line that called this package, whichever way it came in, and on whichever thread."""
    if _is_quiet.get():
        return
    at = _call_site()
    warnings.warn_explicit(message, LiveAvatarWarning, at.filename, at.line, at.module, at.registry)


def _call_site() -> CallSite:
    frame, told = sys._getframe(1), _called_at.get()
    while frame.f_back is not None and (package := _module(frame).partition(".")[0]) in BETWEEN:
        if package != PACKAGE and told is not None:
            # a loop's frames: who had it begun is not on this stack
            return told
        frame = frame.f_back
    registry = frame.f_globals.setdefault("__warningregistry__", {})
    return CallSite(frame.f_code.co_filename, frame.f_lineno, _module(frame), registry)


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__") or "")


def status_error(
    status_code: int, body: Any, what: str, *, request_id: str | None = None, retry_after: float | None = None
) -> APIStatusError:
    """The error for an answer that says no.

    Args:
        status_code: the HTTP status.
        body: the decoded JSON (`Failure` or `ValidationError` of the contract) without secrets, None where it was none.
        what: the call in words, as in "POST /v1/sessions/token".
        request_id: the service's id of the request.
        retry_after: seconds that the service asks to wait.
    """
    envelope = body if isinstance(body, dict) else {}
    code = envelope.get("code") if isinstance(envelope.get("code"), int) else None
    said = envelope.get("message") if isinstance(envelope.get("message"), str) else None
    status: dict[str, Any] = {
        "status_code": status_code,
        "code": code,
        "request_id": request_id,
        "retry_after": retry_after,
        "body": body,
    }
    answered = f"{what} answered {status_code}"
    message = f"{_short(said).rstrip('.')} ({answered})." if said else f"{answered}."
    if status_code == 422:
        fields, told = _wrong_fields(envelope.get("detail"))
        message = f"{what} refused a field: {_short(told or said or 'it did not say which')}."
        return ValidationError(message, fields=fields, **status)
    if status_code == 401:
        return AuthenticationError(message, **status)
    if status_code == 403 and code == CONCURRENCY_CODE:
        return ConcurrencyLimitError(message, **status)
    if status_code == 402 or (status_code == 403 and "credit" in (said or "").lower()):
        return CreditsError(message, **status)
    kinds: dict[int, type[APIStatusError]] = {404: NotFoundError, 429: RateLimitError}
    if status_code >= 500:
        status["remedy"] = "The service has trouble of its own: try again in a moment."
    if status_code == 429 and retry_after is not None:
        status["remedy"] = f"The service asks to wait {retry_after:g} s."
    return kinds.get(status_code, APIStatusError)(message, **status)


def _wrong_fields(detail: Any) -> tuple[list[str], str]:
    """The paths of the fields that a 422 names, and what is wrong with each of them."""
    entries = [entry for entry in detail if isinstance(entry, dict)] if isinstance(detail, list) else []
    fields = []
    for entry in entries:
        where = entry.get("loc")
        fields.append(".".join(str(part) for part in where) if isinstance(where, list) else "a field")
    return fields, "; ".join(f"{field}: {entry.get('msg')}" for field, entry in zip(fields, entries, strict=True))


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_MESSAGE else f"{text[:LONGEST_MESSAGE]}..."
