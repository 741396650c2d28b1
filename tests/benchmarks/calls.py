"""What a sync call costs: a trivial coroutine, through our managed loop and through the peers' ways."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from liveavatar_nb.bridge.loop import bridge
from liveavatar_nb.bridge.wrappers import SyncWrapper, blocking

from .table import Row, show

ROUNDS = 60
CALLS = 200  # in a round, of each contender
WARM_UP = 100  # calls of each before the first round
AIM = 1.25  # of bare run_coroutine_threadsafe

BARE = "run_coroutine_threadsafe(...).result()"
OURS = ("liveavatar_nb: bridge.call(...)", "liveavatar_nb: a `blocking` method")

Call = Callable[[], object]


async def trivial() -> int:
    return 1


class _Inner:
    async def trivial(self) -> int:
        return 1


class _Sync(SyncWrapper):
    def __init__(self) -> None:
        self._inner = _Inner()

    trivial = blocking(_Inner.trivial)


@contextmanager
def _bare() -> Iterator[Call]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield lambda: asyncio.run_coroutine_threadsafe(trivial(), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextmanager
def _anyio() -> Iterator[Call]:
    from anyio.from_thread import start_blocking_portal  # noqa: PLC0415 - each peer only when its turn comes

    with start_blocking_portal() as portal:
        yield lambda: portal.call(trivial)


@contextmanager
def _fsspec() -> Iterator[Call]:
    from fsspec.asyn import get_loop, sync  # noqa: PLC0415

    loop = get_loop()
    yield lambda: sync(loop, trivial)


@contextmanager
def _distributed() -> Iterator[Call]:
    from distributed.utils import LoopRunner, sync  # noqa: PLC0415

    runner = LoopRunner(asynchronous=False)
    runner.start()
    try:
        yield lambda: sync(runner.loop, trivial)
    finally:
        runner.stop()


@contextmanager
def _run() -> Iterator[Call]:
    yield lambda: asyncio.run(trivial())


@contextmanager
def _ours() -> Iterator[Call]:
    yield lambda: bridge.call(trivial())
    bridge.close()


@contextmanager
def _ours_wrapped() -> Iterator[Call]:
    bridge.retain()  # as each client does
    yield _Sync().trivial
    bridge.release()


CONTENDERS: dict[str, Callable[[], Any]] = {
    BARE: _bare,
    OURS[0]: _ours,
    OURS[1]: _ours_wrapped,
    "anyio: start_blocking_portal().call(...)": _anyio,
    "fsspec: asyn.sync(loop, ...)": _fsspec,
    "distributed: utils.sync(loop, ...)": _distributed,
    "asyncio.run(...)": _run,
}


def measure() -> list[Row]:
    """Time all contenders in interleaved rounds, each round beginning with another one."""
    rounds: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    with ExitStack() as stack:
        calls = {name: stack.enter_context(make()) for name, make in CONTENDERS.items()}
        for call in calls.values():
            _time(call, WARM_UP)
        names = list(calls)
        for number in range(ROUNDS):
            first = number % len(names)
            for name in names[first:] + names[:first]:
                rounds[name].append(_time(calls[name], CALLS))
    return [Row(name, times, AIM if name in OURS else None) for name, times in rounds.items()]


def _time(call: Call, times: int) -> float:
    """Seconds for one of `times` calls."""
    began = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - began) / times


def report() -> bool:
    """Print the table; says whether the aims were met."""
    rows = measure()
    title = f"A sync call of a trivial coroutine ({ROUNDS} interleaved rounds of {CALLS} calls)"
    met = show(title, rows, reference=BARE, unit="us", per_second=1e6)
    medians = {row.name: sorted(row.rounds)[ROUNDS // 2] for row in rows}
    peers = [name for name in medians if name not in OURS and name != BARE]
    ahead = max(medians[name] for name in OURS) < min(medians[name] for name in peers)
    print(f"ahead of all peers: {'yes' if ahead else 'NO'}")
    return met and ahead
