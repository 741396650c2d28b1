"""`AvatarPicker`: a searchable gallery of the account's avatars."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import traitlets

from .. import config
from ..errors import ClientClosed, InvalidArgument, LiveAvatarException
from ..models.avatars import Avatar
from .base import ControlledWidget
from .controller import Answer, Controller
from .link import Link
from .pictures import PictureSender, picture_of
from .problem import Problem, problem_of

logger = logging.getLogger("liveavatar_nb.widgets")

OFFERED_PICTURES = 60  # maximum number of pictures, from the top of the gallery, to send without a request


class AvatarPicker(ControlledWidget):
    """A gallery for picking an avatar, with pictures, search and keyboard control.

    `value` is the picked avatar's id ("" before the first pick); you can observe it or set it. Only avatars that are
    ACTIVE and have not expired can be picked.

    Args:
        la: The client, a `LiveAvatar`.
        traits: Any other ipywidgets traits, such as `layout`.

    Example:
        >>> picker = AvatarPicker(la)
        >>> picker.observe(lambda change: print(change.new), "value")
    """

    _COMPONENT = "picker"

    avatars: Any = traitlets.List().tag(sync=True)
    catalogue = traitlets.Dict().tag(sync=True)
    value = traitlets.Unicode().tag(sync=True)

    def __init__(self, la: Any, **traits: Any) -> None:
        link = Link(self, la)
        self._gallery = Gallery(link)
        pictures = PictureSender(link, self._gallery.address_of, offered=self._gallery.top)
        super().__init__(link, [pictures, self._gallery], on_failure=self._gallery.show_problem, **traits)

    @property
    def picked(self) -> Avatar | None:
        """The picked avatar's record; None before the first pick."""
        return self._gallery.picked

    @traitlets.validate("value")
    def _valid_value(self, proposal: Any) -> Any:
        return self._gallery.check(proposal["value"])


class Gallery(Controller):
    """Lists the avatars on offer, and keeps track of the picked one.

    Args:
        link: The connection to the pages.
        picks_first: Whether to pick the first usable avatar if none is picked.
    """

    def __init__(self, link: Link, *, picks_first: bool = False) -> None:
        self._link = link
        self._picks_first = picks_first
        self._records: dict[str, Avatar] = {}
        self._entries: list[dict[str, Any]] = []
        self._catalogue: dict[str, Any] = {"state": "loading", "problem": None}

    def traits(self) -> dict[str, Any]:
        return {"catalogue": self._catalogue}

    def commands(self) -> Mapping[str, Answer]:
        return {"pick": self.pick, "reload": self._link.reload}

    @property
    def picked(self) -> Avatar | None:
        """The picked avatar's record; None before the first pick."""
        return self.find(self._link.read("value"))

    def find(self, avatar_id: str) -> Avatar | None:
        """Return an avatar's record; None if the avatar is not in the gallery."""
        return self._records.get(avatar_id)

    def address_of(self, avatar_id: str) -> str | None:
        """Return the address of an avatar's picture; None if the address is unknown."""
        record = self.find(avatar_id)
        return None if record is None else record.preview_url

    def top(self) -> list[str]:
        """Return the ids of those avatars, from the top of the gallery, whose pictures only the kernel can reach."""
        return [entry["id"] for entry in self._entries if entry["picture"] == {"bytes": True}][:OFFERED_PICTURES]

    def check(self, avatar_id: str) -> str:
        """Return `avatar_id` if it is "" or the id of an avatar that can be picked.

        Raises:
            InvalidArgument: The avatar cannot be used, or does not exist.
        """
        if avatar_id and self._records:
            record = self.find(avatar_id)
            if record is None:
                raise InvalidArgument(
                    f"There is no avatar with the id {avatar_id!r}.", remedy="la.avatars() lists the avatars."
                )
            if not record.is_usable:
                why = "has expired" if record.is_expired else f"is {record.status}, not ACTIVE"
                raise InvalidArgument(f"Avatar {record.name} {why}.", remedy="Pick another one.")
        return avatar_id

    async def pick(self, avatar_id: str) -> None:
        """Pick an avatar."""
        self._link.write(value=str(avatar_id))

    async def load(self) -> None:
        self._write_catalogue("loading")
        client = self._link.client
        try:
            mine = await client.avatars("mine")
            public = await client.avatars("public")
        except ClientClosed:
            return
        except LiveAvatarException as failure:
            logger.warning("cannot load the avatars: %s", failure)
            self._write_catalogue("failed", problem_of(failure))
            return
        own = {record.id for record in mine}
        self._records = {record.id: record for record in [*mine, *public]}
        self._entries = [_entry(record, mine=record.id in own) for record in self._records.values()]
        self._write_catalogue("ready", avatars=self._entries)
        if self._picks_first and not self._link.read("value"):
            first = next((record.id for record in self._records.values() if record.is_usable), "")
            self._link.write(value=first)

    def show_problem(self, failure: BaseException) -> None:
        """Show an error in the gallery."""
        self._write_catalogue(self._catalogue["state"], problem_of(failure))

    def _write_catalogue(self, state: str, problem: Problem | None = None, **traits: Any) -> None:
        self._catalogue = {"state": state, "problem": problem}
        self._link.write(**traits, catalogue=self._catalogue)


def _entry(record: Avatar, *, mine: bool) -> dict[str, Any]:
    return {
        "id": record.id,
        "name": record.name,
        "type": record.type,
        "status": record.status,
        "mine": mine,
        "sandbox": record.id == config.SANDBOX_AVATAR,
        "is_expired": record.is_expired,
        "picture": picture_of(record.preview_url),
        "error_message": record.error_message,
    }
