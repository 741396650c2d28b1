"""What a start names: the avatar, the context, the voice; looked up, or made for the session and deleted with it."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .. import config
from ..errors import InvalidArgument, LiveAvatarException, SessionEnded
from ..models.account import Language
from ..models.avatars import Avatar
from ..models.base import Records
from ..models.contexts import Context, ContextDetail, NewContext
from ..models.requests import PAGE_SIZE_LIMIT
from ..models.voices import Voice
from ..rest.api import LiveAvatarAPI
from ..rest.pagination import pick
from ..rooms.own_room import AsyncRoom
from ..validation import UUID_PATTERN, check, nearest
from .options import SessionOptions
from .start_checks import OF_A_CONVERSATION, check_avatar, check_variables

if TYPE_CHECKING:
    from ..rest.pagination import Listing

logger = logging.getLogger("liveavatar_nb.session")

DEFAULT_LANGUAGE = OF_A_CONVERSATION["language"]


class MadeContext:
    """A context that was made for one session.

    Args:
        api: the service.
        detail: its record.
    """

    def __init__(self, api: LiveAvatarAPI, detail: ContextDetail) -> None:
        self._api = api
        self._is_deleted = False
        self.detail = detail

    @classmethod
    async def make(cls, api: LiveAvatarAPI, new: NewContext) -> MadeContext:
        """Makes it (`POST /v1/contexts`); cut short, it is deleted as soon as it is there."""
        create = api.contexts.create
        work = asyncio.ensure_future(
            create(name=new.name, prompt=new.prompt, opening_text=new.opening_text, links=new.links)
        )
        try:
            detail = await asyncio.shield(work)
        except asyncio.CancelledError:
            await asyncio.wait([work], timeout=config.CLEAR_LIMIT)
            if work.done() and not work.cancelled() and work.exception() is None:
                await cls(api, work.result()).delete()
            raise
        logger.info("context %r was made for the session, and is deleted with it", detail.name)
        return cls(api, detail)

    async def delete(self) -> None:
        """Deletes it (`DELETE /v1/contexts/{context_id}`), once; where that fails, the log says so."""
        if self._is_deleted:
            return
        self._is_deleted = True
        try:
            async with asyncio.timeout(config.CLEAR_LIMIT):
                await self._api.contexts.delete(self.detail.id)
        except (LiveAvatarException, TimeoutError) as failure:
            why = getattr(failure, "message", "no answer in time")
            logger.warning("%s It could not be deleted: %s", self.left_words, why)
        except asyncio.CancelledError:
            logger.warning("%s", self.left_words)
            raise
        else:
            logger.info("context %r was deleted with its session", self.detail.name)

    def give_up(self) -> None:
        """Its loop ends, and nothing can be sent any more."""
        if not self._is_deleted:
            self._is_deleted = True
            logger.warning("%s", self.left_words)

    @property
    def left_words(self) -> str:
        """What is left, and what to do about it."""
        return (
            f"The context {self.detail.name!r}, which was made for the session, stays on the account: "
            f'api.contexts.delete("{self.detail.id}").'
        )


@dataclass(frozen=True)
class Named:
    """What a start named.

    Attributes:
        avatar: its record.
        options: with the ids of all that was looked up.
        made: the context that was made for it.
    """

    avatar: Avatar
    options: SessionOptions
    made: MadeContext | None


class Preparation:
    """A start that is looking up what it names: nothing of it is billed yet.

    Args:
        api: the service.
        languages: those that it speaks.
        options: what the session is started with, as far as nothing has to be looked up.
        room: your own, where the avatar is to join that.

    Attributes:
        is_cancelled: it is not to go on.
        making: done once it is over with the context that it made.
    """

    def __init__(
        self, api: LiveAvatarAPI, languages: Languages, options: SessionOptions, room: AsyncRoom | None
    ) -> None:
        self._api = api
        self._languages = languages
        self._options = options
        self._room = room
        self.is_cancelled = False
        self.making: asyncio.Future[None] | None = None

    async def look_up(
        self,
        avatar: str | Avatar | None,
        avatars: Listing[Avatar],
        voice: str | Voice | None,
        context: str | Context | ContextDetail | NewContext | None,
        make_way: Callable[[], Awaitable[None]],
    ) -> Named:
        """Looks all of it up; what is made, the context and the avatar's place in the room, is made last.

        Args:
            avatar: its name, id or record.
            avatars: where a name is looked up.
            voice: its name, id or record.
            context: its name, id or record, or what is to be made.
            make_way: called once all is found: it ends what is in the way.

        Raises:
            InvalidArgument: one of them is not there.
            SessionEnded: it was cancelled.
        """
        options, variables = self._options, self._options.dynamic_variables
        found = await find_avatar(self._api, avatar, avatars, is_sandbox=options.is_sandbox)
        options = replace(options, voice_id=await find_voice(self._api, voice))
        options = replace(options, language=await self._languages.find(options.language))
        check_avatar(found, options.mode, is_sandbox=options.is_sandbox, voice_id=options.voice_id)
        detail = made = None
        if context is not None and not isinstance(context, NewContext):
            detail = await find_context(self._api, context, variables)
        if not self.is_cancelled:
            await make_way()
        if self._room is not None and not self.is_cancelled:
            options = replace(options, room=self._room, avatar_identity=await self._room.admit())
        try:
            if isinstance(context, NewContext) and not self.is_cancelled:
                self.making = asyncio.get_running_loop().create_future()
                made = await make_context(self._api, context, variables)
                detail = made.detail
            if self.is_cancelled:
                if made is not None:
                    await made.delete()
                raise SessionEnded("The session was stopped before it started.", session_id=None)
        finally:
            if self.making is not None:
                self.making.set_result(None)
        if detail is not None:
            options = replace(options, context_id=detail.id, has_opening=bool(detail.opening_text))
        return Named(found, options, made)


async def find_avatar(
    api: LiveAvatarAPI, avatar: str | Avatar | None, avatars: Listing[Avatar], *, is_sandbox: bool
) -> Avatar:
    """The avatar that is meant.

    Args:
        api: the service.
        avatar: its name, id or record; None in the sandbox, which has one of its own.
        avatars: where a name is looked up.
        is_sandbox: whether the session is to be in the sandbox.

    Raises:
        InvalidArgument: there is none, or several have the name.
    """
    if is_sandbox and avatar in (None, config.SANDBOX_AVATAR):
        found = await api.avatars.get(config.SANDBOX_AVATAR)
    elif isinstance(avatar, Avatar):
        found = avatar
    elif isinstance(avatar, str) and avatar.strip():
        found = pick(avatar.strip(), await avatars, "avatars", field="avatar")
    else:
        raise InvalidArgument(
            "avatar is missing: give a name, an id or a record.", remedy="avatars() lists them.", field="avatar"
        )
    return found


async def find_context(
    api: LiveAvatarAPI, context: str | Context | ContextDetail, variables: dict[str, str] | None
) -> ContextDetail:
    """The context that is meant, with all that it needs.

    Args:
        api: the service.
        context: its name, id or record.
        variables: what its `{{names}}` stand for.

    Raises:
        InvalidArgument: there is none, several have the name, or a value is missing.
    """
    if isinstance(context, str):
        context = pick(context.strip(), await api.contexts.list(page_size=PAGE_SIZE_LIMIT), "contexts", field="context")
    elif not isinstance(context, Context | ContextDetail):
        raise InvalidArgument(
            f"context must be a name, an id, a record or a NewContext, not {type(context).__name__}.", field="context"
        )
    detail = await api.contexts.get(context.id)
    check_variables(detail.name, detail.required_dynamic_variables, variables)
    return detail


async def make_context(api: LiveAvatarAPI, new: NewContext, variables: dict[str, str] | None) -> MadeContext:
    """The context, made for one session.

    Args:
        api: the service.
        new: what it is to be.
        variables: what its `{{names}}` stand for.

    Raises:
        InvalidArgument: the service does not take it, or a value is missing; then it is gone again.
    """
    made = await MadeContext.make(api, new)
    try:
        check_variables(made.detail.name, made.detail.required_dynamic_variables, variables)
    except InvalidArgument:
        await made.delete()
        raise
    return made


class Languages:
    """The codes of the languages that avatars speak, asked for once (`GET /v1/languages`).

    Args:
        api: the service.
    """

    def __init__(self, api: LiveAvatarAPI) -> None:
        self._api = api
        self._known: Records[Language] | None = None

    async def find(self, language: str) -> str:
        """The code that is meant, as the service writes it. Where it cannot be asked, what was given is taken.

        Args:
            language: a code, also of a region's kind of it, as in `de-CH`.

        Raises:
            InvalidArgument: it is none of the service's.
        """
        given: str = check(language, str, "language").strip()
        if given == DEFAULT_LANGUAGE:
            return given
        known = await self._all()
        codes = {one.code.casefold(): one.code for one in known}
        if given.casefold() in codes:
            return codes[given.casefold()]
        if not known or given.replace("_", "-").partition("-")[0].casefold() in codes:
            return given
        names = {one.language: one.code for one in known}
        name = nearest(given, names, cutoff=0.7)
        near = names[name] if name else nearest(given, codes.values(), cutoff=0.5)
        raise InvalidArgument(
            f"There is no language {given!r}.",
            remedy=f"Did you mean {near!r}?" if near else f"There are: {', '.join(codes.values())}.",
            field="language",
        )

    async def _all(self) -> Records[Language]:
        if self._known is None:
            try:
                async with asyncio.timeout(config.LANGUAGES_LIMIT):
                    self._known = await self._api.languages.list()
            except (LiveAvatarException, TimeoutError) as failure:
                logger.info("the list of languages cannot be had: %s", getattr(failure, "message", "no answer in time"))
        return self._known or Records()


async def find_voice(api: LiveAvatarAPI, voice: str | Voice | None) -> str | None:
    """The id of the voice that is meant; None for the avatar's own.

    Args:
        api: the service.
        voice: its name, id or record.

    Raises:
        InvalidArgument: there is none, or several have the name.
    """
    given: Any = voice
    if given is None:
        return None
    if isinstance(given, Voice):
        return given.id
    if not isinstance(given, str) or not given.strip():
        told = repr(given) if isinstance(given, str) else type(given).__name__
        raise InvalidArgument(
            f"voice_id must be a name, an id or a record, not {told}.",
            remedy="api.voices.list() has them.",
            field="voice_id",
        )
    sought = given.strip()
    if re.fullmatch(UUID_PATTERN, sought):
        return sought
    return pick(sought, await api.voices.list(page_size=PAGE_SIZE_LIMIT), "voices", field="voice_id").id
