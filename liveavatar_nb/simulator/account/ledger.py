"""The account's ledger: sessions, their cost, and when they end."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import uuid
from collections import deque
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final, Literal

from ..clock import MINUTE, SECOND
from ..media.tokens import Room

Mode = Literal["FULL", "LITE"]
CREDITS_A_MINUTE: Final[dict[Mode, Decimal]] = {"FULL": Decimal(2), "LITE": Decimal(1)}
SANDBOX_SECONDS: Final = 60
KEPT_SESSIONS: Final = 5_000  # maximum number of sessions kept; the oldest are dropped first, but never a running one
KEPT_TRANSCRIPTS: Final = 500  # maximum number of ended sessions whose transcripts are kept
SHOWN_CREDITS: Final = Decimal("0.000001")

NO_CREDITS_CODE: Final = 4002
CONCURRENCY_CODE: Final = 4003


def usual_code(status: int) -> int:
    """Return the generic envelope code for an HTTP status, avoiding codes with a specific meaning."""
    return 4403 if status == 403 else 4000 + status % 100


class Refused(Exception):
    """Raised by an operation to make the service respond with a failure envelope."""

    def __init__(self, status: int, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.status, self.message = status, message
        self.code = code or usual_code(status)


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptLine:
    """One line of a transcript; `moment` is in simulated microseconds since the epoch."""

    role: Literal["user", "avatar"]
    text: str
    moment: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Persona:
    """The avatar's role in a conversation; without a prompt, the avatar never answers."""

    name: str = ""
    prompt: str | None = None
    language: str = "en"
    gender: str = ""  # the voice's gender
    push_to_talk: bool = False


NOBODY: Final = Persona()


@dataclass(slots=True, kw_only=True)
class Session:
    """A session: its settings, its times and its transcript.

    Times are in simulated microseconds since the epoch; only `*_received_at` are in real seconds (``time.time()``).
    """

    id: str
    token: str = field(repr=False)
    socket_token: str = field(repr=False)
    room_token: str = field(default="", repr=False)  # token for the WebSocket that stands in for a room
    avatar_id: str
    mode: Mode
    is_sandbox: bool
    has_socket: bool
    context_id: str | None
    opening: str | None = None  # what the avatar says first; cleared when the session ends, like `persona`
    persona: Persona = NOBODY
    quality: str = "high"  # video quality
    encoding: str = "H264"
    own_room: Room | None = None  # the account's own room, for the avatar to join
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
    transcript: list[TranscriptLine] = field(default_factory=list)
    past: bool = False  # whether the session is part of the sample history, and therefore never billed

    @property
    def running(self) -> bool:
        """Whether the session is running, and therefore being billed."""
        return self.started_at is not None and self.ended_at is None

    @property
    def price(self) -> Decimal:
        """The price in credits per minute."""
        return Decimal(0) if self.is_sandbox else CREDITS_A_MINUTE[self.mode]

    def elapsed(self, now: int) -> int:
        """Return how long the session has run, in simulated microseconds."""
        if self.started_at is None:
            return 0
        return (now if self.ended_at is None else self.ended_at) - self.started_at

    def cost(self, now: int) -> Decimal:
        """Return the credits used so far."""
        return self.price * self.elapsed(now) / MINUTE


@dataclass(frozen=True, slots=True)
class DueEnd:
    """The sessions that will end at `moment`, and the reason."""

    moment: int
    reason: str
    sessions: tuple[Session, ...]


class Ledger:
    """The account's sessions and credits.

    Before a method changes a session, it ends every session that is due to end, as of the time it was due.

    Args:
        balance: The initial number of credits.
        concurrency: How many sessions may run at the same time.
        idle_limit: Simulated seconds without activity before a session ends.
        plan_seconds: The plan's maximum session length, in simulated seconds.
    """

    def __init__(self, *, balance: Decimal, concurrency: int, idle_limit: float, plan_seconds: int) -> None:
        self._left = balance
        self._concurrency = concurrency
        self._idle_limit = round(idle_limit * SECOND)
        self._plan_seconds = plan_seconds
        self._sessions: dict[str, Session] = {}
        self._by_token: dict[bytes, Session] = {}
        self._running: dict[str, Session] = {}
        self._with_transcript: deque[Session] = deque()  # sessions that have ended, oldest first

    def sessions(self) -> list[Session]:
        """Return all sessions, oldest first."""
        return list(self._sessions.values())

    def get(self, session_id: str) -> Session | None:
        """Return the session with this id, ignoring case, or None."""
        return self._sessions.get(session_id.lower())

    def find(self, session_id: str) -> Session:
        """Return the session with this id.

        Raises:
            Refused: There is no such session (404).
        """
        session = self.get(session_id)
        if session is None:
            raise Refused(404, f"There is no session {session_id[:64]}")
        return session

    def remember(self, session: Session) -> None:
        """Add a session that ended before this simulator started."""
        self._sessions[session.id] = session

    def by_token(self, token: str) -> Session | None:
        """Return the session that this session token belongs to, if any."""
        return self._by_token.get(_digest(token))

    def by_socket(self, session_id: str, token: str) -> Session | None:
        """Return the session if it is running and this token opens its command WebSocket, else None."""
        session = self._sessions.get(session_id)
        if session is None or not session.has_socket or not session.running:
            return None
        return session if hmac.compare_digest(_digest(session.socket_token), _digest(token)) else None

    def by_room(self, session_id: str, token: str) -> Session | None:
        """Return the session if it is running and this token opens its drawn room's WebSocket, else None."""
        session = self._sessions.get(session_id)
        if session is None or not session.running:
            return None
        return session if hmac.compare_digest(_digest(session.room_token), _digest(token)) else None

    def credits_left(self, now: int) -> Decimal:
        """Return the balance minus what the running sessions have used so far, but never less than 0."""
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
        """Create a session that can be started with its token.

        Raises:
            Refused: `max_session_duration` is outside the plan's limits (400).
        """
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
        """Start the session and its billing.

        Args:
            session: The session to start.
            now: The simulated time, in microseconds.
            received_at: The time at which the call arrived, in real seconds.
            refusal: An error to raise if every other check passes; None for no such error.

        Raises:
            Refused: The session was already started or stopped, too many sessions are running, there are too few
                credits, or `refusal` was given.
        """
        self.settle(now)
        session.starts += 1
        session.start_received_at = session.start_received_at or received_at
        if session.ended_at is not None:
            raise Refused(400, "The session was stopped. Create a new token to start another session")
        if session.started_at is not None:
            raise Refused(400, "The session has already been started. A token can be used only once")
        if len(self._running) >= self._concurrency:
            raise Refused(403, f"Concurrency limit reached: {self._concurrency} sessions are running", CONCURRENCY_CODE)
        if self.credits_left(now) < session.price:
            raise Refused(
                403,
                f"Not enough credits: a {session.mode} session needs {session.price} for its first minute",
                NO_CREDITS_CODE,
            )
        if refusal is not None:
            raise refusal
        session.started_at = session.active_at = session.updated_at = now
        self._running[session.id] = session
        if session.opening:
            session.transcript.append(TranscriptLine(role="avatar", text=session.opening, moment=now))

    def stop(self, session: Session, reason: str, now: int, received_at: float) -> None:
        """Count the stop call, and end the session if it has not ended yet."""
        self.settle(now)
        session.stops += 1
        session.stop_received_at = session.stop_received_at or received_at
        if session.ended_at is None:
            self._end((session,), reason, now)

    def end_sessions_of(self, avatar_id: str, now: int) -> None:
        """End every session of a deleted avatar, including those that have not started yet."""
        self.settle(now)
        affected = [s for s in self._sessions.values() if s.avatar_id == avatar_id and s.ended_at is None]
        self._end(tuple(affected), "AVATAR_DELETED", now)

    def keep_alive(self, session: Session, now: int) -> None:
        """Postpone the idle timeout.

        Raises:
            Refused: The session is not running (404).
        """
        self.settle(now)
        if not session.running:
            raise Refused(404, "The session is not active")
        # `active_at` may be in the future, because audio that is still to be spoken counts as activity
        self.touch(session, max(now, session.active_at))

    def touch(self, session: Session, moment: int) -> None:
        """Mark the session as active until `moment`, which is in the future if there is audio left to speak."""
        session.active_at = moment

    def settle(self, now: int) -> bool:
        """End all sessions that are due to end, each at the time it was due; return whether there were any."""
        ended = False
        while (due := self.next_due()) is not None and due.moment <= now:
            self._end(due.sessions, due.reason, due.moment)
            ended = True
        return ended

    def next_due(self) -> DueEnd | None:
        """Return the sessions that will end next if no more calls arrive; None if none will end."""
        dues = [due for session in self._running.values() for due in self._dues(session)]
        if (exhausted := self._credits_due()) is not None:
            dues.append(exhausted)
        return min(dues, key=lambda due: due.moment, default=None)

    def _forget_oldest(self) -> None:
        """If there are too many sessions, drop the oldest that is neither running nor part of the history."""
        if len(self._sessions) > KEPT_SESSIONS:
            oldest = next((s for s in self._sessions.values() if not (s.running or s.past)), None)
            if oldest is not None:
                del self._sessions[oldest.id], self._by_token[_digest(oldest.token)]

    def _credits_due(self) -> DueEnd | None:
        """Return when the credits will be used up, and by which sessions; None if no running session costs credits.

        Solves ``sum(price * (t - started_at)) == balance`` for t, so the result does not depend on how often it is
        computed.
        """
        billed = [(s, s.started_at) for s in self._running.values() if s.price and s.started_at is not None]
        if not billed:
            return None
        rate = sum((session.price for session, _ in billed), Decimal(0))
        weighted = sum((session.price * started_at for session, started_at in billed), self._left * MINUTE)
        return DueEnd(int(weighted // rate), "NO_CREDITS", tuple(session for session, _ in billed))

    def _dues(self, session: Session) -> tuple[DueEnd, DueEnd]:
        assert session.started_at is not None
        return (
            DueEnd(session.started_at + session.cap, "MAX_DURATION_REACHED", (session,)),
            DueEnd(session.active_at + self._idle_limit, "IDLE_TIMEOUT", (session,)),
        )

    def _end(self, sessions: tuple[Session, ...], reason: str, moment: int) -> None:
        for session in sessions:
            session.ended_at = session.updated_at = moment
            session.end_reason = reason
            if self._running.pop(session.id, None):
                self._left -= session.cost(moment)
                self._let_go(session)

    def _let_go(self, session: Session) -> None:
        """Free memory after a session has ended: drop its persona and opening now, and its transcript later."""
        # free these long texts; the session's conversation keeps its own references
        session.persona, session.opening = NOBODY, None
        self._with_transcript.append(session)
        if len(self._with_transcript) > KEPT_TRANSCRIPTS:
            self._with_transcript.popleft().transcript.clear()


def shown(amount: Decimal) -> str:
    """Format an amount of credits as a plain decimal number without trailing zeros."""
    text = format(amount.quantize(SHOWN_CREDITS, ROUND_HALF_EVEN), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _digest(token: str) -> bytes:
    # tokens are looked up by their digest, so that the time a lookup takes reveals nothing about them
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
