"""One call of an operation, with all that operations ask of it: who calls, the body, the query, the page."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import Request

from ..account.ledger import Refused, Session
from ..service import Service
from .validation import Invalid, Location, Record, ensure, parse, problem

PAGE_SIZE: Final = 20
LARGEST_PAGE: Final = 100
WHOLE: Final = re.compile(r"-?[0-9]{1,100}")
OLD_FIELDS: Final = {"video_quality": "the quality goes into video_settings"}


@dataclass(frozen=True, slots=True)
class Call:
    """One request, read to its end."""

    service: Service
    request: Request
    body: bytes
    received_at: float

    def json(self, *, required: bool) -> dict[str, Any]:
        if not self.body.strip() and not required:
            return {}
        value = parse(self.body)
        if not isinstance(value, dict):
            raise Invalid([problem(("body",), "Input should be an object", "model_attributes_type")])
        return value

    def key(self) -> None:
        """Raises unless the account's key came with it."""
        if not self._has_key():
            raise Refused(401, "The API key is missing or wrong: it goes into the header X-API-KEY")

    def bearer(self) -> Session:
        """The session whose token came with it."""
        scheme, _, token = self.request.headers.get("authorization", "").partition(" ")
        session = self.service.account.by_token(token.strip()) if scheme.lower() == "bearer" else None
        if session is None:
            raise Refused(401, "The session token is missing or wrong: it goes into Authorization: Bearer")
        return session

    def session(self, record: Record) -> tuple[Session, dict[str, Any]]:
        """The session that a bearer token, or the key with an id, points at; and the body."""
        if self._has_key() and "authorization" not in self.request.headers:
            body = self.checked(record, required=False)
            if not body.get("session_id"):
                raise Refused(400, "session_id is needed where the API key is used")
            return self.service.account.find(body["session_id"]), body
        session = self.bearer()
        body = self.checked(record, required=False)
        if (body.get("session_id") or session.id).lower() != session.id:
            raise Refused(403, "The session token belongs to another session than session_id")
        return session, body

    def checked(self, record: Record, *, required: bool = True) -> dict[str, Any]:
        """The body, which keeps to its record."""
        body = self.json(required=required)
        ensure(record, body, ("body",))
        self.note_unknown(record, body)
        return body

    def note_unknown(self, record: Record, body: dict[str, Any]) -> None:
        for name in record.unknown(body):
            self.service.warn(
                f"{self.request.url.path}: unknown field {name[:64]!r}: {OLD_FIELDS.get(name, 'it is ignored')}"
            )

    def place(self, name: str) -> str:
        """A part of the path."""
        return str(self.request.path_params[name])

    def choice(self, name: str, *choices: str, required: bool = False) -> str | None:
        """A query parameter that takes a few words only."""
        told = self.request.query_params.get(name)
        if told in choices or (told is None and not required):
            return told
        message = f"Input should be {' or '.join(map(repr, choices))}"
        raise Invalid([problem(("query", name), message, "missing" if told is None else "enum")])

    def whole(self, name: str, *, low: int | None = None, high: int | None = None) -> int | None:
        """A query parameter that is a whole number."""
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
        """The page of them that is asked for."""
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


Answer = tuple[int, Any]
Function = Callable[[Call], Answer | Awaitable[Answer]]
