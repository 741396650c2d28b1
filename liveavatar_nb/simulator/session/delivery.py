"""Delivers events to a client in the chosen spelling, with any injected faults."""

from __future__ import annotations

import base64
import json
from typing import Final

from ..faults import SOCKET, Fault, FaultQueue
from .speech import Event

SPOKEN = ("agent.speak_started", "agent.speak_ended", "agent.speak_interrupted")
UPDATED = "agent.state_updated"
MEGABYTE: Final = 1_000_000


class Delivery:
    """Prepares one connection's events for sending.

    Args:
        faults: The pending faults.
        spelling: Which names are used for the events that report speech; see `Simulator`.
        operation: The operation whose faults apply.
        kind: The field that holds an event's type.
    """

    def __init__(
        self, faults: FaultQueue, spelling: str = "both", *, operation: str = SOCKET, kind: str = "type"
    ) -> None:
        self._faults, self._spelling = faults, spelling
        self._names, self._kind = {operation}, kind
        self._held: Event | None = None

    def deliver(self, event: Event) -> list[Event]:
        """Return the events to send in place of `event`: none, one or several."""
        spelled = _spell(event, self._spelling)
        if spelled is None:
            return []
        if fault := self._faults.take(self._names, "rename", old=spelled[self._kind]):
            spelled = {**spelled, self._kind: fault.parameters["new"]}
        if self._held is not None:
            events = [spelled, self._held]
            self._held = None
        elif self._faults.take(self._names, "swap"):
            self._held = spelled
            return []
        else:
            events = [spelled]
        return [copy for event in events for copy in self._copies(event)]

    def flush(self) -> list[Event]:
        """Return the event that was held back for a swap, if no later event came to swap it with."""
        held, self._held = self._held, None
        return [] if held is None else self._copies(held)

    def _copies(self, event: Event) -> list[Event]:
        return [event, event] if self._faults.take(self._names, "twice") else [event]


def raw(fault: Fault) -> str | bytes:
    """Return the frame to send for a fault of kind ``send``."""
    if "data" in fault.parameters:
        return base64.b64decode(fault.parameters["data"])
    if "text" in fault.parameters:
        return str(fault.parameters["text"])
    padding = " " * round(fault.parameters["megabytes"] * MEGABYTE)
    return json.dumps({"type": "warning", "warning": padding})


def _spell(event: Event, spelling: str) -> Event | None:
    """Return the event as sent by a build with this spelling; None if such a build does not send it."""
    if spelling == "both":
        return event
    if spelling == "speak":
        return None if event["type"] == UPDATED else event
    if event["type"] in SPOKEN:
        return None
    if spelling == "bare_state" and event["type"] == UPDATED:
        return {"state" if name == "new_state" else name: value for name, value in event.items()}
    return event
