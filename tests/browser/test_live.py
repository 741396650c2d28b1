"""The avatar in the cell: a real JupyterLab, a real Chromium, a real LiveKit server, and the simulator's avatar."""

from __future__ import annotations

import base64
import logging
import os
import re
import subprocess
import sys
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from liveavatar_nb import Simulator
from liveavatar_nb.simulator import LiveKit

from ..conftest import another
from ..livekit import LiveKitServer, livekit_server, simulator
from ..waiting import wait_for
from .conftest import Lab, Notebook, connection
from .test_studio import STUDIO, button, expect_state, now_clicked

Make = Callable[..., Notebook]
Samples = np.ndarray[Any, np.dtype[np.float32]]

__all__ = ["livekit_server", "simulator"]

FRAME_LIMIT = 10.0  # s from a click to the first frame; 3 s on a machine that has nothing else to do
HUSH_LIMIT = 0.3  # s from a click to silence
RATE = 24_000  # Hz
MELODY = (440, 660, 880, 550, 770, 990)  # Hz
NOTE = 0.4  # s, with a pause of the same length after it
WATCHED = 7.0  # s
LATEST = 1.5  # s that a busy machine's picture may come after its sound
TRIES = 3  # where its picture stutters
QUIET = 0.01  # RMS of what counts as silence
MEDIA_FLAGS = (
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
)
# What goes to the loudspeaker goes to a recorder of ours, too.
EARS = """
() => {
  globalThis.outlets = [];
  const connect = AudioNode.prototype.connect;
  AudioNode.prototype.connect = function (target, ...rest) {
    if (target instanceof AudioDestinationNode) outlets.push(this);
    return connect.call(this, target, ...rest);
  };
  globalThis.listen = async () => {
    const code = `registerProcessor("ear", class extends AudioWorkletProcessor {
      process([input]) {
        if (input[0]) this.port.postMessage(input[0].slice());
        return true;
      }
    })`;
    const module = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
    globalThis.heard = [];
    const outlet = outlets.at(-1);
    await outlet.context.audioWorklet.addModule(module);
    const ear = new AudioWorkletNode(outlet.context, "ear");
    ear.port.onmessage = ({ data }) => heard.push({ at: Date.now(), data });
    connect.call(outlet, ear);
    return outlet.context.sampleRate;
  };
  globalThis.recorded = () => {
    const all = new Float32Array(heard.reduce((sum, { data }) => sum + data.length, 0));
    let at = 0;
    for (const { data } of heard) {
      all.set(data, at);
      at += data.length;
    }
    const bytes = new Uint8Array(all.buffer);
    let text = "";
    for (let from = 0; from < bytes.length; from += 0x8000) {
      text += String.fromCharCode(...bytes.subarray(from, from + 0x8000));
    }
    return btoa(text);
  };
  /** The level of each piece, and when it came. */
  globalThis.levels = () =>
    heard.map(({ at, data }) => [at, Math.sqrt(data.reduce((sum, one) => sum + one * one, 0) / data.length)]);
  /** Samples the picture's mouth, and how loud it is, 25 times a second. */
  globalThis.watch = async (seconds) => {
    const canvas = new OffscreenCanvas(320, 180);
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    const seen = [];
    const end = performance.now() + seconds * 1000;
    while (performance.now() < end) {
      pen.drawImage(document.querySelector(".lv-stage video"), 0, 0, 320, 180);
      seen.push({ level: levels().slice(-8), mouth: Array.from(pen.getImageData(140, 90, 40, 30).data) });
      await new Promise((resolve) => setTimeout(resolve, 40));
    }
    return seen.map(({ level, mouth }) => ({ level: Math.max(0, ...level.map(([, one]) => one)), mouth }));
  };
}
"""
FIRST_FRAME = """
() => new Promise((resolve) => {
  const look = () => {
    const video = document.querySelector(".lv-stage video");
    if (video) video.requestVideoFrameCallback(() => resolve(Date.now()));
    else setTimeout(look, 5);
  };
  look();
})
"""


@pytest.fixture(scope="module")
def chromium(livekit_server: LiveKitServer, chromium: Browser) -> Iterator[Browser]:
    """One with a microphone and a loudspeaker. The server comes first: it cannot start beside Playwright's loop."""
    yield from another(chromium, *MEDIA_FLAGS)


@pytest.fixture(autouse=True)
def no_words_of_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """It logs on threads of its own, which Python then counts among its own."""
    monkeypatch.setattr(logging.getLogger("livekit"), "disabled", True)


def write_melody(path: Path, seconds: float = len(MELODY) * 2 * NOTE) -> None:
    """Notes with pauses between them, over and over."""
    count = round(seconds * RATE)
    at = np.arange(count) / RATE
    index = (at // (2 * NOTE)).astype(int) % len(MELODY)
    is_note = (at % (2 * NOTE)) < NOTE
    samples = 0.5 * np.sin(2 * np.pi * np.array(MELODY)[index] * at) * is_note
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes((32_767 * samples).astype("<i2").tobytes())


def notes(samples: Samples, rate: float) -> list[int]:
    """The notes that were heard, each as the nearest of the melody."""
    size = round(rate * 0.05)
    pieces = samples[: len(samples) // size * size].reshape(-1, size)
    loud = np.sqrt(np.mean(pieces**2, axis=1)) > 0.05
    found: list[list[float]] = []
    for index, piece in enumerate(pieces):
        if not loud[index]:
            continue
        if index == 0 or not loud[index - 1]:
            found.append([])
        spectrum = np.abs(np.fft.rfft(piece * np.hanning(size), 8 * size))
        found[-1].append(float(np.argmax(spectrum)) * rate / (8 * size))
    pitches = [float(np.median(one)) for one in found if len(one) >= 3]
    return [min(MELODY, key=lambda note: abs(note - pitch)) for pitch in pitches]


def recorded(page: Page) -> Samples:
    return np.frombuffer(base64.b64decode(page.evaluate("recorded()")), np.float32)


def in_step(moves: Samples, levels: Samples) -> tuple[float, float, int]:
    """How much the mouth moves while it sounds, and in silence, and how many looks after the sound it does.

    On a busy machine the picture comes later. One that moves in another rhythm is in step nowhere.
    """
    found = []
    for late in range(int(LATEST / WATCHED * len(levels))):
        heard, seen = levels[: len(levels) - late], moves[late:]
        found.append((float(seen[heard > 0.1].mean()), float(seen[heard < QUIET].mean()), late))
    return max(found, key=lambda one: one[0] - 3 * one[1])


def live(opened: Notebook) -> Page:
    """The studio with a live session whose picture is there."""
    page = opened.page
    page.evaluate(EARS)
    opened.run(0)
    page.get_by_role("button", name="Start", exact=False).first.wait_for()
    clicked = now_clicked(page, "Start")
    first: float = page.evaluate(FIRST_FRAME)
    print(f"click to first frame: {first / 1000 - clicked:.2f} s")
    assert first / 1000 - clicked < FRAME_LIMIT
    expect_state(page, "Live")
    return page


def end(page: Page) -> None:
    button(page, "Stop")
    expect_state(page, "Ended")


def test_a_sound_is_seen_and_heard_and_hushed(notebook: Make, connect: str, lab: Lab) -> None:
    write_melody(lab.folder / "melody.wav")
    write_melody(lab.folder / "long.wav", 60)
    page = live(notebook([f"{connect}\n{STUDIO}"]))
    rate: float = page.evaluate("listen()")
    assert page.evaluate("document.querySelectorAll('.lv-stage video').length") == 1
    for _ in range(TRIES):
        page.evaluate("heard.length = 0")
        button(page, "Play melody.wav")
        seen: list[dict[str, Any]] = page.evaluate(f"watch({WATCHED})")
        expect_state(page, "idle")
        assert notes(recorded(page), rate) == list(MELODY)
        # the mouth moves with the sound
        mouths = np.array([one["mouth"] for one in seen], float)
        levels = np.array([one["level"] for one in seen])
        still = np.median(mouths[levels < QUIET], axis=0)
        moves = np.abs(mouths - still).mean(axis=1)
        talking, silent, late = in_step(moves, levels)
        print(f"mouth: {talking:.1f} while it sounds, {silent:.1f} in silence, {late} of {len(seen)} looks late")
        if talking > 3 * silent:
            break
    assert talking > 3 * silent
    # an interruption is heard at once
    page.evaluate("heard.length = 0")
    button(page, "Play long.wav")
    page.wait_for_function("levels().some(([, level]) => level > 0.1)")
    time.sleep(1)
    hushed = now_clicked(page, "Interrupt")
    time.sleep(2)
    told = page.evaluate("levels()")
    last = max(at for at, level in told if level > QUIET) / 1000
    print(f"interrupt to silence: {last - hushed:.3f} s")
    assert last - hushed < HUSH_LIMIT
    assert max(at for at, _ in told) / 1000 > hushed + 1, "nothing was recorded any more"
    end(page)


SAID = "print([(one.role, one.transcript) for one in studio.session.transcript])"
CONVERSE = """
from liveavatar_nb import NewContext
guide = NewContext(
    name="Guide",
    prompt="You guide through a museum. The star maps are in hall 2.",
    opening_text="Hello! What would you like to see?",
)
s = la.start("Silas", context=guide)
"""

SAVE_WIDGETS = "@jupyter-widgets/jupyterlab-manager:saveWidgetState"
NBCONVERT = [sys.executable, "-m", "jupyter", "nbconvert", "--to", "html", "--output-dir"]


def converse(page: Page) -> None:
    """Starts a conversation in the studio, by clicks."""
    page.get_by_role("tab", name="Settings").click()
    page.get_by_role("radio", name="Conversation").check()
    page.get_by_label("Context").first.select_option(label="Museum desk")
    page.get_by_role("button", name=re.compile("^Start")).first.click()
    page.evaluate(FIRST_FRAME)
    expect_state(page, "Live")


def bubbles(page: Page) -> list[str]:
    return page.locator(".lv-bubble").all_inner_texts()


def test_a_conversation_by_clicks_has_a_transcript_that_grows(notebook: Make, connect: str) -> None:
    opened = notebook([f"{connect}\n{STUDIO}", SAID])
    page = opened.page
    page.evaluate(EARS)
    opened.run(0)
    converse(page)
    expect(page.locator(".lv-bubble").first).to_contain_text("desk of the Lantern Museum", timeout=15_000)
    expect_state(page, "idle")
    page.get_by_placeholder("Ask something").fill("Are you open on Mondays?")
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelectorAll('.lv-bubble').length >= 3")
    grown = set()
    while "idle" not in page.locator(".lv-pill").first.inner_text():
        grown.add(len(bubbles(page)[-1]))
        time.sleep(0.1)
    told = bubbles(page)
    assert "Are you open on Mondays?" in told[1]
    assert "You said" in told[2]
    assert len(grown) > 3, "the answer came in one piece"
    opened.run(1)
    assert "('user', 'Are you open on Mondays?')" in opened.output(1)
    end(page)


def test_a_microphone_arrives_in_the_room(
    notebook: Make, connect: str, simulator: Simulator, livekit_server: LiveKitServer
) -> None:
    opened = notebook([f"{connect}\n{STUDIO}", SAID])
    page = opened.page
    opened.run(0)
    converse(page)
    expect_state(page, "idle")
    (session,) = simulator.billed()
    assert tracks_of(livekit_server, session.session_id, "client") == []
    page.locator(".lv-side").get_by_role("button", name="Turn on the microphone").click()
    wait_for(lambda: tracks_of(livekit_server, session.session_id, "client") == ["AUDIO"])
    # Chromium's device beeps: the simulator hears that somebody speaks, and has done
    expect(page.locator(".lv-bubble-user").first).to_be_visible(timeout=20_000)
    page.locator(".lv-side").get_by_role("button", name="Mute the microphone").click()
    expect(page.locator(".lv-bubble-user").first).to_contain_text("seconds of speech", timeout=20_000)
    end(page)


def tracks_of(server: LiveKitServer, room: str, identity: str) -> list[str]:
    """What somebody in a room publishes, as the server says."""
    asked = subprocess.run(
        [sys.executable, "-c", TRACKS, server.url, room, identity],
        env={**os.environ, "LIVEKIT_API_KEY": server.key, "LIVEKIT_API_SECRET": server.secret},
        capture_output=True,
        text=True,
        check=True,
    )
    return asked.stdout.split()


# In a process of its own: Playwright's loop has this thread.
TRACKS = """
import asyncio, sys
from livekit import api
async def main(url, room, identity):
    async with api.LiveKitAPI(url) as server:
        who = await server.room.get_participant(api.RoomParticipantIdentity(room=room, identity=identity))
        print(*[api.TrackType.Name(track.type) for track in who.tracks])
asyncio.run(main(*sys.argv[1:]))
"""


def frames_go_on(page: Page) -> None:
    """Two looks at the picture's clock, until it has moved."""
    page.wait_for_function(
        """() => {
          const video = document.querySelector(".lv-stage video");
          if (!video) return false;
          video.shownAt ??= video.currentTime;
          return video.currentTime > video.shownAt + 0.2;
        }"""
    )


def test_a_network_that_is_cut_for_ten_seconds_is_waited_for(
    notebook: Make, connect: str, simulator: Simulator, livekit_server: LiveKitServer
) -> None:
    page = live(notebook([f"{connect}\n{STUDIO}"]))
    livekit_server.stall()
    try:
        expect(page.get_by_text("Reconnecting…").first).to_be_visible(timeout=30_000)
        time.sleep(10)
    finally:
        livekit_server.go_on()
    expect(page.get_by_text("Reconnecting…")).to_have_count(0, timeout=60_000)
    frames_go_on(page)
    assert len(simulator.billed()) == 1
    end(page)


def test_a_livekit_server_that_is_killed_and_comes_back_is_joined_again(
    notebook: Make, livekit_server: LiveKitServer
) -> None:
    server = LiveKitServer(livekit_server.executable)
    try:
        with Simulator(livekit=LiveKit(server.url, server.key, server.secret)) as simulator:
            page = live(notebook([f"{connection(simulator)}\n{STUDIO}"]))
            server.close()
            expect(page.get_by_text("Reconnecting…").first).to_be_visible(timeout=30_000)
            server.start()
            expect(page.locator(".lv-stage").get_by_text("Reconnecting…")).to_have_count(0, timeout=60_000)
            expect(page.locator(".lv-stage video:not(.lv-unseen)")).to_have_count(1, timeout=60_000)
            frames_go_on(page)
            assert len(simulator.billed()) == 1
            end(page)
    finally:
        server.close()


def test_no_token_is_kept_anywhere(
    notebook: Make, connect: str, simulator: Simulator, lab: Lab, tmp_path: Path
) -> None:
    opened = notebook([f"{connect}\n{STUDIO}", f"{CONVERSE}\ns", "s.stop()\nla.wire.save('wire.har')"])
    opened.page.evaluate(f"() => window.jupyterapp.commands.execute('{SAVE_WIDGETS}')")
    page = live(opened)
    end(page)
    opened.run(1)
    page.wait_for_function("document.querySelectorAll('.lv-stage video').length > 0")
    time.sleep(2)
    opened.run(2)
    opened.save()
    wait_for(lambda: "widget-state" in (lab.folder / opened.name).read_text())
    subprocess.run(
        [
            sys.executable,
            "-m",
            "jupyter",
            "nbconvert",
            "--to",
            "html",
            "--output-dir",
            tmp_path,
            lab.folder / opened.name,
        ],
        check=True,
        capture_output=True,
    )
    kept = {
        "notebook": (lab.folder / opened.name).read_text(),
        "export": next(tmp_path.glob("*.html")).read_text(),
        "wire": (lab.folder / "wire.har").read_text(),
        "storage": page.evaluate("() => JSON.stringify([{...localStorage}, {...sessionStorage}])"),
        "databases": page.evaluate("async () => JSON.stringify(await indexedDB.databases())"),
        "page": page.content(),
        "server log": (lab.folder / ".log").read_text(),
    }
    for place, text in kept.items():
        # what a JSON Web Token begins with, and the address that it is for
        assert "eyJhbGciOi" not in text, place
        assert f"{simulator.url.removeprefix('http')}/v1/sessions/" not in text or place == "wire", place
