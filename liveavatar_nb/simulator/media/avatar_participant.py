"""The avatar as a participant in a LiveKit room: it shows a face, speaks, listens and exchanges data."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, Protocol

from ..drawing.looks import Look
from ..session.speech import BYTES_A_SECOND, SAMPLE_BYTES, SAMPLE_RATE
from . import speech_detector
from .face import SIZES, Expression, ExpressionKey, paint
from .server import ServerFailed
from .tokens import Room

if TYPE_CHECKING:
    from livekit import rtc

FRAMES_A_SECOND: Final = 25
QUEUE_MS: Final = 200  # maximum milliseconds of audio that LiveKit's library buffers; the stage sends in real time
LEAST_LEAD: Final = 0.02  # minimum seconds between handing a piece of audio to LiveKit and the audio being heard
JOIN_LIMIT: Final = 60.0  # maximum seconds to keep trying to join or rejoin
JOIN_INTERVAL: Final = 1.0  # seconds between attempts to join
CONNECT_LIMIT: Final = 5.0  # maximum seconds for one attempt
MOST_PACKETS: Final = 1000  # maximum packets queued while the avatar is not in the room; further ones are lost
FLUSH_LIMIT: Final = 1.0  # maximum seconds to wait for the last packets to be sent
LAST_WORDS: Final = 0.25  # seconds to wait before deleting the room, so that packets in transit still arrive
LONGEST_REASON: Final = 200  # characters


class Owner(Protocol):
    """The session's stage, which is notified of events in the room."""

    def receive(self, topic: str, payload: bytes) -> None:
        """Handle a data packet."""

    def on_user_speech(self, *, started: bool) -> None:
        """Handle the start or end of speech picked up by a microphone."""

    def on_presence_changed(self) -> None:
        """Handle a possible arrival or departure of the avatar or its audience."""

    def warn(self, text: str) -> None:
        """Add a warning to the session's warnings."""


class AvatarParticipant:
    """One session's avatar in a LiveKit room.

    Args:
        owner: The session's stage.
        room: The room, with the avatar's token.
        look: The avatar's look.
        quality: The video's quality, as given in the token call.
        encoding: The video's codec, as given in the token call.
        hears: Whether to listen to microphones.
        prepare: Called before each attempt to join, to make sure that the server is running.

    Attributes:
        is_there: Whether the avatar is in the room.
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
        self._listening: dict[str, asyncio.Task[None]] = {}  # tasks that listen to microphones, by track id
        self._room: rtc.Room | None = None  # the room that was joined most recently
        self._sound: rtc.AudioSource | None = None
        self._heard_until = 0.0

    @property
    def has_audience(self) -> bool:
        """Whether any other participant in the room is ready to see and hear the avatar."""
        from livekit.rtc import ParticipantState  # noqa: PLC0415 (in the extra `media`, imported on first use)

        active = ParticipantState.PARTICIPANT_STATE_ACTIVE
        others = self._room.remote_participants.values() if self._room is not None and self.is_there else ()
        return any(participant.state == active for participant in others)

    async def run(self) -> None:
        """Join the room, and rejoin it after losing the connection, until cancelled."""
        from livekit import rtc  # noqa: PLC0415 (as above)

        frames = await asyncio.to_thread(paint, self._look, self._quality)
        picture = rtc.VideoSource(*SIZES[self._quality])
        self._sound = rtc.AudioSource(SAMPLE_RATE, 1, QUEUE_MS)
        tasks = [asyncio.create_task(self._show(picture, frames)), asyncio.create_task(self._send())]
        try:
            while await self._join(rtc, picture):
                self._set_presence(is_there=True)
                if not await self._until_lost(rtc):
                    break
        finally:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FLUSH_LIMIT if self.is_there else 0.0):
                    await self._outbox.join()
                    if self._hears:
                        await asyncio.sleep(LAST_WORDS)
            self._set_presence(is_there=False)
            for task in (*tasks, *self._listening.values()):
                task.cancel()
            await asyncio.gather(*tasks, *self._listening.values(), return_exceptions=True)
            if self._room is not None:
                await self._room.disconnect()
            await self._sound.aclose()
            await picture.aclose()

    async def play(self, pcm: bytes) -> None:
        """Play a piece of audio in real time; if the avatar is not in the room, the audio is lost."""
        if self._sound is None:
            return
        from livekit import rtc  # noqa: PLC0415 (as above)

        begins = max(time.monotonic() + LEAST_LEAD, self._heard_until)
        self._heard_until = begins + len(pcm) / BYTES_A_SECOND
        self._expression.speak(pcm, begins, self._heard_until)
        await self._sound.capture_frame(rtc.AudioFrame(pcm, SAMPLE_RATE, 1, len(pcm) // SAMPLE_BYTES))

    def hush(self) -> None:
        """Fall silent immediately."""
        self._heard_until = 0.0
        self._expression.hush()
        if self._sound is not None:
            self._sound.clear_queue()

    def publish(self, topic: str, payload: dict[str, Any]) -> None:
        """Send data reliably to everybody in the room."""
        with contextlib.suppress(asyncio.QueueFull):
            self._outbox.put_nowait((topic, json.dumps(payload).encode()))

    def _set_presence(self, *, is_there: bool) -> None:
        self.is_there = is_there
        if is_there:
            self._there.set()
        else:
            self._there.clear()
        self._owner.on_presence_changed()

    async def _show(self, picture: rtc.VideoSource, frames: dict[ExpressionKey, rtc.VideoFrame]) -> None:
        due = time.monotonic()
        while True:
            now = time.monotonic()
            picture.capture_frame(frames[self._expression.at(now)])
            due = max(due + 1 / FRAMES_A_SECOND, now)  # skip late frames instead of catching up
            await asyncio.sleep(due - now)

    async def _send(self) -> None:
        while True:
            topic, payload = await self._outbox.get()
            await self._there.wait()
            assert self._room is not None
            try:
                await self._room.local_participant.publish_data(payload, reliable=True, topic=topic)
            except Exception as error:  # noqa: BLE001 (the library raises nothing more specific)
                self._owner.warn(f"a data packet could not be sent to the room: {self._describe(error)}")
            finally:
                self._outbox.task_done()

    async def _join(self, rtc: Any, picture: rtc.VideoSource) -> bool:
        """Join the room and publish the face and voice; return False after failing for a minute."""
        deadline = time.monotonic() + JOIN_LIMIT
        while True:
            try:
                await self._prepare()
                await self._connect(rtc)
                await self._publish_tracks(rtc, picture)
            except (rtc.ConnectError, rtc.participant.PublishTrackError, ServerFailed) as error:
                self._owner.warn(f"the avatar cannot join {self._address.url}, retrying: {self._describe(error)}")
                if time.monotonic() > deadline:
                    self._owner.warn(f"the avatar gave up trying to join its room after {JOIN_LIMIT:g} s")
                    return False
                if self._room is not None:
                    await self._room.disconnect()
                await asyncio.sleep(JOIN_INTERVAL)
            else:
                return True

    async def _connect(self, rtc: Any) -> None:
        room = rtc.Room()
        self._subscribe(rtc, room)
        options = rtc.RoomOptions(auto_subscribe=False, connect_timeout=CONNECT_LIMIT)
        connecting = asyncio.ensure_future(room.connect(self._address.url, self._address.token, options))
        try:
            await asyncio.shield(connecting)
        except asyncio.CancelledError:
            # LiveKit's library keeps connecting despite the cancellation, so wait until it has joined, then leave
            with contextlib.suppress(rtc.ConnectError):
                await connecting
                await room.disconnect()
            raise
        self._room = room

    async def _publish_tracks(self, rtc: Any, picture: rtc.VideoSource) -> None:
        """Publish the face and voice, and start listening to the room."""
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

    def _subscribe(self, rtc: Any, room: rtc.Room) -> None:
        """Subscribe to the room's events."""

        def on_packet(packet: rtc.DataPacket) -> None:
            self._owner.receive(packet.topic or "", packet.data)

        def on_participants_changed(*_: object) -> None:
            self._owner.on_presence_changed()

        def on_subscribed(track: rtc.Track, *_: object) -> None:
            self._listening[track.sid] = asyncio.create_task(self._listen(rtc, track))

        def on_unsubscribed(track: rtc.Track, *_: object) -> None:
            if task := self._listening.pop(track.sid, None):
                task.cancel()

        room.on("data_received", on_packet)
        room.on("participant_active", on_participants_changed)
        room.on("participant_disconnected", on_participants_changed)
        room.on("track_published", lambda publication, _: self._listen_to(rtc, publication))
        room.on("track_subscribed", on_subscribed)
        room.on("track_unsubscribed", on_unsubscribed)

    def _listen_to(self, rtc: Any, publication: rtc.RemoteTrackPublication) -> None:
        if self._hears and publication.kind == rtc.TrackKind.KIND_AUDIO:
            publication.set_subscribed(True)

    async def _listen(self, rtc: Any, track: rtc.Track) -> None:
        detector = speech_detector.SpeechDetector()
        rate = speech_detector.SAMPLE_RATE
        stream = rtc.AudioStream(track, sample_rate=rate, num_channels=1, frame_size_ms=speech_detector.PIECE_MS)
        try:
            async for event in stream:
                frame = event.frame
                self._report_speech(detector.hear(bytes(frame.data), frame.samples_per_channel / rate))
        finally:
            self._report_speech(detector.end())
            await stream.aclose()

    def _report_speech(self, started: bool | None) -> None:
        if started is not None:
            self._owner.on_user_speech(started=started)

    async def _until_lost(self, rtc: Any) -> bool:
        """Wait until the avatar has lost its connection to the room; return whether it should rejoin.

        Brief interruptions are ignored, because LiveKit's library reconnects on its own.
        """
        room = self._room
        assert room is not None
        lost: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def on_disconnected(reason: int) -> None:
            if not lost.done():
                lost.set_result(reason)

        room.on("disconnected", on_disconnected)
        room.on("reconnecting", lambda: self._set_presence(is_there=False))
        room.on("reconnected", lambda: self._set_presence(is_there=True))
        if not room.isconnected():  # the connection was lost before the event handlers were registered
            on_disconnected(rtc.DisconnectReason.UNKNOWN_REASON)
        while not lost.done():
            await asyncio.wait({lost}, timeout=JOIN_INTERVAL)
            if not self.is_there:
                # LiveKit's library is reconnecting, so make sure that the server is running
                with contextlib.suppress(ServerFailed):
                    await self._prepare()
        reason = lost.result()
        self._set_presence(is_there=False)
        final = {
            rtc.DisconnectReason.DUPLICATE_IDENTITY: "somebody else joined with the avatar's identity",
            rtc.DisconnectReason.PARTICIPANT_REMOVED: "the avatar was removed from the room",
            rtc.DisconnectReason.ROOM_DELETED: "the avatar's room was deleted",
        }
        if reason in final:
            self._owner.warn(f"{final[reason]}, so the avatar will not rejoin")
        return reason not in final

    def _describe(self, error: Exception) -> str:
        return str(error).replace(self._address.token, "***")[:LONGEST_REASON]
