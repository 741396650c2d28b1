"""Operations on the account's avatars and the public gallery."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from ..account.avatars import Avatar
from ..account.ledger import Refused
from ..clock import moment
from ..service import Service
from . import rules
from .calls import Answer, Call, Function


def mine(call: Call) -> Answer:
    """List the account's own avatars."""
    call.require_key()
    return 200, call.page([_json(call.service, avatar) for avatar in call.service.catalogue.mine])


def public(call: Call) -> Answer:
    """List the public gallery; no key is needed."""
    return 200, call.page([_json(call.service, avatar) for avatar in call.service.catalogue.public])


def get(call: Call) -> Answer:
    """Return one avatar."""
    call.require_key()
    return 200, _json(call.service, _find(call))


def update(call: Call) -> Answer:
    """Change one of the account's own avatars; fields that are absent or null stay as they are."""
    call.require_key()
    body = call.checked_body(rules.update_avatar)
    avatar = _find_own(call, "changed")
    name, voice_id = body.get("name"), body.get("default_voice_id")
    if voice_id is not None:
        voice = call.service.voices.get(voice_id)
        if voice is None:
            raise Refused(404, f"default_voice_id: there is no voice {voice_id[:64]}")
        voice_id = voice.id
    changed = replace(
        avatar,
        name=avatar.name if name is None else name,
        voice_id=avatar.voice_id if voice_id is None else voice_id,
        updated_at=moment(call.service.now()),
    )
    call.service.catalogue.change(changed)
    return 200, _json(call.service, changed)


def delete(call: Call) -> Answer:
    """Delete one of the account's own avatars, and end its sessions."""
    call.require_key()
    avatar = _find_own(call, "deleted")
    call.service.catalogue.delete(avatar)
    call.service.ledger.end_sessions_of(avatar.id, call.service.now())
    call.service.clock.poke()
    return 200, None


def _find(call: Call) -> Avatar:
    avatar = call.service.catalogue.get(call.path_parameter("avatar_id"))
    if avatar is None:
        raise Refused(404, "There is no such avatar")
    return avatar


def _find_own(call: Call, done: str) -> Avatar:
    avatar = _find(call)
    if not avatar.mine:
        raise Refused(403, f"{avatar.name} is a public avatar: only your own avatars can be {done}")
    return avatar


def _json(service: Service, avatar: Avatar) -> dict[str, Any]:
    return avatar.to_json(service.url, service.voices.get(avatar.voice_id))


FUNCTIONS: Final[dict[str, Function]] = {
    "get_v1_avatars": mine,
    "get_v1_avatars_public": public,
    "get_v1_avatars_avatar_id": get,
    "patch_v1_avatars_avatar_id": update,
    "delete_v1_avatars_avatar_id": delete,
}
