"""A simulated LiveAvatar service on this machine; it needs no account or key, and nothing is billed.

This package imports nothing else from the project, and shares no parsers or models with the client.
"""

from .options import LiveKit
from .process import SimulatorError
from .session.heard import Frame, Heard
from .simulator import Faults, LedgerEntry, Simulator

__all__ = ["Faults", "Frame", "Heard", "LedgerEntry", "LiveKit", "Simulator", "SimulatorError"]
