"""The handle for a simulator that runs in a child process.

To load quickly, this module imports only a small part of the standard library.
"""

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
from .options import (
    HIGHEST_SPEED,
    IDLE_LIMIT,
    LONGEST_ADVANCE,
    LiveKit,
    Options,
    PlanName,
    Spelling,
    header_safe,
    number,
)
from .process import ChildProcess, SimulatorError
from .session.heard import Frame, Heard

KEY_BYTES: Final = 32
ADMIN_LIMIT: Final = 10.0  # maximum seconds for one of the owner's commands
ENDING_LIMIT: Final = 0.5  # seconds to wait for a child to exit after its sockets have closed


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """What the simulated service has billed for one session.

    Attributes:
        session_id: The session's id.
        avatar_id: The avatar's id.
        mode: ``FULL`` or ``LITE``.
        is_sandbox: Whether the session is a sandbox session, which costs nothing.
        created_at: The time at which the session was created, in simulated seconds since the epoch.
        started_at: The time at which the session started, in the same unit; None if it has not started.
        ended_at: The time at which the session ended, in the same unit; None if it has not ended.
        seconds: Simulated seconds billed so far.
        credits: Credits billed so far.
        end_reason: The service's reason for ending the session; None if it has not ended.
        starts: How many start calls arrived.
        stops: How many stop calls arrived.
        start_received_at: The time at which the first start call arrived, in real seconds (``time.time()``); None
            if no such call has arrived.
        stop_received_at: The time at which the first stop call arrived, in real seconds; None if none has arrived.
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
    """The faults to inject into the service; the repr lists those that are active.

    ``sim.faults.add("credits", "status", status=503, times=2)``
    """

    def __init__(self, admin: _Admin) -> None:
        self._admin = admin

    def add(self, operation: str, kind: str, *, times: int | None = 1, **parameters: Any) -> None:
        """Make the next `times` calls to an operation go wrong.

        If an operation has several faults, they happen in the order they were added, each until it is used up. A
        ``delay`` can be combined with any other fault.

        Kinds for which the service does not process the call:

        - ``status``: Respond with `status` (default 500) and `headers`. If `body` is given, it is sent unchanged, with
          `content_type` (default text/html); otherwise, the body is the envelope with `code` and `message`.
        - ``redirect``: Respond with 307 and `location`.
        - ``drop_before``: Cut the connection without a response.

        Kinds for which the service processes the call later, without telling the caller:

        - ``late``: Cut the connection without a response, or respond with an error if `status` is given. Process the
          call `seconds` (real) later. A late start takes effect even if its session has been stopped before then.

        Kinds for which the service processes the call, but damages the response:

        - ``drop_after``: Cut the connection without a response.
        - ``garbage``: Respond with `status` (default 200) and `body`, labelled as JSON.
        - ``truncated``: Send half of the body, then close the connection properly.
        - ``reset``: Send half of the body, then reset the connection.
        - ``huge``: Send `megabytes` of whitespace before the body, without a Content-Length header.
        - ``gzip_bomb``: Like ``huge``, but compressed: a small body that inflates to `megabytes`.
        - ``drip``: Send the body one byte at a time, `seconds` apart.
        - ``stale``: Send the correct response, then cut the connection the next time it is used.

        A kind that can be combined with any of these:

        - ``delay``: Wait `seconds` (real) before processing the call.

        Kinds for the operation ``socket``; if no socket is open, ``close``, ``send`` and ``stall`` wait for one:

        - ``delay``, ``drop_before``: As above, but for the handshake.
        - ``refuse``: Respond to the handshake with the HTTP error `status` (default 503).
        - ``never_connected``: Send nothing after ``connecting``.
        - ``close``: Close the open socket with `code`; 1006 (the default) cuts the connection.
        - ``send``: Send a frame over the open socket: `text` unchanged, `data` (base64) as a binary frame, or a text
          frame of `megabytes`.
        - ``twice``: Send each of the next `times` events twice.
        - ``swap``: Send the next `times` pairs of events, each pair in reverse order.
        - ``rename``: Send events of type `old` as type `new`.
        - ``stall``: Leave the open socket half-open: read and send nothing, not even pings, until a newer socket
          replaces it or the session has been over for a minute.

        Kinds for the operation ``room``: ``twice``, ``swap`` and ``rename`` as above, and also ``close`` and ``send``
        if a WebSocket stands in for the room.

        Args:
            operation: An operation (``token start stop keep_alive sessions session transcript events credits``), a
                resource, meaning all of its operations (``avatars voices voice_agents contexts languages embeddings
                secrets llm_configurations memory``), an operationId from the contract such as
                ``get_v1_voices_voice_id_preview``, ``any`` for every REST operation, ``socket`` for the WebSocket, or
                ``room`` for the events of a conversation.
            kind: What goes wrong, as listed above.
            times: How many calls go wrong; None for all calls until you call `clear`.
            parameters: The parameters for this kind of fault.

        Raises:
            ValueError: The operation or kind does not exist, or a value is out of range; the message says which,
                and suggests the closest match.
            TypeError: A parameter is missing, unknown or of the wrong type; the message names it.
        """
        self._admin.call("faults/add", Fault(operation, kind, times, parameters).to_json())

    def list(self) -> list[Fault]:
        """Return the active faults, each with the number of times left."""
        return [Fault.from_json(fault) for fault in self._admin.call("faults/list")]

    def clear(self) -> None:
        """Switch off all faults."""
        self._admin.call("faults/clear")

    def __repr__(self) -> str:
        try:
            faults = self.list()
        except SimulatorError as error:
            return f"<Faults: {error}>"
        if not faults:
            return "<Faults: none>"
        return "\n".join(["<Faults, in this order:", *(f"  {fault}" for fault in faults)]) + ">"


class Simulator:
    """A LiveAvatar service on this machine, in a child process that exits when this process does.

    The simulator is ready when the constructor returns. It shuts down when you call `close`, leave its ``with`` block
    or drop the last reference to this object. In a forked process, this object does not work, and deleting it does
    not shut the simulator down.

    Args:
        speed: Simulated seconds per real second; at 0 the clock stands still until you call `advance`.
        port: The port to listen on; 0 for any free one.
        credits: The account's initial balance.
        avatars: How many public avatars there are; None for the 16 featured ones.
        concurrency: How many sessions may run at the same time.
        idle_limit: Simulated seconds without speech or a keep-alive before a session ends.
        plan: The account's plan, ``free``, ``starter``, ``essential`` or ``business``: how long a session may last (2,
            5, 20 or 60 minutes), and whether there is 1080p (from ``essential`` on). With None, 20 minutes and 1080p.
        max_session_seconds: The maximum session length, in simulated seconds, and the default length; None for the
            plan's.
        allow_origins: Origins of the web pages that may call the simulator; pages from other origins are refused.
        api_key: The account's API key; random (256 bits) if None.
        connect_delay: Real seconds between the WebSocket's ``connecting`` and ``connected`` events.
        history: Whether the account begins with something to explore: six past sessions, two contexts, a secret, an
            LLM configuration and a memory. `ledger` and `billed` omit the past sessions.
        rate_limit: Maximum requests per real second for each credential and endpoint; further requests get a 429. None
            for no limit.
        spelling: Which events report that the avatar is speaking; builds of the service differ. ``speak`` sends only
            ``agent.speak_started`` and the like, ``state`` only ``agent.state_updated`` with `new_state`,
            ``bare_state`` only ``agent.state_updated`` with `state`, and ``both`` the events of ``speak`` and ``state``
            together.
        livekit: Where avatars can be seen and heard. With a `LiveKit`, avatars join rooms on that server. With
            ``"auto"``, they join rooms on the server named by LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET, or
            else on the simulator's own server if ``livekit-server`` is on the PATH. With None, or if there is no
            server, the page draws the avatars. Rooms need the extra ``media``.

    Attributes:
        api_key: The account's API key.
        faults: The faults to inject into the service.

    Raises:
        ValueError: An argument is out of range; the message names it.
        TypeError: An argument has the wrong type; the message names it.
        SimulatorError: The simulator did not start.
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
        plan: PlanName | None = None,
        max_session_seconds: int | None = None,
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
            plan=plan,
            max_session_seconds=max_session_seconds,
            allow_origins=allow_origins,
            connect_delay=connect_delay,
            history=history,
            rate_limit=rate_limit,
            spelling=spelling,
            livekit=livekit,
        )
        self.api_key: Final = secrets.token_urlsafe(KEY_BYTES) if api_key is None else header_safe("api_key", api_key)
        self._admin: Final = _Admin(options, self.api_key)
        self.faults: Final = Faults(self._admin)
        self._end: Final = weakref.finalize(self, self._admin.child.close)
        # at interpreter exit, sessions are still being stopped, so the child must live until the pipe closes
        self._end.atexit = False

    @property
    def url(self) -> str:
        """The base URL, ``http://127.0.0.1:PORT``."""
        return self._admin.child.url

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._admin.child.pid

    @property
    def media(self) -> str:
        """Where avatars can be seen and heard: "LiveKit on ws://..." or "drawn in the page: ..." with the reason."""
        return str(self._admin.call("media"))

    def close(self) -> None:
        """Shut down the child process and wait until it has exited; further calls do nothing."""
        self._admin.child.close()

    def ledger(self) -> list[LedgerEntry]:
        """Return all sessions in order of creation, each with its cost so far.

        The simulator keeps 5,000 sessions: all that are running, and the most recent of the others. Transcripts are
        kept for the 500 sessions that ended most recently.
        """
        entries = self._admin.call("ledger")
        return [LedgerEntry(**{**entry, "credits": Decimal(entry["credits"])}) for entry in entries]

    def billed(self) -> list[LedgerEntry]:
        """Return the sessions that are running now, including sandbox sessions."""
        return [entry for entry in self.ledger() if entry.started_at is not None and entry.ended_at is None]

    def advance(self, seconds: float) -> None:
        """Move the simulated clock forward.

        Timeouts that fall within the skipped time take effect, each at its own time.

        Args:
            seconds: Simulated seconds, up to ten years.
        """
        self._admin.call("advance", {"seconds": number("seconds", seconds, low=0, high=LONGEST_ADVANCE)})

    def set_speed(self, speed: float) -> None:
        """Change the speed of the simulated clock from now on.

        Args:
            speed: Simulated seconds per real second; 0 stops the clock.
        """
        self._admin.call("speed", {"speed": number("speed", speed, low=0, high=HIGHEST_SPEED)})

    def requests(self) -> list[dict[str, Any]]:
        """Return the last 2,000 requests received, oldest first.

        Each request has `method`, `path`, `query`, `body` (None if over 64 KiB), `auth` (``key``, ``bearer`` or None),
        `received_at` and `status`. Secrets are masked; the owner's own commands are left out.
        """
        requests: list[dict[str, Any]] = self._admin.call("requests")
        return requests

    def warnings(self) -> list[str]:
        """Return warnings about client mistakes that the service silently accepts.

        Each kind of mistake is reported once per utterance, or once per session if it concerns no utterance.
        """
        warnings: list[str] = self._admin.call("warnings")
        return warnings

    def refusals(self) -> list[str]:
        """Return the error messages for the last 1,000 frames and packets that the service refused."""
        refusals: list[str] = self._admin.call("refusals")
        return refusals

    def heard(self, session_id: str | None = None) -> list[Heard]:
        """Return the audio received over WebSockets, utterance by utterance, oldest first.

        The simulator keeps 32 MiB of audio (more than eleven minutes) and 2,000 utterances for all sessions together,
        and drops the oldest first.

        Args:
            session_id: The session whose audio to return; None for all sessions.
        """
        return [Heard.from_json(data) for data in self._admin.call("heard", {"session_id": session_id})]

    def frames(self, session_id: str | None = None) -> list[Frame]:
        """Return the last 5,000 frames that clients sent over WebSockets, oldest first.

        Args:
            session_id: The session whose frames to return; None for all sessions.
        """
        return [Frame(**data) for data in self._admin.call("frames", {"session_id": session_id})]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        options = ", ".join(f"{name}={value}" for name, value in self._admin.options.non_default().items())
        details = f" ({options})" if options else ""
        return f"<Simulator {self.url}{details}{', closed' if self._admin.child.closed else ''}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A Simulator belongs to its process and cannot be pickled or copied")


class _Admin:
    """The owner's access to the child process, through commands sent with the admin token."""

    def __init__(self, options: Options, api_key: str) -> None:
        self.options = options
        self._token = secrets.token_urlsafe(KEY_BYTES)
        self.child = ChildProcess({"options": options.to_json(), "api_key": api_key, "admin_token": self._token})

    def call(self, command: str, arguments: dict[str, Any] | None = None) -> Any:
        """Run one of the commands in `admin` and return its result.

        Raises:
            SimulatorError: The simulator has exited, did not respond, or refused the command.
        """
        import http.client  # noqa: PLC0415 (slower to import than the rest of this module)

        self.child.check()
        connection = http.client.HTTPConnection(urlsplit(self.child.url).netloc, timeout=ADMIN_LIMIT)
        try:
            connection.request(
                "POST",
                f"/_simulator/{command}",
                json.dumps(arguments or {}),
                {"Authorization": f"Bearer {self._token}"},
            )
            response = connection.getresponse()
            answer = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.child.check(ENDING_LIMIT)
            raise SimulatorError(f"The simulator did not respond: {error}") from None
        finally:
            connection.close()
        if response.status != 200:
            raise SimulatorError(str(answer.get("message")))
        return answer["result"]
