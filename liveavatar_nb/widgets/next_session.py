"""`NextSession`: the avatar and the options for the next session, and the Python code that starts it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .. import config
from ..errors import InvalidArgument, LiveAvatarException
from ..models.avatars import Avatar
from .code import as_code
from .controller import Answer, Controller
from .link import Link
from .persona import Persona
from .settings import StartSettings

ANY_AVATAR = "Silas"  # the name shown in the code until an avatar is picked


class NextSession(Controller):
    """The avatar (the trait `avatar`), settings and persona for the next session.

    Args:
        link: The connection to the pages.
        settings: The settings of the next session, such as whether it uses the sandbox, which has only one avatar.
        persona: The persona for a conversation.
        trait: The name of the trait to set when another avatar is picked.
        find: Returns an avatar's record if it is already loaded, otherwise None.
    """

    def __init__(
        self,
        link: Link,
        settings: StartSettings,
        persona: Persona,
        *,
        trait: str = "avatar",
        find: Callable[[str], Avatar | None] = lambda _: None,
    ) -> None:
        self._link = link
        self._settings = settings
        self._persona = persona
        self._trait = trait
        self._find = find
        self._before_sandbox = ""
        link.observe(self.show, "avatar")
        link.observe(self._show_code, "settings", "persona", "context")

    @property
    def _avatar_id(self) -> str:
        return str(self._link.read("avatar"))

    def commands(self) -> Mapping[str, Answer]:
        return {"configure": self.configure}

    async def configure(self, **changes: Any) -> None:
        """Change settings.

        Entering the sandbox picks the sandbox's avatar; leaving the sandbox picks the previous avatar again.
        """
        was_sandbox = self._settings.values["is_sandbox"]
        await self._settings.configure(**changes)
        if changes.get("is_sandbox", was_sandbox) == was_sandbox:
            return
        if was_sandbox:
            self._pick(self._before_sandbox)
        else:
            self._before_sandbox = self._avatar_id
            self._pick(config.SANDBOX_AVATAR)

    def start_arguments(self, avatar_id: str | None) -> tuple[str | Avatar, dict[str, Any]]:
        """Return the avatar and the options for `start`.

        Args:
            avatar_id: The avatar's id; by default, the picked avatar's. Ignored in the sandbox.

        Raises:
            InvalidArgument: No avatar is picked.
        """
        avatar_id = str(avatar_id or self._avatar_id)
        if not avatar_id:
            raise InvalidArgument("No avatar is picked.", remedy="Pick one first.")
        if self._settings.values["is_sandbox"]:
            avatar_id = config.SANDBOX_AVATAR
        # pass the record if it is already loaded, so that `start` need not look it up
        return self._find(avatar_id) or avatar_id, self._persona.start_options()

    def show(self) -> None:
        """Update the picked avatar's name, and the code that starts a session with that avatar."""
        self._show_code()
        if self._avatar_id and not self._link.client.is_closed:
            self._link.submit(self._look_up_name(self._avatar_id), "the avatar's name")

    def _pick(self, avatar_id: str) -> None:
        self._link.write(**{self._trait: avatar_id})

    async def _look_up_name(self, avatar_id: str) -> None:
        record = self._find(avatar_id)
        if record is None:
            try:
                record = await self._link.client.api.avatars.get(avatar_id)
            except LiveAvatarException as failure:
                self._link.show_problem(failure)
                return
        self._link.write(avatar_name=record.name, code=self._code(record.name))

    def _show_code(self) -> None:
        self._link.write(code=self._code(self._link.read("avatar_name") or self._avatar_id or ANY_AVATAR))

    def _code(self, avatar: str) -> str:
        client = self._link.client
        return as_code(
            avatar,
            self._persona.start_options(),
            simulated=client.simulator is not None,
            max_minutes=client.max_minutes,
            context=self._persona.context_code,
        )
