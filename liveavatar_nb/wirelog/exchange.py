"""One request and its response, safe to show: secrets are masked before anything is stored."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import msgspec

from ..config import KEY_VARIABLE
from ..masking import ECHOES, MASK, Placeholder, kept, replaced

INDENT: Final = 4
WIDTH: Final = 100

SESSION_PATH: Final = r"/v1/sessions/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b"

Auth = Literal["key", "bearer"]


class SessionLabel(msgspec.Struct):
    """A label that marks the calls made by one session.

    Attributes:
        id: The session's id; None until the session's token arrives.
    """

    id: str | None = None


session_label: ContextVar[SessionLabel | None] = ContextVar("session_label", default=None)


@dataclass
class Exchange:
    """One request and its response; `api.last` holds the most recent exchange.

    Attributes:
        method: GET, POST...
        url: The URL, including its query.
        auth: `key` (header `X-API-KEY`), `bearer` (a session's token) or None.
        body: The JSON that was sent, with secrets masked; None if there was none.
        started_at: The time at which the request began, in seconds since the epoch.
        status: The HTTP status; None if no response has arrived.
        seconds: The time from the request to the end of the response, in seconds; None while the request is
            in progress.
        request_id: The service's id for the request.
        sent_size: The size of the request's body in bytes.
        size: The size of the response's body on the wire in bytes; None if no response has arrived.
        error: What went wrong, in words; None if nothing did.
        label: The label of the session that made the call.
    """

    method: str
    url: str
    auth: Auth | None = None
    body: Any = None
    started_at: float = field(default_factory=time.time)
    status: int | None = None
    seconds: float | None = None
    request_id: str | None = None
    sent_size: int = 0
    size: int | None = None
    error: str | None = None
    label: SessionLabel | None = field(default_factory=session_label.get)
    _answer: bytes | None = None

    def __post_init__(self) -> None:
        self.body = replaced(self.body, lambda name, secret: Placeholder(_variable_name(name)))

    def keep_answer(self, answer: Any, secrets: Sequence[str]) -> None:
        """Store the response, with secrets masked.

        Args:
            answer: The decoded JSON; None if the response wasn't JSON.
            secrets: The request's secrets, which the response may quote.
        """
        if answer is not None:
            is_refusal = self.status is not None and self.status >= 400
            self._answer = kept(answer, secrets, leave_out=ECHOES if is_refusal else ())

    @property
    def answer(self) -> Any:
        """The response's JSON with secrets masked, truncated if it is large; None if there is none."""
        return None if self._answer is None else msgspec.json.decode(self._answer)

    @property
    def session_id(self) -> str | None:
        """The id of the session that made the call, or that the call is about; None if there is no such session."""
        if self.label is not None and self.label.id is not None:
            return self.label.id
        if (in_path := re.search(SESSION_PATH, self.url, re.IGNORECASE)) is not None:
            return in_path[1]
        answer = self.answer if "/v1/sessions/" in self.url else None
        for holder in (self.body, answer.get("data") if isinstance(answer, dict) else None):
            if isinstance(holder, dict) and isinstance(found := holder.get("session_id"), str):
                return found
        return None

    @property
    def kept_size(self) -> int:
        """The entry's approximate size in memory, in bytes."""
        return self.sent_size + len(self._answer or b"")

    @property
    def at(self) -> float:
        """The time at which the request began, in seconds since the epoch."""
        return self.started_at

    @property
    def kind(self) -> Literal["rest"]:
        """The kind of entry: always `rest`."""
        return "rest"

    @property
    def direction(self) -> Literal["sent"]:
        """The direction: always `sent`, since only the client makes requests."""
        return "sent"

    @property
    def name(self) -> str:
        """The method and path."""
        return f"{self.method} {urlsplit(self.url).path}"

    @property
    def payload(self) -> dict[str, Any]:
        """The JSON of the request and of the response, if any, with secrets masked."""
        both = {"sent": replaced(self.body, lambda name, secret: MASK), "answer": self.answer}
        return {name: data for name, data in both.items() if data is not None}

    def to_dict(self) -> dict[str, Any]:
        """Return the exchange as plain, JSON-serializable data."""
        return {
            "at": self.at,
            "kind": self.kind,
            "direction": self.direction,
            "session_id": self.session_id,
            "method": self.method,
            "url": self.url,
            "auth": self.auth,
            "status": self.status,
            "seconds": self.seconds,
            "sent_size": self.sent_size,
            "size": self.size,
            "request_id": self.request_id,
            "error": self.error,
            **self.payload,
        }

    def curl(self) -> str:
        """Return the request as a curl command, with environment variables in place of secrets."""
        import shlex  # noqa: PLC0415 (rarely needed)

        parts = [f"curl --request {self.method} {shlex.quote(self.url)}"]
        if self.auth == "key":
            parts.append(f'--header "X-API-KEY: ${KEY_VARIABLE}"')
        elif self.auth == "bearer":
            parts.append('--header "Authorization: Bearer $SESSION_TOKEN"')
        if self.body is not None:
            parts.append("--header 'Content-Type: application/json'")
            # placeholders survive JSON and shell quoting; they are then replaced by variables outside the quotes
            text = json.dumps(replaced(self.body, _mark), ensure_ascii=False)
            parts.append(f"--data {re.sub(_MARK, _unquoted_variable, shlex.quote(text))}")
        return " \\\n  ".join(parts)

    def python(self) -> str:
        """Return the request as a Python program that uses httpx, with environment variables in place of secrets."""
        import pprint  # noqa: PLC0415 (rarely needed)

        headers = {
            "key": f'{{"X-API-KEY": os.environ["{KEY_VARIABLE}"]}}',
            "bearer": '{"Authorization": f"Bearer {os.environ[\'SESSION_TOKEN\']}"}',
        }
        arguments = [repr(self.method), repr(self.url)]
        if self.auth is not None:
            arguments.append(f"headers={headers[self.auth]}")
        if self.body is not None:
            literal = pprint.pformat(self.body, indent=1, width=WIDTH, sort_dicts=False)
            arguments.append("json=" + literal.replace("\n", "\n" + " " * (INDENT + len("json="))))
        lines = ",\n".join(" " * INDENT + argument for argument in arguments)
        needs_os = "import os\n\n" if "os.environ" in lines else ""
        return (
            f"{needs_os}import httpx\n\nresponse = httpx.request(\n{lines},\n)\n"
            "response.raise_for_status()\nprint(response.text)\n"
        )

    def __repr__(self) -> str:
        took = "" if self.seconds is None else f" in {self.seconds * 1000:.0f} ms"
        return f"<Exchange {self.method} {self.url}: {self.status or 'no answer'}{took}>"


# random, so that no user text can contain a placeholder
_NONCE: Final = uuid.uuid4().hex
_MARK: Final = f"{_NONCE}([A-Z0-9_]+);"


def _mark(name: str, secret: str) -> str:
    return f"{_NONCE}{_variable_name(name)};"


def _variable_name(name: str) -> str:
    return re.sub(r"[^A-Z0-9_]", "_", name.upper())


def _unquoted_variable(found: re.Match[str]) -> str:
    return f"'\"${found[1]}\"'"
