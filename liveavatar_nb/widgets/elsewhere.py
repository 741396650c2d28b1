"""`Elsewhere`: the sessions that other clients of this process have running."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

from ..session.session import AsyncSession
from .account import Account
from .controller import Answer, Controller
from .link import Link
from .problem import ShownProblem

LOOK_INTERVAL: Final = 5.0  # s between two looks, as long as there is such a session
TAKEN: Final = "no page showed it, and it was stopped from another one"


class Elsewhere(Controller):
    """The sessions that other clients of this process have running.

    Args:
        link: the tie to the pages.
        account: shows the credits after a stop.
        problem: where one of an earlier command is shown.
    """

    def __init__(self, link: Link, account: Account, problem: ShownProblem) -> None:
        self._link = link
        self._account = account
        self._problem = problem
        self._looking: asyncio.TimerHandle | None = None

    def commands(self) -> Mapping[str, Answer]:
        return {"stop_elsewhere": self.stop_unseen}

    async def stop_unseen(self) -> None:
        """Stop those that no page shows."""
        self._problem.clear()
        try:
            await self.stop(those=lambda session: not session.is_watched)
        finally:
            await self._account.look_at_credits()

    async def stop(self, those: Callable[[AsyncSession], bool]) -> None:
        """Stop those of them."""
        try:
            await asyncio.gather(*(one.retire(TAKEN) for one in self._link.client.live_elsewhere if those(one)))
        finally:
            self.refresh()

    def refresh(self) -> None:
        """Show them now, and again and again as long as there are any."""
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None
        found = self._link.client.live_elsewhere
        self._link.write(elsewhere=[elsewhere_of(session) for session in found])
        if found and self._link.is_open and not self._link.client.is_closed:
            self._looking = asyncio.get_running_loop().call_later(LOOK_INTERVAL, self.refresh)


def elsewhere_of(session: AsyncSession) -> dict[str, Any]:
    """Return what a page shows of a session that another client of this process started."""
    return {
        "id": session.id or "",
        "avatar_name": session.avatar.name,
        "minutes": session.elapsed / 60,
        "is_watched": session.is_watched,
        "left": session.unwatched_left,
    }
