"""The avatar as a participant of a LiveKit room: its face, its voice, its ears, and its packets of data."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, Protocol

from ..drawing.looks import Look
from ..session.speech import BYTES_A_SECOND, SAMPLE_BYTES, SAMPLE_RATE
from . import ears
from .face import SIZES, Expressed, Expression, paint
from .server import ServerFailed
from .tokens import Room

if TYPE_CHECKING:
    from livekit import rtc

FRAMES_A_SECOND: Final = 25
QUEUE_MS: Final = 200  # of sound that LiveKit's library may hold; the stage hands it on in real time
LEAST_LEAD: Final = 0.02  # seconds from handing a piece on until it is heard
JOIN_LIMIT: Final = 60.0  # seconds that it tries to come in, or to come back
JOIN_INTERVAL: Final = 1.0  # seconds between two tries
CONNECT_LIMIT: Final = 5.0  # seconds for one
MOST_PACKETS: Final = 1000  # that wait until it is in the room (again); later ones are lost
FLUSH_LIMIT: Final = 1.0  # seconds that the last packets may take
LAST_WORDS: Final = 0.25  # seconds until the last packet has surely left: a room's end would take it along
LONGEST_REASON: Final = 200  # characters


class Owner(Protocol):
    """Who is told what happens in the room: the session's stage."""

    def take(self, topic: str, payload: bytes) -> None: ...

    def user(self, *, started: bool) -> None: ...

    def changed(self) -> None:
        """Whether it is there, or has an audience, may be otherwise now."""

    def warn(self, text: str) -> None: ...


class Actor:
    """One session's avatar.

    Parameters
    ----------
    room: with the avatar's token.
    quality, encoding: of the video, as the session's token asks for them.
    hears: whether microphones are listened to.
    prepare: has the room's server be there; called before each try to join.
    """

    def __init__(
        self,
        owner: Owner,
        room: Room,
        look: Look,
        *,
        quality: str,
        encoding: str,
        hears: bool,
        prepare: Callable[[], Awaitable[None]],
    ) -> None:
        self.is_there = False
        self._owner, self._address, self._look = owner, room, look
        self._quality, self._encoding, self._hears, self._prepare = quality, encoding, hears, prepare
        self._expression = Expression(room.name)
        self._outbox: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(MOST_PACKETS)
        self._there = asyncio.Event()
        self._listening: dict[str, asyncio.Task[None]] = {}  # by the track's id
        self._room: rtc.Room | None = None  # the latest that was joined
        self._sound: rtc.AudioSource | None = None
        self._heard_until = 0.0

    @property
    def has_audience(self) -> bool:
        """Whether somebody in the room is ready to see, hear and receive data."""
        from livekit.rtc import ParticipantState  # noqa: PLC0415 (the media's, imported when first used)

        active = ParticipantState.PARTICIPANT_STATE_ACTIVE
        others = self._room.remote_participants.values() if self._room is not None and self.is_there else ()
        return any(one.state == active for one in others)

    async def run(self) -> None:
        """Joins, and joins again where it was thrown out, until cancelled."""
        from livekit import rtc  # noqa: PLC0415 (as above)

        frames = await asyncio.to_thread(paint, self._look, self._quality)
        picture = rtc.VideoSource(*SIZES[self._quality])
        self._sound = rtc.AudioSource(SAMPLE_RATE, 1, QUEUE_MS)
        tasks = [asyncio.create_task(self._show(picture, frames)), asyncio.create_task(self._send())]
        try:
            while await self._join(rtc, picture):
                self._turn(is_there=True)
                if not await self._until_lost(rtc):
                    break
        finally:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FLUSH_LIMIT if self.is_there else 0.0):
                    await self._outbox.join()
                    if self._hears:
                        await asyncio.sleep(LAST_WORDS)
            self._turn(is_there=False)
            for task in (*tasks, *self._listening.values()):
                task.cancel()
            await asyncio.gather(*tasks, *self._listening.values(), return_exceptions=True)
            if self._room is not None:
                await self._room.disconnect()
            await self._sound.aclose()
            await picture.aclose()

    async def play(self, pcm: bytes) -> None:
        """A piece of sound, in real time; nobody hears it where it is not there."""
        if self._sound is None:
            return
        from livekit import rtc  # noqa: PLC0415 (as above)

        begins = max(time.monotonic() + LEAST_LEAD, self._heard_until)
        self._heard_until = begins + len(pcm) / BYTES_A_SECOND
        self._expression.speak(pcm, begins, self._heard_until)
        await self._sound.capture_frame(rtc.AudioFrame(pcm, SAMPLE_RATE, 1, len(pcm) // SAMPLE_BYTES))

    def hush(self) -> None:
        """Silence at once."""
        self._heard_until = 0.0
        self._expression.hush()
        if self._sound is not None:
            self._sound.clear_queue()

    def publish(self, topic: str, payload: dict[str, Any]) -> None:
        """Reliable data for all in the room."""
        with contextlib.suppress(asyncio.QueueFull):
            self._outbox.put_nowait((topic, json.dumps(payload).encode()))

    def _turn(self, *, is_there: bool) -> None:
        self.is_there = is_there
        if is_there:
            self._there.set()
        else:
            self._there.clear()
        self._owner.changed()

    async def _show(self, picture: rtc.VideoSource, frames: dict[Expressed, rtc.VideoFrame]) -> None:
        due = time.monotonic()
        while True:
            now = time.monotonic()
            picture.capture_frame(frames[self._expression.at(now)])
            due = max(due + 1 / FRAMES_A_SECOND, now)  # what is late is left out, not made up for
            await asyncio.sleep(due - now)

    async def _send(self) -> None:
        while True:
            topic, payload = await self._outbox.get()
            await self._there.wait()
            assert self._room is not None
            try:
                await self._room.local_participant.publish_data(payload, reliable=True, topic=topic)
            except Exception as error:  # noqa: BLE001 (the library says no more than that)
                self._owner.warn(f"a packet of data was lost on its way into the room: {self._told(error)}")
            finally:
                self._outbox.task_done()

    async def _join(self, rtc: Any, picture: rtc.VideoSource) -> bool:
        """Comes in and publishes its face and voice; False where it does not within a minute."""
        deadline = time.monotonic() + JOIN_LIMIT
        while True:
            try:
                await self._prepare()
                await self._connect(rtc)
                await self._appear(rtc, picture)
            except (rtc.ConnectError, rtc.participant.PublishTrackError, ServerFailed) as error:
                self._owner.warn(f"the avatar cannot join {self._address.url}, and tries again: {self._told(error)}")
                if time.monotonic() > deadline:
                    self._owner.warn(f"the avatar gave up joining after {JOIN_LIMIT:g} s")
                    return False
                if self._room is not None:
                    await self._room.disconnect()
                await asyncio.sleep(JOIN_INTERVAL)
            else:
                return True

    async def _connect(self, rtc: Any) -> None:
        room = rtc.Room()
        self._heed(rtc, room)
        options = rtc.RoomOptions(auto_subscribe=False, connect_timeout=CONNECT_LIMIT)
        connecting = asyncio.ensure_future(room.connect(self._address.url, self._address.token, options))
        try:
            await asyncio.shield(connecting)
        except asyncio.CancelledError:
            # the library goes on connecting, and nobody would be there to leave again
            with contextlib.suppress(rtc.ConnectError):
                await connecting
                await room.disconnect()
            raise
        self._room = room

    async def _appear(self, rtc: Any, picture: rtc.VideoSource) -> None:
        """Publishes its face and its voice, and begins to listen."""
        codec = getattr(rtc.VideoCodec, self._encoding)
        video = rtc.LocalVideoTrack.create_video_track("video", picture)
        audio = rtc.LocalAudioTrack.create_audio_track("audio", self._sound)
        camera, microphone = rtc.TrackSource.SOURCE_CAMERA, rtc.TrackSource.SOURCE_MICROPHONE
        room = self._room
        assert room is not None
        me = room.local_participant
        await me.publish_track(video, rtc.TrackPublishOptions(source=camera, video_codec=codec, simulcast=False))
        await me.publish_track(audio, rtc.TrackPublishOptions(source=microphone, dtx=False))
        for participant in room.remote_participants.values():
            for publication in participant.track_publications.values():
                self._listen_to(rtc, publication)

    def _heed(self, rtc: Any, room: rtc.Room) -> None:
        def taken(packet: rtc.DataPacket) -> None:
            self._owner.take(packet.topic or "", packet.data)

        def changed(*_: object) -> None:
            self._owner.changed()

        def subscribed(track: rtc.Track, *_: object) -> None:
            self._listening[track.sid] = asyncio.create_task(self._listen(rtc, track))

        def unsubscribed(track: rtc.Track, *_: object) -> None:
            if task := self._listening.pop(track.sid, None):
                task.cancel()

        room.on("data_received", taken)
        room.on("participant_active", changed)
        room.on("participant_disconnected", changed)
        room.on("track_published", lambda publication, _: self._listen_to(rtc, publication))
        room.on("track_subscribed", subscribed)
        room.on("track_unsubscribed", unsubscribed)

    def _listen_to(self, rtc: Any, publication: rtc.RemoteTrackPublication) -> None:
        if self._hears and publication.kind == rtc.TrackKind.KIND_AUDIO:
            publication.set_subscribed(True)

    async def _listen(self, rtc: Any, track: rtc.Track) -> None:
        detector = ears.Detector()
        stream = rtc.AudioStream(track, sample_rate=ears.SAMPLE_RATE, num_channels=1, frame_size_ms=ears.PIECE_MS)
        try:
            async for event in stream:
                frame = event.frame
                self._tell(detector.hear(bytes(frame.data), frame.samples_per_channel / ears.SAMPLE_RATE))
        finally:
            self._tell(detector.end())
            await stream.aclose()

    def _tell(self, begins: bool | None) -> None:
        if begins is not None:
            self._owner.user(started=begins)

    async def _until_lost(self, rtc: Any) -> bool:
        """Whether it should come back, when it is out of the room for good; a short cut the library bridges itself."""
        room = self._room
        assert room is not None
        lost: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def gone(reason: int) -> None:
            if not lost.done():
                lost.set_result(reason)

        room.on("disconnected", gone)
        room.on("reconnecting", lambda: self._turn(is_there=False))
        room.on("reconnected", lambda: self._turn(is_there=True))
        if not room.isconnected():  # between joining and here
            gone(rtc.DisconnectReason.UNKNOWN_REASON)
        while not lost.done():
            await asyncio.wait({lost}, timeout=JOIN_INTERVAL)
            if not self.is_there:
                # the library tries to come back: without a server it cannot
                with contextlib.suppress(ServerFailed):
                    await self._prepare()
        reason = lost.result()
        self._turn(is_there=False)
        final = {
            rtc.DisconnectReason.DUPLICATE_IDENTITY: "somebody else joined with the avatar's identity",
            rtc.DisconnectReason.PARTICIPANT_REMOVED: "the avatar was removed from the room",
            rtc.DisconnectReason.ROOM_DELETED: "the avatar's room was removed",
        }
        if reason in final:
            self._owner.warn(f"{final[reason]}: it does not come back")
        return reason not in final

    def _told(self, error: Exception) -> str:
        return str(error).replace(self._address.token, "***")[:LONGEST_REASON]
