"""Everything that can go wrong, as one tree; catch `LiveAvatarException` and you have caught it all.

    LiveAvatarException
    ├── ConfigurationError            no key, a URL that is none (also a ValueError)
    ├── InvalidArgument               an argument that the call cannot use (also a ValueError)
    ├── ClientClosed                  the client was closed before the call
    ├── APIConnectionError            no answer came
    │   └── APITimeoutError           none came in time
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
    │   ├── AvatarNeverCame           the service never said `connected`; the session was stopped
    │   ├── StartOutcomeUnknown       a start that may have been billed: it was stopped by its id
    │   └── StopNotConfirmed          a stop that the service did not confirm
    └── SimulatorError                the embedded simulator did not come up

`str(error)` is what happened and what to do about it; `error.remedy` is the second half alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


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


class ConfigurationError(LiveAvatarException, ValueError):
    """The client cannot be made from what it was given."""

    title = "Not set up"


class InvalidArgument(LiveAvatarException, ValueError):
    """An argument that the call cannot use; nothing was sent."""

    title = "That cannot be used"


class ClientClosed(LiveAvatarException):
    """The client was closed before the call."""

    title = "This client is closed"
    default_remedy = "Make a new one."


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
        remedy: str | None = None,
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.status_code = status_code
        self.code = code
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
    """403 with code 4003: more sessions at once than the plan allows."""

    title = "Too many sessions at once"
    default_remedy = "Stop one first: sessions(active=True) lists them."


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


class AvatarNeverCame(SessionError):
    """The service never said `connected` (event `session.state_updated`); the session was stopped."""

    title = "The avatar did not come"
    default_remedy = "Try again, or another avatar."


class StartOutcomeUnknown(SessionError):
    """A start that may have been billed although no usable answer came; it is never sent again.

    Attributes:
        confirmed_stopped: True once the service confirmed the stop that followed.
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


class SimulatorError(LiveAvatarException):
    """The embedded simulator did not come up."""

    title = "The simulator did not start"


def status_error(status_code: int, body: Any, headers: Mapping[str, str], what: str) -> APIStatusError:
    """The error for an answer that says no.

    Args:
        status_code: the HTTP status.
        body: the decoded JSON body (`Failure` or `ValidationError` of the contract), None where it was no JSON.
        headers: the answer's headers.
        what: the call in words, as in "POST /v1/sessions/token".
    """
    envelope = body if isinstance(body, dict) else {}
    code = envelope.get("code") if isinstance(envelope.get("code"), int) else None
    said = envelope.get("message") if isinstance(envelope.get("message"), str) else None
    status: dict[str, Any] = {
        "status_code": status_code,
        "code": code,
        "request_id": headers.get("x-request-id"),
        "retry_after": _seconds(headers.get("retry-after")),
    }
    answered = f"{what} answered {status_code}"
    message = f"{said.rstrip('.')} ({answered})." if said else f"{answered}."
    if status_code == 422:
        details = [entry for entry in envelope.get("detail") or [] if isinstance(entry, dict)]
        fields = [".".join(str(part) for part in entry.get("loc") or ()) for entry in details]
        told = "; ".join(f"{field}: {entry.get('msg')}" for field, entry in zip(fields, details, strict=True))
        return ValidationError(
            f"{what} refused a field: {told or said or 'it did not say which'}.", fields=fields, **status
        )
    if status_code == 401:
        return AuthenticationError(message, **status)
    if code == 4003:
        return ConcurrencyLimitError(message, **status)
    if status_code == 402 or (status_code == 403 and "credit" in (said or "").lower()):
        return CreditsError(message, **status)
    kinds: dict[int, type[APIStatusError]] = {404: NotFoundError, 429: RateLimitError}
    return kinds.get(status_code, APIStatusError)(message, **status)


def _seconds(retry_after: str | None) -> float | None:
    try:
        return float(retry_after) if retry_after is not None else None
    except ValueError:
        return None
