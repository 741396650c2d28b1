"""`envelope`: decodes the envelope that wraps every response from the service."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import msgspec

from ..errors import APIResponseError, status_error
from ..masking import without_secrets
from .retry import retry_after

# values of the envelope's `code` on success: 1000 today; 100 and 200 have been seen in the past
SUCCESS_CODES: Final = frozenset({1000, 100, 200})


def envelope(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    call: str,
    hide: Callable[[Any], Any] = without_secrets,
    *,
    keep: Callable[[Any], None] | None = None,
) -> dict[str, Any]:
    """Return the envelope of a successful response: any 2xx with code 1000, 100 or 200, or an empty 204.

    Args:
        status: The HTTP status.
        headers: The response's headers.
        body: The response's body, decompressed.
        call: The call's name, used in the error.
        hide: A function that masks the secrets in response data before the data is stored in an error.
        keep: A function called with the decoded response, whatever its status, or with None if the body isn't JSON.

    Raises:
        APIStatusError: The service responded with an error.
        APIResponseError: The response isn't an envelope, or it is a redirect.
    """
    if status == 204 and not body:
        return {"code": 1000, "data": None, "message": None}
    decoded = _decode(body)
    if keep is not None:
        keep(decoded)
    is_success = 200 <= status < 300
    is_envelope = isinstance(decoded, dict) and "data" in decoded and type(decoded.get("code")) is int
    if is_success and is_envelope and decoded["code"] in SUCCESS_CODES:
        return cast(dict[str, Any], decoded)
    failure: APIResponseError
    if 300 <= status < 400:
        failure = APIResponseError(
            f"{call} was redirected ({status}); redirects are not followed.", remedy="Check the api_url."
        )
    elif is_success and not is_envelope:
        failure = APIResponseError(f"The response to {call} ({status}) came without an envelope.")
    else:
        seconds = retry_after(headers.get("retry-after"), headers.get("date"), time.time())
        try:
            shown = hide(decoded)
        except RecursionError:
            shown = None
        failure = status_error(status, shown, call, request_id=headers.get("x-request-id"), retry_after=seconds)
    del body, decoded  # keep tokens out of tracebacks that print local variables
    raise failure


def _decode(body: bytes) -> Any:
    """Decode a body as JSON; return None if it isn't JSON."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    try:
        # a lone surrogate (an emoji cut in half) is valid JSON but not valid text, so it becomes a "?"
        return msgspec.json.decode(json.dumps(json.loads(body), ensure_ascii=False).encode("utf-8", "replace"))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
