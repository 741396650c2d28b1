"""Clients, sessions, faults and clocks in one process, and what must hold once things have settled."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import json
import logging
import random
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx

from liveavatar_nb import AsyncLiveAvatar, AsyncSession, LiveAvatar, LiveAvatarAPI, Simulator, config
from liveavatar_nb.bridge.loop import bridge
from liveavatar_nb.concurrency.threads import THREAD_NAME
from liveavatar_nb.errors import LiveAvatarException, StopNotConfirmed
from liveavatar_nb.models.avatars import Avatar
from liveavatar_nb.protection.guard import __main__ as guard_process
from liveavatar_nb.protection.guard.handle import Guard
from liveavatar_nb.protection.guard.process import GuardProcess
from liveavatar_nb.protection.journal import journal
from liveavatar_nb.protection.running import running_sessions
from liveavatar_nb.rest.retry import Policy
from liveavatar_nb.sync.session import Session

from ..faults.canary import CANARY, KEY
from ..faults.manual import ManualClock
from .proxy import Proxy

LATEST = 0.03  # s after which a late call is applied at the latest
LONGEST_DELAY = 0.02  # s that a call is held up
FIRST_LOOK = config.UNKNOWN_LOOKS[0]
HANG = 20.0  # s after which what has not ended hangs
CROWD = 45  # sessions of others at a time: with ours, several pages of the list
OPERATIONS = ("token", "start", "start", "stop", "stop", "keep_alive", "sessions", "session", "any")
SOCKET_FAULTS: list[tuple[str, dict[str, Any]]] = [
    ("delay", {"seconds": LONGEST_DELAY}),
    ("drop_before", {}),
    ("never_connected", {}),
    ("close", {"code": 1006}),
    ("close", {"code": 1011}),
]
STARTED = {
    "session_id": "00000000-0000-4000-8000-000000000000",
    "livekit_url": None,
    "livekit_client_token": None,
    "max_session_duration": None,
    "ws_url": None,
}
FAULTS: list[tuple[str, dict[str, Any]]] = [
    *(("status", {"status": status}) for status in (401, 403, 404, 408, 409, 429, 500, 503)),
    ("status", {"status": 403, "code": 4003}),
    ("status", {"status": 422, "body": '{"detail": []}'}),
    ("status", {"status": 502, "body": "<html>"}),
    ("redirect", {"location": "http://127.0.0.1:9/"}),
    ("delay", {"seconds": LONGEST_DELAY}),
    ("delay", {"seconds": 0.005}),
    ("drop_before", {}),
    ("drop_after", {}),
    ("drop_after", {}),
    ("late", {"seconds": 0}),
    ("late", {"seconds": 0.01}),
    ("late", {"seconds": LATEST, "status": 500}),
    ("late", {"seconds": LATEST}),
    ("garbage", {}),
    ("garbage", {"body": "null"}),
    ("garbage", {"body": json.dumps({"code": 4000, "data": None, "message": CANARY.upper()})}),
    ("garbage", {"body": json.dumps({"code": 1000, "data": STARTED, "message": None})}),
    ("truncated", {}),
    ("reset", {}),
    ("huge", {"megabytes": 2.25}),
    ("gzip_bomb", {"megabytes": 2.25}),
    ("drip", {"seconds": 0.002}),
    ("stale", {}),
]
LIMITS: dict[str, Any] = {
    "STOP_LIMIT": 0.15,
    "READ_TIMEOUT": 0.2,
    "TOTAL_TIMEOUT": 0.25,
    "EXIT_STOP_LIMIT": 0.15,
    "CONNECTED_TIMEOUT": 0.15,
    "RETRY_BASE": 0.004,
    "LONGEST_RETRY_AFTER": 0.1,
    "SOCKET_OPEN_TIMEOUT": 0.15,
    "SOCKET_CLOSE_TIMEOUT": 0.05,
    "SOCKET_ATTEMPTS": 2,
    "SOCKET_RECONNECT_LIMIT": 0.1,
}
SETTLED: dict[str, Any] = {"STOP_LIMIT": 10.0, "READ_TIMEOUT": 10.0, "TOTAL_TIMEOUT": 10.0, "EXIT_STOP_LIMIT": 5.0}


class HandWatch(guard_process.KernelWatch):
    """The guard's own code, which acts when it is told to, and not on threads."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._sessions = {}
        self._now = now
        self._kernel_lives = True
        self._preload_at = guard_process.NEVER

    def take(self, told: dict[str, Any]) -> None:
        """Reads what the kernel says."""
        self._handle(json.loads(json.dumps(told)))

    def end(self) -> None:
        """The pipe's end."""
        self._kernel_lives = False
        for session in self._sessions.values():
            session.activate()

    def act(self) -> None:
        """Stops what is due, and looks for it."""
        for session in list(self._sessions.values()):
            if session.due <= self._now():
                session.act()
            if session.is_over:
                self._sessions.pop(session.id, None)

    @property
    def is_busy(self) -> bool:
        """Whether it has something to stop, or to look for."""
        return any(session.due != guard_process.NEVER for session in self._sessions.values())


class HandProcess(GuardProcess):
    """A guard without a process: it lives in this one, and dies, or is stopped, when it is told to."""

    def __init__(self, watch: HandWatch) -> None:
        self.watch = watch
        self.pid = 0
        self.is_watched = False
        self.is_let_go = threading.Event()
        self.is_killed = False
        self.is_held = False
        self._sent = self._heard = 0
        self._waiting: list[dict[str, Any]] = []

    @property
    def is_gone(self) -> bool:
        return self.is_killed or self.is_let_go.is_set()

    def is_mute(self, limit: float) -> bool:
        return self._heard < self._sent

    def post(self, message: dict[str, Any]) -> int:
        self._sent += 1
        self._waiting.append(message)
        self.go_on()
        return self._sent

    def go_on(self) -> None:
        """Hears what it was told, unless it is held."""
        while self._waiting and not (self.is_held or self.is_gone):
            self.watch.take(self._waiting.pop(0))
            self._heard += 1

    def hears(self, number: int, limit: float) -> bool:
        return self.has_heard(number)

    def ask(self, name: str, service: dict[str, Any]) -> None:
        pass

    def reaches(self, name: str, limit: float) -> str | None:
        return ""

    def was_asked(self, name: str) -> bool:
        return True

    def listen(self) -> None:
        pass

    def kill(self) -> None:
        self.is_killed = True

    def end(self) -> None:
        self.go_on()
        self.is_let_go.set()

    def close(self) -> None:
        pass

    def forget(self) -> None:
        pass


class HandGuard(Guard):
    """A guard without a process: it lives by a clock that the test moves, and dies when it is told to."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self._now = clock.monotonic
        self.left: list[HandWatch] = []  # whose kernel is done with them

    def _launch(self) -> GuardProcess:
        return HandProcess(HandWatch(self._now))

    def _let_go(self, process: GuardProcess) -> None:
        assert isinstance(process, HandProcess)
        super()._let_go(process)
        if not (process.is_killed or process.is_held):
            self.left.append(process.watch)
            process.watch.end()

    @property
    def _hand(self) -> HandProcess | None:
        process = self._process
        assert process is None or isinstance(process, HandProcess)
        return None if process is None or process.is_gone else process

    def die(self) -> None:
        """SIGKILL."""
        if self._hand is not None:
            self._hand.kill()

    def hold(self) -> None:
        """SIGSTOP."""
        if self._hand is not None:
            self._hand.is_held = True

    def kernel_dies(self) -> None:
        """The pipe's end; nobody is there who could say anything more."""
        if self._hand is not None:
            self._let_go(self._hand)
        self._reset()

    def forget(self) -> None:
        """Of one run nothing is left for the next."""
        self._reset()
        self.left = []

    @property
    def watches(self) -> list[HandWatch]:
        """All that live, and are not held."""
        here = self._hand
        return [*self.left, *([here.watch] if here is not None and not here.is_held else [])]

    def look_after(self) -> None:
        """What the thread does that watches it."""
        if (process := self._process) is not None:
            self._post({"do": "hear"})
            self._drop_acknowledged(process)
            if process.is_gone or process.is_mute(0):
                self._replace(process)

    def act(self) -> None:
        """Has it do what is due."""
        self.look_after()
        for watch in self.watches:
            watch.act()
        self.left = [watch for watch in self.left if watch._sessions]
        self.look_after()

    @property
    def is_busy(self) -> bool:
        """Whether it has something to stop, or to look for."""
        return any(watch.is_busy for watch in self.watches)


class GuardTime:
    """What the guard has for its module `time`."""

    def __init__(self, clock: ManualClock) -> None:
        self.monotonic = clock.monotonic
        self.time = clock.wall


class Listener(logging.Handler):
    """Hears whether a log shows the canary."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.heard: list[str] = []
        self.records = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.records += 1
        told = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            told += repr(record.exc_info[1]) + str(vars(record.exc_info[1]))
        if CANARY in told:
            self.heard.append(told)


@dataclass
class Party:
    """A client, async or sync, and its starts."""

    inner: AsyncLiveAvatar
    face: LiveAvatar | None
    lent: httpx.AsyncClient | None = None  # the caller's own, who may close it at any moment
    starts: list[asyncio.Future[Any]] = field(default_factory=list)
    is_gone: bool = False


class Lab:
    """One run.

    Args:
        simulator: judges by its ledger; its clock stands still but for `advance`.
        avatar: what is started.
        guard: stands where the process's own does.
        clock: the clients' and the guard's.
        proxy: for clients that reach the service through it.
    """

    def __init__(
        self, simulator: Simulator, avatar: Avatar, guard: HandGuard, clock: ManualClock, proxy: Proxy
    ) -> None:
        self.simulator = simulator
        self.avatar = avatar
        self.guard = guard
        self.clock = clock
        self.proxy = proxy
        self.loop = asyncio.new_event_loop()
        self._threads = ThreadPoolExecutor(8)
        self.loop.set_default_executor(self._threads)
        self.is_async = False  # whether no client is sync
        self.parties: list[Party] = []
        self.sessions: list[AsyncSession] = []
        self.starters: dict[AsyncSession, AsyncLiveAvatar] = {}  # by whom each was started
        self.held: list[AsyncSession] = []  # that a start gave to its caller
        self.errors: list[BaseException] = []
        self.findings: list[str] = []
        self.steps: list[str] = []
        self._work: set[asyncio.Future[Any]] = set()
        self._known = {entry.session_id for entry in simulator.ledger()}
        self._crowd: list[str] = []  # sessions of the same account that nobody here protects
        self._guard_died = False
        self._under_way = 0.0  # s until all that was sent has been applied

    # steps

    def go_wrong(self, operation: str, kind: str, times: int | None, parameters: dict[str, Any]) -> None:
        """Switches a fault on."""
        if kind in ("late", "delay"):
            self._under_way = LONGEST_DELAY + LATEST + 0.01
        self.simulator.faults.add(operation, kind, times=times, **parameters)

    def connect(self, *, sync: bool, lent: bool = False, proxied: bool = False) -> None:
        """Add a client, async ones also with an HTTP client of the caller's, others also with a proxy."""
        if len([party for party in self.parties if not party.is_gone]) >= 4:
            return
        is_sync = sync and not self.is_async
        lent_client = httpx.AsyncClient(trust_env=False) if lent and not is_sync else None
        options: dict[str, Any] = {"api_url": self.simulator.url, "clock": self.clock, "http_client": lent_client}
        if proxied and lent_client is None:
            options["proxy"] = self.proxy.url
        face = LiveAvatar(KEY, **options) if is_sync else None
        inner = AsyncLiveAvatar(KEY, **options) if face is None else face._inner
        inner.api.transport._policy = Policy(3, config.RETRY_BASE, None)
        sessions, starters = self.sessions, self.starters

        def note() -> None:
            if inner.session is not None and inner.session not in sessions:
                sessions.append(inner.session)
                starters[inner.session] = inner

        inner.watch(note)
        self.parties.append(Party(inner, face, lent_client))

    def start(self, which: int, **options: Any) -> None:
        """A start, which may go on while other things happen."""
        party = self._party(which)
        if party is None:
            return
        work = self._run(party, party.inner.start(self.avatar, **options), "start")
        party.starts.append(work)

    def interrupt_late(self, which: int) -> None:
        """Start a session from a thread, and interrupt that thread as the avatar connects, as Ctrl-C does."""
        party = self._party(which)
        if party is None or party.face is None:
            return
        start, inner, sessions, held = party.face.start, party.inner, self.sessions, self.held
        starters = self.starters
        waiting: list[int] = []
        returned: list[Session] = []

        def on_change() -> None:
            if waiting and inner.session is not None and inner.session.state == "connected":
                thread = waiting.pop()
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(KeyboardInterrupt))

        def run() -> None:
            try:
                waiting.append(threading.get_ident())
                try:
                    # a result that is in the list is held, whenever the interrupt comes
                    returned.append(start(self.avatar))
                finally:
                    waiting.clear()
                # one that is still under way arrives here
                time.sleep(0.001)
            except KeyboardInterrupt:
                pass
            except LiveAvatarException as failure:
                self.errors.append(failure)
            finally:
                unwatch()
                if inner.session is not None and inner.session not in sessions:
                    sessions.append(inner.session)
                    starters[inner.session] = inner
                held.extend(one._inner for one in returned)

        unwatch = inner.watch(on_change)
        self._spawn(asyncio.to_thread(run), "interrupted start")

    def close_lent(self, which: int) -> None:
        """Close the HTTP client that a caller lent: what is to be stopped is stopped all the same."""
        party = self._party(which)
        if party is not None and party.lent is not None:
            self._spawn(party.lent.aclose(), "close of a lent client")

    def crowd(self, count: int) -> None:
        """Start sessions of the same account that belong to others, so that its list has several pages."""
        self._in_the_end(self._gather_crowd(count))

    async def _gather_crowd(self, count: int) -> None:
        async with LiveAvatarAPI(KEY, api_url=self.simulator.url) as api:
            for _ in range(min(count, CROWD - len(self._crowd))):
                with contextlib.suppress(LiveAvatarException):
                    token = await api.sessions.create_token(mode="LITE", avatar_id=self.avatar.id)
                    self._crowd.append(token.session_id)
                    await api.sessions.start(token.session_id, token.session_token)

    def thin_out(self, count: int) -> None:
        """End some sessions of others, while ours go on: their places in the list move."""
        self._spawn(self._end_crowd(self._crowd[:count]), "end of others' sessions")

    async def _end_crowd(self, ended: list[str]) -> None:
        async with LiveAvatarAPI(KEY, api_url=self.simulator.url) as api:
            for session_id in ended:
                # one is known until its end is certain: the loop may be killed, or the stop refused
                with contextlib.suppress(LiveAvatarException, ValueError):
                    await api.sessions.stop(session_id)
                    self._crowd.remove(session_id)
                await asyncio.sleep(0)

    def cancel(self, which: int) -> None:
        """Ctrl-C, or a cancelled task, in a start."""
        party = self._party(which)
        for work in party.starts if party else []:
            work.cancel()

    def stop(self, which: int) -> None:
        """Stops one, in whatever state it is."""
        if not self.sessions:
            return
        session = self.sessions[which % len(self.sessions)]
        party = next(party for party in self.parties if party.inner is self.starters[session])
        if party.face is None:
            self._run(party, session.stop(), "stop")
        else:
            self._spawn(asyncio.to_thread(Session(session).stop), "stop")

    def stop_all(self, which: int, how: str) -> None:
        """By one of the client's ways to stop several."""
        if (party := self._party(which)) is not None:
            self._run(party, getattr(party.inner, how)(), how)

    def beat(self, which: int) -> None:
        """A page shows it."""
        if self.sessions:
            self.sessions[which % len(self.sessions)].beat()

    def close(self, which: int) -> None:
        """The client's end."""
        party = self._party(which)
        if party is not None and party.face is None:
            self._run(party, party.inner.aclose(), "close")
        elif party is not None and party.face is not None:
            self._spawn(asyncio.to_thread(party.face.close), "close")

    def let_go(self, which: int) -> None:
        """Nobody holds the client any more."""
        party = self._party(which)
        if party is not None and party.face is not None and all(work.done() for work in self._work):
            party.face = None
            party.is_gone = True
            gc.collect(0)

    def pass_time(self, seconds: float) -> None:
        """For the clients, the guard and the service."""
        self.simulator.advance(seconds)
        end = self.clock.monotonic() + seconds
        if seconds > FIRST_LOOK:
            self.clock.move(FIRST_LOOK)
            self._arrive()
        while self.clock.monotonic() < end:
            self.clock.move(min(25.0, end - self.clock.monotonic()))
            self.turn(0)
        self.guard.act()

    def sleep_machine(self, seconds: float) -> None:
        """The wall's clock goes on, and the service, while the other one stands."""
        self.simulator.advance(seconds)
        self.clock.move(1, wall=seconds)

    def kill_guard(self) -> None:
        """SIGKILL of the guard."""
        self._guard_died = True
        self.guard.die()

    def hold_guard(self) -> None:
        """SIGSTOP of the guard."""
        self._guard_died = True
        self.guard.hold()

    def kill_loop(self) -> None:
        """Somebody stops the managed loop from within."""
        if bridge.is_running:
            with contextlib.suppress(RuntimeError):
                bridge.loop.call_soon_threadsafe(bridge.loop.stop)

    def break_proxy(self) -> None:
        """The proxy cuts all its connections, and those that come."""
        self.proxy.break_down()

    def mend_proxy(self) -> None:
        """The proxy works again."""
        self.proxy.work()

    def turn(self, seconds: float) -> None:
        """Lets the loop work for a while."""
        self.loop.run_until_complete(self._turn(seconds))

    # the end

    def settle(self, ending: str) -> None:
        """Things settle, and nothing is billed any more.

        Args:
            ending: `close` the clients; `look`: let the looks come first; `exit` or `kill` of the process.
        """
        self.simulator.faults.clear()
        self.proxy.work()
        before = {name: getattr(config, name) for name in SETTLED}
        for name, seconds in SETTLED.items():
            setattr(config, name, seconds)
        try:
            self._in_the_end(self._end_crowd(list(self._crowd)))
            if ending == "look":
                self._look()
            if ending in ("exit", "kill"):
                self._die(politely=ending == "exit")
            else:
                self._close_all()
            self.guard.act()
            time.sleep(self._under_way)
            self._let_guard_finish()
            if self._guard_died:
                asyncio.run(self._reconcile())
            self._judge()
        finally:
            for name, seconds in before.items():
                setattr(config, name, seconds)
            self._end_loop()

    def _look(self) -> None:
        """No client is closed, and time passes: what is billed then is a session that somebody has."""
        self.clock.move(FIRST_LOOK)
        self._arrive()
        for _ in range(4):
            self.clock.move(25.0)
            self.turn(0.01)
        self._in_the_end(self._until(lambda: all(work.done() for work in self._work), "starts and stops"))
        self._pursue()
        self._let_guard_finish()
        live = {session.id for session in self.held if session.is_live}
        if not self._guard_died:
            self._check(self._billed() <= live, f"billed, and nobody has it: {self._billed() - live}")

    def _arrive(self) -> None:
        """What is under way at the service is applied: the looks of a minute pass here in no time."""
        self.guard.act()
        self.turn(self._under_way)

    def _pursue(self) -> None:
        if any(session.is_pursued for session in self.sessions):
            self.clock.move(FIRST_LOOK)
            self._arrive()
        deadline = time.monotonic() + HANG
        while any(session.is_pursued for session in self.sessions) and time.monotonic() < deadline:
            self.clock.move(20.0)
            self.turn(0.005)
        self._check(not any(session.is_pursued for session in self.sessions), "something is pursued for ever")

    def _close_all(self) -> None:
        for party in self.parties:
            if party.is_gone:
                continue
            work = party.inner.aclose() if party.face is None else asyncio.to_thread(party.face.close)
            self._in_the_end(self._closed(work))
        # let-go clients, and what was cancelled, end by themselves; a thread that protects a session whose start was
        # cancelled has to take that back first
        deadline = time.monotonic() + HANG
        while time.monotonic() < deadline and (
            any(not work.done() for work in self._work)
            or any(thread.name in ("liveavatar_nb-let-go", THREAD_NAME) for thread in threading.enumerate())
        ):
            self.turn(0.005)
        self._check(all(work.done() for work in self._work), f"hangs: {[w for w in self._work if not w.done()]}")
        self._pursue()

    async def _closed(self, work: Any) -> None:
        try:
            await asyncio.wait_for(work, HANG)
        except StopNotConfirmed as failure:
            self.findings.append(f"a stop that is not confirmed although all is well: {failure}")
        except TimeoutError:
            self.findings.append("the close of a client hangs")

    def _die(self, *, politely: bool) -> None:
        """The process ends, in the middle of a start: what is left has only the guard."""
        self.go_wrong("start", "late", None, {"seconds": LATEST})
        self.start(0, concurrent=True)
        self.turn(LATEST / 2)
        self.simulator.faults.clear()
        if politely:
            running_sessions.stop_all()
            bridge.close()
        # the loop stands still from here on; what is on a thread comes to its end
        self._threads.shutdown()
        for thread in threading.enumerate():
            if thread.name == THREAD_NAME:
                thread.join(HANG)
        self.guard.kernel_dies()
        running_sessions._reset()
        journal._forget()

    def _let_guard_finish(self) -> None:
        deadline = time.monotonic() + HANG
        while self.guard.is_busy and time.monotonic() < deadline:
            self.clock.move(5.0)
            self.guard.act()
        self._check(not self.guard.is_busy, "the guard does not finish")

    async def _reconcile(self) -> None:
        """The next use, after the guard died with what it had taken over."""
        async with AsyncLiveAvatar(KEY, api_url=self.simulator.url) as client:
            await client.stop_orphans()

    def _judge(self) -> None:
        self._check(not self._billed(), f"billed: {self._billed()}")
        ledger = [entry for entry in self.simulator.ledger() if entry.session_id not in self._known]
        self._check(all(entry.starts <= 1 for entry in ledger), "a start was sent twice")
        # what no guard could be told of is left for the interpreter's exit; so is what a client that nobody holds any
        # more could not stop, since nobody is there to be told: the guard has stopped it by now
        dropped = {party.inner for party in self.parties if party.is_gone}
        unheld = {session.id for session, client in self.starters.items() if client in dropped}
        left_over = set(running_sessions._sessions) - unheld
        self._check(self._guard_died or not left_over, f"left over: {left_over}")
        shown = repr((self.parties, self.sessions, self.errors, [vars(one) for one in self.errors]))
        shown += "".join(map(str, self.errors)) + repr([(vars(one), vars(one.lifecycle)) for one in self.sessions])
        self._check(CANARY not in shown, "the key is shown")
        for path in journal.folder.glob("*"):
            self._check(CANARY.encode() not in path.read_bytes(), f"the key is in {path.name}")
        if not self._guard_died and not len(running_sessions):
            left = [path.name for path in journal.folder.glob("*")]
            self._check(not left, f"in the journal: {left}")

    def _end_loop(self) -> None:
        # a start that is cancelled begins a stop
        while tasks := asyncio.all_tasks(self.loop):
            for task in tasks:
                task.cancel()
            self._in_the_end(asyncio.wait(tasks, timeout=HANG))
        for party in self.parties:
            if party.face is None:
                self._in_the_end(party.inner.api.aclose())
            if party.lent is not None:
                self._in_the_end(party.lent.aclose())
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        # transports close in the loop's next turns
        self._in_the_end(asyncio.sleep(0.005))
        self._threads.shutdown()
        self.loop.close()
        for party in self.parties:
            if party.face is not None and party.face._release.detach() is not None:
                bridge.release()
        bridge.close()
        # what only a look in a minute could have removed
        running_sessions._reset()
        journal._forget()
        self.guard.forget()
        for path in journal.folder.glob("*"):
            path.unlink()
        self.clock.forget()
        for things in (self.parties, self.sessions, self.starters, self.held, self.errors, self._work):
            things.clear()

    # how

    def _party(self, which: int) -> Party | None:
        there = [party for party in self.parties if not party.is_gone]
        return there[which % len(there)] if there else None

    def _run(self, party: Party, work: Coroutine[Any, Any, Any], what: str) -> asyncio.Future[Any]:
        """Has the party's loop do it: this one, or the managed one, whose task Ctrl-C cancels."""
        if party.face is None:
            return self._spawn(work, what)
        submitted = bridge.submit(work)

        async def done() -> Any:
            return await asyncio.wrap_future(submitted)

        return self._spawn(done(), what)

    def _spawn(self, work: Coroutine[Any, Any, Any], what: str) -> asyncio.Future[Any]:
        task = self.loop.create_task(work, name=what)
        self._work.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, work: asyncio.Future[Any]) -> None:
        self._work.discard(work)
        if work.cancelled():
            return
        failure = work.exception()
        if failure is None:
            if isinstance(work.result(), AsyncSession):
                self.held.append(work.result())
            return
        self.errors.append(failure)
        if not isinstance(failure, LiveAvatarException):
            self.findings.append(f"raises {failure!r}")

    async def _turn(self, seconds: float) -> None:
        for _ in range(3):
            await asyncio.sleep(0)
        if seconds:
            await asyncio.sleep(seconds)

    async def _until(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + HANG
        while not condition() and time.monotonic() < deadline:
            self.clock.move(1.0)
            await asyncio.sleep(0.002)
        self._check(condition(), f"hangs: {what}")

    def _in_the_end(self, work: Awaitable[Any]) -> None:
        self.loop.run_until_complete(asyncio.ensure_future(work, loop=self.loop))

    def _billed(self) -> set[str]:
        return {entry.session_id for entry in self.simulator.billed()}

    def _check(self, holds: bool, finding: str) -> None:
        if not holds:
            self.findings.append(finding)


def fault(chooser: random.Random) -> tuple[str, str, int | None, dict[str, Any]]:
    """Any fault: operation, kind, times, parameters."""
    if chooser.random() < 0.15:
        kind, parameters = chooser.choice(SOCKET_FAULTS)
        return "socket", kind, 1, parameters
    kind, parameters = chooser.choice(FAULTS)
    return chooser.choice(OPERATIONS), kind, chooser.choice([1, 1, 1, 2, 4, None]), parameters
