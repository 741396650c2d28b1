"""`SimulatedParticipant`: this process in a simulated room without media, over a plain WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from typing import TYPE_CHECKING, Any, Final

import msgspec

from .. import config
from ..errors import RoomNotHeld
from ..protocol import full
from ..protocol.websocket import FRAMES_IN_A_TURN
from ..rest.connection import SILENT
from .connection import REPLACED, HolderKind, HolderLost, RoomConnection

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

logger = logging.getLogger("liveavatar_nb.session")

ABOUT_THE_ROOM: Final = "line"  # the topic of the simulator's messages about the room itself
REPLACED_CODE: Final = 4409
CUT: Final = "The connection to the simulated room was lost."


class SimulatedParticipant:
    """This process as a participant in a simulated room.

    Text frames stand in for the data channel, and binary frames carry the avatar's speech.

    Args:
        connection: The session's connection to the room.
        socket: The open WebSocket.
    """

    kind: HolderKind = "process"

    def __init__(self, connection: RoomConnection, socket: ClientConnection) -> None:
        self._connection = connection
        self._socket = socket
        self._joined = asyncio.Event()
        self._reading = asyncio.create_task(self._read(), name="liveavatar_nb simulated room")

    @classmethod
    async def join(cls, connection: RoomConnection) -> SimulatedParticipant:
        """Join the room.

        Raises:
            RoomNotHeld: The simulator's room cannot be reached.
        """
        from websockets.asyncio.client import connect  # noqa: PLC0415 (only a client that starts a session needs it)
        from websockets.exceptions import WebSocketException  # noqa: PLC0415

        try:
            socket = await connect(
                connection.url,
                additional_headers={"Authorization": f"Bearer {connection.token.reveal()}"},
                open_timeout=config.SOCKET_OPEN_TIMEOUT,
                close_timeout=config.SOCKET_CLOSE_TIMEOUT,
                max_size=config.SOCKET_FRAME_LIMIT,
                compression=None,
                logger=SILENT,
                proxy=None,  # the simulator is on this machine
            )
        except (OSError, TimeoutError, WebSocketException) as failure:
            raise _unreachable(connection, type(failure).__name__) from None
        holder = cls(connection, socket)
        try:
            async with asyncio.timeout(config.ROOM_JOIN_LIMIT):
                await holder._joined.wait()
        except BaseException as failure:
            # the WebSocket may have opened just as the join was cancelled, and nothing else would close the WebSocket
            await holder.leave()
            if isinstance(failure, TimeoutError):
                raise _unreachable(connection, "no response") from None
            raise
        return holder

    async def send(self, payload: bytes) -> None:
        """Send a packet on the topic `agent-control`.

        Raises:
            HolderLost: The WebSocket is closed.
        """
        from websockets.exceptions import ConnectionClosed  # noqa: PLC0415 (as in `join`)

        frame = msgspec.json.encode({"topic": full.CONTROL, "payload": msgspec.Raw(payload)})
        try:
            await self._socket.send(frame, text=True)
        except ConnectionClosed:
            raise HolderLost from None

    async def leave(self) -> None:
        """Leave the room."""
        await self._socket.close()
        await asyncio.wait([self._reading])

    async def _read(self) -> None:
        from websockets.exceptions import ConnectionClosed  # noqa: PLC0415 (as in `join`)

        count = 0
        try:
            with contextlib.suppress(ConnectionClosed):
                async for frame in self._socket:
                    if isinstance(frame, bytes):
                        self._connection.hear(frame)
                    else:
                        self._handle(frame)
                    count += 1
                    if count % FRAMES_IN_A_TURN == 0:
                        await asyncio.sleep(0)  # let other tasks run during a burst of frames
        finally:
            # close the WebSocket even if the loop is shutting down and cancels this task
            await self._socket.close()
            is_replaced = self._socket.close_code == REPLACED_CODE
            words = REPLACED if is_replaced else CUT
            self._connection.drop(self, words, is_contested=is_replaced, is_put_out=not is_replaced)

    def _handle(self, frame: str) -> None:
        packet = _decoded(frame)
        topic, payload = packet.get("topic"), packet.get("payload")
        if topic != ABOUT_THE_ROOM:
            self._connection.take(str(topic), json.dumps(payload))
        elif isinstance(payload, dict) and payload.get("state") == "joined":
            self._joined.set()
            self._connection.see(True)


def _decoded(frame: str) -> dict[str, Any]:
    try:
        packet = json.loads(frame)
    except (ValueError, RecursionError):
        return {}
    return packet if isinstance(packet, dict) else {}


def _unreachable(connection: RoomConnection, why: str) -> RoomNotHeld:
    return RoomNotHeld(
        f"The session's room cannot be reached ({why}).", session_id=connection.session_id, remedy="Try again."
    )
