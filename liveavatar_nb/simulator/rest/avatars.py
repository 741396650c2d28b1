"""Operations on the account's avatars and the public gallery."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any, Final

from ..account.avatars import Avatar
from ..account.ledger import Refused
from ..clock import SECOND, moment
from ..drawing.looks import any_look
from ..service import Service
from . import rules
from .calls import Answer, Call, Function
from .photos import breaches

PREPARATION: Final = 30  # simulated seconds until an avatar from a photo is ACTIVE


def mine(call: Call) -> Answer:
    """List the account's own avatars."""
    call.require_key()
    return 200, call.page([_json(call.service, avatar) for avatar in call.service.catalogue.mine])


def public(call: Call) -> Answer:
    """List the public gallery; no key is needed."""
    return 200, call.page([_json(call.service, avatar) for avatar in call.service.catalogue.public])


def create_from_image(call: Call) -> Answer:
    """Create an avatar from a photo; it becomes ACTIVE after a while, and nobody looks at what the photo shows."""
    call.require_key()
    fields, files = call.form(rules.image_avatar, "file")
    if fields.get("resolution") == "1080":
        call.service.require_1080p("resolution")
    if problems := breaches(files["file"]):
        raise Refused(400, "; ".join(problems))
    now = call.service.now()
    avatar_id = str(uuid.uuid4())
    avatar = Avatar(
        id=avatar_id,
        name=f"Photo avatar {avatar_id[:4]}",
        look=any_look(avatar_id, soft=False),
        mine=True,
        type="IMAGE",
        status="INIT",
        is_1080p=fields.get("resolution") == "1080",
        ready_at=now + PREPARATION * SECOND,
        created_at=moment(now),
        updated_at=moment(now),
    )
    call.service.catalogue.keep(avatar)
    return 200, _json(call.service, avatar)


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
    call.service.catalogue.keep(changed)
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
    "post_v1_alpha_avatars_image": create_from_image,
    "get_v1_avatars_avatar_id": get,
    "patch_v1_avatars_avatar_id": update,
    "delete_v1_avatars_avatar_id": delete,
}
