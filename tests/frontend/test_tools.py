"""The tools of the stage: a chroma key whose pixels are counted, snapshots and recordings that are opened."""

from __future__ import annotations

import base64
import importlib.util
import io
import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, expect

from ..conftest import another
from .conftest import Spares, harnesses

Open = Callable[..., Any]

RECORD_LIMIT = 20_000  # ms, on a busy machine
PART = 256 * 1024  # characters of base64
TONE = 440  # Hz, of harness/fakemedia.js
SIZE = (640, 360)
GROUND = (20, 20)  # of its picture: pixels of the ground, of the head, of the shirt
HEAD = (320, 100)
SHIRT = (320, 320)


@pytest.fixture(scope="module")
def loud_chromium(chromium: Browser) -> Iterator[Browser]:
    """One that lets sound be made without a click."""
    yield from another(chromium, "--autoplay-policy=no-user-gesture-required")


@pytest.fixture
def live(loud_chromium: Browser, spares: Spares) -> Iterator[Open]:
    """Opens a view with the picture of harness/fakemedia.js on its stage."""
    with harnesses(loud_chromium, spares) as opened:

        def open_live(widget: str = "view", state: str = "view_livekit", **options: Any) -> Any:
            view = opened(widget, state, media="fake", **options)
            fidget(view)
            return view

        yield open_live


def fidget(view: Any) -> None:
    """Moves the pointer over the stage from now on, so that its controls stay out."""
    view.page.locator(".lv-viewbar").first.wait_for(state="attached")
    view.run(
        "setInterval(() => document.querySelectorAll('.lv-stage').forEach((stage) =>"
        " stage.dispatchEvent(new PointerEvent('pointermove', {bubbles: true}))), 200)"
    )
    view.page.locator(".lv-viewbar").first.wait_for()


def menu(view: Any) -> Any:
    """The menu of the background, opened."""
    view.button("Background").click()
    found = view.page.get_by_role("dialog", name="Background")
    expect(found).to_be_visible()
    return found


def behind(view: Any, kind: str) -> Any:
    found = menu(view)
    found.get_by_role("radio", name=kind).check()
    return found


def told(view: Any, request: str = "") -> Image.Image:
    """The newest picture that was sent whole, opened."""
    view.page.wait_for_function(
        "(request) => harness.python.commands.some(({command, args}) =>"
        " command === 'snapshot' && args.request === request && args.part === args.parts - 1)",
        arg=request,
    )
    parts = [one["args"] for one in view.commands("snapshot") if one["args"]["request"] == request]
    parts = parts[-parts[-1]["parts"] :]
    assert [one["part"] for one in parts] == list(range(len(parts)))
    assert all(len(one["data"]) <= PART for one in parts)
    image = Image.open(io.BytesIO(b"".join(base64.b64decode(one["data"]) for one in parts)), formats=["PNG"])
    assert image.size == (parts[0]["width"], parts[0]["height"])
    assert parts[0]["problem"] is None
    return image


def snapshot(view: Any) -> Image.Image:
    """What is on the stage, as Python gets it that asks for it."""
    request = f"r-{time.monotonic_ns()}"
    view.run("(request) => harness.python.tell({type: 'snapshot', request})", request)
    return told(view, request)


def pixels(image: Image.Image) -> NDArray[np.float64]:
    return np.asarray(image.convert("RGBA"), dtype=float)


def greenness(rgba: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much greener than red and blue each pixel is."""
    found: NDArray[np.float64] = rgba[..., 1] - np.maximum(rgba[..., 0], rgba[..., 2])
    return found


def shown(view: Any) -> None:
    """Waits for the key's first frame."""
    view.page.locator(".lv-replaced canvas").wait_for(state="attached")


# the key


def test_the_ground_goes_and_the_figure_stays(live: Open) -> None:
    view = live()
    plain = snapshot(view)
    assert plain.size == SIZE
    assert pixels(plain)[..., 3].min() == 255
    behind(view, "Nothing")
    shown(view)
    keyed = pixels(snapshot(view))
    assert keyed[GROUND[1], GROUND[0], 3] == 0
    for x, y in (HEAD, SHIRT):
        assert keyed[y, x, 3] == 255
        assert np.abs(keyed[y, x, :3] - pixels(plain)[y, x, :3]).max() <= 6
    # as much of it as the ground has of the picture, and nothing green is left of what shows
    ground = greenness(pixels(plain)) > 80
    assert (keyed[..., 3] == 0).sum() == pytest.approx(ground.sum(), rel=0.02)
    assert greenness(keyed)[keyed[..., 3] > 25].max() < 40


def test_edges_are_soft_and_have_no_shine_of_the_key(live: Open) -> None:
    view = live()
    behind(view, "Nothing")
    shown(view)
    keyed = pixels(snapshot(view))
    alpha = keyed[..., 3]
    partly = (alpha > 0) & (alpha < 255)
    # along the head's outline and the shirt's, and nowhere within them
    assert 200 < partly.sum() < 2000
    assert alpha[160, 224:416].min() == 255
    assert alpha[265:355, 204:436].min() == 255
    assert greenness(keyed)[alpha > 25].max() < 20


def test_a_colour_and_a_picture_are_put_behind_without_gaps(live: Open) -> None:
    view = live()
    found = behind(view, "Colour")
    found.get_by_label("Colour", exact=True).nth(1).fill("#0000ff")
    shown(view)
    coloured = pixels(snapshot(view))
    assert coloured[..., 3].min() == 255
    assert coloured[GROUND[1], GROUND[0]].tolist() == [0, 0, 255, 255]
    # a picture of the same shape: left half red, right half blue, upper rows white
    art = np.zeros((180, 320, 3), dtype=np.uint8)
    art[:, :160, 0] = art[:, 160:, 2] = 255
    art[:20] = 255
    file = io.BytesIO()
    Image.fromarray(art).save(file, "PNG")
    view.page.get_by_label("Picture for the background").set_input_files(
        {"name": "studio.png", "mimeType": "image/png", "buffer": file.getvalue()}
    )
    expect(found.get_by_text("studio.png")).to_be_visible()
    expect(found.get_by_role("radio", name="Picture")).to_be_checked()
    pictured = pixels(snapshot(view))
    assert pictured[..., 3].min() == 255
    assert pictured[10, 20].tolist() == [255, 255, 255, 255]
    assert pictured[340, 20].tolist() == [255, 0, 0, 255]
    assert pictured[340, 620].tolist() == [0, 0, 255, 255]
    assert pictured[HEAD[1], HEAD[0], 0] > 150


def test_what_is_no_picture_is_refused_in_words(live: Open) -> None:
    view = live()
    found = menu(view)
    view.page.get_by_label("Picture for the background").set_input_files(
        {"name": "notes.png", "mimeType": "image/png", "buffer": b"no picture"}
    )
    expect(found.locator("p[role=status]")).to_have_text("notes.png is no picture that the browser can read.")
    expect(found.get_by_role("radio", name="Off")).to_be_checked()


def test_a_picture_can_be_dropped(live: Open) -> None:
    view = live()
    found = menu(view)
    view.run(
        """async () => {
            const canvas = new OffscreenCanvas(64, 36);
            const pen = canvas.getContext("2d");
            pen.fillStyle = "#ffff00";
            pen.fillRect(0, 0, 64, 36);
            const data = new DataTransfer();
            data.items.add(new File([await canvas.convertToBlob()], "yellow.png", {type: "image/png"}));
            const options = {dataTransfer: data, bubbles: true, cancelable: true};
            const menu = document.querySelector(".lv-backdrop");
            menu.dispatchEvent(new DragEvent("dragover", options));
            menu.dispatchEvent(new DragEvent("drop", options));
        }"""
    )
    expect(found.get_by_text("yellow.png")).to_be_visible()
    assert pixels(snapshot(view))[GROUND[1], GROUND[0]].tolist() == [255, 255, 0, 255]


def test_the_key_is_found_in_the_corners_picked_in_the_video_or_given(live: Open) -> None:
    view = live()
    found = behind(view, "Nothing")
    shown(view)
    key = found.get_by_label("Colour that is taken out")
    red, green, blue = bytes.fromhex(key.input_value()[1:])
    assert (abs(red - 0x1F) < 8, abs(green - 0xAA) < 8, abs(blue - 0x4B) < 8) == (True, True, True)
    # the head's colour: the head goes, the ground comes back
    found.get_by_role("button", name="Pick").click()
    expect(found).to_be_hidden()
    box = view.page.locator(".lv-replaced canvas").bounding_box()
    view.page.mouse.click(box["x"] + HEAD[0] / SIZE[0] * box["width"], box["y"] + HEAD[1] / SIZE[1] * box["height"])
    keyed = pixels(snapshot(view))
    assert keyed[HEAD[1], HEAD[0], 3] == 0
    assert keyed[GROUND[1], GROUND[0], 3] == 255
    menu(view)
    found.get_by_role("button", name="Corners").click()
    assert pixels(snapshot(view))[GROUND[1], GROUND[0], 3] == 0
    key.fill("#777777")
    expect(key).to_have_value("#777777")


def test_escape_ends_picking_and_takes_nothing(live: Open) -> None:
    view = live()
    found = behind(view, "Nothing")
    key = found.get_by_label("Colour that is taken out")
    before = key.input_value()
    found.get_by_role("button", name="Pick").click()
    expect(view.page.locator(".lv-picking")).to_have_count(1)
    view.page.keyboard.press("Escape")
    expect(view.page.locator(".lv-picking")).to_have_count(0)
    assert menu(view).get_by_label("Colour that is taken out").input_value() == before


def test_corners_that_disagree_are_no_key(live: Open) -> None:
    view = live()
    view.run("fakeRoom.ground = '#8a8a8a'")
    view.page.wait_for_timeout(200)
    found = behind(view, "Nothing")
    expect(found.locator("p[role=status]")).to_have_text(
        "The corners show no plain colour: pick the background in the video."
    )
    assert pixels(snapshot(view))[GROUND[1], GROUND[0], 3] == 255


def test_without_webgl_it_says_so_and_shows_the_video(live: Open) -> None:
    script = (
        "HTMLCanvasElement.prototype.getContext = ((plain) => function (kind, ...rest) {"
        " return kind === 'webgl2' ? null : plain.call(this, kind, ...rest); })(HTMLCanvasElement.prototype.getContext)"
    )
    view = live(script=script)
    found = menu(view)
    found.get_by_role("radio", name="Nothing").click()
    expect(found.locator("p[role=status]")).to_contain_text("This browser has no WebGL")
    expect(found.get_by_role("radio", name="Off")).to_be_checked()
    expect(view.page.locator(".lv-replaced")).to_have_count(0)


def test_a_lost_graphics_context_comes_back(live: Open) -> None:
    view = live()
    behind(view, "Nothing")
    shown(view)
    view.run(
        """() => {
            const gl = document.querySelector(".lv-replaced canvas").getContext("webgl2");
            const lose = gl.getExtension("WEBGL_lose_context");
            lose.loseContext();
            setTimeout(() => lose.restoreContext(), 100);
        }"""
    )
    view.page.wait_for_function("document.querySelector('.lv-replaced canvas').getContext('webgl2').isContextLost()")
    view.page.wait_for_function("!document.querySelector('.lv-replaced canvas').getContext('webgl2').isContextLost()")
    keyed = pixels(snapshot(view))
    assert keyed[GROUND[1], GROUND[0], 3] == 0
    assert keyed[HEAD[1], HEAD[0], 3] == 255


COUNT_DRAWS = """
globalThis.draws = 0;
const draw = WebGL2RenderingContext.prototype.drawArrays;
WebGL2RenderingContext.prototype.drawArrays = function (...all) {
  draws += 1;
  return draw.apply(this, all);
};
"""


def test_nothing_is_drawn_that_nobody_sees(live: Open) -> None:
    view = live(script=COUNT_DRAWS)
    behind(view, "Nothing")
    shown(view)
    view.page.keyboard.press("Escape")
    view.page.wait_for_function("draws > 10")
    view.run("document.querySelector('main').style.marginTop = '3000px'")
    view.page.wait_for_timeout(500)
    before = view.run("draws")
    view.page.wait_for_timeout(500)
    assert view.run("draws") == before
    view.run("document.querySelector('main').style.marginTop = ''")
    view.page.wait_for_function("(before) => draws > before + 5", arg=before)


def test_the_key_goes_with_the_switch_and_outlives_the_video(live: Open) -> None:
    view = live()
    found = behind(view, "Nothing")
    shown(view)
    view.run("fakeRoom.video = null; fakeRoom.changed()")
    expect(view.page.locator(".lv-replaced")).to_have_count(0)
    view.run("fakeRoom.video = fakeRoom.canvas.captureStream(25).getVideoTracks()[0]; fakeRoom.changed()")
    shown(view)
    behind(view, "Off")
    expect(view.page.locator(".lv-replaced")).to_have_count(0)
    assert pixels(snapshot(view))[..., 3].min() == 255
    expect(found.get_by_label("Colour that is taken out")).to_have_count(0)


def test_a_drawn_face_has_a_snapshot_too(loud_chromium: Browser) -> None:
    with harnesses(loud_chromium) as opened:
        view = opened("view", "view_drawn")
        view.page.locator(".lv-viewbar").wait_for(state="attached")
        assert snapshot(view).size == (1280, 720)


# snapshots


def test_the_button_sends_a_picture_and_says_where_it_went(live: Open) -> None:
    view = live()
    view.button("Take a snapshot").click()
    assert told(view).size == SIZE
    view.write(saved={"kind": "snapshot", "path": "/home/me/talks/avatar-1.png", "seconds": None, "bytes": 4100})
    expect(view.page.locator(".lv-tool-news")).to_have_text("Snapshot saved: avatar-1.png (4 kB)")
    view.write(saved={"kind": "snapshot", "path": None, "seconds": None, "bytes": None})
    expect(view.page.locator(".lv-tool-news")).to_have_text("Snapshot handed to Python.")


def test_a_large_picture_goes_in_parts(live: Open) -> None:
    view = live()
    # noise is what a PNG cannot make small
    view.run(
        """() => {
            clearInterval(fakeRoom.timer);
            const noise = fakeRoom.pen.createImageData(640, 360);
            for (let at = 0; at < noise.data.length; at += 1) noise.data[at] = at % 4 === 3 ? 255 : Math.random() * 255;
            fakeRoom.timer = setInterval(() => fakeRoom.pen.putImageData(noise, 0, 0), 40);
        }"""
    )
    view.page.wait_for_timeout(400)
    snapshot(view)
    assert len(view.commands("snapshot")) >= 2


def test_two_views_of_a_widget_answer_once(live: Open) -> None:
    view = live(views="2")
    expect(view.page.locator(".lv-viewbar")).to_have_count(2)
    view.page.wait_for_timeout(300)
    snapshot(view)
    view.page.wait_for_timeout(300)
    assert len(view.commands("snapshot")) == 1
    # one look for both
    view.page.get_by_role("button", name="Background").first.click()
    view.page.get_by_role("dialog", name="Background").first.get_by_role("radio", name="Nothing").check()
    expect(view.page.locator(".lv-replaced canvas")).to_have_count(2)


def test_what_is_not_there_is_said(live: Open) -> None:
    view = live()
    view.run("fakeRoom.video = null; fakeRoom.changed()")
    expect(view.page.locator(".lv-viewbar")).to_have_count(0)
    view.run("harness.python.tell({type: 'snapshot', request: 'r-1'})")
    view.page.wait_for_timeout(300)
    # a page that shows nothing keeps still: another may show it
    assert view.commands("snapshot") == []


def test_a_snapshot_that_is_asked_for_before_the_picture_is_there_waits_for_it(live: Open) -> None:
    view = live()
    view.run("globalThis.kept = fakeRoom.video; fakeRoom.video = null; fakeRoom.changed()")
    expect(view.page.locator(".lv-viewbar")).to_have_count(0)
    view.run("harness.python.tell({type: 'snapshot', request: 'early'})")
    view.run("fakeRoom.video = kept; fakeRoom.changed()")
    assert told(view, "early").size == SIZE


# recordings


def test_a_recording_that_is_asked_for_before_there_is_a_picture_begins_with_the_picture(
    loud_chromium: Browser,
) -> None:
    with harnesses(loud_chromium) as opened:
        view = opened("view", "view_starting", faces="no")
        for request in ("r-1", "r-2"):
            view.run("(request) => harness.python.tell({type: 'record', request, seconds: 60, bytes: 2e7})", request)
        view.run("harness.python.tell({type: 'record_stop', request: 'r-1'})")
        view.run(
            "import('/fixtures.js').then(({traits}) => harness.model.write({status: traits('view_drawn').status}))"
        )
        assert {one["args"]["request"] for one in view.sent("recording", 2)} == {"r-2"}


class Recording:
    """The parts of one that were sent, as the fake Python got them."""

    def __init__(self, view: Any, request: str | None = None) -> None:
        view.page.wait_for_function(
            "(request) => harness.python.commands.some(({command, args}) => command === 'recording' && args.is_last"
            " && (request === null || args.request === request))",
            arg=request,
            timeout=RECORD_LIMIT,
        )
        self.parts = [one["args"] for one in view.commands("recording") if request in (None, one["args"]["request"])]
        assert [one["part"] for one in self.parts] == list(range(len(self.parts)))
        assert [one["is_last"] for one in self.parts] == [False] * (len(self.parts) - 1) + [True]
        assert all(len(one["data"]) <= PART for one in self.parts)
        self.request: str = self.parts[-1]["request"]
        self.seconds: float = self.parts[-1]["seconds"]
        self.problem: str | None = self.parts[-1]["problem"]
        self.content = b"".join(base64.b64decode(one["data"]) for one in self.parts)

    def frames(self) -> list[NDArray[Any]]:
        with av.open(io.BytesIO(self.content), "r") as file:
            return [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]

    def length(self) -> float:
        """Seconds until the last frame: what a browser records has no length in its head."""
        with av.open(io.BytesIO(self.content), "r") as file:
            return max(float(frame.time or 0) for frame in file.decode(video=0))

    def sound(self) -> tuple[NDArray[np.float64], int]:
        """Mono samples, and their rate."""
        with av.open(io.BytesIO(self.content), "r") as file:
            rate = file.streams.audio[0].rate
            every = [frame.to_ndarray().mean(axis=0) for frame in file.decode(audio=0)]
        return np.concatenate(every), rate


def peak(samples: NDArray[np.float64], rate: int) -> float:
    """The loudest frequency, in Hz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * rate / len(samples))


def recorded(view: Any, ms: int = 2500) -> Recording:
    """A recording by the buttons."""
    view.button("Record").click()
    expect(view.page.locator(".lv-recording")).to_be_visible()
    view.page.wait_for_timeout(ms)
    view.button("Stop the recording").click()
    return Recording(view)


def test_a_recording_has_moving_pictures_and_the_avatars_sound(live: Open) -> None:
    view = live()
    found = recorded(view)
    assert found.problem is None
    assert found.content[:4] == b"\x1aE\xdf\xa3"
    frames = found.frames()
    assert frames[0].shape == (SIZE[1], SIZE[0], 3)
    assert len(frames) >= 10
    assert sum(bool((a != b).any()) for a, b in itertools.pairwise(frames)) >= 5
    red, green, blue = frames[-1][GROUND[1], GROUND[0]].astype(int)
    assert green - max(red, blue) > 60
    assert 1 < found.length() < found.seconds + 0.5
    samples, rate = found.sound()
    assert np.sqrt(np.mean(samples**2)) > 0.1
    assert peak(samples[len(samples) // 4 :], rate) == pytest.approx(TONE, abs=10)
    expect(view.page.locator(".lv-recording")).to_have_count(0)
    view.write(saved={"kind": "recording", "path": "/home/me/avatar-1.webm", "seconds": 62.0, "bytes": 3_250_000})
    expect(view.page.locator(".lv-tool-news")).to_have_text("Recording saved: avatar-1.webm (1:02, 3.1 MB)")


def test_a_keyed_recording_has_what_is_put_behind(live: Open) -> None:
    view = live()
    found = behind(view, "Colour")
    found.get_by_label("Colour", exact=True).nth(1).fill("#0000ff")
    shown(view)
    view.page.keyboard.press("Escape")
    frames = recorded(view).frames()
    red, green, blue = frames[-1][GROUND[1], GROUND[0]].astype(int)
    assert blue > 150
    assert max(red, green) < 60
    assert frames[-1][HEAD[1], HEAD[0], 0] > 150


def test_the_background_stays_as_it_is_while_it_records(live: Open) -> None:
    view = live()
    view.button("Record").click()
    expect(view.page.locator(".lv-recording")).to_be_visible()
    found = menu(view)
    expect(found.get_by_role("radio", name="Nothing")).to_be_disabled()
    expect(found.locator("p[role=status]")).to_have_text("While it records, the background stays as it is.")
    view.page.keyboard.press("Escape")
    view.button("Stop the recording").click()
    Recording(view)


def test_python_begins_and_ends_a_recording(live: Open) -> None:
    view = live()
    view.run("harness.python.tell({type: 'record', request: 'r-1', seconds: 30, bytes: 2e7})")
    expect(view.page.locator(".lv-recording")).to_be_visible()
    # one at a time
    view.run("harness.python.tell({type: 'record', request: 'r-2', seconds: 30, bytes: 2e7})")
    refused = Recording(view, "r-2")
    assert refused.problem == "A recording runs already."
    assert refused.content == b""
    view.sent("recording", 3)
    # that of another request goes on
    view.run("harness.python.tell({type: 'record_stop', request: 'r-2'})")
    view.page.wait_for_timeout(200)
    expect(view.page.locator(".lv-recording")).to_be_visible()
    view.run("harness.python.tell({type: 'record_stop', request: 'r-1'})")
    found = Recording(view, "r-1")
    assert found.problem is None
    assert len(found.frames()) >= 5


def test_its_length_is_limited_and_what_was_recorded_is_kept(live: Open) -> None:
    view = live()
    view.run("harness.python.tell({type: 'record', request: 'r-1', seconds: 4, bytes: 2e7})")
    found = Recording(view, "r-1")
    assert found.problem is None
    assert 4 <= found.seconds < 8
    assert found.frames()
    expect(view.page.locator(".lv-tool-news")).to_have_text("It was ended at its limit of 4 s, and kept.")


def test_its_size_is_limited_and_never_beyond(live: Open) -> None:
    view = live()
    size = 150 * 1024
    view.run("(bytes) => harness.python.tell({type: 'record', request: 'r-1', seconds: 60, bytes})", size)
    found = Recording(view, "r-1")
    assert 0 < len(found.content) <= size
    assert found.frames()
    expect(view.page.locator(".lv-tool-news")).to_contain_text("It was ended at its limit of 150 kB, and kept.")


def test_it_ends_with_the_session(live: Open) -> None:
    view = live()
    view.button("Record").click()
    view.sent("recording", 2)
    view.session(state="ended", running=False, confirmed=True)
    found = Recording(view)
    assert found.problem is None
    assert found.frames()
    expect(view.page.locator(".lv-tool-news")).to_contain_text("what was recorded was kept")


def test_it_ends_with_the_video_and_with_the_view(live: Open) -> None:
    view = live()
    view.button("Record").click()
    view.sent("recording", 2)
    view.run("fakeRoom.end('left')")
    assert Recording(view).frames()
    other = live()
    other.button("Record").click()
    other.sent("recording", 2)
    other.run("harness.views[0].remove()")
    assert Recording(other).frames()


@pytest.mark.parametrize("kind", ["Off", "Colour"])
def test_it_ends_with_a_view_of_two_where_that_ones_canvas_is_recorded(live: Open, kind: str) -> None:
    view = live(views="2")
    first = view.page.locator(".view").first
    first.get_by_role("button", name="Background").click()
    first.get_by_role("dialog", name="Background").get_by_role("radio", name=kind).check()
    view.page.keyboard.press("Escape")
    first.get_by_role("button", name="Record", exact=True).click()
    count = len(view.sent("recording", 2))
    view.run("harness.views[0].remove()")
    if kind == "Off":
        view.sent("recording", count + 2)
        view.button("Stop the recording").click()
    else:
        expect(view.page.locator(".lv-tool-news")).to_contain_text("The video ended: what was recorded was kept.")
    assert Recording(view).frames()


def test_sound_that_the_browser_holds_back_hinders_no_recording_and_stays_open_in_none(live: Open) -> None:
    view = live()
    view.run("""() => {
        globalThis.open = new Set();
        const Plain = AudioContext;
        globalThis.AudioContext = class extends Plain {
            constructor(...given) { super(...given); open.add(this); }
            resume() { return Promise.reject(new Error("not now")); }
            close() { open.delete(this); return super.close(); }
        };
    }""")
    view.button("Record").click()
    view.sent("recording", 2)
    view.button("Stop the recording").click()
    assert Recording(view).frames()
    assert view.run("open.size") == 0


def test_one_that_is_thrown_away_is_not_sent_to_its_end(live: Open) -> None:
    view = live()
    view.button("Record").click()
    (first,) = view.sent("recording")
    view.button("Stop and throw it away").click()
    (cancel,) = view.sent("cancel_recording")
    assert cancel["args"] == {"request": first["args"]["request"]}
    view.page.wait_for_timeout(1500)
    assert not any(one["args"]["is_last"] for one in view.commands("recording"))
    expect(view.page.locator(".lv-recording")).to_have_count(0)


def test_each_part_waits_for_the_one_before(live: Open) -> None:
    view = live(host="plain")
    view.run("harness.python.mode = 'busy'")
    view.button("Record").click()
    view.page.wait_for_function("harness.python.queue.some(({command}) => command === 'recording')")
    view.page.wait_for_timeout(2500)
    assert view.run("harness.python.queue.filter(({command}) => command === 'recording').length") == 1
    view.button("Stop the recording").click()
    expect(view.page.locator(".lv-recording")).to_contain_text("saving…")
    view.run("setInterval(() => harness.python.release(), 20)")
    found = Recording(view)
    assert found.frames()
    # what came together meanwhile went together
    assert len(found.parts) <= 4


def test_a_kernel_that_is_gone_ends_it(live: Open) -> None:
    view = live()
    view.button("Record").click()
    view.sent("recording")
    view.run("harness.kernel.dispose()")
    expect(view.page.locator(".lv-recording")).to_have_count(0)


def test_without_a_recorder_it_says_so(live: Open) -> None:
    view = live(script="delete globalThis.MediaRecorder")
    view.button("Record").click()
    assert Recording(view).problem == "This browser cannot record."
    expect(view.page.locator(".lv-tool-news")).to_have_text("This browser cannot record.")


def test_a_drawn_face_is_recorded_as_it_is_drawn(loud_chromium: Browser) -> None:
    with harnesses(loud_chromium) as opened:
        view = opened("view", "view_drawn")
        view.page.locator(".lv-viewbar").wait_for(state="attached")
        view.run("harness.python.tell({type: 'record', request: 'r-1', seconds: 60, bytes: 2e7})")
        view.sent("recording", 2)
        view.run("harness.python.tell({type: 'record_stop', request: 'r-1'})")
        assert Recording(view, "r-1").frames()[0].shape == (720, 1280, 3)


def test_a_face_that_is_drawn_for_want_of_a_room_is_recorded_as_long_as_it_is(loud_chromium: Browser) -> None:
    with harnesses(loud_chromium) as opened:
        view = opened("view", "view_livekit", script="globalThis.roomAnswer = {url: 'ws://127.0.0.1:9', token: 'none'}")
        fidget(view)
        expect(view.page.locator("canvas.lv-drawn")).to_be_visible()
        view.button("Record").click()
        count = len(view.sent("recording", 2))
        view.page.locator(".lv-stage").press("m")
        view.sent("recording", count + 2)
        view.button("Stop the recording").click()
        assert Recording(view).frames()


@pytest.mark.parametrize(
    "ending", ["harness.python.tell({type: 'record_stop', request: 'r-1'})", "harness.views[0].remove()"]
)
def test_a_recording_that_is_given_up_before_it_has_begun_does_not_begin(loud_chromium: Browser, ending: str) -> None:
    script = "AudioContext.prototype.resume = () => new Promise(() => undefined)"
    with harnesses(loud_chromium) as opened:
        view = opened("view", "view_drawn", script=script)
        fidget(view)
        view.page.wait_for_timeout(300)
        view.run("harness.python.tell({type: 'record', request: 'r-1', seconds: 60, bytes: 2e7});" + ending)
        view.page.wait_for_timeout(2000)
        assert view.commands("recording") == []


def test_a_recorder_that_does_not_start_is_not_waited_for(live: Open) -> None:
    view = live(script="MediaRecorder.prototype.start = () => { throw new Error('it is broken') }")
    view.run("harness.python.tell({type: 'record', request: 'r-1', seconds: 0.2, bytes: 2e7})")
    assert Recording(view, "r-1").problem == "It cannot be recorded: it is broken"
    view.page.wait_for_timeout(400)
    expect(view.page.locator(".lv-recording")).to_have_count(0)
    expect(view.button("Record")).to_be_enabled()


def test_one_without_a_frame_says_that_nothing_came(live: Open) -> None:
    script = (
        "globalThis.MediaRecorder = class { static isTypeSupported() { return true; } state = 'inactive';"
        " start() { this.state = 'recording'; } stop() { this.state = 'inactive';"
        " setTimeout(() => this.onstop(), 0); } }"
    )
    view = live(script=script)
    view.button("Record").click()
    view.button("Stop the recording").click()
    found = Recording(view)
    assert (found.content, found.problem) == (b"", "Nothing came to be recorded.")


# for everybody


@pytest.fixture(scope="module")
def axe() -> str:
    """The source of axe-core, as the package axe-playwright-python ships it."""
    found = importlib.util.find_spec("axe_playwright_python")
    assert found is not None
    assert found.origin is not None
    return (Path(found.origin).parent / "axe.min.js").read_text(encoding="utf-8")


def violations(view: Any, axe: str) -> list[str]:
    view.page.evaluate(axe)
    found = view.run("axe.run('.view', {rules: {region: {enabled: false}}}).then(({violations}) => violations)")
    return [f"{one['id']}: {node['html']}" for one in found for node in one["nodes"]]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [480, 1300])
def test_no_rule_of_accessibility_is_broken(live: Open, axe: str, theme: str, width: int) -> None:
    view = live("view", "view_full", theme=theme, width=width)
    found = behind(view, "Colour")
    shown(view)
    assert violations(view, axe) == []
    view.page.keyboard.press("Escape")
    expect(found).to_be_hidden()
    view.button("Record").click()
    view.sent("recording")
    marks = view.page.locator(".lv-recording").bounding_box()
    pill = view.page.locator(".lv-pills").bounding_box()
    assert marks["x"] >= pill["x"] + pill["width"] or marks["y"] >= pill["y"] + pill["height"]
    view.write(saved={"kind": "recording", "path": "/home/me/avatar-1.webm", "seconds": 62.0, "bytes": 3_250_000})
    view.button("Turn on the microphone").click()
    expect(view.page.get_by_role("alert")).to_be_visible()
    assert violations(view, axe) == []
    assert view.run("document.documentElement.scrollWidth <= innerWidth")


def test_all_of_it_by_keys(live: Open) -> None:
    view = live()
    view.button("Background").focus()
    view.page.keyboard.press("Enter")
    found = view.page.get_by_role("dialog", name="Background")
    expect(found).to_be_visible()
    expect(view.button("Background")).to_have_attribute("aria-expanded", "true")
    view.page.keyboard.press("Tab")
    view.page.keyboard.press("ArrowRight")
    expect(found.get_by_role("radio", name="Nothing")).to_be_checked()
    shown(view)
    found.get_by_label("Reach").focus()
    view.page.keyboard.press("ArrowRight")
    expect(found.get_by_label("Reach")).to_have_value("36")
    view.page.keyboard.press("Escape")
    expect(found).to_be_hidden()
    expect(view.button("Background")).to_be_focused()
    expect(view.button("Background")).to_have_attribute("aria-expanded", "false")
    view.button("Take a snapshot").focus()
    view.page.keyboard.press("Enter")
    assert told(view).mode == "RGBA"
    view.button("Record").focus()
    view.page.keyboard.press("Enter")
    expect(view.button("Stop the recording")).to_be_focused()
    view.sent("recording", 2)
    view.page.keyboard.press("Enter")
    assert Recording(view).frames()


def test_a_click_elsewhere_closes_the_menu_and_nothing_moves(live: Open) -> None:
    view = live()
    stage = view.page.locator(".lv-stage")
    before = stage.bounding_box()
    found = menu(view)
    found.get_by_role("radio", name="Nothing").check()
    assert stage.bounding_box() == before
    view.page.mouse.click(5, 700)
    expect(found).to_be_hidden()
    view.button("Record").click()
    expect(view.page.locator(".lv-recording")).to_be_visible()
    assert stage.bounding_box() == before
    view.button("Stop the recording").click()
    Recording(view)
