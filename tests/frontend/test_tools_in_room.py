"""Tools and microphone on the real thing: the video that comes through a LiveKit server, and the sound that goes."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from livekit import rtc
from playwright.sync_api import Browser, expect

from ..conftest import another
from ..livekit import LiveKitServer, livekit_server
from ..waiting import wait_for
from .avatar import HEIGHT, TONE, WIDTH, Avatar
from .conftest import ORIGIN, harnesses
from .test_tools import Recording, behind, fidget, peak, pixels, shown, snapshot

__all__ = ["livekit_server"]

ROOM_LIMIT = 15_000  # ms, on a busy machine
BAR = 24  # pixels of the bar that goes across the avatar's picture
LOUD = 500.0  # RMS of 16-bit samples


class Listener(Avatar):
    """Somebody in the avatar's place who listens: `levels` has the loudness of what came, piece by piece, as RMS."""

    def __init__(self, server: LiveKitServer, room: str, identity: str = "heygen") -> None:
        super().__init__(server, room, identity)
        self.levels: list[float] = []
        self._listening: list[asyncio.Task[None]] = []

    async def _join(self) -> None:
        await super()._join()
        self._room.on("track_subscribed", self._hear)

    def _hear(self, track: rtc.Track, *_: Any) -> None:
        if track.kind == rtc.TrackKind.KIND_AUDIO:
            self._listening.append(self._loop.create_task(self._measure(rtc.AudioStream(track))))

    async def _leave(self) -> None:
        for task in self._listening:
            task.cancel()
        await asyncio.gather(*self._listening, return_exceptions=True)
        await super()._leave()

    async def _measure(self, stream: rtc.AudioStream) -> None:
        try:
            async for event in stream:
                samples = np.frombuffer(event.frame.data, dtype=np.int16).astype(float)
                self.levels.append(float(np.sqrt(np.mean(samples**2))))
        finally:
            await stream.aclose()


@pytest.fixture(scope="module")
def ears(livekit_server: LiveKitServer) -> None:
    """What the library opens to hear, it keeps: it is opened before the first test."""
    with Avatar(livekit_server, "ears") as avatar, Listener(livekit_server, "ears", "listener") as listener:
        avatar.publish()
        wait_for(lambda: listener.levels)


@pytest.fixture(scope="module")
def room_browser(livekit_server: LiveKitServer, ears: None, chromium: Browser) -> Iterator[Browser]:
    """One with a fake microphone and sound without a click. The server starts first, before Playwright's loop."""
    flags = [
        "--autoplay-policy=no-user-gesture-required",
        "--use-fake-device-for-media-stream",
        f"--unsafely-treat-insecure-origin-as-secure={ORIGIN}",
        # a person would be asked whether this page may go to this machine's own network
        "--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets,LocalNetworkAccessChecksWebRTC",
    ]
    yield from another(chromium, *flags)


def join(view: Any, server: LiveKitServer, room: str) -> None:
    """The session is connected, and its page goes into the room."""
    view.run("(room) => { harness.python.room = room }", {"url": server.url, "token": server.token("client", room)})
    view.run("import('/fixtures.js').then(({traits}) => harness.model.write({status: traits('view_full').status}))")
    view.page.locator(".lv-viewbar").wait_for(state="attached", timeout=ROOM_LIMIT)
    fidget(view)


def test_the_avatars_video_is_keyed_taken_and_recorded_with_its_sound(
    room_browser: Browser, livekit_server: LiveKitServer
) -> None:
    room = f"room-{secrets.token_hex(4)}"
    with harnesses(room_browser) as opened, Avatar(livekit_server, room) as avatar:
        view = opened("view", "view_still")
        avatar.publish()
        join(view, livekit_server, room)
        # its ground is blue: found in the corners, unless the bar goes through one of them just then
        plain = snapshot(view)
        assert plain.size == (WIDTH, HEIGHT)
        found = behind(view, "Nothing")
        shown(view)
        found.get_by_label("Colour that is taken out").fill("#285aa0")
        alpha = pixels(snapshot(view))[..., 3]
        assert (alpha < 40).mean() > 0.8
        assert (alpha > 200).sum() > HEIGHT * BAR / 2
        view.page.keyboard.press("Escape")
        behind(view, "Off")
        view.page.keyboard.press("Escape")
        view.run("harness.python.tell({type: 'record', request: 'r-1', seconds: 3, bytes: 2e7})")
        made = Recording(view, "r-1")
        frames = made.frames()
        assert frames[0].shape == (HEIGHT, WIDTH, 3)
        assert len({frame.tobytes() for frame in frames}) >= 10
        samples, rate = made.sound()
        assert peak(samples[len(samples) // 3 :], rate) == pytest.approx(TONE, abs=10)


def test_what_the_microphone_hears_arrives_in_the_room(room_browser: Browser, livekit_server: LiveKitServer) -> None:
    room = f"room-{secrets.token_hex(4)}"
    with harnesses(room_browser) as opened, Listener(livekit_server, room) as avatar:
        view = opened("view", "view_still")
        view.page.context.grant_permissions(["microphone"])
        avatar.publish()
        join(view, livekit_server, room)
        view.button("Turn on the microphone").click()
        expect(view.button("Mute the microphone")).to_be_visible()
        wait_for(lambda: any(level > LOUD for level in avatar.levels), ROOM_LIMIT / 1000)
        view.button("Mute the microphone").click()
        expect(view.button("Unmute the microphone")).to_be_visible()
        view.page.wait_for_timeout(1000)
        before = len(avatar.levels)
        view.page.wait_for_timeout(2500)
        # the fake device beeps each second
        assert max(avatar.levels[before:], default=0.0) < LOUD / 10
        view.button("Unmute the microphone").click()
        before = len(avatar.levels)
        wait_for(lambda: any(level > LOUD for level in avatar.levels[before:]), ROOM_LIMIT / 1000)
