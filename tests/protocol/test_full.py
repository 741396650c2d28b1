"""FULL's packets: what is sent has the service's names and fields; what comes is an event, or nothing."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liveavatar_nb.errors import InvalidArgument
from liveavatar_nb.protocol import full
from liveavatar_nb.protocol.events import Event

LONGEST = 15_000  # bytes of a packet


@pytest.mark.parametrize(
    ("command", "fields"),
    [
        (full.speak_text("Grüezi!", "id", "s"), {"event_type": "avatar.speak_text", "text": "Grüezi!"}),
        (full.speak_response("Why?", "id", "s"), {"event_type": "avatar.speak_response", "text": "Why?"}),
        (full.interrupt("id", "s"), {"event_type": "avatar.interrupt"}),
        (full.listen("id", "s", start=True), {"event_type": "avatar.start_listening"}),
        (full.listen("id", "s", start=False), {"event_type": "avatar.stop_listening"}),
        (full.push_to_talk("id", "s", start=True), {"event_type": "user.start_push_to_talk"}),
        (full.push_to_talk("id", "s", start=False), {"event_type": "user.stop_push_to_talk"}),
    ],
)
def test_a_command_is_what_the_service_expects(command: full.Command, fields: dict[str, str]) -> None:
    assert json.loads(command.encode()) == {"event_id": "id", "session_id": "s", **fields}
    assert {"event_type": command.type, **command.shown} == json.loads(command.encode())


def test_the_longest_text_fits_and_one_byte_more_is_refused() -> None:
    room = LONGEST - len(full.speak_text("", "id", "s").encode())
    assert len(full.speak_text("a" * room, "id", "s").encode()) == LONGEST
    with pytest.raises(InvalidArgument, match=r"a packet of 15,001 bytes.*15,000"):
        full.speak_text("a" * (room + 1), "id", "s")
    with pytest.raises(InvalidArgument, match="too long"):
        full.speak_response("\N{PILE OF POO}" * (room // 4 + 1), "id", "s")


def test_half_a_character_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="unpaired surrogate"):
        full.speak_text("a\ud83d", "id", "s")


def test_an_event_has_its_type_and_the_other_fields() -> None:
    packet = json.dumps({"event_type": "avatar.speak_ended", "event_id": "e", "source_event_id": "u", "more": [1]})
    event = full.decode(packet)
    assert event == full.decode(packet.encode())
    assert event == Event("avatar.speak_ended", {"event_id": "e", "source_event_id": "u", "more": [1]})
    assert (event.event_id, event.source_event_id, event.session_id, event.text) == ("e", "u", None, None)


@pytest.mark.parametrize("name", ["end_reason", "stop_reason"])
def test_why_a_session_ended_has_two_names(name: str) -> None:
    event = full.decode(json.dumps({"event_type": full.STOPPED, name: "AGENT_HANG_UP"}))
    assert event is not None
    assert event.end_reason == "AGENT_HANG_UP"


@pytest.mark.parametrize(
    "packet",
    ["", "{", "[]", "7", '{"type": "agent.speak_ended"}', '{"event_type": 3}', b"\xff\xfe", "[" * 100_000, b"\x00\x01"],
)
def test_what_is_no_event_is_none(packet: str | bytes) -> None:
    assert full.decode(packet) is None


@settings(deadline=None)
@given(st.text() | st.binary() | st.dictionaries(st.text(), st.none() | st.text() | st.integers()).map(json.dumps))
def test_decoding_never_fails(packet: str | bytes) -> None:
    event = full.decode(packet)
    if event is not None:
        assert [event.event_id, event.source_event_id, event.session_id, event.text]


def test_an_event_that_comes_twice_is_known() -> None:
    repeats = full.Repeats()
    ended = Event("avatar.speak_ended", {"event_id": "1"})
    assert not repeats.has(ended)
    assert not repeats.has(Event("avatar.speak_started", {"event_id": "1"}))
    assert repeats.has(ended)
    assert not repeats.has(Event("avatar.speak_ended"))
    assert not repeats.has(Event("avatar.speak_ended"))


def test_chunks_that_share_an_id_are_the_same_only_where_one_follows_the_other() -> None:
    repeats = full.Repeats()
    told = [("a", False), ("a", True), ("b", False), ("a", False), ("a", True)]
    for text, is_repeated in told:
        assert repeats.has(Event("avatar.transcription.chunk", {"event_id": "1", "text": text})) is is_repeated


def test_not_every_event_is_remembered_for_ever() -> None:
    repeats = full.Repeats()
    for number in range(full.REMEMBERED + 1):
        assert not repeats.has(Event("user.speak_ended", {"event_id": str(number)}))
    assert repeats.has(Event("user.speak_ended", {"event_id": "2"}))
    assert not repeats.has(Event("user.speak_ended", {"event_id": "0"}))
