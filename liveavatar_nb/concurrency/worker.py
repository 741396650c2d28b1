"""Runs jobs one after another, on a thread that exists only while there are jobs."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable

logger = logging.getLogger("liveavatar_nb.worker")

THREAD_NAME = "liveavatar_nb-worker"
LINGER = 0.2  # seconds that the thread waits for another job before it exits


class Worker:
    """A queue of jobs that run in order on a separate thread.

    The queue is meant for users' callbacks, such as event handlers and observers of a widget's traits. On the loop,
    these callbacks would hold up keep-alives; on the main thread, they might have to wait for a running cell.

    Args:
        limit: The maximum number of waiting jobs; beyond that, the oldest job is dropped, and a warning is logged
            the first time. None sets no limit.
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
        """Queue a job to run on the thread; an exception raised by the job is logged."""
        with self._change:
            self._jobs.append(job)
            if self._limit is not None and len(self._jobs) > self._limit:
                self._jobs.popleft()
                self._dropped += 1
                if self._dropped == 1:
                    logger.warning(
                        "a handler is too slow: more than %d events are waiting, so the oldest are dropped", self._limit
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
            except BaseException:  # even a SystemExit must not stop the thread, because other jobs may be waiting
                logger.exception("a job on a worker thread failed")


_all: weakref.WeakSet[Worker] = weakref.WeakSet()


def _reset_all() -> None:
    for known in list(_all):
        known._reset()


os.register_at_fork(after_in_child=_reset_all)

worker = Worker()  # the shared worker, which sets widgets' traits and sends messages to pages
