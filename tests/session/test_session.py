"""Conversations on the simulator, whose line stands in for the room: said, asked, heard, interrupted, ended."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from liveavatar_nb import AsyncLiveAvatar, AsyncSession, LiveAvatar, Simulator
from liveavatar_nb.concurrency.worker import THREAD_NAME
from liveavatar_nb.errors import InvalidArgument, LiveAvatarWarning, RoomNotHeld, SessionEnded, WrongMode
from liveavatar_nb.models.contexts import NewContext
from liveavatar_nb.protocol import full
from liveavatar_nb.session.dependencies import Dependencies
from liveavatar_nb.session.options import SessionOptions

from ..waiting import until, wait_for

GUIDE = NewContext("Guide", "You are a guide. The clock tower opens at nine.", opening_text="Hello, I am your guide.")
SILENT = NewContext("Silent", "You are a guide.")


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """One on which a second of sound takes 0.1 s; what it was sent is right, to the end."""
    with Simulator(speed=10, connect_delay=0.01, history=False, rate_limit=None) as running:
        yield running
        assert not running.refusals()
        assert not running.billed()


@pytest.fixture
async def session(client: AsyncLiveAvatar) -> AsyncIterator[AsyncSession]:
    async with await client.start("Silas", context=SILENT) as session:
        yield session


def told(session: AsyncSession) -> list[tuple[str, str]]:
    return [(one.role, one.transcript) for one in session.transcript]


def data(session: AsyncSession, direction: str) -> list[str]:
    return [frame.name for frame in session.wire.filter(kind="data") if frame.direction == direction]


def say_as_user(simulator: Simulator, text: str, **fields: Any) -> None:
    """What the service would tell of a microphone."""
    payload = {"event_type": full.USER_TEXT, "event_id": text, "text": text, **fields}
    simulator.faults.add("room", "send", text=json.dumps({"topic": full.RESPONSE, "payload": payload}))


async def test_who_is_cut_short_as_the_session_ends_was_cut_short(
    session: AsyncSession, client: AsyncLiveAvatar, simulator: Simulator
) -> None:
    saying = asyncio.create_task(session.say("A long text that takes a while to say, and so is not over yet."))
    await until(lambda: session.agent_state == "talking")
    # the service has ended it, and the client is yet to learn that
    simulator.faults.add("session", "delay", seconds=0.3, times=None)
    await client.api.sessions.stop(session.id)
    await until(lambda: "held by nobody" in repr(session.room))
    saying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await saying
    simulator.faults.clear()
    await session.stop()


async def test_a_conversation_from_its_opening_to_its_end(client: AsyncLiveAvatar) -> None:
    async with await client.start("Silas", context=GUIDE, language="en") as session:
        names: list[str] = []
        session.on("*", lambda event: names.append(event.type))
        await session.wait_for_avatar()
        await session.wait_for("avatar.speak_started", timeout=10)
        opening = session.utterance
        assert opening is not None
        await opening.wait()
        assert opening.text == "Hello, I am your guide."
        answer = await session.ask("When does the tower open?")
        assert (answer.state, answer.name) == ("ended", "When does the tower open?")
        assert answer.text is not None
        assert answer.duration is not None
        spoken = await session.say("Goodbye, then.")
        assert (spoken.state, spoken.text) == ("ended", "Goodbye, then.")
        assert told(session) == [
            ("avatar", "Hello, I am your guide."),
            ("user", "When does the tower open?"),
            ("avatar", answer.text),
            ("avatar", "Goodbye, then."),
        ]
        assert session.utterances == (opening, answer, spoken)
        assert (session.agent_state, session.caption, session.utterance) == ("idle", None, None)
        assert set(session.timings) == {"token", "start", "connected", "first_word"}
        assert data(session, "sent") == ["avatar.speak_response", "avatar.speak_text"]
        await until(lambda: names.count("avatar.speak_ended") == 3)
        assert data(session, "received") == names[: len(data(session, "received"))]
        kept = await client.api.sessions.transcript(session.id or "")
        assert [(one.role, one.transcript) for one in kept.lines] == told(session)
    assert told(session)[-1] == ("avatar", "Goodbye, then.")
    with pytest.raises(SessionEnded, match="you stopped it"):
        await session.ask("Still there?")


async def test_words_grow_while_they_are_said(client: AsyncLiveAvatar, simulator: Simulator) -> None:
    simulator.set_speed(1)
    async with await client.start("Silas", context=SILENT) as session:
        utterance = await session.say("One two three four five six seven.", wait=False)
        await until(lambda: session.transcript)
        assert (session.transcript[0].partial, session.agent_state) == (True, "talking")
        first = session.caption
        assert first is not None
        assert "One two three four five six seven.".startswith(first)
        await until(lambda: session.caption != first)
        simulator.set_speed(20)
        await utterance.wait()
        assert not session.transcript[0].partial


async def test_an_interruption_is_one(session: AsyncSession, simulator: Simulator) -> None:
    simulator.set_speed(1)
    first = await session.say("A long text that goes on and on, as long as it can. " * 5, wait=False)
    second = await session.ask("And what else?", wait=False)
    await until(lambda: first.state == "talking")
    await session.interrupt()
    assert (first.state, second.state, session.agent_state) == ("interrupted", "interrupted", "idle")
    await until(lambda: "interrupt_to_silence" in session.timings)
    third = await session.say("Hello.", replace=True)
    assert third.state == "ended"
    assert told(session)[-1] == ("avatar", "Hello.")
    assert all(text != second.text for role, text in told(session) if role == "avatar")


async def test_one_may_replace_another(session: AsyncSession, simulator: Simulator) -> None:
    simulator.set_speed(1)
    first = await session.say("A long text that goes on and on, as long as it can. " * 5, wait=False)
    await until(lambda: first.state == "talking")
    second = await session.ask("Why?", replace=True, wait=False)
    assert (first.state, second.state) == ("interrupted", "sending")
    simulator.set_speed(10)
    await second.wait()


async def test_listening_and_turns(client: AsyncLiveAvatar, session: AsyncSession) -> None:
    await session.start_listening()
    assert session.agent_state == "listening"
    await session.stop_listening()
    assert session.agent_state == "idle"
    with pytest.raises(WrongMode, match=r"start_push_to_talk\(\).*PUSH_TO_TALK"):
        await session.start_push_to_talk()
    assert not session.can.push_to_talk
    pushed = await client.start("Silas", context=SILENT, interactivity_type="PUSH_TO_TALK", replace=True)
    assert pushed.can.push_to_talk
    await pushed.start_push_to_talk()
    await pushed.stop_push_to_talk()
    assert data(pushed, "sent") == ["user.start_push_to_talk", "user.stop_push_to_talk"]
    await pushed.stop()


async def test_what_a_session_can_do_is_told(client: AsyncLiveAvatar, session: AsyncSession) -> None:
    can = session.can
    assert (can.play, can.say, can.ask, can.interrupt, can.listen, can.microphone) == (
        False, True, True, True, True, False
    )  # fmt: skip
    with pytest.raises(WrongMode, match=r"play\(\) needs a LITE session.*say\(\)"):
        await session.play(b"\0\0", rate=24_000)
    with pytest.raises(InvalidArgument, match="tts needs a LITE session"):
        await session.say("Hello", tts=lambda text: b"")
    for text in ("", " \n", "a" * 20_000):
        with pytest.raises(InvalidArgument, match=r"text is empty|too long"):
            await session.ask(text)
    assert session.room is not None
    holder = await session.room.reach()
    session.room.drop(holder, "Somebody else joined.", is_contested=True)
    assert not any(vars(session.can).values())
    await holder.leave()
    await session.stop()
    assert not any(vars(session.can).values())
    lite = await client.start("Silas")
    assert (lite.can.play, lite.can.say, lite.can.ask, lite.can.interrupt) == (True, False, False, True)
    with pytest.raises(
        WrongMode,
        match=r"this session is LITE\. Start a conversation with start\(.* or start\(\.\.\., on_user_text=",
    ):
        await lite.ask("Why?")
    with pytest.raises(WrongMode, match=r"Start a conversation with start\(\.\.\., on_user_text=\.\.\.\)"):
        lite.on_user_text(str)
    await lite.wait_for_avatar(timeout=10)
    await lite.stop()


async def test_ambiguous_names_of_events_are_refused_with_both(session: AsyncSession) -> None:
    with pytest.raises(InvalidArgument, match=r"user\.speak_ended' or 'avatar\.speak_ended"):
        session.on("speak_ended", print)
    with pytest.raises(InvalidArgument, match=r"user\.transcription' or 'avatar\.transcription"):
        await session.wait_for("transcription")


async def test_a_lost_line_comes_back_by_itself(session: AsyncSession, simulator: Simulator) -> None:
    await session.say("Before.")
    assert session.room is not None
    first = session.room.holder
    assert first is not None
    simulator.faults.add("room", "close")
    await until(lambda: session.room is not None and session.room.holder not in (None, first))
    assert session.room.words is None
    await session.say("After.")
    assert told(session) == [("avatar", "Before."), ("avatar", "After.")]


async def test_row_29_and_row_30_over_the_line(client: AsyncLiveAvatar, simulator: Simulator) -> None:
    async with await client.start("Silas", context=SILENT) as session:
        await session.wait_for_avatar()
        simulator.faults.add("room", "twice", times=20)
        for text in ("no JSON", "[]", '{"topic": "agent-response"}', '{"topic": 3, "payload": [1]}'):
            simulator.faults.add("room", "send", text=text)
        simulator.faults.add("room", "send", data="AAEC")
        utterance = await session.say("Each of my words is told twice.")
        assert utterance.state == "ended"
        assert told(session) == [("avatar", "Each of my words is told twice.")]
        simulator.faults.clear()
        simulator.faults.add("room", "swap", times=3)
        assert (await session.say("In any order.")).state == "ended"


async def test_the_end_that_the_service_tells_of_ends_it(
    session: AsyncSession, client: AsyncLiveAvatar, simulator: Simulator
) -> None:
    await session.wait_for_avatar()
    waiting = asyncio.create_task(session.wait_until_ended())
    await client.api.sessions.stop(session.id, reason="AGENT_HANG_UP")
    await asyncio.wait_for(waiting, 10)
    assert (session.state, session.end_words) == ("ended", "the agent hung up")
    assert not simulator.billed()


async def test_a_false_word_of_the_end_ends_nothing(session: AsyncSession, simulator: Simulator) -> None:
    await session.wait_for_avatar()
    packet = {"topic": full.RESPONSE, "payload": {"event_type": full.STOPPED, "end_reason": "UNKNOWN"}}
    waiting = asyncio.create_task(session.wait_for("session.stopped", timeout=10))
    await asyncio.sleep(0)
    simulator.faults.add("room", "send", text=json.dumps(packet))
    await waiting
    assert (await session.say("Still here.")).state == "ended"


async def test_another_agents_lite_session_follows_the_rules_of_a_conversation(client: AsyncLiveAvatar) -> None:
    class Led(SessionOptions, frozen=True):
        def token_fields(self, avatar_id: str, *, capped: bool = True) -> dict[str, Any]:
            agent = {"secret_id": secret.id, "agent_id": "agent"}
            return {**super().token_fields(avatar_id, capped=capped), "elevenlabs_agent_config": agent}

    secret = await client.api.secrets.create(
        secret_type="ELEVENLABS_API_KEY", secret_value="value", secret_name="voice"
    )
    silas = (await client.avatars(search="Silas"))[0]
    session = AsyncSession(silas, Led(), Dependencies(client.api, lambda: None, is_simulated=True))
    await session.open()
    assert (session.mode, session.is_conversation) == ("LITE", True)
    assert (session.can.play, session.can.ask) == (False, True)
    assert (await session.say("Hello from an agent.")).state == "ended"
    assert told(session) == [("avatar", "Hello from an agent.")]
    await session.stop()


# what the user says is answered here


async def test_a_function_answers_without_a_context(client: AsyncLiveAvatar, simulator: Simulator) -> None:
    threads: list[str] = []

    def answer(text: str) -> Iterator[str]:
        threads.append(threading.current_thread().name)
        yield f"You said {text}. "
        yield "What else?"

    async with await client.start("Silas", on_user_text=answer) as session:
        assert session.mode == "FULL"
        await session.wait_for_avatar()
        say_as_user(simulator, "Good morning", session_id=session.id)
        await until(lambda: len(told(session)) == 3 and session.agent_state == "idle")
        assert told(session) == [
            ("user", "Good morning"),
            ("avatar", "You said Good morning."),
            ("avatar", "What else?"),
        ]
        session.on_user_text(None)
        with pytest.raises(WrongMode, match=r"this session has neither\. Pass on_user_text\(\)"):
            await session.ask("Why?")
        say_as_user(simulator, "Hello?", session_id=session.id)
        await until(lambda: told(session)[-1] == ("user", "Hello?"))
        await asyncio.sleep(0.1)
        assert told(session)[-1] == ("user", "Hello?")


async def test_a_newer_text_ends_what_is_said_to_the_older(client: AsyncLiveAvatar, simulator: Simulator) -> None:
    simulator.set_speed(1)

    async def answer(text: str) -> str:
        return f"{text}. {'That is a long story. ' * 20}"

    async with await client.start("Silas", on_user_text=answer) as session:
        await session.wait_for_avatar()
        say_as_user(simulator, "First", session_id=session.id)
        await until(lambda: session.agent_state == "talking")
        say_as_user(simulator, "Second", session_id=session.id)
        await until(lambda: session.caption == "Second.")
        states = [str(one.state) for one in session.utterances]
        assert states.count("talking") == 1
        assert "interrupted" in states
        await session.interrupt()
        assert all(one.state.is_final for one in session.utterances)


def test_a_function_is_called_on_the_handlers_thread(la: LiveAvatar, simulator: Simulator) -> None:
    threads: list[str] = []
    with la.start("Silas", on_user_text=lambda text: None) as session:
        session.wait_for_avatar()

        def answer(text: str) -> str:
            threads.append(threading.current_thread().name)
            return "Yes."

        assert session.on_user_text(answer) is answer
        say_as_user(simulator, "Hello", session_id=session.id)
        wait_for(lambda: session.transcript[-1:] and session.transcript[-1].transcript == "Yes.")
        assert threads == [THREAD_NAME]


async def test_a_context_beside_a_function_is_warned_of(client: AsyncLiveAvatar) -> None:
    with pytest.warns(LiveAvatarWarning, match="would both answer"):
        session = await client.start("Silas", context=SILENT, on_user_text=str)
    await session.stop()


# the sync face


def test_the_sync_face_converses_and_shows_no_bar(la: LiveAvatar, capsys: pytest.CaptureFixture[str]) -> None:
    with la.start("Silas", context=GUIDE) as session:
        session.wait_for_avatar(timeout=10)
        answer = session.ask("When does the tower open?")
        assert answer.state == "ended"
        assert answer in session.utterances
        session.say("Goodbye.", timeout=None)
        html = session.transcript._repr_html_()
        assert html is not None
        assert "Goodbye." in html
        session.say("One more.", wait=False)
        assert session.wait_for("*", timeout=5).type in full.EVENT_TYPES
    assert capsys.readouterr().out == ""


def test_ctrl_c_in_ask_interrupts(la: LiveAvatar, simulator: Simulator) -> None:
    simulator.set_speed(1)
    with la.start("Silas", context=SILENT) as session:
        session.wait_for_avatar()

        def interrupt() -> None:
            wait_for(lambda: session.agent_state == "talking")
            os.kill(os.getpid(), signal.SIGINT)

        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            session.ask("Tell me all that you know, please, and then begin again.")
        thread.join()
        wait_for(lambda: session.utterances[-1].state == "interrupted")
        assert session.agent_state == "idle"
        wait_for(lambda: [f.name for f in session.wire.filter(kind="data", direction="sent")][-1] == "avatar.interrupt")


def test_nothing_secret_is_shown(la: LiveAvatar, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), la.start("Silas", context=SILENT) as session:
        session.say("Hello.")
        room = session._inner.room
        assert room is not None
        token = room.token.reveal()
        shown = f"{session!r} {session.can} {room!r} {session.wire.to_dict()} {caplog.text}"
    assert token not in shown + caplog.text


async def test_where_the_room_is_not_named_nothing_can_be_said(client: AsyncLiveAvatar) -> None:
    async with await client.start("Silas", context=SILENT) as session:
        room, session.lifecycle.room = session.lifecycle.room, None
        with pytest.raises(RoomNotHeld, match="provided no room"):
            await session.wait_for_avatar()
        session.lifecycle.room = room


async def test_a_session_ends_while_its_avatar_is_waited_for(client: AsyncLiveAvatar, simulator: Simulator) -> None:
    session = await client.start("Silas")
    assert session.room is not None
    simulator.faults.add("room", "send", text="nothing")
    session.room.see = lambda is_there: None  # type: ignore[method-assign]
    waiting = asyncio.create_task(session.wait_for_avatar(timeout=None))
    await until(lambda: session.room is not None and session.room.holder is not None)
    await session.stop()
    with pytest.raises(SessionEnded):
        await waiting


async def test_an_avatar_that_does_not_come_is_told_in_time(client: AsyncLiveAvatar) -> None:
    from liveavatar_nb.errors import AvatarNeverCame  # noqa: PLC0415

    async with await client.start("Silas") as session:
        assert session.room is not None
        session.room.see = lambda is_there: None  # type: ignore[method-assign]
        began = time.monotonic()
        with pytest.raises(AvatarNeverCame, match=r"did not arrive within 0.2 s.*Wait again"):
            await session.wait_for_avatar(timeout=0.2)
        assert time.monotonic() - began >= 0.2
        with pytest.raises(InvalidArgument, match="timeout must be a number of seconds"):
            await session.wait_for_avatar(timeout=-1)


async def test_a_function_of_ones_own_answers_what_is_asked_by_text(client: AsyncLiveAvatar) -> None:
    async def answer(text: str) -> AsyncIterator[str]:
        yield "I have heard "
        yield f"you. You said: {text}"

    async with await client.start("Silas", on_user_text=answer) as session:
        assert session.can.ask
        answered = await session.ask("Is anybody there?")
        assert (answered.state, answered.name) == ("ended", "Is anybody there?")
        assert answered.text == "I have heard you. You said: Is anybody there?"
        assert answered.duration is not None
        assert told(session) == [
            ("user", "Is anybody there?"),
            ("avatar", "I have heard you."),
            ("avatar", "You said: Is anybody there?"),
        ]
        assert "avatar.speak_response" not in data(session, "sent")
        waiting = await session.ask("And now?", wait=False)
        await session.wait_for("avatar.speak_started", timeout=10)
        await session.interrupt()
        await waiting.wait()
        assert waiting.state == "interrupted"
        waiting = await session.say("A text that takes its time.", wait=False)
        assert (await session.ask("Right now?", replace=True)).state == "ended"
        assert waiting.state == "interrupted"
        session.on_user_text(None)
        nothing_answers = session.can
        assert not nothing_answers.ask
        with pytest.raises(WrongMode, match="needs a context"):
            await session.ask("Still there?")


async def test_who_waits_for_an_answer_of_ones_own_is_told_of_the_sessions_end(client: AsyncLiveAvatar) -> None:
    async def answer(text: str) -> AsyncIterator[str]:
        yield "One. "
        await asyncio.sleep(60)

    session = await client.start("Silas", on_user_text=answer)
    asked = asyncio.create_task(session.ask("Why?"))
    await session.wait_for("avatar.speak_started", timeout=10)
    await session.stop()
    with pytest.raises(SessionEnded, match="you stopped it"):
        await asked


async def test_what_ones_own_function_raises_is_for_who_asked(client: AsyncLiveAvatar) -> None:
    def answer(text: str) -> str | None:
        if text == "nothing":
            return None
        raise ZeroDivisionError(text)

    async with await client.start("Silas", on_user_text=answer) as session:
        with pytest.raises(ZeroDivisionError, match="why"):
            await session.ask("why")
        silent = await session.ask("nothing")
        assert (silent.state, silent.text) == ("ended", None)
