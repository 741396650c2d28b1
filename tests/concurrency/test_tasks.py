"""The tasks of a session: they end with it, what they raise is told, and the loop's end is noticed."""

from __future__ import annotations

import asyncio

from liveavatar_nb.concurrency.tasks import Crew


class Told:
    """A crew, and what it tells."""

    def __init__(self) -> None:
        self.failures: list[str] = []
        self.lost = 0
        self.done: list[str] = []
        self.crew = Crew(lambda failure: self.failures.append(str(failure)), self._lose, 1.0)

    def _lose(self) -> None:
        self.lost += 1

    async def work(self, name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            self.done.append(name)

    async def fail(self) -> None:
        raise LookupError("gone wrong")


async def test_what_was_spawned_ends_with_the_crew() -> None:
    told = Told()
    told.crew.spawn(told.work("one"))
    told.crew.spawn(told.work("two"))
    beside = told.crew.begin(told.work("beside"))
    await asyncio.sleep(0)
    await told.crew.end()
    await told.crew.end()
    assert sorted(told.done) == ["one", "two"]
    assert not beside.done()
    told.crew.dismiss(beside)
    await asyncio.wait([beside])
    assert (told.done[-1], told.lost, told.failures) == ("beside", 0, [])


async def test_what_one_raises_is_told() -> None:
    told = Told()
    told.crew.spawn(told.fail())
    begun = told.crew.begin(told.fail())
    await asyncio.wait([begun])
    await asyncio.sleep(0)
    assert told.failures == ["gone wrong"]
    told.crew.report(begun)
    assert told.failures == ["gone wrong"] * 2


async def test_one_that_ends_the_others_goes_on() -> None:
    told = Told()

    async def end() -> None:
        await told.crew.end()
        told.done.append("end")

    told.crew.spawn(told.work("one"))
    told.crew.spawn(end())
    await asyncio.sleep(0.05)
    assert told.done == ["one", "end"]


async def test_one_that_is_ended_before_its_first_step_leaves_nothing() -> None:
    told = Told()
    told.crew.spawn(told.work("never"))
    await told.crew.end()
    assert (told.done, told.lost) == ([], 0)


def test_the_loops_end_is_noticed() -> None:
    told = Told()

    async def run() -> None:
        told.crew.spawn(told.work("one"))
        await asyncio.sleep(0)

    asyncio.run(run())
    assert (told.done, told.lost) == (["one"], 1)
