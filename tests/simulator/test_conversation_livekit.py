"""Conversations by the events of FULL, in a room of a real LiveKit server."""

from __future__ import annotations

from typing import Any

from liveavatar_nb.simulator import LiveKit

from ..livekit import LiveKitServer, livekit_server
from .conftest import Caller, Started
from .guest import visiting
from .test_conversation import ANSWER, PROMPT, SAID, transcript
from .visitor import kinds

__all__ = ["livekit_server"]


def conversing(calling: Any, server: LiveKitServer, **body: Any) -> tuple[Caller, Started]:
    caller = calling(speed=1, livekit=LiveKit(server.url, server.key, server.secret))
    context = caller.context(PROMPT, "Hi!")
    return caller, caller.started(mode="FULL", avatar_persona={"context_id": context}, **body)


def room(session: Started) -> tuple[str, str]:
    return session.answer["livekit_url"], session.answer["livekit_client_token"]


async def test_a_conversation_in_the_room(livekit_server: LiveKitServer, calling: Any) -> None:
    caller, session = conversing(calling, livekit_server)
    async with visiting(*room(session)) as guest:
        opening = await guest.until("avatar.speak_ended")
        assert kinds(opening) == ["session.state_updated", *SAID]
        await guest.send("avatar.speak_response", text="When is it open?")
        answer = await guest.until("avatar.speak_ended")
        assert kinds(answer) == SAID
        assert answer[-2]["text"] == ANSWER
        caller.stop(session.id)
        end = await guest.until("session.stopped")
        assert end[-1]["end_reason"] == "UNKNOWN"
    assert transcript(caller, session) == [("avatar", "Hi!"), ("user", "When is it open?"), ("avatar", ANSWER)]
    assert (caller.simulator.warnings(), caller.simulator.refusals()) == ([], [])


async def test_an_interruption_in_the_room(livekit_server: LiveKitServer, calling: Any) -> None:
    caller, session = conversing(calling, livekit_server)
    async with visiting(*room(session)) as guest:
        await guest.until("avatar.speak_ended")
        await guest.send("avatar.speak_text", text="One two three four five six seven. " * 20)
        await guest.until("avatar.transcription.chunk")
        await guest.send("avatar.interrupt")
        told = await guest.until("avatar.speak_ended")
        said = told[-2]["text"]
        assert 0 < len(said) < 300
        caller.stop(session.id)
        await guest.until("session.stopped")
    assert transcript(caller, session)[1:] == [("avatar", said)]


async def test_a_microphone_is_heard_and_answered(livekit_server: LiveKitServer, calling: Any) -> None:
    caller, session = conversing(calling, livekit_server)
    async with visiting(*room(session)) as guest:
        await guest.until("avatar.speak_ended")
        await guest.speak(2.5)
        heard = await guest.until("user.transcription")
        assert kinds(heard) == [
            "user.speak_started",
            "user.transcription.chunk",
            "user.speak_ended",
            "user.transcription",
        ]
        words = heard[-1]["text"]
        assert "seconds of speech, which the simulator does not understand" in words
        answer = await guest.until("avatar.speak_ended")
        assert words in answer[-2]["text"]
    assert ("user", words) in transcript(caller, session)


async def test_push_to_talk_counts_what_the_button_lets_through(livekit_server: LiveKitServer, calling: Any) -> None:
    _, session = conversing(calling, livekit_server, interactivity_type="PUSH_TO_TALK")
    async with visiting(*room(session)) as guest:
        await guest.until("avatar.speak_ended")
        await guest.speak(1.0)
        await guest.send("user.start_push_to_talk")
        assert kinds(await guest.until("user.speak_started")) == ["user.speak_started"]
        await guest.speak(1.0)
        await guest.send("user.stop_push_to_talk")
        heard = await guest.until("user.transcription")
        assert kinds(heard)[-2:] == ["user.speak_ended", "user.transcription"]
        assert "seconds of speech" in heard[-1]["text"]
