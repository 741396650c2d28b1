"""What went over the wire as HAR 1.2, the form that browsers' developer tools read and write."""

from __future__ import annotations

import http
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from .. import __version__
from ..masking import MASK
from .exchange import Exchange
from .frame import Frame

SOCKET_URL: Final = "wss://masked.invalid/"  # a WebSocket's own holds a token
UNKNOWN: Final = -1  # HAR's word for a size or a time that is not known
TEXT, BINARY = 1, 2  # a frame's opcode


def har(entries: Sequence[Exchange | Frame]) -> dict[str, Any]:
    """The log as HAR: each request is an entry, and so are the frames of one session together, as in Chromium's.

    Args:
        entries: in the order in which they began.
    """
    made: list[dict[str, Any]] = []
    sockets: dict[tuple[str, str], dict[str, Any]] = {}
    for entry in entries:
        if isinstance(entry, Exchange):
            made.append(_request(entry))
            continue
        socket = sockets.get((entry.session_id, entry.channel))
        if socket is None:
            socket = sockets[entry.session_id, entry.channel] = _socket(entry)
            made.append(socket)
        messages = socket["_webSocketMessages"]
        messages.append(_message(entry))
        socket["time"] = (entry.at - messages[0]["time"]) * 1000
    return {"log": {"version": "1.2", "creator": {"name": "liveavatar_nb", "version": __version__}, "entries": made}}


def _request(one: Exchange) -> dict[str, Any]:
    took = UNKNOWN if one.seconds is None else one.seconds * 1000
    header = {"key": ("X-API-KEY", MASK), "bearer": ("Authorization", f"Bearer {MASK}")}
    request = _sent(one.method, one.url, [header[one.auth]] if one.auth else [], one.sent_size)
    answer = one.answer
    body = "" if answer is None else json.dumps(answer, ensure_ascii=False)
    if "sent" in (payload := one.payload):
        text = json.dumps(payload["sent"], ensure_ascii=False)
        request["postData"] = {"mimeType": "application/json", "text": text}
    response = _answered(one.status or 0, UNKNOWN if one.size is None else one.size, body)
    made = _entry(one.started_at, max(took, 0), request, response)
    made["timings"] = {"send": 0, "wait": max(took, 0), "receive": 0}
    made["_resourceType"] = "fetch"
    if one.error is not None:
        made["_error"] = one.error
    if one.session_id is not None:
        made["_sessionId"] = one.session_id
    return made


def _socket(first: Frame) -> dict[str, Any]:
    request = _sent("GET", f"{SOCKET_URL}{first.channel}/{first.session_id}", [], 0)
    made = _entry(first.at, 0, request, _answered(101, 0, ""))
    return {**made, "_resourceType": "websocket", "_sessionId": first.session_id, "_webSocketMessages": []}


def _message(frame: Frame) -> dict[str, Any]:
    payload = frame.payload
    is_binary = not frame.type and isinstance(payload, str) and payload.endswith(" bytes>")
    fields = {"type": frame.type, **payload} if isinstance(payload, dict) else payload
    return {
        "type": "send" if frame.direction == "sent" else "receive",
        "time": frame.at,
        "opcode": BINARY if is_binary else TEXT,
        "data": fields if isinstance(fields, str) else json.dumps(fields, ensure_ascii=False),
    }


def _entry(at: float, took: float, request: dict[str, Any], response: dict[str, Any]) -> dict[str, Any]:
    return {
        "startedDateTime": datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds"),
        "time": took,
        "request": request,
        "response": response,
        "cache": {},
        "timings": {"send": 0, "wait": 0, "receive": 0},
    }


def _sent(method: str, url: str, headers: list[tuple[str, str]], size: int) -> dict[str, Any]:
    query = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    return {
        "method": method,
        "url": url,
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": [{"name": name, "value": value} for name, value in headers],
        "queryString": [{"name": name, "value": value} for name, value in query],
        "headersSize": UNKNOWN,
        "bodySize": size,
    }


def _answered(status: int, size: int, body: str) -> dict[str, Any]:
    known = {one.value: one.phrase for one in http.HTTPStatus}
    return {
        "status": status,
        "statusText": known.get(status, ""),
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": [],
        "content": {"size": len(body.encode()), "mimeType": "application/json" if body else "", "text": body},
        "redirectURL": "",
        "headersSize": UNKNOWN,
        "bodySize": size,
    }
