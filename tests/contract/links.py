"""Which answer hands what to which call: the contract has no links, so the tests add them to their copy of it."""

from __future__ import annotations

from typing import Any

ID = "$response.body#/data/id"
SESSION = "$response.body#/data/session_id"
EMPTY: dict[str, str] = {}
SANDBOX_AVATAR = "dd73ea75-1218-4ef3-92ce-606d5f7fbc0a"  # good for every session, in the sandbox and out of it

# source, target, the target's parameters, the target's body: each a runtime expression of OpenAPI
LINKS: tuple[tuple[str, str, dict[str, str], dict[str, str]], ...] = (
    *(
        (source, f"{method}_v1_contexts_context_id", {"path.context_id": ID}, EMPTY)
        for source in ("post_v1_contexts", "get_v1_contexts_context_id", "patch_v1_contexts_context_id")
        for method in ("get", "patch", "delete")
    ),
    *(
        (source, f"{method}_v1_llm_configurations_config_id", {"path.config_id": ID}, EMPTY)
        for source in ("post_v1_llm_configurations", "get_v1_llm_configurations_config_id")
        for method in ("get", "patch", "delete")
    ),
    *(
        ("post_v1_voices_third_party", target, {"path.voice_id": "$response.body#/data/voice_id"}, EMPTY)
        for target in (
            "get_v1_voices_voice_id",
            "get_v1_voices_voice_id_preview",
            "patch_v1_voices_voice_id",
            "delete_v1_voices_voice_id",
        )
    ),
    ("get_v1_voices_voice_id", "delete_v1_voices_voice_id", {"path.voice_id": ID}, EMPTY),
    ("patch_v1_voices_voice_id", "get_v1_voices_voice_id_preview", {"path.voice_id": ID}, EMPTY),
    (
        "get_v1_voice_agents",
        "get_v1_voice_agents_agent_id",
        {"path.agent_id": "$response.body#/data/0/id"},
        EMPTY,
    ),
    *(
        ("post_v1_alpha_avatars_image", f"{method}_v1_avatars_avatar_id", {"path.avatar_id": ID}, EMPTY)
        for method in ("get", "patch", "delete")
    ),
    *(
        (
            "get_v1_avatars",
            f"{method}_v1_avatars_avatar_id",
            {"path.avatar_id": "$response.body#/data/results/0/id"},
            EMPTY,
        )
        for method in ("get", "patch", "delete")
    ),
    ("post_v1_secrets", "post_v1_voices_third_party", EMPTY, {"secret_id": ID}),
    ("post_v1_secrets", "post_v1_llm_configurations", EMPTY, {"secret_id": ID}),
    ("post_v1_secrets", "delete_v1_secrets_secret_id", {"path.secret_id": ID}, EMPTY),
    ("post_v1_contexts", "post_v2_embeddings", EMPTY, {"context_id": ID}),
    (
        "get_v1_avatars_public",
        "post_v1_sessions_token",
        EMPTY,
        {"avatar_id": SANDBOX_AVATAR},
    ),
    # the start takes the token of the latest session, which `Account.bearer` hands it
    ("post_v1_sessions_token", "post_v1_sessions_start", EMPTY, EMPTY),
    *(
        (source, target, EMPTY, {"session_id": SESSION})
        for source in ("post_v1_sessions_token", "post_v1_sessions_start")
        for target in ("post_v1_sessions_stop", "post_v1_sessions_keep_alive")
    ),
    *(
        ("post_v1_sessions_start", f"get_v1_sessions_session_id{what}", {"path.session_id": SESSION}, EMPTY)
        for what in ("", "_transcript")
    ),
    *(
        ("post_v1_sessions_stop", target, {"path.session_id": "$request.body#/session_id"}, EMPTY)
        for target in (
            "get_v1_sessions_session_id",
            "get_v1_sessions_session_id_transcript",
            "delete_v1_sessions_session_id_events",
        )
    ),
    ("post_v1_sessions_stop", "post_v1_memory", EMPTY, {"session_id": "$request.body#/session_id"}),
    *(
        ("post_v1_memory", f"{method}_v1_memory_memory_id", {"path.memory_id": ID}, EMPTY)
        for method in ("get", "delete")
    ),
    ("get_v1_memory_memory_id", "delete_v1_memory_memory_id", {"path.memory_id": ID}, EMPTY),
)


def linked(contract: dict[str, Any]) -> dict[str, Any]:
    """The contract, or a part of it, with the links at the answers that say 2xx."""
    operations = {one["operationId"]: one for methods in contract["paths"].values() for one in methods.values()}
    for source, target, parameters, body in LINKS:
        if source not in operations or target not in operations:
            continue
        success = next(answer for status, answer in operations[source]["responses"].items() if status.startswith("2"))
        success.setdefault("links", {})[f"to_{target}"] = {
            "operationId": target,
            **({"parameters": parameters} if parameters else {}),
            **({"requestBody": body} if body else {}),
        }
    return contract
