"""`Studio`: picker and panel laid out together, in one view."""

from __future__ import annotations

from typing import Any

from .base import asset
from .panel import SessionPanel
from .picker import AvatarPicker


class Studio(AvatarPicker, SessionPanel):
    """Pick an avatar, start, see how it is and what it costs, stop: all of it in the cell's output.

    `la.studio()` makes it. `value` is the picked avatar's id; `session` the session started last.

    Args:
        la: the client, a `LiveAvatar`.
        traits: of ipywidgets' DOM widgets, `layout` for one.
    """

    _esm = asset("studio.js")

    def __init__(self, la: Any, **traits: Any) -> None:
        super().__init__(la, **traits)
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

    async def _look_up_name(self, avatar_id: str) -> None:
        record = self._records.get(avatar_id)
        if record is None:
            await super()._look_up_name(avatar_id)
        else:
            self._name(record.name)

    def _show(self, failure: BaseException) -> None:
        SessionPanel._show(self, failure)
