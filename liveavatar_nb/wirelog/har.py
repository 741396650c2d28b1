"""Exports the wire log as HAR 1.2, the format that browsers' developer tools read and write."""

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

SOCKET_URL: Final = "wss://masked.invalid/"  # a placeholder, since a WebSocket's real URL contains a token
UNKNOWN: Final = -1  # HAR's value for an unknown size or time
TEXT, BINARY = 1, 2  # a frame's opcode


def har(entries: Sequence[Exchange | Frame]) -> dict[str, Any]:
    """Return the log as HAR, in the format of Chromium's exports.

    There is one entry for each request, and one with all the frames for each session and channel.

    Args:
        entries: The log's entries, in the order in which they began.
    """
    har_entries: list[dict[str, Any]] = []
    sockets: dict[tuple[str, str], dict[str, Any]] = {}
    for entry in entries:
        if isinstance(entry, Exchange):
            har_entries.append(_request_entry(entry))
            continue
        socket = sockets.get((entry.session_id, entry.channel))
        if socket is None:
            socket = sockets[entry.session_id, entry.channel] = _socket_entry(entry)
            har_entries.append(socket)
        messages = socket["_webSocketMessages"]
        messages.append(_frame_message(entry))
        socket["time"] = (entry.at - messages[0]["time"]) * 1000
    creator = {"name": "liveavatar_nb", "version": __version__}
    return {"log": {"version": "1.2", "creator": creator, "entries": har_entries}}


def _request_entry(exchange: Exchange) -> dict[str, Any]:
    duration = UNKNOWN if exchange.seconds is None else exchange.seconds * 1000
    header = {"key": ("X-API-KEY", MASK), "bearer": ("Authorization", f"Bearer {MASK}")}
    headers = [header[exchange.auth]] if exchange.auth else []
    request = _request_part(exchange.method, exchange.url, headers, exchange.sent_size)
    answer = exchange.answer
    body = "" if answer is None else json.dumps(answer, ensure_ascii=False)
    if "sent" in (payload := exchange.payload):
        text = json.dumps(payload["sent"], ensure_ascii=False)
        request["postData"] = {"mimeType": "application/json", "text": text}
        if exchange.files:
            # a form has its fields in place of a text
            params = [{"name": name, "value": value} for name, value in payload["sent"].items()]
            request["postData"] = {"mimeType": "multipart/form-data", "params": params}
    response = _response_part(exchange.status or 0, UNKNOWN if exchange.size is None else exchange.size, body)
    entry = _entry(exchange.started_at, max(duration, 0), request, response)
    entry["timings"] = {"send": 0, "wait": max(duration, 0), "receive": 0}
    entry["_resourceType"] = "fetch"
    if exchange.error is not None:
        entry["_error"] = exchange.error
    if exchange.session_id is not None:
        entry["_sessionId"] = exchange.session_id
    return entry


def _socket_entry(first: Frame) -> dict[str, Any]:
    request = _request_part("GET", f"{SOCKET_URL}{first.channel}/{first.session_id}", [], 0)
    entry = _entry(first.at, 0, request, _response_part(101, 0, ""))
    return {**entry, "_resourceType": "websocket", "_sessionId": first.session_id, "_webSocketMessages": []}


def _frame_message(frame: Frame) -> dict[str, Any]:
    payload = frame.payload
    is_binary = not frame.type and isinstance(payload, str) and payload.endswith(" bytes>")
    fields = {"type": frame.type, **payload} if isinstance(payload, dict) else payload
    return {
        "type": "send" if frame.direction == "sent" else "receive",
        "time": frame.at,
        "opcode": BINARY if is_binary else TEXT,
        "data": fields if isinstance(fields, str) else json.dumps(fields, ensure_ascii=False),
    }


def _entry(at: float, duration: float, request: dict[str, Any], response: dict[str, Any]) -> dict[str, Any]:
    return {
        "startedDateTime": datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds"),
        "time": duration,
        "request": request,
        "response": response,
        "cache": {},
        "timings": {"send": 0, "wait": 0, "receive": 0},
    }


def _request_part(method: str, url: str, headers: list[tuple[str, str]], size: int) -> dict[str, Any]:
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


def _response_part(status: int, size: int, body: str) -> dict[str, Any]:
    phrases = {known.value: known.phrase for known in http.HTTPStatus}
    return {
        "status": status,
        "statusText": phrases.get(status, ""),
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": [],
        "content": {"size": len(body.encode()), "mimeType": "application/json" if body else "", "text": body},
        "redirectURL": "",
        "headersSize": UNKNOWN,
        "bodySize": size,
    }
