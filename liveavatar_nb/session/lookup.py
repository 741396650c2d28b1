"""Looks up the avatar, voice and context that a session is to start with, or creates the context."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from .. import config
from ..errors import APIStatusError, InvalidArgument, LiveAvatarException, SessionEnded
from ..models.account import Language
from ..models.avatars import Avatar
from ..models.base import Records
from ..models.contexts import Context, ContextDetail, NewContext, warn_of_old_variables
from ..models.requests import PAGE_SIZE_LIMIT
from ..models.voice_agents import VoiceAgent, VoiceAgentListItem
from ..models.voices import Voice
from ..rest.api import LiveAvatarAPI
from ..rest.pagination import pick
from ..rooms.own_room import AsyncRoom
from ..validation import UUID_PATTERN, check, nearest
from .options import SessionOptions
from .start_checks import CONVERSATION_DEFAULTS, agent_mode, check_avatar, check_variables

if TYPE_CHECKING:
    from ..rest.pagination import Listing

logger = logging.getLogger("liveavatar_nb.session")

DEFAULT_LANGUAGE = CONVERSATION_DEFAULTS["language"]


class MadeContext:
    """A context that was created for one session, and is deleted with it.

    Args:
        api: The client's REST API.
        detail: The context's record.
    """

    def __init__(self, api: LiveAvatarAPI, detail: ContextDetail) -> None:
        self._api = api
        self._is_deleted = False
        self.detail = detail

    @classmethod
    async def make(cls, api: LiveAvatarAPI, new: NewContext) -> MadeContext:
        """Create the context (`POST /v1/contexts`); if cancelled, delete it as soon as it exists."""
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
        logger.info("context %r was created for the session, and will be deleted with it", detail.name)
        return cls(api, detail)

    async def delete(self) -> None:
        """Delete the context, at most once (`DELETE /v1/contexts/{context_id}`); a failure is logged."""
        if self._is_deleted:
            return
        self._is_deleted = True
        try:
            async with asyncio.timeout(config.CLEAR_LIMIT):
                await self._api.contexts.delete(self.detail.id)
        except (LiveAvatarException, TimeoutError) as failure:
            reason = getattr(failure, "message", "no response in time")
            logger.warning("%s The context could not be deleted: %s", self.left_words, reason)
        except asyncio.CancelledError:
            logger.warning("%s", self.left_words)
            raise
        else:
            logger.info("context %r was deleted with its session", self.detail.name)

    def give_up(self) -> None:
        """Log that the context is left behind, because the loop is shutting down."""
        if not self._is_deleted:
            self._is_deleted = True
            logger.warning("%s", self.left_words)

    @property
    def left_words(self) -> str:
        """A message that says which context is left behind, and how to delete it."""
        return (
            f"The context {self.detail.name!r}, created for the session, is still on the account. "
            f'Delete it with api.contexts.delete("{self.detail.id}").'
        )


class NamedInputs(Struct, frozen=True):
    """What the caller named for a start, by names, ids or records.

    Attributes:
        avatar: The avatar; None in the sandbox, which has its own.
        voice: The voice, if any.
        context: The context, or a new one to create, if any.
        voice_agent: The voice agent, if any.
        mode: The mode, if any; a voice agent may not fit it.
    """

    avatar: str | Avatar | None
    voice: str | Voice | None = None
    context: str | Context | ContextDetail | NewContext | None = None
    voice_agent: str | VoiceAgentListItem | VoiceAgent | None = None
    mode: str | None = None


class ResolvedStart(Struct, frozen=True):
    """The resolved inputs for starting a session.

    Attributes:
        avatar: The avatar's record.
        options: The session's options, with the ids of everything that was looked up.
        made: The context that was created for the session, if any.
    """

    avatar: Avatar
    options: SessionOptions
    made: MadeContext | None


class Preparation:
    """Resolves the inputs for starting a session; nothing is billed yet.

    Args:
        api: The client's REST API.
        languages: The service's languages.
        options: The session's options, without the ids that still have to be looked up.
        room: The user's own room, if the avatar is to join one.

    Attributes:
        is_cancelled: Whether the start was cancelled.
        making: A future that is done once the context has been created (and deleted again, if the start was cancelled);
            None if no context is being created.
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
        named: NamedInputs,
        avatars: Listing[Avatar],
        make_way: Callable[[], Awaitable[None]],
    ) -> ResolvedStart:
        """Look up all inputs; only then admit the avatar to the room, and create the context.

        Args:
            named: What to look up.
            avatars: The list in which to look up an avatar's name.
            make_way: Called once everything has been found; stops any sessions that conflict with this start.

        Raises:
            InvalidArgument: One of the inputs does not exist or is invalid.
            SessionEnded: The start was cancelled.
        """
        options, variables = self._options, self._options.dynamic_variables
        context = named.context
        found = await find_avatar(self._api, named.avatar, avatars, is_sandbox=options.is_sandbox)
        options = replace(options, voice_id=await find_voice(self._api, named.voice))
        options = replace(options, language=await self._languages.find(options.language))
        detail = made = agent = None
        if named.voice_agent is not None:
            agent = await find_voice_agent(self._api, named.voice_agent)
            options = replace(options, mode=agent_mode(agent, named.mode), voice_agent_id=agent.id)
            detail = await find_context_of(self._api, agent, variables)
        voice_id = agent.agent_configuration.get("voice_id") if agent else options.voice_id
        check_avatar(found, options.mode, is_sandbox=options.is_sandbox, voice_id=voice_id)
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
        return ResolvedStart(found, options, made)


async def find_avatar(
    api: LiveAvatarAPI, avatar: str | Avatar | None, avatars: Listing[Avatar], *, is_sandbox: bool
) -> Avatar:
    """Find an avatar.

    Args:
        api: The client's REST API.
        avatar: The avatar's name, id or record; None in the sandbox, which has its own avatar.
        avatars: The list in which to look up a name.
        is_sandbox: Whether the session uses the sandbox.

    Raises:
        InvalidArgument: There is no such avatar, or several have this name.
    """
    if is_sandbox and avatar in (None, config.SANDBOX_AVATAR):
        found = await api.avatars.get(config.SANDBOX_AVATAR)
    elif isinstance(avatar, Avatar):
        found = avatar
    elif isinstance(avatar, str) and avatar.strip():
        found = pick(avatar.strip(), await avatars, "avatars", field="avatar")
    else:
        raise InvalidArgument(
            "avatar is missing.", remedy="Pass a name, an id or a record from avatars().", field="avatar"
        )
    return found


async def find_context(
    api: LiveAvatarAPI, context: str | Context | ContextDetail, variables: dict[str, str] | None
) -> ContextDetail:
    """Find a context, and check that all its variables have values and none is in its old form.

    Args:
        api: The client's REST API.
        context: The context's name, id or record.
        variables: The values of the context's variables, by name.

    Raises:
        InvalidArgument: There is no such context, several have this name, or a value is missing.
    """
    if isinstance(context, str):
        context = pick(context.strip(), await api.contexts.list(page_size=PAGE_SIZE_LIMIT), "contexts", field="context")
    elif not isinstance(context, Context | ContextDetail):
        raise InvalidArgument(
            f"context must be a name, an id, a record or a NewContext, not {type(context).__name__}.", field="context"
        )
    detail = await api.contexts.get(context.id)
    warn_of_old_variables(detail.prompt, detail.opening_text)
    check_variables(detail.name, detail.required_dynamic_variables, variables)
    return detail


async def find_voice_agent(api: LiveAvatarAPI, agent: str | VoiceAgentListItem | VoiceAgent) -> VoiceAgent:
    """Find a voice agent, with its configuration.

    Args:
        api: The client's REST API.
        agent: The voice agent's name, id or record.

    Raises:
        InvalidArgument: There is no such voice agent, or several have this name.
    """
    given: Any = agent
    if isinstance(given, VoiceAgent):
        return given
    if isinstance(given, str) and given.strip():
        given = pick(given.strip(), await api.voice_agents.list(), "voice agents", field="voice_agent")
    if not isinstance(given, VoiceAgentListItem):
        shown = repr(given) if isinstance(given, str) else type(given).__name__
        raise InvalidArgument(
            f"voice_agent must be a name, an id or a record, not {shown}.",
            remedy="Pick a voice agent from api.voice_agents.list().",
            field="voice_agent",
        )
    return await api.voice_agents.get(given.id)


async def find_context_of(
    api: LiveAvatarAPI, agent: VoiceAgent, variables: dict[str, str] | None
) -> ContextDetail | None:
    """Find a voice agent's context, and check that all its variables have values.

    Args:
        api: The client's REST API.
        agent: The voice agent.
        variables: The values of the context's variables, by name.

    Returns:
        The context; None if the agent has none, or one that the account can't read.

    Raises:
        InvalidArgument: A value is missing.
    """
    context_id = agent.agent_configuration.get("context_id")
    if agent.is_elsewhere or not isinstance(context_id, str) or not context_id:
        return None
    try:
        detail = await api.contexts.get(context_id)
    except APIStatusError as failure:
        logger.info("could not read the context of the voice agent: %s", failure.message)
        return None
    check_variables(detail.name, detail.required_dynamic_variables, variables)
    return detail


async def make_context(api: LiveAvatarAPI, new: NewContext, variables: dict[str, str] | None) -> MadeContext:
    """Create a context for one session.

    Args:
        api: The client's REST API.
        new: The context to create.
        variables: The values of the context's variables, by name.

    Raises:
        InvalidArgument: The service rejected the context, or a variable has no value and the context was deleted again.
    """
    made = await MadeContext.make(api, new)
    try:
        check_variables(made.detail.name, made.detail.required_dynamic_variables, variables)
    except InvalidArgument:
        await made.delete()
        raise
    return made


class Languages:
    """The codes of the languages that avatars speak, fetched once (`GET /v1/languages`).

    Args:
        api: The client's REST API.
    """

    def __init__(self, api: LiveAvatarAPI) -> None:
        self._api = api
        self._known: Records[Language] | None = None

    async def find(self, language: str) -> str:
        """Return a language's code as the service spells it.

        If the service cannot be reached, the code is returned unchanged.

        Args:
            language: A code, with or without a region, such as `de` or `de-CH`.

        Raises:
            InvalidArgument: The service does not support this language.
        """
        given: str = check(language, str, "language").strip()
        if given == DEFAULT_LANGUAGE:
            return given
        known = await self._all()
        codes = {entry.code.casefold(): entry.code for entry in known}
        if given.casefold() in codes:
            return codes[given.casefold()]
        if not known or given.replace("_", "-").partition("-")[0].casefold() in codes:
            return given
        names = {entry.language: entry.code for entry in known}
        name = nearest(given, names, cutoff=0.7)
        near = names[name] if name else nearest(given, codes.values(), cutoff=0.5)
        raise InvalidArgument(
            f"There is no language {given!r}.",
            remedy=f"Did you mean {near!r}?" if near else f"Choose one of {', '.join(codes.values())}.",
            field="language",
        )

    async def _all(self) -> Records[Language]:
        if self._known is None:
            try:
                async with asyncio.timeout(config.LANGUAGES_LIMIT):
                    self._known = await self._api.languages.list()
            except (LiveAvatarException, TimeoutError) as failure:
                logger.info("could not fetch the languages: %s", getattr(failure, "message", "no response in time"))
        return self._known or Records()


async def find_voice(api: LiveAvatarAPI, voice: str | Voice | None) -> str | None:
    """Find a voice and return its id, or None for the avatar's own voice.

    Args:
        api: The client's REST API.
        voice: The voice's name, id or record; None for the avatar's own voice.

    Raises:
        InvalidArgument: There is no such voice, or several have this name.
    """
    given: Any = voice
    if given is None:
        return None
    if isinstance(given, Voice):
        return given.id
    if not isinstance(given, str) or not given.strip():
        shown = repr(given) if isinstance(given, str) else type(given).__name__
        raise InvalidArgument(
            f"voice_id must be a name, an id or a record, not {shown}.",
            remedy="Pick a voice from api.voices.list().",
            field="voice_id",
        )
    sought = given.strip()
    if re.fullmatch(UUID_PATTERN, sought):
        return sought
    return pick(sought, await api.voices.list(page_size=PAGE_SIZE_LIMIT), "voices", field="voice_id").id
