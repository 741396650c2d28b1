"""`LiveView` without a browser: who is in the room, what goes through pages, and what is never shown."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from liveavatar_nb import LiveAvatar, LiveView, Session, Simulator, Studio
from liveavatar_nb import config as limits
from liveavatar_nb.bridge.loop import bridge
from liveavatar_nb.concurrency.worker import worker
from liveavatar_nb.config import Masked
from liveavatar_nb.errors import APIConnectionError, InvalidArgument, RoomNotHeld
from liveavatar_nb.rooms.connection import HolderKind, HolderLost, RoomConnection
from liveavatar_nb.widgets import pages as holders
from liveavatar_nb.widgets.pages import PageHolder, pages
from liveavatar_nb.widgets.room import ELSEWHERE, NOT_LIVE, PACKET_LIMIT, SOUNDS_WAITING, RoomAccess

from ..waiting import wait_for
from .pages import Page, Wire, controller_of, held_by, room_of

CANARY = "canary-of-the-room-1f7a"
ADDRESS = "wss://room.example.org"


@pytest.fixture(scope="module")
def shared() -> Iterator[Simulator]:
    """One for all tests of this module, whose rooms are drawn."""
    with Simulator(connect_delay=0.01, history=False, credits=10_000, rate_limit=None) as running:
        yield running


@pytest.fixture
def simulator(shared: Simulator) -> Iterator[Simulator]:
    yield shared
    assert not shared.billed()


@pytest.fixture
def session(la: LiveAvatar) -> Iterator[Session]:
    """A session in a drawn room."""
    with la.start("Silas") as session:
        yield session


class Heard:
    """What a session hears of its room."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.losses = 0

    def lose(self) -> None:
        self.losses += 1


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def roomed(session: Session, heard: Heard) -> Session:
    """A session whose room is one of LiveKit's, as far as pages know."""
    inner = session._inner

    async def swap() -> None:
        if inner.lifecycle.room is not None:
            await inner.lifecycle.room.close()
        inner.lifecycle.room = RoomConnection(
            ADDRESS,
            Masked(CANARY, "of a room"),
            str(inner.id),
            inner._wire,
            receive=heard.events.append,
            on_change=inner._on_change,
            on_loss=heard.lose,
        )
        inner.lifecycle.room.see(True)

    bridge.call(swap())
    return session


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    return Wire(LiveView, monkeypatch)


@pytest.fixture
def view(la: LiveAvatar, roomed: Session, wire: Wire) -> Iterator[LiveView]:
    view = LiveView(la)
    wait_for(lambda: view.status and view.status["state"] == "connected")
    yield view
    view.close()


class Process:
    """This process in the room."""

    kind: HolderKind = "process"

    def __init__(self) -> None:
        self.left = False
        self.sent: list[bytes] = []

    async def send(self, payload: bytes) -> None:
        self.sent.append(payload)

    async def leave(self) -> None:
        self.left = True


def enter(page: Page, session: Session) -> None:
    """The page joins, and is in the room."""
    assert page.join(str(session.id))["url"] == ADDRESS
    page.news(str(session.id), "joined", avatar=True)
    wait_for(lambda: held_by(session) == "page" and room_of(session).has_avatar)


def test_a_page_is_told_the_room_once_it_asks_and_holds_it_once_it_is_in(
    view: LiveView, wire: Wire, roomed: Session
) -> None:
    page = Page(view, wire, "tab-1")
    room_of(roomed).avatar_identity = "avatar-2"
    answer = page.join(str(roomed.id))
    assert (answer["url"], answer["token"], answer["reason"]) == (ADDRESS, CANARY, None)
    assert answer["avatar_identity"] == "avatar-2"
    assert held_by(roomed) is None, "it is not in yet"
    page.news(str(roomed.id), "joined", avatar=True)
    wait_for(lambda: held_by(roomed) == "page")
    wait_for(lambda: room_of(roomed).has_avatar)
    backs: list[bool] = []
    room_of(roomed).on_back = lambda: backs.append(True)
    page.news(str(roomed.id), "joined", avatar=True)
    page.news(str(roomed.id), "reconnecting")
    wait_for(lambda: "Reconnecting" in (view.status["room"]["words"] or ""))
    assert held_by(roomed) == "page"
    assert not backs
    page.news(str(roomed.id), "joined", avatar=True)
    wait_for(lambda: view.status["room"]["words"] is None)
    wait_for(lambda: backs)
    page.news(str(roomed.id), "left")
    wait_for(lambda: held_by(roomed) is None)
    assert not room_of(roomed).has_avatar


def test_only_the_session_that_is_shown_and_lives_has_a_room_to_join(
    view: LiveView, wire: Wire, roomed: Session
) -> None:
    page = Page(view, wire, "tab-1")
    for asked_for in ("", "another", None):
        answer = page.join(asked_for)  # type: ignore[arg-type]
        assert (answer["url"], answer["token"], answer["reason"]) == (None, None, NOT_LIVE)
    roomed.stop()
    answer = page.join(str(roomed.id))
    assert (answer["url"], answer["token"], answer["reason"]) == (None, None, NOT_LIVE)


def test_another_window_is_refused_until_it_takes_over(view: LiveView, wire: Wire, roomed: Session) -> None:
    first, second = Page(view, wire, "tab-1"), Page(view, wire, "tab-2")
    enter(first, roomed)
    answer = second.join(str(roomed.id))
    assert (answer["url"], answer["token"], answer["reason"]) == (None, None, ELSEWHERE)
    assert answer["can_take_over"]
    assert first.heard("room")[-1]["token"] == CANARY
    assert CANARY not in json.dumps(second.heard("room"), default=repr), "the answer to one page is for that one"
    second.say("join", session_id=roomed.id, take_over=True)
    assert first.hears("room_leave")["session_id"] == roomed.id
    assert len(second.heard("room")) == 1, "the first is not out yet"
    first.news(str(roomed.id), "left")
    assert second.hears("room", 2)["token"] == CANARY
    second.news(str(roomed.id), "joined")
    wait_for(lambda: held_by(roomed) == "page")
    assert not second.heard("room_leave")


def test_two_pages_that_ask_at_once_do_not_both_join(view: LiveView, wire: Wire, roomed: Session) -> None:
    first, second = Page(view, wire, "tab-1"), Page(view, wire, "tab-2")
    assert first.join(str(roomed.id))["url"] == ADDRESS
    assert second.join(str(roomed.id))["reason"] == ELSEWHERE
    first.news(str(roomed.id), "unreachable", "No way through the firewall.")
    wait_for(lambda: view.status["room"]["words"] == "No way through the firewall.")
    assert second.join(str(roomed.id))["url"] == ADDRESS


def test_a_page_that_vanished_is_dropped_and_comes_back(
    view: LiveView, wire: Wire, roomed: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holders, "SILENCE", 0.2)
    first, second = Page(view, wire, "tab-1"), Page(view, wire, "tab-2")
    enter(first, roomed)
    wait_for(lambda: held_by(roomed) is None)
    wait_for(lambda: "has stopped responding" in (view.status["room"]["words"] or ""))
    first.say("beat")
    wait_for(lambda: held_by(roomed) == "page")
    wait_for(lambda: held_by(roomed) is None)
    assert second.join(str(roomed.id))["url"] == ADDRESS, "a window that is gone is no reason to refuse another"


def test_a_page_that_a_cell_may_hold_up_is_not_taken_for_gone(
    view: LiveView, wire: Wire, roomed: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holders, "SILENCE", 0.05)
    page = Page(view, wire, "tab-1", is_prompt=False)
    enter(page, roomed)
    bridge.call(asyncio.sleep(0.3))
    assert held_by(roomed) == "page"


def test_a_page_whose_way_was_free_is_missed_and_one_behind_a_cell_is_not(
    view: LiveView, wire: Wire, roomed: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holders, "SILENCE", 1.0)
    monkeypatch.setattr(limits, "ATTENTION_TICK", 0.1)
    loop, over = asyncio.new_event_loop(), threading.Event()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        page = Page(view, wire, "tab-1", is_prompt=False, loop=loop)
        enter(page, roomed)
        loop.call_soon_threadsafe(over.wait, 30)
        bridge.call(asyncio.sleep(2.5))
        assert held_by(roomed) == "page"
        over.set()
        wait_for(lambda: held_by(roomed) is None)
    finally:
        over.set()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_who_tries_again_where_it_cannot_come_in_throws_nobody_out(view: LiveView, wire: Wire, roomed: Session) -> None:
    page = Page(view, wire, "tab-1")
    page.join(str(roomed.id))
    page.news(str(roomed.id), "unreachable", "no way")
    wait_for(lambda: view.status["room"]["words"] == "no way")
    process = Process()
    bridge.call(room_of(roomed).hold(process))
    assert page.join(str(roomed.id))["url"] == ADDRESS
    assert not process.left
    page.news(str(roomed.id), "joined")
    wait_for(lambda: process.left and held_by(roomed) == "page")


def test_pages_that_are_made_up_are_forgotten_and_put_nobody_out(roomed: Session) -> None:
    async def make_up() -> PageHolder:
        session, room = roomed._inner, room_of(roomed)
        page = pages.holder(session, room, "tab-1")
        await page.enter()
        for number in range(2 * holders.PAGES):
            pages.holder(session, room, f"made up {number}")
        return page

    page = bridge.call(make_up())
    known = pages.of(roomed._inner)
    assert len(known) == holders.PAGES
    assert page in known
    assert room_of(roomed).holder is page
    bridge.call(room_of(roomed).close())


def test_this_process_leaves_before_a_page_is_told_the_room(view: LiveView, wire: Wire, roomed: Session) -> None:
    process = Process()
    bridge.call(room_of(roomed).hold(process))
    assert Page(view, wire, "tab-1").join(str(roomed.id))["url"] == ADDRESS
    assert process.left


def test_a_replaced_page_is_not_fought_for(view: LiveView, wire: Wire, roomed: Session) -> None:
    async def join(room: RoomConnection) -> Process:
        return Process()

    room_of(roomed)._opener = join
    page = Page(view, wire, "tab-1")
    enter(page, roomed)
    page.news(str(roomed.id), "replaced", "Joined elsewhere.")
    wait_for(lambda: held_by(roomed) is None and view.status["room"]["words"] == "Joined elsewhere.")
    assert not room_of(roomed).can_send
    enter(page, roomed)
    assert room_of(roomed).can_send


def test_a_page_that_was_put_out_is_a_loss_and_one_that_leaves_is_none(
    view: LiveView, wire: Wire, roomed: Session, heard: Heard
) -> None:
    page = Page(view, wire, "tab-1")
    losses = []
    for state, reason in (("left", None), ("replaced", "Joined elsewhere."), ("left", "The room is gone.")):
        enter(page, roomed)
        page.news(str(roomed.id), state, reason)
        wait_for(lambda: room_of(roomed).holder is None)
        page.join(str(roomed.id))  # what came before was done
        losses.append(heard.losses)
    assert losses == [0, 0, 1]


async def speak(session: Session, payload: bytes) -> None:
    holder = room_of(session).holder
    assert holder is not None
    await holder.send(payload)


def test_commands_go_by_the_page_and_are_known_to_have_arrived(view: LiveView, wire: Wire, roomed: Session) -> None:
    page = Page(view, wire, "tab-1")
    enter(page, roomed)
    sending = bridge.submit(speak(roomed, b'{"event_type": "avatar.interrupt"}'))
    told = page.hears("room_send")
    assert json.loads(told["payload"])["event_type"] == "avatar.interrupt"
    assert not sending.done()
    page.say("room_sent", request=told["request"], ok=True, problem=None)
    sending.result(5)
    sending = bridge.submit(speak(roomed, b"{}"))
    page.say("room_sent", request=page.hears("room_send", 2)["request"], ok=False, problem="not connected")
    with pytest.raises(HolderLost, match="not connected"):
        sending.result(5)
    (holder,) = pages.of(roomed._inner)
    assert holder._answers == {}


def test_a_page_that_does_not_answer_has_lost_the_room(
    view: LiveView, wire: Wire, roomed: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "HOLDER_LIMIT", 0.1)
    page = Page(view, wire, "tab-1")
    enter(page, roomed)
    with pytest.raises(HolderLost, match="has stopped responding"):
        bridge.call(speak(roomed, b"{}"))


def test_a_page_whose_connection_is_being_got_back_is_waited_for(
    view: LiveView, wire: Wire, roomed: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Page(view, wire, "tab-1")
    enter(page, roomed)
    page.news(str(roomed.id), "reconnecting", "Getting it back.")
    wait_for(lambda: view.status["room"]["words"] == "Getting it back.")
    sending = bridge.submit(speak(roomed, b"{}"))
    bridge.call(asyncio.sleep(0.05))
    assert not page.heard("room_send")
    page.news(str(roomed.id), "joined")
    page.say("room_sent", request=page.hears("room_send")["request"], ok=True)
    sending.result(5)
    monkeypatch.setattr(limits, "HOLDER_LIMIT", 0.1)
    page.news(str(roomed.id), "reconnecting")
    wait_for(lambda: view.status["room"]["words"])
    with pytest.raises(RoomNotHeld, match="connection"):
        bridge.call(speak(roomed, b"{}"))
    assert held_by(roomed) == "page"


def test_a_page_that_leaves_ends_what_waits_for_it(view: LiveView, wire: Wire, roomed: Session) -> None:
    page = Page(view, wire, "tab-1")
    enter(page, roomed)
    sending = bridge.submit(speak(roomed, b"{}"))
    page.hears("room_send")
    page.news(str(roomed.id), "left")
    with pytest.raises(HolderLost, match="left the room"):
        sending.result(5)


def test_where_a_cell_holds_pages_up_a_command_does_not_wait_for_the_answer(
    view: LiveView, wire: Wire, roomed: Session
) -> None:
    page = Page(view, wire, "tab-1", is_prompt=False)
    enter(page, roomed)
    bridge.call(speak(roomed, b"{}"))
    page.hears("room_send")


def packet(text: str) -> str:
    return json.dumps({"event_id": "e-1", "event_type": "avatar.transcription", "session_id": "s", "text": text})


def test_packets_of_the_page_reach_the_session_in_order(
    view: LiveView, wire: Wire, roomed: Session, heard: Heard, caplog: pytest.LogCaptureFixture
) -> None:
    page = Page(view, wire, "tab-1")
    enter(page, roomed)
    for at in range(30):
        page.say("data", session_id=roomed.id, topic="agent-response", payload=packet(str(at)))
    page.say("data", session_id=roomed.id, topic="other", payload=packet("of another topic"))
    page.say("data", session_id="another", topic="agent-response", payload=packet("of another session"))
    page.say("data", session_id=roomed.id, topic="agent-response", payload=packet("x" * PACKET_LIMIT))
    page.say("data", session_id=roomed.id, topic="agent-response", payload="no JSON")
    page.say("data", session_id=roomed.id, topic="agent-response", payload=packet("last"))
    wait_for(lambda: heard.events and heard.events[-1].data["text"] == "last")
    assert [event.data["text"] for event in heard.events] == [*map(str, range(30)), "last"]
    assert f"more than {PACKET_LIMIT} characters" in caplog.text


def test_the_end_of_the_session_has_the_page_leave(view: LiveView, wire: Wire, roomed: Session) -> None:
    page = Page(view, wire, "tab-1")
    enter(page, roomed)
    bridge.call(room_of(roomed).close())
    assert page.hears("room_leave")["session_id"] == roomed.id
    roomed.stop()
    wait_for(lambda: view.status["state"] == "ended")
    wait_for(lambda: not pages.of(roomed._inner))


def test_a_widget_that_is_closed_gives_the_room_back(la: LiveAvatar, wire: Wire, roomed: Session) -> None:
    first, second = LiveView(la), LiveView(la)
    page, other = Page(first, wire, "tab-1"), Page(second, wire, "tab-1")
    enter(page, roomed)
    wait_for(lambda: second.status["room"])
    other.news(str(roomed.id), "joined", avatar=True)
    first.close()
    bridge.call(asyncio.sleep(0.05))
    assert room_of(roomed).holder is not None, "the other widget on that page speaks for it now"
    second.close()
    wait_for(lambda: room_of(roomed).holder is None)


def test_in_a_room_of_the_users_own_each_page_has_a_token_of_its_own(
    view: LiveView, wire: Wire, roomed: Session, heard: Heard
) -> None:
    minted = iter(f"{CANARY}-{at}" for at in range(9))
    room_of(roomed)._mint = lambda: Masked(next(minted), "of a viewer")
    first, second = Page(view, wire, "tab-1"), Page(view, wire, "tab-2")
    tokens = [page.join(str(roomed.id))["token"] for page in (first, second, first)]
    assert tokens == [f"{CANARY}-0", f"{CANARY}-1", f"{CANARY}-2"]
    for page in (first, second):
        page.news(str(roomed.id), "joined")
    wait_for(lambda: len(room_of(roomed)._holders) == 2)
    for page in (first, second):
        page.say("data", session_id=roomed.id, topic="agent-response", payload=packet(page.name))
    first.say("data", session_id=roomed.id, topic="agent-response", payload=packet("last"))
    wait_for(lambda: heard.events and heard.events[-1].data["text"] == "last")
    assert [event.data["text"] for event in heard.events] == ["tab-1", "last"], "each page hears all of it"
    assert not first.heard("room_leave")


def test_nothing_secret_is_in_a_trait_a_repr_or_a_log(
    view: LiveView, wire: Wire, roomed: Session, la: LiveAvatar, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    page = Page(view, wire, "tab-1")
    enter(page, roomed)
    page.say("join", session_id=roomed.id, nonsense=CANARY[:6])
    wait_for(lambda: view.view_problem)
    room = room_of(roomed)
    shown = json.dumps(view.get_state(), default=repr) + repr(view) + repr(room.holder) + repr(room) + repr(roomed)
    shown += repr(pages.of(roomed._inner)) + repr(la.wire) + json.dumps(list(la._inner.wire.rows(0, 999)[0]))
    assert CANARY not in shown + caplog.text
    assert ADDRESS not in shown


def test_a_view_of_one_session_stays_with_it(la: LiveAvatar, session: Session, wire: Wire) -> None:
    view = LiveView(la, session)
    page = Page(view, wire, "tab-1")
    with la.start("Ann", concurrent=True) as other:
        wait_for(lambda: view.status["avatar_name"] == "Silas")
        assert view.session == session
        assert view.still["name"] == "Silas"
        page.say("stop")
        wait_for(lambda: view.status["state"] == "ended")
        assert other.is_live
    assert view.status["end_words"] == session.end_words
    view.close()


def test_how_a_session_ended_shows_also_where_its_client_is_closed(la: LiveAvatar, session: Session) -> None:
    session.stop()
    la.close()
    view = LiveView(la, session)
    assert (view.status["state"], view.still["name"]) == ("ended", "Silas")
    assert not view.view_problem
    view.close()


def test_a_view_says_what_is_wrong_with_what_it_is_given(
    la: LiveAvatar, session: Session, simulator: Simulator
) -> None:
    wrong: list[tuple[Any, Any, str, str]] = [
        (session, None, "la", r"a LiveAvatar as its first argument, not Session.*s\.view\(\)"),
        (session._inner, None, "la", "a LiveAvatar as its first argument, not AsyncSession"),
        (la, session._inner, "session", r"from LiveAvatar\.start\(\), not AsyncSession"),
        (la, la, "session", r"start\(\), not LiveAvatar"),
    ]
    for client, shown, field, told in wrong:
        with pytest.raises(InvalidArgument, match=told) as caught:
            LiveView(client, shown)
        assert caught.value.field == field
    with pytest.raises(InvalidArgument, match=r"not AsyncLiveAvatar.*managed loop"):
        LiveView(la._inner, session)
    with LiveAvatar(simulator.api_key, api_url=simulator.url) as other:
        with pytest.raises(InvalidArgument, match="belongs to another client"):
            LiveView(other, session)
        LiveView(la, la.session).close()


def test_what_a_view_is_of_shows_in_its_repr(la: LiveAvatar) -> None:
    view = LiveView(la)
    assert repr(view) == "<LiveView of nothing yet>"
    with la.start("Silas") as session:
        assert repr(view) == f"<LiveView of {session.id} Silas, connected>"
    assert repr(view) == f"<LiveView of {session.id} Silas, ended>"
    view.close()


def test_a_view_without_a_session_says_so_and_takes_no_other_thing_for_one(la: LiveAvatar) -> None:
    view = LiveView(la)
    assert [view.status, view.still] == [None, None]
    assert view.session is None
    view.close()
    with pytest.raises(InvalidArgument, match="start"):
        LiveView(la, session="Silas")
    with pytest.raises(InvalidArgument, match="Did you mean 'layout'"):
        LiveView(la, layot=None)


def test_the_library_and_the_drawings_of_a_face(la: LiveAvatar, session: Session, wire: Wire) -> None:
    view = LiveView(la, session)
    page = Page(view, wire, "tab-1")
    page.say("library")
    assert b"export" in page.hears("library")["buffers"][0]
    page.say("face", avatar_id=session.avatar.id)
    face = page.hears("face")
    assert (face["avatar_id"], face["media_type"], len(face["buffers"])) == (session.avatar.id, "image/svg+xml", 6)
    assert len(set(face["buffers"])) == 6, "each differs"
    page.say("face", avatar_id="nobody")
    assert page.hears("face", 2)["buffers"] == []
    page.say("pictures", avatar_ids=[session.avatar.id, "nobody"])
    assert page.hears("picture")["avatar_id"] == session.avatar.id
    view.close()


def test_what_is_said_in_a_drawn_room_is_heard_by_one_page(la: LiveAvatar, session: Session, wire: Wire) -> None:
    view = LiveView(la, session)
    first, second = Page(view, wire, "tab-1"), Page(view, wire, "tab-2")
    assert first.join(str(session.id))["url"] is None
    assert "drawn" in first.heard("room")[0]["reason"]
    second.say("ready")
    wait_for(lambda: room_of(session).holder is not None)
    assert view.status["room"]["kind"] == "drawn"
    session.play((bytes(12_000), 24_000), wait=True, progress=False)
    wait_for(lambda: sum(len(one["buffers"][0]) for one in first.heard("sound") if one["buffers"]) >= 12_000)
    assert all(len(one["buffers"][0]) <= 4800 for one in first.heard("sound") if one["buffers"])
    assert not second.heard("sound")
    view.close()
    wait_for(lambda: not room_of(session)._listeners)


def test_what_waits_for_a_busy_thread_is_limited_and_gives_way_to_silence(
    la: LiveAvatar, session: Session, wire: Wire
) -> None:
    view = LiveView(la, session)
    page, go_on = Page(view, wire, "tab-1"), threading.Event()
    told = {"type": "sound", "session_id": session.id}

    def hold() -> None:
        go_on.wait(10)

    for is_hushed, count in ((False, SOUNDS_WAITING), (True, 1)):
        worker.post(hold)
        for number in range(SOUNDS_WAITING + 2):
            controller_of(view, RoomAccess).send_sound("tab-1", told, bytes([number, 0]))
        if is_hushed:
            controller_of(view, RoomAccess).send_sound("tab-1", {**told, "hush": True}, b"")
        go_on.set()
        done = threading.Event()
        worker.post(done.set)
        assert done.wait(10)
        sounds = page.heard("sound")
        assert len(sounds) == count
        assert ("hush" in sounds[-1]) is is_hushed
        assert [len(one["buffers"]) for one in sounds] == [0 if is_hushed else 1] * count
        wire.sent.clear()
        go_on.clear()
    view.close()


def test_a_page_that_vanished_hears_nothing_any_more(
    la: LiveAvatar, session: Session, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holders, "SILENCE", 0.2)
    view = LiveView(la, session)
    Page(view, wire, "tab-1").say("beat")
    wait_for(lambda: room_of(session)._listeners)
    wait_for(lambda: not room_of(session)._listeners)
    Page(view, wire, "tab-2").say("beat")
    wait_for(lambda: room_of(session)._listeners)
    view.close()


def test_a_page_that_vanished_does_not_hear_the_session_again(
    la: LiveAvatar, session: Session, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holders, "SILENCE", 0.2)
    view = LiveView(la, session)
    page = Page(view, wire, "tab-1")
    page.say("beat")
    wait_for(lambda: room_of(session)._listeners)
    wait_for(lambda: not room_of(session)._listeners)
    session.play((bytes(4800), 24_000), wait=True, progress=False)
    assert not room_of(session)._listeners
    assert not page.heard("sound")
    view.close()


def test_a_page_that_goes_leaves_the_sound_to_another(la: LiveAvatar, session: Session, wire: Wire) -> None:
    view = LiveView(la, session)
    first, second = Page(view, wire, "tab-1"), Page(view, wire, "tab-2")
    first.say("ready")
    wait_for(lambda: room_of(session)._listeners)
    second.news(str(session.id), "left")
    first.news(str(session.id), "left")
    wait_for(lambda: not room_of(session)._listeners)
    second.say("ready")
    wait_for(lambda: room_of(session)._listeners)
    session.play((bytes(4800), 24_000), wait=True, progress=False)
    wait_for(lambda: second.heard("sound"))
    assert not first.heard("sound")
    view.close()


def test_where_the_absence_of_a_page_does_not_show_the_newest_hears_a_drawn_room(
    la: LiveAvatar, session: Session, wire: Wire
) -> None:
    view = LiveView(la, session)
    first, second = (Page(view, wire, name, is_prompt=False) for name in ("tab-1", "tab-2"))
    first.say("ready")
    wait_for(lambda: room_of(session)._listeners)
    second.say("ready")
    first.say("face", avatar_id=session.avatar.id)
    first.hears("face")
    session.play((bytes(4800), 24_000), wait=True, progress=False)
    wait_for(lambda: second.heard("sound"))
    assert not first.heard("sound")
    view.close()


def test_drawings_that_could_not_be_fetched_are_asked_for_again(
    la: LiveAvatar, session: Session, wire: Wire, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_address: str) -> Any:
        raise APIConnectionError("The service is down.")

    view = LiveView(la, session)
    page = Page(view, wire, "tab-1")
    with monkeypatch.context() as broken:
        broken.setattr(la._inner.api.transport, "fetch", fail)
        page.say("face", avatar_id=session.avatar.id)
        assert page.hears("face")["buffers"] == []
    page.say("face", avatar_id=session.avatar.id)
    assert len(page.hears("face", 2)["buffers"]) == 6
    view.close()


def test_a_session_shows_itself_in_a_kernel_and_is_text_elsewhere(session: Session) -> None:
    with pytest.raises(NotImplementedError):
        session._ipython_display_()
    view = session.view()
    assert isinstance(view, LiveView)
    assert view.session == session
    view.close()


def test_the_still_of_a_studio_is_of_who_is_on_the_stage(la: LiveAvatar, monkeypatch: pytest.MonkeyPatch) -> None:
    studio: Any = la.studio()
    tab = Page(studio, Wire(Studio, monkeypatch), "tab-1")
    wait_for(lambda: studio.catalogue["state"] == "ready" and studio.still)
    june = next(entry for entry in studio.avatars if entry["name"] == "June")
    tab.say("pick", avatar_id=june["id"])
    wait_for(lambda: studio.still["name"] == "June")
    assert studio.still["picture"] == {"bytes": True}
    with la.start("Ann") as session:
        wait_for(lambda: studio.still["name"] == "Ann")
        tab.say("pictures", avatar_ids=[session.avatar.id, june["id"], "nobody"])
        wait_for(lambda: {one["avatar_id"] for one in tab.heard("picture")} == {session.avatar.id, june["id"]})
    wait_for(lambda: studio.still["name"] == "June")
    studio.close()
