"""`Account`: the remaining credits, and the sessions left running by dead kernels."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from ..errors import LiveAvatarException
from ..protection.orphans import OwnedSession
from .controller import Answer, Controller
from .link import Link
from .problem import ShownProblem

logger = logging.getLogger("liveavatar_nb.widgets")


class Account(Controller):
    """Shows the remaining credits, and the sessions left running by dead kernels.

    Args:
        link: The connection to the pages.
        problem: The error message on the page, cleared by each new command.
    """

    def __init__(self, link: Link, problem: ShownProblem) -> None:
        self._link = link
        self._problem = problem

    def commands(self) -> Mapping[str, Answer]:
        return {"stop_orphans": self.stop_orphans}

    async def load(self) -> None:
        await self.look()

    async def stop_orphans(self) -> None:
        """Stop the sessions left running by dead kernels."""
        self._problem.clear()
        try:
            await self._link.client.stop_orphans()
        finally:
            await self.look()

    async def look(self) -> None:
        """Update the credits and the list of sessions left running by dead kernels."""
        await asyncio.gather(self.look_at_credits(), self.look_for_orphans())

    async def look_at_credits(self) -> None:
        """Update the remaining credits."""
        try:
            remaining = await self._link.client.credits()
        except LiveAvatarException as failure:
            logger.warning("cannot read the credits: %s", failure)
            self._link.write(credits_problem=failure.message)
        else:
            self._link.write(credits=f"{remaining:.2f}", credits_problem=None)

    async def look_for_orphans(self) -> None:
        """Update the list of sessions left running by dead kernels; for a simulator, the list stays empty."""
        if self._link.client.is_simulated:
            return
        try:
            orphans = await self._link.client.orphans()
        except LiveAvatarException as failure:
            logger.warning("cannot check for sessions left running by dead kernels: %s", failure)
            return
        self._link.write(orphans=[orphan_of(session) for session in orphans])


def orphan_of(session: OwnedSession) -> dict[str, Any]:
    """Return what a page shows about a session left running by a dead kernel."""
    return {"id": session.id, "minutes": session.duration / 60}
