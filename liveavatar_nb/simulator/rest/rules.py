"""Validation rules for request bodies.

They are the simulator's own reading of the contract, deliberately not shared with the client.
"""

from __future__ import annotations

from typing import Final

from .validation import ObjectCheck, boolean, either, integer, listing, mapping, nullable, number, positive, text, uuid

END_REASONS: Final = (
    "UNKNOWN",
    "USER_DISCONNECTED",
    "SERVER_ERROR",
    "IDLE_TIMEOUT",
    "NO_CREDITS",
    "USER_CLOSED",
    "AVATAR_DELETED",
    "MAX_DURATION_REACHED",
    "ZOMBIE_SESSION_REAP",
    "AGENT_HANG_UP",
)
OPENAI_VOICES: Final = (
    "alloy",
    "ash",
    "ballad",
    "coral",
    "echo",
    "fable",
    "onyx",
    "nova",
    "shimmer",
    "sage",
    "verse",
    "marin",
    "cedar",
)
VARIABLE_CHARACTERS: Final = 1000
MOST_VARIABLES: Final = 50
LONGEST_VOICE_NAME: Final = 64
LONGEST_NAME: Final = 255
LONGEST_ID: Final = 36
LONGEST_LANGUAGE: Final = 5
SECRET_TYPES: Final = ("OPENAI_API_KEY", "ELEVENLABS_API_KEY", "GEMINI_API_KEY", "CARTESIA_API_KEY", "LLM_API_KEY")

string = text()

video_settings = ObjectCheck(
    quality=text(choices=("very_high", "high", "medium", "low")), encoding=text(choices=("VP8", "H264"))
)
eleven_labs_voice = ObjectCheck(
    provider=text(choices=("elevenLabs",)),
    speed=number(0.8, 1.2),
    stability=number(0, 1),
    similarity_boost=number(0, 1),
    style=number(0, 1),
    use_speaker_boost=boolean,
    model=text(choices=("eleven_flash_v2_5", "eleven_multilingual_v2")),
    apply_language_text_normalization=boolean,
)
fish_voice = ObjectCheck(
    provider=text(choices=("fish",)),
    speed=number(0.8, 1.2),
    model=text(choices=("s1", "s2")),
    latency_mode=text(choices=("normal", "balanced")),
)
cartesia_voice = ObjectCheck("provider", provider=text(choices=("cartesia",)))
persona = ObjectCheck(
    voice_id=nullable(uuid),
    context_id=nullable(uuid),
    language=string,
    voice_settings=nullable(either(eleven_labs_voice, fish_voice, cartesia_voice)),
    stt_config=nullable(
        ObjectCheck("provider", provider=text(choices=("deepgram", "assembly_ai", "gladia", "elevenlabs")))
    ),
)

_common = {
    "avatar_id": uuid,
    "is_sandbox": boolean,
    "video_settings": nullable(video_settings),
    "max_session_duration": nullable(integer),
}
full_token = ObjectCheck(
    "avatar_id",
    mode=text(choices=("FULL",)),
    **_common,
    avatar_persona=persona,
    voice_agent=ObjectCheck("id", id=text(shortest=1)),
    interactivity_type=text(choices=("CONVERSATIONAL", "PUSH_TO_TALK")),
    llm_configuration_id=nullable(uuid),
    dynamic_variables=nullable(mapping(text(longest=VARIABLE_CHARACTERS), most=MOST_VARIABLES)),
    memory=nullable(ObjectCheck(prev_session_id=nullable(uuid), session_memory_id=nullable(uuid))),
)
lite_token = ObjectCheck(
    "avatar_id",
    mode=text(choices=("LITE",)),
    **_common,
    livekit_config=nullable(
        ObjectCheck(
            "livekit_url",
            "livekit_room",
            "livekit_client_token",
            livekit_url=string,
            livekit_room=string,
            livekit_client_token=string,
        )
    ),
    agora_config=nullable(
        ObjectCheck(
            "agora_app_id",
            "agora_token",
            "agora_channel",
            "agora_uid",
            agora_app_id=string,
            agora_token=string,
            agora_channel=string,
            agora_uid=string,
        )
    ),
    elevenlabs_agent_config=nullable(
        ObjectCheck(
            "secret_id",
            "agent_id",
            secret_id=uuid,
            agent_id=string,
            voice_id=nullable(string),
            dynamic_variables=nullable(mapping(either(string, number(float("-inf"), float("inf")), boolean))),
        )
    ),
    cartesia_agent_config=nullable(ObjectCheck("secret_id", "agent_id", secret_id=uuid, agent_id=string)),
    openai_realtime_config=nullable(
        ObjectCheck(
            "secret_id",
            secret_id=uuid,
            context_id=nullable(uuid),
            voice=text(choices=OPENAI_VOICES),
            temperature=number(0.6, 1.2),
            model=string,
        )
    ),
    gemini_realtime_config=nullable(
        ObjectCheck(
            "secret_id", secret_id=uuid, context_id=nullable(uuid), voice=string, temperature=number(0, 2), model=string
        )
    ),
)

stop = ObjectCheck(session_id=nullable(uuid), reason=text(choices=END_REASONS))
keep_alive = ObjectCheck(session_id=nullable(uuid))

image_avatar = ObjectCheck(resolution=text(choices=("720", "1080")))
update_avatar = ObjectCheck(name=nullable(string), default_voice_id=nullable(string))
update_voice = ObjectCheck("name", name=text(shortest=1, longest=LONGEST_VOICE_NAME))
bind_voice = ObjectCheck(
    "provider_voice_id", "secret_id", provider_voice_id=string, secret_id=string, name=nullable(string)
)
context = ObjectCheck(
    "name",
    "prompt",
    "opening_text",
    name=string,
    prompt=string,
    opening_text=nullable(string),
    links=nullable(listing(ObjectCheck("url", "faq", url=string, faq=nullable(string), id=nullable(uuid)))),
)
embed = ObjectCheck(
    "avatar_id",
    "context_id",
    avatar_id=uuid,
    context_id=uuid,
    voice_id=nullable(uuid),
    type=text(choices=("DEFAULT", "WIDGET")),
    max_session_duration=nullable(positive),
    default_language=nullable(text(longest=LONGEST_LANGUAGE)),
    is_sandbox=boolean,
    orientation=text(choices=("horizontal", "vertical")),
)
secret = ObjectCheck(
    "secret_name",
    "secret_value",
    "secret_type",
    secret_name=text(shortest=1, longest=LONGEST_NAME),
    secret_value=text(shortest=1),
    secret_type=text(choices=SECRET_TYPES),
)
llm_configuration = ObjectCheck(
    "display_name",
    "model_name",
    "secret_id",
    base_url=nullable(string),
    display_name=text(shortest=1, longest=LONGEST_NAME),
    model_name=text(shortest=1, longest=LONGEST_NAME),
    secret_id=text(shortest=1, longest=LONGEST_ID),
)
llm_configuration_patch = ObjectCheck(
    base_url=nullable(string),
    display_name=nullable(string),
    model_name=nullable(string),
    secret_id=nullable(string),
)
memory = ObjectCheck("memory_type", "session_id", memory_type=text(choices=("session",)), session_id=uuid)
