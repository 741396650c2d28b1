"""`SessionPanel`: starts a session, shows its state and cost, and stops it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import traitlets

from ..errors import SessionEnded, StopNotConfirmed
from ..session.attention import UNKNOWN
from .account import Account
from .base import ControlledWidget
from .channel import Command
from .controller import Answer, Controller
from .elsewhere import SessionsElsewhere
from .link import Link
from .next_session import NextSession
from .persona import Persona
from .problem import ShownProblem
from .settings import StartSettings
from .status import ShownSession

logger = logging.getLogger("liveavatar_nb.widgets")

FOLLOW_INTERVAL: Final = 5.0  # seconds between updates of the credits during a session


class SessionPanel(ControlledWidget):
    """Start and Stop buttons, the session's state, time and cost, and help if something goes wrong.

    Set `avatar` (an id), or link it to a picker's `value`. After a page has first shown a session, it is stopped if no
    page shows it for `unwatched` seconds (see `LiveAvatar.start`). Time for which a running cell holds up the page's
    messages does not count.

    Args:
        la: The client, a `LiveAvatar`.
        traits: Any other ipywidgets traits, such as `layout`.

    Example:
        >>> picker, panel = AvatarPicker(la), SessionPanel(la)
        >>> ipywidgets.link((picker, "value"), (panel, "avatar"))
    """

    _COMPONENT = "panel"

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

    def __init__(self, la: Any, **traits: Any) -> None:
        link = Link(self, la)
        problem = ShownProblem(link, "problem", "dismiss")
        shown = ShownSession(link)
        settings = StartSettings(link, problem)
        persona = Persona(link, settings)
        next_session = NextSession(link, settings, persona)
        account = Account(link, problem)
        elsewhere = SessionsElsewhere(link, account, problem)
        starter = Starter(link, shown, next_session, account, elsewhere, problem=problem)
        controllers = [shown, settings, persona, next_session, account, elsewhere, starter, problem]
        super().__init__(link, controllers, on_failure=problem.show, **traits)
        next_session.show()


class Starter(Controller):
    """Starts a session, shows its progress and stops it.

    Args:
        link: The connection to the pages.
        shown: The session that the pages show.
        next_session: The avatar and the options for the next session.
        account: Updates the remaining credits.
        elsewhere: Stops other clients' sessions whose page is gone, before a new session starts.
        problem: The error message on the page, cleared by each new command.
    """

    def __init__(
        self,
        link: Link,
        shown: ShownSession,
        next_session: NextSession,
        account: Account,
        elsewhere: SessionsElsewhere,
        *,
        problem: ShownProblem,
    ) -> None:
        self._link = link
        self._shown = shown
        self._next_session = next_session
        self._account = account
        self._elsewhere = elsewhere
        self._problem = problem
        self._hearing = ""
        self._following: asyncio.Task[Any] | None = None

    def traits(self) -> dict[str, Any]:
        client = self._link.client
        is_simulated = client.simulator is not None
        return {"service": "Simulator" if is_simulated else urlsplit(client.base_url).hostname or ""}

    def commands(self) -> Mapping[str, Answer]:
        return {"start": self.start, "stop": self.stop}

    async def start(self, avatar_id: str | None = None) -> None:
        """Stop other clients' sessions whose page is gone, then start a session with the picked avatar."""
        avatar, options = self._next_session.start_arguments(avatar_id)
        self._problem.clear()
        await self._elsewhere.stop(lambda session: session.unwatched_left is not None)
        try:
            await self._link.client.start(avatar, **options)
            await self._shown.beat()
        except SessionEnded:
            logger.info("the start was cancelled by the page or the service")
        finally:
            await self._account.look()

    async def stop(self) -> None:
        """Stop the session, or cancel its start."""
        await self._shown.stop()
        await self._account.look_at_credits()

    async def hear(self, command: Command) -> None:
        """Show whether a running cell can delay the page's commands."""
        hearing = "prompt" if command.is_prompt else "unknown" if command.attention is UNKNOWN else "held_up"
        if hearing != self._hearing:
            self._hearing = hearing
            self._link.write(hearing=hearing)

    def welcome(self, command: Command) -> None:
        self._link.submit(self._greet(), "the account")

    async def _greet(self) -> None:
        await asyncio.gather(self._link.client.expect_start(), self._account.look())

    def refresh(self) -> None:
        session = self._link.client.session
        if session is None:
            return
        following, loop = self._following, asyncio.get_running_loop()
        is_followed = following is not None and not following.done() and following.get_loop() is loop
        if not session.state.is_final and not is_followed:
            self._following = loop.create_task(self._link.guard(self._follow(), "the panel"))
        if session.stop_is_confirmed:
            self._problem.take_back(StopNotConfirmed)

    async def _follow(self) -> None:
        """Keep the time and the credits up to date until the newest session is over."""
        client = self._link.client
        while (session := client.session) is not None and not session.state.is_final:
            self._shown.refresh()
            await asyncio.sleep(FOLLOW_INTERVAL)
            await self._account.look_at_credits()
        if not client.is_closed:
            await self._account.look_for_orphans()
