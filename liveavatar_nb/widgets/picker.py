"""`AvatarPicker`: a searchable gallery of the account's avatars."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import traitlets

from .. import config
from ..concurrency.worker import worker
from ..errors import ClientClosed, InvalidArgument, LiveAvatarException
from ..models.avatars import Avatar
from .base import asset
from .pictures import PictureSender, picture_of
from .problem import problem_of

logger = logging.getLogger("liveavatar_nb.widgets")

OFFER_DELAYS = (0.5, 1.0, 2.0, 4.0, 8.0)  # s: a page without the control channel cannot ask while a cell runs
OFFERED_PICTURES = 60  # pictures of the top of the gallery that are offered so


class AvatarPicker(PictureSender):
    """Pick an avatar from a gallery with pictures, a search and the keyboard.

    `value` is the picked avatar's id, "" before the first pick; observe it, or set it. Only avatars that are
    ACTIVE and have not expired can be picked.

    Args:
        la: the client, a `LiveAvatar`.
        traits: of ipywidgets' DOM widgets, `layout` for one.

    Example:
        >>> picker = AvatarPicker(la)
        >>> picker.observe(lambda change: print(change.new), "value")
    """

    _esm = asset("picker.js")

    avatars: Any = traitlets.List().tag(sync=True)
    catalogue = traitlets.Dict().tag(sync=True)
    value = traitlets.Unicode().tag(sync=True)

    def __init__(self, la: Any, **traits: Any) -> None:
        self._records: dict[str, Avatar] = {}
        super().__init__(la, catalogue={"state": "loading", "problem": None}, **traits)

    def _ipython_display_(self) -> None:
        super()._ipython_display_()
        self._submit(self._offer_pictures(), "the pictures")

    @property
    def picked(self) -> Avatar | None:
        """The picked avatar's record; None before the first pick."""
        return self._records.get(self.value)

    @traitlets.validate("value")
    def _valid_value(self, proposal: Any) -> str:
        avatar_id: str = proposal["value"]
        if avatar_id and self._records:
            record = self._records.get(avatar_id)
            if record is None:
                raise InvalidArgument(
                    f"There is no avatar with the id {avatar_id!r}.", remedy="la.avatars() lists them."
                )
            if not record.is_usable:
                why = "has expired" if record.is_expired else f"is {record.status}, not ACTIVE"
                raise InvalidArgument(f"Avatar {record.name} {why}.", remedy="Pick another one.")
        return avatar_id

    async def _load(self) -> None:
        await super()._load()
        self._write(catalogue={"state": "loading", "problem": None})
        try:
            mine = await self._client.avatars("mine")
            public = await self._client.avatars("public")
        except ClientClosed:
            return
        except LiveAvatarException as failure:
            logger.warning("the avatars could not be loaded: %s", failure)
            self._write(catalogue={"state": "failed", "problem": problem_of(failure)})
            return
        own = {record.id for record in mine}
        self._records = {record.id: record for record in [*mine, *public]}
        entries = [_entry(record, mine=record.id in own) for record in self._records.values()]
        self._write(avatars=entries, catalogue={"state": "ready", "problem": None})

    async def do_reload(self) -> None:
        """Fetches the gallery again."""
        await self._load()

    async def do_pick(self, avatar_id: str) -> None:
        """Picks an avatar."""
        self._write_or_show(value=str(avatar_id))

    def _address_of(self, avatar_id: str) -> str | None:
        record = self._records.get(avatar_id)
        return super()._address_of(avatar_id) if record is None else record.preview_url

    async def _offer_pictures(self) -> None:
        for delay in OFFER_DELAYS:
            await asyncio.sleep(delay)
            top = [entry["id"] for entry in self.avatars if entry["picture"] == {"bytes": True}][:OFFERED_PICTURES]
            missing = [avatar_id for avatar_id in top if avatar_id not in self._received]
            if top and not missing:
                return
            await self.do_pictures(missing)

    def _write_or_show(self, **traits: Any) -> None:
        def write() -> None:
            try:
                for name, value in traits.items():
                    setattr(self, name, value)
            except InvalidArgument as failure:
                self._show(failure)

        worker.post(write)

    def _show(self, failure: BaseException) -> None:
        self._write(catalogue={**self.catalogue, "problem": problem_of(failure)})


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
