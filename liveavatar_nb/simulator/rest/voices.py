"""Operations on voices: the public library, and other vendors' voices that the account has bound."""

from __future__ import annotations

import base64
import uuid
from dataclasses import replace
from typing import Final

from ..account.ledger import Refused
from ..account.voice_preview import preview as sound
from ..account.voices import Voice
from ..clock import moment
from . import rules
from .calls import Answer, Call, Function

BOUND_TAG: Final = "third_party"


def voices(call: Call) -> Answer:
    """List the voices."""
    call.require_key()
    kind = call.choice("voice_type", "public", "private")
    return 200, call.page([voice.to_json() for voice in call.service.voices.list(kind)])


def bind(call: Call) -> Answer:
    """Bind another vendor's voice; its real name and sound are unknown here."""
    call.require_key()
    body = call.checked_body(rules.bind_voice)
    call.service.secrets.find(body["secret_id"], field="secret_id")
    now = moment(call.service.now())
    voice = Voice(
        id=str(uuid.uuid4()),
        name=body["provider_voice_id"] if body.get("name") is None else body["name"],
        language="Multilingual",
        gender="neutral",
        description=f"A voice from another vendor: {body['provider_voice_id']}",
        tags=(BOUND_TAG,),
        created_at=now,
        updated_at=now,
    )
    call.service.voices.keep(voice)
    return 200, {"voice_id": voice.id}


def get(call: Call) -> Answer:
    """Return one voice."""
    call.require_key()
    return 200, _find(call).to_json()


def update(call: Call) -> Answer:
    """Rename one of the account's own voices."""
    call.require_key()
    body = call.checked_body(rules.update_voice)
    voice = replace(_find_own(call, "changed"), name=body["name"], updated_at=moment(call.service.now()))
    call.service.voices.keep(voice)
    return 200, voice.to_json()


def delete(call: Call) -> Answer:
    """Delete one of the account's own voices."""
    call.require_key()
    call.service.voices.delete(_find_own(call, "deleted"))
    return 200, None


def preview(call: Call) -> Answer:
    """Return a preview of a voice as a base64-encoded WAV file."""
    call.require_key()
    voice = _find(call)
    return 200, {"audio_base64": base64.b64encode(sound(voice.id, voice.gender)).decode()}


def _find(call: Call) -> Voice:
    voice = call.service.voices.get(call.path_parameter("voice_id"))
    if voice is None:
        raise Refused(404, "There is no such voice")
    return voice


def _find_own(call: Call, done: str) -> Voice:
    voice = _find(call)
    if call.service.voices.is_public(voice):
        raise Refused(403, f"{voice.name} is a public voice: only your own voices can be {done}")
    return voice


FUNCTIONS: Final[dict[str, Function]] = {
    "get_v1_voices": voices,
    "post_v1_voices_third_party": bind,
    "get_v1_voices_voice_id": get,
    "patch_v1_voices_voice_id": update,
    "delete_v1_voices_voice_id": delete,
    "get_v1_voices_voice_id_preview": preview,
}
