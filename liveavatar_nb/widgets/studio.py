"""`Studio`: picker, panel, live view, talk and wire log laid out together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..models.avatars import Avatar
from .base import asset
from .panel import SessionPanel
from .picker import AvatarPicker
from .talk import Talk
from .view import LiveView
from .wire import WireLog


class Studio(AvatarPicker, SessionPanel, Talk, LiveView, WireLog):
    """Pick an avatar, start, see it and talk to it, see what it costs, stop: all of it in the cell's output.

    `la.studio()` makes it. `value` is the picked avatar's id; `session` the session started last.

    Args:
        la: the client, a `LiveAvatar`.
        sounds: sounds on offer, as `Talk` takes them.
        traits: of ipywidgets' DOM widgets, `layout` for one.

    Raises:
        AudioError: one of the sounds cannot be read.
    """

    _esm = asset("studio.js")

    def __init__(self, la: Any, sounds: Iterable[Any] | Mapping[str, Any] = (), **traits: Any) -> None:
        super().__init__(la, sounds=sounds, **traits)
        self.observe(self._on_pick, "value")

    async def _load(self) -> None:
        await super()._load()
        if not self.value:
            first = next((record.id for record in self._records.values() if record.is_usable), "")
            self._write(value=first)

    def _choose(self, avatar_id: str) -> None:
        self._write(value=avatar_id)

    def _on_pick(self, change: Any) -> None:
        self._write(avatar=change["new"])
        self._show_still()

    @property
    def _pictured(self) -> Avatar | None:
        session = self._shown
        if session is not None and not session.state.is_final:
            return session.avatar
        return self.picked or super()._pictured

    def _known(self, avatar_id: str) -> str | Avatar:
        return self._records.get(avatar_id, avatar_id)

    async def _look_up_name(self, avatar_id: str) -> None:
        record = self._records.get(avatar_id)
        if record is None:
            await super()._look_up_name(avatar_id)
        else:
            self._name(record.name)

    def _show(self, failure: BaseException) -> None:
        SessionPanel._show(self, failure)
