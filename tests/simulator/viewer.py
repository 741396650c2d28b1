"""Somebody who watches a LiveKit room, in a process of its own: what its library opens is then no test's.

It is told what to do over a pipe, a line of JSON for each order, and tells what happens in the same way; what it saw
and heard it writes to a file. This file is also what the process runs.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from livekit import rtc

LIMIT = 40.0  # seconds for something to happen
RATE = 24_000
HEIGHT = 720  # of the drawing, in whose pixels the parts are:
MOUTH = (576, 404, 128, 76)
EYES = (540, 268, 200, 76)
LOUD = 1_000


@dataclass
class Seen:
    """What came until now; times are `time.monotonic()`, the same in all processes."""

    size: tuple[int, int]
    frames_at: npt.NDArray[np.float64]
    mouths: npt.NDArray[np.uint8]  # the brightness of that part of each frame
    eyes: npt.NDArray[np.uint8]
    sounds_at: npt.NDArray[np.float64]  # when each hundredth of a second was heard
    sound: npt.NDArray[np.int16]

    @property
    def loud_at(self) -> npt.NDArray[np.float64]:
        """When it was not silent."""
        if not len(self.sounds_at):
            return self.sounds_at
        pieces = self.sound.reshape(len(self.sounds_at), -1)
        found: npt.NDArray[np.float64] = self.sounds_at[np.abs(pieces).max(axis=1) > LOUD]
        return found


class Viewer:
    """The viewer as the test sees it."""

    def __init__(self, process: asyncio.subprocess.Process, file: Path) -> None:
        self._process, self._file = process, file

    async def until(self, what: str, **told: Any) -> dict[str, Any]:
        """The first thing of this name, with these properties, that happens after what was awaited before."""
        assert self._process.stdout is not None
        async with asyncio.timeout(LIMIT):
            while True:
                happened: dict[str, Any] = json.loads(await self._process.stdout.readline())
                if happened["what"] == what and told.items() <= happened.items():
                    return happened

    async def report(self) -> Seen:
        await self.order("report", file=str(self._file))
        await self.until("reported")
        with np.load(self._file) as found:
            width, height = found["size"]
            arrays = {name: found[name] for name in found.files if name != "size"}
        return Seen(size=(int(width), int(height)), **arrays)

    async def order(self, order: str, **told: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"order": order, **told}).encode() + b"\n")
        await self._process.stdin.drain()


@asynccontextmanager
async def watching(url: str, token: str, folder: Path) -> AsyncIterator[Viewer]:
    """A viewer in the room, who leaves it at the end."""
    # -P: no folder of tests may stand in for a package
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", __file__, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    viewer = Viewer(process, folder / "seen.npz")
    try:
        await viewer.order("join", url=url, token=token)
        await viewer.until("joined")
        yield viewer
    finally:
        process.kill()
        await process.communicate()


def _tell(what: str, **told: Any) -> None:
    print(json.dumps({"what": what, **told}), flush=True)


@dataclass
class _Eyewitness:
    size: tuple[int, int] = (0, 0)
    frames_at: list[float] = field(default_factory=list)
    mouths: list[npt.NDArray[np.uint8]] = field(default_factory=list)
    eyes: list[npt.NDArray[np.uint8]] = field(default_factory=list)
    sounds_at: list[float] = field(default_factory=list)
    sound: list[npt.NDArray[np.int16]] = field(default_factory=list)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def obey(self) -> None:
        room = rtc.Room()
        room.on("track_subscribed", self._subscribed)
        room.on("participant_connected", lambda one: _tell("came", identity=one.identity))
        room.on("participant_disconnected", lambda one: _tell("went", identity=one.identity))
        room.on("disconnected", lambda reason: _tell("out", reason=rtc.DisconnectReason.Name(reason)))
        while line := await asyncio.to_thread(sys.stdin.readline):
            told = json.loads(line)
            if told["order"] == "join":
                await room.connect(told["url"], told["token"])
                _tell("joined")
            else:
                names = ("frames_at", "mouths", "eyes", "sounds_at")
                sound = np.concatenate(self.sound) if self.sound else np.zeros(0, np.int16)
                arrays = {name: np.array(getattr(self, name)) for name in names}
                np.savez(told["file"], allow_pickle=False, size=np.array(self.size), sound=sound, **arrays)
                _tell("reported")

    def _subscribed(self, track: rtc.Track, _: Any, participant: rtc.RemoteParticipant) -> None:
        is_video = track.kind == rtc.TrackKind.KIND_VIDEO
        task = asyncio.create_task(self._watch(track) if is_video else self._listen(track))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        _tell("video" if is_video else "audio", identity=participant.identity)

    async def _watch(self, track: rtc.Track) -> None:
        is_first = True
        async for event in rtc.VideoStream(track, format=rtc.VideoBufferType.I420):
            frame = event.frame
            self.size = (frame.width, frame.height)
            bright = np.frombuffer(frame.data, np.uint8)[: frame.width * frame.height]
            bright = bright.reshape(frame.height, frame.width)
            self.frames_at.append(time.monotonic())
            self.mouths.append(_part(bright, MOUTH))
            self.eyes.append(_part(bright, EYES))
            if is_first:
                _tell("frame")
                is_first = False

    async def _listen(self, track: rtc.Track) -> None:
        is_loud = False
        async for event in rtc.AudioStream(track, sample_rate=RATE, num_channels=1, frame_size_ms=10):
            piece = np.frombuffer(event.frame.data, np.int16).copy()
            self.sounds_at.append(time.monotonic())
            self.sound.append(piece)
            if is_loud != bool(np.abs(piece).max() > LOUD):
                is_loud = not is_loud
                _tell("sound" if is_loud else "silence")


def _part(picture: npt.NDArray[np.uint8], part: tuple[int, int, int, int]) -> npt.NDArray[np.uint8]:
    left, top, width, height = (round(one * picture.shape[0] / HEIGHT) for one in part)
    return picture[top : top + height, left : left + width].copy()


if __name__ == "__main__":
    asyncio.run(_Eyewitness().obey())
