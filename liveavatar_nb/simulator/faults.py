"""The switchboard of faults: what goes wrong, where, how often. Both sides of the pipe know its table."""

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
LARGEST_SENT: Final = 64.0  # megabytes of one frame
REFUSALS: Final = (400, 599)

# for each kind its parameters with their types
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
    """One thing that goes wrong, where, and how often; raises ``ValueError`` or ``TypeError`` that names what is off.

    `Faults.add` says which operations and kinds there are.
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
        fitting = {SOCKET: SOCKET_KINDS, ROOM: ROOM_KINDS}.get(self.operation, REST_KINDS)
        if self.kind not in fitting:
            raise ValueError(
                f"kind {self.kind!r} does not go with operation {self.operation!r}: {', '.join(fitting)} do"
            )
        if self.times is not None:
            whole("times", self.times, low=1)
        known = KINDS[self.kind]
        for name, value in self.parameters.items():
            if name not in known:
                raise TypeError(f"{self.kind} takes {', '.join(known) or 'no parameter'}, not {name}")
            if isinstance(value, bool) or not isinstance(value, known[name]):
                raise TypeError(f"{name} of {self.kind} must be {known[name][-1].__name__}, not {value!r}")
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
            raise TypeError("send takes one of text, data and megabytes")
        if self.times is None:
            raise ValueError("send needs times: without them its frames would never end")
        try:
            base64.b64decode(self.parameters.get("data", ""), validate=True)
        except binascii.Error:
            raise ValueError("data of send must be base64") from None
        try:
            self.parameters.get("text", "").encode()
        except UnicodeEncodeError:
            raise ValueError("text of send must be Unicode without lone surrogates") from None

    def __str__(self) -> str:
        often = "always" if self.times is None else f"{self.times} time{'s' if self.times > 1 else ''}"
        told = ", ".join(f"{name}={value!r}" for name, value in self.parameters.items())
        return f"{self.operation}: {self.kind}{f'({told})' if told else ''}, {often}"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Fault:
        return cls(**data)


class Switchboard:
    """The faults that are still to happen, in the order in which they were added."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        self._faults.append(fault)

    def clear(self) -> None:
        self._faults.clear()

    def list(self) -> list[Fault]:
        return list(self._faults)

    def take(self, names: Collection[str], *kinds: str, **parameters: Any) -> Fault | None:
        """The next fault of these kinds and parameters for an operation of these names, used up by one."""
        for fault in self._faults:
            if fault.operation in names and fault.kind in kinds and parameters.items() <= fault.parameters.items():
                if fault.times is not None:
                    fault.times -= 1
                    if not fault.times:
                        self._faults.remove(fault)
                return fault
        return None


def _unknown(what: str, told: object, known: Collection[str], *, shown: Collection[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 (only a mistake needs it)

    near = get_close_matches(str(told), known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    ids = ", or an operationId of the contract" if what == "operation" else ""
    return f"There is no {what} {told!r}: {hint}It is one of {', '.join(shown)}{ids}"
