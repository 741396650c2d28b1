"""One request and its answer, as it can be shown: secrets are masked before anything is kept."""

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
from ..masking import ECHOES, MASK, Hole, kept, replaced

INDENT: Final = 4
WIDTH: Final = 100

SESSION_PATH: Final = re.compile(r"/v1/sessions/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b", re.IGNORECASE)

Auth = Literal["key", "bearer"]


@dataclass
class SessionLabel:
    """Tells the calls that one session makes from all others.

    Attributes:
        id: the session's; None until its token came.
    """

    id: str | None = None


session_label: ContextVar[SessionLabel | None] = ContextVar("session_label", default=None)


@dataclass
class Exchange:
    """One request and its answer; `api.last` is the last one.

    Attributes:
        method: GET, POST...
        url: with its query.
        auth: `key` (header `X-API-KEY`), `bearer` (a session's token) or None.
        body: what was sent as JSON, secrets masked; None where nothing was.
        started_at: seconds since the epoch.
        status: the HTTP status; None where no answer came, or none yet.
        seconds: from the request to the end of the answer; None while it is under way.
        request_id: the service's id of the request.
        sent_size: bytes of the request's body.
        size: bytes of the answer's body on the wire; None where none came, or none yet.
        error: what went wrong, in words; None where nothing did.
        label: of the session that made the call.
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
        self.body = replaced(self.body, lambda name, secret: Hole(_variable_name(name)))

    def keep_answer(self, answer: Any, secrets: Sequence[str]) -> None:
        """Keeps what was answered, as it may be shown.

        Args:
            answer: decoded JSON; None where it was none.
            secrets: those of the request, which an answer may quote.
        """
        if answer is not None:
            is_refusal = self.status is not None and self.status >= 400
            self._answer = kept(answer, secrets, leave_out=ECHOES if is_refusal else ())

    @property
    def answer(self) -> Any:
        """What was answered as JSON, secrets masked, cut where it is large; None where nothing was, or no JSON."""
        return None if self._answer is None else msgspec.json.decode(self._answer)

    @property
    def session_id(self) -> str | None:
        """The session that made the call or that it is about; None where it is about none."""
        if self.label is not None and self.label.id is not None:
            return self.label.id
        if (in_path := SESSION_PATH.search(self.url)) is not None:
            return in_path[1]
        answer = self.answer if "/v1/sessions/" in self.url else None
        for holder in (self.body, answer.get("data") if isinstance(answer, dict) else None):
            if isinstance(holder, dict) and isinstance(found := holder.get("session_id"), str):
                return found
        return None

    @property
    def kept_size(self) -> int:
        """Bytes that it holds, about."""
        return self.sent_size + len(self._answer or b"")

    @property
    def at(self) -> float:
        """When it began, in seconds since the epoch."""
        return self.started_at

    @property
    def kind(self) -> Literal["rest"]:
        """What it went over."""
        return "rest"

    @property
    def direction(self) -> Literal["sent"]:
        """An exchange begins here."""
        return "sent"

    @property
    def name(self) -> str:
        """Method and path."""
        return f"{self.method} {urlsplit(self.url).path}"

    @property
    def payload(self) -> dict[str, Any]:
        """What was sent and what was answered, as far as there is something, secrets masked."""
        both = {"sent": replaced(self.body, lambda name, secret: MASK), "answer": self.answer}
        return {name: data for name, data in both.items() if data is not None}

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain data that goes into JSON."""
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
        """The request as a command for a shell; secrets are environment variables."""
        import shlex  # noqa: PLC0415 (for a look at it only)

        parts = [f"curl --request {self.method} {shlex.quote(self.url)}"]
        if self.auth == "key":
            parts.append(f'--header "X-API-KEY: ${KEY_VARIABLE}"')
        elif self.auth == "bearer":
            parts.append('--header "Authorization: Bearer $SESSION_TOKEN"')
        if self.body is not None:
            parts.append("--header 'Content-Type: application/json'")
            # marks that neither JSON nor the shell changes; they give way to variables outside the quotes
            text = json.dumps(replaced(self.body, _mark), ensure_ascii=False)
            parts.append(f"--data {_MARK.sub(_variable, shlex.quote(text))}")
        return " \\\n  ".join(parts)

    def python(self) -> str:
        """The request as a program on httpx; secrets are environment variables."""
        import pprint  # noqa: PLC0415 (for a look at it only)

        headers = {
            "key": f'{{"X-API-KEY": os.environ["{KEY_VARIABLE}"]}}',
            "bearer": '{"Authorization": f"Bearer {os.environ[\'SESSION_TOKEN\']}"}',
        }
        arguments = [repr(self.method), repr(self.url)]
        if self.auth is not None:
            arguments.append(f"headers={headers[self.auth]}")
        if self.body is not None:
            told = pprint.pformat(self.body, indent=1, width=WIDTH, sort_dicts=False)
            arguments.append("json=" + told.replace("\n", "\n" + " " * (INDENT + len("json="))))
        lines = ",\n".join(" " * INDENT + argument for argument in arguments)
        needs_os = "import os\n\n" if "os.environ" in lines else ""
        return (
            f"{needs_os}import httpx\n\nresponse = httpx.request(\n{lines},\n)\n"
            "response.raise_for_status()\nprint(response.text)\n"
        )

    def __repr__(self) -> str:
        took = "" if self.seconds is None else f" in {self.seconds * 1000:.0f} ms"
        return f"<Exchange {self.method} {self.url}: {self.status or 'no answer'}{took}>"


# no text of a user's holds this
_NONCE: Final = uuid.uuid4().hex
_MARK: Final = re.compile(f"{_NONCE}([A-Z0-9_]+);")


def _mark(name: str, secret: str) -> str:
    return f"{_NONCE}{_variable_name(name)};"


def _variable_name(name: str) -> str:
    return re.sub(r"[^A-Z0-9_]", "_", name.upper())


def _variable(found: re.Match[str]) -> str:
    return f"'\"${found[1]}\"'"
