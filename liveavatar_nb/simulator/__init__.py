"""A LiveAvatar that runs on this machine: no key, no account, nothing billed.

It imports nothing else from this project, and shares no parser or model with the client.
"""

from .options import LiveKit
from .process import SimulatorError
from .session.heard import Frame, Heard
from .simulator import Faults, LedgerEntry, Simulator

__all__ = ["Faults", "Frame", "Heard", "LedgerEntry", "LiveKit", "Simulator", "SimulatorError"]
