"""The tasks of a session: they end with it, what they raise is told, and the loop's end is noticed."""

from __future__ import annotations

import asyncio

from liveavatar_nb.session.tasks import SessionTasks


class Told:
    """The tasks of a session, and what they report."""

    def __init__(self) -> None:
        self.failures: list[str] = []
        self.lost = 0
        self.done: list[str] = []
        self.tasks = SessionTasks(lambda failure: self.failures.append(str(failure)), self._lose, 1.0)

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
    told.tasks.spawn(told.work("one"))
    told.tasks.spawn(told.work("two"))
    beside = told.tasks.begin(told.work("beside"))
    await asyncio.sleep(0)
    await told.tasks.end()
    await told.tasks.end()
    assert sorted(told.done) == ["one", "two"]
    assert not beside.done()
    told.tasks.dismiss(beside)
    await asyncio.wait([beside])
    assert (told.done[-1], told.lost, told.failures) == ("beside", 0, [])


async def test_what_one_raises_is_told() -> None:
    told = Told()
    told.tasks.spawn(told.fail())
    begun = told.tasks.begin(told.fail())
    await asyncio.wait([begun])
    await asyncio.sleep(0)
    assert told.failures == ["gone wrong"]
    told.tasks.report(begun)
    assert told.failures == ["gone wrong"] * 2


async def test_one_that_ends_the_others_goes_on() -> None:
    told = Told()

    async def end() -> None:
        await told.tasks.end()
        told.done.append("end")

    told.tasks.spawn(told.work("one"))
    told.tasks.spawn(end())
    await asyncio.sleep(0.05)
    assert told.done == ["one", "end"]


async def test_one_that_is_ended_before_its_first_step_leaves_nothing() -> None:
    told = Told()
    told.tasks.spawn(told.work("never"))
    await told.tasks.end()
    assert (told.done, told.lost) == ([], 0)


def test_the_loops_end_is_noticed() -> None:
    told = Told()

    async def run() -> None:
        told.tasks.spawn(told.work("one"))
        await asyncio.sleep(0)

    asyncio.run(run())
    assert (told.done, told.lost) == (["one"], 1)
