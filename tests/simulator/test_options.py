"""Settings are checked before a process is started, and the error names the field."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from liveavatar_nb.simulator import LiveKit, Simulator
from liveavatar_nb.simulator.options import Options


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("speed", -1),
        ("speed", "fast"),
        ("speed", float("nan")),
        ("speed", float("inf")),
        ("speed", True),
        ("credits", -1),
        ("credits", "many"),
        ("credits", 1.5),
        ("credits", "NaN"),
        ("credits", 10**13),
        ("credits", None),
        ("credits", True),
        ("port", -1),
        ("port", 65_536),
        ("port", "80"),
        ("port", 1.0),
        ("avatars", 0),
        ("avatars", "all"),
        ("avatars", 100_001),
        ("concurrency", 0),
        ("concurrency", 1.5),
        ("idle_limit", 0),
        ("idle_limit", None),
        ("max_session_seconds", 0),
        ("max_session_seconds", 1.5),
        ("plan", "gold"),
        ("plan", 1),
        ("allow_origins", "https://example.org"),
        ("allow_origins", ["*"]),
        ("allow_origins", ["https://example.org/"]),
        ("allow_origins", ["example.org"]),
        ("allow_origins", [1]),
        ("allow_origins", None),
        ("connect_delay", -1),
        ("connect_delay", "0"),
        ("history", 1),
        ("history", "yes"),
        ("history", None),
        ("rate_limit", 0),
        ("rate_limit", 1.5),
        ("rate_limit", "many"),
        ("rate_limit", True),
        ("spelling", "speaks"),
        ("spelling", None),
        ("spelling", ["both"]),
        ("livekit", "on"),
        ("livekit", True),
        ("livekit", "ws://127.0.0.1:7880"),
    ],
)
def test_a_wrong_setting(name: str, value: Any) -> None:
    with pytest.raises((ValueError, TypeError), match=name):
        Simulator(**{name: value})


def test_an_unknown_setting() -> None:
    with pytest.raises(TypeError, match="credit"):
        Simulator(credit=5)  # type: ignore[call-arg]


def test_they_travel_whole() -> None:
    options = Options.of(speed=2, credits=Decimal("0.1"), allow_origins=("https://example.org",), avatars=5, port=1)
    assert Options.from_json(options.to_json()) == options
    other = Options(history=False, rate_limit=None, spelling="bare_state")
    assert Options.from_json(other.to_json()) == other
    with_server = Options(livekit=LiveKit("ws://127.0.0.1:7880", "key", "secret"))
    assert Options.from_json(with_server.to_json()) == with_server


def test_the_handle_tells_what_is_unusual_about_it() -> None:
    with Simulator(speed=0, credits="7.5", rate_limit=None) as simulator:
        assert repr(simulator) == f"<Simulator {simulator.url} (speed=0, credits=7.5, rate_limit=None)>"
    assert repr(simulator).endswith(", closed>")
    with Simulator() as simulator:
        assert repr(simulator) == f"<Simulator {simulator.url}>"


def test_the_clock_and_the_speed_go_one_way(shared: Any) -> None:
    for wrong in (-1, float("nan"), True, "1", 1e12):
        with pytest.raises((ValueError, TypeError), match="seconds"):
            shared.simulator.advance(wrong)
        with pytest.raises((ValueError, TypeError), match="speed"):
            shared.simulator.set_speed(wrong)
