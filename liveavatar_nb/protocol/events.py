"""`Event`: what the service says of a session, by the WebSocket (LITE) or the data channel (FULL), and its names."""

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
    """Something that the service said about a session.

    Attributes:
        type: as in `session.state_updated`; a type that is not known is new, not wrong. LITE calls the field `type`,
            FULL `event_type`.
        data: the other fields, as they came.
    """

    type: str
    data: dict[str, Any] = field(default_factory=dict)

    def _text(self, name: str) -> str | None:
        value = self.data.get(name)
        return value if isinstance(value, str) else None

    @property
    def session_state(self) -> str | None:
        """`connecting`, `connected`, `closing` or `closed` on `session.state_updated`, else None."""
        return self._text("state") if self.type == SESSION_STATE else None

    @property
    def agent_state(self) -> str | None:
        """`idle`, `listening` or `talking` on `agent.state_updated`, else None; some builds call the field `state`."""
        if self.type != AGENT_STATE:
            return None
        return self._text("new_state") or self._text("state")

    @property
    def event_id(self) -> str | None:
        """LITE: the `event_id` of what it answers, where it says so. FULL: its own."""
        return self._text("event_id")

    @property
    def source_event_id(self) -> str | None:
        """FULL: the `event_id` of what it answers, where it says so."""
        return self._text("source_event_id")

    @property
    def task_id(self) -> str | None:
        """LITE: the service's own id of an utterance, on `agent.speak_*`."""
        task = self.data.get("task")
        found = task.get("id") if isinstance(task, dict) else None
        return found if isinstance(found, str) else None

    @property
    def text(self) -> str | None:
        """FULL: the words, on `user.transcription`, `avatar.transcription` and their chunks."""
        return self._text("text")

    @property
    def session_id(self) -> str | None:
        """FULL: whose it is, where it says so."""
        return self._text("session_id")


def matcher(name: str, types: Sequence[str]) -> Callable[[Event], bool]:
    """Tells whether an event is one of that name.

    Args:
        name: a whole type as in `agent.speak_ended`, also one that is not known; the last part of a known one, as in
            `speak_ended`; or `*` for every event.
        types: what the service is known to send in the session's mode.

    Raises:
        InvalidArgument: no known event is called so, or two are; the remedy names them.
    """
    if not isinstance(name, str):
        raise InvalidArgument(f"An event's name is text, not {type(name).__name__}.", field="event")
    if name == EVERY_EVENT:
        return lambda event: True
    if "." not in name and name not in types:
        whole = [known for known in types if known.rpartition(".")[2] == name]
        if len(whole) != 1:
            near = [nearest(name, [known.rpartition(".")[2] for known in types])]
            raise InvalidArgument(
                f"Two events are called {name!r}." if whole else f"No event is called {name!r}.",
                remedy=f"Did you mean {' or '.join(map(repr, whole or near))}?",
                field="event",
            )
        (name,) = whole
    return lambda event: event.type == name
