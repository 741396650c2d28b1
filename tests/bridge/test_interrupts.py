"""Ctrl-C when a call has done its work and the caller does not have the result yet: it is undone, not dropped."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from liveavatar_nb import LiveAvatar, Room, Simulator
from liveavatar_nb.bridge.loop import Bridge, bridge
from liveavatar_nb.widgets.page_requests import PageRequests
from liveavatar_nb.widgets.view import LiveView

from ..livekit import LiveKitServer, livekit_server
from ..waiting import wait_for
from ..widgets.pages import Page, Wire, controller_of

__all__ = ["livekit_server"]

LateInterrupt = Callable[[Callable[[], Any]], None]


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> LateInterrupt:
    """Calls something that is interrupted behind its result, and once more while that is seen to."""

    def interrupt(self: Bridge) -> None:
        raise KeyboardInterrupt

    def call(something: Callable[[], Any]) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(Bridge, "close_if_unused", interrupt)
            with pytest.raises(KeyboardInterrupt):
                something()

    return call


def test_a_start(la: LiveAvatar, simulator: Simulator, interrupted: LateInterrupt) -> None:
    interrupted(lambda: la.start("Silas"))
    wait_for(lambda: not simulator.billed())
    assert [entry.starts for entry in simulator.ledger()] == [1]
    with la.start("Ann") as session:
        assert session.state == "connected"


def test_a_start_that_replaces(la: LiveAvatar, simulator: Simulator, interrupted: LateInterrupt) -> None:
    la.start("Silas")
    interrupted(lambda: la.start("Ann", replace=True))
    wait_for(lambda: not simulator.billed())
    assert [entry.starts for entry in simulator.ledger()] == [1, 1]


def test_a_start_whose_face_cannot_be_made(
    la: LiveAvatar, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("liveavatar_nb.sync.session.Session.__init__", lambda self: None)
    with pytest.raises(TypeError):
        la.start("Silas")
    wait_for(lambda: not simulator.billed())


def test_a_second_interrupt_before_the_loop_was_told(
    la: LiveAvatar, simulator: Simulator, interrupted: LateInterrupt, monkeypatch: pytest.MonkeyPatch
) -> None:
    def again(*args: Any) -> None:
        raise KeyboardInterrupt

    la.credits()
    with monkeypatch.context() as patch:
        patch.setattr("liveavatar_nb.bridge.loop._ask", again)
        interrupted(lambda: la.start("Silas"))
    wait_for(lambda: not simulator.billed())
    assert [entry.starts for entry in simulator.ledger()] == [1]


def context() -> dict[str, Any]:
    return {"name": "Guide", "prompt": "You know this house.", "opening_text": None}


MADE: dict[str, Callable[[LiveAvatar], Any]] = {
    "contexts": lambda la: la.api.contexts.create(**context()),
    "secrets": lambda la: la.api.secrets.create(secret_name="mine", secret_value="s" * 9, secret_type="OPENAI_API_KEY"),
    "llm_configurations": lambda la: la.api.llm_configurations.create(
        display_name="mine", model_name="gpt", secret_id=la.api.secrets.list()[0].id
    ),
}


@pytest.mark.parametrize("what", MADE)
def test_what_is_made_on_the_account(la: LiveAvatar, interrupted: LateInterrupt, what: str) -> None:
    listed = getattr(la.api, what).list
    before = [one.id for one in listed()]
    interrupted(lambda: MADE[what](la))
    wait_for(lambda: [one.id for one in listed()] == before)
    made = MADE[what](la)
    assert {one.id for one in listed()} == {*before, made.id}


def test_a_request_that_is_under_way_comes_to_its_end_and_is_undone(
    la: LiveAvatar, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len(la.contexts())
    simulator.faults.add("contexts", "delay", seconds=0.6)

    def interrupt(self: Any, patience: float | None) -> None:
        wait_for(lambda: self._task is not None)
        time.sleep(0.2)  # it is on its way
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("liveavatar_nb.bridge.loop._Wait.outcome", interrupt)
        with pytest.raises(KeyboardInterrupt):
            la.api.contexts.create(**context())
    wait_for(lambda: simulator.requests()[-1]["method"] == "DELETE")
    assert len(la.contexts()) == before


def test_a_session_that_is_started_by_hand(la: LiveAvatar, simulator: Simulator, interrupted: LateInterrupt) -> None:
    token = la.api.sessions.create_token(avatar_id=la.avatars()["Silas"].id)
    interrupted(lambda: la.api.sessions.start(token.session_id, token.session_token))
    wait_for(lambda: not simulator.billed())
    assert [entry.starts for entry in simulator.ledger()] == [1]


def test_a_streaming_session_that_is_started_by_hand(
    la: LiveAvatar, simulator: Simulator, interrupted: LateInterrupt
) -> None:
    token = la.api.sessions.create_token(avatar_id=la.avatars()["Silas"].id)
    interrupted(lambda: la.api.start_streaming_session(token.session_id, token.session_token))
    wait_for(lambda: not simulator.billed())
    assert [entry.starts for entry in simulator.ledger()] == [1]


def test_a_room(livekit_server: LiveKitServer, interrupted: LateInterrupt) -> None:
    room = Room(livekit_server.url, livekit_server.key, livekit_server.secret)
    with Room(livekit_server.url, livekit_server.key, livekit_server.secret, name="another"):
        # what it imports first is imported, and the loop stays
        bridge.retain()
        try:
            interrupted(room.__enter__)
            assert bridge.call(room._inner._sid()) is None
            assert room.is_closed
        finally:
            bridge.release()


def test_what_is_said_while_nobody_waits_for_it(
    la: LiveAvatar, simulator: Simulator, interrupted: LateInterrupt
) -> None:
    with la.start("Silas") as session:
        interrupted(lambda: session.play((b"\0\1" * 240_000, 24_000), wait=False))
        wait_for(lambda: session.utterances[-1].state == "interrupted")


def test_a_recording(
    la: LiveAvatar, interrupted: LateInterrupt, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    wire = Wire(LiveView, monkeypatch)
    with la.start("Silas") as session, ThreadPoolExecutor() as pool:
        view = LiveView(la, session)
        tab = Page(view, wire, "tab-1")
        tab.say("ready")
        wait_for(lambda: controller_of(view, PageRequests)._commands)
        begun = pool.submit(interrupted, view.record)
        request = tab.hears("record")["request"]
        data = base64.b64encode(b"\x1a\x45\xdf\xa3").decode()
        tab.say("recording", request=request, part=0, data=data, is_last=False, seconds=1.0, problem=None)
        begun.result(10)
        assert tab.hears("record_stop")["request"] == request
        wait_for(lambda: not list(tmp_path.iterdir()))
        view.close()


@pytest.mark.parametrize("how", ["session", "client"])
def test_a_block_that_is_left_is_stopped_where_the_stop_had_not_begun(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    def interrupt(self: Bridge, work: Coroutine[Any, Any, Any], **options: Any) -> None:
        work.close()
        raise KeyboardInterrupt

    with LiveAvatar(simulator.api_key, api_url=simulator.url) as la:
        session = la.start("Silas")
        left = session if how == "session" else la
        with monkeypatch.context() as patch:
            patch.setattr(Bridge, "call", interrupt)
            with pytest.raises(KeyboardInterrupt):
                left.__exit__(None, None, None)
        wait_for(lambda: not simulator.billed())
