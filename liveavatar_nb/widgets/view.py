"""`LiveView`: a session's avatar, live, in the cell."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Any, Final
from urllib.parse import urlsplit

import traitlets

from ..bridge.wrappers import Face
from ..concurrency.threads import on_own_thread
from ..errors import ClientClosed, InvalidArgument, LiveAvatarException
from ..models.avatars import Avatar
from ..session.session import AsyncSession
from ..session.speech.progress import is_shown
from .base import asset
from .pictures import PictureSender, picture_of
from .recorder import Recorder
from .room import word
from .status import status_of

logger = logging.getLogger("liveavatar_nb.widgets")

LIBRARY: Final = "media.js"
# the simulator's drawings of one face: the mouth from closed to wide open, then the eyes closed
DRAWINGS: Final = (*(f"mouth={opening}" for opening in range(5)), "eyes=closed")


class LiveView(Recorder, PictureSender):
    """The avatar's video and sound, with captions, volume, fullscreen, snapshot and recording; Stop and Interrupt.

    The page joins the session's room; one page at a time, where LiveAvatar hosts it. Without a media server, on a
    simulator, it draws the face by itself. After the session it shows how that ended.

    Args:
        la: the client, a `LiveAvatar`.
        session: the one to show; the client's newest, whichever that is, when not given.
        traits: of ipywidgets' DOM widgets, `layout` for one.

    Raises:
        InvalidArgument: `la` or `session` is none, or they are not of each other.

    Example:
        >>> view = s.view()
        >>> view.snapshot()
        >>> view.record(seconds=20)
    """

    _esm = asset("view.js")

    still = traitlets.Dict(allow_none=True, default_value=None).tag(sync=True)

    def __init__(self, la: Any, session: Any = None, **traits: Any) -> None:
        inner = getattr(session, "_inner", None)
        _check(la, session, inner)
        self._face: Any = session
        self._faces: dict[str, tuple[str, list[bytes]]] = {}
        self._told_still: dict[str, Any] | None = None
        self._displayed_in: int | None = None
        # it is there at once, also where the client is closed and its loop gone
        told = {} if inner is None else {"status": status_of(inner), "still": still_of(inner.avatar)}
        super().__init__(la, **told, **traits)

    @property
    def session(self) -> Any:
        """The session that it shows; the client's newest where it was given none."""
        return self._face if self._face is not None else super().session

    @property
    def _shown(self) -> AsyncSession | None:
        return super()._shown if self._face is None else self._face._inner

    def show(self) -> None:
        """Displays it at once, in a cell; as that cell's value it is not displayed a second time."""
        if is_shown():
            self._ipython_display_()
            self._displayed_in = _cell()

    def _ipython_display_(self) -> None:
        displayed_in, self._displayed_in = self._displayed_in, None
        if displayed_in is None or displayed_in != _cell():
            super()._ipython_display_()

    # commands

    async def do_library(self) -> None:
        """Sends what a page needs to join a room."""
        content = await on_own_thread(lambda: asset(LIBRARY).encode())
        self.tell_page(word().page, {"type": "library"}, [content])

    async def do_face(self, avatar_id: str) -> None:
        """Sends a simulator's drawings of a face, for a page that draws it; none where there are none."""
        avatar_id = str(avatar_id)
        found = self._faces.get(avatar_id)
        if found is None:
            found = await self._drawings(self._address_of(avatar_id))
            if found[1]:
                self._faces[avatar_id] = found
        media_type, drawings = found
        message = {"type": "face", "avatar_id": avatar_id, "media_type": media_type}
        self._post(message, list(drawings))

    async def _drawings(self, address: str | None) -> tuple[str, list[bytes]]:
        session = self._shown
        is_drawn = session is not None and session.room is not None and session.room.kind == "drawn"
        # a service's own pictures have no such drawings
        is_near = address is not None and urlsplit(address).netloc == urlsplit(self._client.base_url).netloc
        if address is None or not is_near or not (self.simulated or is_drawn):
            return "", []
        fetch = self._client.api.transport.fetch
        try:
            fetched = await asyncio.gather(*(fetch(f"{address}?{drawing}") for drawing in DRAWINGS))
        except LiveAvatarException as failure:
            logger.warning("the drawings of a face could not be fetched: %s", failure.message)
            return "", []
        return fetched[0][0], [content for _, content in fetched]

    # what is shown

    def _client_changed(self) -> None:
        super()._client_changed()
        self._show_still()

    def _show_still(self) -> None:
        avatar = self._pictured
        told = None if avatar is None else still_of(avatar)
        if told != self._told_still:
            self._told_still = told
            self._write(still=told)

    @property
    def _pictured(self) -> Avatar | None:
        """The avatar that is, or would be, on the stage."""
        return None if self._shown is None else self._shown.avatar

    def _address_of(self, avatar_id: str) -> str | None:
        avatar = self._pictured
        if avatar is not None and avatar.id == avatar_id:
            return avatar.preview_url
        return super()._address_of(avatar_id)

    def _show(self, failure: BaseException) -> None:
        # of a closed client it shows how its session ended
        if not isinstance(failure, ClientClosed):
            self._tell_view(failure)


def _check(la: Any, session: Any, inner: Any) -> None:
    """Refuses what no view can be made of; what `la` must be else, all widgets know."""
    if isinstance(la, AsyncSession) or isinstance(getattr(la, "_inner", None), AsyncSession):
        raise InvalidArgument(
            f"A LiveView needs a LiveAvatar first, not {type(la).__name__}.",
            remedy="LiveView(la, s) shows the session s of the client la; s.view() does so at once.",
            field="la",
        )
    if session is None:
        return
    if not isinstance(inner, AsyncSession):
        raise InvalidArgument(
            f"session must be one that LiveAvatar.start() made, not {type(session).__name__}.",
            remedy="Leave it out for the client's newest.",
            field="session",
        )
    if isinstance(la, Face) and session._holder not in (None, la):
        raise InvalidArgument(
            "The session is of another client.", remedy="Give the client whose start() made it.", field="session"
        )


def still_of(avatar: Avatar) -> dict[str, Any]:
    """What a page shows of an avatar that is not there yet, or not any more."""
    return {"avatar_id": avatar.id, "name": avatar.name, "picture": picture_of(avatar.preview_url)}


def _cell() -> int | None:
    """The number of the cell that runs."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return getattr(shell, "execution_count", None)
