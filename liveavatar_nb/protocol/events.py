"""`Event`: an event that the service reports over a session's WebSocket (LITE) or data channel (FULL)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ..errors import InvalidArgument
from ..validation import nearest

SESSION_STATE: Final = "session.state_updated"  # in both modes
AGENT_STATE: Final = "agent.state_updated"  # in LITE
EVERY_EVENT: Final = "*"


@dataclass(frozen=True)
class Event:
    """An event in a session, as reported by the service.

    Attributes:
        type: The event's type, e.g. `session.state_updated`; types unknown to this package are also passed on. On the
            wire, this field is called `type` in LITE and `event_type` in FULL.
        data: The event's other fields, unchanged.
    """

    type: str
    data: dict[str, Any] = field(default_factory=dict)

    def _text(self, name: str) -> str | None:
        value = self.data.get(name)
        return value if isinstance(value, str) else None

    @property
    def session_state(self) -> str | None:
        """`connecting`, `connected`, `closing` or `closed` on `session.state_updated`; None on other events."""
        return self._text("state") if self.type == SESSION_STATE else None

    @property
    def agent_state(self) -> str | None:
        """`idle`, `listening` or `talking` on `agent.state_updated`; None on other events."""
        # some builds of the service call this field `state`
        if self.type != AGENT_STATE:
            return None
        return self._text("new_state") or self._text("state")

    @property
    def event_id(self) -> str | None:
        """LITE: the `event_id` of the command that caused the event, if given. FULL: the event's own id."""
        return self._text("event_id")

    @property
    def source_event_id(self) -> str | None:
        """FULL: the `event_id` of the command that caused the event, if given."""
        return self._text("source_event_id")

    @property
    def task_id(self) -> str | None:
        """LITE: on `agent.speak_*`, the id that the service assigned to the utterance."""
        task = self.data.get("task")
        task_id = task.get("id") if isinstance(task, dict) else None
        return task_id if isinstance(task_id, str) else None

    @property
    def text(self) -> str | None:
        """FULL: the spoken text, on `user.transcription`, `avatar.transcription` and their chunk events."""
        return self._text("text")

    @property
    def end_reason(self) -> str | None:
        """FULL: why the session ended, on `session.stopped`."""
        # the service's guides and its browser SDK disagree about the field's name
        return self._text("end_reason") or self._text("stop_reason")

    @property
    def session_id(self) -> str | None:
        """FULL: the id of the session that the event belongs to, if given."""
        return self._text("session_id")


def matcher(name: str, types: Sequence[str]) -> Callable[[Event], bool]:
    """Return a function that tells whether an event matches a name.

    Args:
        name: A full type such as `agent.speak_ended`, known or not; the last part of a known type, such as
            `speak_ended`; or `*` for every event.
        types: The event types that the service is known to send in the session's mode.

    Raises:
        InvalidArgument: No known event has this name, or several do; the remedy suggests full names.
    """
    if not isinstance(name, str):
        raise InvalidArgument(f"An event's name must be a string, not {type(name).__name__}.", field="event")
    if name == EVERY_EVENT:
        return lambda event: True
    if "." not in name and name not in types:
        matching = [known for known in types if known.rpartition(".")[2] == name]
        if len(matching) != 1:
            near = [nearest(name, [known.rpartition(".")[2] for known in types])]
            raise InvalidArgument(
                f"Several events are named {name!r}." if matching else f"There is no event named {name!r}.",
                remedy=f"Did you mean {' or '.join(map(repr, matching or near))}?",
                field="event",
            )
        (name,) = matching
    return lambda event: event.type == name
