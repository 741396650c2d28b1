"""What a simulator can be told, checked before any process is started."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal, get_args

HIGHEST_PORT: Final = 65_535
MOST_AVATARS: Final = 100_000
MOST_CREDITS: Final = 10**12
HIGHEST_SPEED: Final = 1_000_000.0
LONGEST_ADVANCE: Final = 10 * 365 * 86_400.0  # seconds: a clock of the year 10,000 has no name for its dates
IDLE_LIMIT: Final = 300.0  # seconds
SHORTEST_IDLE_LIMIT: Final = 0.001  # seconds
ORIGIN: Final = re.compile(r"https?://[a-z0-9.\-\[\]:]+")
LIVEKIT_URL: Final = re.compile(r"(ws|http)s?://[^@?#]+")  # without credentials: it is shown
Spelling = Literal["both", "speak", "state", "bare_state"]
SPELLINGS: Final = get_args(Spelling)
HEADER_SAFE: Final = re.compile(r"[!-~]{1,512}")


@dataclass(frozen=True, slots=True)
class LiveKit:
    """A LiveKit server, and what tokens for its rooms are made with; key and secret show in no repr.

    Raises ``ValueError`` or ``TypeError`` that names the field and shows neither.
    """

    url: str
    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)

    def __post_init__(self) -> None:
        if not LIVEKIT_URL.fullmatch(header_safe("livekit: url", self.url)):
            raise ValueError("livekit: the url looks like wss://example.org or ws://127.0.0.1:7880")
        header_safe("livekit: api_key", self.api_key)
        header_safe("livekit: api_secret", self.api_secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The settings of one simulator; raises ``ValueError`` or ``TypeError`` that names the field.

    Parameters
    ----------
    speed: simulated seconds for each real second; 0 stands still until the clock is moved by hand.
    credits: what the account holds at first, as a decimal number.
    port: 0 for a free one.
    avatars: how many public avatars; None for the drawn sixteen.
    concurrency: sessions that may run at once.
    idle_limit: simulated seconds without speech or keep-alive before a session ends.
    max_session_seconds: the plan's limit for one session, and its default.
    allow_origins: origins of pages that may call it, such as ``https://example.org``.
    connect_delay: real seconds between the WebSocket's ``connecting`` and ``connected``.
    history: whether the account has a few sessions, contexts and the like from before.
    rate_limit: requests in one real second for each credential and endpoint; None for no limit.
    spelling: which events tell that the avatar speaks, as in `Simulator`.
    livekit: where the avatar is seen and heard, as in `Simulator`.
    """

    speed: float = 1.0
    credits: Decimal = Decimal(100)
    port: int = 0
    avatars: int | None = None
    concurrency: int = 3
    idle_limit: float = IDLE_LIMIT
    max_session_seconds: int = 1200
    allow_origins: tuple[str, ...] = ()
    connect_delay: float = 0.3
    history: bool = True
    rate_limit: int | None = 100
    spelling: Spelling = "both"
    livekit: Literal["auto"] | LiveKit | None = None

    @classmethod
    def of(cls, *, credits: object, allow_origins: object, livekit: object = None, **others: Any) -> Options:  # noqa: A002 (the option is named so)
        """From what a user gives: credits as Decimal, whole number or text, origins as any list."""
        return cls(
            credits=_credits(credits), allow_origins=_origins(allow_origins), livekit=_livekit(livekit), **others
        )

    def __post_init__(self) -> None:
        number("speed", self.speed, low=0, high=HIGHEST_SPEED)
        whole("port", self.port, low=0, high=HIGHEST_PORT)
        if self.avatars is not None:
            whole("avatars", self.avatars, low=1, high=MOST_AVATARS)
        whole("concurrency", self.concurrency, low=1)
        number("idle_limit", self.idle_limit, low=SHORTEST_IDLE_LIMIT)
        whole("max_session_seconds", self.max_session_seconds, low=1)
        number("connect_delay", self.connect_delay, low=0)
        if not isinstance(self.history, bool):
            raise TypeError(f"history must be True or False, not {self.history!r}")
        if self.rate_limit is not None:
            whole("rate_limit", self.rate_limit, low=1)
        if self.spelling not in SPELLINGS:
            raise ValueError(f"spelling must be one of {', '.join(SPELLINGS)}, not {self.spelling!r}")

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"credits": str(self.credits), "allow_origins": list(self.allow_origins)}

    def changed(self) -> dict[str, Any]:
        """Those that are not as they are by default."""
        usual = Options()
        told = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: value for name, value in told.items() if value != getattr(usual, name)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Options:
        return cls.of(**data)


def named_livekit(environment: Mapping[str, str]) -> LiveKit | None:
    """The server that LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET name, where they do."""
    told = [environment.get(f"LIVEKIT_{name}", "").strip() for name in ("URL", "API_KEY", "API_SECRET")]
    try:
        return LiveKit(*told)
    except ValueError:  # empty or no address
        return None


def number(name: str, value: object, *, low: float, high: float = math.inf) -> float:
    """A finite number within its limits, or an error that names the field."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number, not {type(value).__name__}")
    if not math.isfinite(value) or not low <= value <= high:
        span = f"at least {low:g}" if math.isinf(high) else f"{low:g} to {high:g}"
        raise ValueError(f"{name} must be a finite number, {span}, not {value}")
    return float(value)


def header_safe(name: str, value: object) -> str:
    """Text that can travel in a header; the error never shows it."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be text, not {type(value).__name__}")
    if not HEADER_SAFE.fullmatch(value):
        raise ValueError(f"{name} must be 1 to 512 printable ASCII characters without spaces")
    return value


def whole(name: str, value: object, *, low: int, high: int | None = None) -> None:
    """Raises an error that names the field unless it is a whole number within its limits."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number, not {type(value).__name__}")
    if value < low or (high is not None and value > high):
        span = f"at least {low}" if high is None else f"{low} to {high}"
        raise ValueError(f"{name} must be {span}, not {value}")


def _credits(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, Decimal | int | str):
        raise TypeError(f"credits must be a Decimal, a whole number or text, not {type(value).__name__}")
    try:
        amount = Decimal(value)
    except InvalidOperation:
        raise ValueError(f"credits must be a decimal number, not {value!r}") from None
    if not amount.is_finite() or not 0 <= amount <= MOST_CREDITS:
        raise ValueError(f"credits must be a number from 0 to {MOST_CREDITS}, not {value}")
    return amount


def _origins(value: object) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, list | tuple | set | frozenset):
        raise TypeError(f"allow_origins must be a list of origins, not {type(value).__name__}")
    for origin in value:
        if not isinstance(origin, str) or not ORIGIN.fullmatch(origin):
            raise ValueError(f"allow_origins: {origin!r} is no origin; one looks like https://example.org")
    return tuple(value)


def _livekit(value: object) -> Literal["auto"] | LiveKit | None:
    if value is None or isinstance(value, LiveKit):
        return value
    if value == "auto":
        # here and not in the simulator's process, which is given no secret by its environment
        return named_livekit(os.environ) or "auto"
    if isinstance(value, Mapping):
        return LiveKit(**value)
    raise TypeError(f'livekit must be "auto", a LiveKit or None, not {type(value).__name__}')
