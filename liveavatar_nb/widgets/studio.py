"""`Studio`: the picker, panel, live view, talk controls and wire log in one widget."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import traitlets

from ..models.avatars import Avatar
from .account import Account
from .base import ControlledWidget
from .camera import Camera
from .controller import delegate
from .elsewhere import SessionsElsewhere
from .link import Link
from .next_session import NextSession
from .page_requests import PageRequests
from .panel import Starter
from .persona import Persona
from .picker import Gallery
from .pictures import PictureSender
from .problem import ShownProblem
from .recorder import Recorder
from .room import RoomAccess
from .settings import StartSettings
from .shelf import SoundShelf
from .status import ShownSession
from .talk import Speech
from .view import AvatarPicture, DrawnFaces
from .wire import WireFeed

if TYPE_CHECKING:
    from PIL.Image import Image


class Studio(ControlledWidget):
    """The gallery, session panel, live view, talk controls and wire log, all in one widget.

    Create it with `la.studio()`. `value` is the picked avatar's id; `session` is the newest session.

    Args:
        la: The client, a `LiveAvatar`.
        sounds: The sounds to offer, as for `Talk`.
        traits: Any other ipywidgets traits, such as `layout`.

    Raises:
        AudioError: One of the sounds cannot be read.
    """

    _COMPONENT = "studio"

    # the traits of AvatarPicker
    avatars: Any = traitlets.List().tag(sync=True)
    catalogue = traitlets.Dict().tag(sync=True)
    value = traitlets.Unicode().tag(sync=True)
    # the traits of SessionPanel
    status = traitlets.Dict(allow_none=True, default_value=None).tag(sync=True)
    simulated = traitlets.Bool().tag(sync=True)
    avatar = traitlets.Unicode().tag(sync=True)
    avatar_name = traitlets.Unicode().tag(sync=True)
    code = traitlets.Unicode().tag(sync=True)
    settings = traitlets.Dict().tag(sync=True)
    persona = traitlets.Dict().tag(sync=True)
    context = traitlets.Dict(allow_none=True, default_value=None).tag(sync=True)
    service = traitlets.Unicode().tag(sync=True)
    credits = traitlets.Unicode(allow_none=True, default_value=None).tag(sync=True)
    credits_problem = traitlets.Unicode(allow_none=True, default_value=None).tag(sync=True)
    orphans = traitlets.List(traitlets.Dict()).tag(sync=True)
    elsewhere = traitlets.List(traitlets.Dict()).tag(sync=True)
    hearing = traitlets.Unicode().tag(sync=True)
    problem = traitlets.Dict(allow_none=True, default_value=None).tag(sync=True)
    # the traits of Talk
    sounds = traitlets.List(traitlets.Dict()).tag(sync=True)
    sound_limits = traitlets.Dict().tag(sync=True)
    speech = traitlets.List(traitlets.Dict()).tag(sync=True)
    transcript = traitlets.List(traitlets.Dict()).tag(sync=True)
    can_say = traitlets.Bool().tag(sync=True)
    talk_problem = traitlets.Dict(allow_none=True, default_value=None).tag(sync=True)
    # the traits of LiveView
    still = traitlets.Dict(allow_none=True, default_value=None).tag(sync=True)
    saved = traitlets.Dict(allow_none=True, default_value=None).tag(sync=True)
    view_problem = traitlets.Dict(allow_none=True, default_value=None).tag(sync=True)

    def __init__(self, la: Any, sounds: Iterable[Any] | Mapping[str, Any] = (), **traits: Any) -> None:
        link = Link(self, la)
        problem = ShownProblem(link, "problem", "dismiss")
        talk_problem = ShownProblem(link, "talk_problem", "dismiss_talk")
        view_problem = ShownProblem(link, "view_problem", "dismiss_view")
        shown = ShownSession(link)
        self._gallery = gallery = Gallery(link, picks_first=True)

        settings = StartSettings(link, problem)
        persona = Persona(link, settings)
        next_session = NextSession(link, settings, persona, trait="value", find=gallery.find)
        account = Account(link, problem)
        elsewhere = SessionsElsewhere(link, account, problem)
        starter = Starter(link, shown, next_session, account, elsewhere, problem=problem)

        shelf = SoundShelf(link, talk_problem, sounds)
        speech = Speech(link, shown, shelf, talk_problem)

        requests = PageRequests(link, shown, view_problem.show)
        room = RoomAccess(link, shown)
        self._camera = Camera(link, requests, view_problem)
        self._recorder = Recorder(link, requests, view_problem)
        picture = AvatarPicture(link, shown, picked=lambda: gallery.picked)
        pictures = PictureSender(link, gallery.address_of, picture.address_of, offered=gallery.top)
        faces = DrawnFaces(link, shown, pictures)

        link.observe(lambda: link.write(avatar=self.value), "value")
        link.observe(picture.refresh, "value")
        controllers = [
            *(requests, room, shown, self._camera, self._recorder, picture, pictures, faces, view_problem),
            *(speech, shelf, talk_problem),
            *(settings, persona, next_session, account, elsewhere, starter, problem),
            gallery,
            WireFeed(link),
        ]
        super().__init__(link, controllers, on_failure=problem.show, **traits)
        next_session.show()

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
    def picked(self) -> Avatar | None:
        """The picked avatar's record; None before the first pick."""
        return self._gallery.picked

    @traitlets.validate("value")
    def _valid_value(self, proposal: Any) -> Any:
        return self._gallery.check(proposal["value"])
