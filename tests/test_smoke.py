"""The shortest way through the product, by the sync API: start, play, stop."""

from __future__ import annotations

import numpy as np

from liveavatar_nb import LiveAvatar, Simulator

RATE = 24_000  # Hz


def test_a_session_starts_plays_and_stops(la: LiveAvatar, simulator: Simulator) -> None:
    session = la.start("Silas")
    assert session.state == "connected"
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(RATE // 2) / RATE)
    utterance = session.play(tone, rate=RATE)
    assert utterance.state == "ended"
    session.stop()
    [entry] = simulator.ledger()
    assert entry.end_reason == "USER_CLOSED"
