"""A LiveAvatar that runs on this machine: no key, no account, nothing billed.

It imports nothing else of this project, and shares no parser and no model with the client.
"""

from .options import LiveKit
from .process import SimulatorError
from .session.heard import Frame, Heard
from .simulator import Faults, LedgerEntry, Simulator

__all__ = ["Faults", "Frame", "Heard", "LedgerEntry", "LiveKit", "Simulator", "SimulatorError"]
