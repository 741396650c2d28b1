"""The command line as processes of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from liveavatar_nb.config import KEY_VARIABLE

ADDRESS_LIMIT = 60  # s until a command has printed its address
END_LIMIT = 40  # s until it has ended after a signal
FAKE_KEY = "canary-" + "k" * 32


def without_key() -> dict[str, str]:
    """This process's environment, but for the user's key."""
    return {name: value for name, value in os.environ.items() if name != KEY_VARIABLE}


class Command:
    """A running `liveavatar-nb`, and what it has printed so far."""

    def __init__(self, *arguments: str, cwd: Path, under: Sequence[str] = (), **env: str) -> None:
        self.process = subprocess.Popen(
            [*under, sys.executable, "-P", "-m", "liveavatar_nb.cli", *arguments],
            cwd=cwd,
            env=without_key() | env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.printed = ""

    def until(self, pattern: str) -> str:
        """Read on until the first group of `pattern` was printed."""
        deadline = time.monotonic() + ADDRESS_LIMIT
        while not (found := re.search(pattern, self.printed)):
            assert self.process.stdout is not None
            line = self.process.stdout.readline()
            assert line, f"it ended: {self.printed}"
            assert time.monotonic() < deadline, self.printed
            self.printed += line
        return found[1]

    def kill(self) -> None:
        """End it and all that it started, if it still runs."""
        if self.process.poll() is None:
            for process in self.family():
                process.kill()
            self.process.kill()
        self.process.communicate()

    def family(self) -> list[psutil.Process]:
        """All that it started, at any depth."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        """Send a signal, read the rest, wait; returns the exit code."""
        self.process.send_signal(number)
        rest, _ = self.process.communicate(timeout=END_LIMIT)
        self.printed += rest
        return self.process.returncode


def run(*arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "liveavatar_nb.cli", *arguments],
        cwd=cwd,
        env=without_key() | env,
        capture_output=True,
        text=True,
        timeout=END_LIMIT,
        check=False,
    )
