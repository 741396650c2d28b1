"""Checks the arguments of `start` (mode, room, avatar, cap and others) before anything is sent."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any, get_args
from urllib.parse import urlsplit

from .. import config
from ..errors import InvalidArgument
from ..models.avatars import Avatar
from ..models.requests import Mode
from ..models.voice_agents import VoiceAgent
from ..rooms.own_room import AsyncRoom
from ..validation import one_of

# the arguments that only a conversation can use, with their defaults
CONVERSATION_DEFAULTS = {
    "voice_agent": None,
    "context": None,
    "on_user_text": None,
    "voice_id": None,
    "language": "en",
    "interactivity_type": "CONVERSATIONAL",
    "dynamic_variables": None,
}
# those of them that a voice agent brings along
AGENT_BRINGS = ("context", "on_user_text", "voice_id", "language")
OLD_MODES = {"CUSTOM": "LITE"}


def resolve_mode(mode: str | None, given: dict[str, Any]) -> Mode:
    """Return the mode to use.

    The default is FULL if a context, an answer function or a voice agent was passed, and LITE otherwise. A voice agent
    may still change the mode once it is known: see `agent_mode`.

    Args:
        mode: The mode that the caller passed, if any.
        given: The arguments named in `CONVERSATION_DEFAULTS`, as the caller passed them.

    Raises:
        InvalidArgument: The mode is unknown, forbids one of the arguments, or requires one that is missing.
    """
    if given["voice_agent"] is not None:
        _check_agent_alone(given)
        if mode is not None:
            one_of("mode", OLD_MODES.get(str(mode), mode), get_args(Mode))
        return "FULL"
    can_answer = given["context"] is not None or given["on_user_text"] is not None
    resolved: Mode = "FULL" if mode is None and can_answer else "LITE"
    if mode is not None:
        resolved = one_of("mode", OLD_MODES.get(str(mode), mode), get_args(Mode))
    if resolved == "FULL" and not can_answer:
        raise InvalidArgument(
            "A conversation (mode='FULL') needs a context; without one, the avatar never answers.",
            remedy=(
                "Pass the name of a context from api.contexts.list(), or create one: "
                'context=NewContext(name="Guide", prompt="You are a friendly guide.", opening_text="Hello!"). '
                "To answer with your own function, pass on_user_text."
            ),
            field="context",
        )
    if resolved == "LITE":
        for name, default in CONVERSATION_DEFAULTS.items():
            if given[name] != default:
                raise InvalidArgument(
                    f"{name} needs a conversation, but a session with mode 'LITE' is not one.",
                    remedy="Pass a context and leave out mode to start a conversation.",
                    field=name,
                )
    return resolved


def _check_agent_alone(given: dict[str, Any]) -> None:
    for name in AGENT_BRINGS:
        if given[name] != CONVERSATION_DEFAULTS[name]:
            raise InvalidArgument(
                f"{name} can't be combined with voice_agent, which has its own voice, language and answers.",
                remedy="Leave one of them out.",
                field=name,
            )


def agent_mode(agent: VoiceAgent, mode: str | None) -> Mode:
    """Return the mode of a session that this voice agent leads: LITE if another provider runs the agent.

    Args:
        agent: The voice agent.
        mode: The mode that the caller passed, if any.

    Raises:
        InvalidArgument: The caller passed the other mode.
    """
    resolved: Mode = "LITE" if agent.is_elsewhere else "FULL"
    if mode is not None and OLD_MODES.get(mode, mode) != resolved:
        raise InvalidArgument(
            f"Voice agent {agent.name or agent.id} is of type {agent.agent_type}, with which a session is {resolved}, "
            f"not {mode}.",
            remedy=f"Leave out mode, or pass mode={resolved!r}.",
            field="mode",
        )
    return resolved


def check_room(room: AsyncRoom, mode: Mode, base_url: str) -> None:
    """Raise an error if the avatar cannot join this room.

    Raises:
        InvalidArgument: The session is a conversation, or the service cannot reach the room's server.
    """
    if mode == "FULL":
        raise InvalidArgument(
            "room needs a LITE session, because LiveAvatar itself hosts the room of a conversation.",
            remedy="Leave out room, or leave out context, voice_agent and the other arguments of a conversation.",
            field="room",
        )
    if room.is_local and not config.is_loopback(urlsplit(base_url).hostname):
        raise InvalidArgument(
            f"LiveAvatar cannot reach {room.url}, which only exists on this machine.",
            remedy="Use a server on the internet, such as a LiveKit Cloud project, or use LiveAvatar.demo().",
            field="room",
        )


def cap_seconds(max_minutes: float) -> int:
    """Return the session's cap in seconds.

    Raises:
        InvalidArgument: `max_minutes` is not a number, or is out of range.
    """
    given: Any = max_minutes
    if type(given) in (int, float) and 0 < given <= config.MINUTES_OF_A_DAY:
        return max(1, round(max_minutes * 60))
    raise InvalidArgument(
        f"max_minutes must be a number above 0 and at most {config.MINUTES_OF_A_DAY}, not {given!r}.",
        field="max_minutes",
    )


def check_unwatched(unwatched: float | None) -> float | None:
    """Check and return `unwatched`: after how many seconds without any page showing it a session is stopped.

    Raises:
        InvalidArgument: `unwatched` is neither None nor a number of seconds, or is too small.
    """
    given: Any = unwatched
    if given is None or (type(given) in (int, float) and config.SHORTEST_UNWATCHED <= given < math.inf):
        return unwatched
    raise InvalidArgument(
        f"unwatched must be at least {config.SHORTEST_UNWATCHED:g} seconds, or None, not {given!r}.", field="unwatched"
    )


def check_avatar(avatar: Avatar, mode: Mode, *, is_sandbox: bool, voice_id: str | None) -> None:
    """Raise an error if this avatar cannot be started in this mode.

    Raises:
        InvalidArgument: The avatar is not ready, has no voice, or, in a sandbox session, is not the sandbox's avatar.
    """
    if is_sandbox and avatar.id != config.SANDBOX_AVATAR:
        raise InvalidArgument(
            f"The sandbox only accepts its own avatar, not {avatar.name}.",
            remedy="Leave out avatar or is_sandbox.",
            field="avatar",
        )
    if not avatar.is_usable:
        why = "has expired" if avatar.is_expired else f"is {avatar.status}, not ACTIVE"
        raise InvalidArgument(
            f"Avatar {avatar.name} {why}.", remedy="Pick another avatar from avatars().", field="avatar"
        )
    if mode == "FULL" and avatar.type == "IMAGE" and avatar.default_voice is None and voice_id is None:
        raise InvalidArgument(
            f"Avatar {avatar.name} was made from a picture and has no voice of its own.",
            remedy="Pass a voice_id from api.voices.list(); in a notebook, you can listen to each voice there.",
            field="voice_id",
        )


def check_answer(function: object) -> None:
    """Raise an error if the object meant to answer the user is not a function.

    Raises:
        InvalidArgument: The object is not a function.
    """
    if not callable(function):
        raise InvalidArgument(
            f"on_user_text must be a function that takes text, not {type(function).__name__}.", field="on_user_text"
        )


def check_variables(context_name: str, required: Collection[str], given: dict[str, str] | None) -> None:
    """Raise an error if any of the context's variables has no value.

    Raises:
        InvalidArgument: A value is missing.
    """
    missing = [name for name in required if name not in (given or {})]
    if missing:
        example = ", ".join(f'"{name}": "..."' for name in missing)
        raise InvalidArgument(
            f"The context {context_name!r} needs values for {', '.join(missing)}.",
            remedy=f"Pass dynamic_variables={{{example}}}.",
            field="dynamic_variables",
        )
