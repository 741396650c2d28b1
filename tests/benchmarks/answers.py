"""What typed records cost: 1,000 avatars of an answer, against plain json and pydantic."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from liveavatar_nb import Simulator
from liveavatar_nb.models.avatars import Avatar
from liveavatar_nb.models.base import decode_all
from liveavatar_nb.rest.envelope import envelope

from .table import Row, show

AVATARS = 1000
ROUNDS = 60
PLAIN = "json.loads: plain dicts"
OURS = "liveavatar_nb: envelope, records, unknown fields"
PYDANTIC = "pydantic: validate_json, extra='allow'"
AIM = 1.5  # of plain json

T = TypeVar("T")


class _Tolerant(BaseModel):
    model_config = ConfigDict(extra="allow")


class _VoiceName(_Tolerant):
    id: str
    name: str


class _Avatar(_Tolerant):
    id: str
    name: str
    created_at: datetime
    updated_at: datetime
    error_message: str | None
    type: str = "VIDEO"
    status: str = "INIT"
    space_id: str | None = None
    preview_url: str | None = None
    is_expired: bool = False
    default_voice: _VoiceName | None = None
    is_1080p: bool = False


class _Page(BaseModel, Generic[T]):
    count: int
    results: list[T]


class _Envelope(BaseModel, Generic[T]):
    code: int
    data: T


def _answer() -> bytes:
    """A real answer of the simulator's, with all its pages in one."""
    import httpx  # noqa: PLC0415 (for one call)

    with Simulator(avatars=AVATARS) as simulator:
        url = f"{simulator.url}/v1/avatars/public"
        pages = [httpx.get(url, params={"page": n + 1, "page_size": 100}).json() for n in range(AVATARS // 100)]
    found = [avatar for page in pages for avatar in page["data"]["results"]]
    return json.dumps({"code": 1000, "data": {"count": len(found), "results": found}, "message": None}).encode()


def measure() -> list[Row]:
    """Time all in interleaved rounds."""
    body = _answer()
    kind = _Envelope[_Page[_Avatar]]

    def ours() -> int:
        data = envelope(200, {}, body, "")["data"]
        return len(decode_all(Avatar, data["results"], "", "$.results"))

    contenders: dict[str, Callable[[], Any]] = {
        PLAIN: lambda: len(json.loads(body)["data"]["results"]),
        OURS: ours,
        PYDANTIC: lambda: len(kind.model_validate_json(body).data.results),
    }
    for decode in contenders.values():
        assert decode() == AVATARS
    rounds: dict[str, list[float]] = {name: [] for name in contenders}
    names = list(contenders)
    for number in range(ROUNDS):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            began = time.perf_counter()
            contenders[name]()
            rounds[name].append(time.perf_counter() - began)
    return [Row(name, times, AIM if name == OURS else None) for name, times in rounds.items()]


def report() -> bool:
    """Print the table; says whether the aim was met."""
    title = f"{AVATARS:,} avatars of an answer ({ROUNDS} interleaved rounds)"
    return show(title, measure(), reference=PLAIN, unit="ms", per_second=1e3)
