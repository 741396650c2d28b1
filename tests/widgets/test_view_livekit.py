"""A page and this process in a real LiveKit room, one after the other: who holds it, and what goes through."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from liveavatar_nb import LiveAvatar, LiveView, NewContext, Session, Simulator
from liveavatar_nb.protocol import full
from liveavatar_nb.simulator import LiveKit

from ..crowd import Crowd, Visitor, crowd
from ..livekit import LiveKitServer, livekit_server
from ..waiting import wait_for
from .pages import Page, Wire, held_by, room_of

__all__ = ["crowd", "livekit_server"]


@contextmanager
def simulated(server: LiveKitServer) -> Iterator[Simulator]:
    """A simulator whose avatars join rooms."""
    livekit = LiveKit(server.url, server.key, server.secret)
    with Simulator(livekit=livekit, connect_delay=0.01) as running:
        yield running


@pytest.fixture(scope="module", autouse=True)
def library(livekit_server: LiveKitServer) -> None:
    """What LiveKit's library opens with the first video that it gets is its own, and no test's."""
    with simulated(livekit_server) as simulator, LiveAvatar(simulator.api_key, api_url=simulator.url) as la:
        la.start("Silas").wait_for_avatar()


@pytest.fixture
def simulator(livekit_server: LiveKitServer) -> Iterator[Simulator]:
    with simulated(livekit_server) as running:
        yield running
        assert not running.billed()


class RealPage(Page):
    """A page that is in the room in earnest: what it hears there it hands on, and it sends what it is told to."""

    def __init__(self, widget: Any, wire: Wire, name: str, crowd: Crowd, session_id: str) -> None:
        super().__init__(widget, wire, name)
        self._crowd, self._session_id = crowd, session_id
        self.visitor: Visitor | None = None
        self._is_over = threading.Event()
        self._relaying = threading.Thread(target=self._relay)

    def come(self, **args: Any) -> None:
        """Joins the room, and tells so once it sees the avatar."""
        answer = self.join(self._session_id, **args)
        self.visitor = self._crowd.join(answer["url"], answer["token"])
        wait_for(lambda: ["heygen", "video"] in self.visitor.sees if self.visitor else None)
        self.news(self._session_id, "joined", avatar=True)
        self._relaying.start()

    def go(self) -> None:
        """Leaves the room, and tells so."""
        self._is_over.set()
        if self._relaying.is_alive() and threading.current_thread() is not self._relaying:
            self._relaying.join()
        if self.visitor is not None:
            self.visitor.leave()
            self.visitor = None
            self.news(self._session_id, "left")

    @property
    def is_there(self) -> bool:
        """Whether it is in the room."""
        return self.visitor is not None

    def _relay(self) -> None:
        told, sent = 0, 0
        while not self._is_over.wait(0.02):
            visitor = self.visitor
            assert visitor is not None
            heard = visitor.heard
            for payload in heard[told:]:
                self.say("data", session_id=self._session_id, topic="agent-response", payload=payload)
            told = len(heard)
            asked = self.heard("room_send")
            for one in asked[sent:]:
                visitor.send(one["payload"], "agent-control")
                self.say("room_sent", request=one["request"], ok=True)
            sent = len(asked)
            if self.heard("room_leave"):
                self.go()


@contextmanager
def page_in(view: LiveView, wire: Wire, name: str, crowd: Crowd, session: Session, **args: Any) -> Iterator[RealPage]:
    page = RealPage(view, wire, name, crowd, str(session.id))
    page.come(**args)
    try:
        yield page
    finally:
        page.go()


def test_process_page_page_and_process_hold_a_room_in_turn(
    la: LiveAvatar, crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire = Wire(LiveView, monkeypatch)
    guide = NewContext(name="Guide", prompt="You are a guide to Bern.", opening_text="Welcome!")
    with la.start("Silas", context=guide) as session:
        view = LiveView(la, session)
        session.wait_for_avatar()
        wait_for(lambda: session.transcript)
        session.say("By this process.")
        assert held_by(session) == "process"
        with page_in(view, wire, "tab-1", crowd, session) as first:
            wait_for(lambda: held_by(session) == "page" and room_of(session).has_avatar)
            assert first.visitor is not None
            said = session.say("By the page.")
            assert said.state == "ended"
            answer = session.ask("What can you show me?")
            assert answer.state == "ended"
            assert answer.text
            assert first.visitor.is_in, "nobody threw it out"
            assert first.heard("room_send")
            with page_in(view, wire, "tab-2", crowd, session, take_over=True) as second:
                wait_for(lambda: held_by(session) == "page")
                assert not first.is_there, "it left before the second came"
                assert second.visitor is not None
                session.say("By the other page.")
                assert second.visitor.is_in
        wait_for(lambda: held_by(session) != "page")
        session.say("By this process again.")
        assert held_by(session) == "process"
        words = [line.transcript for line in session.transcript]
        for text in ("By this process.", "By the page.", "By the other page.", "By this process again."):
            assert words.count(text) == 1
        secrets = [room_of(session).token.reveal(), room_of(session).url]
        shown = repr(view.get_state()) + repr(view) + repr(list(la.wire)) + repr(session)
        assert not [secret for secret in secrets if secret in shown]
        view.close()


@pytest.mark.parametrize("context", [None, NewContext("Guide", "You are a guide.")], ids=["LITE", "FULL"])
def test_a_page_that_shows_a_session_from_its_start_is_told_the_way_in_with_the_news_of_it(
    la: LiveAvatar, crowd: Crowd, monkeypatch: pytest.MonkeyPatch, context: NewContext | None
) -> None:
    wire = Wire(LiveView, monkeypatch)
    view = LiveView(la)
    page = Page(view, wire, "tab-1")
    page.say("ready")
    page.hears("ack")
    told: list[tuple[str, int]] = []  # each state, and how many ways into rooms had come before it
    view.observe(lambda change: told.append((change["new"]["state"], len(page.heard("room")))), "status")
    with la.start("Silas", context=context) as session:
        [offer] = page.heard("room")
        assert offer["session_id"] == str(session.id)
        # it is expected in the room, and this process stays out of it
        with crowd.join(offer["url"], offer["token"]) as visitor:
            page.news(str(session.id), "joined", avatar=True)
            session.wait_for_avatar()
            wait_for(lambda: held_by(session) == "page")
            assert visitor.is_in
        session.stop()
        assert len(page.heard("room")) == 1
    in_room = [count for state, count in told if state in ("connecting", "connected")]
    assert in_room[0] == 1, "before the news that would have the page ask"
    view.close()


def test_a_page_whose_words_may_wait_for_cells_is_told_nothing_unasked(
    la: LiveAvatar, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire = Wire(LiveView, monkeypatch)
    view = LiveView(la)
    page = Page(view, wire, "tab-1", is_prompt=False)
    page.say("ready")
    page.hears("ack")
    with la.start("Silas"):
        wait_for(lambda: view.status and view.status["state"] == "connected")
        assert not page.heard("room")
    view.close()


def test_nor_is_a_page_where_this_process_is_on_its_way(la: LiveAvatar, monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire(LiveView, monkeypatch)
    view = LiveView(la)
    page = Page(view, wire, "tab-1")
    page.say("ready")
    page.hears("ack")
    with la.start("Silas", mode="FULL", on_user_text=lambda text: "Indeed.") as session:
        wait_for(lambda: held_by(session) == "process")
        assert not page.heard("room")
    view.close()


def test_in_lite_the_page_is_in_the_room_for_its_eyes_alone(
    la: LiveAvatar, crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire = Wire(LiveView, monkeypatch)
    with la.start("Silas") as session:
        view = LiveView(la, session)
        with page_in(view, wire, "tab-1", crowd, session) as page:
            wait_for(lambda: room_of(session).has_avatar)
            session.play((bytes(24_000), 24_000), progress=False)
            assert not page.heard("room_send")
            session.stop()
            assert page.hears("room_leave")["reason"] == "The session is over."
        view.close()


def test_a_page_whose_room_is_gone_has_the_service_asked_how_the_session_is(
    la: LiveAvatar,
    crowd: Crowd,
    livekit_server: LiveKitServer,
    simulator: Simulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(full, "STOPPED", "unheard")
    wire = Wire(LiveView, monkeypatch)
    with la.start("Silas", context=NewContext(name="Guide", prompt="You are a guide.")) as session:
        view = LiveView(la, session)
        with page_in(view, wire, "tab-1", crowd, session) as page:
            wait_for(lambda: room_of(session).has_avatar)
            asyncio.run(livekit_server.delete(session.id))
            with LiveAvatar(simulator.api_key, api_url=simulator.url) as another_kernel:
                another_kernel.api.sessions.stop(session.id, reason="AGENT_HANG_UP")
            page.news(str(session.id), "left", "The room was closed.")
            # long before the next keep-alive
            wait_for(lambda: view.status["state"] == "ended")
            assert view.status["end_words"] == "the agent hung up"
        view.close()
