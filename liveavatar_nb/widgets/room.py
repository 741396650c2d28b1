"""`RoomAccess`: lets pages join the room of the session that they show, and forwards packets."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from ..concurrency.threads import on_own_thread
from ..rooms.connection import RECONNECTING, RoomConnection
from ..session.session import AsyncSession
from ..session.state import SessionState
from .channel import Command, current_command
from .controller import Answer, Controller
from .front_end import asset
from .link import Link, Message
from .pages import SilenceTimer, pages
from .status import ShownSession

logger = logging.getLogger("liveavatar_nb.widgets")

LIBRARY: Final = "media.js"
PACKET_LIMIT: Final = 64 * 1024  # maximum characters in a packet; LiveKit's own limit is a quarter of this
LONGEST_TOPIC: Final = 64  # maximum characters in a packet's topic
LONGEST_WORDS: Final = 500  # maximum characters in a reason or error text from a page
SOUNDS_WAITING: Final = 50  # maximum number of queued 0.1 s pieces of speech; the oldest are dropped first

NOT_LIVE: Final = "The session is not live."
ELSEWHERE: Final = "It is shown in another window."
DRAWN: Final = "There is no media server here: the face is drawn in the page."


class RoomAccess(Controller):
    """Lets pages join the room of the session that they show, and forwards packets.

    Args:
        link: The connection to the pages.
        shown: The session that the pages show.
    """

    def __init__(self, link: Link, shown: ShownSession) -> None:
        self._link = link
        self._shown = shown
        self._sounds: deque[Message] = deque(maxlen=SOUNDS_WAITING)
        self._heard: Command | None = None  # the latest command from a page; None once the page is gone
        self._offered: str | None = None  # the id of the session whose room was offered to a page without a request
        self._silence = SilenceTimer(self._forget_page)

    def commands(self) -> Mapping[str, Answer]:
        return {
            "library": self.send_library,
            "join": self.join,
            "room": self.note_state,
            "data": self.receive_packet,
            "room_sent": self.note_sent,
        }

    def close(self) -> None:
        # the page leaves the room unless another widget shows the session
        if not self._link.client.is_closed:
            self._link.submit(self._release(), "the room")

    async def _release(self) -> None:
        self._forget_page()
        pages.drop(self)

    async def hear(self, command: Command) -> None:
        self._heard = command
        self._silence.begin(command)
        await pages.hear(self, command)
        self._listen()

    def refresh(self) -> None:
        self._offer()
        pages.tidy()
        self._listen()

    # commands

    async def send_library(self) -> None:
        """Send the script that a page needs to join a room."""
        content = await on_own_thread(lambda: asset(LIBRARY).encode())
        self._link.send({"type": "library"}, [content], page=current_command().page)

    async def join(self, session_id: str, take_over: bool = False) -> None:
        """Send a page the room's address and a token, or the reason why the page may not join."""
        session, command = self._shown.session, current_command()
        room = None if session is None or session.id != session_id or not is_open(session) else session.room
        if session is None or room is None:
            self._answer(command, session_id, reason=NOT_LIVE)
            return
        if room.kind == "drawn":
            self._answer(command, session_id, reason=room.words or DRAWN)
            return
        others = [other for other in pages.of(session) if other.page != command.page and other.is_there]
        if others and not take_over and not room.is_own:
            self._answer(command, session_id, reason=ELSEWHERE, can_take_over=True)
            return
        holder = pages.holder(session, room, command.page)
        holder.approach(self, command)
        # a page that retries after a failure must not displace whoever is in the room now
        if not room.is_own and not holder.was_unreachable:
            await room.expect()
        self._send_access(room, command)

    def _send_access(self, room: RoomConnection, command: Command) -> None:
        token = room.viewer().reveal()
        self._answer(command, room.session_id, url=room.url, token=token, avatar_identity=room.avatar_identity)

    async def note_state(self, session_id: str, state: str, reason: str | None = None, avatar: bool = False) -> None:
        """Handle a change in the state of a page's connection to the room.

        The states are `joined`, `reconnecting`, `left`, `unreachable` and `replaced`.
        """
        session = self._find(session_id)
        room = None if session is None else session.room
        page = current_command().page
        if session is None or room is None:
            return
        if room.kind == "drawn":
            if state == "left":
                self._forget_page()
                pages.unlisten(session, page)
            return
        words = None if reason is None else str(reason)[:LONGEST_WORDS]
        if state == "joined" and is_open(session):
            holder = pages.holder(session, room, page)
            await holder.enter()
            await holder.hear(self, current_command())
            if room.holder is holder:
                if room.words is not None:
                    room.come_back()
                room.see(bool(avatar))
            return
        known = next((holder for holder in pages.of(session) if holder.page == page), None)
        if known is None:
            return
        if state == "reconnecting" and room.holder is known:
            known.falter()
            room.tell(words or RECONNECTING)
        elif state in ("left", "unreachable", "replaced"):
            known.was_unreachable = state == "unreachable"
            # a page that leaves of its own accord gives no reason
            is_put_out = words is not None and state != "replaced"
            known.go(None if state == "left" else words, is_contested=state == "replaced", is_put_out=is_put_out)

    async def receive_packet(self, session_id: str, topic: str, payload: str) -> None:
        """Handle a data packet that the page received from the room."""
        session = self._find(session_id)
        room = None if session is None else session.room
        if room is None or len(str(topic)) > LONGEST_TOPIC:
            return
        if len(payload) > PACKET_LIMIT:
            logger.warning("session %s: ignored a packet of more than %d characters", session_id, PACKET_LIMIT)
            return
        # several pages may be in the user's own room, and each receives every packet
        if not room.is_own or room.holder is None or getattr(room.holder, "page", None) == current_command().page:
            room.take(str(topic), payload)

    async def note_sent(self, request: str, ok: bool, problem: str | None = None) -> None:
        """Record that the page has sent a packet to the room, or the reason why it could not."""
        pages.settle(
            current_command().page, str(request), None if ok else str(problem or "it gave no reason")[:LONGEST_WORDS]
        )

    # messages to pages

    def send_to_page(self, page: str, message: dict[str, Any]) -> None:
        """Send a message to one of the pages that show this widget."""
        self._link.send(message, page=page)

    def send_sound(self, page: str, message: dict[str, Any], pcm: bytes) -> None:
        """Send speech to a page that draws the avatar; `pcm` is b"" when the avatar falls silent."""
        if not pcm:
            self._sounds.clear()
        self._sounds.append((message | {"page": page} if page else message, [pcm] if pcm else None))
        self._link.send_later(self._next_sound)

    def _next_sound(self) -> Message | None:
        return self._sounds.popleft() if self._sounds else None

    def _forget_page(self) -> None:
        self._silence.end()
        self._heard = None

    def _listen(self) -> None:
        """If the page draws the avatar, let it play the avatar's speech."""
        session = self._shown.session
        if self._heard is None or session is None or not is_open(session):
            return
        if session.room is not None and session.room.kind == "drawn":
            pages.listen(session, session.room, self, self._heard)

    def _offer(self) -> None:
        """Offer the room, without waiting for a request, to a page that has shown the session from the start.

        Make no offer if the page's report that it has joined could be stuck behind a running cell: this process, not
        knowing of the page, would then join the room itself and displace the page.
        """
        session, command = self._shown.session, self._heard
        if session is None or session.id == self._offered or not is_open(session):
            return
        room = session.room
        if room is None or room.is_own or room.kind == "drawn" or pages.of(session):
            return
        if command is None or not command.is_prompt:
            return
        self._offered = session.id
        if room.expect_first():
            pages.holder(session, room, command.page).approach(self, command)
            self._send_access(room, command)

    def _find(self, session_id: Any) -> AsyncSession | None:
        """Return the session with this id if this widget shows it or a page is in its room; otherwise None."""
        shown = self._shown.session
        return shown if shown is not None and shown.id == session_id else pages.find(str(session_id))

    def _answer(
        self,
        command: Command,
        session_id: str,
        *,
        url: str | None = None,
        token: str | None = None,
        avatar_identity: str | None = None,
        reason: str | None = None,
        can_take_over: bool = False,
    ) -> None:
        access = {"url": url, "token": token, "avatar_identity": avatar_identity}
        answer = {**access, "reason": reason, "can_take_over": can_take_over}
        self._link.send({"type": "room", "session_id": str(session_id), **answer}, page=command.page)


def is_open(session: AsyncSession) -> bool:
    """Return whether the session's state allows a page to be in its room."""
    return session.state in (SessionState.CONNECTING, SessionState.CONNECTED)
