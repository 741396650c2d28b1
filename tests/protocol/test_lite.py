"""LITE's frames: what is sent has the service's names and fields; what comes is read in either spelling, or kept."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liveavatar_nb.protocol import lite
from liveavatar_nb.protocol.events import Event
from liveavatar_nb.protocol.lite import Framer

SECOND = 48_000  # bytes of 16-bit mono at 24,000 Hz
LIMIT = 1_000_000  # bytes of a frame


def test_a_frame_of_sound_is_what_the_service_expects() -> None:
    frame = json.loads(lite.speak(b"\x01\x02\xff\x7f", "the-id").encode())
    assert frame == {
        "type": "agent.speak",
        "event_id": "the-id",
        "audio": base64.b64encode(b"\x01\x02\xff\x7f").decode(),
    }


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        (lite.speak_end("id"), "agent.speak_end"),
        (lite.interrupt("id"), "agent.interrupt"),
        (lite.listen("id", start=True), "agent.start_listening"),
        (lite.listen("id", start=False), "agent.stop_listening"),
    ],
)
def test_commands_have_their_type_and_an_id_and_nothing_else(command: lite.Command, kind: str) -> None:
    assert json.loads(command.encode()) == {"type": kind, "event_id": "id"}


def test_who_looks_at_the_wire_sees_how_much_sound_it_was_and_not_the_sound() -> None:
    command = lite.speak(b"\x00" * 28_800, "id")
    assert command.shown == {"event_id": "id", "audio": "<0.60 s, 28,800 bytes>"}
    assert "\\x00" not in repr(command)


@settings(deadline=None)
@given(st.lists(st.integers(0, 40 * SECOND // 10).map(lambda n: n * 2), max_size=12))
def test_row_33_however_it_is_cut_the_first_frame_is_short_the_others_longer_and_none_too_long(
    sizes: list[int],
) -> None:
    """row 33: a piece of any size is split before it is sent, and all of it arrives in order."""
    sound = bytes(index % 251 for index in range(sum(sizes)))
    framer, frames, at = Framer(), [], 0
    for size in sizes:
        frames += framer.push(sound[at : at + size])
        at += size
    rest = framer.rest()
    frames += [rest] * bool(rest)
    assert b"".join(frames) == sound
    assert [len(frame) for frame in frames[:1]] <= [28_800]
    assert all(len(frame) == (SECOND if index else 28_800) for index, frame in enumerate(frames[:-1]))
    assert all(len(frame) <= SECOND for frame in frames)
    assert all(len(lite.speak(frame, "i" * 36).encode()) < LIMIT for frame in frames)


def test_both_spellings_of_a_state_are_read() -> None:
    newer = lite.decode('{"type": "agent.state_updated", "previous_state": "idle", "new_state": "talking"}')
    older = lite.decode('{"type": "agent.state_updated", "state": "talking"}')
    assert newer is not None
    assert older is not None
    assert newer.agent_state == older.agent_state == "talking"
    assert newer.session_state is older.session_state is None
    session = lite.decode('{"type": "session.state_updated", "state": "connected"}')
    assert session is not None
    assert (session.session_state, session.agent_state) == ("connected", None)


def test_ids_are_read_where_they_are_text() -> None:
    event = Event("agent.speak_started", {"event_id": "e", "task": {"id": "t"}})
    assert (event.event_id, event.task_id) == ("e", "t")
    odd_ones: list[dict[str, Any]] = [{}, {"event_id": 3, "task": {"id": None}}, {"task": "t"}, {"task": []}]
    for data in odd_ones:
        odd = Event("agent.speak_started", data)
        assert (odd.event_id, odd.task_id) == (None, None)


def test_an_unknown_type_is_kept_with_all_its_fields() -> None:
    assert lite.decode('{"type": "agent.dances", "tempo": 3}') == Event("agent.dances", {"tempo": 3})


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "null",
        "[]",
        "3",
        '"text"',
        "{",
        '{"type": 3}',
        "{}",
        "[" * 100_000,
        b"\x00",
        b'{"type": "agent.x"}',
        "1" * 5000,
    ],
)
def test_what_is_no_event_is_none(frame: str | bytes) -> None:
    assert lite.decode(frame) is None


@settings(deadline=None)
@given(
    st.text()
    | st.binary()
    | st.recursive(st.none() | st.text(), lambda inner: st.dictionaries(st.text(), inner)).map(json.dumps)
)
def test_decoding_never_fails(frame: str | bytes) -> None:
    event = lite.decode(frame)
    if event is not None:
        assert [event.session_state, event.agent_state, event.event_id, event.task_id]
