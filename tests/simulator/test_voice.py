"""Words become sound."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import numpy as np
import psutil
import pytest

from liveavatar_nb.simulator.account.languages import LANGUAGES
from liveavatar_nb.simulator.session import voice
from liveavatar_nb.simulator.session.speech import BYTES_A_SECOND
from liveavatar_nb.simulator.session.voice import CHARACTERS_A_SECOND, MOST_KEPT, Voice, babble
from tests.conftest import missing
from tests.waiting import until

SENTENCE = "Hello, this is the desk of the museum. How can I help?"


def seconds(pcm: bytes) -> float:
    assert len(pcm) % 2 == 0
    return len(pcm) / BYTES_A_SECOND


def samples(pcm: bytes) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.frombuffer(pcm, "<i2").astype(np.float64)


def loudness(pcm: bytes) -> float:
    return float(np.sqrt(np.mean(samples(pcm) ** 2)))


class StandIn:
    """A script that is found as espeak-ng, and what it writes down."""

    def __init__(self, folder: Path) -> None:
        self._program, self.notes = folder / "espeak-ng", folder / "notes"
        self._program.touch(mode=0o755)

    def write(self, *lines: str) -> None:
        self._program.write_text("\n".join(["#!/bin/sh", *lines]) + "\n")

    def noted(self) -> list[str]:
        return self.notes.read_text().split() if self.notes.exists() else []


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    monkeypatch.setattr(voice, "_kept", voice._Kept())
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return StandIn(tmp_path)


@pytest.fixture
def espeak(monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("espeak-ng") is None:
        missing("espeak-ng", "install Debian's package of that name")
    monkeypatch.setattr(voice, "_kept", voice._Kept())


@pytest.mark.parametrize("gender", ["female", "male", ""])
@pytest.mark.parametrize("text", [SENTENCE, "a", "!?", "1234 567", "日本語です。", "x" * 500, "word " * 100])
def test_a_babble_is_as_long_as_its_text_and_as_loud_as_speech(text: str, gender: str) -> None:
    sound = babble(text, gender)
    assert seconds(sound) == pytest.approx(len(text) / CHARACTERS_A_SECOND, abs=0.001)
    assert 300 < loudness(sound) < 6_000
    assert np.abs(samples(sound)).max() <= 6_000
    assert babble(text, gender) == sound


def test_a_babble_rests_at_a_full_stop_and_differs_by_word_and_voice() -> None:
    sound = samples(babble("Yes. No.", "female"))
    silent = np.flatnonzero(np.convolve(np.abs(sound), np.ones(1_200), "valid") == 0)
    assert len(silent), "no rest of 50 ms"
    assert babble("Good day", "female") != babble("Good bye", "female")
    assert babble("Good day", "female") != babble("Good day", "male")


def test_pauses_of_a_babble_come_from_its_stops() -> None:
    flowing, halting = (samples(babble(text, "male")) for text in ("one two three four", "one, two. three. four."))
    assert np.mean(flowing == 0) < np.mean(halting == 0)


@pytest.mark.parametrize("language", [*LANGUAGES, "de-AT", "xx", "", "-w/tmp/x"])
async def test_every_language_has_words(language: str, espeak: None) -> None:
    for gender in ("female", "male", "other"):
        words = await Voice(language, gender)._words("Hello 123.")
        assert words is not None
        assert 0.2 < seconds(words) < 10
        assert 500 < loudness(words) < 12_000


async def test_a_voice_speaks_its_language_and_gender(espeak: None) -> None:
    said = {await Voice(language, gender).speak(SENTENCE) for language in ("en", "de") for gender in ("female", "male")}
    assert len(said) == 4


async def test_a_long_text_is_said_while_other_tasks_go_on(espeak: None) -> None:
    going_on = 0

    async def count() -> None:
        nonlocal going_on
        while True:
            await asyncio.sleep(0.001)
            going_on += 1

    counting = asyncio.create_task(count())
    assert seconds(await Voice("en", "male").speak("word and more, " * 1_000)) > 100
    counting.cancel()
    assert going_on > 10


async def test_a_text_is_made_once(program: StandIn) -> None:
    program.write(f"echo called >> {program.notes}", "cat > /dev/null")
    first = await Voice("en", "female").speak("Once")
    assert await Voice("en", "female").speak("Once") == first
    assert program.noted() == ["called"]
    await Voice("en", "male").speak("Once")
    await Voice("de", "female").speak("Once")
    assert program.noted() == ["called"] * 3


def test_only_so_much_sound_is_kept() -> None:
    kept = voice._Kept()
    half = bytes(MOST_KEPT // 2)
    for text in ("a", "b", "b", "c"):
        kept.put(("en", "", text), half)
        kept.get(("en", "", "b"))
    assert [kept.get(("en", "", text)) is None for text in "abc"] == [True, False, False]
    kept.put(("en", "", "long"), bytes(MOST_KEPT + 2))
    assert all(kept.get(("en", "", text)) is None for text in ("b", "c", "long"))


@pytest.mark.parametrize(
    "script",
    [
        "cat > /dev/null",
        "cat > /dev/null; exit 1",
        "cat > /dev/null; echo RIFF no sound",
        "exec 0<&-; exit 1",
    ],
)
async def test_a_program_that_gives_nothing_leaves_the_babble(program: StandIn, script: str) -> None:
    program.write(script)
    assert await Voice("en", "male").speak(SENTENCE) == babble(SENTENCE, "male")


async def test_what_is_no_program_leaves_the_babble(program: StandIn) -> None:
    assert await Voice("en", "male").speak(SENTENCE) == babble(SENTENCE, "male")  # an empty file cannot be run


async def test_without_the_program_there_is_the_babble(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(voice, "_kept", voice._Kept())
    monkeypatch.setenv("PATH", str(tmp_path))
    assert await Voice("en", "").speak(SENTENCE) == babble(SENTENCE, "")


async def test_a_program_that_is_stuck_is_ended(program: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voice, "SYNTHESIS_LIMIT", 0.2)
    program.write("exec sleep 1000")
    assert await Voice("en", "male").speak(SENTENCE) == babble(SENTENCE, "male")


async def test_who_gives_up_ends_the_program(program: StandIn) -> None:
    program.write(f"echo $$ > {program.notes}", "exec sleep 1000")
    speaking = asyncio.create_task(Voice("en", "male").speak("Gone"))
    await until(program.noted)
    speaking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await speaking
    (pid,) = program.noted()
    assert not psutil.pid_exists(int(pid))
