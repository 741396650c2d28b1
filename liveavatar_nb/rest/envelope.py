"""`envelope`: what an answer of the service says, in the form that all of them have."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import msgspec

from ..errors import APIResponseError, status_error
from ..masking import without_secrets
from .retry import retry_after

# `code` of the envelope: 1000 on the live service, the others seen before
SUCCESS_CODES: Final = frozenset({1000, 100, 200})


def envelope(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    what: str,
    hide: Callable[[Any], Any] = without_secrets,
    *,
    keep: Callable[[Any], None] | None = None,
) -> dict[str, Any]:
    """The decoded envelope of an answer, if it is a success: any 2xx with code 1000, 100 or 200, or an empty 204.

    Args:
        status: the HTTP status.
        headers: of the answer.
        body: unpacked.
        what: the call in words, for the error.
        hide: takes the secrets out of what an error keeps.
        keep: takes in the answer, whatever it says; None where it is no JSON.

    Raises:
        APIStatusError: the service says no.
        APIResponseError: it is no envelope, or a redirect.
    """
    if status == 204 and not body:
        return {"code": 1000, "data": None, "message": None}
    decoded = _decoded(body)
    if keep is not None:
        keep(decoded)
    is_success = 200 <= status < 300
    is_envelope = isinstance(decoded, dict) and "data" in decoded and type(decoded.get("code")) is int
    if is_success and is_envelope and decoded["code"] in SUCCESS_CODES:
        return cast(dict[str, Any], decoded)
    failure: APIResponseError
    if 300 <= status < 400:
        failure = APIResponseError(
            f"{what} answered with a redirect ({status}), which is not followed.", remedy="Check the api_url."
        )
    elif is_success and not is_envelope:
        failure = APIResponseError(f"{what} answered {status} with no envelope.")
    else:
        asked = retry_after(headers.get("retry-after"), headers.get("date"), time.time())
        try:
            shown = hide(decoded)
        except RecursionError:
            shown = None
        failure = status_error(status, shown, what, request_id=headers.get("x-request-id"), retry_after=asked)
    del body, decoded  # a traceback that shows local variables must not show tokens
    raise failure


def _decoded(body: bytes) -> Any:
    """The JSON of a body; None where it is none."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    try:
        # half of a surrogate pair, as of a cut emoji, is JSON by the letter, and text to nobody: it becomes a "?"
        return msgspec.json.decode(json.dumps(json.loads(body), ensure_ascii=False).encode("utf-8", "replace"))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
