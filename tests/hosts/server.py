"""`Server`: a host's process on a free port of this machine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

READY_LIMIT = 120.0  # s for it to answer, beside others that begin
CLOSE_LIMIT = 15.0  # s that it has to end its kernels, and itself
TAIL = 4000  # characters of its log that an error shows


def free_port() -> int:
    """One that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A host that serves a folder.

    Args:
        command: starts it.
        folder: its working folder, where its log is kept, too.
        environment: its whole environment.
        url: answers once it is ready.
    """

    def __init__(self, command: Sequence[str], folder: Path, environment: Mapping[str, str], url: str) -> None:
        self._log_path = folder / ".log"
        self._url = url
        with self._log_path.open("wb") as log:
            self._process = psutil.Popen(
                command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )

    @property
    def log(self) -> str:
        """The end of what it has said."""
        return self._log_path.read_text(errors="replace")[-TAIL:]

    async def ready(self) -> None:
        """Return once it answers.

        Raises:
            RuntimeError: It has ended, or takes too long.
        """
        deadline = time.monotonic() + READY_LIMIT
        while time.monotonic() < deadline and self._process.poll() is None:
            if await asyncio.to_thread(self._answers):
                return
            await asyncio.sleep(0.2)
        raise RuntimeError(f"the host did not start:\n{self.log}")

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(self._url, timeout=5):
                return True
        except urllib.error.HTTPError as answer:
            return answer.code < 500
        except OSError:
            return False

    def close(self) -> None:
        """End it, and all that it started."""
        started = []
        with contextlib.suppress(psutil.NoSuchProcess):
            started = self._process.children(recursive=True)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        _, left = psutil.wait_procs([self._process, *started], CLOSE_LIMIT)
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, CLOSE_LIMIT)
