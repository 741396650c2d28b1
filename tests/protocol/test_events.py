"""Events are found by their whole name or its last part, by what the service says in the session's mode."""

from __future__ import annotations

import pytest

from liveavatar_nb.errors import InvalidArgument
from liveavatar_nb.protocol import full, lite
from liveavatar_nb.protocol.events import Event, matcher

LITE = lite.EVENT_TYPES
FULL = full.EVENT_TYPES


@pytest.mark.parametrize(
    ("types", "name", "kind"),
    [
        (LITE, "agent.speak_ended", "agent.speak_ended"),
        (LITE, "speak_ended", "agent.speak_ended"),
        (LITE, "audio_buffer_cleared", "agent.audio_buffer_cleared"),
        (LITE, "error", "error"),
        (LITE, "agent.dances", "agent.dances"),
        (LITE, "*", "anything.at_all"),
        (FULL, "avatar.speak_ended", "avatar.speak_ended"),
        (FULL, "state_updated", "session.state_updated"),
        (FULL, "stopped", "session.stopped"),
        (FULL, "user.transcription.chunk", "user.transcription.chunk"),
        (FULL, "avatar.dances", "avatar.dances"),
        (FULL, "*", "anything.at_all"),
    ],
)
def test_an_event_is_found_by_its_type_or_the_last_part_of_it(types: tuple[str, ...], name: str, kind: str) -> None:
    assert matcher(name, types)(Event(kind))
    assert matcher(name, types)(Event("another.one")) is (name == "*")


@pytest.mark.parametrize(
    ("types", "name", "told"),
    [
        (LITE, "speak_end", "speak_ended"),
        (LITE, "state_updated", "session.state_updated' or 'agent.state_updated"),
        (LITE, "spoken", "Did you mean"),
        (FULL, "speak_ended", "user.speak_ended' or 'avatar.speak_ended"),
        (FULL, "transcription", "user.transcription' or 'avatar.transcription"),
        (FULL, "chunk", "user.transcription.chunk' or 'avatar.transcription.chunk"),
        (FULL, "speak_interrupted", "Did you mean"),
    ],
)
def test_a_name_that_no_event_has_is_refused_with_the_nearest(types: tuple[str, ...], name: str, told: str) -> None:
    with pytest.raises(InvalidArgument, match=told):
        matcher(name, types)
