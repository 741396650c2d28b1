"""`LiveView`: a session's avatar, live in the cell's output."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import traitlets

from ..bridge.wrappers import SyncWrapper, holder_of, inner_of
from ..errors import ClientClosed, InvalidArgument, LiveAvatarException
from ..models.avatars import Avatar
from ..session.session import AsyncSession
from .base import ControlledWidget
from .camera import Camera
from .controller import Answer, Controller, delegate
from .link import Link
from .page_requests import PageRequests
from .pictures import PictureSender, picture_of
from .problem import ShownProblem
from .recorder import Recorder
from .room import RoomAccess
from .status import ShownSession

if TYPE_CHECKING:
    from PIL.Image import Image

logger = logging.getLogger("liveavatar_nb.widgets")

# the simulator's drawings of a face: the mouth from closed to wide open, then closed eyes
DRAWINGS: Final = (*(f"mouth={opening}" for opening in range(5)), "eyes=closed")


class LiveView(ControlledWidget):
    """The avatar's video and sound, with captions and controls.

    The controls are Stop, Interrupt, volume, fullscreen, snapshot and recording. The page joins the session's room; if
    LiveAvatar hosts the room, only one page at a time can be in it. On a simulator without a media server, the page
    draws the face itself. When the session is over, the view shows how it ended.

    Args:
        la: The client, a `LiveAvatar`.
        session: The session to show; by default, whichever of the client's sessions is the newest.
        traits: Any other ipywidgets traits, such as `layout`.

    Raises:
        InvalidArgument: `la` is not a client, `session` is not a session, or `session` belongs to another client.

    Example:
        >>> view = s.view()
        >>> view.snapshot()
        >>> view.record(seconds=20)
    """

    _COMPONENT = "view"

    status = traitlets.Dict(allow_none=True, default_value=None).tag(sync=True)
    simulated = traitlets.Bool().tag(sync=True)
    still = traitlets.Dict(allow_none=True, default_value=None).tag(sync=True)
    saved = traitlets.Dict(allow_none=True, default_value=None).tag(sync=True)
    view_problem = traitlets.Dict(allow_none=True, default_value=None).tag(sync=True)

    def __init__(self, la: Any, session: Any = None, **traits: Any) -> None:
        inner = inner_of(session)
        _check(la, session, inner)
        self._given_session: Any = session
        link = Link(self, la)
        # a closed client is not an error here: the view then shows how the session ended
        problem = ShownProblem(link, "view_problem", "dismiss_view", ignored=ClientClosed)
        shown = ShownSession(link, inner)
        requests = PageRequests(link, shown, problem.show)
        room = RoomAccess(link, shown)
        self._camera = Camera(link, requests, problem)
        self._recorder = Recorder(link, requests, problem)
        picture = AvatarPicture(link, shown)
        pictures = PictureSender(link, picture.address_of)
        faces = DrawnFaces(link, shown, pictures)
        controllers = [requests, room, shown, self._camera, self._recorder, picture, pictures, faces, problem]
        super().__init__(link, controllers, on_failure=problem.show, **traits)

    snapshot = delegate("_camera", Camera.snapshot)
    record = delegate("_recorder", Recorder.record)
    stop_recording = delegate("_recorder", Recorder.stop_recording)

    @property
    def last_snapshot(self) -> Image | None:
        """The latest snapshot, whether taken from Python or by a click; None before the first.

        Raises:
            ConfigurationError: Pillow is not installed (extra `media`).
        """
        return self._camera.last_snapshot

    @property
    def session(self) -> Any:
        """The session that the view shows; by default, the client's newest."""
        return self._given_session if self._given_session is not None else super().session


class AvatarPicture(Controller):
    """The avatar's picture, shown before and after the video.

    Args:
        link: The connection to the pages.
        shown: The session that the pages show.
        picked: Returns the avatar picked for the next session; None if none is picked.
    """

    def __init__(self, link: Link, shown: ShownSession, *, picked: Callable[[], Avatar | None] = lambda: None) -> None:
        self._link = link
        self._shown = shown
        self._picked = picked
        self._still: dict[str, Any] | None = None

    def traits(self) -> dict[str, Any]:
        session = self._shown.session
        return {"still": still_of(session.avatar)} if self._shown.is_given and session is not None else {}

    @property
    def avatar(self) -> Avatar | None:
        """The live session's avatar; if no session is live, the picked avatar or the last session's."""
        session = self._shown.session
        if session is not None and not session.state.is_final:
            return session.avatar
        return self._picked() or (None if session is None else session.avatar)

    def address_of(self, avatar_id: str) -> str | None:
        """Return the address of this avatar's picture; None if the view shows a different avatar."""
        avatar = self.avatar
        return avatar.preview_url if avatar is not None and avatar.id == avatar_id else None

    def refresh(self) -> None:
        avatar = self.avatar
        still = None if avatar is None else still_of(avatar)
        if still != self._still:
            self._still = still
            self._link.write(still=still)


class DrawnFaces(Controller):
    """Sends a simulator's drawings of a face, which the page animates itself.

    Args:
        link: The connection to the pages.
        shown: The session that the pages show.
        pictures: Provides the addresses of the avatars' pictures.
    """

    def __init__(self, link: Link, shown: ShownSession, pictures: PictureSender) -> None:
        self._link = link
        self._shown = shown
        self._pictures = pictures
        self._known: dict[str, tuple[str, list[bytes]]] = {}

    def commands(self) -> Mapping[str, Answer]:
        return {"face": self.send}

    async def send(self, avatar_id: str) -> None:
        """Send an avatar's drawings, or an empty list if there are none."""
        avatar_id = str(avatar_id)
        found = self._known.get(avatar_id)
        if found is None:
            found = await self._fetch(self._pictures.address_of(avatar_id))
            if found[1]:
                self._known[avatar_id] = found
        media_type, drawings = found
        self._link.send({"type": "face", "avatar_id": avatar_id, "media_type": media_type}, list(drawings))

    async def _fetch(self, address: str | None) -> tuple[str, list[bytes]]:
        client, session = self._link.client, self._shown.session
        is_drawn = session is not None and session.room is not None and session.room.kind == "drawn"
        # only a simulator provides drawings of faces
        is_local = address is not None and urlsplit(address).netloc == urlsplit(client.base_url).netloc
        if address is None or not is_local or not (client.simulator is not None or is_drawn):
            return "", []
        fetch = client.api.transport.fetch
        try:
            fetched = await asyncio.gather(*(fetch(f"{address}?{drawing}") for drawing in DRAWINGS))
        except LiveAvatarException as failure:
            logger.warning("cannot fetch the drawings of a face: %s", failure.message)
            return "", []
        return fetched[0][0], [content for _, content in fetched]


def _check(la: Any, session: Any, inner: Any) -> None:
    """Check a view's arguments, except for those that all widgets check."""
    if isinstance(la, AsyncSession) or isinstance(inner_of(la), AsyncSession):
        raise InvalidArgument(
            f"A LiveView needs a LiveAvatar as its first argument, not {type(la).__name__}.",
            remedy="Call LiveView(la, s), or s.view().",
            field="la",
        )
    if session is None:
        return
    if not isinstance(inner, AsyncSession):
        raise InvalidArgument(
            f"session must be a Session from LiveAvatar.start(), not {type(session).__name__}.",
            remedy="Leave out `session` to show the client's newest one.",
            field="session",
        )
    if isinstance(la, SyncWrapper) and holder_of(session) not in (None, la):
        raise InvalidArgument(
            "The session belongs to another client.", remedy="Pass the client that started it.", field="session"
        )


def still_of(avatar: Avatar) -> dict[str, Any]:
    """Return what a page needs to show an avatar's picture before and after the video."""
    return {"avatar_id": avatar.id, "name": avatar.name, "picture": picture_of(avatar.preview_url)}
