"""Runs jobs one after the other, on a thread that exists only while there are jobs."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable

logger = logging.getLogger("liveavatar_nb.worker")

THREAD_NAME = "liveavatar_nb-worker"
LINGER = 0.2  # seconds for which the thread waits for more jobs before it ends


class Worker:
    """A queue of jobs that run in order on a separate thread.

    It is for users' callbacks, such as event handlers and observers of a widget's traits. On the loop, they would hold
    up keep-alives, and the main thread may be busy with a cell.

    Args:
        limit: Maximum number of waiting jobs; beyond that, the oldest is dropped, and the first drop is logged. None
            sets no limit.
    """

    def __init__(self, limit: int | None = None) -> None:
        self._limit = limit
        self._reset()
        _all.add(self)

    def _reset(self) -> None:
        self._jobs: deque[Callable[[], None]] = deque()
        self._change = threading.Condition()
        self._busy = False
        self._dropped = 0

    def post(self, job: Callable[[], None]) -> None:
        """Queue a job to run on the thread; if it raises an exception, that is logged."""
        with self._change:
            self._jobs.append(job)
            if self._limit is not None and len(self._jobs) > self._limit:
                self._jobs.popleft()
                self._dropped += 1
                if self._dropped == 1:
                    logger.warning(
                        "a handler is too slow: over %d events are waiting; dropping the oldest", self._limit
                    )
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
            except BaseException:  # even a handler that raises SystemExit must not end the thread or the jobs after it
                logger.exception("a job on a worker thread failed")


_all: weakref.WeakSet[Worker] = weakref.WeakSet()


def _reset_all() -> None:
    for known in list(_all):
        known._reset()


os.register_at_fork(after_in_child=_reset_all)

worker = Worker()  # the shared worker, which writes traits and sends messages to pages
