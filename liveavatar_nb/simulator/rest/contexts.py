"""Operations on contexts, and on embeds, which show an avatar with a context on a web page."""

from __future__ import annotations

import uuid
from dataclasses import replace
from html import escape
from typing import Any, Final

from ..account.belongings import Context
from ..account.ledger import Refused
from ..clock import moment
from . import rules
from .calls import Answer, Call, Function


def contexts(call: Call) -> Answer:
    """List the contexts."""
    call.require_key()
    return 200, call.page([_item(context) for context in call.service.contexts])


def create(call: Call) -> Answer:
    """Create a context."""
    call.require_key()
    body = call.checked_body(rules.context)
    now = call.service.now()
    context = Context(id=str(uuid.uuid4()), created_at=now, updated_at=now, **_fields(body))
    return 200, _detail(call.service.contexts.keep(context))


def get(call: Call) -> Answer:
    """Return one context."""
    call.require_key()
    return 200, _detail(call.service.contexts.find(call.path_parameter("context_id")))


def update(call: Call) -> Answer:
    """Replace a context; its links stay as they are if absent from the body, and are removed if null."""
    call.require_key()
    body = call.checked_body(rules.context)
    context = call.service.contexts.find_own(call.path_parameter("context_id"))
    fields = _fields(body)
    if "links" not in body:
        del fields["links"]
    return 200, _detail(call.service.contexts.keep(replace(context, updated_at=call.service.now(), **fields)))


def delete(call: Call) -> Answer:
    """Delete a context."""
    call.require_key()
    call.service.contexts.delete(call.path_parameter("context_id"))
    return 200, None


def embed(call: Call) -> Answer:
    """Create an embed, which shows an avatar on a web page."""
    call.require_key()
    body = call.checked_body(rules.embed)
    if call.service.catalogue.get(body["avatar_id"]) is None:
        raise Refused(404, f"avatar_id: there is no avatar {body['avatar_id']}")
    call.service.contexts.find(body["context_id"], field="context_id")
    if (voice_id := body.get("voice_id")) and call.service.voices.get(voice_id) is None:
        raise Refused(404, f"voice_id: there is no voice {voice_id}")
    embed_id = str(uuid.uuid4())
    url = f"{call.service.url}/embeds/{embed_id}"
    return 200, {
        "embed_id": embed_id,
        "url": url,
        "script": f'<iframe src="{escape(url)}" allow="microphone; autoplay"></iframe>',
        "orientation": body.get("orientation", "horizontal"),
    }


def _fields(body: dict[str, Any]) -> dict[str, Any]:
    links = body.get("links")
    return {
        "name": body["name"],
        "prompt": body["prompt"],
        "opening_text": body["opening_text"],
        "links": None
        if links is None
        else tuple(
            {"url": link["url"], "faq": link["faq"], "id": link.get("id") or str(uuid.uuid4())} for link in links
        ),
    }


def _item(context: Context) -> dict[str, Any]:
    return {
        "id": context.id,
        "name": context.name,
        "created_at": moment(context.created_at),
        "updated_at": moment(context.updated_at),
    }


def _detail(context: Context) -> dict[str, Any]:
    return {
        **_item(context),
        "prompt": context.prompt,
        "opening_text": context.opening_text,
        "links": None if context.links is None else list(context.links),
        "required_dynamic_variables": context.variables,
    }


FUNCTIONS: Final[dict[str, Function]] = {
    "get_v1_contexts": contexts,
    "post_v1_contexts": create,
    "get_v1_contexts_context_id": get,
    "patch_v1_contexts_context_id": update,
    "delete_v1_contexts_context_id": delete,
    "post_v2_embeddings": embed,
}
