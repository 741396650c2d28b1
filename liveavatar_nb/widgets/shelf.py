"""`SoundShelf`: lists the sounds that a page offers, and lets the user add and remove sounds."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from ..concurrency.threads import on_own_thread
from .controller import Answer, Controller
from .link import Link
from .problem import ShownProblem
from .sounds import DROPPED_LIMIT, PART_BYTES, OfferedSound, Sounds, endings


class SoundShelf(Controller):
    """Lists the sounds that a page offers, and lets the user add and remove sounds.

    Args:
        link: The connection to the pages.
        problem: Shows why a sound was not added.
        sounds: Paths, file contents as bytes, or (samples, rate) pairs; pass a mapping to name the sounds.

    Raises:
        AudioError: One of the sounds cannot be read.
    """

    def __init__(self, link: Link, problem: ShownProblem, sounds: Iterable[Any] | Mapping[str, Any]) -> None:
        self._link = link
        self._problem = problem
        self._sounds = Sounds(sounds)
        self._receiving = asyncio.Lock()

    def traits(self) -> dict[str, Any]:
        limits = {"endings": list(endings()), "bytes": DROPPED_LIMIT, "part": PART_BYTES}
        return {"sounds": self._offers(), "sound_limits": limits}

    def commands(self) -> Mapping[str, Answer]:
        return {
            "sounds": self.look,
            "add_sound": self.add,
            "cancel_upload": self.cancel_upload,
            "remove_sound": self.remove,
        }

    async def load(self) -> None:
        # a folder with many sounds must not delay anything else
        self._link.submit(self.look(), "the sounds")

    def close(self) -> None:
        self._sounds.clear()

    def find(self, sound_id: str) -> OfferedSound:
        """Return the sound with this id.

        Raises:
            InvalidArgument: There is no such sound.
        """
        return self._sounds.find(sound_id)

    async def look(self) -> None:
        """Read the notebook's folder again and show the sounds."""
        await on_own_thread(self._sounds.look)
        self._show()

    async def add(self, upload: str, name: str, part: int, parts: int, data: str) -> None:
        """Receive part of a file that was dropped on the page."""
        upload = str(upload)
        is_over = True
        async with self._receiving:
            try:
                with self._problem.catch():
                    is_over = await on_own_thread(
                        lambda: self._sounds.receive(upload, str(name), int(part), int(parts), str(data))
                    )
            finally:
                if is_over:
                    self._show()
                    self._link.send({"type": "upload", "upload": upload})

    async def cancel_upload(self, upload: str) -> None:
        """Discard an incomplete file because the page cancelled its upload."""
        self._sounds.cancel_upload(str(upload))

    async def remove(self, sound: str) -> None:
        """Remove a dropped sound from the list."""
        self._sounds.remove(str(sound))
        self._problem.clear()
        self._show()

    def _show(self) -> None:
        self._link.write(sounds=self._offers())

    def _offers(self) -> list[dict[str, Any]]:
        return [
            {"id": offer.id, "name": offer.name, "origin": offer.origin, "seconds": offer.seconds}
            for offer in self._sounds
        ]
