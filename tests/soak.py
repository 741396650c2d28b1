"""`python -m tests.soak`: sessions of both modes, several at once, for minutes; what grows, lags or stays billed.

A client with its guard and journal is one process, the simulator another, whose ledger judges at the end. Memory,
descriptors and threads of all three are looked at all the time; how fast they grow is told by least squares, once
things are warm. Exit code 1 where something hung, stayed billed, or went wrong in a way that is no error of ours.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import http.client
import json
import logging
import os
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import psutil
from websockets.sync.client import connect

from liveavatar_nb import AsyncLiveAvatar, AsyncSession, Simulator, config
from liveavatar_nb.errors import LiveAvatarException
from liveavatar_nb.models.avatars import Avatar
from liveavatar_nb.models.contexts import NewContext
from liveavatar_nb.simulator.account.ledger import KEPT_SESSIONS
from liveavatar_nb.simulator.service import KEPT_REQUESTS
from liveavatar_nb.simulator.session.recorder import KEPT_FRAMES, KEPT_SOUND, KEPT_UTTERANCES

from .faults.canary import KEY
from .state import worker
from .state.lab import FAULTS, OPERATIONS, SOCKET_FAULTS
from .waiting import until

MODES = ("LITE", "FULL", "FULL")
HANG = 20.0  # s without an answer of the simulator, or for a session to be stopped
LONGEST = 1.5  # s that a session lives
LAST_WORDS = 0.1  # s from the last words to the stop, at most
FAULT_PAUSE = 1.0  # s between two faults, on average
CLEAR_CHANCE = 0.1  # that what is switched on is switched off again, in place of another fault
KNOWN_WORDS = ("Hello.", "How are you today?", "One, two, three.")  # their sound is kept, others' is made
LONGEST_SOUND = 48_000  # bytes of one sound in LITE: a second
WARM = 0.25  # the part of the time that no slope counts
MB = 1024 * 1024
# a busy machine must not be taken for a fault
LIMITS: dict[str, Any] = {**worker.LIMITS, "STOP_LIMIT": 5.0, "READ_TIMEOUT": 3.0, "TOTAL_TIMEOUT": 4.0}
ROOM_FAULTS: list[tuple[str, dict[str, Any]]] = [("twice", {}), ("swap", {}), ("close", {"code": 1006})]
PROMPT = "You are the guide. The museum is open until six."


@dataclass(frozen=True)
class Sample:
    """What one process holds at a moment."""

    minute: float
    memory: float  # MB
    descriptors: int
    threads: int


def slope(samples: list[Sample], what: str) -> float:
    """How much more of it there is every minute, by least squares."""
    points = [(one.minute, float(getattr(one, what))) for one in samples]
    middle = sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points)
    spread = sum((x - middle[0]) ** 2 for x, _ in points)
    return sum((x - middle[0]) * (y - middle[1]) for x, y in points) / spread if spread else 0.0


class Watch(threading.Thread):
    """Looks at the processes, and whether the simulator answers; on a thread of its own, whatever the loop does.

    Args:
        simulator: it is killed where it hangs, so that whoever waits for it goes on.
        interval: seconds between two looks.
    """

    def __init__(self, simulator: Simulator, interval: float) -> None:
        super().__init__(name="soak watch", daemon=True)
        self.samples: dict[str, list[Sample]] = {"kernel": [], "guard": [], "simulator": []}
        self.longest_answer = 0.0  # s
        self.has_hung = False
        self._address = urlsplit(simulator.url).netloc
        self._simulator = psutil.Process(simulator.pid)
        self._interval = interval
        self._began = time.monotonic()
        self._end = threading.Event()

    def run(self) -> None:
        while not self._end.wait(self._interval):
            began = time.monotonic()
            if not self._answers():
                self.has_hung = True
                self._simulator.kill()
                return
            self.longest_answer = max(self.longest_answer, time.monotonic() - began)
            self._look()

    def end(self) -> None:
        """Looks no more."""
        self._end.set()
        self.join()

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection(self._address, timeout=HANG)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().read() != b""
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _look(self) -> None:
        minute = (time.monotonic() - self._began) / 60
        for name, process in (("kernel", psutil.Process()), ("guard", _guard()), ("simulator", self._simulator)):
            with contextlib.suppress(psutil.NoSuchProcess):
                if process is not None:
                    memory = process.memory_info().rss / MB
                    self.samples[name].append(Sample(minute, memory, process.num_fds(), process.num_threads()))


def _guard() -> psutil.Process | None:
    """This process's."""
    for process in psutil.process_iter(["cmdline"]):
        if (process.info["cmdline"] or [])[-2:] == ["liveavatar_nb.protection.guard", str(os.getpid())]:
            return process
    return None


@dataclass
class Report:
    """What came of it."""

    cycles: int = 0  # sessions that were asked for
    sessions: int = 0  # that were started
    faults: int = 0  # that were switched on
    errors: dict[str, int] = field(default_factory=dict)  # ours, which faults and ends bring
    findings: list[str] = field(default_factory=list)  # what must not be
    lag: float = 0.0  # s that the client's loop was late at most
    longest_answer: float = 0.0  # s that the simulator took at most
    samples: dict[str, list[Sample]] = field(default_factory=dict)

    def note(self, failure: BaseException) -> None:
        """An error of ours is counted, any other one is a finding."""
        if not isinstance(failure, LiveAvatarException):
            self.findings.append(f"raised: {failure!r}")
        name = type(failure).__name__
        self.errors[name] = self.errors.get(name, 0) + 1

    def warm(self, name: str) -> list[Sample]:
        """A process's samples, without those of the beginning."""
        found = self.samples[name]
        return [one for one in found if one.minute >= WARM * found[-1].minute] if found else []

    def __str__(self) -> str:
        errors = ", ".join(f"{name} {count}" for name, count in sorted(self.errors.items())) or "none"
        lines = [
            f"{self.cycles} cycles, {self.sessions} sessions, {self.faults} faults; errors: {errors}",
            f"late at most: the client's loop {self.lag:.2f} s, an answer of the simulator {self.longest_answer:.2f} s",
            f"{'':10}{'MB':>8}{'MB/min':>10}{'fds':>8}{'fds/min':>10}{'threads':>9}{'threads/min':>13}",
        ]
        for name in self.samples:
            if warm := self.warm(name):
                growth = [slope(warm, what) for what in ("memory", "descriptors", "threads")]
                lines.append(
                    f"{name:10}{warm[-1].memory:8.1f}{growth[0]:+10.3f}{warm[-1].descriptors:8}{growth[1]:+10.3f}"
                    f"{warm[-1].threads:9}{growth[2]:+13.3f}"
                )
        return "\n".join([*lines, *(f"FOUND {finding}" for finding in self.findings)])


class Soak:
    """One run.

    Args:
        simulator: judges by its ledger.
        client: has the sessions.
        seed: of all that is done at random.
        watch: looks at the processes.
    """

    def __init__(self, simulator: Simulator, client: AsyncLiveAvatar, seed: int, watch: Watch) -> None:
        self.report = Report(samples=watch.samples)
        self._simulator = simulator
        self._client = client
        self._random = random.Random(seed)
        self._watch = watch
        self._avatar: Avatar
        self._context: str

    async def prepare(self) -> None:
        """Has what sessions need ready."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, told: self._find(f"{told['message']}: {told.get('exception')!r}"))
        await self._client.expect_start()
        self._avatar = (await self._client.avatars(scope="public"))[0]
        self._context = (await self._client.api.contexts.create(name="Guide", prompt=PROMPT, opening_text=None)).id

    async def run(
        self, *, cycles: int | None, minutes: float | None, at_once: int, faults: bool, modes: Sequence[str]
    ) -> None:
        """Goes on for so many cycles, or minutes."""
        self._modes = modes
        end = None if minutes is None else time.monotonic() + minutes * 60
        beside = [asyncio.create_task(self._measure_lag())]
        if faults:
            beside.append(asyncio.create_task(self._go_wrong()))
        try:
            await asyncio.gather(*(self._seat(cycles, end) for _ in range(at_once)))
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)

    def _find(self, what: str) -> None:
        self.report.findings.append(what)

    async def _seat(self, cycles: int | None, end: float | None) -> None:
        while not self._watch.has_hung:
            if (cycles is not None and self.report.cycles >= cycles) or (end and time.monotonic() > end):
                return
            self.report.cycles += 1
            await self._cycle(self._random.choice(self._modes))

    async def _cycle(self, mode: str) -> None:
        """One session, stopped at some moment."""
        guide = self._random.choice((self._context, NewContext("Guide", PROMPT, "Welcome!")))
        context = guide if mode == "FULL" else None
        try:
            session = await self._client.start(self._avatar, concurrent=True, context=context)
        except LiveAvatarException as failure:
            self.report.note(failure)
            return
        self.report.sessions += 1
        work: list[asyncio.Task[Any]] = []
        end = time.monotonic() + self._random.uniform(0, LONGEST)
        while time.monotonic() < end and session.is_live:
            work.append(asyncio.create_task(self._act(session)))
            await asyncio.sleep(self._random.uniform(0, 0.4))
            if self._random.random() < 0.1:
                self._random.choice(work).cancel()
        # the last words are often cut short, also while their sound is made
        work.append(asyncio.create_task(self._act(session)))
        await asyncio.sleep(self._random.uniform(0, LAST_WORDS))
        try:
            async with asyncio.timeout(HANG):
                await session.stop()
        except LiveAvatarException as failure:
            self.report.note(failure)
        except TimeoutError:
            self._find(f"the stop of a {mode} session hangs")
        if not work:
            return
        done, hang = await asyncio.wait(work, timeout=HANG)
        for task in hang:
            task.cancel()
        if hang:
            self._find(f"{len(hang)} of what was said in a {mode} session hang")
        for task in done:
            if not task.cancelled() and (raised := task.exception()) is not None:
                self.report.note(raised)

    async def _act(self, session: AsyncSession) -> None:
        """Says or asks something, or hushes it."""
        chance, replace = self._random.random(), self._random.random() < 0.2
        new = f"This is number {self._random.randrange(10**6)}."
        words = self._random.choice(KNOWN_WORDS) if self._random.random() < 0.5 else new
        if chance < 0.15:
            await session.interrupt()
        elif session.mode == "LITE":
            sound = bytes(self._random.randrange(2, LONGEST_SOUND, 2)), 24_000
            await session.play(sound, replace=replace, progress=False)
        elif chance < 0.6:
            await session.say(words, replace=replace)
        else:
            await session.ask(words, replace=replace)

    async def _go_wrong(self) -> None:
        """Switches faults on and off."""
        while True:
            await asyncio.sleep(self._random.uniform(0, 2 * FAULT_PAUSE))
            if self._random.random() < CLEAR_CHANCE:
                await asyncio.to_thread(self._simulator.faults.clear)
                continue
            operation = self._random.choice((*OPERATIONS, "socket", "socket", "room"))
            kinds = {"socket": SOCKET_FAULTS, "room": ROOM_FAULTS}.get(operation, FAULTS)
            kind, parameters = self._random.choice(kinds)
            self.report.faults += 1
            await asyncio.to_thread(self._simulator.faults.add, operation, kind, times=1, **parameters)

    async def _measure_lag(self) -> None:
        while True:
            due = time.monotonic() + 0.05
            await asyncio.sleep(0.05)
            self.report.lag = max(self.report.lag, time.monotonic() - due)


def fill(simulator: Simulator) -> None:
    """Brings what the simulator keeps of what is over to its bounds: what grows from there on has none."""
    key = {"X-API-KEY": KEY, "Content-Type": "application/json"}
    connection = http.client.HTTPConnection(urlsplit(simulator.url).netloc, timeout=HANG)

    def call(method: str, path: str, body: object = None, headers: dict[str, str] = key) -> Any:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        return json.loads(connection.getresponse().read())["data"]

    avatar = call("GET", "/v1/avatars/public")["results"][0]["id"]
    for _ in range(max(KEPT_SESSIONS, KEPT_REQUESTS)):
        token = call("POST", "/v1/sessions/token", {"mode": "LITE", "avatar_id": avatar})
    started = call("POST", "/v1/sessions/start", headers={"Authorization": f"Bearer {token['session_token']}"})
    with connect(started["ws_url"], proxy=None) as socket:

        def wait_for(kind: str, **fields: str) -> None:
            while not {"type": kind, **fields}.items() <= json.loads(socket.recv()).items():
                pass

        wait_for("session.state_updated", state="connected")  # what comes before is dropped
        samples = KEPT_SOUND // KEPT_UTTERANCES // 2 + 1
        sound = {"type": "agent.speak", "event_id": "e", "audio": base64.b64encode(bytes(2 * samples)).decode()}
        for _ in range(KEPT_UTTERANCES):
            socket.send(json.dumps(sound))
            socket.send('{"type": "agent.interrupt"}')
            wait_for("agent.audio_buffer_cleared")
        for _ in range(KEPT_FRAMES):
            socket.send('{"type": "session.keep_alive"}')
        socket.send('{"type": "agent.interrupt"}')
        wait_for("agent.audio_buffer_cleared")
    connection.close()  # the server has ended it meanwhile
    call("POST", "/v1/sessions/stop", {"session_id": token["session_id"]})
    connection.close()


@contextlib.contextmanager
def short_limits() -> Iterator[None]:
    """The client waits for what does not come, and tries again, in moments."""
    before = {name: getattr(config, name) for name in LIMITS}
    try:
        for name, value in LIMITS.items():
            setattr(config, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(config, name, value)


async def soak(
    *,
    cycles: int | None = None,
    minutes: float | None = None,
    at_once: int = 3,
    faults: bool = False,
    modes: Sequence[str] = MODES,
    filled: bool = False,
    seed: int = 1,
    interval: float = 2.0,
) -> Report:
    """Has sessions started, talked with and stopped.

    Args:
        cycles: how many, together.
        minutes: for how long, where no number is given.
        at_once: how many live at the same time.
        faults: whether the service fails at times.
        modes: one of them is taken by chance for each session.
        filled: whether what the simulator keeps is at its bounds before it begins.
        seed: of all that is done at random.
        interval: seconds between two looks at the processes.
    """
    options: dict[str, Any] = {"credits": 10**9, "concurrency": 100, "rate_limit": None, "connect_delay": 0.02}
    with Simulator(api_key=KEY, **options) as simulator:
        if filled:
            await asyncio.to_thread(fill, simulator)
        watch = Watch(simulator, interval)
        watch.start()
        try:
            async with AsyncLiveAvatar(KEY, api_url=simulator.url) as client:
                run = Soak(simulator, client, seed, watch)
                await run.prepare()
                with short_limits() if faults else contextlib.nullcontext():
                    await run.run(cycles=cycles, minutes=minutes, at_once=at_once, faults=faults, modes=modes)
                if not watch.has_hung:
                    await asyncio.to_thread(simulator.faults.clear)
        except LiveAvatarException as failure:
            run.report.findings.append(f"the end: {failure!r}")
        finally:
            watch.end()
        report = run.report
        report.longest_answer = watch.longest_answer
        if watch.has_hung:
            report.findings.append(f"the simulator hung: no answer for {HANG:g} s")
            if (guard := _guard()) is not None:
                guard.kill()  # it would go on to stop what is gone with the simulator
            return report
        with contextlib.suppress(TimeoutError):  # what the guard still looks for
            await until(lambda: not simulator.billed(), HANG)
        report.findings += [f"billed: {entry.session_id}" for entry in simulator.billed()]
        report.findings += [f"started twice: {entry.session_id}" for entry in simulator.ledger() if entry.starts > 1]
        report.findings += [
            f"of the simulator: {told}" for told in simulator.warnings() if "bug in the simulator" in told
        ]
    return report


def main() -> None:
    """By the command line's arguments."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--cycles", type=int, help="so many sessions, in place of minutes")
    parser.add_argument("--at-once", type=int, default=3)
    parser.add_argument("--faults", action="store_true", help="the service fails at times")
    parser.add_argument("--filled", action="store_true", help="the simulator has seen as much as it keeps")
    parser.add_argument("--mode", choices=("LITE", "FULL"), help="of this mode only")
    parser.add_argument("--seed", type=int, default=1)
    told = parser.parse_args()
    logging.getLogger("liveavatar_nb").addHandler(logging.NullHandler())  # a failure that is meant is no news
    with tempfile.TemporaryDirectory() as state:
        os.environ["XDG_STATE_HOME"] = state
        began = time.monotonic()
        report = asyncio.run(
            soak(
                cycles=told.cycles,
                minutes=None if told.cycles else told.minutes,
                at_once=told.at_once,
                faults=told.faults,
                filled=told.filled,
                modes=[told.mode] if told.mode else MODES,
                seed=told.seed,
            )
        )
    print(f"seed {told.seed}, {time.monotonic() - began:.0f} s, load {os.getloadavg()[0]:.1f}: {report}", flush=True)
    sys.exit(1 if report.findings else 0)


if __name__ == "__main__":
    main()
