"""`WebSocket`: what a cancelled connect leaves behind."""

from __future__ import annotations

import asyncio
import gc
import random
import warnings

import pytest
from websockets.asyncio.server import ServerConnection, serve

from liveavatar_nb.config import Masked
from liveavatar_nb.protocol.websocket import Listener, WebSocket
from liveavatar_nb.rest.network import Network
from liveavatar_nb.wirelog.log import Wire

CONNECTS = 300
LONGEST = 14  # turns of the loop in which a connect is done


async def _is_over() -> bool:
    return True


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_cancelled_connect_leaves_no_socket() -> None:
    """In whatever turn of the loop it is cancelled: a stop often meets a reconnect."""

    async def wait(connection: ServerConnection) -> None:
        await connection.wait_closed()

    turns = random.Random(1)
    listener = Listener(receive=lambda _: False, lost=lambda: None, is_over=_is_over)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        async with serve(wait, "127.0.0.1", 0) as server:
            url = Masked(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/?token=x", "for the test")
            for _ in range(CONNECTS):
                listening = asyncio.ensure_future(WebSocket(url, "id", Wire(), Network.of()).listen(listener))
                for _ in range(turns.randrange(LONGEST)):
                    await asyncio.sleep(0)
                listening.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await listening
        gc.collect()
    assert not [str(warning.message) for warning in caught]
