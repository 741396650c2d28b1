"""Pictures and recordings that a page sends: put together, opened, limited, and never over another file."""

from __future__ import annotations

import asyncio
import base64
import builtins
import io
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from liveavatar_nb import LiveAvatar, LiveView, Session, Simulator
from liveavatar_nb.bridge.loop import bridge
from liveavatar_nb.errors import ConfigurationError, InvalidArgument, ViewError
from liveavatar_nb.widgets import page_requests, pages, recorder, recordings
from liveavatar_nb.widgets.page_requests import PageRequests
from liveavatar_nb.widgets.recorder import Recorder
from liveavatar_nb.widgets.recordings import PART_BYTES, ArrivingPictures, Recording

from ..waiting import wait_for
from .pages import Page, Wire, controller_of

Image = pytest.importorskip("PIL.Image")

WEBM = b"\x1a\x45\xdf\xa3"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The notebook's folder, empty."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


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
    with la.start("Silas") as session:
        yield session


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    return Wire(LiveView, monkeypatch)


@pytest.fixture
def view(la: LiveAvatar, session: Session, wire: Wire) -> Iterator[LiveView]:
    view = LiveView(la, session)
    yield view
    view.close()


@pytest.fixture
def tab(view: LiveView, wire: Wire) -> Page:
    """The page that shows the view."""
    tab = Page(view, wire, "tab-1")
    tab.say("ready")
    wait_for(lambda: heard(view))
    return tab


@pytest.fixture
def aside() -> Iterator[Callable[..., Future[Any]]]:
    """Calls something on another thread."""
    with ThreadPoolExecutor() as pool:
        yield pool.submit


def heard(view: LiveView) -> bool:
    """Whether a page was heard."""
    return bool(controller_of(view, PageRequests)._commands)


def recording_of(view: LiveView) -> Recording | None:
    """The newest recording of its page."""
    return controller_of(view, Recorder)._recording


def png(size: tuple[int, int] = (320, 180), *, keyed: bool = True) -> bytes:
    """A real picture; its left half is see-through where it is keyed."""
    picture = Image.effect_noise(size, 90).convert("RGBA" if keyed else "RGB")
    if keyed:
        picture.paste((0, 0, 0, 0), (0, 0, size[0] // 2, size[1]))
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def take(tab: Page, content: bytes, request: str, size: tuple[int, int] = (320, 180)) -> None:
    tab.send_parts("snapshot", content, 40_000, request=request, width=size[0], height=size[1], problem=None)


def part(tab: Page, request: str, at: int, content: bytes, *, is_last: bool = False, seconds: float = 1.0) -> None:
    data = base64.b64encode(content).decode()
    tab.say("recording", request=request, part=at, data=data, is_last=is_last, seconds=seconds, problem=None)


@pytest.mark.parametrize("keyed", [True, False])
def test_a_picture_that_python_asks_for_comes_back(
    view: LiveView, tab: Page, aside: Callable[..., Future[Any]], *, keyed: bool
) -> None:
    content = png((640, 360), keyed=keyed)
    waiting = aside(view.snapshot)
    take(tab, content, tab.hears("snapshot")["request"], (640, 360))
    picture = waiting.result(10)
    assert (picture.size, picture.mode) == ((640, 360), "RGBA" if keyed else "RGB")
    assert picture.tobytes() == Image.open(io.BytesIO(content)).tobytes()
    if keyed:
        assert picture.getpixel((10, 10))[3] == 0
    last = view.last_snapshot
    assert last is not None
    assert last.tobytes() == picture.tobytes()
    wait_for(lambda: view.saved)
    assert (view.saved["kind"], view.saved["path"]) == ("snapshot", None)
    assert len(content) > 2 * 40_000, "it came in several parts"


def test_a_picture_from_an_async_handler_on_the_loop(view: LiveView, tab: Page) -> None:
    async def handler() -> Any:
        return view.snapshot()

    waiting = bridge.submit(handler())
    take(tab, png(), tab.hears("snapshot")["request"])
    assert waiting.result(10).size == (320, 180)


def test_a_picture_waits_for_the_page(view: LiveView, wire: Wire, aside: Callable[..., Future[Any]]) -> None:
    waiting = aside(view.snapshot)
    bridge.call(asyncio.sleep(0.05))
    tab = Page(view, wire, "tab-1")
    assert not tab.heard("snapshot")
    tab.say("ready")
    take(tab, png(), tab.hears("snapshot")["request"])
    assert waiting.result(10).size == (320, 180)


def test_what_hinders_a_picture_is_said(
    view: LiveView, wire: Wire, session: Session, aside: Callable[..., Future[Any]]
) -> None:
    with pytest.raises(ViewError, match="No page that shows this view") as caught:
        view.snapshot(timeout=0.1)
    assert "Display the view" in caught.value.remedy
    tab = Page(view, wire, "tab-1")
    tab.say("ready")
    with pytest.raises(ViewError, match="did not respond within"):
        view.snapshot(timeout=0.2)
    waiting = aside(view.snapshot)
    request = tab.hears("snapshot", 2)["request"]
    tab.say("snapshot", request=request, width=0, height=0, part=0, parts=1, data="", problem="No video yet.")
    with pytest.raises(ViewError, match="No video yet"):
        waiting.result(10)
    assert not view.view_problem, "who asked was told"
    unusable: list[Any] = [0, -1, "soon", True]
    for timeout in unusable:
        with pytest.raises(InvalidArgument, match="seconds"):
            view.snapshot(timeout=timeout)
    session.stop()
    with pytest.raises(ViewError, match="No session is live"):
        view.snapshot()
    assert view.last_snapshot is None


def test_a_page_without_a_way_past_the_cell_is_not_waited_for(
    view: LiveView, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    tab = Page(view, wire, "tab-1", is_prompt=False)
    tab.say("ready")
    wait_for(lambda: heard(view))
    monkeypatch.setattr(page_requests, "is_shown", lambda: True)
    for call in (view.snapshot, view.record):
        with pytest.raises(ViewError, match="only when the cell has ended") as caught:
            call()
        assert "button" in caught.value.remedy
    assert not tab.heard("snapshot") + tab.heard("record")


def test_the_pages_own_button_writes_a_file_that_python_has_too(view: LiveView, tab: Page, folder: Path) -> None:
    content = png()
    for count in (1, 2):
        take(tab, content, "")
        wait_until_there_are(count, folder)
        wait_for(lambda: view.saved)
        written = Path(view.saved["path"])
        assert written.parent == folder
        assert written.suffix == ".png"
        assert written.name.startswith("avatar-20")
        with Image.open(written) as picture:
            assert picture.size == (320, 180)
    last = view.last_snapshot
    assert last is not None
    assert last.size == (320, 180)


def wait_until_there_are(count: int, folder: Path) -> None:
    wait_for(lambda: len(list(folder.iterdir())) == count)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"data": base64.b64encode(b"<svg>").decode()}, "not a picture"),
        ({"data": "no base64!"}, "not base64"),
        ({"data": base64.b64encode(bytes(PART_BYTES + 1)).decode()}, "larger than"),
        ({"data": base64.b64encode(png()[:9]).decode(), "parts": 10**6}, "larger than 48 MB"),
        ({"data": base64.b64encode(png()[:9]).decode(), "part": 1, "parts": 2}, "is incomplete"),
        ({"data": "", "problem": "The video is not there yet."}, "not there yet"),
    ],
)
def test_what_is_no_picture_is_told_in_the_view(
    view: LiveView, tab: Page, folder: Path, args: dict[str, Any], words: str
) -> None:
    tab.say("snapshot", **{"request": "", "width": 9, "height": 9, "part": 0, "parts": 1, "problem": None, **args})
    wait_for(lambda: view.view_problem)
    assert words in view.view_problem["detail"]
    assert not list(folder.iterdir())
    tab.say("dismiss_view")
    wait_for(lambda: view.view_problem is None)


def test_a_picture_that_pillow_cannot_read_is_said(
    view: LiveView, tab: Page, aside: Callable[..., Future[Any]]
) -> None:
    waiting = aside(view.snapshot)
    take(tab, png()[:300], tab.hears("snapshot")["request"])
    with pytest.raises(InvalidArgument, match="a picture that cannot be read"):
        waiting.result(10)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


@pytest.mark.parametrize("side", [9_600, 60_000])
def test_a_small_file_of_a_huge_picture_is_refused(side: int) -> None:
    head = struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)
    content = recordings.PNG + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")
    with pytest.raises(InvalidArgument):
        recordings.opened(content)


def test_without_pillow_the_error_says_what_to_install(view: LiveView, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "PIL":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ConfigurationError, match="Pillow") as caught:
        view.snapshot()
    assert caught.value.remedy == 'pip install "liveavatar-nb[media]"'


def test_pictures_of_several_pages_do_not_mix() -> None:
    pictures, content = ArrivingPictures(), png()
    halves = [base64.b64encode(one).decode() for one in (content[:500], content[500:])]
    for name in ("tab-1", "tab-2"):
        assert pictures.receive(name, "r", 0, 2, halves[0]) is None
    assert pictures.receive("tab-2", "r", 1, 2, halves[1]) == content
    for at in range(9):
        pictures.receive("tab-3", f"r-{at}", 0, 2, halves[0])
    with pytest.raises(InvalidArgument, match="complete"):
        pictures.receive("tab-1", "r", 1, 2, halves[1])


def video() -> bytes:
    """A real recording of a second, as a browser writes them: a live stream of WebM."""
    av = pytest.importorskip("av")
    file = io.BytesIO()
    with av.open(file, "w", format="webm", options={"live": "1"}) as container:
        stream = container.add_stream("libvpx", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 90, "yuv420p"
        for at in range(25):
            picture = Image.new("RGB", (160, 90), (at * 10, 0, 0))
            for packet in stream.encode(av.VideoFrame.from_image(picture)):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return file.getvalue()


def frames_in(path: Path) -> int:
    av = pytest.importorskip("av")
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def test_a_recording_that_python_begins_and_ends(
    view: LiveView, tab: Page, folder: Path, aside: Callable[..., Future[Any]]
) -> None:
    content = video()
    begun = aside(view.record, seconds=20, megabytes=10)
    told = tab.hears("record")
    assert (told["seconds"], told["bytes"]) == (20.0, 10 * 2**20)
    part(tab, told["request"], 0, content[:1000])
    begun.result(10)
    assert [one.suffix for one in folder.iterdir()] == [".part"]
    with pytest.raises(ViewError, match="already running"):
        view.record()
    ended = aside(view.stop_recording)
    assert tab.hears("record_stop")["request"] == told["request"]
    part(tab, told["request"], 1, content[1000:])
    part(tab, told["request"], 2, b"", is_last=True)
    path = ended.result(10)
    assert path.parent == folder
    assert path.name.startswith("avatar-20")
    assert path.read_bytes() == content
    assert frames_in(path) == 25
    assert list(folder.iterdir()) == [path]
    wait_for(lambda: view.saved)
    assert (view.saved["kind"], view.saved["path"], view.saved["bytes"]) == ("recording", str(path), len(content))
    assert view.stop_recording() == path, "the one that has ended"


def test_a_recording_that_is_begun_by_a_click(view: LiveView, tab: Page, folder: Path) -> None:
    part(tab, "mine", 0, WEBM + b"1")
    part(tab, "mine", 1, b"2", is_last=True)
    wait_for(lambda: view.saved)
    assert Path(view.saved["path"]).read_bytes() == WEBM + b"12"
    assert view.stop_recording() == Path(view.saved["path"])
    part(tab, "next", 0, WEBM + b"3", is_last=True)
    # nothing is written over
    wait_for(lambda: sorted(one.stat().st_size for one in folder.glob("*.webm")) == [5, 6])


def test_a_path_of_the_users_own(view: LiveView, tab: Page, folder: Path, aside: Callable[..., Future[Any]]) -> None:
    begun = aside(view.record, folder / "hello.webm")
    request = tab.hears("record")["request"]
    part(tab, request, 0, b"\0\0\0\x20ftypisom", is_last=True)
    begun.result(10)
    assert view.stop_recording() == folder / "hello.mp4", "its ending is of what the browser records"


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ("demo.v2", "demo.v2.webm"),
        ("demo", "demo.webm"),
        ("demo.WEBM", "demo.webm"),
        ("demo 25.11.2026", "demo 25.11.2026.webm"),
    ],
)
def test_a_name_keeps_what_is_no_ending(
    view: LiveView, tab: Page, folder: Path, aside: Callable[..., Future[Any]], *, given: str, named: str
) -> None:
    begun = aside(view.record, folder / given)
    part(tab, tab.hears("record")["request"], 0, WEBM)
    begun.result(10)
    assert [one.name for one in folder.iterdir()] == [f"{named}.part"]
    part(tab, tab.heard("record")[-1]["request"], 1, b"", is_last=True)
    assert view.stop_recording() == folder / named
    with pytest.raises(InvalidArgument, match="is not overwritten"):
        view.record(folder / given)


def test_a_slow_disk_holds_up_who_waits_for_the_file_and_nobody_else(
    view: LiveView, tab: Page, monkeypatch: pytest.MonkeyPatch, aside: Callable[..., Future[Any]]
) -> None:
    finish, go_on = Recording.finish, threading.Event()

    def slow(recording: Recording) -> Path | None:
        assert go_on.wait(10)
        return finish(recording)

    monkeypatch.setattr(Recording, "finish", slow)
    part(tab, "mine", 0, WEBM, is_last=True)
    wait_for(lambda: (recording := recording_of(view)) is not None and recording.is_over)
    waiting = aside(view.stop_recording)
    bridge.call(asyncio.sleep(0.05))
    assert not waiting.done()
    go_on.set()
    assert waiting.result(10).read_bytes() == WEBM


@pytest.mark.parametrize("made", ["hello.webm", "hello.mp4"])
def test_no_file_is_written_over(view: LiveView, tab: Page, folder: Path, made: str) -> None:
    (folder / made).write_text("mine")
    with pytest.raises(InvalidArgument, match="is not overwritten"):
        view.record("hello.webm")
    assert not tab.heard("record")
    assert (folder / made).read_text() == "mine"


def test_a_name_that_was_taken_meanwhile_gets_a_number(folder: Path) -> None:
    recording = Recording("tab-1", "r", folder / "hello.webm", 60, 2**20)
    recording.receive(0, base64.b64encode(WEBM).decode(), 1)
    (folder / "hello.webm").write_text("mine")
    assert recording.finish() == folder / "hello-2.webm"
    assert (folder / "hello.webm").read_text() == "mine"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"seconds": 0}, "seconds must be above 0"),
        ({"seconds": 10**9}, "at most 14400"),
        ({"megabytes": "many"}, "megabytes must be"),
        ({"megabytes": True}, "megabytes must be"),
        ({"path": "."}, "is a folder"),
        ({"path": "nowhere/hello.webm"}, "There is no folder"),
        ({"path": 3}, "path must be a str or a Path"),
        ({"path": "hello.txt"}, r"path must end in .webm or .mp4, not in '.txt'. Pass 'hello.webm'"),
        ({"path": "hello.Mov"}, "not in '.Mov'"),
        ({"path": "hello.mp3"}, "not in '.mp3'"),
    ],
)
def test_what_cannot_be_recorded_so_is_refused(view: LiveView, tab: Page, args: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidArgument, match=words):
        view.record(**args)
    assert not tab.heard("record")


def test_a_page_that_cannot_record_says_why(
    view: LiveView, tab: Page, folder: Path, aside: Callable[..., Future[Any]]
) -> None:
    begun = aside(view.record)
    request = tab.hears("record")["request"]
    tab.say("recording", request=request, part=0, data="", is_last=True, seconds=0, problem="This browser cannot.")
    with pytest.raises(ViewError, match="This browser cannot"):
        begun.result(10)
    with pytest.raises(ViewError, match="No recording was started"):
        view.stop_recording()
    assert not list(folder.iterdir())
    tab.say("recording", request="mine", part=0, data="", is_last=True, seconds=0, problem="No video.")
    wait_for(lambda: view.view_problem)
    assert "No video" in view.view_problem["detail"]


def test_the_limit_of_size_ends_a_recording_that_is_kept(
    view: LiveView, tab: Page, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "CLICKED_MEGABYTES", 0.001)
    part(tab, "mine", 0, WEBM + bytes(900))
    part(tab, "mine", 1, bytes(900))
    wait_for(lambda: view.saved)
    assert len(Path(view.saved["path"]).read_bytes()) == 904, "the part that went over it is left out"
    assert tab.hears("record_stop")["request"] == "mine"
    assert "0.001 MB." in view.view_problem["detail"]
    part(tab, "mine", 2, bytes(900), is_last=True)
    bridge.call(asyncio.sleep(0.05))
    assert len(list(folder.iterdir())) == 1


def test_the_limit_of_length_is_kept_here_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([100.0, 100.0, 100.0, 115.1, 115.1, 115.1])
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    recording = Recording("tab-1", "r", None, 10, 2**20)
    data = base64.b64encode(WEBM).decode()
    assert recording.receive(0, data, 1) is None
    assert recording.receive(1, data, 99) == "A recording may be at most 10 s long."
    monkeypatch.undo()
    assert recording.finish() is not None


def test_parts_that_are_missing_end_it_and_what_came_is_kept(view: LiveView, tab: Page) -> None:
    part(tab, "mine", 0, WEBM)
    part(tab, "mine", 2, b"late")
    wait_for(lambda: view.saved and view.view_problem)
    assert Path(view.saved["path"]).read_bytes() == WEBM
    assert "is incomplete" in view.view_problem["detail"]


def test_what_is_no_recording_leaves_no_file(view: LiveView, tab: Page, folder: Path) -> None:
    part(tab, "mine", 0, b"#!/bin/sh")
    wait_for(lambda: view.view_problem)
    assert "not a recording" in view.view_problem["detail"]
    part(tab, "../../x", 3, b"from the middle")
    assert tab.hears("record_stop", 2)["request"] == "../../x"
    assert not list(folder.iterdir())


def test_a_second_recording_is_refused_while_one_is_under_way(view: LiveView, wire: Wire, tab: Page) -> None:
    part(tab, "mine", 0, WEBM)
    wait_for(lambda: (recording := recording_of(view)) is not None and recording.has_begun)
    other = Page(view, wire, "tab-2")
    part(other, "theirs", 0, WEBM)
    assert other.hears("record_stop")["request"] == "theirs"
    part(other, "mine", 1, b"of another page")
    part(tab, "mine", 1, b"1", is_last=True)
    wait_for(lambda: view.saved)
    assert Path(view.saved["path"]).read_bytes() == WEBM + b"1"


def test_a_cancelled_recording_leaves_no_file(view: LiveView, tab: Page, folder: Path) -> None:
    part(tab, "mine", 0, WEBM)
    wait_for(lambda: list(folder.iterdir()))
    tab.say("cancel_recording", request="mine")
    wait_for(lambda: not list(folder.iterdir()))
    assert view.saved is None


def test_a_page_that_vanished_leaves_what_came_of_its_recording(
    view: LiveView, tab: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "SILENCE", 0.1)
    part(tab, "mine", 0, WEBM + b"1")
    wait_for(lambda: view.saved)
    assert Path(view.saved["path"]).read_bytes() == WEBM + b"1"


def test_a_page_that_comes_back_is_told_that_its_recording_was_ended(
    view: LiveView, tab: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "SILENCE", 0.1)
    part(tab, "mine", 0, WEBM)
    wait_for(lambda: view.saved)
    part(tab, "mine", 1, b"1")
    assert tab.hears("record_stop")["request"] == "mine"


def test_a_page_whose_absence_does_not_show_does_not_keep_others_from_recording(
    view: LiveView, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "SILENCE", 0.1)
    part(Page(view, wire, "tab-1", is_prompt=False), "theirs", 0, WEBM + b"1")
    wait_for(lambda: controller_of(view, Recorder)._silence.is_long)
    assert not view.saved, "a cell may hold it up"
    part(Page(view, wire, "tab-2", is_prompt=False), "mine", 0, WEBM + b"22", is_last=True)
    wait_for(lambda: view.saved and view.saved["bytes"] == 6)
    assert view.view_problem is None


def test_after_a_cancelled_recording_nobody_waits_for_its_page(
    view: LiveView, tab: Page, aside: Callable[..., Future[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "SILENCE", 0.3)
    part(tab, "mine", 0, WEBM)
    tab.say("cancel_recording", request="mine")
    wait_for(lambda: (recording := recording_of(view)) is not None and recording.is_over)
    begun = aside(view.record)
    request = tab.hears("record")["request"]
    bridge.call(asyncio.sleep(0.5))
    part(tab, request, 0, WEBM, is_last=True)
    begun.result(10)
    assert view.stop_recording().read_bytes() == WEBM


@pytest.mark.parametrize("wrong", [{"seconds": "many"}, {"seconds": None}, {"part": "first"}])
def test_a_part_of_wrong_types_is_the_beginning_of_nothing(view: LiveView, tab: Page, wrong: dict[str, Any]) -> None:
    whole = {"request": "mine", "part": 0, "data": "", "is_last": False, "seconds": 1.0, "problem": None}
    tab.say("recording", **(whole | wrong))
    part(tab, "next", 0, WEBM, is_last=True)
    wait_for(lambda: view.saved)


def test_a_recording_that_is_ended_while_a_slow_disk_takes_a_part_stays_ended(folder: Path) -> None:
    recording = Recording("tab-1", "r", None, 60, 2**20)
    recording.receive(0, base64.b64encode(WEBM).decode(), 1)
    file: Any = recording._file
    begun, go_on = threading.Event(), threading.Event()

    class SlowDisk:
        name = file.name
        close = file.close

        def write(self, content: bytes) -> None:
            begun.set()
            go_on.wait(5)
            file.write(content)

    recording._file = SlowDisk()  # type: ignore[assignment]
    writing = threading.Thread(target=recording.receive, args=[1, base64.b64encode(b"1").decode(), 1])
    writing.start()
    begun.wait(5)
    ending = threading.Thread(target=recording.finish)
    ending.start()
    go_on.set()
    for thread in (writing, ending):
        thread.join()
    assert recording.is_over
    assert recording.path is not None
    assert recording.path.read_bytes() == WEBM + b"1"


def test_a_page_that_does_not_end_a_recording_does_not_hold_it_up(view: LiveView, tab: Page) -> None:
    part(tab, "mine", 0, WEBM + b"1")
    wait_for(lambda: (recording := recording_of(view)) is not None and recording.has_begun)
    assert view.stop_recording(timeout=0.1).read_bytes() == WEBM + b"1"


def test_a_view_that_is_closed_ends_its_recording(la: LiveAvatar, session: Session, wire: Wire, folder: Path) -> None:
    view = LiveView(la, session)
    part(Page(view, wire, "tab-1"), "mine", 0, WEBM)
    wait_for(lambda: [one.suffix for one in folder.iterdir()] == [".part"])
    view.close()
    wait_for(lambda: [one.suffix for one in folder.iterdir()] == [".webm"])


def test_a_client_that_is_closed_ends_its_recordings(simulator: Simulator, wire: Wire, folder: Path) -> None:
    with LiveAvatar(simulator.api_key, api_url=simulator.url) as la:
        view = LiveView(la, la.start("Silas"))
        part(Page(view, wire, "tab-1"), "mine", 0, WEBM)
        wait_for(lambda: [one.suffix for one in folder.iterdir()] == [".part"])
    wait_for(lambda: [one.suffix for one in folder.iterdir()] == [".webm"])
    view.close()


def test_a_disk_that_takes_nothing_is_said(view: LiveView, tab: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(recordings, "_new", full)
    part(tab, "mine", 0, WEBM)
    wait_for(lambda: view.view_problem)
    assert "No space left on device" in view.view_problem["detail"]
    tab.say("dismiss_view")
    wait_for(lambda: view.view_problem is None)
    take(tab, png(), "")
    wait_for(lambda: view.view_problem)


def test_the_main_thread_may_wait_while_the_answer_comes(view: LiveView, tab: Page) -> None:
    answering = threading.Thread(target=lambda: take(tab, png(), tab.hears("snapshot")["request"]))
    answering.start()
    assert view.snapshot().size == (320, 180)
    answering.join()


def test_pillow_is_not_imported_with_the_widgets() -> None:
    code = "import sys, liveavatar_nb.widgets.view; print(sorted({'PIL', 'livekit', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
