"""Whether a session is over: by its own record, or by a list of those that run that did not change meanwhile."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

from .. import config
from ..errors import APIResponseError

PAGE_SIZE: Final = 100  # the contract's largest


@dataclass(frozen=True)
class Look:
    """A GET to send.

    Attributes:
        path: from `/v1` on.
        query: its parameters.
    """

    path: str
    query: dict[str, Any] = field(default_factory=dict)


def whether_over(session_id: str) -> Generator[Look, Any, bool]:
    """Finds out whether nothing of a session runs, for any kind of client: it sends the looks, and gives the answers.

    That a session ended its own record says, and that it has run. A record that is not there, or tells of no second
    that it ran, proves nothing: a start may never have been applied. Then the list of active sessions decides. It is
    read in pages, and one that slips between two of them, because others ended, would be taken for stopped: so only
    two whole reads that agree prove that it is not there.

    Args:
        session_id: which.

    Yields:
        What is to be asked. What is sent back is the `data` of the answer, or None for a 404.

    Raises:
        APIResponseError: the answers cannot be used, or the list changes with each look: nothing is certain.
    """
    record = yield Look(f"/v1/sessions/{quote(session_id, safe='')}")
    if record is not None:
        if not isinstance(record, dict):
            raise APIResponseError(f"The record of session {session_id} is none.")
        if record.get("end_at") or record.get("end_reason"):
            return True
        if record.get("duration"):
            return False
    before: list[str] | None = None
    for _ in range(config.LIST_READS):
        listed = yield from _active()
        if session_id in listed:
            return False
        # one that comes twice was pushed on to the next page meanwhile
        if listed == before and len(set(listed)) == len(listed):
            return True
        before = listed
    raise APIResponseError("The list of active sessions changes with each look.")


def _active() -> Generator[Look, Any, list[str]]:
    """The ids on all pages of the list of active sessions, read once."""
    listed: list[str] = []
    for page in range(1, config.PAGES_LIMIT + 1):
        data = yield Look("/v1/sessions", {"type": "active", "page": page, "page_size": PAGE_SIZE})
        try:
            ids = [str(one["id"]) for one in data["results"]]
            has_next = bool(data.get("next") and ids)
        except (AttributeError, KeyError, TypeError):
            raise APIResponseError("The list of active sessions is none.") from None
        listed += ids
        if not has_next:
            return listed
    raise APIResponseError("The list of active sessions has no end.")
