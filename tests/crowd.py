"""LiveKit's own clients, in a process of their own: what their library opens, and closes when it likes, is no test's.

A `Crowd` is told what to do over a pipe, a line of JSON for each order and each answer; this file is also what the
process runs.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, Self

import pytest
from livekit import rtc


class Visitor:
    """A client in a room, as the test sees it; `with` has it leave."""

    def __init__(self, crowd: Crowd, number: int) -> None:
        self._crowd, self._number = crowd, number

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.leave()

    @property
    def room(self) -> str:
        """The name of the room."""
        return str(self._ask("state")["room"])

    @property
    def is_in(self) -> bool:
        """Whether it is connected, or tries to be again."""
        return bool(self._ask("state")["is_in"])

    @property
    def sees(self) -> list[list[str]]:
        """Whose tracks it gets, and of which kind."""
        return list(self._ask("state")["sees"])

    @property
    def heard(self) -> list[str]:
        """The packets that came."""
        return list(self._ask("state")["heard"])

    def show(self) -> None:
        """Its camera shows a grey square of 64 pixels from now on."""
        self._ask("show")

    def speak(self) -> str:
        """StopLimiter on a microphone; gives what was said against it, nothing where it is on."""
        return str(self._ask("speak"))

    def send(self, text: str, topic: str = "") -> None:
        """Sends a packet to all who are there."""
        self._ask("send", text=text, topic=topic)

    def leave(self) -> None:
        """Leaves the room; twice is fine."""
        self._ask("leave")

    def _ask(self, order: str, **more: Any) -> Any:
        return self._crowd.ask(order, number=self._number, **more)


class Crowd:
    """The process with the clients."""

    def __init__(self) -> None:
        # -P: this folder has a module `livekit` of its own
        command = [sys.executable, "-P", __file__]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def join(self, url: str, token: str) -> Visitor:
        """A client in a room; raises `ConnectionError` where it does not get in."""
        return Visitor(self, int(self.ask("join", url=url, token=token)))

    def ask(self, order: str, **more: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"order": order, **more}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "failure" in answer:
            raise ConnectionError(answer["failure"])
        return answer["result"]

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture(scope="module")
def crowd() -> Iterator[Crowd]:
    """Clients for a module of tests."""
    found = Crowd()
    try:
        yield found
    finally:
        found.close()


class _Client:
    """A client in a room, in the process."""

    def __init__(self) -> None:
        self._room = rtc.Room()
        self._heard: list[str] = []
        self._showing: asyncio.Task[None] | None = None
        self._room.on("data_received", lambda packet: self._heard.append(packet.data.decode()))

    async def join(self, url: str, token: str) -> None:
        await self._room.connect(url, token)

    def state(self) -> dict[str, Any]:
        kinds = {rtc.TrackKind.KIND_VIDEO: "video", rtc.TrackKind.KIND_AUDIO: "audio"}
        sees = [
            (one.identity, kinds.get(track.kind))
            for one in self._room.remote_participants.values()
            for track in one.track_publications.values()
            if track.track is not None
        ]
        return {"room": self._room.name, "is_in": self._room.isconnected(), "sees": sees, "heard": self._heard}

    async def show(self) -> None:
        source = rtc.VideoSource(64, 64)
        track = rtc.LocalVideoTrack.create_video_track("face", source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_CAMERA)
        await self._room.local_participant.publish_track(track, options)
        frame = rtc.VideoFrame(64, 64, rtc.VideoBufferType.RGBA, bytes([128] * 64 * 64 * 4))

        async def play() -> None:
            while True:
                source.capture_frame(frame)
                await asyncio.sleep(0.04)

        self._showing = asyncio.create_task(play())

    async def speak(self) -> str:
        track = rtc.LocalAudioTrack.create_audio_track("microphone", rtc.AudioSource(24_000, 1))
        try:
            await self._room.local_participant.publish_track(track, rtc.TrackPublishOptions())
        except rtc.participant.PublishTrackError as refused:
            return str(refused) or "refused"
        return ""

    async def send(self, text: str, topic: str) -> None:
        await self._room.local_participant.publish_data(text, topic=topic)

    async def leave(self) -> None:
        if self._showing is not None:
            self._showing.cancel()
        await self._room.disconnect()


async def _obey() -> None:
    clients: list[_Client] = []
    while line := await asyncio.to_thread(sys.stdin.readline):
        asked = json.loads(line)
        order, number = asked.pop("order"), asked.pop("number", None)
        try:
            if order == "join":
                clients.append(client := _Client())
                await client.join(**asked)
                result: Any = len(clients) - 1
            else:
                result = getattr(clients[number], order)(**asked)
                result = await result if asyncio.iscoroutine(result) else result
        except rtc.ConnectError as refused:
            answer = {"failure": str(refused)}
        else:
            answer = {"result": result}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(_obey())
