"""The operation that creates a session token.

A session's settings are checked here, except the token for the account's own room, which is checked when the session
starts.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from ..account.avatars import SANDBOX_AVATAR, Avatar
from ..account.belongings import Context
from ..account.ledger import Mode, Persona, Refused
from ..account.voice_agents import VoiceAgent
from ..media.tokens import Room
from ..service import Service
from . import rules
from .calls import Answer, Call
from .validation import Invalid, ObjectCheck, ensure, problem

AGENT_CONFIGS: Final = ("elevenlabs_agent_config", "cartesia_agent_config")  # the agents that lead a session themselves


def token(call: Call) -> Answer:
    """Create a session and its token."""
    call.require_key()
    body = call.json(required=True)
    mode, record = _choose_mode(call, body)
    ensure(record, body, ("body",))
    call.note_unknown(record, body)
    avatar = _find_avatar(call.service, body)
    agent = _find_voice_agent(call.service, body) if mode == "FULL" else None
    is_led_elsewhere = agent.is_elsewhere if agent else _is_agent(mode, body)
    if agent and agent.is_elsewhere:
        mode = "LITE"
    settings = _settings(mode, agent, body)
    context = None
    if mode == "FULL":
        context = _find_context(call.service, avatar, settings, body)
    elif agent is None:
        _check_agents(call.service, body)
    video = body.get("video_settings") or {}
    if video.get("quality") == "very_high":
        call.service.require_1080p("video_settings.quality")
    duration = body.get("max_session_duration")
    session = call.service.ledger.create(
        avatar_id=avatar.id,
        mode=mode,
        is_sandbox=body.get("is_sandbox", False),
        has_socket=mode == "LITE" and not is_led_elsewhere,
        context_id=settings.get("context_id"),
        opening=context.opening(body.get("dynamic_variables") or {}) if context else None,
        persona=_persona(call.service, avatar, context, settings, body, is_led_elsewhere=is_led_elsewhere),
        quality=video.get("quality", "high"),
        encoding=video.get("encoding", "H264"),
        own_room=_own_room(body),
        max_session_duration=None if duration is None else int(duration),
        now=call.service.now(),
    )
    return 200, {"session_id": session.id, "session_token": session.token}


def _choose_mode(call: Call, body: dict[str, Any]) -> tuple[Mode, ObjectCheck]:
    if body.get("mode") == "CUSTOM":
        call.service.warn("mode CUSTOM is the old name for LITE")
        body["mode"] = "LITE"
    is_full = "avatar_persona" in body or "voice_agent" in body
    if body.get("mode", "FULL" if is_full else "LITE") == "LITE":
        return "LITE", rules.lite_token
    return "FULL", rules.full_token


def _find_avatar(service: Service, body: dict[str, Any]) -> Avatar:
    avatar = service.catalogue.get(body["avatar_id"])
    if avatar is None:
        raise Refused(404, f"avatar_id: there is no avatar {body['avatar_id']}")
    if avatar.status != "ACTIVE":
        raise Refused(400, f"Avatar {avatar.name} is {avatar.status}, not ACTIVE")
    if body.get("is_sandbox", False) and avatar.id != SANDBOX_AVATAR:
        raise Refused(400, f"The sandbox accepts only avatar {SANDBOX_AVATAR}")
    return avatar


def _find_voice_agent(service: Service, body: dict[str, Any]) -> VoiceAgent | None:
    """Return the voice agent of a FULL token, which has either an agent or a persona."""
    has_persona, has_agent = "avatar_persona" in body, "voice_agent" in body
    if has_persona == has_agent:
        message = "Exactly one of avatar_persona and voice_agent is required"
        field, kind = ("voice_agent", "value_error") if has_agent else ("avatar_persona", "missing")
        raise Invalid([problem(("body", field), message, kind)])
    return service.voice_agents.find(body["voice_agent"]["id"], field="voice_agent.id") if has_agent else None


def _settings(mode: Mode, agent: VoiceAgent | None, body: dict[str, Any]) -> dict[str, Any]:
    """Return the persona's fields: those of the token, or those of the agent with the token's overrides."""
    if mode == "LITE":
        return {}
    if agent is None:
        return dict(body["avatar_persona"])
    settings = {**agent.configuration, **body["voice_agent"]}
    ensure(rules.persona, settings, ("body", "voice_agent"))
    return settings


def _find_context(service: Service, avatar: Avatar, persona: dict[str, Any], body: dict[str, Any]) -> Context | None:
    """Return the context of a FULL session, after checking the other ids in the body."""
    memory = body.get("memory") or {}
    if (voice_id := persona.get("voice_id")) and service.voices.get(voice_id) is None:
        raise Refused(404, f"avatar_persona.voice_id: there is no voice {voice_id}")
    if llm_id := body.get("llm_configuration_id"):
        service.llm_configurations.find(llm_id, field="llm_configuration_id")
    if (session_id := memory.get("prev_session_id")) and service.ledger.get(session_id) is None:
        raise Refused(404, f"memory.prev_session_id: there is no session {session_id}")
    if memory_id := memory.get("session_memory_id"):
        service.memories.find(memory_id, field="memory.session_memory_id")
    if avatar.voice_id is None and not voice_id:
        service.warn(f"{avatar.name} is an {avatar.type} avatar and has no voice: pass voice_id")
    if not (context_id := persona.get("context_id")):
        service.warn("a FULL session without context_id: the avatar is visible, but never answers")
        return None
    context = service.contexts.find(context_id, field="avatar_persona.context_id")
    given = body.get("dynamic_variables") or {}
    if missing := [name for name in context.variables if name not in given]:
        raise Invalid(
            [
                problem(
                    ("body", "dynamic_variables", name), f"The context needs the dynamic variable {name!r}", "missing"
                )
                for name in missing
            ]
        )
    return context


def _persona(
    service: Service,
    avatar: Avatar,
    context: Context | None,
    settings: dict[str, Any],
    body: dict[str, Any],
    *,
    is_led_elsewhere: bool,
) -> Persona:
    """Return the avatar's role; the prompt of another vendor's agent is unknown and therefore left empty."""
    voice = service.voices.get(settings.get("voice_id") or avatar.voice_id)
    persona = Persona(
        language=settings.get("language", "en"),
        gender=voice.gender if voice else "",
        push_to_talk=body.get("interactivity_type") == "PUSH_TO_TALK",
    )
    if context:
        return replace(persona, name=context.name, prompt=context.instruction(body.get("dynamic_variables") or {}))
    return replace(persona, name="agent", prompt="") if is_led_elsewhere else persona


def _own_room(body: dict[str, Any]) -> Room | None:
    config = body.get("livekit_config")
    return Room(config["livekit_url"], config["livekit_room"], config["livekit_client_token"]) if config else None


def _is_agent(mode: Mode, body: dict[str, Any]) -> bool:
    """Return whether another vendor's agent leads the session, which then has FULL events but no WebSocket."""
    return mode == "LITE" and any(body.get(name) is not None for name in AGENT_CONFIGS)


def _check_agents(service: Service, body: dict[str, Any]) -> None:
    """Check the ids in the configurations of other vendors' agents."""
    for name in (*AGENT_CONFIGS, "openai_realtime_config", "gemini_realtime_config"):
        if (agent := body.get(name)) is not None:
            service.secrets.find(agent["secret_id"], field=f"{name}.secret_id")
            if context_id := agent.get("context_id"):
                service.contexts.find(context_id, field=f"{name}.context_id")
