"""The account: its sessions, what they cost, and when they end."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import uuid
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final, Literal

from ..clock import MINUTE, SECOND
from ..media.tokens import Room

Mode = Literal["FULL", "LITE"]
CREDITS_A_MINUTE: Final[dict[Mode, Decimal]] = {"FULL": Decimal(2), "LITE": Decimal(1)}
SANDBOX_SECONDS: Final = 60
KEPT_SESSIONS: Final = 5_000  # those that run apart, the oldest are forgotten first
SHOWN_CREDITS: Final = Decimal("0.000001")

NO_CREDITS_CODE: Final = 4002
CONCURRENCY_CODE: Final = 4003


def usual_code(status: int) -> int:
    """The envelope's code where nothing says more than the status; never one that has a meaning of its own."""
    return 4403 if status == 403 else 4000 + status % 100


class Refused(Exception):
    """A call that the service answers with a failure envelope."""

    def __init__(self, status: int, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.status, self.message = status, message
        self.code = code or usual_code(status)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What somebody said; `moment` is when, in simulated microseconds."""

    role: Literal["user", "avatar"]
    text: str
    moment: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Persona:
    """Who a session's avatar is in a conversation; without a prompt it never answers."""

    name: str = ""
    prompt: str | None = None
    language: str = "en"
    gender: str = ""  # of its voice
    push_to_talk: bool = False


@dataclass(slots=True, kw_only=True)
class Session:
    """One session; moments are simulated microseconds, `*_received_at` real seconds."""

    id: str
    token: str = field(repr=False)
    socket_token: str = field(repr=False)
    room_token: str = field(default="", repr=False)  # of the line that stands in for a room
    avatar_id: str
    mode: Mode
    is_sandbox: bool
    has_socket: bool
    context_id: str | None
    opening: str | None = None  # what the avatar says first
    persona: Persona = Persona()
    quality: str = "high"  # of the video
    encoding: str = "H264"
    own_room: Room | None = None  # of the account's, which the avatar joins
    created_at: int
    cap: int
    updated_at: int
    active_at: int = 0
    started_at: int | None = None
    ended_at: int | None = None
    end_reason: str | None = None
    starts: int = 0
    stops: int = 0
    start_received_at: float | None = None
    stop_received_at: float | None = None
    transcript: list[Line] = field(default_factory=list)
    past: bool = False  # it was there before this simulator ran, and nothing was booked for it

    @property
    def running(self) -> bool:
        return self.started_at is not None and self.ended_at is None

    @property
    def price(self) -> Decimal:
        """Credits a minute."""
        return Decimal(0) if self.is_sandbox else CREDITS_A_MINUTE[self.mode]

    def elapsed(self, now: int) -> int:
        if self.started_at is None:
            return 0
        return (now if self.ended_at is None else self.ended_at) - self.started_at

    def cost(self, now: int) -> Decimal:
        return self.price * self.elapsed(now) / MINUTE


@dataclass(frozen=True, slots=True)
class Due:
    """Sessions that end at a moment, and why."""

    moment: int
    reason: str
    sessions: tuple[Session, ...]


class Account:
    """Sessions and credits; every question first settles what fell due, at the moment it fell due."""

    def __init__(self, *, balance: Decimal, concurrency: int, idle_limit: float, plan_seconds: int) -> None:
        self._left = balance
        self._concurrency = concurrency
        self._idle_limit = round(idle_limit * SECOND)
        self._plan_seconds = plan_seconds
        self._sessions: dict[str, Session] = {}
        self._by_token: dict[bytes, Session] = {}
        self._running: dict[str, Session] = {}

    def sessions(self) -> list[Session]:
        """All of them, oldest first."""
        return list(self._sessions.values())

    def get(self, session_id: str) -> Session | None:
        return self._sessions.get(session_id.lower())

    def find(self, session_id: str) -> Session:
        session = self.get(session_id)
        if session is None:
            raise Refused(404, f"There is no session {session_id[:64]}")
        return session

    def remember(self, session: Session) -> None:
        """Adds one that ended before this simulator ran."""
        self._sessions[session.id] = session

    def by_token(self, token: str) -> Session | None:
        return self._by_token.get(_digest(token))

    def by_socket(self, session_id: str, token: str) -> Session | None:
        session = self._sessions.get(session_id)
        if session is None or not session.has_socket or not session.running:
            return None
        return session if hmac.compare_digest(_digest(session.socket_token), _digest(token)) else None

    def by_room(self, session_id: str, token: str) -> Session | None:
        session = self._sessions.get(session_id)
        if session is None or not session.running:
            return None
        return session if hmac.compare_digest(_digest(session.room_token), _digest(token)) else None

    def credits_left(self, now: int) -> Decimal:
        left = self._left - sum((s.cost(now) for s in self._running.values()), Decimal(0))
        return max(Decimal(0), left)

    def create(
        self,
        *,
        avatar_id: str,
        mode: Mode,
        is_sandbox: bool,
        has_socket: bool,
        context_id: str | None,
        opening: str | None = None,
        persona: Persona,
        quality: str,
        encoding: str,
        own_room: Room | None,
        max_session_duration: int | None,
        now: int,
    ) -> Session:
        seconds = self._plan_seconds if max_session_duration is None else max_session_duration
        if not 0 < seconds <= self._plan_seconds:
            raise Refused(400, f"max_session_duration must be 1 to {self._plan_seconds} seconds on this plan")
        if is_sandbox:
            seconds = min(seconds, SANDBOX_SECONDS)
        session = Session(
            id=str(uuid.uuid4()),
            token=secrets.token_urlsafe(32),
            socket_token=secrets.token_urlsafe(32),
            room_token=secrets.token_urlsafe(32),
            avatar_id=avatar_id,
            mode=mode,
            is_sandbox=is_sandbox,
            has_socket=has_socket,
            context_id=context_id,
            opening=opening,
            persona=persona,
            quality=quality,
            encoding=encoding,
            own_room=own_room,
            created_at=now,
            updated_at=now,
            cap=seconds * SECOND,
        )
        self._sessions[session.id] = session
        self._by_token[_digest(session.token)] = session
        self._forget_oldest()
        return session

    def start(self, session: Session, now: int, received_at: float, refusal: Refused | None = None) -> None:
        """Begins to bill it; where there is a `refusal`, all that was looked at before that is well."""
        self.settle(now)
        session.starts += 1
        session.start_received_at = session.start_received_at or received_at
        if session.ended_at is not None:
            raise Refused(400, "The session was stopped: a new one needs a new token")
        if session.started_at is not None:
            raise Refused(400, "The session was already started: each token starts one session, once")
        if len(self._running) >= self._concurrency:
            raise Refused(403, f"Concurrency limit reached: {self._concurrency} sessions are running", CONCURRENCY_CODE)
        if self.credits_left(now) < session.price:
            raise Refused(
                403, f"Not enough credits: {session.mode} needs {session.price} for its first minute", NO_CREDITS_CODE
            )
        if refusal is not None:
            raise refusal
        session.started_at = session.active_at = session.updated_at = now
        self._running[session.id] = session
        if session.opening:
            session.transcript.append(Line(role="avatar", text=session.opening, moment=now))

    def stop(self, session: Session, reason: str, now: int, received_at: float) -> None:
        self.settle(now)
        session.stops += 1
        session.stop_received_at = session.stop_received_at or received_at
        if session.ended_at is None:
            self._end((session,), reason, now)

    def avatar_deleted(self, avatar_id: str, now: int) -> None:
        """Ends what its avatar runs in, and what it would be started with."""
        self.settle(now)
        found = [one for one in self._sessions.values() if one.avatar_id == avatar_id and one.ended_at is None]
        self._end(tuple(found), "AVATAR_DELETED", now)

    def keep_alive(self, session: Session, now: int) -> None:
        self.settle(now)
        if not session.running:
            raise Refused(404, "The session is not active")
        # what the avatar still has to say counts already
        self.touch(session, max(now, session.active_at))

    def touch(self, session: Session, moment: int) -> None:
        """Counts as activity up to `moment`, which lies ahead while the avatar has audio left to say."""
        session.active_at = moment

    def settle(self, now: int) -> bool:
        """Ends what fell due until now, each as of its own moment; says whether there was any."""
        ended = False
        while (due := self.next_due()) is not None and due.moment <= now:
            self._end(due.sessions, due.reason, due.moment)
            ended = True
        return ended

    def next_due(self) -> Due | None:
        dues = [due for session in self._running.values() for due in self._dues(session)]
        if (exhausted := self._exhausted()) is not None:
            dues.append(exhausted)
        return min(dues, key=lambda due: due.moment, default=None)

    def _forget_oldest(self) -> None:
        """Keeps to the limit; what runs is not forgotten, nor what was there before the simulator."""
        if len(self._sessions) > KEPT_SESSIONS:
            oldest = next((one for one in self._sessions.values() if not (one.running or one.past)), None)
            if oldest is not None:
                del self._sessions[oldest.id], self._by_token[_digest(oldest.token)]

    def _exhausted(self) -> Due | None:
        """The moment at which the running sessions have used up the credits, the same however seldom somebody asks.

        That is the t of: sum of price * (t - started_at) = what is left.
        """
        billed = [(s, s.started_at) for s in self._running.values() if s.price and s.started_at is not None]
        if not billed:
            return None
        rate = sum((session.price for session, _ in billed), Decimal(0))
        weighed = sum((session.price * started_at for session, started_at in billed), self._left * MINUTE)
        return Due(int(weighed // rate), "NO_CREDITS", tuple(session for session, _ in billed))

    def _dues(self, session: Session) -> tuple[Due, Due]:
        assert session.started_at is not None
        return (
            Due(session.started_at + session.cap, "MAX_DURATION_REACHED", (session,)),
            Due(session.active_at + self._idle_limit, "IDLE_TIMEOUT", (session,)),
        )

    def _end(self, sessions: tuple[Session, ...], reason: str, moment: int) -> None:
        for session in sessions:
            session.ended_at = session.updated_at = moment
            session.end_reason = reason
            if self._running.pop(session.id, None):
                self._left -= session.cost(moment)


def shown(amount: Decimal) -> str:
    """A plain decimal number without needless zeros."""
    text = format(amount.quantize(SHOWN_CREDITS, ROUND_HALF_EVEN), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _digest(token: str) -> bytes:
    # look-up by digest: the time that it takes says nothing about the token
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
