"""Somebody in the avatar's place in a LiveKit room, on a thread of its own: Playwright's loop has the main one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
from livekit import rtc

from ..livekit import LiveKitServer

WIDTH: Final = 320
HEIGHT: Final = 180
RATE: Final = 24_000  # Hz
TONE: Final = 440.0  # Hz
FRAME: Final = 0.02  # s of sound at a time
LIMIT: Final = 15.0  # s


class Avatar:
    """Publishes moving frames and, while `is_talking`, a tone; `heard` is what was sent into the room, by topic."""

    def __init__(self, server: LiveKitServer, room: str, identity: str = "heygen") -> None:
        self.is_talking = True
        self.heard: list[tuple[str, bytes]] = []
        self.tracks: list[str] = []
        self._token = server.token(identity, room)
        self._url = server.url
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="avatar")
        self._room: rtc.Room
        self._tasks: list[asyncio.Task[None]] = []

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self._call(self._join)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()
        self._end()

    def publish(self) -> None:
        """Its picture and its sound begin."""
        self._call(self._publish)

    def tell(self, topic: str, payload: str) -> None:
        """A data packet to all in the room."""
        self._call(lambda: self._room.local_participant.publish_data(payload, reliable=True, topic=topic))

    def others(self) -> list[str]:
        """Who else is there."""
        return [one.identity for one in list(self._room.remote_participants.values())]

    def leave(self) -> None:
        self._call(self._leave)

    def _call(self, made: Callable[[], Awaitable[Any]]) -> None:
        async def run() -> None:
            await made()

        asyncio.run_coroutine_threadsafe(run(), self._loop).result(LIMIT)

    async def _join(self) -> None:
        self._room = rtc.Room(self._loop)
        self._room.on("data_received", lambda packet: self.heard.append((packet.topic, packet.data)))
        self._room.on(
            "track_subscribed", lambda track, _publication, who: self.tracks.append(f"{who.identity}: {track.kind}")
        )
        await self._room.connect(self._url, self._token)

    async def _publish(self) -> None:
        self._picture = rtc.VideoSource(WIDTH, HEIGHT)
        self._sound = rtc.AudioSource(RATE, 1, queue_size_ms=100)
        video = rtc.LocalVideoTrack.create_video_track("video", self._picture)
        audio = rtc.LocalAudioTrack.create_audio_track("audio", self._sound)
        await self._room.local_participant.publish_track(video, rtc.TrackPublishOptions(simulcast=False))
        await self._room.local_participant.publish_track(audio)
        self._tasks = [self._loop.create_task(self._show()), self._loop.create_task(self._talk())]

    async def _show(self) -> None:
        picture = np.zeros((HEIGHT, WIDTH, 4), dtype=np.uint8)
        at = 0
        while True:
            picture[:] = (40, 90, 160, 255)
            picture[:, (at * 8) % WIDTH : (at * 8) % WIDTH + 24] = (250, 240, 80, 255)
            self._picture.capture_frame(rtc.VideoFrame(WIDTH, HEIGHT, rtc.VideoBufferType.RGBA, picture.tobytes()))
            at += 1
            await asyncio.sleep(1 / 15)

    async def _talk(self) -> None:
        count = int(RATE * FRAME)
        at = 0
        while True:
            level = 8_000 if self.is_talking else 0
            samples = np.sin(2 * np.pi * TONE * (np.arange(count) + at) / RATE) * level
            at += count
            await self._sound.capture_frame(rtc.AudioFrame(samples.astype(np.int16).tobytes(), RATE, 1, count))

    async def _leave(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._tasks:
            await self._sound.aclose()
            await self._picture.aclose()
        self._tasks = []
        await self._room.disconnect()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
