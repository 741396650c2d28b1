"""The faults that the simulator can inject: what goes wrong, where, and how often.

The parent and the child process share these tables.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from .options import number, whole
from .rest.operations import OPERATIONS

SOCKET: Final = "socket"
ROOM: Final = "room"
ANY: Final = "any"
SHORT_NAMES: Final = tuple(dict.fromkeys(operation.name for operation in OPERATIONS))
NAMES: Final = (*SHORT_NAMES, SOCKET, ROOM, ANY, *(operation.id for operation in OPERATIONS))
LARGEST_BODY: Final = 1024.0  # megabytes
LARGEST_SENT: Final = 64.0  # maximum megabytes in one frame
REFUSALS: Final = (400, 599)

# the parameters of each kind of fault, with their types
KINDS: Final[dict[str, dict[str, tuple[type, ...]]]] = {
    "status": {
        "status": (int,),
        "code": (int,),
        "message": (str,),
        "headers": (dict,),
        "body": (str,),
        "content_type": (str,),
    },
    "redirect": {"location": (str,)},
    "delay": {"seconds": (int, float)},
    "drop_before": {},
    "late": {"seconds": (int, float), "status": (int,)},
    "drop_after": {},
    "garbage": {"body": (str,), "status": (int,)},
    "truncated": {},
    "reset": {},
    "huge": {"megabytes": (int, float)},
    "gzip_bomb": {"megabytes": (int, float)},
    "drip": {"seconds": (int, float)},
    "stale": {},
    "never_connected": {},
    "close": {"code": (int,)},
    "refuse": {"status": (int,)},
    "send": {"text": (str,), "data": (str,), "megabytes": (int, float)},
    "twice": {},
    "swap": {},
    "rename": {"old": (str,), "new": (str,)},
    "stall": {},
}
REQUIRED: Final = {
    "redirect": ("location",),
    "delay": ("seconds",),
    "late": ("seconds",),
    "huge": ("megabytes",),
    "gzip_bomb": ("megabytes",),
    "drip": ("seconds",),
    "rename": ("old", "new"),
}
OF_SOCKETS_ONLY: Final = ("never_connected", "close", "refuse", "send", "twice", "swap", "rename", "stall")
SOCKET_KINDS: Final = ("delay", "drop_before", *OF_SOCKETS_ONLY)
ROOM_KINDS: Final = ("close", "send", "twice", "swap", "rename")
REST_KINDS: Final = tuple(kind for kind in KINDS if kind not in OF_SOCKETS_ONLY)


@dataclass(slots=True)
class Fault:
    """A fault of one kind, which affects the next `times` calls to an operation.

    See `Faults.add` for the operations and kinds.

    Raises:
        ValueError: The operation or kind does not exist, or a value is out of range; the message says which.
        TypeError: A parameter is missing, unknown or of the wrong type; the message names it.
    """

    operation: str
    kind: str
    times: int | None = 1
    parameters: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.operation not in NAMES:
            raise ValueError(_unknown("operation", self.operation, NAMES, shown=(*SHORT_NAMES, SOCKET, ROOM, ANY)))
        if self.kind not in KINDS:
            raise ValueError(_unknown("kind", self.kind, KINDS, shown=KINDS))
        allowed = {SOCKET: SOCKET_KINDS, ROOM: ROOM_KINDS}.get(self.operation, REST_KINDS)
        if self.kind not in allowed:
            raise ValueError(
                f"Operation {self.operation!r} has no fault of kind {self.kind!r}. Use one of {', '.join(allowed)}"
            )
        if self.times is not None:
            whole("times", self.times, low=1)
        known = KINDS[self.kind]
        for name, value in self.parameters.items():
            if name not in known:
                raise TypeError(f"{self.kind} takes {', '.join(known) or 'no parameters'}, not {name}")
            if isinstance(value, bool) or not isinstance(value, known[name]):
                raise TypeError(f"{self.kind}: {name} must be of type {known[name][-1].__name__}, not {value!r}")
        for name in REQUIRED.get(self.kind, ()):
            if name not in self.parameters:
                raise TypeError(f"{self.kind} needs {name}")
        if "seconds" in self.parameters:
            number("seconds", self.parameters["seconds"], low=0)
        if "megabytes" in self.parameters:
            largest = LARGEST_SENT if self.kind == "send" else LARGEST_BODY
            number("megabytes", self.parameters["megabytes"], low=0, high=largest)
        if self.kind == "refuse" and "status" in self.parameters:
            whole("status", self.parameters["status"], low=REFUSALS[0], high=REFUSALS[1])
        if self.kind == "send":
            self._check_frame()

    def _check_frame(self) -> None:
        if len(self.parameters) != 1:
            raise TypeError("send takes exactly one of text, data or megabytes")
        if self.times is None:
            raise ValueError("send cannot repeat forever. Set times to a number")
        try:
            base64.b64decode(self.parameters.get("data", ""), validate=True)
        except binascii.Error:
            raise ValueError("send: data must be base64") from None
        try:
            self.parameters.get("text", "").encode()
        except UnicodeEncodeError:
            raise ValueError("send: text must not contain lone surrogates") from None

    def __str__(self) -> str:
        frequency = "always" if self.times is None else f"{self.times} time{'s' if self.times > 1 else ''}"
        parameters = ", ".join(f"{name}={value!r}" for name, value in self.parameters.items())
        return f"{self.operation}: {self.kind}{f'({parameters})' if parameters else ''}, {frequency}"

    def to_json(self) -> dict[str, Any]:
        """Return the fault as JSON data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Fault:
        """Restore a fault from the result of `to_json`."""
        return cls(**data)


class FaultQueue:
    """The pending faults, in the order they were added."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Append a fault to the pending faults."""
        self._faults.append(fault)

    def clear(self) -> None:
        """Remove all pending faults."""
        self._faults.clear()

    def list(self) -> list[Fault]:
        """Return the pending faults, in order."""
        return list(self._faults)

    def take(self, names: Collection[str], *kinds: str, **parameters: Any) -> Fault | None:
        """Return the first matching fault, and reduce its remaining count by one.

        Args:
            names: The operation's names; the fault must be for one of them.
            kinds: The kinds to match.
            parameters: Parameters that the fault must have.

        Returns:
            The fault, or None if none matches.
        """
        for fault in self._faults:
            if fault.operation in names and fault.kind in kinds and parameters.items() <= fault.parameters.items():
                if fault.times is not None:
                    fault.times -= 1
                    if not fault.times:
                        self._faults.remove(fault)
                return fault
        return None


def _unknown(noun: str, name: object, known: Collection[str], *, shown: Collection[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 (only needed after a mistake)

    matches = get_close_matches(str(name), known, n=1)
    hint = f"Did you mean {matches[0]!r}? " if matches else ""
    ids = ", or an operationId from the contract" if noun == "operation" else ""
    return f"There is no {noun} {name!r}. {hint}Use one of {', '.join(shown)}{ids}"
