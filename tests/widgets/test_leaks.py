"""What a panel does against leaks: who watches, stops that do not arrive, what dead kernels left."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from liveavatar_nb import LiveAvatar, SessionPanel, Simulator, config
from liveavatar_nb.bridge.loop import bridge
from liveavatar_nb.errors import ConcurrencyLimitError, CreditsError
from liveavatar_nb.protection.journal import Journal, journal
from liveavatar_nb.session.attention import UNKNOWN
from liveavatar_nb.session.audience import Audience, HearingClock
from liveavatar_nb.widgets.channel import Channel, channel
from liveavatar_nb.widgets.problem import problem_of
from liveavatar_nb.widgets.status import LATE

from ..faults.manual import ManualClock
from ..waiting import wait_for


def command(widget: Any, name: str, *, is_prompt: bool = True, **args: Any) -> None:
    """Sends a command as a page does, on a way that no cell holds up unless said otherwise."""
    data = {"widget": widget.widget_id, "id": uuid.uuid4().hex, "command": name, "args": args}
    channel.deliver(data, is_prompt=is_prompt)


def state(widget: Any) -> str:
    return widget.status["state"] if widget.status else "none"


@pytest.fixture(scope="module")
def shared() -> Iterator[Simulator]:
    """One for all tests of this module."""
    with Simulator(connect_delay=0.02, history=False, credits=10_000, concurrency=5) as running:
        yield running


@pytest.fixture
def simulator(shared: Simulator) -> Iterator[Simulator]:
    yield shared
    shared.faults.clear()
    assert not shared.billed()


@pytest.fixture
def panel(la: LiveAvatar) -> Iterator[SessionPanel]:
    panel = SessionPanel(la, avatar=config.SANDBOX_AVATAR)
    wait_for(lambda: panel.credits and panel.avatar_name)
    yield panel
    panel.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def timed(simulator: Simulator, clock: ManualClock) -> Iterator[SessionPanel]:
    """A panel whose client lives by the clock, and needs no guard."""
    with LiveAvatar(simulator.api_key, api_url=simulator.url, clock=clock) as la:
        la._inner.is_simulated = True
        panel = SessionPanel(la, avatar=config.SANDBOX_AVATAR)
        yield panel
        panel.close()


def passes(clock: ManualClock, seconds: float) -> None:
    """Time goes by, once the commands that were sent are done."""

    async def done() -> None:
        await asyncio.sleep(0)

    bridge.call(done())
    bridge.call(clock.go_on(seconds))


class Page:
    """A comm that a page opened: what is called with each of its messages."""

    def on_msg(self, receive: Callable[[Any], None]) -> None:
        self.receive = receive


def test_what_the_main_thread_handles_may_have_waited_for_a_cell() -> None:
    heard: list[bool] = []

    class Widget:
        def receive(self, command: Any, *, is_new: bool) -> None:
            heard.append(command.is_prompt)

    made, page, widget = Channel(), Page(), Widget()
    widget_id = made.join(widget)
    made._opened(page, {})
    for at, call in enumerate((lambda work: work(), in_a_thread)):
        data = {"widget": widget_id, "id": str(at), "command": "beat", "args": {}}
        call(lambda data=data: page.receive({"content": {"data": data}}))
    assert heard == [False, True]


def in_a_thread(work: Callable[[], Any]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def test_a_session_that_pages_have_shown_is_stopped_after_the_last_of_them(
    timed: SessionPanel, simulator: Simulator, clock: ManualClock
) -> None:
    session = timed._la.start(config.SANDBOX_AVATAR)
    for _ in range(7):
        command(timed, "beat")
        passes(clock, 10)
    assert simulator.billed()
    wait_for(lambda: timed.status["beat_every"] == 10)
    passes(clock, 25)
    wait_for(lambda: timed.status["unwatched_left"] is not None)
    assert timed.status["unwatched_left"] <= 30
    command(timed, "beat")
    passes(clock, 5)
    wait_for(lambda: timed.status["unwatched_left"] is None)
    passes(clock, 60)
    wait_for(lambda: state(timed) == "ended")
    assert not simulator.billed()
    assert timed.status["end_words"] == session.end_words == "no page showed it for 60 s"


def test_a_word_of_unknown_delay_stops_no_session(
    timed: SessionPanel, simulator: Simulator, clock: ManualClock
) -> None:
    timed._la.start(config.SANDBOX_AVATAR)
    command(timed, "beat", is_prompt=False)
    passes(clock, 200)
    assert simulator.billed()
    command(timed, "beat")
    passes(clock, 65)
    wait_for(lambda: not simulator.billed())


@pytest.mark.parametrize("is_prompt", [True, False])
def test_a_start_by_a_click_is_under_the_rule(
    panel: SessionPanel, monkeypatch: pytest.MonkeyPatch, *, is_prompt: bool
) -> None:
    ears: list[HearingClock | None] = []

    def beat(_audience: Audience, _page: str, ear: HearingClock | None) -> None:
        ears.append(ear)

    monkeypatch.setattr(Audience, "beat", beat)
    command(panel, "start", is_prompt=is_prompt)
    wait_for(lambda: state(panel) == "connected")
    command(panel, "stop")
    wait_for(lambda: state(panel) == "ended")
    assert ears == [None if is_prompt else UNKNOWN]


def test_a_session_beside_the_newest_stays_watched(
    timed: SessionPanel, simulator: Simulator, clock: ManualClock
) -> None:
    timed._la.start("Ann")
    command(timed, "beat")
    passes(clock, 5)
    timed._la.start("June", concurrent=True)
    for _ in range(10):
        command(timed, "beat")
        passes(clock, 10)
    assert len(simulator.billed()) == 2
    passes(clock, 65)
    wait_for(lambda: not simulator.billed())


def test_three_missed_keep_alives_are_a_flag_that_goes(
    timed: SessionPanel, simulator: Simulator, clock: ManualClock
) -> None:
    simulator.faults.add("keep_alive", "status", times=None, status=400)
    with timed._la.start(config.SANDBOX_AVATAR):
        passes(clock, 185)
        wait_for(lambda: timed.status["degraded"])
        simulator.faults.clear()
        passes(clock, 60)
        wait_for(lambda: not timed.status["degraded"])


def test_stop_works_where_the_loop_does_not_answer(
    panel: SessionPanel, la: LiveAvatar, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "LOOP_LIMIT", 0.2)
    la.start(config.SANDBOX_AVATAR)
    held, stuck = threading.Event(), threading.Event()

    def hold() -> None:
        stuck.set()
        held.wait(30)

    bridge.loop.call_soon_threadsafe(hold)
    assert stuck.wait(5)
    command(panel, "stop")
    wait_for(lambda: not simulator.billed())
    wait_for(lambda: state(panel) == "ended" and panel.status["confirmed"])
    assert not held.is_set()
    held.set()


# a loop that died closes no connection any more
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_stop_works_where_the_loop_is_dead(panel: SessionPanel, la: LiveAvatar, simulator: Simulator) -> None:
    la.start(config.SANDBOX_AVATAR)
    loop = bridge.loop
    loop.call_soon_threadsafe(loop.stop)
    wait_for(loop.is_closed)
    command(panel, "stop")
    wait_for(lambda: not simulator.billed())
    wait_for(lambda: panel.status["confirmed"])
    assert not panel.problem


def test_a_stop_that_cannot_arrive_is_said_with_its_limit_until_it_does(
    panel: SessionPanel, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "STOP_LIMIT", 0.5)
    monkeypatch.setattr(config, "INSIST_INTERVAL", 0.3)
    command(panel, "start")
    wait_for(lambda: state(panel) == "connected")
    for operation in ("stop", "sessions"):
        simulator.faults.add(operation, "drop_before", times=None)
    command(panel, "stop")
    wait_for(lambda: panel.problem)
    assert panel.problem["kind"] == "StopNotConfirmed"
    assert not panel.status["confirmed"]
    assert time.time() < panel.status["cap_at"] < time.time() + 600
    assert simulator.billed()
    simulator.faults.clear()
    wait_for(lambda: state(panel) == "ended")
    assert panel.status["confirmed"]
    assert panel.status["end_words"] == LATE
    wait_for(lambda: panel.problem is None)


class Visit:
    """A page for which the host has run the notebook anew, as `marimo run` does: its client is its own."""

    def __init__(self, simulator: Simulator, page: str, tab: str) -> None:
        self.la = LiveAvatar(simulator.api_key, api_url=simulator.url)
        self.panel = SessionPanel(self.la, avatar=config.SANDBOX_AVATAR)
        self._page, self._tab = page, tab
        self.say("ready")

    def say(self, name: str) -> None:
        data = {"widget": self.panel.widget_id, "id": uuid.uuid4().hex, "command": name, "args": {}}
        channel.deliver({**data, "page": self._page, "tab": self._tab}, is_prompt=True)

    def start(self) -> str:
        self.say("start")
        wait_for(lambda: state(self.panel) == "connected")
        return str(self.panel.status["id"])

    def close(self) -> None:
        self.panel.close()
        self.la.close()


@pytest.fixture
def visit(simulator: Simulator) -> Iterator[Callable[[str, str], Visit]]:
    visits: list[Visit] = []

    def begin(page: str, tab: str) -> Visit:
        visits.append(Visit(simulator, page, tab))
        return visits[-1]

    yield begin
    for one in visits:
        one.close()


def billed(simulator: Simulator) -> list[str]:
    return [entry.session_id for entry in simulator.billed()]


def test_a_page_that_was_reloaded_shows_what_it_started_and_starts_no_second(
    visit: Callable[[str, str], Visit], simulator: Simulator
) -> None:
    first = visit("page-1", "tab-a")
    session_id = first.start()
    again = visit("page-2", "tab-a")
    wait_for(lambda: state(again.panel) == "connected")
    assert again.panel.status["id"] == session_id
    assert not again.panel.elsewhere
    assert first.la.live_sessions == [] != again.la.live_sessions
    again.say("start")
    wait_for(lambda: again.panel.problem and again.panel.problem["kind"] == "SessionAlreadyLive")
    assert billed(simulator) == [session_id]
    again.say("beat")
    (session,) = again.la.live_sessions
    wait_for(lambda: session._inner.is_watched)
    again.say("stop")
    wait_for(lambda: state(again.panel) == "ended" and again.panel.status["confirmed"])
    assert not billed(simulator)


def lose_page(simulator: Simulator, visit: Visit) -> str:
    """A session whose page has not been heard for half of its time."""
    session_id = visit.start()
    (session,) = visit.la.live_sessions
    assert session._inner.leave("page-1")
    assert billed(simulator) == [session_id]
    return session_id


def test_what_lost_its_page_is_shown_elsewhere_and_stopped_by_a_click(
    visit: Callable[[str, str], Visit], simulator: Simulator
) -> None:
    first = visit("page-1", "tab-a")
    session_id = lose_page(simulator, first)
    other = visit("page-2", "tab-b")
    wait_for(lambda: other.panel.elsewhere)
    (shown,) = other.panel.elsewhere
    assert (shown["id"], shown["avatar_name"], shown["is_watched"]) == (session_id, "Wayne", False)
    assert 25 < shown["left"] <= 30
    other.say("stop_elsewhere")
    wait_for(lambda: not billed(simulator))
    wait_for(lambda: not other.panel.elsewhere)
    wait_for(lambda: "no page showed it" in (first.panel.status["end_words"] or ""))


def test_a_start_first_stops_what_lost_its_page(visit: Callable[[str, str], Visit], simulator: Simulator) -> None:
    lose_page(simulator, visit("page-1", "tab-a"))
    second = visit("page-2", "tab-b").start()
    assert billed(simulator) == [second]


def test_what_another_visitors_page_shows_is_told_and_left_alone(
    visit: Callable[[str, str], Visit], simulator: Simulator
) -> None:
    theirs = visit("page-1", "tab-a").start()
    visitor = visit("page-2", "tab-b")
    wait_for(lambda: visitor.panel.elsewhere)
    assert visitor.panel.elsewhere[0]["is_watched"]
    visitor.say("stop_elsewhere")
    mine = visitor.start()
    assert set(billed(simulator)) == {theirs, mine}


def test_a_client_of_another_account_is_told_nothing(visit: Callable[[str, str], Visit], simulator: Simulator) -> None:
    visit("page-1", "tab-a").start()
    with LiveAvatar("another-key", api_url=simulator.url) as stranger:
        assert stranger._inner.live_elsewhere == []


@pytest.fixture
def left_over(la: LiveAvatar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A session whose kernel is dead; its id."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    token = la.api.sessions.create_token(avatar_id=config.SANDBOX_AVATAR, mode="LITE", is_sandbox=True)
    la.api.sessions.start(token.session_id, token.session_token)
    dead = Journal(journal.folder)
    dead.add(token.session_id, la.base_url, la._inner.api.transport.key, 600.0)
    dead.started(token.session_id, 600.0)
    # as the system does for a process that dies: its lock is let go, and its files stay
    assert dead._held is not None
    dead._held.release()
    dead._forget()
    return token.session_id


def test_what_a_dead_kernel_left_is_shown_and_stopped_by_a_click(left_over: str, la: LiveAvatar) -> None:
    panel = SessionPanel(la)
    wait_for(lambda: panel.orphans)
    (orphan,) = panel.orphans
    assert orphan["id"] == left_over
    assert orphan["minutes"] >= 0
    command(panel, "stop_orphans")
    wait_for(lambda: not panel.orphans)
    assert not panel.problem
    panel.close()


@pytest.mark.parametrize("command_of_page", ["ready", "start"])
def test_what_is_left_over_is_looked_for_again(
    command_of_page: str, panel: SessionPanel, request: pytest.FixtureRequest, simulator: Simulator
) -> None:
    assert panel.orphans == []
    left_over = request.getfixturevalue("left_over")
    if command_of_page == "ready":
        command(panel, "ready")
        wait_for(lambda: panel.orphans)
    command(panel, "start")
    wait_for(lambda: state(panel) == "connected" and not panel.orphans)
    assert left_over not in {entry.session_id for entry in simulator.billed()}
    command(panel, "stop")
    wait_for(lambda: state(panel) == "ended")


def test_a_demo_has_no_orphans_to_look_for(left_over: str, simulator: Simulator, la: LiveAvatar) -> None:
    la._inner.is_simulated = True
    panel = SessionPanel(la)
    wait_for(lambda: panel.credits)
    command(panel, "ready")
    time.sleep(0.3)
    assert panel.orphans == []
    panel.close()
    la._inner.is_simulated = False
    assert [session.id for session in la.stop_orphans()] == [left_over]


def test_too_many_sessions_offers_to_stop_what_is_left_over(left_over: str, la: LiveAvatar) -> None:
    failure = ConcurrencyLimitError("too many", status_code=403)
    assert problem_of(failure)["action"] is None
    failure.sessions = list(la.sessions(active=True))
    assert problem_of(failure)["action"]["command"] == "stop_orphans"
    assert problem_of(CreditsError("none", status_code=402))["action"]["command"] == "configure"
    la.stop_orphans()
