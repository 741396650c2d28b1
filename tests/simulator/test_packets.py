"""Packets of data on `agent-control`, by the letter."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from liveavatar_nb.simulator.session.commands import LONGEST_NAME, InvalidCommand
from liveavatar_nb.simulator.session.packets import LONGEST_PACKET, SPEAK_RESPONSE, SPEAK_TEXT, TYPES, Packet, read

ID = "6cf2e4c4-4a3c-4a3b-9d43-0d3f9f3a4a11"


def packet(**fields: Any) -> bytes:
    return json.dumps({"event_id": "e1", "event_type": SPEAK_TEXT, "text": "Hello", **fields}).encode()


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("fields", [{}, {"session_id": ID}, {"session_id": None}, {"extra": [1]}])
def test_a_command(kind: str, fields: dict[str, Any]) -> None:
    found = read(packet(event_type=kind, **fields), ID)
    assert found == Packet(kind, "e1", "Hello" if kind in (SPEAK_TEXT, SPEAK_RESPONSE) else "")


def test_a_command_without_its_id_and_a_text_with_blanks() -> None:
    assert read(packet(event_id=None, text=" Hello\n"), ID) == Packet(SPEAK_TEXT, None, "Hello")
    assert read(b'{"event_type": "avatar.interrupt"}', ID) == Packet("avatar.interrupt", None)


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (b"", "JSON object"),
        (b"\xff\xfe", "JSON object"),
        (b"[1]", "JSON object"),
        (b"NaN", "JSON object"),
        (b'"avatar.interrupt"', "JSON object"),
        (b"[" * 14_000, "JSON object"),
        (b'{"event_type": ' + b"9" * 5_000 + b"}", "JSON object"),
        (packet(event_type=None), "event_type"),
        (packet(event_type=["avatar.interrupt"]), "event_type"),
        (packet(event_type="agent.interrupt"), "unknown event_type 'agent.interrupt'"),
        (packet(event_type="x" * 500), f"unknown event_type '{'x' * 64}'"),
        (packet(event_id=7), "event_id must be a string"),
        (packet(event_id="x" * (LONGEST_NAME + 1)), "event_id must be a string of at most 256"),
        (packet(event_id="\ud800"), "event_id must be a string"),
        (packet(session_id="another"), "session_id belongs to another"),
        (packet(session_id=1), "session_id belongs to another"),
        (packet(text=None), "avatar.speak_text: text must be a non-empty string"),
        (packet(text=["Hello"]), "text must be a non-empty string"),
        (packet(text=" \n"), "non-empty"),
        (packet(text="\udfff"), "text must be a non-empty string"),
        (packet(event_type=SPEAK_RESPONSE, text=""), "avatar.speak_response: text must be a non-empty string"),
    ],
)
def test_what_is_no_command(payload: bytes, words: str) -> None:
    with pytest.raises(InvalidCommand, match=words):
        read(payload, ID)


def test_the_longest_packet() -> None:
    room = LONGEST_PACKET - len(packet(text=""))
    assert read(packet(text="x" * room), ID).text == "x" * room
    with pytest.raises(InvalidCommand, match="a packet of 15001 bytes is over the limit of 15000"):
        read(packet(text="x" * (room + 1)), ID)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
objects = st.fixed_dictionaries(
    {},
    optional={
        "event_type": st.sampled_from(TYPES) | values,
        "event_id": st.sampled_from(["a", "b"]) | values,
        "session_id": st.sampled_from([ID, None]) | values,
        "text": st.sampled_from(["Hello", " ", "\ud800"]) | values,
        "extra": values,
    },
)
payloads = (objects | values).map(lambda value: json.dumps(value).encode()) | st.binary(max_size=40)


@settings(max_examples=1_000, deadline=None)
@given(payload=payloads)
@example(payload=json.dumps({"event_type": SPEAK_TEXT, "text": "\ud83d\ude00"}).encode())
def test_a_payload_is_a_command_or_wrong(payload: bytes) -> None:
    try:
        found = read(payload, ID)
    except InvalidCommand:
        return
    assert found.type in TYPES
    assert bool(found.text) == (found.type in (SPEAK_TEXT, SPEAK_RESPONSE))
    json.dumps([found.event_id, found.text], ensure_ascii=False).encode()
