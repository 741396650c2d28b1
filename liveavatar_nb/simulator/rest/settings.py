"""Operations on the account's credits, secrets and LLM configurations, and on the public list of languages."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any, Final

from ..account.belongings import LlmConfiguration, Secret
from ..account.languages import LANGUAGES
from ..account.ledger import shown
from ..clock import moment
from . import rules
from .calls import Answer, Call, Function


def languages(call: Call) -> Answer:
    """List the languages; no key is needed."""
    return 200, [{"language": name, "code": code} for code, name in LANGUAGES.items()]


def credit_balance(call: Call) -> Answer:
    """Return the number of credits left."""
    call.require_key()
    return 200, {"credits_left": shown(call.service.ledger.credits_left(call.service.now()))}


def secrets(call: Call) -> Answer:
    """List the secrets, without their values."""
    call.require_key()
    return 200, [
        {
            "id": secret.id,
            "secret_name": secret.name,
            "secret_type": secret.type,
            "created_at": moment(secret.created_at),
        }
        for secret in call.service.secrets
    ]


def create_secret(call: Call) -> Answer:
    """Create a secret; its value is not stored."""
    call.require_key()
    body = call.checked_body(rules.secret)
    secret = Secret(
        id=str(uuid.uuid4()), name=body["secret_name"], type=body["secret_type"], created_at=call.service.now()
    )
    call.service.secrets.keep(secret)
    return 200, {"id": secret.id, "secret_name": secret.name}


def delete_secret(call: Call) -> Answer:
    """Delete a secret."""
    call.require_key()
    call.service.secrets.delete(call.path_parameter("secret_id"))
    return 200, None


def llm_configurations(call: Call) -> Answer:
    """List the LLM configurations."""
    call.require_key()
    return 200, [_item(config) for config in call.service.llm_configurations]


def create_llm_configuration(call: Call) -> Answer:
    """Create an LLM configuration."""
    call.require_key()
    body = call.checked_body(rules.llm_configuration)
    now = call.service.now()
    config = LlmConfiguration(
        id=str(uuid.uuid4()),
        display_name=body["display_name"],
        model_name=body["model_name"],
        secret_id=call.service.secrets.find(body["secret_id"], field="secret_id").id,
        base_url=body.get("base_url"),
        created_at=now,
        updated_at=now,
    )
    return 200, _detail(call.service.llm_configurations.keep(config))


def get_llm_configuration(call: Call) -> Answer:
    """Return one LLM configuration."""
    call.require_key()
    return 200, _detail(call.service.llm_configurations.find(call.path_parameter("config_id")))


def update_llm_configuration(call: Call) -> Answer:
    """Change an LLM configuration; absent or null fields stay as they are, except that null removes `base_url`."""
    call.require_key()
    body = call.checked_body(rules.llm_configuration_patch)
    config = call.service.llm_configurations.find(call.path_parameter("config_id"))
    if (secret_id := body.get("secret_id")) is not None:
        body["secret_id"] = call.service.secrets.find(secret_id, field="secret_id").id
    changes = {name: body[name] for name in ("display_name", "model_name", "secret_id") if body.get(name) is not None}
    if "base_url" in body:
        changes["base_url"] = body["base_url"]
    changed = replace(config, updated_at=call.service.now(), **changes)
    return 200, _detail(call.service.llm_configurations.keep(changed))


def delete_llm_configuration(call: Call) -> Answer:
    """Delete an LLM configuration."""
    call.require_key()
    call.service.llm_configurations.delete(call.path_parameter("config_id"))
    return 200, None


def _item(config: LlmConfiguration) -> dict[str, Any]:
    return {
        "id": config.id,
        "display_name": config.display_name,
        "model_name": config.model_name,
        "secret_id": config.secret_id,
    }


def _detail(config: LlmConfiguration) -> dict[str, Any]:
    return {
        **_item(config),
        "base_url": config.base_url,
        "created_at": moment(config.created_at),
        "updated_at": moment(config.updated_at),
    }


FUNCTIONS: Final[dict[str, Function]] = {
    "get_v1_languages": languages,
    "get_v1_users_credits": credit_balance,
    "get_v1_secrets": secrets,
    "post_v1_secrets": create_secret,
    "delete_v1_secrets_secret_id": delete_secret,
    "get_v1_llm_configurations": llm_configurations,
    "post_v1_llm_configurations": create_llm_configuration,
    "get_v1_llm_configurations_config_id": get_llm_configuration,
    "patch_v1_llm_configurations_config_id": update_llm_configuration,
    "delete_v1_llm_configurations_config_id": delete_llm_configuration,
}
