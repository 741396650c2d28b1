"""`SessionsElsewhere`: the running sessions of other clients in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

from ..protection.stops import gather_stops
from ..session.session import AsyncSession
from .account import Account
from .controller import Answer, Controller
from .link import Link
from .problem import ShownProblem

LOOK_INTERVAL: Final = 5.0  # seconds between refreshes while another client has a running session
TAKEN: Final = "no page showed it, and it was stopped from another one"


class SessionsElsewhere(Controller):
    """Shows the running sessions of other clients in this process, and can stop them.

    Args:
        link: The connection to the pages.
        account: Updates the remaining credits after sessions have been stopped.
        problem: The error message on the page, cleared by each new command.
    """

    def __init__(self, link: Link, account: Account, problem: ShownProblem) -> None:
        self._link = link
        self._account = account
        self._problem = problem
        self._next_refresh: asyncio.TimerHandle | None = None

    def commands(self) -> Mapping[str, Answer]:
        return {"stop_elsewhere": self.stop_unseen}

    async def stop_unseen(self) -> None:
        """Stop other clients' sessions that no page shows."""
        self._problem.clear()
        try:
            await self.stop(lambda session: not session.is_watched)
        finally:
            await self._account.look_at_credits()

    async def stop(self, is_chosen: Callable[[AsyncSession], bool]) -> None:
        """Stop other clients' sessions for which `is_chosen` returns True."""
        try:
            sessions = self._link.client.live_elsewhere
            await gather_stops(session.retire(TAKEN) for session in sessions if is_chosen(session))
        finally:
            self.refresh()

    def refresh(self) -> None:
        """Show other clients' sessions now, and again every few seconds while there are any."""
        if self._next_refresh is not None:
            self._next_refresh.cancel()
            self._next_refresh = None
        sessions = self._link.client.live_elsewhere
        self._link.write(elsewhere=[elsewhere_of(session) for session in sessions])
        if sessions and self._link.is_open and not self._link.client.is_closed:
            self._next_refresh = asyncio.get_running_loop().call_later(LOOK_INTERVAL, self.refresh)


def elsewhere_of(session: AsyncSession) -> dict[str, Any]:
    """Return what a page shows about another client's session."""
    return {
        "id": session.id or "",
        "avatar_name": session.avatar.name,
        "minutes": session.elapsed / 60,
        "is_watched": session.is_watched,
        "left": session.unwatched_left,
    }
