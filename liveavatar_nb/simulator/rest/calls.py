"""A call to an operation, with access to its credentials, body, query parameters and page."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any, Final

from starlette.requests import Request

from ..account.ledger import Refused, Session
from ..service import Service
from .validation import Invalid, Location, ObjectCheck, ensure, parse, problem

PAGE_SIZE: Final = 20
LARGEST_PAGE: Final = 100
WHOLE: Final = re.compile(r"-?[0-9]{1,100}")
OLD_FIELDS: Final = {"video_quality": "put the quality into video_settings"}


@dataclass(frozen=True, slots=True)
class Call:
    """A request with its complete body.

    Attributes:
        service: The state of the simulated service.
        request: The request.
        body: The request's body.
        received_at: The time at which the request arrived, in real seconds (``time.time()``).
    """

    service: Service
    request: Request
    body: bytes
    received_at: float

    def json(self, *, required: bool) -> dict[str, Any]:
        """Return the body, which must be a JSON object; an absent optional body counts as an empty object.

        Raises:
            Invalid: The body is not a JSON object (422).
        """
        if not self.body.strip() and not required:
            return {}
        value = parse(self.body)
        if not isinstance(value, dict):
            raise Invalid([problem(("body",), "Input should be an object", "model_attributes_type")])
        return value

    def require_key(self) -> None:
        """Check that the request carries the account's API key.

        Raises:
            Refused: The key is missing or wrong (401).
        """
        if not self._has_key():
            raise Refused(401, "The API key is missing or wrong: send it in the X-API-KEY header")

    def bearer(self) -> Session:
        """Return the session that the bearer token belongs to.

        Raises:
            Refused: The token is missing or wrong (401).
        """
        scheme, _, token = self.request.headers.get("authorization", "").partition(" ")
        session = self.service.ledger.by_token(token.strip()) if scheme.lower() == "bearer" else None
        if session is None:
            raise Refused(
                401, "The session token is missing or wrong: send it in the Authorization header, as Bearer <token>"
            )
        return session

    def session(self, record: ObjectCheck) -> tuple[Session, dict[str, Any]]:
        """Return the session and the body of a call made with a bearer token, or with the key and a session id.

        Raises:
            Refused: The credentials are missing or wrong, or there is no such session.
            Invalid: The body fails validation (422).
        """
        if self._has_key() and "authorization" not in self.request.headers:
            body = self.checked_body(record, required=False)
            if not body.get("session_id"):
                raise Refused(400, "session_id is required when the API key is used")
            return self.service.ledger.find(body["session_id"]), body
        session = self.bearer()
        body = self.checked_body(record, required=False)
        if (body.get("session_id") or session.id).lower() != session.id:
            raise Refused(403, "The session token does not belong to the session in session_id")
        return session, body

    def checked_body(self, record: ObjectCheck, *, required: bool = True) -> dict[str, Any]:
        """Return the body after checking it against `record`.

        Raises:
            Invalid: The body fails validation (422).
        """
        body = self.json(required=required)
        ensure(record, body, ("body",))
        self.note_unknown(record, body)
        return body

    def form(self, record: ObjectCheck, *files: str) -> tuple[dict[str, Any], dict[str, bytes]]:
        """Return the fields and the files of a form (`multipart/form-data`), after checking the fields.

        Args:
            record: The check for the fields.
            files: The names of the files, all of which must be present.

        Raises:
            Invalid: The body is not a form, or fails validation (422).
        """
        header = b"Content-Type: " + self.request.headers.get("content-type", "").encode("latin-1") + b"\r\n\r\n"
        message = BytesParser(policy=HTTP).parsebytes(header + self.body)
        parts = list(message.iter_parts()) if message.get_content_type() == "multipart/form-data" else []
        named = [(part.get_param("name", header="content-disposition"), part) for part in parts]
        fields = {str(name): _content(part).decode(errors="replace") for name, part in named if name not in files}
        found = {str(name): _content(part) for name, part in named if name in files and part.get_filename() is not None}
        if missing := [name for name in files if name not in found]:
            raise Invalid([problem(("body", name), "Field required", "missing") for name in missing])
        ensure(record, fields, ("body",))
        self.note_unknown(record, fields)
        return fields, found

    def note_unknown(self, record: ObjectCheck, body: dict[str, Any]) -> None:
        """Warn about each field of the body that is not in `record`."""
        for name in record.unknown(body):
            self.service.warn(
                f"{self.request.url.path}: unknown field {name[:64]!r}: {OLD_FIELDS.get(name, 'it is ignored')}"
            )

    def path_parameter(self, name: str) -> str:
        """Return a path parameter."""
        return str(self.request.path_params[name])

    def choice(self, name: str, *choices: str, required: bool = False) -> str | None:
        """Return a query parameter that has a fixed set of values; None if it is absent.

        Raises:
            Invalid: The value is not one of the choices, or a required parameter is absent (422).
        """
        value = self.request.query_params.get(name)
        if value in choices or (value is None and not required):
            return value
        message = f"Input should be {' or '.join(map(repr, choices))}"
        raise Invalid([problem(("query", name), message, "missing" if value is None else "enum")])

    def whole(self, name: str, *, low: int | None = None, high: int | None = None) -> int | None:
        """Return a query parameter as a whole number, or None if it is absent.

        Raises:
            Invalid: The value is not a whole number from `low` to `high` (422).
        """
        text = self.request.query_params.get(name)
        if text is None:
            return None
        where: Location = ("query", name)
        if not WHOLE.fullmatch(text):
            raise Invalid([problem(where, "Input should be a valid integer", "int_parsing")])
        number = int(text)
        if low is not None and number < low:
            raise Invalid([problem(where, f"Input should be greater than or equal to {low}", "greater_than_equal")])
        if high is not None and number > high:
            raise Invalid([problem(where, f"Input should be less than or equal to {high}", "less_than_equal")])
        return number

    def page(self, items: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Return the requested page of a list.

        Raises:
            Invalid: ``page`` or ``page_size`` is invalid (422).
        """
        page = self.whole("page", low=1) or 1
        size = self.whole("page_size", low=1, high=LARGEST_PAGE) or PAGE_SIZE
        first = (page - 1) * size

        def link(number: int) -> str:
            return str(self.request.url.include_query_params(page=number, page_size=size))

        return {
            "count": len(items),
            "results": items[first : first + size],
            "next": link(page + 1) if first + size < len(items) else None,
            "previous": link(page - 1) if page > 1 else None,
        }

    def _has_key(self) -> bool:
        return self.service.is_key(self.request.headers.get("x-api-key", ""))


def _content(part: Message) -> bytes:
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


Answer = tuple[int, Any]
Function = Callable[[Call], Answer | Awaitable[Answer]]
