"""A simulator's options, checked before any process is started."""

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
LONGEST_ADVANCE: Final = 10 * 365 * 86_400.0  # seconds; limited, because a `datetime` cannot go beyond the year 9999
IDLE_LIMIT: Final = 300.0  # seconds
SHORTEST_IDLE_LIMIT: Final = 0.001  # seconds
ORIGIN: Final = re.compile(r"https?://[a-z0-9.\-\[\]:]+")
LIVEKIT_URL: Final = re.compile(r"(ws|http)s?://[^@?#]+")  # rejects URLs with credentials, because URLs are displayed
PlanName = Literal["free", "starter", "essential", "business"]
PLAN_SECONDS: Final[dict[PlanName, int]] = {"free": 120, "starter": 300, "essential": 1200, "business": 3600}
PLANS_WITH_1080P: Final = ("essential", "business")
SESSION_SECONDS: Final = 1200  # the maximum session length without a plan
Spelling = Literal["both", "speak", "state", "bare_state"]
SPELLINGS: Final = get_args(Spelling)
HEADER_SAFE: Final = re.compile(r"[!-~]{1,512}")


@dataclass(frozen=True, slots=True)
class LiveKit:
    """A LiveKit server and the credentials for signing its room tokens; the repr hides the key and secret.

    Attributes:
        url: The server's address, e.g. `wss://example.org`.
        api_key: The server's API key.
        api_secret: The server's API secret.

    Raises:
        ValueError: A field is invalid; the message names it, but shows neither the key nor the secret.
        TypeError: A field is not a string.
    """

    url: str
    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)

    def __post_init__(self) -> None:
        if not LIVEKIT_URL.fullmatch(header_safe("livekit: url", self.url)):
            raise ValueError("livekit: url must be an address like wss://example.org or ws://127.0.0.1:7880")
        header_safe("livekit: api_key", self.api_key)
        header_safe("livekit: api_secret", self.api_secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options for one simulator.

    Args:
        speed: Simulated seconds per real second; at 0 the clock stands still until it is advanced manually.
        credits: The account's initial balance.
        port: The port to listen on; 0 for any free one.
        avatars: How many public avatars there are; None for the 16 featured ones.
        concurrency: How many sessions may run at the same time.
        idle_limit: Simulated seconds without speech or a keep-alive before a session ends.
        plan: The account's plan; see `Simulator`.
        max_session_seconds: The maximum session length, in simulated seconds; None for the plan's.
        allow_origins: Origins of pages that may call the simulator, such as ``https://example.org``.
        connect_delay: Real seconds between the WebSocket's ``connecting`` and ``connected`` events.
        history: Whether the account begins with a few past sessions, contexts and the like.
        rate_limit: Maximum requests per real second for each credential and endpoint; None for no limit.
        spelling: Which events report that the avatar is speaking; see `Simulator`.
        livekit: Where the avatar can be seen and heard; see `Simulator`.

    Raises:
        ValueError: A value is out of range; the message names the option.
        TypeError: A value has the wrong type; the message names the option.
    """

    speed: float = 1.0
    credits: Decimal = Decimal(100)
    port: int = 0
    avatars: int | None = None
    concurrency: int = 3
    idle_limit: float = IDLE_LIMIT
    plan: PlanName | None = None
    max_session_seconds: int | None = None
    allow_origins: tuple[str, ...] = ()
    connect_delay: float = 0.3
    history: bool = True
    rate_limit: int | None = 100
    spelling: Spelling = "both"
    livekit: Literal["auto"] | LiveKit | None = None

    @classmethod
    def of(cls, *, credits: object, allow_origins: object, livekit: object = None, **others: Any) -> Options:  # noqa: A002 (the name of the option)
        """Create the options from a user's arguments.

        Args:
            credits: A Decimal, int or str.
            allow_origins: A list, tuple or set of origins.
            livekit: ``"auto"``, a `LiveKit`, a mapping of its fields, or None.
            others: The other options, by name.
        """
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
        if self.plan not in (None, *PLAN_SECONDS):
            raise ValueError(f"plan must be one of {', '.join(PLAN_SECONDS)}, or None, not {self.plan!r}")
        if self.max_session_seconds is not None:
            whole("max_session_seconds", self.max_session_seconds, low=1)
        number("connect_delay", self.connect_delay, low=0)
        if not isinstance(self.history, bool):
            raise TypeError(f"history must be True or False, not {self.history!r}")
        if self.rate_limit is not None:
            whole("rate_limit", self.rate_limit, low=1)
        if self.spelling not in SPELLINGS:
            raise ValueError(f"spelling must be one of {', '.join(SPELLINGS)}, not {self.spelling!r}")

    @property
    def session_seconds(self) -> int:
        """The maximum session length, in simulated seconds."""
        if self.max_session_seconds is not None:
            return self.max_session_seconds
        return SESSION_SECONDS if self.plan is None else PLAN_SECONDS[self.plan]

    @property
    def has_1080p(self) -> bool:
        """Whether the plan includes video and avatars in 1080p."""
        return self.plan is None or self.plan in PLANS_WITH_1080P

    def to_json(self) -> dict[str, Any]:
        """Return the options as JSON data."""
        return asdict(self) | {"credits": str(self.credits), "allow_origins": list(self.allow_origins)}

    def non_default(self) -> dict[str, Any]:
        """Return the options that differ from the defaults."""
        defaults = Options()
        values = {option.name: getattr(self, option.name) for option in fields(self)}
        return {name: value for name, value in values.items() if value != getattr(defaults, name)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Options:
        """Restore the options from the result of `to_json`."""
        return cls.of(**data)


def named_livekit(environment: Mapping[str, str]) -> LiveKit | None:
    """Return the server named by LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET.

    Return None unless all three are set and valid.
    """
    values = [environment.get(f"LIVEKIT_{name}", "").strip() for name in ("URL", "API_KEY", "API_SECRET")]
    try:
        return LiveKit(*values)
    except ValueError:  # empty or invalid
        return None


def number(name: str, value: object, *, low: float, high: float = math.inf) -> float:
    """Return `value` as a float.

    Raises:
        TypeError: The value is not a number; the message names the option.
        ValueError: The value is not finite, or not between `low` and `high`.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number, not {type(value).__name__}")
    if not math.isfinite(value) or not low <= value <= high:
        span = f"at least {low:g}" if math.isinf(high) else f"{low:g} to {high:g}"
        raise ValueError(f"{name} must be a finite number, {span}, not {value}")
    return float(value)


def header_safe(name: str, value: object) -> str:
    """Return `value` if it can be sent in an HTTP header; error messages never show the value.

    Raises:
        TypeError: The value is not a string.
        ValueError: The value is empty, is too long, or has characters that are not allowed in a header.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, not {type(value).__name__}")
    if not HEADER_SAFE.fullmatch(value):
        raise ValueError(f"{name} must be 1 to 512 printable ASCII characters without spaces")
    return value


def whole(name: str, value: object, *, low: int, high: int | None = None) -> None:
    """Check that `value` is a whole number from `low` to `high`.

    Raises:
        TypeError: The value is not a whole number; the message names the option.
        ValueError: The value is not between `low` and `high`.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number, not {type(value).__name__}")
    if value < low or (high is not None and value > high):
        span = f"at least {low}" if high is None else f"{low} to {high}"
        raise ValueError(f"{name} must be {span}, not {value}")


def _credits(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, Decimal | int | str):
        raise TypeError(f"credits must be a Decimal, a whole number or a string, not {type(value).__name__}")
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
            raise ValueError(f"allow_origins: {origin!r} is not an origin. An origin looks like https://example.org")
    return tuple(value)


def _livekit(value: object) -> Literal["auto"] | LiveKit | None:
    if value is None or isinstance(value, LiveKit):
        return value
    if value == "auto":
        # resolve "auto" here, because the child process inherits no secrets in its environment
        return named_livekit(os.environ) or "auto"
    if isinstance(value, Mapping):
        return LiveKit(**value)
    raise TypeError(f'livekit must be "auto", a LiveKit or None, not {type(value).__name__}')
