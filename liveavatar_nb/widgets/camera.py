"""`Camera`: snapshots of what a page shows, requested from Python or by a click on the page."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..bridge.loop import bridge
from ..concurrency.threads import on_own_thread
from ..errors import LiveAvatarException, ViewError
from .channel import current_command
from .controller import Answer, Controller
from .link import Link
from .page_requests import PATIENCE, PageRequests, holds_up, patience
from .problem import ShownProblem
from .recordings import ArrivingPictures, image_module, not_written, opened, saved_as, write_beside
from .room import LONGEST_WORDS

if TYPE_CHECKING:
    from PIL.Image import Image


class Camera(Controller):
    """Takes snapshots of what the page shows.

    Args:
        link: The connection to the pages.
        requests: Sends Python's requests to the pages.
        problem: Shows why a snapshot failed.
    """

    def __init__(self, link: Link, requests: PageRequests, problem: ShownProblem) -> None:
        self._link = link
        self._requests = requests
        self._problem = problem
        self._pictures = ArrivingPictures()
        self._last: bytes | None = None

    def commands(self) -> Mapping[str, Answer]:
        return {"snapshot": self.receive}

    def snapshot(self, *, timeout: float = PATIENCE) -> Image:
        """Take a snapshot of what the page shows.

        This waits until a page shows the view and the avatar's video has started.

        Args:
            timeout: The maximum number of seconds to wait.

        Returns:
            A PIL image, transparent where the background was removed.

        Raises:
            ConfigurationError: Pillow is not installed (extra `media`).
            ViewError: No session is live, no page shows the view, or the page did not respond in time.

        Example:
            >>> view = s.view()
            >>> view.snapshot().save("avatar.png")
        """
        image_module()
        return bridge.call(self._snapshot(patience(timeout), holds_up()), closes=True)

    @property
    def last_snapshot(self) -> Image | None:
        """The latest snapshot, whether taken from Python or by a click; None before the first."""
        return None if self._last is None else opened(self._last)

    async def _snapshot(self, limit: float, is_held_up: bool) -> Image:
        content: bytes = await self._requests.ask("snapshot", uuid.uuid4().hex, limit, is_held_up=is_held_up)
        return await on_own_thread(functools.partial(opened, content))

    async def receive(
        self,
        *,
        request: str,
        width: int,
        height: int,
        part: int,
        parts: int,
        data: str,
        problem: str | None = None,
    ) -> None:
        """Receive part of a picture, or an error; `request` is "" if a click on the page took the picture."""
        try:
            if problem:
                raise ViewError(str(problem)[:LONGEST_WORDS])
            content = self._pictures.receive(current_command().page, str(request), int(part), int(parts), str(data))
        except LiveAvatarException as failure:
            self._requests.fail(str(request), failure)
            return
        if content is None:
            return
        self._last = content
        path = None
        if not request:
            try:
                path = await on_own_thread(functools.partial(write_beside, content, ".png"))
            except OSError as failure:
                self._problem.show(not_written(failure))
                return
        self._problem.clear()
        self._link.write(saved=saved_as("snapshot", path, None, len(content)))
        self._requests.settle(str(request), content)
