"""What a start is refused for before anything is sent, each in words: the mode, its arguments, the avatar, the cap."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any, get_args
from urllib.parse import urlsplit

from .. import config
from ..errors import InvalidArgument
from ..models.avatars import Avatar
from ..models.requests import Mode
from ..rooms.own_room import AsyncRoom
from ..validation import one_of

# what only a conversation can use, and what it means where it is not given
OF_A_CONVERSATION = {
    "context": None,
    "on_user_text": None,
    "voice_id": None,
    "language": "en",
    "interactivity_type": "CONVERSATIONAL",
    "dynamic_variables": None,
}
OLD_MODES = {"CUSTOM": "LITE"}


def mode_of(mode: str | None, given: dict[str, Any]) -> Mode:
    """The mode that is meant: FULL where a context, or a function that answers, is given, else LITE.

    Args:
        mode: what the caller said.
        given: what the caller gave of `OF_A_CONVERSATION`.

    Raises:
        InvalidArgument: it is none, cannot use an argument, or lacks one.
    """
    answers = [name for name in ("context", "on_user_text") if given[name] is not None]
    meant: Mode = "FULL" if mode is None and answers else "LITE"
    if mode is not None:
        meant = one_of("mode", OLD_MODES.get(str(mode), mode), get_args(Mode))
    if meant == "FULL" and not answers:
        raise InvalidArgument(
            "A conversation (mode='FULL') needs a context: without one the avatar is seen, but never answers.",
            remedy=(
                "Give the name of one (api.contexts.list() has them), or make one: "
                'context=NewContext(name="Guide", prompt="You are a friendly guide.", opening_text="Hello!"); '
                "or answer by a function of yours: on_user_text=."
            ),
            field="context",
        )
    if meant == "LITE":
        for name, default in OF_A_CONVERSATION.items():
            if given[name] != default:
                raise InvalidArgument(
                    f"{name} is of use in a conversation only, and mode 'LITE' is none.",
                    remedy="Give a context (and leave mode out), which makes it one.",
                    field=name,
                )
    return meant


def check_room(room: AsyncRoom, mode: Mode, base_url: str) -> None:
    """Refuses a room that the avatar cannot join.

    Raises:
        InvalidArgument: the session is a conversation, or the service cannot reach the room's server.
    """
    if mode == "FULL":
        raise InvalidArgument(
            "A conversation takes place in a room of LiveAvatar's: your own room is for LITE.",
            remedy="Leave room out, or what makes it a conversation.",
            field="room",
        )
    if room.is_local and not config.is_loopback(urlsplit(base_url).hostname):
        raise InvalidArgument(
            f"LiveAvatar cannot reach {room.url}, which is this machine only.",
            remedy="Take a server on the internet, as a project of LiveKit Cloud, or LiveAvatar.demo().",
            field="room",
        )


def seconds_of(max_minutes: float) -> int:
    """The cap in seconds.

    Raises:
        InvalidArgument: it is no time that a session can last.
    """
    given: Any = max_minutes
    if type(given) in (int, float) and 0 < given <= config.MINUTES_OF_A_DAY:
        return max(1, round(max_minutes * 60))
    raise InvalidArgument(
        f"max_minutes must be a number above 0 and at most {config.MINUTES_OF_A_DAY}, not {given!r}.",
        field="max_minutes",
    )


def patience_of(unwatched: float | None) -> float | None:
    """The seconds without a page after which a session is stopped.

    Raises:
        InvalidArgument: it is no such time.
    """
    given: Any = unwatched
    if given is None or (type(given) in (int, float) and config.SHORTEST_UNWATCHED <= given < math.inf):
        return unwatched
    raise InvalidArgument(
        f"unwatched must be seconds, {config.SHORTEST_UNWATCHED:g} or more, or None, not {given!r}.", field="unwatched"
    )


def check_avatar(avatar: Avatar, mode: Mode, *, is_sandbox: bool, voice_id: str | None) -> None:
    """Refuses an avatar that cannot be started so.

    Raises:
        InvalidArgument: it is not the sandbox's, not ready, or has no voice.
    """
    if is_sandbox and avatar.id != config.SANDBOX_AVATAR:
        raise InvalidArgument(
            f"The sandbox takes only its own avatar, not {avatar.name}.",
            remedy="Leave the avatar out, or is_sandbox.",
            field="avatar",
        )
    if not avatar.is_usable:
        why = "has expired" if avatar.is_expired else f"is {avatar.status}, not ACTIVE"
        raise InvalidArgument(
            f"Avatar {avatar.name} {why}.", remedy="Pick another one: avatars() lists them.", field="avatar"
        )
    if mode == "FULL" and avatar.type == "IMAGE" and avatar.default_voice is None and voice_id is None:
        raise InvalidArgument(
            f"Avatar {avatar.name} is made of a picture and has no voice of its own.",
            remedy="Give voice_id: api.voices.list() has them, and plays them in a notebook.",
            field="voice_id",
        )


def check_answer(function: object) -> None:
    """Refuses what cannot answer.

    Raises:
        InvalidArgument: it is no function.
    """
    if not callable(function):
        raise InvalidArgument(
            f"on_user_text takes a function of a text, not {type(function).__name__}.", field="on_user_text"
        )


def check_variables(context_name: str, required: Collection[str], given: dict[str, str] | None) -> None:
    """Refuses a conversation whose context has names that nothing fills in.

    Raises:
        InvalidArgument: one is missing.
    """
    missing = [name for name in required if name not in (given or {})]
    if missing:
        example = ", ".join(f'"{name}": "..."' for name in missing)
        raise InvalidArgument(
            f"The context {context_name!r} needs values for {', '.join(missing)}.",
            remedy=f"Give dynamic_variables={{{example}}}.",
            field="dynamic_variables",
        )
