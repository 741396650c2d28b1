"""The switchboard of faults: what goes wrong, where, how often. Both sides of the pipe know its table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from .options import whole

REST: Final = ("token", "start", "stop", "keep_alive", "sessions", "session", "avatars", "credits")
SOCKET: Final = "socket"
OPERATIONS: Final = (*REST, SOCKET)

# for each kind its parameters with their types; None as a default means that it may be left out
KINDS: Final[dict[str, dict[str, tuple[type, ...]]]] = {
    "status": {"status": (int,), "code": (int,), "message": (str,), "headers": (dict,)},
    "delay": {"seconds": (int, float)},
    "drop_before": {},
    "drop_after": {},
    "garbage": {"body": (str,), "status": (int,)},
    "never_connected": {},
    "close": {"code": (int,)},
}
REQUIRED: Final = {"delay": ("seconds",)}
OF_SOCKET: Final = frozenset({"delay", "drop_before", "never_connected", "close"})
OF_REST: Final = frozenset({"status", "delay", "drop_before", "drop_after", "garbage"})


@dataclass(slots=True)
class Fault:
    """One thing that goes wrong; raises ``ValueError`` or ``TypeError`` that names what is off.

    Parameters
    ----------
    operation: one of ``token start stop keep_alive sessions session avatars credits socket``.
    kind: ``status`` (not applied), ``delay`` (real seconds, before it is applied), ``drop_before`` (cut, not
        applied), ``drop_after`` (applied, then cut without an answer), ``garbage`` (applied, then this body);
        for ``socket``: ``delay``, ``drop_before``, ``never_connected`` and ``close`` (1006 cuts the connection;
        an open socket is closed at once, else the next one when it is connected).
    times: how often; None for always.
    """

    operation: str
    kind: str
    times: int | None = 1
    parameters: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.operation not in OPERATIONS:
            raise ValueError(f"operation must be one of {', '.join(OPERATIONS)}, not {self.operation!r}")
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, not {self.kind!r}")
        if self.kind not in (OF_SOCKET if self.operation == SOCKET else OF_REST):
            raise ValueError(f"kind {self.kind!r} does not go with operation {self.operation!r}")
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

    def take(self, operation: str, *kinds: str) -> Fault | None:
        """The next fault of these kinds for this operation, used up by one."""
        for fault in self._faults:
            if fault.operation == operation and fault.kind in kinds:
                if fault.times is not None:
                    fault.times -= 1
                    if not fault.times:
                        self._faults.remove(fault)
                return fault
        return None
