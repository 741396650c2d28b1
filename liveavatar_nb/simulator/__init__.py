"""A LiveAvatar that runs on this machine: no key, no account, nothing billed.

It imports nothing else of this project, and shares no parser and no model with the client.
"""

from .handle import Faults, LedgerEntry, Simulator
from .heard import Frame, Heard
from .options import LiveKit
from .process import SimulatorError

__all__ = ["Faults", "Frame", "Heard", "LedgerEntry", "LiveKit", "Simulator", "SimulatorError"]
