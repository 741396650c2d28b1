"""The one thread that writes traits and sends messages to pages."""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Callable

logger = logging.getLogger("liveavatar_nb.widgets")

THREAD_NAME = "liveavatar_nb-widgets"
LINGER = 0.2  # s that the thread waits for more before it leaves


class Worker:
    """Runs what is posted, in order, on a thread that comes and goes with the work.

    Writing a trait runs the user's `observe` callbacks: on the loop they would hold up keep-alives, and the
    main thread may be busy with a cell.
    """

    def __init__(self) -> None:
        self._reset()
        os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        self._jobs: deque[Callable[[], None]] = deque()
        self._change = threading.Condition()
        self._busy = False

    def post(self, job: Callable[[], None]) -> None:
        """Has `job` run on the thread; what it raises is logged."""
        with self._change:
            self._jobs.append(job)
            if self._busy:
                self._change.notify()
                return
            self._busy = True
        threading.Thread(target=self._run, name=THREAD_NAME, daemon=True).start()

    def _run(self) -> None:
        while True:
            with self._change:
                if not self._jobs:
                    self._change.wait(LINGER)
                if not self._jobs:
                    self._busy = False
                    return
                job = self._jobs.popleft()
            try:
                job()
            except Exception:
                logger.exception("a widget could not be updated")


worker = Worker()
