"""What `Talk` has on offer: the sounds given, those of the folder, those dropped, and their limits."""

from __future__ import annotations

import base64
import io
import os
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from liveavatar_nb.audio import open_sound
from liveavatar_nb.errors import AudioError, InvalidArgument
from liveavatar_nb.widgets import sounds as module
from liveavatar_nb.widgets.sounds import PART_BYTES, Sounds, endings


def wav(seconds: float = 1.0) -> bytes:
    """A WAV file of silence, mono, 24 kHz."""
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(24_000)
        file.writeframes(bytes(2 * round(seconds * 24_000)))
    return written.getvalue()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The notebook's folder, empty."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def offered(sounds: Sounds) -> list[tuple[str, str]]:
    return [(offer.origin, offer.name) for offer in sounds]


def drop(sounds: Sounds, content: bytes, name: str = "hello.wav", upload: str = "u-1") -> list[bool]:
    """Sends a file as a page does; what each part was answered."""
    pieces = [content[at : at + PART_BYTES] for at in range(0, len(content), PART_BYTES)]
    return [
        sounds.receive(upload, name, part, len(pieces), base64.b64encode(piece).decode())
        for part, piece in enumerate(pieces)
    ]


def test_a_tone_is_always_there_and_can_be_heard() -> None:
    (tone,) = Sounds()
    assert tone.name == "Test tone"
    sound = open_sound(tone.audio, tone.rate)
    samples = memoryview(b"".join(sound.pcm())).cast("h")
    assert len(samples) == 2 * 24_000
    assert 6000 < max(samples) < 9000
    assert abs(samples[0]) < 10
    assert abs(samples[-1]) < 500


def test_sounds_that_are_given_come_first_with_name_and_length(folder: Path) -> None:
    (folder / "welcome.wav").write_bytes(wav(2.5))
    sounds = Sounds(["welcome.wav", wav(1.0), (bytes(4800), 24_000)])
    first, second, third, tone = sounds
    assert (first.name, first.seconds) == ("welcome.wav", 2.5)
    assert first.audio == folder / "welcome.wav", "wherever the notebook goes from here"
    assert second.seconds == pytest.approx(1.0)
    assert third.seconds == pytest.approx(0.1)
    assert tone.origin == "tone"
    assert [offer.name for offer in Sounds({"Greeting": wav()})] == ["Greeting", "Test tone"]


@pytest.mark.parametrize("given", [["no_such.wav"], [b"no sound at all"], ["https://example.org/a.wav"]])
def test_a_sound_that_is_given_and_cannot_be_read_is_refused_in_the_cell(given: list[Any]) -> None:
    with pytest.raises(AudioError):
        Sounds(given)


@pytest.mark.parametrize("make", [lambda: iter([wav()]), lambda: (part for part in [wav()]), lambda: io.BytesIO(wav())])
def test_a_sound_that_can_be_read_only_once_is_not_offered(make: Callable[[], Any]) -> None:
    with pytest.raises(InvalidArgument, match="only once"):
        Sounds([make()])
    with pytest.raises(InvalidArgument, match="list"):
        Sounds("welcome.wav")


def test_the_folders_newest_sounds_are_on_offer_and_looked_at_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FOLDER_LIMIT", 3)
    for age, name in enumerate(["d.wav", "c.wav", "b.wav", "a.wav"]):
        (folder / name).write_bytes(wav(1 + age))
        os.utime(folder / name, (1_000_000 + age, 1_000_000 + age))
    for name in ("notes.txt", ".hidden.wav"):
        (folder / name).write_bytes(wav())
    (folder / "folder.wav").mkdir()
    sounds = Sounds()
    assert offered(sounds) == [("tone", "Test tone")]
    sounds.look()
    assert offered(sounds) == [*(("folder", name) for name in ("a.wav", "b.wav", "c.wav")), ("tone", "Test tone")]
    kept = {offer.name: offer.id for offer in sounds}
    (folder / "a.wav").unlink()
    (folder / "b.wav").write_bytes(wav(9))
    sounds.look()
    again = {offer.name: offer for offer in sounds}
    assert set(again) == {"b.wav", "c.wav", "d.wav", "Test tone"}
    assert again["c.wav"].id == kept["c.wav"]
    assert again["b.wav"].seconds == 9


def test_a_file_of_the_folder_that_is_no_sound_is_listed_without_a_length(folder: Path) -> None:
    (folder / "broken.wav").write_bytes(b"RIFF")
    sounds = Sounds()
    sounds.look()
    first = next(iter(sounds))
    assert (first.name, first.seconds) == ("broken.wav", None)


def test_a_folder_that_is_gone_has_no_sounds(folder: Path) -> None:
    gone = folder / "gone"
    gone.mkdir()
    os.chdir(gone)
    gone.rmdir()
    sounds = Sounds()
    sounds.look()
    assert offered(sounds) == [("tone", "Test tone")]


def test_a_sound_that_is_given_is_not_listed_twice(folder: Path) -> None:
    (folder / "welcome.wav").write_bytes(wav())
    sounds = Sounds(["welcome.wav"])
    sounds.look()
    assert offered(sounds) == [("given", "welcome.wav"), ("tone", "Test tone")]


def test_without_pyav_only_wav_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ".mp3" in endings()
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert endings() == (".wav",)


def test_a_dropped_file_arrives_in_parts_and_is_whole() -> None:
    sounds, content = Sounds(), wav(20)
    assert drop(sounds, content, r"C:\Users\me\talk.wav") == [False, False, True]
    dropped = next(iter(sounds))
    assert (dropped.origin, dropped.name, dropped.seconds, dropped.audio) == ("dropped", "talk.wav", 20, content)
    sounds.remove(dropped.id)
    assert offered(sounds) == [("tone", "Test tone")]
    with pytest.raises(InvalidArgument, match="no longer available"):
        sounds.find(dropped.id)


def test_what_is_no_sound_is_refused_by_its_first_part() -> None:
    sounds = Sounds()
    page = b"<!DOCTYPE html>" + bytes(2 * PART_BYTES)
    with pytest.raises(AudioError, match=r"page\.html was not added.*web page") as refused:
        drop(sounds, page, "page.html")
    assert "WAV" in refused.value.remedy
    # the part that was on its way by then
    assert not sounds.receive("u-1", "page.html", 1, 3, base64.b64encode(bytes(8)).decode())
    assert offered(sounds) == [("tone", "Test tone")]


@pytest.mark.parametrize(
    ("parts", "data"),
    [
        ([(0, 10_000)], "AAAA"),
        ([(0, 3), (2, 3)], None),
        ([(0, 3), (1, 4)], None),
        ([(0, 1)], "no base64!"),
        ([(0, 1)], ""),
        ([(0, 1)], base64.b64encode(wav(9)).decode()),
    ],
)
def test_a_file_that_is_too_large_or_does_not_arrive_whole_is_refused_and_forgotten(
    parts: list[tuple[int, int]], data: str | None
) -> None:
    sounds = Sounds()
    told = base64.b64encode(wav()).decode() if data is None else data
    for part, count in parts[:-1]:
        assert not sounds.receive("u", "x.wav", part, count, told)
    with pytest.raises((InvalidArgument, AudioError), match=r"x\.wav") as refused:
        sounds.receive("u", "x.wav", *parts[-1], told)
    assert refused.value.remedy
    assert offered(sounds) == [("tone", "Test tone")]
    assert drop(sounds, wav(), "x.wav", "u") == [True], "it can be added again"


@pytest.mark.parametrize(("part", "parts"), [(1, 3), (-1, 3), (1, 0)])
def test_a_part_of_nothing_that_is_known_adds_nothing(part: int, parts: int) -> None:
    sounds = Sounds()
    assert not sounds.receive("u", "x.wav", part, parts, "AAAA")
    assert offered(sounds) == [("tone", "Test tone")]


def test_all_dropped_sounds_have_a_limit_that_a_removal_lifts(monkeypatch: pytest.MonkeyPatch) -> None:
    content = wav()
    monkeypatch.setattr(module, "ALL_DROPPED_LIMIT", 2 * len(content))
    sounds = Sounds()
    drop(sounds, content, "a.wav", "u-1")
    drop(sounds, content, "b.wav", "u-2")
    with pytest.raises(InvalidArgument, match=r"no room for c\.wav") as refused:
        drop(sounds, content, "c.wav", "u-3")
    assert "Remove one" in refused.value.remedy
    sounds.remove(next(iter(sounds)).id)
    assert drop(sounds, content, "c.wav", "u-4") == [True]


def test_an_upload_that_was_left_in_the_middle_holds_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ALL_DROPPED_LIMIT", 100_000)
    sounds, content = Sounds(), wav()
    half = base64.b64encode(content[:40_000]).decode()
    for upload in ("u-1", "u-2"):
        assert not sounds.receive(upload, "half.wav", 0, 2, half)
    with pytest.raises(InvalidArgument, match="no room"):
        drop(sounds, content, "whole.wav", "u-3")
    monkeypatch.setattr(module, "UPLOAD_PATIENCE", 0.0)
    assert drop(sounds, content, "whole.wav", "u-4") == [True]


def test_an_upload_that_goes_on_after_a_long_pause_is_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "UPLOAD_PATIENCE", 0.0)
    content = wav(20)
    assert drop(Sounds(), content) == [False, False, True]
