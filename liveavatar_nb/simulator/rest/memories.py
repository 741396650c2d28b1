"""Operations on memories of sessions that have ended."""

from __future__ import annotations

import uuid
from typing import Any, Final

from ..account.belongings import Memory
from ..account.ledger import Refused, Session
from ..clock import moment
from . import rules
from .calls import Answer, Call, Function

MEMORY_TYPE: Final = "session"
PREVIEW_CHARACTERS: Final = 120


def memories(call: Call) -> Answer:
    """List the memories."""
    call.require_key()
    call.choice("type", MEMORY_TYPE)
    return 200, call.page(
        [
            {
                "id": memory.id,
                "memory_type": MEMORY_TYPE,
                "memory_content_preview": memory.content and memory.content[:PREVIEW_CHARACTERS],
                **_moments(memory),
            }
            for memory in call.service.memories
        ]
    )


def create(call: Call) -> Answer:
    """Create a memory of a session that has ended."""
    call.require_key()
    body = call.checked_body(rules.memory)
    now = call.service.now()
    session = call.service.ledger.get(body["session_id"])
    if session is None:
        raise Refused(404, f"session_id: there is no session {body['session_id']}")
    if session.ended_at is None:
        raise Refused(400, "session_id: the session has not ended, so there is nothing to remember yet")
    memory = Memory(id=str(uuid.uuid4()), session_id=session.id, content=_content(session), created_at=now)
    call.service.memories.keep(memory)
    return 200, {
        "id": memory.id,
        "memory_type": MEMORY_TYPE,
        "memory_content": memory.content,
        "created_at": moment(memory.created_at),
    }


def get(call: Call) -> Answer:
    """Return one memory."""
    call.require_key()
    memory = call.service.memories.find(call.path_parameter("memory_id"))
    episode = {
        "session_id": memory.session_id,
        "sequence_num": 1,
        "summary": memory.content,
        "created_at": moment(memory.created_at),
    }
    return 200, {
        "id": memory.id,
        "memory_type": MEMORY_TYPE,
        "memory_content": memory.content,
        "session_episodes": [] if memory.content is None else [episode],
        **_moments(memory),
    }


def delete(call: Call) -> Answer:
    """Delete a memory."""
    call.require_key()
    call.service.memories.delete(call.path_parameter("memory_id"))
    return 204, None


def _content(session: Session) -> str | None:
    """Return the user's own words, since there is no language model to summarize them."""
    texts = [line.text for line in session.transcript if line.role == "user"]
    return f"The visitor said: {' '.join(texts)}" if texts else None


def _moments(memory: Memory) -> dict[str, Any]:
    # a memory never changes, so both times are the same
    return {"created_at": moment(memory.created_at), "updated_at": moment(memory.created_at)}


FUNCTIONS: Final[dict[str, Function]] = {
    "get_v1_memory": memories,
    "post_v1_memory": create,
    "get_v1_memory_memory_id": get,
    "delete_v1_memory_memory_id": delete,
}
