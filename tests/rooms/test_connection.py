"""Who is in a session's room: one at a time, the old one leaves first, commands wait, and nobody fights."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Callable

import pytest

from liveavatar_nb import config
from liveavatar_nb.config import Masked
from liveavatar_nb.errors import RoomNotHeld
from liveavatar_nb.protocol import full
from liveavatar_nb.protocol.events import Event
from liveavatar_nb.rooms import connection
from liveavatar_nb.rooms.connection import AVATAR_GONE, HolderKind, HolderLost, Opener, RoomConnection
from liveavatar_nb.wirelog.log import Wire

from ..waiting import until

TOKEN = "a-token-that-nobody-sees"
SESSION = "the-session"


class Somebody:
    """A holder that tells what it does."""

    def __init__(self, name: str, told: list[str], kind: HolderKind = "page") -> None:
        self.name = name
        self.told = told
        self.kind: HolderKind = kind
        self.is_lost = False
        self.is_free = asyncio.Event()  # to come back from sending, or to leave
        self.is_free.set()

    async def send(self, payload: bytes) -> None:
        if self.is_lost:
            raise HolderLost
        self.told.append(f"{self.name} sends")
        await self.is_free.wait()

    async def leave(self) -> None:
        self.told.append(f"{self.name} leaves")
        await asyncio.sleep(0.01)
        await self.is_free.wait()
        self.told.append(f"{self.name} has left")


class Room:
    """A room, the session's connection to it, and what happens there."""

    def __init__(
        self,
        *,
        opener: Opener | None = None,
        mint: Callable[[], Masked] | None = None,
        has_avatar: bool = True,
    ) -> None:
        self.told: list[str] = []
        self.losses = 0
        self.events: list[Event] = []
        self.wire = Wire()
        self.connection = RoomConnection(
            "ws://127.0.0.1:7880",
            Masked(TOKEN),
            SESSION,
            self.wire,
            receive=self.events.append,
            on_change=lambda: None,
            on_loss=self._lose,
            opener=opener,
            mint=mint,
        )
        self.connection.see(has_avatar)
        self.lines = [self.connection]

    def _lose(self) -> None:
        self.losses += 1

    def somebody(self, name: str, kind: HolderKind = "page") -> Somebody:
        return Somebody(name, self.told, kind)

    def command(self, text: str = "Hello") -> full.Command:
        return full.speak_text(text, "id", SESSION)


@pytest.fixture
async def room() -> AsyncIterator[Room]:
    """One that only pages can join."""
    room = Room()
    yield room
    await room.connection.close()


@pytest.fixture
async def open_room() -> AsyncIterator[Room]:
    """One that this process can join, too."""
    room: Room

    async def join(connection: RoomConnection) -> Somebody:
        room.told.append("process joins")
        await asyncio.sleep(0.01)
        return room.somebody("process", "process")

    room = Room(opener=join)
    yield room
    await room.connection.close()


async def test_the_old_one_leaves_before_the_new_one_holds(room: Room) -> None:
    first, second = room.somebody("first"), room.somebody("second")
    await room.connection.hold(first)
    await room.connection.hold(first)
    room.connection.see(True)
    await room.connection.hold(second)
    assert room.told == ["first leaves", "first has left"]
    assert room.connection.holder is second
    assert not room.connection.has_avatar
    room.connection.drop(first)
    assert room.connection.holder is second
    room.connection.drop(second, "It left.")
    assert room.connection.words == "It left."
    assert not room.connection.can_send


async def test_who_is_put_out_and_an_avatar_that_is_gone_are_a_loss_and_nothing_else_is(room: Room) -> None:
    first, second, third = (room.somebody(name) for name in ("first", "second", "third"))
    await room.connection.hold(first)
    room.connection.see(True)
    await room.connection.hold(second)
    room.connection.drop(first, is_put_out=True)
    room.connection.drop(second, "Joined elsewhere.", is_contested=True)
    await room.connection.hold(third)
    room.connection.see(False)
    assert room.losses == 0
    room.connection.see(True)
    room.connection.see(False)
    assert room.losses == 1
    room.connection.drop(third, "The room is gone.", is_put_out=True)
    assert room.losses == 2
    await room.connection.hold(first)
    room.connection.end()
    room.connection.drop(first, "The room is gone.", is_put_out=True)
    assert room.losses == 2


async def test_an_avatar_that_is_gone_is_missed_until_it_is_back(room: Room) -> None:
    told: list[str | None] = []

    def miss() -> None:
        room.connection.miss_avatar()
        told.append(room.connection.words)

    miss()  # nobody is there to see it
    await room.connection.hold(room.somebody("page"))
    room.connection.see(True)
    miss()
    room.connection.see(False)
    miss()
    room.connection.see(True)
    miss()
    assert told == [None, None, AVATAR_GONE, None]


async def test_an_avatar_is_missed_only_where_it_was_and_somebody_looks() -> None:
    room = Room(has_avatar=False)
    page = room.somebody("page")
    await room.connection.hold(page)
    room.connection.miss_avatar()
    assert room.connection.words is None
    room.connection.see(True)
    room.connection.drop(page)
    room.connection.miss_avatar()
    assert room.connection.words is None
    await room.connection.close()


async def test_a_page_that_is_about_to_join_has_this_process_leave_first(open_room: Room) -> None:
    await open_room.connection.send(open_room.command())
    await open_room.connection.expect()
    assert open_room.told == ["process joins", "process sends", "process leaves", "process has left"]
    page = open_room.somebody("page")
    sending = asyncio.create_task(open_room.connection.send(open_room.command()))
    await asyncio.sleep(0.05)
    assert not sending.done()
    await open_room.connection.hold(page)
    await sending
    assert open_room.told[4:] == ["page sends"]


async def test_the_first_page_is_expected_at_once_where_nobody_is_there_or_on_the_way(open_room: Room) -> None:
    assert open_room.connection.expect_first()
    sending = asyncio.create_task(open_room.connection.send(open_room.command()))
    await asyncio.sleep(0.05)
    assert open_room.told == [], "this process stays out of it"
    await open_room.connection.hold(open_room.somebody("page"))
    await sending
    assert open_room.told == ["page sends"]
    assert not open_room.connection.expect_first(), "somebody is there"


async def test_a_page_is_not_the_first_where_this_process_is_on_its_way(open_room: Room) -> None:
    sending = asyncio.create_task(open_room.connection.send(open_room.command()))
    await until(lambda: "process joins" in open_room.told)
    assert not open_room.connection.expect_first()
    await sending
    assert open_room.told == ["process joins", "process sends"]


async def test_a_page_comes_before_a_joining_of_this_process(open_room: Room) -> None:
    sending = asyncio.create_task(open_room.connection.send(open_room.command()))
    await until(lambda: "process joins" in open_room.told)
    await open_room.connection.expect()
    await open_room.connection.hold(open_room.somebody("page"))
    await sending
    assert open_room.told == ["process joins", "page sends"]


async def test_what_happens_while_a_page_is_on_its_way_brings_nobody_else(open_room: Room) -> None:
    sending = asyncio.create_task(open_room.connection.send(open_room.command()))
    await until(lambda: "process joins" in open_room.told)
    await open_room.connection.expect()
    open_room.connection.tell("Something.")
    await asyncio.sleep(0.05)
    await open_room.connection.hold(open_room.somebody("page"))
    await sending
    assert open_room.told == ["process joins", "page sends"]


async def test_who_listens_waits_for_a_page_that_is_on_its_way(open_room: Room) -> None:
    await open_room.connection.expect()
    open_room.connection.need()
    await asyncio.sleep(0.05)
    await open_room.connection.hold(open_room.somebody("page"))
    assert open_room.told == []


async def test_this_process_does_not_come_between_two_pages(open_room: Room) -> None:
    first, second = open_room.somebody("first"), open_room.somebody("second")
    first.is_free.clear()
    await open_room.connection.hold(first)
    holding = asyncio.create_task(open_room.connection.hold(second))
    await until(lambda: open_room.told)
    reaching = asyncio.create_task(open_room.connection.reach())
    await asyncio.sleep(0.01)
    first.is_free.set()
    assert await reaching is second
    await holding
    assert open_room.told == ["first leaves", "first has left"]


async def test_who_does_not_leave_is_waited_for_no_longer(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "LEAVE_LIMIT", 0.05)
    first, second = room.somebody("first"), room.somebody("second")
    first.is_free.clear()
    await room.connection.hold(first)
    await room.connection.hold(second)
    assert (room.told, room.connection.holder) == (["first leaves"], second)


async def test_this_process_joins_once_for_all_who_ask(open_room: Room) -> None:
    one, other = await asyncio.gather(open_room.connection.reach(), open_room.connection.reach())
    assert one is other
    assert open_room.told == ["process joins"]


@pytest.mark.parametrize("listens", [True, False])
async def test_a_page_that_came_late_is_not_thrown_out_by_this_process(open_room: Room, listens: bool) -> None:
    if listens:
        open_room.connection.need()
        await until(lambda: open_room.told)
    sending = asyncio.create_task(open_room.connection.send(open_room.command()))
    await until(lambda: open_room.told)
    page = open_room.somebody("page")
    await open_room.connection.hold(page)
    await sending
    await asyncio.sleep(0.05)
    assert open_room.told == ["process joins", "page sends"]
    assert open_room.connection.holder is page


async def test_a_page_that_does_not_come_is_waited_for_no_longer(
    open_room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "HOLDER_LIMIT", 0.05)
    await open_room.connection.expect()
    await open_room.connection.send(open_room.command())
    assert open_room.told == ["process joins", "process sends"]


async def test_nobody_there_is_an_error_that_says_what_to_do(room: Room) -> None:
    assert not room.connection.can_send
    with pytest.raises(
        RoomNotHeld, match=r"Nobody is in the session's room.*view\(\).*liveavatar-nb\[media\]"
    ) as caught:
        await room.connection.send(room.command())
    assert caught.value.session_id == SESSION
    assert not len(room.wire)


async def test_commands_are_sent_in_order_by_whoever_is_there(open_room: Room) -> None:
    order: list[str] = []

    async def send(text: str) -> None:
        def begin() -> bool:
            order.append(text)
            return text != "second"

        await open_room.connection.send(open_room.command(text), begin)

    await asyncio.gather(*(send(text) for text in ("first", "second", "third")))
    assert order == ["first", "second", "third"]
    assert open_room.told == ["process joins", "process sends", "process sends"]
    assert [frame.payload["text"] for frame in open_room.wire] == ["first", "third"]


async def test_commands_wait_for_the_avatar_in_order_and_an_interruption_does_not() -> None:
    room = Room(has_avatar=False)
    await room.connection.hold(room.somebody("page"))
    sending = [asyncio.create_task(room.connection.send(room.command(text))) for text in ("first", "second")]
    await asyncio.sleep(0)
    await room.connection.send(full.interrupt("id", SESSION))
    assert [frame.name for frame in room.wire] == ["avatar.interrupt"]
    room.connection.see(True)
    await asyncio.gather(*sending)
    assert [frame.payload["text"] for frame in room.wire.filter("speak_text")] == ["first", "second"]
    await room.connection.close()


async def test_a_command_waits_for_the_one_before(room: Room) -> None:
    page = room.somebody("page")
    await room.connection.hold(page)
    page.is_free.clear()
    sending = [asyncio.create_task(room.connection.send(room.command(text))) for text in ("first", "second")]
    await until(lambda: room.told)
    await asyncio.sleep(0.01)
    assert room.told == ["page sends"]
    page.is_free.set()
    await asyncio.gather(*sending)
    assert room.told == ["page sends", "page sends"]


async def test_an_avatar_that_was_heard_is_there() -> None:
    room = Room(has_avatar=False)
    await room.connection.hold(room.somebody("page"))
    room.connection.take(full.RESPONSE, '{"event_type": "session.state_updated"}')
    sending = asyncio.create_task(room.connection.send(room.command()))
    await asyncio.sleep(0.01)
    assert (sending.done(), room.told) == (True, ["page sends"])
    await room.connection.close()


async def test_an_avatar_that_does_not_come_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "ARRIVAL_LIMIT", 0.05)
    room = Room(has_avatar=False)
    await room.connection.hold(room.somebody("page"))
    await room.connection.send(room.command())
    monkeypatch.setattr(config, "ARRIVAL_LIMIT", 60)
    await room.connection.send(room.command())
    assert room.told == ["page sends", "page sends"]
    await room.connection.close()


async def test_a_lost_holder_is_followed_by_the_next(open_room: Room) -> None:
    page = open_room.somebody("page")
    await open_room.connection.hold(page)
    page.is_lost = True
    await open_room.connection.send(open_room.command())
    assert open_room.told == ["page leaves", "page has left", "process joins", "process sends"]


async def test_who_is_thrown_out_does_not_come_back_by_itself(open_room: Room) -> None:
    await open_room.connection.send(open_room.command())
    process = open_room.connection.holder
    assert process is not None
    open_room.connection.need()
    open_room.connection.drop(process, "Somebody else joined.", is_contested=True)
    with pytest.raises(RoomNotHeld, match=r"Somebody else joined\. Leave the room in the other client"):
        await open_room.connection.send(open_room.command())
    assert not open_room.connection.can_send
    assert open_room.told == ["process joins", "process sends"]
    open_room.connection.join_again()
    await until(lambda: open_room.connection.holder)
    assert open_room.connection.words is None


async def test_a_page_that_is_in_the_room_lets_this_process_join_after_it(
    open_room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    process, page = open_room.somebody("process", "process"), open_room.somebody("page")
    await open_room.connection.hold(process)
    open_room.connection.drop(process, "Somebody else joined.", is_contested=True)
    await open_room.connection.hold(page)
    open_room.connection.drop(page)
    assert open_room.connection.can_send
    await open_room.connection.hold(process)
    open_room.connection.drop(process, "Somebody else joined.", is_contested=True)
    monkeypatch.setattr(config, "HOLDER_LIMIT", 0)
    await open_room.connection.expect()
    assert open_room.connection.can_send


async def test_a_page_that_came_and_went_is_not_expected_any_more(room: Room) -> None:
    page = room.somebody("page")
    await room.connection.expect()
    assert room.connection.can_send
    await room.connection.hold(page)
    room.connection.drop(page)
    assert not room.connection.can_send


async def test_after_the_end_nobody_listens_any_more(open_room: Room) -> None:
    open_room.connection.need()
    await until(lambda: open_room.connection.holder)
    await open_room.connection.close()
    open_room.connection.need()
    assert [task.get_name() for task in asyncio.all_tasks() if task.get_name() == "liveavatar_nb room"] == []


async def test_while_somebody_listens_this_process_is_there_whenever_nobody_else_is(open_room: Room) -> None:
    open_room.connection.need()
    await until(lambda: open_room.connection.holder)
    page = open_room.somebody("page")
    await open_room.connection.expect()
    await open_room.connection.hold(page)
    open_room.connection.drop(page)
    await until(lambda: open_room.connection.holder)
    assert open_room.told == ["process joins", "process leaves", "process has left", "process joins"]


async def test_a_room_that_cannot_be_joined_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "delay", lambda attempt, base: 0.01)
    tries: list[int] = []
    room: Room

    async def join(connection: RoomConnection) -> Somebody:
        tries.append(len(tries))
        if len(tries) < 3:
            raise RoomNotHeld("It does not answer.", session_id=SESSION)
        assert connection.words == "It does not answer."
        return room.somebody("process", "process")

    room = Room(opener=join)
    room.connection.need()
    await until(lambda: room.connection.holder)
    assert (len(tries), room.connection.words) == (3, None)
    await room.connection.close()


async def test_between_two_tries_there_is_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "delay", lambda attempt, base: 60)
    tries: list[Somebody] = []
    room: Room

    async def join(connection: RoomConnection) -> Somebody:
        tries.append(room.somebody("process", "process"))
        if len(tries) == 1:
            raise RoomNotHeld("It does not answer.", session_id=SESSION)
        return tries[-1]

    room = Room(opener=join)
    room.connection.need()
    await until(lambda: room.connection.words)
    await asyncio.sleep(0.02)
    assert len(tries) == 1
    # one that is thrown out at once
    room.connection.drop(await room.connection.reach())
    reaching = asyncio.create_task(room.connection.reach())
    await asyncio.sleep(0.02)
    assert len(tries) == 2
    await room.connection.close()
    with pytest.raises(RoomNotHeld):
        await reaching


@pytest.mark.parametrize("listens", [True, False])
async def test_a_room_that_throws_everybody_out_at_once_is_joined_with_pauses(
    monkeypatch: pytest.MonkeyPatch, listens: bool
) -> None:
    attempts: list[int] = []

    def pause(attempt: int, base: float) -> float:
        attempts.append(attempt)
        return 0.01

    monkeypatch.setattr(connection, "delay", pause)
    room: Room

    async def join(connection: RoomConnection) -> Somebody:
        process = room.somebody("process", "process")
        if len(attempts) < 3:
            asyncio.get_running_loop().call_later(0.001, connection.drop, process)
        return process

    room = Room(opener=join, has_avatar=False)
    if listens:
        room.connection.need()
        await until(lambda: len(attempts) == 3 and room.connection.holder)
    else:
        waiting = asyncio.create_task(room.connection.wait_for_avatar())
        await until(lambda: len(attempts) == 3 and room.connection.holder)
        room.connection.see(True)
        await waiting
    assert attempts == [1, 2, 3]
    process = room.connection.holder
    assert process is not None
    # one that stayed for a while begins anew
    monkeypatch.setattr(config, "HOLDER_LIMIT", 0)
    room.connection.drop(process)
    await room.connection.reach()
    assert attempts == [1, 2, 3]
    await room.connection.close()


async def test_in_ones_own_room_any_number_may_watch_each_with_a_token_of_its_own() -> None:
    tokens = iter("abc")
    room = Room(mint=lambda: Masked(next(tokens)))
    assert room.connection.is_own
    assert [room.connection.viewer().reveal() for _ in range(3)] == ["a", "b", "c"]
    first, second = room.somebody("first"), room.somebody("second")
    await room.connection.expect()
    await room.connection.hold(first)
    await room.connection.hold(second)
    await room.connection.send(room.command())
    room.connection.see(True)
    room.connection.drop(first)
    assert room.connection.has_avatar
    await room.connection.send(room.command())
    assert room.told == ["first sends", "second sends"]
    await room.connection.close()
    assert room.told[2:] == ["second leaves", "second has left"]


async def test_the_end_has_everybody_leave_and_lets_nobody_in(open_room: Room) -> None:
    await open_room.connection.send(open_room.command())
    open_room.connection.see(False)
    open_room.connection.need()
    waiting = asyncio.create_task(open_room.connection.wait_for_avatar())
    await asyncio.sleep(0.01)
    await open_room.connection.close()
    await open_room.connection.close()
    with pytest.raises(RoomNotHeld):
        await waiting
    late = open_room.somebody("late")
    await open_room.connection.hold(late)
    assert open_room.told == [
        "process joins", "process sends", "process leaves", "process has left", "late leaves", "late has left"
    ]  # fmt: skip
    with pytest.raises(RoomNotHeld):
        await open_room.connection.send(open_room.command())
    open_room.connection.take(full.RESPONSE, '{"event_type": "avatar.speak_started"}')
    open_room.connection.see(True)
    assert (open_room.events, open_room.connection.has_avatar) == ([], False)


async def test_a_joining_that_fails_when_the_session_is_over_is_no_news() -> None:
    told: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: told.append(what["message"]))
    is_over = asyncio.Event()

    async def join(connection: RoomConnection) -> Somebody:
        await is_over.wait()
        raise RoomNotHeld(session_id=SESSION)

    room = Room(opener=join)
    asking = asyncio.create_task(room.connection.reach())
    await asyncio.sleep(0.01)
    # as the service ends it, or who asked is cut short: nobody hears how the joining went
    room.connection.end()
    asking.cancel()
    is_over.set()
    await asyncio.sleep(0.01)
    await room.connection.close()
    del room, asking
    gc.collect()
    assert not told


async def test_the_avatar_is_waited_for(open_room: Room) -> None:
    open_room.connection.see(False)
    waiting = asyncio.create_task(open_room.connection.wait_for_avatar())
    await until(lambda: open_room.connection.holder)
    assert not waiting.done()
    open_room.connection.see(True)
    await waiting


async def test_packets_are_written_down_and_handed_on(room: Room, caplog: pytest.LogCaptureFixture) -> None:
    room.connection.take(full.RESPONSE, '{"event_type": "avatar.speak_ended", "event_id": "1"}')
    room.connection.take("chat", '{"event_type": "avatar.speak_ended"}')
    with caplog.at_level(logging.WARNING):
        room.connection.take(full.RESPONSE, b"\xff")
        room.connection.take(full.RESPONSE, "\ud83d")
    assert room.events == [Event("avatar.speak_ended", {"event_id": "1"})]
    assert [(entry.kind, entry.direction, entry.name) for entry in room.wire] == [
        ("data", "received", "avatar.speak_ended"),
        ("data", "received", "(no event)"),
        ("data", "received", "(no event)"),
    ]
    assert caplog.messages == [f"session {SESSION}: ignored a packet that is not an event"] * 2


async def test_no_token_is_shown(open_room: Room, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        await open_room.connection.send(open_room.command())
    assert repr(open_room.connection) == f"<RoomConnection of {SESSION}: livekit, held by a process>"
    shown = f"{open_room.connection!r} {vars(open_room.connection)} {caplog.text} {open_room.wire.to_dict()}"
    assert TOKEN not in shown


async def test_what_is_heard_goes_to_all_who_listen(room: Room) -> None:
    one: list[bytes] = []
    other: list[bytes] = []
    end = room.connection.on_sound(one.append)
    room.connection.on_sound(other.append)
    room.connection.hear(b"ab")
    end()
    end()
    room.connection.hear(b"")
    assert (one, other) == ([b"ab"], [b"ab", b""])
