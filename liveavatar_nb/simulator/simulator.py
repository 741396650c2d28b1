"""The owner's handle of a simulator in a child process. It imports the standard library only, and little of it."""

from __future__ import annotations

import json
import secrets
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import TracebackType
from typing import Any, Final, Literal, NoReturn, Self
from urllib.parse import urlsplit

from .faults import Fault
from .options import HIGHEST_SPEED, IDLE_LIMIT, LONGEST_ADVANCE, LiveKit, Options, Spelling, header_safe, number
from .process import ChildProcess, SimulatorError
from .session.heard import Frame, Heard

KEY_BYTES: Final = 32
ADMIN_LIMIT: Final = 10.0  # seconds for one question of the owner
ENDING_LIMIT: Final = 0.5  # seconds that a child may take to end after its sockets are gone


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """What the simulated service has booked for one session.

    `created_at`, `started_at` and `ended_at` are simulated seconds since the epoch; `start_received_at` and
    `stop_received_at` are real ones (``time.time()``), of the first such call. `seconds` and `credits` are those
    booked so far, `starts` and `stops` count the calls that arrived.
    """

    session_id: str
    avatar_id: str
    mode: str
    is_sandbox: bool
    created_at: float
    started_at: float | None
    ended_at: float | None
    seconds: float
    credits: Decimal
    end_reason: str | None
    starts: int
    stops: int
    start_received_at: float | None
    stop_received_at: float | None


class Faults:
    """Switches faults on and off; shows itself as the list of those that are on.

    ``sim.faults.add("credits", "status", status=503, times=2)``
    """

    def __init__(self, owner: _Owner) -> None:
        self._owner = owner

    def add(self, operation: str, kind: str, *, times: int | None = 1, **parameters: Any) -> None:
        """Makes the next `times` calls of the operation go wrong (None: all of them, until `clear`).

        Parameters
        ----------
        operation: one operation (``token start stop keep_alive sessions session transcript events credits``), a
            resource with all of its operations (``avatars voices contexts languages embeddings secrets
            llm_configurations memory``), an operationId of the contract such as ``get_v1_voices_voice_id_preview``,
            ``any`` for every REST operation, ``socket`` for the WebSocket, or ``room`` for what a conversation says.
        kind: what goes wrong; its parameters follow as keywords.

        Not applied, the service does nothing of what was asked:

        - ``status``: answers with `status` (500) and `headers`, in the envelope with `code` and `message`, or with
          `body` as it is, of `content_type` (text/html).
        - ``redirect``: answers 307 to `location`.
        - ``drop_before``: the connection is cut without an answer.

        Applied, but later than anyone learns of it:

        - ``late``: the connection is cut without an answer, or the answer is an error of `status` where that is given;
          `seconds` (real ones) afterwards the call is applied, a start also where its session was stopped meanwhile.

        Applied, but the answer does not arrive as it should:

        - ``drop_after``: the connection is cut without an answer.
        - ``garbage``: answers `status` (200) with this `body` as JSON.
        - ``truncated``: half of the body comes, then the connection is closed in good order.
        - ``reset``: half of the body comes, then the connection is reset.
        - ``huge``: the body begins with `megabytes` of white space, sent without its length.
        - ``gzip_bomb``: the same, compressed: a small body that inflates to `megabytes`.
        - ``drip``: the body comes byte by byte, with `seconds` between two of them.
        - ``stale``: the answer is right, and its connection is dead: it is cut at the next use.

        Beside one of these:

        - ``delay``: waits `seconds` (real ones) before the call is applied.

        For ``socket``:

        - ``delay``, ``drop_before``: as above, of the handshake.
        - ``refuse``: the handshake is answered by an HTTP error of `status` (503).
        - ``never_connected``: ``connecting`` is the last that is heard.
        - ``close``: closes the open socket, else the next one when it is connected, with `code`; 1006 (the default)
          cuts it.
        - ``send``: sends a frame over the open socket, else over the next one when it is connected: `text` as it is,
          or `data` (base64) as a binary one, or a text frame of `megabytes`.
        - ``twice``: the next `times` events are each sent twice.
        - ``swap``: the next two events are sent in reverse order, `times` such pairs.
        - ``rename``: events of the type `old` are sent as ones of the type `new`.
        - ``stall``: from now on the open socket, else the next one when it is connected, is half-open: nothing is read,
          answered or sent any more, pings neither, and it is not closed until a newer one takes its place, or a minute
          after its session's end.

        For ``room``: ``twice``, ``swap`` and ``rename``, as above; ``close`` and ``send``, too, where a line stands in
        for the room.

        Several for one operation happen in the order in which they were added, each until it is used up; a delay goes
        together with what else happens to the call.

        Raises ``ValueError`` or ``TypeError`` that names what is wrong, and the nearest right name.
        """
        self._owner.ask("faults/add", Fault(operation, kind, times, parameters).to_json())

    def list(self) -> list[Fault]:
        """Those that are still switched on, with the times that are left of each."""
        return [Fault.from_json(fault) for fault in self._owner.ask("faults/list")]

    def clear(self) -> None:
        """Switches all faults off."""
        self._owner.ask("faults/clear")

    def __repr__(self) -> str:
        try:
            faults = self.list()
        except SimulatorError as gone:
            return f"<Faults: {gone}>"
        if not faults:
            return "<Faults: none>"
        return "\n".join(["<Faults, in this order:", *(f"  {fault}" for fault in faults)]) + ">"


class Simulator:
    """A LiveAvatar that runs on this machine, in a child process that ends with this one.

    It is there when the constructor returns; `close`, leaving a ``with`` block or dropping the handle end it.
    In a forked child the handle does nothing.

    Parameters
    ----------
    speed: simulated seconds for each real second; 0 stands still until `advance`.
    credits: what the account holds at first.
    port: 0 for a free one.
    avatars: how many public avatars; None for the drawn sixteen.
    concurrency: sessions that may run at once.
    idle_limit: simulated seconds without speech or keep-alive before a session ends.
    max_session_seconds: the plan's limit for one session, and its default.
    allow_origins: origins of pages that may call it; of others, none may.
    api_key: 256 random bits unless given.
    connect_delay: real seconds between the WebSocket's ``connecting`` and ``connected``.
    history: whether the account has something to explore from before: six sessions that ended, two contexts, a
        secret, an LLM configuration and a memory. `ledger` and `billed` do not tell of them.
    rate_limit: requests in one real second for each credential and endpoint, above which the answer is 429; None for
        no limit.
    spelling: which events tell that the avatar speaks, as builds of the service differ in it: ``speak`` for
        ``agent.speak_started`` and its like alone, ``state`` for ``agent.state_updated`` with `new_state` alone,
        ``bare_state`` for the same with `state`, or ``both`` of the first two.
    livekit: where avatars are seen and heard: in rooms of this `LiveKit` server; with ``"auto"`` in those of the one
        that LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET name, else of one of its own, where ``livekit-server``
        is on the PATH; with None, or where that fails, nowhere: a page draws them. Needs the extra ``media``.

    Raises ``ValueError`` or ``TypeError`` that names the field, `SimulatorError` where it does not start.
    """

    def __init__(
        self,
        *,
        speed: float = 1.0,
        port: int = 0,
        credits: Decimal | int | str = 100,  # noqa: A002 (the word of the service)
        avatars: int | None = None,
        concurrency: int = 3,
        idle_limit: float = IDLE_LIMIT,
        max_session_seconds: int = 1200,
        allow_origins: Sequence[str] = (),
        api_key: str | None = None,
        connect_delay: float = 0.3,
        history: bool = True,
        rate_limit: int | None = 100,
        spelling: Spelling = "both",
        livekit: Literal["auto"] | LiveKit | None = None,
    ) -> None:
        options = Options.of(
            speed=speed,
            credits=credits,
            port=port,
            avatars=avatars,
            concurrency=concurrency,
            idle_limit=idle_limit,
            max_session_seconds=max_session_seconds,
            allow_origins=allow_origins,
            connect_delay=connect_delay,
            history=history,
            rate_limit=rate_limit,
            spelling=spelling,
            livekit=livekit,
        )
        del livekit
        self.api_key: Final = secrets.token_urlsafe(KEY_BYTES) if api_key is None else header_safe("api_key", api_key)
        del api_key  # from here on a traceback that shows local variables does not show it
        self._owner: Final = _Owner(options, self.api_key)
        self.faults: Final = Faults(self._owner)
        self._end: Final = weakref.finalize(self, self._owner.child.close)
        # at the interpreter's end sessions are still being stopped: the child then ends with the pipe, not before
        self._end.atexit = False

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``"""
        return self._owner.child.url

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._owner.child.pid

    @property
    def media(self) -> str:
        """Where avatars are seen and heard, in words: "LiveKit on ws://..." or "drawn in the page: ..." with why."""
        return str(self._owner.ask("media"))

    def close(self) -> None:
        """Ends the child and waits until it is gone. Can be called twice."""
        self._owner.child.close()

    def ledger(self) -> list[LedgerEntry]:
        """Sessions in the order of their creation, as they were booked until now: all that run, and of the others the
        latest; 5,000 together.
        """
        entries = self._owner.ask("ledger")
        return [LedgerEntry(**{**entry, "credits": Decimal(entry["credits"])}) for entry in entries]

    def billed(self) -> list[LedgerEntry]:
        """The sessions that run right now, sandbox ones too."""
        return [entry for entry in self.ledger() if entry.started_at is not None and entry.ended_at is None]

    def advance(self, seconds: float) -> None:
        """Moves the simulated clock on at once; time-outs that fall due happen, each at its moment."""
        self._owner.ask("advance", {"seconds": number("seconds", seconds, low=0, high=LONGEST_ADVANCE)})

    def set_speed(self, speed: float) -> None:
        """Simulated seconds for each real second from now on; 0 stands still."""
        self._owner.ask("speed", {"speed": number("speed", speed, low=0, high=HIGHEST_SPEED)})

    def requests(self) -> list[dict[str, Any]]:
        """What arrived, oldest first: method, path, query, body, auth (``key``, ``bearer``, None), received_at, status;
        the latest 10,000 of them, and no body of more than 64 KiB.

        Secrets are masked; the owner's own questions are left out.
        """
        requests: list[dict[str, Any]] = self._owner.ask("requests")
        return requests

    def warnings(self) -> list[str]:
        """What a client did that the service bears in silence, and that is still not right.

        Each kind is noted once for an utterance or, where it belongs to none, for a session.
        """
        warnings: list[str] = self._owner.ask("warnings")
        return warnings

    def refusals(self) -> list[str]:
        """What was said in the ``error`` events, the latest 1,000 of them."""
        refusals: list[str] = self._owner.ask("refusals")
        return refusals

    def heard(self, session_id: str | None = None) -> list[Heard]:
        """The sound that came over WebSockets, utterance by utterance, oldest first.

        64 MiB of sound and 10,000 utterances are kept, of all sessions together; the oldest go first.

        Parameters
        ----------
        session_id: of this session only.
        """
        return [Heard.from_json(one) for one in self._owner.ask("heard", {"session_id": session_id})]

    def frames(self, session_id: str | None = None) -> list[Frame]:
        """Every frame that clients sent over WebSockets, the latest 20,000 of them, oldest first.

        Parameters
        ----------
        session_id: of this session only.
        """
        return [Frame(**one) for one in self._owner.ask("frames", {"session_id": session_id})]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        told = ", ".join(f"{name}={value}" for name, value in self._owner.options.changed().items())
        return f"<Simulator {self.url}{f' ({told})' if told else ''}{', closed' if self._owner.child.closed else ''}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A Simulator belongs to its process and cannot be pickled or copied")


class _Owner:
    """The right to ask: the child and its admin token."""

    def __init__(self, options: Options, api_key: str) -> None:
        self.options = options
        self._token = secrets.token_urlsafe(KEY_BYTES)
        self.child = ChildProcess({"options": options.to_json(), "api_key": api_key, "admin_token": self._token})

    def ask(self, command: str, told: dict[str, Any] | None = None) -> Any:
        import http.client  # noqa: PLC0415 (costs more than all of this module)

        self.child.check()
        connection = http.client.HTTPConnection(urlsplit(self.child.url).netloc, timeout=ADMIN_LIMIT)
        try:
            connection.request(
                "POST", f"/_simulator/{command}", json.dumps(told or {}), {"Authorization": f"Bearer {self._token}"}
            )
            response = connection.getresponse()
            answer = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.child.check(ENDING_LIMIT)
            raise SimulatorError(f"The simulator did not answer: {error}") from None
        finally:
            connection.close()
        if response.status != 200:
            raise SimulatorError(str(answer.get("message")))
        return answer["result"]
