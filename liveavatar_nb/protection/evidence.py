"""Decides whether a session is over, from its own record or, failing that, from the list of active sessions."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Final
from urllib.parse import quote

from msgspec import Struct, field

from .. import config
from ..errors import APIResponseError

PAGE_SIZE: Final = 100  # records per page; the maximum that the API contract allows


class GetRequest(Struct, frozen=True):
    """A GET request to send.

    Attributes:
        path: The path, starting with `/v1`.
        query: The query parameters.
    """

    path: str
    query: dict[str, Any] = field(default_factory=dict)


def whether_over(session_id: str) -> Generator[GetRequest, Any, bool]:
    """Find out whether a session is over; the caller sends the requests, with any kind of client.

    The session's own record says whether it has ended, and a duration shows that it has started. If there is no
    record or no duration, the session may be running or may never have started, so the list of active sessions
    decides. The list comes in pages, and a session can slip between two pages while other sessions end. So only two
    identical, complete reads prove that the session is not listed.

    Args:
        session_id: The session's id.

    Yields:
        The next request. Send back the `data` of its response, or None for a 404.

    Returns:
        Whether the session is over.

    Raises:
        APIResponseError: A response cannot be used, or the list changes with every read, so nothing is certain.
    """
    record = yield GetRequest(f"/v1/sessions/{quote(session_id, safe='')}")
    if record is not None:
        if not isinstance(record, dict):
            raise APIResponseError(f"The service's record of session {session_id} is not a JSON object.")
        if record.get("end_at") or record.get("end_reason"):
            return True
        if record.get("duration"):
            return False
    before: list[str] | None = None
    for _ in range(config.LIST_READS):
        listed = yield from _active()
        if session_id in listed:
            return False
        # a duplicate id means that a session moved to the next page during the read
        if listed == before and len(set(listed)) == len(listed):
            return True
        before = listed
    raise APIResponseError("The list of active sessions changes with every read.")


def _active() -> Generator[GetRequest, Any, list[str]]:
    """Read all pages of the list of active sessions once, and return the ids."""
    listed: list[str] = []
    for page in range(1, config.PAGES_LIMIT + 1):
        data = yield GetRequest("/v1/sessions", {"type": "active", "page": page, "page_size": PAGE_SIZE})
        try:
            ids = [str(record["id"]) for record in data["results"]]
            has_next = bool(data.get("next") and ids)
        except (AttributeError, KeyError, TypeError):
            raise APIResponseError("The service's list of active sessions is malformed.") from None
        listed += ids
        if not has_next:
            return listed
    raise APIResponseError(f"The list of active sessions has more than {config.PAGES_LIMIT} pages.")
