"""A conversation by events alone: who says what, what the avatar does, and that nothing goes back by odd events."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from liveavatar_nb import config
from liveavatar_nb.config import DEAF, OPENING_LIMIT, Masked
from liveavatar_nb.errors import RoomNotHeld, SessionEnded, UtteranceFailed
from liveavatar_nb.protocol import full
from liveavatar_nb.protocol.events import Event
from liveavatar_nb.rooms.connection import RECONNECTING, HolderKind, RoomConnection
from liveavatar_nb.session.speech.full import FullConversation
from liveavatar_nb.session.speech.transcript import SessionTranscript
from liveavatar_nb.session.speech.utterance import AsyncUtterance
from liveavatar_nb.session.timings import Stopwatch
from liveavatar_nb.wirelog.log import Wire

from ...faults.manual import ManualClock
from ...waiting import until

SESSION = "the-session"


class Holder:
    """Somebody in the room who keeps what is sent."""

    kind: HolderKind = "page"

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.is_free = asyncio.Event()  # to come back from sending
        self.is_free.set()

    async def send(self, payload: bytes) -> None:
        self.sent.append(json.loads(payload))
        await self.is_free.wait()

    async def leave(self) -> None:
        pass


class Talk:
    """A conversation with a clock by hand, in a room that somebody holds."""

    def __init__(self, *, has_opening: bool = False) -> None:
        self.clock = ManualClock()
        self.times = Stopwatch(600, self.clock)
        self.lines = SessionTranscript(self.clock, lambda: 0.0)
        self.changes = 0
        self.heard: list[str] = []
        self.hushed = 0
        self.conversation = FullConversation(self.clock, self.times, self.lines, self._change, has_opening=has_opening)
        self.conversation.on_text = self.heard.append
        self.conversation.on_interrupt = self._hush
        self.connection = RoomConnection(
            "ws://127.0.0.1:1", Masked("t"), SESSION, Wire(), receive=self._receive, on_change=self._change
        )
        self.holder = Holder()
        self.told: list[bool] = []
        self.count = 0

    async def open(self) -> None:
        await self.connection.hold(self.holder)
        self.connection.see(True)
        self.conversation.connect(self.connection)

    def _change(self) -> None:
        self.changes += 1

    def _hush(self) -> None:
        self.hushed += 1

    def _receive(self, event: Event) -> None:
        self.told.append(self.conversation.receive(event))

    def tell(self, kind: str, **fields: Any) -> bool:
        """An event with an id of its own; whether it is told on."""
        self.count += 1
        packet = {"event_type": kind, "event_id": f"e{self.count}", "session_id": SESSION, **fields}
        self.connection.take(
            full.RESPONSE, json.dumps({name: value for name, value in packet.items() if value is not None})
        )
        return self.told[-1]

    async def say(self, text: str, grace: float | None = 15.0) -> AsyncUtterance:
        utterance = AsyncUtterance(text, text, self.clock, is_voiced=True)
        command = full.speak_text(text, utterance.id, SESSION)
        await self.conversation.speak(utterance, command, grace=grace, question=False)
        return utterance

    async def come_back(self) -> None:
        """The room was lost, and is back; returns when the conversation waits for word."""
        waits = self.clock.sleepers
        self.connection.come_back()
        await until(lambda: self.clock.sleepers > waits)

    async def ask(self, text: str, grace: float | None = 30.0) -> AsyncUtterance:
        utterance = AsyncUtterance(text, None, self.clock, is_voiced=True)
        command = full.speak_response(text, utterance.id, SESSION)
        await self.conversation.speak(utterance, command, grace=grace, question=True)
        return utterance

    def said(self) -> list[tuple[str, str, bool]]:
        return [(one.role, one.transcript, one.partial) for one in self.lines.records]

    @property
    def state(self) -> str:
        return str(self.conversation.agent_state)


@pytest.fixture
async def talk() -> AsyncIterator[Talk]:
    talk = Talk()
    await talk.open()
    yield talk
    await close(talk)


async def close(talk: Talk) -> None:
    talk.conversation.close(SessionEnded(session_id=SESSION))
    await talk.connection.close()
    await asyncio.sleep(0)


# what is said and asked


async def test_a_question_is_thought_about_and_answered(talk: Talk) -> None:
    answer = await talk.ask("Why?")
    assert talk.holder.sent == [
        {"event_type": "avatar.speak_response", "event_id": answer.id, "session_id": SESSION, "text": "Why?"}
    ]
    assert (talk.state, answer.state, answer.name, answer.text) == ("thinking", "sending", "Why?", None)
    talk.clock.move(1.5)
    talk.tell("avatar.speak_started", source_event_id=answer.id)
    assert (talk.state, answer.state, answer.lag) == ("talking", "talking", 1.5)
    assert talk.times.timings["first_word"] == 1.5
    talk.tell("avatar.transcription.chunk", source_event_id=answer.id, text="Because")
    talk.tell("avatar.transcription.chunk", source_event_id=answer.id, text=" it is so.")
    assert talk.said() == [("user", "Why?", False), ("avatar", "Because it is so.", True)]
    talk.clock.move(2)
    assert answer.played == 2
    talk.tell("avatar.transcription", source_event_id=answer.id, text="Because it is so!")
    talk.tell("avatar.speak_ended", source_event_id=answer.id)
    assert (talk.state, answer.state, answer.text) == ("idle", "ended", "Because it is so!")
    assert (answer.seconds, answer.total, answer.duration) == (2, 2, 2)
    assert talk.said() == [("user", "Why?", False), ("avatar", "Because it is so!", False)]
    await answer.wait()


async def test_without_sources_the_order_of_things_tells(talk: Talk) -> None:
    first, second = await talk.say("One."), await talk.say("Two.")
    talk.tell("avatar.speak_started")
    assert (first.state, second.state) == ("talking", "sending")
    talk.tell("avatar.speak_ended")
    talk.tell("avatar.speak_started")
    assert (first.state, second.state) == ("ended", "talking")
    talk.tell("avatar.speak_ended")
    assert second.state == "ended"
    assert [text for _, text, _ in talk.said()] == ["One.", "Two."]


async def test_what_answers_an_answer_of_the_service_answers_ours(talk: Talk) -> None:
    answer = await talk.ask("Why?")
    talk.tell("user.transcription", event_id="heard", source_event_id=answer.id, text="why")
    talk.tell("avatar.speak_started", source_event_id="heard")
    assert answer.state == "talking"
    assert talk.said() == [("user", "Why?", False)]
    assert talk.heard == []


async def test_a_repeated_question_stands_there_once(talk: Talk) -> None:
    await talk.ask("Why?")
    talk.tell("user.transcription", text=" Why? ")
    assert talk.said() == [("user", "Why?", False)]
    assert talk.heard == []


async def test_the_users_words_so_far_replace_those_before_and_blanks_replace_nothing(talk: Talk) -> None:
    await talk.say("Mine.")
    talk.tell("user.speak_started")
    for chunk in ("I want two", " ", "I want to go"):
        talk.tell("user.transcription.chunk", text=chunk)
        talk.tell("user.transcription.chunk", text=" ")
    assert talk.said() == [("user", "I want to go", True)]


async def test_the_opening_is_an_utterance_that_nobody_asked_for() -> None:
    talk = Talk(has_opening=True)
    await talk.open()
    mine = await talk.say("Mine.")
    talk.tell("avatar.speak_started")
    talk.tell("avatar.transcription.chunk", text="Welcome")
    opening = talk.conversation.utterances[-1]
    assert (mine.state, opening.state, opening.text, opening.name) == ("sending", "talking", "Welcome", "Welcome")
    talk.tell("avatar.transcription", text="Welcome here!")
    talk.tell("avatar.speak_ended")
    talk.tell("avatar.speak_started")
    assert (opening.state, opening.text, mine.state, mine.lag) == ("ended", "Welcome here!", "talking", None)
    await close(talk)


async def test_an_opening_that_does_not_come_takes_nothing_away() -> None:
    talk = Talk(has_opening=True)
    await talk.open()
    talk.tell("session.state_updated", state="connected")
    talk.clock.move(OPENING_LIMIT + 0.1)
    mine = await talk.say("Mine.")
    talk.tell("avatar.speak_started")
    assert mine.state == "talking"
    await close(talk)


async def test_once_sources_are_named_what_has_none_is_not_ours(talk: Talk) -> None:
    first = await talk.say("One.")
    talk.tell("avatar.speak_started", source_event_id=first.id)
    talk.tell("avatar.speak_ended", source_event_id=first.id)
    second = await talk.say("Two.")
    talk.tell("avatar.speak_started", source_event_id="of the service's own")
    assert second.state == "sending"
    talk.tell("avatar.transcription.chunk", source_event_id="of the service's own", text="By the way")
    talk.tell("avatar.speak_ended", source_event_id="of the service's own")
    talk.tell("avatar.speak_started", source_event_id=second.id)
    assert [one.state for one in talk.conversation.utterances] == ["ended", "talking", "ended"]
    assert ("avatar", "By the way", False) in talk.said()


async def test_what_the_service_names_of_its_own_does_not_name_ours(talk: Talk) -> None:
    for _ in range(2):
        talk.tell("avatar.speak_started", source_event_id="of the service's own")
    talk.tell("avatar.speak_ended", source_event_id="of the service's own")
    mine = await talk.say("Mine.")
    talk.tell("avatar.speak_started")
    assert mine.state == "talking"


async def test_more_of_an_answer_is_an_utterance_of_its_own(talk: Talk) -> None:
    answer = await talk.ask("Why?")
    for _ in range(2):
        talk.tell("avatar.speak_started", source_event_id=answer.id)
        talk.clock.move(1)
        talk.tell("avatar.speak_ended", source_event_id=answer.id)
    assert len(talk.conversation.utterances) == 2
    assert talk.state == "idle"


async def test_words_of_a_text_are_known_though_none_come(talk: Talk) -> None:
    utterance = await talk.say("Word for word.")
    talk.tell("avatar.speak_started", source_event_id=utterance.id)
    assert talk.said() == []
    talk.tell("avatar.transcription.chunk", source_event_id=utterance.id, text="Word")
    assert utterance.text == "Word for word."
    talk.tell("avatar.speak_ended", source_event_id=utterance.id)
    assert talk.said() == [("avatar", "Word for word.", False)]


# what the user says


async def test_the_user_is_heard_and_answered(talk: Talk) -> None:
    talk.tell("user.speak_started")
    speaking = [talk.conversation.is_user_speaking]
    talk.tell("user.transcription.chunk", text="What")
    talk.tell("user.transcription.chunk", text="What is that")
    assert talk.said() == [("user", "What is that", True)]
    talk.tell("user.speak_ended")
    speaking.append(talk.conversation.is_user_speaking)
    assert speaking == [True, False]
    assert talk.state == "idle"
    talk.tell("user.transcription", event_id="heard", text="What is that?")
    assert talk.said() == [("user", "What is that?", False)]
    assert (talk.state, talk.heard) == ("thinking", ["What is that?"])
    talk.clock.move(0.8)
    talk.tell("avatar.speak_started", source_event_id="heard")
    assert talk.state == "talking"
    assert talk.times.timings["answer"] == pytest.approx(0.8)
    talk.tell("avatar.transcription", source_event_id="heard", text="A chair.")
    talk.tell("avatar.speak_ended", source_event_id="heard")
    assert talk.said()[1:] == [("avatar", "A chair.", False)]
    assert [one.text for one in talk.conversation.utterances] == ["A chair."]


async def test_a_noise_is_no_text(talk: Talk) -> None:
    talk.tell("user.transcription", text=" \n")
    assert (talk.said(), talk.heard, talk.state) == ([], [], "idle")


async def test_whole_words_that_come_after_the_end_are_of_what_ended(talk: Talk) -> None:
    talk.tell("avatar.speak_started")
    talk.tell("avatar.transcription.chunk", text="Wel")
    talk.tell("avatar.speak_ended")
    talk.tell("avatar.transcription", text="Good morning!")
    assert talk.said() == [("avatar", "Good morning!", False)]
    assert (talk.state, len(talk.conversation.utterances)) == ("idle", 1)


async def test_a_piece_that_comes_after_the_end_grows_no_more(talk: Talk) -> None:
    answer = await talk.ask("Why?")
    talk.tell("avatar.speak_started", source_event_id=answer.id)
    talk.tell("avatar.transcription.chunk", source_event_id=answer.id, text="Because")
    talk.tell("avatar.speak_ended", source_event_id=answer.id)
    talk.tell("avatar.transcription.chunk", source_event_id=answer.id, text=" it is so.")
    assert talk.said()[1:] == [("avatar", "Because it is so.", False)]


async def test_it_does_not_think_for_ever(talk: Talk) -> None:
    await talk.ask("Why?", grace=None)
    before = talk.changes
    await until(lambda: talk.clock.sleepers)
    talk.clock.move(config.THINKING_LIMIT + 0.1)
    await talk.clock.settle()
    assert talk.state == "idle"
    assert talk.changes > before


async def test_poses(talk: Talk) -> None:
    await talk.conversation.listen(start=True)
    assert talk.state == "listening"
    await talk.conversation.push_to_talk(start=True)
    await talk.conversation.push_to_talk(start=False)
    await talk.conversation.listen(start=False)
    assert talk.state == "idle"
    assert [one["event_type"] for one in talk.holder.sent] == [
        "avatar.start_listening",
        "user.start_push_to_talk",
        "user.stop_push_to_talk",
        "avatar.stop_listening",
    ]


# an end to it


async def test_an_interruption_ends_all_at_once_and_what_is_late_is_not_heard(talk: Talk) -> None:
    first, second = await talk.say("One."), await talk.ask("Two?")
    talk.tell("avatar.speak_started", source_event_id=first.id)
    talk.tell("avatar.transcription.chunk", source_event_id=first.id, text="One")
    await talk.conversation.interrupt()
    assert (first.state, second.state, talk.state) == ("interrupted", "interrupted", "idle")
    assert talk.holder.sent[-1]["event_type"] == "avatar.interrupt"
    assert talk.hushed == 1
    said = talk.said()
    talk.tell("avatar.transcription.chunk", source_event_id=first.id, text=" and more")
    talk.tell("avatar.transcription.chunk", text=" and more")
    talk.tell("avatar.transcription", source_event_id=first.id, text="One and more")
    talk.tell("avatar.speak_started", source_event_id=second.id)
    talk.clock.move(0.3)
    talk.tell("avatar.speak_ended", source_event_id=first.id)
    assert talk.said() == said == [("user", "Two?", False), ("avatar", "One", False)]
    assert talk.state == "idle"
    assert talk.times.timings["interrupt_to_silence"] == pytest.approx(0.3)
    await first.wait()


async def test_an_interruption_silences_a_drawn_room_and_ends_the_wait_for_an_answer(talk: Talk) -> None:
    heard: list[bytes] = []
    talk.connection.on_sound(heard.append)
    talk.tell("user.transcription", text="Why?")
    await talk.conversation.interrupt()
    assert (talk.state, heard) == ("idle", [b""])
    talk.clock.move(60)
    talk.tell("avatar.speak_started")
    assert "answer" not in talk.times.timings


async def test_what_is_said_after_an_interruption_is_heard(talk: Talk) -> None:
    first = await talk.say("One.")
    talk.tell("avatar.speak_started", source_event_id=first.id)
    await talk.conversation.interrupt()
    second = await talk.say("Two.")
    talk.tell("avatar.speak_ended")
    assert second.state == "sending"
    talk.tell("avatar.speak_started", source_event_id=second.id)
    talk.tell("avatar.transcription", source_event_id=second.id, text="Two.")
    assert (second.state, talk.said()[-1]) == ("talking", ("avatar", "Two.", False))


async def test_words_without_a_source_are_heard_again_a_while_after_an_interruption(talk: Talk) -> None:
    first = await talk.say("One.")
    talk.tell("avatar.speak_started")
    await talk.conversation.interrupt()
    talk.clock.move(DEAF + 0.1)
    talk.tell("avatar.transcription.chunk", text="Another thing")
    assert talk.said()[-1] == ("avatar", "Another thing", True)
    assert first.state == "interrupted"


async def test_what_the_service_forgets_fails_in_words(talk: Talk) -> None:
    utterance = await talk.say("Lost.", grace=15)
    waiting = asyncio.create_task(utterance.wait())
    await until(lambda: talk.clock.sleepers)
    await talk.clock.go_on(16)
    with pytest.raises(UtteranceFailed, match=r"the start of 'Lost.', and was silent for 15 s"):
        await waiting
    assert utterance.state == "failed"


async def test_what_is_still_heard_is_not_given_up(talk: Talk) -> None:
    utterance = await talk.say("Short.", grace=15)
    await until(lambda: talk.clock.sleepers)
    for chunk in ("It", "takes", "long"):
        await talk.clock.go_on(12)
        talk.tell("avatar.transcription.chunk", source_event_id=utterance.id, text=chunk)
    assert utterance.state == "talking"
    await talk.clock.go_on(20)
    assert utterance.state == "failed"


async def test_what_waits_for_a_long_one_is_not_given_up(talk: Talk) -> None:
    long, second = await talk.say("a" * 800), await talk.say("Two.")
    talk.tell("avatar.speak_started", source_event_id=long.id)
    await until(lambda: talk.clock.sleepers >= 2)
    await talk.clock.go_on(60)
    assert (long.state, second.state) == ("talking", "sending")
    await talk.clock.go_on(60)
    assert (long.state, second.state) == ("failed", "failed")


async def test_after_a_loss_of_the_room_the_start_is_not_awaited_long(talk: Talk) -> None:
    utterance, answer = await talk.say("Lost."), await talk.ask("Why?")
    await until(lambda: talk.clock.sleepers)
    await talk.clock.go_on(3)
    talk.connection.tell(RECONNECTING)
    await talk.come_back()
    await talk.clock.go_on(config.RECONNECT_GRACE - 0.1)
    assert utterance.is_open
    await talk.clock.go_on(0.2)
    with pytest.raises(UtteranceFailed, match=r"confirm the start of 'Lost\.', and the connection .* had been lost"):
        await utterance.wait()
    assert answer.is_open
    assert talk.connection.words is None


async def test_what_is_heard_after_a_loss_of_the_room_goes_on(talk: Talk) -> None:
    utterance = await talk.say("Here I am.")
    await until(lambda: talk.clock.sleepers)
    await talk.come_back()
    await talk.clock.go_on(1)
    talk.tell("avatar.speak_started", source_event_id=utterance.id)
    await talk.clock.go_on(config.RECONNECT_GRACE + 1)
    assert utterance.state == "talking"
    talk.tell("avatar.speak_ended", source_event_id=utterance.id)
    assert utterance.state == "ended"


async def test_a_long_text_goes_on_after_a_loss_of_the_room_as_long_as_it_may_take(talk: Talk) -> None:
    utterance = await talk.say("a" * 80)
    talk.tell("avatar.speak_started", source_event_id=utterance.id)
    await until(lambda: talk.clock.sleepers)
    await talk.clock.go_on(4)
    await talk.come_back()
    await talk.clock.go_on(80 / config.SLOWEST_SPEECH - 4 + config.RECONNECT_GRACE - 0.1)
    assert utterance.state == "talking"
    await talk.clock.go_on(0.2)
    assert utterance.state == "failed"


async def test_what_is_sent_as_the_room_comes_back_is_awaited_as_usual(talk: Talk) -> None:
    talk.holder.is_free.clear()
    saying = asyncio.create_task(talk.say("Late."))
    await until(lambda: talk.holder.sent)
    talk.connection.come_back()
    talk.holder.is_free.set()
    utterance = await saying
    await until(lambda: talk.clock.sleepers)
    await talk.clock.go_on(config.RECONNECT_GRACE + 1)
    assert utterance.is_open


async def test_what_nobody_asked_for_just_ends_where_its_end_is_unheard(talk: Talk) -> None:
    talk.tell("avatar.speak_started")
    (unasked,) = talk.conversation.utterances
    await until(lambda: talk.clock.sleepers)
    await talk.clock.go_on(config.SPEECH_GRACE + 1)
    assert (unasked.state, talk.state) == ("ended", "idle")


async def test_the_sessions_end_ends_all(talk: Talk) -> None:
    utterance = await talk.say("One.")
    await talk.ask("Two?", grace=None)
    await until(lambda: talk.clock.sleepers)
    talk.tell("user.speak_started")
    talk.tell("user.transcription.chunk", text="And")
    talk.conversation.close(SessionEnded(session_id=SESSION))
    with pytest.raises(SessionEnded):
        await utterance.wait()
    await until(lambda: not talk.clock.sleepers)
    assert (talk.hushed, talk.conversation.is_user_speaking) == (1, False)
    assert not talk.tell("avatar.speak_started", source_event_id=utterance.id)
    assert (talk.state, talk.said()) == ("idle", [("user", "Two?", False), ("user", "And", False)])


async def test_after_the_sessions_end_nothing_is_sent(talk: Talk) -> None:
    talk.conversation.close(SessionEnded(session_id=SESSION))
    with pytest.raises(SessionEnded):
        await talk.say("One.")
    await talk.conversation.interrupt()
    assert (talk.holder.sent, list(talk.conversation.utterances)) == ([], [])


async def test_without_a_way_to_the_service_it_fails_and_silence_is_kept(talk: Talk) -> None:
    talk.connection.drop(talk.holder)
    with pytest.raises(RoomNotHeld, match=r"view\(\).*\[media\]"):
        await talk.say("One.")
    assert talk.conversation.utterances[-1].state == "failed"
    assert talk.conversation.utterance is None
    await talk.conversation.interrupt()


async def test_an_interruption_that_cannot_be_told_is_refused_where_something_is_said(talk: Talk) -> None:
    utterance = await talk.say("One.")
    talk.connection.drop(talk.holder)
    with pytest.raises(RoomNotHeld):
        await talk.conversation.interrupt()
    assert utterance.state == "interrupted"


async def test_who_stops_waiting_for_the_room_has_nothing_said(talk: Talk) -> None:
    await talk.connection.expect()
    saying = asyncio.create_task(talk.say("One."))
    await until(lambda: talk.conversation.utterances)
    saying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await saying
    await talk.connection.hold(talk.holder)
    assert (talk.conversation.utterances[0].state, talk.holder.sent) == ("interrupted", [])
    assert talk.conversation.utterance is None


async def test_what_is_interrupted_while_it_waits_for_the_room_is_not_sent(talk: Talk) -> None:
    await talk.connection.expect()
    saying = asyncio.create_task(talk.say("One."))
    await until(lambda: talk.conversation.utterances)
    silencing = asyncio.create_task(talk.conversation.interrupt())
    await until(lambda: talk.conversation.utterances[0].state == "interrupted")
    await talk.connection.hold(talk.holder)
    await asyncio.gather(saying, silencing)
    assert [one["event_type"] for one in talk.holder.sent] == ["avatar.interrupt"]


async def test_who_stops_waiting_while_it_goes_out_hushes_what_may_have_arrived(talk: Talk) -> None:
    talk.holder.is_free.clear()
    saying = asyncio.create_task(talk.say("One."))
    await until(lambda: talk.holder.sent)
    talk.holder.is_free.set()
    saying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await saying
    assert [one["event_type"] for one in talk.holder.sent] == ["avatar.speak_text", "avatar.interrupt"]
    assert talk.conversation.utterances[0].state == "interrupted"


async def test_a_session_that_ends_while_the_room_is_waited_for_has_ended(talk: Talk) -> None:
    await talk.connection.expect()
    saying = asyncio.create_task(talk.say("One."))
    await until(lambda: talk.conversation.utterances)
    talk.conversation.close(SessionEnded(session_id=SESSION))
    await talk.connection.close()
    with pytest.raises(SessionEnded):
        await saying


@pytest.mark.parametrize("what", ["listen", "push_to_talk", "interrupt"])
async def test_what_waits_for_the_room_of_a_session_that_ends_is_told_of_the_end(talk: Talk, what: str) -> None:
    await talk.say("One.")
    await talk.connection.expect()
    how = {} if what == "interrupt" else {"start": True}
    waiting = asyncio.create_task(getattr(talk.conversation, what)(**how))
    await asyncio.sleep(0.01)
    talk.conversation.close(SessionEnded(session_id=SESSION))
    await talk.connection.close()
    with contextlib.nullcontext() if what == "interrupt" else pytest.raises(SessionEnded):
        await waiting


async def test_without_a_room_it_is_refused_in_words() -> None:
    talk = Talk()
    for work in (talk.say("One."), talk.conversation.listen(start=True), talk.conversation.push_to_talk(start=True)):
        with pytest.raises(RoomNotHeld, match="provided no room"):
            await work
    await talk.conversation.interrupt()
    await close(talk)
    with pytest.raises(SessionEnded):
        await talk.say("Two.")


# odd events


async def test_events_of_another_session_and_repeated_ones_are_left_out(talk: Talk) -> None:
    utterance = await talk.say("One.")
    assert not talk.tell("avatar.speak_started", source_event_id=utterance.id, session_id="another")
    assert utterance.state == "sending"
    assert talk.tell("avatar.speak_started", source_event_id=utterance.id, event_id="same", session_id=None)
    assert not talk.tell("avatar.speak_started", source_event_id=utterance.id, event_id="same", session_id=None)
    assert talk.tell("avatar.dances")


async def test_row_29_twice_and_out_of_order(talk: Talk) -> None:
    first, second = await talk.say("One."), await talk.say("Two.")
    talk.tell("avatar.speak_ended", source_event_id=second.id)
    talk.tell("avatar.speak_started", source_event_id=second.id)
    talk.tell("avatar.transcription", source_event_id=first.id, text="One.")
    assert (first.state, second.state) == ("talking", "ended")
    talk.tell("avatar.speak_started")
    talk.tell("avatar.speak_started", source_event_id=first.id)
    talk.tell("avatar.speak_ended")
    talk.tell("avatar.speak_ended")
    talk.tell("avatar.transcription.chunk", text="One")
    assert (first.state, second.state, talk.state) == ("ended", "ended", "idle")
    assert sorted(text for _, text, _ in talk.said()) == ["One.", "Two."]
    assert len(talk.conversation.utterances) == 2


async def test_half_a_character_does_not_reach_a_page(talk: Talk) -> None:
    talk.tell("avatar.speak_started")
    talk.tell("avatar.transcription.chunk", text="cut \ud83d")
    assert talk.said() == [("avatar", "cut ?", True)]


KINDS = [*full.EVENT_TYPES, "avatar.dances"]
IDS = st.sampled_from([None, "a", "b", "mine", "asked", 7])
ODD = st.fixed_dictionaries(
    {"event_type": st.sampled_from(KINDS)},
    optional={
        "event_id": IDS,
        "source_event_id": IDS,
        "session_id": st.sampled_from([SESSION, "another"]),
        "text": st.text(max_size=20) | st.none() | st.integers(),
        "state": st.text(max_size=5),
    },
)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(ODD | st.sampled_from(["say", "ask", "interrupt", "wait"]) | st.text(max_size=30), max_size=40))
def test_arbitrary_events_move_nothing_back(steps: list[Any]) -> None:
    order = ["queued", "sending", "talking", "ended", "interrupted", "failed"]

    async def run() -> None:
        talk = Talk(has_opening=True)
        await talk.open()
        known: dict[AsyncUtterance, int] = {}
        for step in steps:
            if step == "say":
                await talk.say("Some words.")
            elif step == "ask":
                await talk.ask("A question?")
            elif step == "interrupt":
                await talk.conversation.interrupt()
                assert talk.state in ("idle", "listening")
            elif step == "wait":
                talk.clock.move(3)
                await asyncio.sleep(0)
            else:
                talk.connection.take(full.RESPONSE, step if isinstance(step, str) else json.dumps(step))
            talking = [one for one in talk.conversation.utterances if one.state == "talking"]
            assert len(talking) <= 1
            assert (talk.state == "talking") is bool(talking)
            for one in talk.conversation.utterances:
                rank = order.index(one.state)
                before = known.get(one, 0)
                assert rank >= before
                assert rank == before or before < 3
                known[one] = rank
            assert sum(partial for _, _, partial in talk.said()) <= 2
        await close(talk)
        assert all(one.state.is_final for one in talk.conversation.utterances)

    asyncio.run(run())
