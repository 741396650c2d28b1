"""Handles the signals that ask a command to exit."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


@contextmanager
def handle_signals(*names: str, handler: Callable[[int, FrameType | None], Any]) -> Iterator[None]:
    """Within the block, call `handler` when one of the named signals arrives.

    If SIGHUP is already ignored, it stays ignored: under nohup, a command must outlive its terminal.

    Args:
        names: The signals' names; those that this system lacks are skipped.
        handler: Called in the main thread with the signal's number and the interrupted frame.
    """
    numbers = [signal.Signals[name] for name in names if name in signal.Signals.__members__]
    before = {
        number: signal.signal(number, handler)
        for number in numbers
        if number.name != "SIGHUP" or signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
