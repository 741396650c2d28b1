"""A LiveKit server of the simulator's own, on loopback, which ends with it whatever happens."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from ..options import LiveKit

PROGRAM: Final = "livekit-server"
KEEPER: Final = Path(__file__).with_name("keeper.py")
READY_LIMIT: Final = 15.0  # seconds until it must answer
PROBE_INTERVAL: Final = 0.03  # seconds
END_LIMIT: Final = 3.0  # seconds that its keeper may take to end it
TAIL_BYTES: Final = 2_000


class ServerFailed(Exception):
    """The LiveKit server does not answer; the text says why."""


class Server:
    """A server with a key and secret of its own, started when first asked for.

    Parameters
    ----------
    program: path of ``livekit-server``.
    """

    def __init__(self, program: str) -> None:
        self.program: Final = program
        self._port = _free_port(socket.SOCK_STREAM)
        self._keeper: subprocess.Popen[bytes] | None = None
        self._starting = asyncio.Lock()
        self.address: Final = LiveKit(
            f"ws://127.0.0.1:{self._port}", f"API{secrets.token_hex(6)}", secrets.token_urlsafe(32)
        )

    @property
    def is_running(self) -> bool:
        return self._keeper is not None and self._keeper.poll() is None

    async def ready(self) -> None:
        """Returns when it answers; started anew, on the same port, where it has died.

        Raises `ServerFailed`.
        """
        async with self._starting:
            if self.is_running:
                return
            with tempfile.TemporaryFile() as log:
                self._keeper = self._start(log.fileno())
                try:
                    async with asyncio.timeout(READY_LIMIT):
                        await self._answers()
                except (TimeoutError, ServerFailed):
                    await self._end()
                    log.seek(0)
                    told = log.read().decode(errors="replace")[-TAIL_BYTES:].strip()
                    raise ServerFailed(f"{PROGRAM} did not start{f': {told}' if told else ''}") from None

    async def aclose(self) -> None:
        """Ends it, and waits until it is gone."""
        async with self._starting:
            await self._end()

    def _start(self, log: int) -> subprocess.Popen[bytes]:
        config = {
            "port": self._port,
            "bind_addresses": ["127.0.0.1"],
            "keys": {self.address.api_key: self.address.api_secret},
            "logging": {"level": "error", "json": False},
            "rtc": {
                "node_ip": "127.0.0.1",
                "udp_port": _free_port(socket.SOCK_DGRAM),
                "tcp_port": 0,
                "enable_loopback_candidate": True,
                "interfaces": {"includes": ["lo", "lo0"]},
            },
        }
        return subprocess.Popen(
            [sys.executable, "-I", str(KEEPER), self.program],
            # JSON is YAML, and an environment is not for everybody to read, as arguments are
            env={**os.environ, "LIVEKIT_CONFIG": json.dumps(config)},
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            # a Ctrl-C in the terminal is for the simulator, which says goodbye first
            start_new_session=True,
        )

    async def _answers(self) -> None:
        while True:
            assert self._keeper is not None
            if self._keeper.poll() is not None:
                raise ServerFailed
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self._port)
                writer.close()
                return
            await asyncio.sleep(PROBE_INTERVAL)

    async def _end(self) -> None:
        keeper, self._keeper = self._keeper, None
        if keeper is None:
            return
        assert keeper.stdin is not None
        keeper.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(keeper.wait, END_LIMIT)
        if keeper.poll() is None:
            keeper.kill()
            keeper.wait()


def _free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
