"""What happens to an event on its way to the client: its spelling, and the faults that change what arrives."""

from __future__ import annotations

import base64
import json
from typing import Final

from ..faults import SOCKET, Fault, Switchboard
from .speech import Event

SPOKEN = ("agent.speak_started", "agent.speak_ended", "agent.speak_interrupted")
UPDATED = "agent.state_updated"
MEGABYTE: Final = 1_000_000


class Delivery:
    """The way from one connection to its client.

    Parameters
    ----------
    operation: whose faults change what arrives.
    kind: the field that tells what an event is.
    """

    def __init__(
        self, faults: Switchboard, spelling: str = "both", *, operation: str = SOCKET, kind: str = "type"
    ) -> None:
        self._faults, self._spelling = faults, spelling
        self._names, self._kind = {operation}, kind
        self._held: Event | None = None

    def through(self, event: Event) -> list[Event]:
        """What is sent now for this event: nothing, itself, or more."""
        spelt = _spelt(event, self._spelling)
        if spelt is None:
            return []
        if fault := self._faults.take(self._names, "rename", old=spelt[self._kind]):
            spelt = {**spelt, self._kind: fault.parameters["new"]}
        if self._held is not None:
            events = [spelt, self._held]
            self._held = None
        elif self._faults.take(self._names, "swap"):
            self._held = spelt
            return []
        else:
            events = [spelt]
        return [one for event in events for one in self._copies(event)]

    def rest(self) -> list[Event]:
        """What waited to be swapped with an event that did not come."""
        held, self._held = self._held, None
        return [] if held is None else self._copies(held)

    def _copies(self, event: Event) -> list[Event]:
        return [event, event] if self._faults.take(self._names, "twice") else [event]


def raw(fault: Fault) -> str | bytes:
    """The frame that a fault of the kind `send` sends."""
    if "data" in fault.parameters:
        return base64.b64decode(fault.parameters["data"])
    if "text" in fault.parameters:
        return str(fault.parameters["text"])
    padding = " " * round(fault.parameters["megabytes"] * MEGABYTE)
    return json.dumps({"type": "warning", "warning": padding})


def _spelt(event: Event, spelling: str) -> Event | None:
    """The event as this build of the service would send it, None where it would not."""
    if spelling == "both":
        return event
    if spelling == "speak":
        return None if event["type"] == UPDATED else event
    if event["type"] in SPOKEN:
        return None
    if spelling == "bare_state" and event["type"] == UPDATED:
        return {"state" if name == "new_state" else name: value for name, value in event.items()}
    return event
