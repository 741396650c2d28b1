"""Measures how long the kernel has been free to handle pages' messages, which have to wait while a cell runs."""

from __future__ import annotations

import asyncio
import contextlib
import math
import sys
import threading
import time
import weakref
from typing import Any, Final

from .. import config


class Attention:
    """Counts the seconds during which a loop could handle a page's ordinary messages.

    No time is counted while a cell or a slow handler blocks the loop, which we can tell from the lateness of our ticks.
    Some hosts hold messages back until a cell has finished, even if the cell is only awaiting something; on such a
    host, no time is counted while a cell is running. A message that was held back is handled right after the cell, so
    by this count it is not late.

    Args:
        loop: The loop that handles the messages.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.freed_at = -math.inf  # the value of `seconds` when the loop last became free after a long busy period
        self._loop = weakref.ref(loop)
        self._seconds = 0.0
        self._busy = 0.0  # seconds for which the loop has been busy without a break
        self._ticked_at = time.monotonic()
        self._wanted_at = -math.inf
        self._is_ticking = False
        self._cells: Cells | None = None
        self._begun = 0
        self._hears_beside_cells = False

    @property
    def seconds(self) -> float:
        """The seconds counted so far; counting continues only while this property is read regularly."""
        now = self._wanted_at = time.monotonic()
        loop = self._loop()
        if loop is None or loop.is_closed():
            # a closed loop handles no messages, so count all the time for which the page has been silent
            self._seconds += now - self._ticked_at
            self._ticked_at = now
        elif not self._is_ticking:
            self._is_ticking, self._ticked_at = True, now
            with contextlib.suppress(RuntimeError):  # the loop has just been closed
                loop.call_soon_threadsafe(self._tick)
        return self._seconds

    def hear(self) -> None:
        """Record that a message arrived; call this on the loop.

        If a cell is running at that moment, this host evidently does not hold messages back while cells run.
        """
        if self._cells is None:
            self._cells = cells_of_ipython()
        if self._cells is not None and self._cells.is_running:
            self._hears_beside_cells = True

    def _tick(self) -> None:
        now = time.monotonic()
        passed, self._ticked_at = now - self._ticked_at, now
        if passed < 2 * config.ATTENTION_TICK and not self._is_in_cell():
            if self._busy > config.LONG_BUSY:
                self.freed_at = self._seconds
            self._busy = 0.0
            self._seconds += passed
        else:
            self._busy += passed
        loop = self._loop()
        self._is_ticking = loop is not None and now - self._wanted_at < config.ATTENTION_LINGER
        if loop is not None and self._is_ticking:
            loop.call_later(config.ATTENTION_TICK, self._tick)

    def _is_in_cell(self) -> bool:
        """Return whether a cell is running, or has run since the last tick."""
        begun, self._begun = self._begun, 0 if self._cells is None else self._cells.begun
        if self._hears_beside_cells or self._cells is None:
            return not self._hears_beside_cells and is_in_cell_of_marimo()
        return self._cells.is_running or self._cells.begun != begun


class UnknownAttention:
    """A stand-in for `Attention` that never counts any time, used if we can't tell what delays messages."""

    seconds: Final = 0.0
    freed_at: Final = -math.inf


UNKNOWN: Final = UnknownAttention()


class Cells:
    """Tracks the cells that an IPython shell runs on this thread."""

    def __init__(self, shell: Any) -> None:
        self.is_running = False
        self.begun = 0
        self._thread = threading.get_ident()
        # not `pre_execute`, which also fires for every widget message
        shell.events.register("pre_run_cell", self._begin)
        shell.events.register("post_run_cell", self._end)

    def _begin(self, _info: Any) -> None:
        if threading.get_ident() == self._thread:
            self.is_running = True
            self.begun += 1

    def _end(self, _result: Any) -> None:
        if threading.get_ident() == self._thread:
            self.is_running = False


_attentions: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Attention] = weakref.WeakKeyDictionary()
_cells: weakref.WeakKeyDictionary[Any, Cells] = weakref.WeakKeyDictionary()


def attention_here() -> Attention | UnknownAttention:
    """Record the message being handled, and return the `Attention` of the running loop."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return UNKNOWN
    if ipython() is not None and threading.current_thread() is not threading.main_thread():
        # this is a subshell, but the next message may go back to the main thread and have to wait for a cell there
        return UNKNOWN
    attention = _attentions.get(loop)
    if attention is None:
        attention = _attentions[loop] = Attention(loop)
    attention.hear()
    return attention


def ipython() -> Any:
    """Return this process's IPython shell, or None if there is none."""
    return sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None


def cells_of_ipython() -> Cells | None:
    """Return the `Cells` of this process's IPython shell, or None if there is no shell."""
    shell = ipython()
    if shell is None:
        return None
    cells = _cells.get(shell)
    if cells is None:
        cells = _cells[shell] = Cells(shell)
    return cells


def is_in_cell_of_marimo() -> bool:
    """Return whether marimo is running a cell on this thread."""
    find = getattr(sys.modules.get("marimo._runtime.context"), "safe_get_context", None)
    return find is not None and getattr(find(), "execution_context", None) is not None
