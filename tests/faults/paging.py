"""Stops 200 sessions of an account, half of the stops answered with 404, while other sessions of the account end.

The list of sessions is read in pages, and shifts during the reading. A session that slips between two pages isn't seen
although it is running. Run by hand with `python -m tests.faults.paging [number]`; the simulator's ledger is checked.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from liveavatar_nb import AsyncLiveAvatar, AsyncSession, Simulator, config
from liveavatar_nb.errors import LiveAvatarException
from liveavatar_nb.protection.blocking_stop import BlockingStopper
from liveavatar_nb.protection.journal import Journal, journal

ALL = 200
CAP = 3600.0  # s
SPEED = 10.0  # simulated seconds per real second, once the stops have begun
STARTS_AT_ONCE = 5
STOPS_AT_ONCE = 20
BLOCKING_LIMIT = 60.0  # seconds for all stops without a loop
Way = Callable[[AsyncLiveAvatar, Simulator, list[str]], Awaitable[set[str]]]


@dataclass
class Outcome:
    """The outcome of stopping the sessions in one way.

    Attributes:
        way: the name of the way.
        ids: the ids of all sessions to stop.
        confirmed: the ids of sessions that were reported as stopped.
        lost: the ids among `confirmed` that are still billed.
        unwritten: the ids of sessions that are still billed but no longer have a record.
        took: the duration in seconds.
    """

    way: str
    ids: list[str]
    confirmed: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)
    unwritten: set[str] = field(default_factory=set)
    took: float = 0.0

    def __str__(self) -> str:
        return (
            f"{self.way}: {len(self.confirmed)} of {len(self.ids)} sessions were reported as stopped "
            f"in {self.took:.1f} s; {len(self.lost)} of these were still billed; {len(self.unwritten)} were billed "
            "without a record"
        )


async def begin(client: AsyncLiveAvatar, avatar: str, cap: float) -> str:
    """Start a session that isn't in any journal, and return its id."""
    made = await client.api.sessions.create_token(avatar_id=avatar, mode="LITE", max_session_duration=int(cap))
    await client.api.sessions.start(made.session_id, made.session_token)
    return made.session_id


def leave(ids: Iterable[str], client: AsyncLiveAvatar) -> None:
    """Record the sessions in the journal as those of a dead kernel."""
    dead = Journal(journal.folder)
    for one in ids:
        dead.add(one, client.base_url, client.api.transport.key, CAP)
        dead.started(one, CAP)
    assert dead._held is not None
    dead._held.release()
    dead._forget()


async def by_session(client: AsyncLiveAvatar, simulator: Simulator, ids: list[str]) -> set[str]:
    sessions = [one for one in client.live_sessions if one.id in ids]
    limit = asyncio.Semaphore(STOPS_AT_ONCE)

    async def stop(session: AsyncSession) -> None:
        async with limit:
            with contextlib.suppress(LiveAvatarException):
                await session.stop()

    await asyncio.gather(*map(stop, sessions))
    return {one.id for one in sessions if one.stop_is_confirmed and one.id}


async def as_orphans(client: AsyncLiveAvatar, simulator: Simulator, ids: list[str]) -> set[str]:
    try:
        await client.stop_orphans()
    except LiveAvatarException as failure:
        print(f"stop_orphans: {failure}")
    return {one for one in ids if not (journal.folder / f"{one}.json").exists()}


async def without_loop(client: AsyncLiveAvatar, simulator: Simulator, ids: list[str]) -> set[str]:
    """Stop the sessions as the guard does, on eight threads."""
    confirmed = set()

    def stop(share: list[str]) -> None:
        with BlockingStopper(BLOCKING_LIMIT) as stopper:
            for one in share:
                if stopper.stop_for_certain(client.base_url, client.api.transport.key, one):
                    confirmed.add(one)

    threads = [threading.Thread(target=stop, args=[ids[start::8]]) for start in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        await asyncio.to_thread(thread.join)
    return confirmed


async def run(name: str, way: Way, count: int) -> Outcome:
    """Stop `count` sessions in one way, while as many others end one after the other."""
    with Simulator(
        concurrency=4 * count, credits=10**9, idle_limit=10**6, max_session_seconds=86_400, connect_delay=0,
        speed=0, rate_limit=None,
    ) as simulator:  # fmt: skip
        client = AsyncLiveAvatar(simulator.api_key, api_url=simulator.url, max_minutes=CAP / 60)
        avatar = next(one.id for one in await client.api.avatars.public() if one.name == "Silas")
        limit = asyncio.Semaphore(STARTS_AT_ONCE)

        async def bounded(make: Callable[[], Awaitable[str | None]]) -> str:
            async with limit:
                while True:
                    # on a busy machine, a session may not start in time
                    with contextlib.suppress(LiveAvatarException):
                        return str(await make())

        async def start() -> str | None:
            return (await client.start("Silas", concurrent=True)).id

        first = start if way is by_session else lambda: begin(client, avatar, CAP)
        ids = list(await asyncio.gather(*(bounded(first) for _ in range(count))))
        if way is as_orphans:
            leave(ids, client)
        # the others are newer, and therefore come first in the list
        await asyncio.gather(
            *(bounded(functools.partial(begin, client, avatar, 2 + index // 4)) for index in range(count))
        )
        simulator.advance(1.0)
        simulator.faults.add("stop", "status", times=count // 2, status=404, message="There is no such session")
        simulator.set_speed(SPEED)
        outcome = Outcome(name, ids)
        began = time.monotonic()
        outcome.confirmed = await way(client, simulator, ids)
        outcome.took = time.monotonic() - began
        simulator.set_speed(0)
        billed = {entry.session_id for entry in simulator.billed()} & set(ids)
        outcome.lost = outcome.confirmed & billed
        if way is not without_loop:
            outcome.unwritten = {one for one in billed if not (journal.folder / f"{one}.json").exists()}
        # the simulator ends, and all remaining sessions with it
        for session in client.live_sessions:
            session.lifecycle.forget()
        await client.aclose()
    return outcome


WAYS: dict[str, Way] = {"s.stop()": by_session, "stop_orphans()": as_orphans, "without a loop": without_loop}


async def outcomes(count: int = ALL) -> list[Outcome]:
    """Return the outcome of each way, for `count` sessions."""
    return [await run(name, way, count) for name, way in WAYS.items()]


def main() -> None:
    """Print the outcomes; exit with code 1 if a session was lost."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_STATE_HOME"] = folder
        logging.disable()  # each refused stop is logged
        print(f"liveavatar_nb of {Path(config.__file__).parent}")
        told = asyncio.run(outcomes(int(sys.argv[1]) if len(sys.argv) > 1 else ALL))
    print(*told, sep="\n")
    sys.exit(any(one.lost or one.unwritten for one in told))


if __name__ == "__main__":
    main()
