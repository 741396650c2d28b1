"""`Talk` without a page: what it does with sounds, texts and interruptions, and what it shows of them."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from liveavatar_nb import LiveAvatar, Simulator, Studio, Talk
from liveavatar_nb.errors import AudioError, InvalidArgument
from liveavatar_nb.session.session import AsyncSession

from ..waiting import wait_for
from .pages import command, messages_of
from .test_sounds import wav


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The notebook's folder, empty."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def shared() -> Iterator[Simulator]:
    """One for all tests of this module; a second of sound takes 0.2 s."""
    with Simulator(connect_delay=0.01, history=False, credits=10_000, speed=5, rate_limit=None) as running:
        yield running


@pytest.fixture
def simulator(shared: Simulator) -> Iterator[Simulator]:
    yield shared
    shared.faults.clear()
    assert not shared.billed()


def voice(text: str) -> Any:
    """A text-to-speech of 0.1 s a letter."""
    if text == "fail":
        raise LookupError("no such voice")
    return bytes(4800 * len(text)), 24_000


@pytest.fixture
def la(simulator: Simulator) -> Iterator[LiveAvatar]:
    with LiveAvatar(simulator.api_key, api_url=simulator.url, tts=voice) as client:
        yield client


@pytest.fixture
def talk(la: LiveAvatar) -> Iterator[Talk]:
    """A talk whose session is live."""
    with la.start("Silas"):
        talk = Talk(la, sounds={"long": (bytes(48_000 * 20), 24_000), "short": (bytes(24_000), 24_000)})
        wait_for(lambda: talk.status and talk.status["agent_state"] == "idle")
        yield talk
        talk.close()


def sound(talk: Talk, name: str) -> str:
    found: str = next(one["id"] for one in talk.sounds if one["name"] == name)
    return found


def states(talk: Talk) -> list[tuple[str, str]]:
    return [(one["name"], one["state"]) for one in talk.speech]


def test_a_click_on_play_is_heard_at_the_service_and_shown(talk: Talk, simulator: Simulator) -> None:
    before = len(simulator.heard())
    command(talk, "play", sound=sound(talk, "short"))
    wait_for(lambda: states(talk) == [("short", "talking")])
    assert talk.status["agent_state"] == "talking"
    (shown,) = talk.speech
    assert (shown["sound"], shown["total"]) == (sound(talk, "short"), 0.5)
    wait_for(lambda: states(talk) == [("short", "ended")])
    wait_for(lambda: talk.status["agent_state"] == "idle")
    assert len(simulator.heard()) == before + 1
    assert talk.talk_problem is None


def test_what_waits_is_shown_in_the_order_of_the_clicks(talk: Talk) -> None:
    for name in ("long", "short", "Test tone"):
        command(talk, "play", sound=sound(talk, name))
    wait_for(lambda: [state for _, state in states(talk)] == ["talking", "queued", "queued"])
    assert [name for name, _ in states(talk)] == ["long", "short", "Test tone"]
    command(talk, "interrupt")
    wait_for(lambda: [state for _, state in states(talk)] == ["interrupted"] * 3)
    wait_for(lambda: talk.status["agent_state"] == "idle")


def test_an_interruption_ends_a_sound_that_is_still_being_opened(
    talk: Talk, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len(simulator.heard())
    opened, may_go_on = threading.Event(), threading.Event()
    play = AsyncSession.play

    async def slow(self: AsyncSession, *args: Any, **options: Any) -> Any:
        opened.set()
        while not may_go_on.is_set():  # noqa: ASYNC110 (set by the test's thread)
            await asyncio.sleep(0.01)
        return await play(self, *args, **options)

    monkeypatch.setattr(AsyncSession, "play", slow)
    command(talk, "play", sound=sound(talk, "short"))
    command(talk, "play", sound=sound(talk, "long"))
    assert opened.wait(5)
    command(talk, "interrupt")
    may_go_on.set()
    command(talk, "play", sound=sound(talk, "Test tone"))
    wait_for(lambda: states(talk) == [("Test tone", "ended")])
    assert len(simulator.heard()) == before + 1


def test_say_speaks_by_the_clients_own_voice_with_caption_and_transcript(talk: Talk) -> None:
    assert talk.can_say
    command(talk, "say", text="  Good morning everybody  ")
    wait_for(lambda: talk.status["caption"] == "Good morning everybody")
    line = {"role": "avatar", "text": "Good morning everybody", "partial": False}
    wait_for(lambda: talk.transcript == [line])
    wait_for(lambda: [one["state"] for one in talk.speech] == ["ended"])
    wait_for(lambda: talk.status["caption"] is None)


@pytest.mark.parametrize(
    ("name", "args", "words"),
    [
        ("say", {"text": " "}, "1 to 2000 characters"),
        ("say", {"text": "x" * 2001}, "1 to 2000 characters"),
        ("say", {"text": "fail"}, "no such voice"),
        ("play", {"sound": "no such"}, "no longer available"),
        ("no_such", {}, "does not support: no_such"),
    ],
)
def test_what_cannot_be_said_is_told_in_words(talk: Talk, name: str, args: dict[str, Any], words: str) -> None:
    command(talk, name, **args)
    wait_for(lambda: talk.talk_problem)
    assert words in talk.talk_problem["detail"]
    command(talk, "dismiss_talk")
    wait_for(lambda: talk.talk_problem is None)
    assert talk.speech == []


def test_a_sound_of_the_folder_that_cannot_be_read_is_told_with_what_to_do(talk: Talk, folder: Path) -> None:
    (folder / "page.wav").write_bytes(b"<!DOCTYPE html><p>not found")
    command(talk, "sounds")
    wait_for(lambda: "page.wav" in [one["name"] for one in talk.sounds])
    command(talk, "play", sound=sound(talk, "page.wav"))
    wait_for(lambda: talk.talk_problem)
    assert talk.talk_problem["kind"] == AudioError.__name__
    assert "web page" in talk.talk_problem["detail"]
    assert talk.talk_problem["remedy"]


def test_an_utterance_that_failed_says_why(talk: Talk, simulator: Simulator) -> None:
    command(talk, "play", sound=sound(talk, "long"))
    wait_for(lambda: states(talk) == [("long", "talking")])
    simulator.faults.add("socket", "close")
    wait_for(lambda: states(talk) == [("long", "failed")])
    problem = talk.speech[0]["problem"]
    assert problem["kind"] == "UtteranceFailed"
    assert problem["detail"]


def test_what_was_amiss_with_a_sound_is_shown(la: LiveAvatar) -> None:
    loud = np.full(12_000, 1.5, dtype=np.float32)
    with la.start("Silas"):
        talk = Talk(la, sounds={"loud": (loud, 24_000)})
        wait_for(lambda: talk.status and talk.status["agent_state"] == "idle")
        command(talk, "play", sound=sound(talk, "loud"))
        wait_for(lambda: states(talk) == [("loud", "ended")])
        assert "clipped" in talk.speech[0]["notes"][0]
        talk.close()


def test_the_listening_pose(talk: Talk) -> None:
    command(talk, "listen")
    wait_for(lambda: talk.status["agent_state"] == "listening")
    command(talk, "stop_listening")
    wait_for(lambda: talk.status["agent_state"] == "idle")


def test_python_tells_of_changes_and_not_of_time(talk: Talk) -> None:
    written: list[Any] = []
    talk.observe(lambda change: written.append([one | {"played": 0} for one in change.new]), "speech")
    command(talk, "play", sound=sound(talk, "short"))
    wait_for(lambda: states(talk) == [("short", "ended")] and written)
    assert [one for at, one in enumerate(written) if one in written[:at]] == []


def test_a_view_that_connects_hears_how_far_it_is(talk: Talk) -> None:
    command(talk, "play", sound=sound(talk, "long"))
    wait_for(lambda: states(talk) == [("long", "talking")])
    before = talk.speech[0]["played"]
    time.sleep(0.1)
    command(talk, "ready")
    wait_for(lambda: talk.speech[0]["played"] > before)
    command(talk, "interrupt")
    wait_for(lambda: states(talk) == [("long", "interrupted")])


def test_a_dropped_file_is_played(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    told = messages_of(talk, monkeypatch, "upload")
    data = base64.b64encode(wav(0.5)).decode()
    command(talk, "add_sound", upload="u-1", name="hello.wav", part=0, parts=1, data=data)
    wait_for(lambda: told == [{"type": "upload", "upload": "u-1"}])
    wait_for(lambda: "hello.wav" in [one["name"] for one in talk.sounds])
    command(talk, "play", sound=sound(talk, "hello.wav"))
    wait_for(lambda: states(talk) == [("hello.wav", "ended")])
    command(talk, "remove_sound", sound=sound(talk, "hello.wav"))
    wait_for(lambda: "hello.wav" not in [one["name"] for one in talk.sounds])


def test_a_dropped_file_that_is_no_sound_ends_its_upload_with_a_note(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = messages_of(talk, monkeypatch, "upload")
    data = base64.b64encode(b"%PDF-1.7 not a sound").decode()
    command(talk, "add_sound", upload="u-1", name="slides.pdf", part=0, parts=9, data=data)
    wait_for(lambda: told)
    wait_for(lambda: talk.talk_problem)
    assert "slides.pdf was not added" in talk.talk_problem["detail"]
    command(talk, "cancel_upload", upload="u-2")


def test_without_a_session_nothing_is_played_and_the_sounds_are_there(la: LiveAvatar, folder: Path) -> None:
    (folder / "a.wav").write_bytes(wav())
    talk = Talk(la)
    wait_for(lambda: [one["name"] for one in talk.sounds] == ["a.wav", "Test tone"])
    assert not talk.status
    assert talk.speech == talk.transcript == []
    for name, args in (("play", {"sound": "tone"}), ("listen", {}), ("say", {"text": "hello"})):
        command(talk, name, **args)
        wait_for(lambda: talk.talk_problem)
        assert "No session is live" in talk.talk_problem["detail"]
        command(talk, "interrupt")
        wait_for(lambda: talk.talk_problem is None)
    talk.close()


def test_without_a_voice_there_is_nothing_to_say_by(simulator: Simulator) -> None:
    with LiveAvatar(simulator.api_key, api_url=simulator.url) as la:
        talk = Talk(la)
        assert not talk.can_say
        talk.close()


def test_the_studio_offers_sounds_and_interrupts_by_its_panel(la: LiveAvatar, folder: Path) -> None:
    (folder / "welcome.wav").write_bytes(wav(20))
    studio: Any = la.studio(sounds=["welcome.wav"])
    assert isinstance(studio, Studio)
    wait_for(lambda: studio.catalogue["state"] == "ready" and studio.value and studio.credits)
    assert [one["origin"] for one in studio.sounds] == ["given", "tone"]
    command(studio, "start")
    wait_for(lambda: studio.status and studio.status["agent_state"] == "idle")
    command(studio, "play", sound=studio.sounds[0]["id"])
    wait_for(lambda: studio.status["agent_state"] == "talking")
    command(studio, "interrupt")
    wait_for(lambda: studio.status["agent_state"] == "idle")
    assert not studio.problem
    command(studio, "stop")
    wait_for(lambda: studio.status["state"] == "ended")
    assert not studio.status["agent_state"]
    studio.close()


def test_sounds_that_cannot_be_read_are_refused_before_a_widget_is_made(la: LiveAvatar) -> None:
    with pytest.raises(AudioError, match="no_such"):
        la.studio(sounds=["no_such.wav"])
    with pytest.raises(InvalidArgument, match="needs a LiveAvatar"):
        Talk(la._inner)
    with pytest.raises(InvalidArgument, match="Did you mean 'layout'"):
        Talk(la, layot=None)


def test_nothing_secret_is_in_a_trait(talk: Talk, simulator: Simulator, la: LiveAvatar) -> None:
    command(talk, "say", text="hello")
    wait_for(lambda: [one["state"] for one in talk.speech] == ["ended"])
    shown = json.dumps(talk.get_state(), default=repr) + repr(talk)
    inner = la._inner.session
    assert inner is not None
    assert inner.lifecycle.billing is not None
    for secret in (simulator.api_key, inner.lifecycle.billing.token.reveal(), "ws://"):
        assert secret not in shown
