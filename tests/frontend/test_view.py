"""LiveView: the room of a session in the page, with a real LiveKit server and somebody in the avatar's place."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from ..conftest import another
from ..livekit import LiveKitServer, livekit_server
from ..waiting import wait_for
from .avatar import TONE, Avatar
from .conftest import Spares, harnesses
from .test_looks import axe, violations

Open = Callable[..., Any]

__all__ = ["axe", "livekit_server"]

ROOM_LIMIT = 20_000  # ms, on a busy machine
GRACE_MS = 2000  # that a room is kept without a view
# The harness's page counts as one of a far network, which a browser keeps from the loopback's; notebooks are near.
NEAR = "--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets,LocalNetworkAccessChecksWebRTC"
# Whatever goes to a loudspeaker also goes to an analyser of ours, in all contexts of the page.
EARS = """
globalThis.ears = [];
globalThis.sockets = [];
const connect = AudioNode.prototype.connect;
AudioNode.prototype.connect = function (target, ...rest) {
  if (target instanceof AudioDestinationNode) {
    const ear = this.context.createAnalyser();
    ear.fftSize = 4096;
    connect.call(this, ear);
    ears.push(ear);
  }
  return connect.call(this, target, ...rest);
};
/** The level of the loudest, as RMS, and the frequency of its peak. */
globalThis.hear = () => {
  let best = { level: 0, frequency: 0 };
  for (const ear of ears) {
    const wave = new Float32Array(ear.fftSize);
    ear.getFloatTimeDomainData(wave);
    const level = Math.sqrt(wave.reduce((sum, one) => sum + one * one, 0) / wave.length);
    const bins = new Float32Array(ear.frequencyBinCount);
    ear.getFloatFrequencyData(bins);
    const frequency = (bins.indexOf(Math.max(...bins)) * ear.context.sampleRate) / ear.fftSize;
    if (level > best.level) best = { level, frequency };
  }
  return best;
};
const Plain = globalThis.WebSocket;
globalThis.WebSocket = class extends Plain {
  constructor(address, protocols) {
    super(address, protocols);
    sockets.push(this);
  }
};
/** What a picture shows, small. */
globalThis.glimpse = (element) => {
  const canvas = new OffscreenCanvas(64, 36);
  const pen = canvas.getContext("2d");
  pen.drawImage(element, 0, 0, 64, 36);
  return Array.from(pen.getImageData(0, 0, 64, 36).data).join();
};
"""
# Tells where the button is that lets sound out, and the level of what is heard.
BLOCKED = """
setInterval(() => {
  const button = document.querySelector(".lv-enable");
  const box = button?.getBoundingClientRect();
  if (box) console.debug("blocked", box.x + box.width / 2, box.y + box.height / 2, hear().level);
}, 100);
"""


UNREACHABLE = "globalThis.roomAnswer = {url: 'ws://127.0.0.1:9', token: 'none'}"


@pytest.fixture(scope="module")
def loud_chromium(livekit_server: LiveKitServer, chromium: Browser) -> Iterator[Browser]:
    """One that lets sound out without a click. The server comes first: it cannot start beside Playwright's loop."""
    yield from another(chromium, NEAR, "--autoplay-policy=no-user-gesture-required")


@pytest.fixture(scope="module")
def strict_chromium(livekit_server: LiveKitServer, chromium: Browser) -> Iterator[Browser]:
    """One that lets no sound out before a click, as browsers are."""
    yield from another(chromium, NEAR, "--autoplay-policy=document-user-activation-required")


@pytest.fixture
def loud(loud_chromium: Browser, spares: Spares) -> Iterator[Open]:
    with harnesses(loud_chromium, spares) as opened:
        yield opened


@pytest.fixture
def strict(strict_chromium: Browser) -> Iterator[Open]:
    with harnesses(strict_chromium) as opened:
        yield opened


@pytest.fixture(autouse=True)
def no_words_of_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """It logs on threads of its own, which Python then counts among its own."""
    monkeypatch.setattr(logging.getLogger("livekit"), "disabled", True)


@pytest.fixture
def room(livekit_server: LiveKitServer) -> str:
    return f"room-{secrets.token_hex(4)}"


def answer(view: Any, server: LiveKitServer, room: str, identity: str = "client") -> str:
    """What Python answers to `join` from now on; the token."""
    token = server.token(identity, room)
    view.run("(room) => { harness.python.room = room }", {"url": server.url, "token": token})
    return token


def connect(view: Any, kind: str = "livekit", **changes: Any) -> None:
    """The session is connected, and in its room."""
    view.run(
        "([kind, changes]) => import('/fixtures.js').then(({traits}) => harness.model.write("
        "{status: {...traits(`view_${kind}`).status, ...changes}}))",
        [kind, changes],
    )


def states(view: Any) -> list[str]:
    """What the page told of the room, oldest first."""
    return [one["args"]["state"] for one in view.commands("room")]


def told(view: Any, state: str, avatar: bool | None = None) -> None:
    """Waits until the page told so."""
    view.page.wait_for_function(
        "([state, avatar]) => harness.python.commands.some(({command, args}) => command === 'room' &&"
        " args.state === state && (avatar === null || args.avatar === avatar))",
        arg=[state, avatar],
        timeout=ROOM_LIMIT,
    )


def moves(page: Page, selector: str = ".lv-picture") -> None:
    """Waits until what is seen has changed a few times."""
    page.wait_for_function(
        "(selector) => { const element = document.querySelector(selector); if (!element) return false;"
        " (globalThis.seen ??= new Set()).add(glimpse(element)); return seen.size > 3 }",
        arg=selector,
        timeout=ROOM_LIMIT,
        polling=100,
    )


def test_video_and_sound_of_a_room_are_seen_and_heard(loud: Open, livekit_server: LiveKitServer, room: str) -> None:
    view = loud("view", "view_starting", script=EARS)
    token = answer(view, livekit_server, room)
    with Avatar(livekit_server, room) as avatar:
        avatar.publish()
        connect(view)
        told(view, "joined", avatar=True)
        moves(view.page, "video")
        view.page.wait_for_function("hear().level > 0.05", timeout=ROOM_LIMIT)
        assert abs(view.run("hear().frequency") - TONE) < 20
        expect(view.page.get_by_role("img", name="Connection: excellent")).to_be_visible(timeout=ROOM_LIMIT)
        expect(view.page.locator(".lv-saying")).to_have_count(0)
        wait_for(lambda: avatar.others() == ["client"])
        assert token not in view.page.content()
        kept = "{...localStorage}, Object.keys(sessionStorage), document.cookie"
        assert view.run(f"JSON.stringify([{kept}])") == '[{},["liveavatar_nb.tab"],""]'


def test_video_is_seen_where_the_browser_does_not_tell_of_frames(
    loud: Open, livekit_server: LiveKitServer, room: str
) -> None:
    untold = "for (const name of ['request', 'cancel']) delete HTMLVideoElement.prototype[`${name}VideoFrameCallback`];"
    view = loud("view", "view_starting", script=EARS + untold)
    answer(view, livekit_server, room)
    with Avatar(livekit_server, room) as avatar:
        connect(view)
        told(view, "joined", avatar=False)
        avatar.publish()
        expect(view.page.locator("video.lv-picture:not(.lv-unseen)")).to_be_visible(timeout=ROOM_LIMIT)
        moves(view.page)
        expect(view.button("Take a snapshot")).to_be_enabled()


def test_sound_that_the_browser_blocks_is_let_out_by_a_click(
    strict: Open, livekit_server: LiveKitServer, room: str
) -> None:
    token = livekit_server.token("client", room)
    # the page joins by itself and tells by itself: a look into it would count as a click on it
    script = f"{EARS}; globalThis.roomAnswer = {json.dumps({'url': livekit_server.url, 'token': token})}; {BLOCKED}"
    with Avatar(livekit_server, room) as avatar:
        avatar.publish()
        view = strict("view", "view_livekit", script=script)
        with view.page.expect_console_message(
            lambda line: line.text.startswith("blocked "), timeout=ROOM_LIMIT
        ) as said:
            pass
        _, left, top, level = said.value.text.split()
        assert float(level) == 0
        view.page.mouse.click(float(left), float(top))
        view.page.wait_for_function("hear().level > 0.05", timeout=ROOM_LIMIT)
        expect(view.button("Enable sound")).to_have_count(0)
        moves(view.page, "video")


def test_an_interruption_is_silence_before_python_answers(loud: Open, livekit_server: LiveKitServer, room: str) -> None:
    view = loud("view", "view_starting", script=EARS, acts="no")
    answer(view, livekit_server, room)
    with Avatar(livekit_server, room) as avatar:
        avatar.publish()
        connect(view, agent_state="talking")
        view.page.wait_for_function("hear().level > 0.05", timeout=ROOM_LIMIT)
        view.run(
            "document.addEventListener('click', () => { const from = performance.now(); const look = () => {"
            " if (hear().level < 0.001) globalThis.silentAfter = performance.now() - from; else setTimeout(look, 5) };"
            " look() }, {once: true})"
        )
        view.button("Interrupt").click()
        view.page.wait_for_function("globalThis.silentAfter !== undefined", timeout=ROOM_LIMIT)
        print(f"interrupt to silence in the page: {view.run('silentAfter'):.0f} ms")
        # Python has said nothing, and the avatar goes on: so does its sound, after a while
        assert view.run("harness.model.get('status').agent_state") == "talking"
        view.page.wait_for_function("hear().level > 0.05", timeout=ROOM_LIMIT)
        # what is said next is heard at once
        view.button("Interrupt").click()
        view.page.wait_for_function("hear().level < 0.001", timeout=ROOM_LIMIT)
        view.session(agent_state="idle")
        view.session(agent_state="talking")
        view.page.wait_for_function("hear().level > 0.05", timeout=ROOM_LIMIT)


def test_volume_and_mute_by_pointer_and_keys(loud: Open, livekit_server: LiveKitServer, room: str) -> None:
    view = loud("view", "view_starting", script=EARS)
    answer(view, livekit_server, room)
    with Avatar(livekit_server, room) as avatar:
        avatar.publish()
        connect(view)
        view.page.wait_for_function("hear().level > 0.1", timeout=ROOM_LIMIT)
        view.page.locator(".lv-stage").focus()
        view.page.keyboard.press("m")
        view.page.wait_for_function("hear().level < 0.001")
        expect(view.button("Unmute")).to_be_visible()
        view.button("Unmute").click()
        view.page.wait_for_function("hear().level > 0.1")
        view.page.get_by_role("slider", name="Volume").fill("50")
        view.page.wait_for_function("hear().level > 0.02 && hear().level < 0.08")
        view.page.get_by_role("slider", name="Volume").fill("0")
        view.page.wait_for_function("hear().level < 0.001")
        view.page.locator(".lv-stage").focus()
        view.page.keyboard.press("ArrowUp")
        expect(view.page.get_by_role("slider", name="Volume")).to_have_value("10")


def test_all_views_of_a_page_share_one_connection_and_the_last_takes_it_along(
    loud: Open, livekit_server: LiveKitServer, room: str
) -> None:
    view = loud("view", "view_starting", views="2", script=EARS)
    answer(view, livekit_server, room)
    with Avatar(livekit_server, room) as avatar:
        avatar.publish()
        connect(view)
        moves(view.page, "video")
        # another widget of the same session, with a script of its own
        view.run("harness.another('view', 'view_livekit').then((view) => { globalThis.other = view })")
        expect(view.page.locator("video")).to_have_count(3, timeout=ROOM_LIMIT)
        moves(view.page, ".view:last-child video")
        assert view.run("sockets.length") == 1
        wait_for(lambda: avatar.others() == ["client"])
        assert len(view.commands("join")) == 1
        # the widget that joined goes: the other speaks for the page, and says how it stands
        view.run("harness.made.life.abort(); for (const one of harness.views.slice(0, 2)) one.remove()")
        view.page.wait_for_function(
            "harness.python.commands.some((one) => one.widget === 'w-2' && one.command === 'room' &&"
            " one.args.state === 'joined')"
        )
        avatar.tell("agent-response", '{"event_type": "avatar.speak_started"}')
        assert view.sent("data")[0]["widget"] == "w-2"
        assert avatar.others() == ["client"]
        view.run("other.remove()")
        view.page.wait_for_timeout(GRACE_MS / 2)
        assert avatar.others() == ["client"]
        wait_for(lambda: avatar.others() == [])
        assert states(view)[-1] == "left"


def test_the_room_is_left_whichever_widget_of_the_page_is_told(
    loud: Open, livekit_server: LiveKitServer, room: str
) -> None:
    view = loud("view", "view_starting", script=EARS)
    answer(view, livekit_server, room)
    with Avatar(livekit_server, room) as avatar:
        connect(view)
        told(view, "joined")
        view.run("harness.another('view', 'view_livekit').then(() => undefined)")
        expect(view.page.locator(".view")).to_have_count(2)
        view.run(
            "harness.python.tell({type: 'room_leave', session_id: harness.model.get('status').id, reason: 'Gone.'},"
            " [], 'w-2')"
        )
        told(view, "left")
        wait_for(lambda: avatar.others() == [])


def test_a_cell_that_is_run_again_keeps_the_connection(loud: Open, livekit_server: LiveKitServer, room: str) -> None:
    view = loud("view", "view_starting", script=EARS)
    answer(view, livekit_server, room)
    with Avatar(livekit_server, room) as avatar:
        avatar.publish()
        connect(view)
        moves(view.page, "video")
        view.run("harness.views[0].remove()")
        view.run("harness.show()")
        moves(view.page, "video")
        view.page.wait_for_timeout(GRACE_MS + 500)
        assert avatar.others() == ["client"]
        assert view.run("sockets.length") == 1


@pytest.mark.parametrize(
    "ending",
    [
        "harness.kernel.setStatus('dead')",
        "harness.model.write({status: {...harness.model.get('status'), state: 'ended', running: false}})",
        "harness.models['w-1'].trigger('comm:close')",
        "window.dispatchEvent(new PageTransitionEvent('pagehide'))",
    ],
)
def test_the_room_is_left_at_once(loud: Open, livekit_server: LiveKitServer, room: str, ending: str) -> None:
    view = loud("view", "view_starting", script=EARS)
    answer(view, livekit_server, room)
    with Avatar(livekit_server, room) as avatar:
        connect(view)
        told(view, "joined")
        wait_for(lambda: avatar.others() == ["client"])
        view.run(ending)
        # before the grace of a cleared cell is over
        view.page.wait_for_function("sockets[0].readyState >= WebSocket.CLOSING", timeout=GRACE_MS)
        wait_for(lambda: avatar.others() == [])


def test_the_same_token_in_two_windows_is_explained_and_not_fought_over(
    loud: Open, livekit_server: LiveKitServer, room: str
) -> None:
    first = loud("view", "view_starting", script=EARS)
    second = loud("view", "view_starting", script=EARS)
    with Avatar(livekit_server, room) as avatar:
        avatar.publish()
        for view in (first, second):
            answer(view, livekit_server, room)
            connect(view)
            told(view, "joined", avatar=True)
        told(first, "replaced")
        expect(first.page.locator(".lv-saying")).to_contain_text(
            "Watched elsewhere. The room was joined with this session's token elsewhere, another tab perhaps."
        )
        first.page.wait_for_timeout(1500)
        assert first.run("sockets.length") == 1
        first.button("Watch here").click()
        told(second, "replaced")
        moves(first.page, "video")
        assert [one["args"]["take_over"] for one in first.commands("join")] == [False, True]


def test_another_window_has_it_and_gives_it_when_asked(loud: Open, livekit_server: LiveKitServer, room: str) -> None:
    view = loud("view", "view_starting", script=EARS)
    view.run("harness.python.room = {reason: 'It is shown in another window.', can_take_over: true}")
    connect(view)
    told(view, "left")
    expect(view.page.locator(".lv-saying")).to_contain_text("Not watched here. It is shown in another window.")
    answer(view, livekit_server, room)
    view.button("Watch here").click()
    told(view, "joined")
    expect(view.page.locator(".lv-saying")).to_have_text("Waiting for the avatar's video…")
    with Avatar(livekit_server, room) as avatar:
        avatar.publish()
        told(view, "joined", avatar=True)
        moves(view.page, "video")
    # the avatar is gone again
    expect(view.page.locator(".lv-saying")).to_have_text("Waiting for the avatar's video…", timeout=ROOM_LIMIT)


def test_of_two_avatars_in_a_room_each_view_shows_its_own(loud: Open, livekit_server: LiveKitServer, room: str) -> None:
    view = loud("view", "view_livekit", script=EARS)
    view.run("harness.another('view', 'view_other')")
    view.sent("join", 2)
    with Avatar(livekit_server, room, "avatar") as first, Avatar(livekit_server, room, "avatar-2") as second:
        for widget, identity in (("w-1", "avatar"), ("w-2", "avatar-2")):
            way = {"url": livekit_server.url, "token": livekit_server.token(f"viewer of {identity}", room)}
            view.run(
                """([widget, way]) => harness.python.tell({type: "room", reason: null, can_take_over: false,
                    session_id: harness.models[widget].get("status").id, ...way}, [], widget)""",
                [widget, {**way, "avatar_identity": identity}],
            )
        waits = "Waiting for the avatar's video…"
        sayings = [view.page.locator(f".view:{which}-child .lv-saying") for which in ("first", "last")]
        for saying in sayings:
            expect(saying).to_have_text(waits, timeout=ROOM_LIMIT)
        second.publish()
        moves(view.page, ".view:last-child .lv-picture")
        expect(sayings[0]).to_have_text(waits)
        first.publish()
        moves(view.page, ".view:first-child .lv-picture")
        second.leave()
        expect(sayings[1]).to_have_text(waits)
        expect(sayings[0]).to_have_count(0)


def test_data_goes_both_ways(loud: Open, livekit_server: LiveKitServer, room: str) -> None:
    view = loud("view", "view_starting", script=EARS)
    answer(view, livekit_server, room)
    session = view.run("import('/fixtures.js').then(({session}) => session.id)")

    def send(request: str, payload: str) -> None:
        view.run(
            "(message) => harness.python.tell({type: 'room_send', ...message})",
            {"session_id": session, "request": request, "payload": payload},
        )

    with Avatar(livekit_server, room) as avatar:
        connect(view)
        send("r-0", "too early")
        assert view.sent("room_sent")[0]["args"] == {
            "request": "r-0",
            "ok": False,
            "problem": "this page is not in the room",
        }
        told(view, "joined")
        wait_for(lambda: avatar.others() == ["client"])
        lines = [f'{{"event_type": "avatar.transcription.chunk", "text": "größer {at}"}}' for at in range(50)]
        for line in lines:
            avatar.tell("agent-response", line)
        assert [one["args"] for one in view.sent("data", 50)] == [
            {"session_id": session, "topic": "agent-response", "payload": line} for line in lines
        ]
        send("r-1", '{"event_type": "avatar.interrupt", "text": "é"}')
        assert view.sent("room_sent", 2)[1]["args"] == {"request": "r-1", "ok": True, "problem": None}
        wait_for(lambda: len(avatar.heard) == 1)
        assert avatar.heard == [("agent-control", '{"event_type": "avatar.interrupt", "text": "é"}'.encode())]
        view.run(
            "(session_id) => harness.python.tell({type: 'room_leave', session_id,"
            " reason: 'The kernel is in the room now.'})",
            session,
        )
        wait_for(lambda: avatar.others() == [])
        expect(view.page.locator(".lv-saying")).to_contain_text("Not watched here. The kernel is in the room now.")


def test_an_address_out_of_reach_gives_way_to_a_drawn_face(
    loud: Open, livekit_server: LiveKitServer, room: str
) -> None:
    view = loud("view", "view_starting", script=EARS)
    token = livekit_server.token("client", room)
    view.run("(room) => { harness.python.room = room }", {"url": "ws://127.0.0.1:1", "token": token})
    connect(view, agent_state="talking")
    told(view, "unreachable")
    expect(view.page.locator(".lv-note-warning")).to_contain_text(
        "No video here: the face is drawn. This browser cannot reach the room at 127.0.0.1:1"
    )
    moves(view.page, "canvas")
    assert not [line for line in view.lines if token in line]
    answer(view, livekit_server, room)
    view.button("Try again").click()
    told(view, "joined")
    expect(view.page.locator("canvas")).to_have_count(0)


def test_an_unreachable_room_is_tried_again_without_a_word(
    loud: Open, livekit_server: LiveKitServer, room: str
) -> None:
    view = loud("view", "view_starting", script=EARS, clock=True)
    view.run("harness.python.room = {url: 'ws://127.0.0.1:1', token: 'none'}")
    connect(view)
    view.page.clock.run_for(1000)
    expect(view.page.locator(".lv-note-warning")).to_contain_text("This browser cannot reach the room")
    answer(view, livekit_server, room)
    view.page.clock.run_for(28_000)
    assert len(view.commands("join")) == 1
    view.page.clock.run_for(2000)
    assert len(view.commands("join")) == 2
    assert states(view).count("joining") == 1
    view.page.clock.resume()
    told(view, "joined")


def test_a_room_that_lets_nobody_in_says_so(loud: Open, livekit_server: LiveKitServer) -> None:
    view = loud("view", "view_starting", script=EARS)
    view.run("(url) => { harness.python.room = {url, token: 'stale'} }", livekit_server.url)
    connect(view)
    expect(view.page.locator(".lv-note-warning")).to_contain_text(
        "The room refused this session's token", timeout=ROOM_LIMIT
    )


def test_a_network_that_is_cut_for_ten_seconds_is_told_and_mended(loud: Open, livekit_server: LiveKitServer) -> None:
    server = LiveKitServer(livekit_server.executable)
    try:
        view = loud("view", "view_starting", script=EARS)
        answer(view, server, "cut")
        with Avatar(server, "cut") as avatar:
            avatar.publish()
            connect(view)
            moves(view.page, "video")
            server.stall()
            told(view, "reconnecting")
            expect(view.page.locator(".lv-saying")).to_contain_text("Reconnecting…")
            view.page.wait_for_timeout(4000)
            server.go_on()
            view.page.wait_for_function(
                "harness.python.commands.findLast(({command}) => command === 'room').args.state === 'joined'",
                timeout=40_000,
            )
            view.run("globalThis.seen = new Set()")
            moves(view.page, "video")
            expect(view.page.locator(".lv-saying")).to_have_count(0)
    finally:
        server.go_on()
        server.close()


def test_a_server_that_is_killed_and_started_again_is_joined_again(loud: Open, livekit_server: LiveKitServer) -> None:
    server = LiveKitServer(livekit_server.executable)
    try:
        view = loud("view", "view_starting", script=EARS)
        token = answer(view, server, "killed")
        addresses: list[str] = []
        view.page.on("console", lambda line: addresses.append(line.location["url"]))
        connect(view)
        told(view, "joined")
        # who has just answered is not asked again
        view.page.wait_for_timeout(1000)
        server.close()
        told(view, "reconnecting")
        view.page.wait_for_timeout(1500)
        assert any("127.0.0.1" in one for one in addresses), "it was tried"
        # the server hands out newer ones
        assert not [one for one in [*view.lines, *addresses] if token in one or "access_token" in one]
        server.start()
        view.page.wait_for_function(
            "harness.python.commands.findLast(({command}) => command === 'room').args.state === 'joined'",
            timeout=40_000,
        )
        with Avatar(server, "killed") as avatar:
            avatar.publish()
            moves(view.page, "video")
            view.page.wait_for_function("hear().level > 0.05", timeout=ROOM_LIMIT)
    finally:
        server.close()


def test_a_room_that_hangs_gives_way_and_is_joined_later(loud: Open, livekit_server: LiveKitServer) -> None:
    server = LiveKitServer(livekit_server.executable)
    try:
        view = loud("view", "view_starting", script=EARS)
        answer(view, server, "hangs")
        server.stall()
        connect(view)
        told(view, "unreachable")
        expect(view.page.locator("canvas.lv-drawn")).to_be_visible()
        server.go_on()
        view.button("Try again").click()
        told(view, "joined")
    finally:
        server.go_on()
        server.close()


def test_what_joins_a_room_is_fetched_once_and_before_it_is_needed(
    loud: Open, livekit_server: LiveKitServer, room: str
) -> None:
    view = loud("view", "view_starting", script=EARS)
    answer(view, livekit_server, room)
    connect(view, state="connecting")
    view.sent("library")
    connect(view)
    told(view, "joined")
    view.run("harness.another('studio', 'view_livekit')")
    expect(view.page.locator(".lv-studio .lv-saying")).to_have_text("Waiting for the avatar's video…")
    assert len(view.commands("library")) == 1


def test_a_page_of_the_service_fetches_what_joins_before_any_session(loud: Open) -> None:
    simulated, real = loud("view", "view_still"), loud("view", "view_still")
    real.run("harness.model.write({simulated: false})")
    real.sent("library")
    simulated.page.wait_for_timeout(300)
    assert not simulated.commands("library")
    assert not real.commands("join")


@pytest.mark.parametrize(
    "ending", ["harness.models['w-1'].trigger('comm:close')", "harness.made.life.abort(); harness.views[0].remove()"]
)
def test_what_joins_a_room_is_asked_of_another_where_who_was_asked_goes(
    loud: Open, livekit_server: LiveKitServer, room: str, ending: str
) -> None:
    view = loud("view", "view_starting", script=EARS)
    answer(view, livekit_server, room)
    view.run("""
        const {python} = harness;
        const answer = python.answerRoom;
        python.answerRoom = function (widget, command, args) {
            if (widget !== "w-1" || command !== "library") return answer.call(this, widget, command, args);
        };
    """)
    connect(view)
    view.sent("library")
    view.run("harness.another('view', 'view_livekit')")
    expect(view.page.locator(".lv-saying")).to_have_count(2)
    view.run(ending)
    told(view, "joined")
    assert [one["widget"] for one in view.commands("library")] == ["w-1", "w-2"]
    assert "unreachable" not in states(view)


OFFER = """([room, later]) => {
  const { id: session_id } = harness.model.get("status");
  if (later) {
    const now = performance.now.bind(performance);
    performance.now = () => now() - later;
  }
  const facts = { avatar_identity: "heygen", reason: null, can_take_over: false, ...room };
  harness.python.tell({ type: "room", session_id, ...facts });
  delete performance.now;
}"""


@pytest.mark.parametrize("age", [0, 3000], ids=["at once", "too late"])
def test_a_way_into_the_room_that_came_unasked_is_taken_while_it_holds(
    loud: Open, livekit_server: LiveKitServer, room: str, age: int
) -> None:
    view = loud("view", "view_starting", script=EARS)
    offered = {"url": livekit_server.url, "token": livekit_server.token("offered", room)}
    view.run(OFFER, [offered, age])
    answer(view, livekit_server, room, "asked")
    connect(view)
    told(view, "joined")
    assert len(view.commands("join")) == (1 if age else 0)


def sound(view: Any, widget: str = "w-1", level: float = 0.3) -> None:
    """From now on the session says a tone that swells twice a second, as Python sends it: in pieces of 0.1 s."""
    view.run(
        """([widget, level, tone]) => {
          let at = 0;
          const session_id = harness.models[widget].get("status").id;
          globalThis.talking ??= [];
          talking.push(setInterval(() => {
            const piece = new Int16Array(2400);
            for (let one = 0; one < piece.length; one += 1, at += 1)
              piece[one] = Math.sin((2 * Math.PI * tone * at) / 24000) * Math.sin(at / 4000) ** 2 * level * 32767;
            harness.python.tell({ type: "sound", session_id }, [new DataView(piece.buffer)], widget);
          }, 100));
        }""",
        [widget, level, TONE],
    )


def quiet(view: Any) -> None:
    view.run("for (const one of talking) clearInterval(one)")


def test_a_drawn_room_is_heard_once_and_its_mouth_moves(loud: Open) -> None:
    view = loud("view", "view_drawn", script=EARS)
    expect(view.page.get_by_text("Simulated", exact=True)).to_be_visible()
    expect(view.page.locator(".lv-stage-words")).to_have_text(
        "Simulated: there is no media server, so this page draws the face."
    )
    assert view.sent("face")[0]["args"] == {"avatar_id": view.run("harness.model.get('still').avatar_id")}
    view.run("harness.another('view', 'view_drawn')")
    expect(view.page.locator("canvas.lv-drawn")).to_have_count(2)
    for widget in ("w-1", "w-2"):
        sound(view, widget)
    view.page.wait_for_function("hear().level > 0.15", timeout=ROOM_LIMIT)
    assert abs(view.run("hear().frequency") - TONE) < 20
    loudest = view.run(
        "new Promise((done) => { let most = 0, left = 60; const look = () => { most = Math.max(most, hear().level);"
        " left -= 1; if (left) setTimeout(look, 20); else done(most) }; look() })"
    )
    assert loudest < 0.3 / 2**0.5 * 1.1
    moves(view.page, "canvas.lv-drawn")
    moves(view.page, ".view:last-child canvas.lv-drawn")
    quiet(view)
    view.page.wait_for_function("hear().level < 0.001", timeout=ROOM_LIMIT)
    # the mouth is shut, and nothing is drawn any more
    view.page.wait_for_function(
        "globalThis.before === (globalThis.before = glimpse(document.querySelector('canvas.lv-drawn')))", polling=400
    )
    assert view.commands("join") == []


@pytest.mark.parametrize(
    "ending",
    ["harness.views[0].remove()", "window.dispatchEvent(new PageTransitionEvent('pagehide'))"],
)
def test_a_page_that_does_not_show_a_drawn_room_any_more_says_so(loud: Open, ending: str) -> None:
    view = loud("view", "view_drawn", script=EARS)
    expect(view.page.locator("canvas.lv-drawn")).to_be_visible()
    assert states(view) == []
    view.run(ending)
    told(view, "left")


def test_pictures_of_a_face_that_did_not_come_are_asked_for_again(loud: Open) -> None:
    view = loud("view", "view_drawn", script=EARS, faces="no")
    view.sent("face")
    view.page.locator(".lv-viewbar").wait_for(state="attached")
    view.run("harness.show()")
    view.sent("face", 2)


def test_an_interruption_hushes_a_drawn_room_at_once(loud: Open) -> None:
    view = loud("view", "view_drawn", script=EARS, acts="no")
    view.session(agent_state="talking")
    sound(view)
    view.page.wait_for_function("hear().level > 0.15", timeout=ROOM_LIMIT)
    view.button("Interrupt").click()
    view.page.wait_for_function("hear().level < 0.001")
    quiet(view)
    view.session(agent_state="idle")
    view.session(agent_state="talking")
    sound(view)
    view.page.wait_for_function("hear().level > 0.15", timeout=ROOM_LIMIT)
    quiet(view)
    view.run(
        "(session_id) => harness.python.tell({type: 'sound', session_id, hush: true})",
        view.run("harness.model.get('status').id"),
    )
    view.page.wait_for_function("hear().level < 0.001")


@pytest.mark.parametrize("simulated", [True, False])
def test_a_face_without_pictures_is_drawn_by_the_page(loud: Open, simulated: bool) -> None:
    view = loud("view", "view_drawn", script=EARS, faces="no")
    view.write(simulated=simulated)
    view.page.wait_for_function(
        "new Set(glimpse(document.querySelector('canvas.lv-drawn')).split(',')).size > 20", timeout=ROOM_LIMIT
    )
    sound(view)
    moves(view.page, "canvas.lv-drawn")
    quiet(view)


def test_captions_are_as_large_as_the_picture_and_can_be_switched_off(loud: Open) -> None:
    view = loud("view", "view_talking", width=1300)
    said = view.page.locator(".lv-said")
    expect(said).to_have_attribute("aria-live", "polite")
    size = "parseFloat(getComputedStyle(document.querySelector('.lv-said')).fontSize)"
    wide = view.run(size)
    view.page.set_viewport_size({"width": 480, "height": 760})
    assert wide > 30
    assert 15 <= view.run(size) < wide / 1.5
    view.page.locator(".lv-stage").focus()
    view.page.keyboard.press("c")
    expect(said).to_have_count(0)
    view.page.keyboard.press("c")
    expect(said).to_be_visible()


def test_the_whole_screen_shows_controls_and_captions(loud: Open) -> None:
    view = loud("view", "view_talking")
    view.page.locator(".lv-stage").focus()
    view.page.keyboard.press("f")
    view.page.wait_for_function("document.fullscreenElement?.classList.contains('lv-stage')")
    expect(view.page.locator(":fullscreen .lv-said")).to_be_visible()
    view.page.locator(".lv-stage").hover()
    view.button("Leave full screen").click()
    view.page.wait_for_function("document.fullscreenElement === null")


def test_the_controls_rest_when_nobody_moves_and_come_for_keys(loud: Open) -> None:
    view = loud("view", "view_drawn")
    bar = "getComputedStyle(document.querySelector('.lv-viewbar')).opacity"
    view.page.locator(".lv-stage").wait_for()
    view.page.locator(".lv-viewbar").wait_for(state="attached")
    assert view.run(bar) == "0"
    view.page.locator(".lv-stage").hover()
    view.page.wait_for_function(f"{bar} === '1'")
    view.page.wait_for_function(f"{bar} === '0'", timeout=ROOM_LIMIT)
    view.page.locator(".lv-stage").focus()
    view.page.keyboard.press("Tab")
    expect(view.button("Mute")).to_be_focused()
    assert view.run(bar) == "1"


def test_no_session_is_said(loud: Open) -> None:
    view = loud("view", "view_none")
    expect(view.page.get_by_text("No session is live")).to_be_visible()
    expect(view.page.get_by_role("button")).to_have_count(0)
    view = loud("view", "view_still")
    expect(view.page.get_by_text("No session is live: start() begins one, and this view shows it.")).to_be_visible()
    expect(view.page.locator(".lv-face img")).to_be_visible()


def test_the_end_is_a_still_without_colour(loud: Open) -> None:
    view = loud("view", "view_drawn")
    expect(view.page.locator("canvas.lv-drawn")).to_be_visible()
    view.session(state="ended", running=False, confirmed=True, end_words="you stopped it")
    expect(view.page.locator("canvas.lv-drawn")).to_have_count(0)
    expect(view.page.locator(".lv-face")).to_have_css("filter", "grayscale(1) brightness(0.6)")
    expect(view.page.locator(".lv-note")).to_contain_text("you stopped it")
    expect(view.page.locator(".lv-viewbar")).to_have_count(0)


def test_a_saved_page_and_a_dead_kernel_join_nothing(loud: Open) -> None:
    view = loud("view", "view_livekit", host="plain", saved="yes")
    expect(view.page.locator(".lv-note")).to_contain_text("This is a saved page")
    assert view.commands() == []
    view = loud("view", "view_drawn")
    view.sent("ready")
    view.run("harness.kernel.setStatus('restarting')")
    expect(view.page.locator(".lv-note")).to_contain_text("Ended: the kernel was restarted.")
    expect(view.page.locator("canvas.lv-drawn")).to_have_count(0)


def test_a_problem_of_the_view_is_told_and_dismissed(loud: Open) -> None:
    view = loud("view", "view_drawn")
    view.write(
        view_problem={
            "kind": "SnapshotError",
            "title": "No snapshot",
            "detail": "No page shows it.",
            "remedy": "",
            "severity": "error",
            "action": None,
        }
    )
    expect(view.page.locator(".lv-note-error")).to_contain_text("No snapshot. No page shows it.")
    view.page.locator(".lv-note-error").get_by_role("button").click()
    view.sent("dismiss_view")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(
    "state", ["view_none", "view_still", "view_starting", "view_drawn", "view_talking", "view_ended", "view_livekit"]
)
def test_no_rule_of_accessibility_is_broken(loud: Open, axe: str, tmp_path: Path, state: str, theme: str) -> None:
    for width in (1300, 480):
        view = loud("view", state, theme=theme, width=width)
        if state in ("view_drawn", "view_talking"):
            view.page.locator(".lv-stage").hover()
            expect(view.page.locator("canvas.lv-drawn")).to_be_visible()
        view.page.wait_for_timeout(150)
        (tmp_path / f"{state}-{theme}-{width}.png").write_bytes(view.page.screenshot(full_page=True))
        assert view.run("document.documentElement.scrollWidth <= innerWidth"), f"wider than the page at {width}"
        assert violations(view, axe) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_room_out_of_reach_is_accessible(loud: Open, axe: str, theme: str) -> None:
    view = loud("view", "view_livekit", theme=theme, script=UNREACHABLE)
    expect(view.button("Try again")).to_be_visible()
    assert violations(view, axe) == []
