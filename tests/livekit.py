"""A real LiveKit server on loopback, for one module of tests, and the tokens of its rooms."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO, Final

import pytest
from livekit import rtc
from livekit.api import (
    AccessToken,
    DeleteRoomRequest,
    LiveKitAPI,
    RoomParticipantIdentity,
    VideoGrants,
)

from liveavatar_nb import Simulator
from liveavatar_nb.simulator import LiveKit

from .conftest import missing

READY_LIMIT: Final = 20.0  # s
KEY: Final = "devkey"
# as `.ci/run` builds it
BUILT: Final = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "liveavatar_nb" / "livekit-v1.11.0"


class LiveKitServer:
    """A server that answers on `url`, for signals and media on loopback alone, and takes tokens of `key` and `secret`.

    Raises ``RuntimeError`` with the end of its log where it does not start.
    """

    def __init__(self, executable: str) -> None:
        port = _free_port()
        self.executable = executable
        self.key = KEY
        self.secret = secrets.token_hex(32)
        self.url = f"ws://127.0.0.1:{port}"
        self._port = port
        self.start()

    def start(self) -> None:
        """Again after `close`, at the same address; the rooms are gone."""
        config = {
            "port": self._port,
            "keys": {self.key: self.secret},
            "rtc": {
                "udp_port": _free_port(),
                "tcp_port": 0,
                "enable_loopback_candidate": True,
                "interfaces": {"includes": ["lo"]},
            },
        }
        with tempfile.TemporaryFile() as log:
            self._process = subprocess.Popen(
                [self.executable, "--dev", "--bind", "127.0.0.1", "--node-ip", "127.0.0.1"],
                # JSON is YAML, and an environment is not for everybody to read, as arguments are
                env={**os.environ, "LIVEKIT_CONFIG": json.dumps(config)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
            try:
                self._wait(self._port, log)
            except BaseException:
                self.close()
                raise

    def stall(self) -> None:
        """Nothing of it answers, until `go_on`: as a network that is cut."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def token(self, identity: str, room: str) -> str:
        """What somebody needs to join a room, and to say and show all there."""
        grants = VideoGrants(room_join=True, room=room, can_publish=True, can_subscribe=True, can_publish_data=True)
        return AccessToken(self.key, self.secret).with_identity(identity).with_grants(grants).to_jwt()

    @asynccontextmanager
    async def visit(self, name: str, identity: str) -> AsyncIterator[rtc.Room]:
        """Being in a room. No fixture gives one: pytest would hold it beyond its test, and its files with it."""
        room = rtc.Room()
        await room.connect(self.url, self.token(identity, name))
        try:
            yield room
        finally:
            await room.disconnect()

    async def delete(self, name: str | None) -> None:
        """Ends a room, with all who are in it."""
        async with LiveKitAPI(self.url, self.key, self.secret) as api:
            await api.room.delete_room(DeleteRoomRequest(room=name or ""))

    async def remove(self, name: str | None, identity: str) -> None:
        """Puts somebody out of a room."""
        async with LiveKitAPI(self.url, self.key, self.secret) as api:
            await api.room.remove_participant(RoomParticipantIdentity(room=name or "", identity=identity))

    def close(self) -> None:
        # SIGKILL: it hangs where SIGTERM comes right after it began to answer
        self._process.kill()
        self._process.wait()

    def _wait(self, port: int, log: BinaryIO) -> None:
        deadline = time.monotonic() + READY_LIMIT
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1.0).close()
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    told = log.read().decode(errors="replace")[-2_000:]
                    raise RuntimeError(f"the LiveKit server did not start:\n{told}") from None
                time.sleep(0.05)
            else:
                return


@pytest.fixture(scope="module")
def livekit_server() -> Iterator[LiveKitServer]:
    """One for a module, so that it is there before any test of it and belongs to none."""
    executable = shutil.which("livekit-server") or shutil.which("livekit-server", path=BUILT)
    if executable is None:
        missing("livekit", "put livekit-server on the PATH; .ci/run shows how it is built")
    server = LiveKitServer(executable)
    try:
        # the threads and files that LiveKit's library opens with the first room are its own, and no test's
        asyncio.run(_open_library(server))
        yield server
    finally:
        server.close()


@pytest.fixture
def simulator(livekit_server: LiveKitServer) -> Iterator[Simulator]:
    """A simulator whose avatars come into rooms of the server; at the end nothing on it is billed."""
    livekit = LiveKit(livekit_server.url, livekit_server.key, livekit_server.secret)
    with Simulator(livekit=livekit) as running:
        yield running
        billed = running.billed()
    assert not billed, f"left billed: {billed}"


async def _open_library(server: LiveKitServer) -> None:
    async with server.visit("first", "first"):
        pass


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
