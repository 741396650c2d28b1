"""`open_sound`: everything that can be given, when it comes out, how it ends, and what it says when it cannot."""

from __future__ import annotations

import asyncio
import io
import itertools
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from liveavatar_nb.audio import SAMPLE_BYTES, SAMPLE_RATE, Sound, open_sound
from liveavatar_nb.errors import AudioError, InvalidArgument

from . import signals
from .signals import pcm16, samples, wav
from .test_wav import Pipe

TONE = signals.sine(440, SAMPLE_RATE, 3.0)
RAW = pcm16(TONE).tobytes()
FILE = wav(RAW, SAMPLE_RATE)


def played(audio: Any, rate: float | None = None) -> bytes:
    return b"".join(open_sound(audio, rate).pcm())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "welcome.wav"
    path.write_bytes(FILE)
    return path


class Loop:
    """What runs an async iterator for a sound that is read on another thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()

    def pull(self, items: AsyncIterator[Any]) -> Any:
        async def step() -> Any:
            return await anext(items)

        return self._loop.run_until_complete(step())

    def close(self) -> None:
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()


def test_importing_it_imports_nothing_heavy() -> None:
    code = """
import sys
from liveavatar_nb.audio import SAMPLE_BYTES, SAMPLE_RATE, Sound, open_sound
from liveavatar_nb.errors import AudioError
try:
    open_sound(None, rate="fast")
except AudioError:
    pass
print(sorted({"av"} & set(sys.modules)), end="")
"""
    lazy = code.replace("try:", "print(sorted({'numpy', 'soxr', 'av'} & set(sys.modules)), end='')\ntry:")
    done = subprocess.run([sys.executable, "-c", lazy], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[][]"


class TestWhatIsAccepted:
    def test_paths(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(path.parent)
        monkeypatch.setenv("HOME", str(path.parent))
        for given_as in (path, str(path), "welcome.wav", "~/welcome.wav"):
            sound = open_sound(given_as)
            assert (sound.name, sound.seconds, repr(sound)) == ("welcome.wav", 3.0, "<Sound 'welcome.wav', 3.0 s>")
            assert b"".join(sound.pcm()) == RAW

    def test_bytes(self) -> None:
        for given_as in (FILE, bytearray(FILE), memoryview(FILE), memoryview(FILE[::-1])[::-1]):
            sound = open_sound(given_as)
            assert (sound.name, sound.seconds) == ("bytes", 3.0)
            assert b"".join(sound.pcm()) == RAW
        sound = open_sound(RAW, rate=SAMPLE_RATE)
        assert (sound.name, sound.seconds) == ("bytes", 3.0)
        assert b"".join(sound.pcm()) == RAW

    def test_file_objects(self, path: Path) -> None:
        with path.open("rb") as opened, path.open("rb", buffering=0) as bare:
            for given_as, name in ((opened, "welcome.wav"), (bare, "welcome.wav"), (io.BytesIO(FILE), "file")):
                sound = open_sound(given_as)
                assert (sound.name, sound.seconds) == (name, 3.0)
                assert b"".join(sound.pcm()) == RAW
                sound.close()
                assert not given_as.closed

    def test_a_pipe_of_raw_samples(self) -> None:
        code = f"import sys; sys.stdout.buffer.write(bytes.fromhex({RAW[:48_001].hex()!r}))"
        script = "import sys; exec(sys.stdin.read())"
        with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin is not None
            process.stdin.write(code.encode())
            process.stdin.close()
            sound = open_sound(process.stdout, rate=SAMPLE_RATE)
            assert sound.seconds is None
            assert b"".join(sound.pcm()) == RAW[:48_000]
            assert sound.notes == ["The file ends in the middle of a sample, which was dropped."]

    def test_streams(self) -> None:
        array = pcm16(TONE)
        streams: list[Any] = [
            iter([RAW]),
            [RAW[:1], RAW[1:2], b"", RAW[2:77_777], RAW[77_777:]],
            (RAW[at : at + 4_801] for at in range(0, len(RAW), 4_801)),
            map(bytearray, (RAW[:5], RAW[5:])),
            np.array_split(array, 7),
            iter([array[:100], RAW[200:1_000], array[500:600].tolist(), (array[600:], SAMPLE_RATE)]),
            iter([io.BytesIO(RAW[:1_000]), [RAW[1_000:2_000], RAW[2_000:]]]),
            (iter([RAW]), SAMPLE_RATE),
        ]
        for stream in streams:
            sound = open_sound(stream, rate=SAMPLE_RATE)
            assert (sound.name, sound.seconds) == ("stream", None)
            assert b"".join(sound.pcm()) == RAW

    def test_streams_of_files(self, path: Path) -> None:
        streams: list[Any] = [
            iter([path, str(path)]),
            [FILE, FILE],
            iter([FILE[:10], FILE[10:], FILE[:20_000], FILE[20_000:]]),
            iter([memoryview(FILE), io.BytesIO(FILE)]),
            iter([RAW, FILE]),
            (part for file in (FILE, FILE) for part in (file[:44], file[44:])),
        ]
        for stream in streams:
            assert played(stream, SAMPLE_RATE) == RAW + RAW

    def test_a_file_for_each_sentence_at_rates_of_their_own(self) -> None:
        files = [wav(pcm16(signals.sine(440, rate, 0.5)).tobytes(), rate) for rate in (16_000, 44_100)]
        assert played(iter(files)) == b"".join(map(played, files))

    def test_async_streams(self, loop: Loop) -> None:
        async def service() -> AsyncIterator[Any]:
            yield RAW[:999]
            await asyncio.sleep(0)
            yield RAW[999:]

        sound = open_sound(service(), SAMPLE_RATE, loop.pull)
        assert (sound.name, sound.seconds) == ("stream", None)
        assert b"".join(sound.pcm()) == RAW
        assert b"".join(open_sound((SAMPLE_RATE, service()), None, loop.pull).pcm()) == RAW


class TestWhatIsRefused:
    @pytest.mark.parametrize("address", ["http://127.0.0.1/a.wav", "https://example.com/a.mp3?key=secret"])
    def test_addresses(self, address: str) -> None:
        with pytest.raises(AudioError, match="Download the file first") as caught:
            open_sound(address)
        assert "secret" not in str(caught.value)

    def test_paths_without_sound(self, tmp_path: Path) -> None:
        (tmp_path / "empty.wav").touch()
        for given_as, words in (
            (tmp_path / "no.wav", r"There is no file '.*no.wav'"),
            (tmp_path, "is a folder"),
            (tmp_path / "empty.wav", "'.*empty.wav' is empty"),
            ("Hello, I am Silas", r"no file 'Hello, I am Silas'.*say\("),
            ("a\0b", "can't be opened"),
            ("x" * 5_000, "x{120}\\.\\.\\.' can't be opened"),
            ("~no-such-user/x.wav", "can't be opened"),
        ):
            with pytest.raises(AudioError, match=words):
                open_sound(given_as)

    def test_text_files(self, path: Path) -> None:
        with path.open(encoding="latin-1") as opened:
            for given_as in (opened, io.StringIO("RIFF")):
                with pytest.raises(AudioError, match="Open the file with mode 'rb'"):
                    open_sound(given_as)

    def test_what_reads_something_else(self) -> None:
        class Strange:
            def __init__(self, found: Any) -> None:
                self._found = found

            def read(self, size: int) -> Any:
                return self._found

        for found, words in (
            ("RIFF", "Open the file with mode 'rb'"),
            (None, "non-blocking mode"),
            (7, "returned int, not bytes"),
        ):
            with pytest.raises(AudioError, match=words):
                open_sound(Strange(found))

    def test_raw_samples_without_a_rate(self) -> None:
        for given_as in (RAW, iter([RAW]), io.BytesIO(RAW)):
            with pytest.raises(AudioError, match="rate=24000"):
                open_sound(given_as)

    def test_streams_without_sound(self) -> None:
        empty: list[Any] = [
            iter([]),
            [],
            [b"", b""],
            iter([np.zeros(0), []]),
            (b"" for _ in range(3)),
            (iter([]), 24_000),
        ]
        for stream in empty:
            with pytest.raises(AudioError, match="The stream contains no samples"):
                open_sound(stream, rate=SAMPLE_RATE)

    def test_an_async_stream_without_a_loop(self) -> None:
        async def service() -> AsyncIterator[bytes]:
            yield RAW

        with pytest.raises(AudioError, match="running event loop"):
            open_sound(service())

    def test_what_is_no_sound_at_all(self) -> None:
        async def coroutine() -> bytes:
            return RAW

        awaitable = coroutine()
        for given_as, words in (
            (None, "None is not audio. Pass a path"),
            (7, "An object of type int is not audio"),
            ({"array": TONE}, "An object of type dict is not audio"),
            ({1.0, 2.0}, "An object of type set is not audio"),
            (lambda: RAW, "Call the function and pass the result"),
            (awaitable, "Await it first"),
            (iter([None]), "None is not audio"),
            ((value for value in (0.1, 0.2)), "single numbers.*arrays"),
        ):
            with pytest.raises(AudioError, match=words) as caught:
                open_sound(given_as, rate=SAMPLE_RATE)
            assert isinstance(caught.value, InvalidArgument)
        awaitable.close()


class TestWhenItComes:
    def test_the_first_piece_comes_before_the_rest_is_asked_for(self) -> None:
        asked = 0

        def service() -> Iterator[bytes]:
            nonlocal asked
            for at in range(0, len(RAW), 4_800):
                asked += 1
                yield RAW[at : at + 4_800]

        pieces = open_sound(service(), rate=SAMPLE_RATE).pcm()
        assert asked == 1
        for count in (1, 2, 3):
            assert next(pieces) == RAW[(count - 1) * 4_800 : count * 4_800]
            assert asked == count
        pieces.close()

    def test_what_a_pipe_holds_is_not_waited_for(self) -> None:
        reading, writing = os.pipe()
        with os.fdopen(reading, "rb") as source, os.fdopen(writing, "wb", buffering=0) as sink:
            sink.write(FILE[:4_044])
            pieces = open_sound(source).pcm()
            got = b""
            while len(got) < 4_000:
                got += next(pieces)
            assert got == RAW[:4_000]
            sink.write(FILE[4_044:8_044])
            assert next(pieces) == RAW[4_000:8_000]
            pieces.close()

    def test_pieces_are_whole_samples_of_one_second_at_most(self) -> None:
        for rate in (1_000, 24_000, 44_100, 768_000):
            pieces = list(open_sound(np.zeros(3 * rate + 7), rate).pcm())
            assert all(0 < len(piece) <= SAMPLE_RATE * SAMPLE_BYTES and len(piece) % 2 == 0 for piece in pieces)

    def test_a_large_item_is_walked_in_slices(self) -> None:
        sizes = [len(piece) for piece in open_sound(iter([np.zeros(240_000), RAW * 3]), rate=SAMPLE_RATE).pcm()]
        assert max(sizes) == 48_000
        assert sum(sizes) == 480_000 + 3 * len(RAW)


class TestWhenItFails:
    def test_an_error_says_after_how_many_seconds(self) -> None:
        class Broken(Pipe):
            def read(self, size: int = -1) -> bytes:
                piece = super().read(size)
                if not piece:
                    raise ConnectionResetError("the other side went away")
                return piece

        pieces = open_sound(Broken(RAW[:72_000], at_once=24_000), rate=SAMPLE_RATE).pcm()
        assert b"".join(itertools.islice(pieces, 3)) == RAW[:72_000]
        with pytest.raises(AudioError, match=r"After 1.5 s of sound: The file can't be read: the other") as caught:
            next(pieces)
        assert isinstance(caught.value.__cause__, ConnectionResetError)

    def test_an_item_that_is_no_sound_says_so_and_when(self) -> None:
        with pytest.raises(AudioError, match=r"After 0.5 s of sound: None is not audio"):
            list(open_sound(iter([pcm16(TONE[:12_000]), None]), rate=SAMPLE_RATE).pcm())

    @pytest.mark.parametrize("failure", [KeyError("mine"), AudioError("mine"), ValueError("mine")])
    @pytest.mark.parametrize(
        "first", [RAW[:4_800], FILE[:4_800], signals.encoded(TONE, 24_000, "flac", "flac")[:4_800]]
    )
    def test_what_a_generator_raises_passes_unchanged(self, failure: Exception, first: bytes) -> None:
        def service() -> Iterator[bytes]:
            yield first
            raise failure

        with pytest.raises(type(failure)) as caught:
            list(open_sound(service(), rate=SAMPLE_RATE).pcm())
        assert caught.value is failure
        assert str(caught.value) == str(type(failure)("mine"))

    def test_what_an_async_generator_raises_passes_unchanged(self, loop: Loop) -> None:
        failure = RuntimeError("mine")

        async def service() -> AsyncIterator[bytes]:
            yield RAW[:4_800]
            raise failure

        with pytest.raises(RuntimeError) as caught:
            list(open_sound(service(), SAMPLE_RATE, loop.pull).pcm())
        assert caught.value is failure


class TestClosing:
    def test_a_generator_is_closed_with_it(self) -> None:
        for read in (0, 1):
            closed: list[bool] = []

            def service(closed: list[bool] = closed) -> Iterator[bytes]:
                try:
                    while True:
                        yield RAW[:4_800]
                finally:
                    closed.append(True)

            sound = open_sound(service(), rate=SAMPLE_RATE)
            pieces = sound.pcm()
            for _ in range(read):
                next(pieces)
            assert not closed
            sound.close()
            sound.close()
            assert closed == [True]
            assert list(pieces) == []

    def test_what_cannot_be_opened_leaves_nothing_open(self, tmp_path: Path) -> None:
        closed = []

        def service() -> Iterator[Any]:
            try:
                yield None
            finally:
                closed.append(True)

        with pytest.raises(AudioError):
            open_sound(service())
        assert closed == [True]

    def test_leaving_the_loop_over_its_pieces_closes_it(self, path: Path) -> None:
        sound = open_sound(path)
        for _ in sound.pcm():
            break
        assert list(sound.pcm()) == []

    def test_it_can_be_closed_while_another_thread_waits_for_its_input(self) -> None:
        waits, go_on, closed = threading.Event(), threading.Event(), threading.Event()

        def service() -> Iterator[bytes]:
            try:
                yield RAW[:4_800]
                waits.set()
                go_on.wait()
                yield RAW[:4_800]
            finally:
                closed.set()

        sound: Sound = open_sound(service(), rate=SAMPLE_RATE)
        got: list[bytes] = []
        reader = threading.Thread(target=lambda: got.extend(sound.pcm()))
        reader.start()
        waits.wait()
        sound.close()
        assert not closed.is_set()
        go_on.set()
        reader.join()
        assert closed.is_set()
        assert len(got) <= 2

    def test_a_file_of_the_callers_stays_open(self, path: Path) -> None:
        with path.open("rb") as opened:
            sound = open_sound(iter([opened]))
            sound.close()
            assert not opened.closed

    def test_the_samples_are_what_came_in(self) -> None:
        assert np.array_equal(samples(open_sound(FILE).pcm()), pcm16(TONE) / 32768)


class TestWhatLibrariesWrapASoundIn:
    def test_an_http_response_that_was_read(self) -> None:
        assert played(httpx.Response(200, content=FILE)) == RAW
        with pytest.raises(AudioError, match="byte stream"):
            open_sound(httpx.Response(200, stream=httpx.ByteStream(FILE)))

    def test_a_row_of_a_data_set(self) -> None:
        row = {"path": "x.flac", "array": TONE, "sampling_rate": SAMPLE_RATE}
        assert played(row) == played(TONE, SAMPLE_RATE)
