"""The envelope around every response."""

from __future__ import annotations

import json

from starlette.responses import Response

from ..account.ledger import usual_code


def answer(status: int, data: object, headers: dict[str, str] | None = None) -> Response:
    """Return a response with JSON data."""
    # encode as ASCII, so that a lone surrogate in a request cannot break the response that quotes it
    return Response(json.dumps(data), status, headers, media_type="application/json")


def failure(status: int, message: str, code: int | None = None, headers: dict[str, str] | None = None) -> Response:
    """Return a response with the failure envelope."""
    return answer(status, {"code": code or usual_code(status), "data": None, "message": message}, headers)
