"""The simulator's own LiveKit server, on loopback; it never outlives the simulator, even after a crash."""

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
READY_LIMIT: Final = 15.0  # seconds to wait for the server to be ready
PROBE_INTERVAL: Final = 0.03  # seconds
END_LIMIT: Final = 3.0  # seconds to wait for the keeper to kill the server
TAIL_BYTES: Final = 2_000


class ServerFailed(Exception):
    """Raised if the LiveKit server does not start or respond; the message says why."""


class Server:
    """A LiveKit server with its own key and secret, started on first use.

    Args:
        program: The path of ``livekit-server``.

    Attributes:
        program: The path of ``livekit-server``.
        address: The server's URL and credentials.
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
        """Whether the server's process is running."""
        return self._keeper is not None and self._keeper.poll() is None

    async def ensure_running(self) -> None:
        """Start the server if it is not running, and wait until it responds; a restart keeps the port.

        Raises:
            ServerFailed: The server did not start, or took too long.
        """
        async with self._starting:
            if self.is_running:
                return
            with tempfile.TemporaryFile() as log:
                self._keeper = self._start(log.fileno())
                try:
                    async with asyncio.timeout(READY_LIMIT):
                        await self._wait_for_answer()
                except (TimeoutError, ServerFailed):
                    await self._end()
                    log.seek(0)
                    output = log.read().decode(errors="replace")[-TAIL_BYTES:].strip()
                    raise ServerFailed(f"{PROGRAM} did not start{f': {output}' if output else ''}") from None

    async def aclose(self) -> None:
        """Shut down the server and wait until its process has exited."""
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
            # use the environment, because other users can read arguments; JSON is valid YAML, which the program expects
            env={**os.environ, "LIVEKIT_CONFIG": json.dumps(config)},
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            # Ctrl-C in the terminal must not reach the server, because the avatars must leave their rooms first
            start_new_session=True,
        )

    async def _wait_for_answer(self) -> None:
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
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
