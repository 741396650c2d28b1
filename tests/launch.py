"""How tests and benchmarks were launched makes no difference to the processes they start."""

from __future__ import annotations

import signal

# what a shell's background job, nohup or a trap has ignored, and every process below it
INHERITED = signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM


def heed_signals() -> None:
    """Take back what was ignored at the launch: children die of these signals again, and Ctrl-C is Python's own.

    This process itself goes on ignoring the others: a function that does nothing is not inherited by a program.
    """
    for number in INHERITED:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else _nothing)


def _nothing(*_: object) -> None:
    pass
