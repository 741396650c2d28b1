"""`python -m tests.soak`: runs several sessions of both modes at a time for minutes, and reports leaks and failures.

The client, its guard and the simulator are three processes; the simulator's ledger is checked at the end. The memory,
descriptors and threads of all three are sampled throughout, and their growth after a warm-up is estimated by least
squares. The exit code is 1 if something hung, stayed billed, or raised anything but a LiveAvatarException.
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
HANG = 20.0  # seconds after which an unanswered request or a stop counts as hung
LONGEST = 1.5  # maximum seconds that a session lives
LAST_WORDS = 0.1  # maximum seconds from the last words to the stop
FAULT_PAUSE = 1.0  # average seconds between two faults
CLEAR_CHANCE = 0.1  # probability of clearing all faults instead of adding one
KNOWN_WORDS = ("Hello.", "How are you today?", "One, two, three.")  # their sound is cached; other texts' is generated
LONGEST_SOUND = 48_000  # maximum bytes of a sound in LITE: one second
WARM = 0.25  # fraction of the time that is left out of the slopes as warm-up
PARTS = 6  # of the time, for each of which the average memory is printed
MB = 1024 * 1024
# high enough that a busy machine isn't mistaken for a fault
LIMITS: dict[str, Any] = {**worker.LIMITS, "STOP_LIMIT": 5.0, "READ_TIMEOUT": 3.0, "TOTAL_TIMEOUT": 4.0}
ROOM_FAULTS: list[tuple[str, dict[str, Any]]] = [("twice", {}), ("swap", {}), ("close", {"code": 1006})]
PROMPT = "You are the guide. The museum is open until six."


@dataclass(frozen=True)
class Sample:
    """What a process uses at one moment."""

    minute: float
    memory: float  # MB
    descriptors: int
    threads: int


def slope(samples: list[Sample], what: str) -> float:
    """Return by how much an attribute of the samples grows per minute, by least squares."""
    points = [(one.minute, float(getattr(one, what))) for one in samples]
    middle = sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points)
    spread = sum((x - middle[0]) ** 2 for x, _ in points)
    return sum((x - middle[0]) * (y - middle[1]) for x, y in points) / spread if spread else 0.0


class Watch(threading.Thread):
    """Samples the processes, and checks that the simulator responds, on a thread that doesn't depend on the loop.

    Args:
        simulator: the simulator; it is killed if it hangs, so that nobody waits for it forever.
        interval: seconds between two samples.
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
        """Stop sampling."""
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
    """Return this process's guard, or None if it has none."""
    for process in psutil.process_iter(["cmdline"]):
        if (process.info["cmdline"] or [])[-2:] == ["liveavatar_nb.protection.guard", str(os.getpid())]:
            return process
    return None


@dataclass
class Report:
    """The results of a run."""

    cycles: int = 0  # sessions that the run tried to start
    sessions: int = 0  # sessions that were started
    faults: int = 0  # faults that were added
    errors: dict[str, int] = field(
        default_factory=dict
    )  # LiveAvatarExceptions by name; faults and stops may cause them
    findings: list[str] = field(default_factory=list)  # descriptions of what must not happen
    lag: float = 0.0  # maximum delay of the client's loop, in seconds
    longest_answer: float = 0.0  # maximum response time of the simulator, in seconds
    samples: dict[str, list[Sample]] = field(default_factory=dict)

    def note(self, failure: BaseException) -> None:
        """Count an error; one that isn't a LiveAvatarException is also a finding."""
        if not isinstance(failure, LiveAvatarException):
            self.findings.append(f"raised: {failure!r}")
        name = type(failure).__name__
        self.errors[name] = self.errors.get(name, 0) + 1

    def warm(self, name: str) -> list[Sample]:
        """Return a process's samples, without those of the warm-up."""
        found = self.samples[name]
        return [one for one in found if one.minute >= WARM * found[-1].minute] if found else []

    def memory(self, name: str) -> list[float]:
        """Return a process's average memory in MB in each part of the time, which tells growth from levelling off."""
        found = self.samples[name]
        size = max(len(found) // PARTS, 1)
        parts = [found[first : first + size] for first in range(0, size * PARTS, size)]
        return [sum(one.memory for one in part) / len(part) for part in parts if part]

    def __str__(self) -> str:
        errors = ", ".join(f"{name} {count}" for name, count in sorted(self.errors.items())) or "none"
        lines = [
            f"{self.cycles} cycles, {self.sessions} sessions, {self.faults} faults; errors: {errors}",
            f"maximum delay of the client's loop {self.lag:.2f} s, of a response {self.longest_answer:.2f} s",
            f"{'':10}{'MB':>8}{'MB/min':>10}{'fds':>8}{'fds/min':>10}{'threads':>9}{'threads/min':>13}",
        ]
        for name in self.samples:
            if warm := self.warm(name):
                growth = [slope(warm, what) for what in ("memory", "descriptors", "threads")]
                lines.append(
                    f"{name:10}{warm[-1].memory:8.1f}{growth[0]:+10.3f}{warm[-1].descriptors:8}{growth[1]:+10.3f}"
                    f"{warm[-1].threads:9}{growth[2]:+13.3f}"
                )
        lines += [
            f"{name:10} MB by part of the time: {' '.join(f'{one:.1f}' for one in self.memory(name))}"
            for name in self.samples
        ]
        return "\n".join([*lines, *(f"FOUND {finding}" for finding in self.findings)])


class Soak:
    """One run of the soak test.

    Args:
        simulator: the simulator, whose faults are switched on and off.
        client: the client that starts the sessions.
        seed: the seed of all random choices.
        watch: samples the processes.
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
        """Prepare what the sessions need: the guard, an avatar and a context."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, told: self._find(f"{told['message']}: {told.get('exception')!r}"))
        await self._client.expect_start()
        self._avatar = (await self._client.avatars(scope="public"))[0]
        self._context = (await self._client.api.contexts.create(name="Guide", prompt=PROMPT, opening_text=None)).id

    async def run(
        self, *, cycles: int | None, minutes: float | None, at_once: int, faults: bool, modes: Sequence[str]
    ) -> None:
        """Run for the given number of cycles or minutes."""
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
        """Start one session, use it, and stop it after a random time."""
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
        # the stop often cuts the last words short, even while their sound is being generated
        work.append(asyncio.create_task(self._act(session)))
        await asyncio.sleep(self._random.uniform(0, LAST_WORDS))
        try:
            async with asyncio.timeout(HANG):
                await session.stop()
        except LiveAvatarException as failure:
            self.report.note(failure)
        except TimeoutError:
            self._find(f"stopping a {mode} session hangs")
        if not work:
            return
        done, hang = await asyncio.wait(work, timeout=HANG)
        for task in hang:
            task.cancel()
        if hang:
            self._find(f"{len(hang)} calls in a {mode} session hang")
        for task in done:
            if not task.cancelled() and (raised := task.exception()) is not None:
                self.report.note(raised)

    async def _act(self, session: AsyncSession) -> None:
        """Say, ask or play something, or interrupt it."""
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
        """Switch faults on and off."""
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
    """Fill the simulator's bounded histories, so that anything that still grows afterwards is unbounded."""
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
    connection.close()  # the server has closed it by now
    call("POST", "/v1/sessions/stop", {"session_id": token["session_id"]})
    connection.close()


@contextlib.contextmanager
def short_limits() -> Iterator[None]:
    """Shorten the client's time limits and retry delays inside the block."""
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
    """Start sessions, talk in them and stop them.

    Args:
        cycles: total number of sessions.
        minutes: how long to run, if `cycles` is None.
        at_once: number of sessions that run at the same time.
        faults: whether to add random faults to the simulator.
        modes: the modes to choose from at random for each session.
        filled: whether to fill the simulator's histories before the first session.
        seed: the seed of all random choices.
        interval: seconds between two samples of the processes.
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
                guard.kill()  # it would keep trying to stop sessions that are gone with the simulator
            return report
        with contextlib.suppress(TimeoutError):  # sessions that the guard is still looking for
            await until(lambda: not simulator.billed(), HANG)
        report.findings += [f"billed: {entry.session_id}" for entry in simulator.billed()]
        report.findings += [f"started twice: {entry.session_id}" for entry in simulator.ledger() if entry.starts > 1]
        report.findings += [f"simulator: {told}" for told in simulator.warnings() if "bug in the simulator" in told]
    return report


def main() -> None:
    """Run with the command line's arguments."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--cycles", type=int, help="run this many sessions, instead of for some minutes")
    parser.add_argument("--at-once", type=int, default=3)
    parser.add_argument("--faults", action="store_true", help="add random faults to the simulator")
    parser.add_argument("--filled", action="store_true", help="fill the simulator's histories first")
    parser.add_argument("--mode", choices=("LITE", "FULL"), help="start only sessions of this mode")
    parser.add_argument("--seed", type=int, default=1)
    told = parser.parse_args()
    logging.getLogger("liveavatar_nb").addHandler(logging.NullHandler())  # expected failures are not worth printing
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
