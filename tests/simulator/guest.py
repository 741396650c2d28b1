"""A client in a session's LiveKit room, in a process of its own: what its library opens is then no test's.

It is told what to do over a pipe, a line of JSON for each order, and answers with a line for each packet of data that
comes; this file is also what the process runs.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from livekit import rtc

LIMIT = 30.0  # seconds for one event to come
RATE = 16_000
LOUD = 9_000
QUIET_SECONDS = 2  # after a tone


class Guest:
    """The client as the test sees it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def send(self, kind: str, **fields: Any) -> None:
        await self._order("send", payload={"event_id": "c1", "event_type": kind, **fields})

    async def speak(self, seconds: float) -> None:
        """A tone from a microphone, and silence after it; returns at once, the next order waits for its end."""
        await self._order("speak", seconds=seconds)

    async def until(self, kind: str) -> list[dict[str, Any]]:
        """The events that come, up to one of this type; all of the avatar's, and on the topic of events."""
        found: list[dict[str, Any]] = []
        assert self._process.stdout is not None
        async with asyncio.timeout(LIMIT):
            while not found or found[-1]["event_type"] != kind:
                packet = json.loads(await self._process.stdout.readline())
                # without a name where the packet was faster than the word that its sender is there
                assert (packet["topic"], packet["identity"] or "heygen") == ("agent-response", "heygen")
                found.append(packet["payload"])
        return found

    async def _order(self, order: str, **told: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"order": order, **told}).encode() + b"\n")
        await self._process.stdin.drain()


@asynccontextmanager
async def visiting(url: str, token: str) -> AsyncIterator[Guest]:
    """A guest in the room."""
    # -P: no folder of tests may stand in for a package
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", __file__, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    guest = Guest(process)
    try:
        await guest._order("join", url=url, token=token)
        yield guest
    finally:
        process.kill()
        await process.communicate()


def _show(packet: rtc.DataPacket) -> None:
    told = {
        "topic": packet.topic,
        "identity": packet.participant.identity if packet.participant else None,
        "payload": json.loads(packet.data),
    }
    print(json.dumps(told), flush=True)


async def _speak(room: rtc.Room, seconds: float) -> None:
    source = rtc.AudioSource(RATE, 1)
    track = rtc.LocalAudioTrack.create_audio_track("microphone", source)
    options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE, dtx=False)
    publication = await room.local_participant.publish_track(track, options)
    await publication.wait_for_subscription()
    tone = (np.sin(np.arange(round(seconds * RATE)) * 2 * np.pi * 220 / RATE) * LOUD).astype(np.int16)
    sound = np.concatenate([tone, np.zeros(RATE * QUIET_SECONDS, np.int16)])
    for first in range(0, len(sound), RATE // 50):
        piece = sound[first : first + RATE // 50]
        await source.capture_frame(rtc.AudioFrame(piece.tobytes(), RATE, 1, len(piece)))
    await room.local_participant.unpublish_track(track.sid)
    await source.aclose()


async def _obey() -> None:
    room = rtc.Room()
    room.on("data_received", _show)
    while line := await asyncio.to_thread(sys.stdin.readline):
        told = json.loads(line)
        if told["order"] == "join":
            await room.connect(told["url"], told["token"])
        elif told["order"] == "speak":
            await _speak(room, told["seconds"])
        else:
            payload = json.dumps(told["payload"])
            await room.local_participant.publish_data(payload, reliable=True, topic="agent-control")


if __name__ == "__main__":
    asyncio.run(_obey())
