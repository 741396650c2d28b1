"""`SessionPanel`: start a session, see how it is and what it costs, stop it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import traitlets

from .. import config
from ..concurrency.worker import worker
from ..errors import InvalidArgument, LiveAvatarException, SessionEnded, StopNotConfirmed
from ..models.avatars import Avatar
from ..protection.orphans import OwnedSession
from ..session.attention import UNKNOWN
from ..session.session import AsyncSession
from .base import asset
from .channel import Command
from .code import as_code
from .persona import PersonaView
from .problem import problem_of
from .status import status_of

logger = logging.getLogger("liveavatar_nb.widgets")

TAKEN = "no page showed it, and it was stopped from another one"
FOLLOW_INTERVAL = 5.0  # s between two looks at a live session's credits


class SessionPanel(PersonaView):
    """Start and Stop, the session's state, time and cost, and what to do when something is wrong.

    Set `avatar` (an id), or link it to a picker's `value`. A session that a page has shown is stopped when no page
    shows it any more for as long as `start` was told by `unwatched`. In a host where a cell holds up the page's words,
    time beside a running cell does not count.

    Args:
        la: the client, a `LiveAvatar`.
        traits: of ipywidgets' DOM widgets, `layout` for one.

    Example:
        >>> picker, panel = AvatarPicker(la), SessionPanel(la)
        >>> ipywidgets.link((picker, "value"), (panel, "avatar"))
    """

    _esm = asset("panel.js")

    avatar = traitlets.Unicode().tag(sync=True)
    avatar_name = traitlets.Unicode().tag(sync=True)
    service = traitlets.Unicode().tag(sync=True)
    credits = traitlets.Unicode(allow_none=True, default_value=None).tag(sync=True)
    credits_problem = traitlets.Unicode(allow_none=True, default_value=None).tag(sync=True)
    problem = traitlets.Dict(allow_none=True, default_value=None).tag(sync=True)
    orphans = traitlets.List(traitlets.Dict()).tag(sync=True)
    elsewhere = traitlets.List(traitlets.Dict()).tag(sync=True)
    hearing = traitlets.Unicode().tag(sync=True)
    code = traitlets.Unicode().tag(sync=True)

    def __init__(self, la: Any, **traits: Any) -> None:
        self._following: asyncio.Task[Any] | None = None
        self._looking: asyncio.TimerHandle | None = None
        self._before_sandbox = ""
        super().__init__(la, **{"service": _service(la), **traits})
        self.observe(self._on_choice, ["avatar", "settings"])
        self.observe(self._show_code, ["persona", "context"])
        self._on_choice(None)

    # commands

    async def do_start(self, avatar_id: str | None = None) -> None:
        """Starts a session with the picked avatar; first it stops those of this process that lost their page."""
        avatar_id = str(avatar_id or self.avatar)
        if not avatar_id:
            raise InvalidArgument("No avatar is picked.", remedy="Pick one first.")
        if self._settings["is_sandbox"]:
            avatar_id = config.SANDBOX_AVATAR
        self._write(problem=None)
        await self._stop_elsewhere(those=lambda session: session.unwatched_left is not None)
        try:
            await self._client.start(self._known(avatar_id), **self._start_options())
            await self.do_beat()
        except SessionEnded:
            logger.info("the start was ended from the page, or by the service")
        finally:
            await asyncio.gather(self._look_at_credits(), self._look_for_orphans())

    async def do_stop(self) -> None:
        """Stops the session, or the start that is under way."""
        await super().do_stop()
        await self._look_at_credits()

    async def do_stop_orphans(self) -> None:
        """Stops what dead kernels left behind."""
        self._write(problem=None)
        try:
            await self._client.stop_orphans()
        finally:
            await asyncio.gather(self._look_at_credits(), self._look_for_orphans())

    async def do_stop_elsewhere(self) -> None:
        """Stops what other clients of this process started and no page shows."""
        self._write(problem=None)
        try:
            await self._stop_elsewhere(those=lambda session: not session.is_watched)
        finally:
            await self._look_at_credits()

    async def _stop_elsewhere(self, those: Callable[[AsyncSession], bool]) -> None:
        try:
            await asyncio.gather(*(one.retire(TAKEN) for one in self._client.live_elsewhere if those(one)))
        finally:
            self._look_elsewhere()

    async def do_configure(self, **changes: Any) -> None:
        """Changes what the next session is started with."""
        was_sandbox = self._settings["is_sandbox"]
        await super().do_configure(**changes)
        self._write(problem=None)
        if changes.get("is_sandbox", was_sandbox) == was_sandbox:
            return
        if was_sandbox:
            self._choose(self._before_sandbox)
        else:
            self._before_sandbox = self.avatar
            self._choose(config.SANDBOX_AVATAR)

    async def do_dismiss(self) -> None:
        """The problem was read."""
        self._write(problem=None)

    async def do_ready(self) -> None:
        """A view has connected and asks for what is true now."""
        await super().do_ready()
        await asyncio.gather(self._client.expect_start(), self._look_at_credits(), self._look_for_orphans())

    async def _perform(self, command: Command) -> None:
        hearing = "prompt" if command.is_prompt else "unknown" if command.attention is UNKNOWN else "held_up"
        if hearing != self.hearing:
            self._write(hearing=hearing)
        await super()._perform(command)

    # what is shown

    async def _load(self) -> None:
        await asyncio.gather(super()._load(), self._look_at_credits(), self._look_for_orphans())

    def _look_elsewhere(self) -> None:
        """Shows what other clients of this process have running, as long as there is such."""
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None
        found = self._client.live_elsewhere
        self._write(elsewhere=[elsewhere_of(session) for session in found])
        if found and self.comm is not None and not self._client.is_closed:
            self._looking = asyncio.get_running_loop().call_later(FOLLOW_INTERVAL, self._look_elsewhere)

    def _client_changed(self) -> None:
        super()._client_changed()
        self._look_elsewhere()
        session, loop = self._client.session, asyncio.get_running_loop()
        if session is None:
            return
        following = self._following
        is_followed = following is not None and not following.done() and following.get_loop() is loop
        if not session.state.is_final and not is_followed:
            self._following = loop.create_task(self._guard(self._follow(), "the panel"))
        if session.stop_is_confirmed:
            worker.post(self._forget_doubt)

    def _forget_doubt(self) -> None:
        """Takes back that a stop was not confirmed."""
        if self.problem and self.problem["kind"] == StopNotConfirmed.__name__:
            self.set_trait("problem", None)

    async def _follow(self) -> None:
        """Keeps time and credits true until the session is over, whichever it is by then."""
        while (session := self._client.session) is not None and not session.state.is_final:
            self._write(status=status_of(session))
            await asyncio.sleep(FOLLOW_INTERVAL)
            await self._look_at_credits()
        if not self._client.is_closed:
            await self._look_for_orphans()

    async def _look_at_credits(self) -> None:
        try:
            left = await self._client.credits()
        except LiveAvatarException as failure:
            logger.warning("the credits cannot be read: %s", failure)
            self._write(credits_problem=failure.message)
        else:
            self._write(credits=f"{left:.2f}", credits_problem=None)

    async def _look_for_orphans(self) -> None:
        if self._client.is_simulated:
            return
        try:
            found = await self._client.orphans()
        except LiveAvatarException as failure:
            logger.warning("cannot look for sessions that dead kernels left: %s", failure)
            return
        self._write(orphans=[orphan_of(session) for session in found])

    def _show(self, failure: BaseException) -> None:
        self._write(problem=problem_of(failure))

    def _show_code(self, _change: Any = None) -> None:
        self._write(code=self._code(self.avatar_name or self.avatar or "Silas"))

    def _on_choice(self, _change: Any) -> None:
        self._show_code()
        if self.avatar and not self._client.is_closed:
            self._submit(self._look_up_name(self.avatar), "the avatar's name")

    def _choose(self, avatar_id: str) -> None:
        self._write(avatar=avatar_id)

    def _known(self, avatar_id: str) -> str | Avatar:
        """The avatar's record, where it was read already: nothing has to be looked up then."""
        return avatar_id

    async def _look_up_name(self, avatar_id: str) -> None:
        try:
            record = await self._client.api.avatars.get(avatar_id)
        except LiveAvatarException as failure:
            self._show(failure)
        else:
            self._name(record.name)

    def _name(self, name: str) -> None:
        self._write(avatar_name=name, code=self._code(name))

    def _code(self, avatar: str) -> str:
        """The Python that does what Start does."""
        return as_code(
            avatar,
            self._start_options(),
            simulated=self.simulated,
            max_minutes=self._client.max_minutes,
            context=self._context_code,
        )


def elsewhere_of(session: AsyncSession) -> dict[str, Any]:
    """What a page shows of a session that another client of this process started."""
    return {
        "id": session.id or "",
        "avatar_name": session.avatar.name,
        "minutes": session.elapsed / 60,
        "is_watched": session.is_watched,
        "left": session.unwatched_left,
    }


def orphan_of(session: OwnedSession) -> dict[str, Any]:
    """What a page shows of a session that a dead kernel left."""
    return {
        "id": session.id,
        "mode": session.mode,
        "started": session.created_at.timestamp(),
        "minutes": session.duration / 60,
        "words": session.whose_words,
    }


def _service(la: Any) -> str:
    if getattr(la, "simulator", None) is not None:
        return "Simulator"
    return urlsplit(getattr(la, "base_url", "")).hostname or ""
