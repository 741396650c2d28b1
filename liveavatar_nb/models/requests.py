"""The types of values and nested objects in the contract's request bodies; objects are plain dicts (`TypedDict`).

The types include the contract's enums and ranges; `validation` checks values against them before anything is sent.
"""

# `from __future__ import annotations` is left out, because it would keep TypedDict from seeing `Required`
from typing import TYPE_CHECKING, Annotated, Any, Literal, Required, TypedDict

from msgspec import Meta

from ..config import Masked
from ..validation import OPEN, UUID_PATTERN

Id = Annotated[str, Meta(pattern=UUID_PATTERN)]  # a UUID
Name64 = Annotated[str, Meta(min_length=1, max_length=64)]
Name255 = Annotated[str, Meta(min_length=1, max_length=255)]
PageNumber = Annotated[int, Meta(ge=1)]
PAGE_SIZE_LIMIT = 100  # items per page
PageSize = Annotated[int, Meta(ge=1, le=PAGE_SIZE_LIMIT)]

Mode = Literal["FULL", "LITE"]
VideoQuality = Literal["very_high", "high", "medium", "low"]
VideoEncoding = Literal["VP8", "H264"]
InteractivityType = Literal["CONVERSATIONAL", "PUSH_TO_TALK"]
SecretType = Literal["OPENAI_API_KEY", "ELEVENLABS_API_KEY", "GEMINI_API_KEY", "CARTESIA_API_KEY", "LLM_API_KEY"]
ImageResolution = Literal["720", "1080"]
Orientation = Literal["horizontal", "vertical"]
EndReason = Literal[
    "UNKNOWN", "USER_DISCONNECTED", "SERVER_ERROR", "IDLE_TIMEOUT", "NO_CREDITS", "USER_CLOSED",
    "AVATAR_DELETED", "MAX_DURATION_REACHED", "ZOMBIE_SESSION_REAP", "AGENT_HANG_UP",
]  # fmt: skip

if TYPE_CHECKING:
    SecretText = str | Masked
else:
    SecretText = Annotated[str, Meta(min_length=1)]


class VideoSettings(TypedDict, total=False):
    """The quality and encoding of the avatar's video (schema `VideoSettings`). The defaults are `high` and `H264`."""

    quality: VideoQuality
    encoding: VideoEncoding


class ElevenLabsVoiceSettings(TypedDict, total=False):
    """How an ElevenLabs voice speaks (schema `ElevenLabsVoiceSettings`)."""

    provider: Required[Literal["elevenLabs"]]
    speed: Annotated[float, Meta(ge=0.8, le=1.2)]
    stability: Annotated[float, Meta(ge=0, le=1)]
    similarity_boost: Annotated[float, Meta(ge=0, le=1)]
    style: Annotated[float, Meta(ge=0, le=1)]
    use_speaker_boost: bool
    model: Literal["eleven_flash_v2_5", "eleven_multilingual_v2"]
    apply_language_text_normalization: bool


class FishAudioVoiceSettings(TypedDict, total=False):
    """How a Fish Audio voice speaks (schema `FishAudioVoiceSettings`)."""

    provider: Required[Literal["fish"]]
    speed: Annotated[float, Meta(ge=0.8, le=1.2)]
    model: Literal["s1", "s2"]
    latency_mode: Literal["normal", "balanced"]


class CartesiaVoiceSettings(TypedDict):
    """A Cartesia voice, which has no settings of its own (schema `CartesiaVoiceSettings`)."""

    provider: Literal["cartesia"]


class STTConfig(TypedDict):
    """The provider that turns the user's speech into text (schema `STTConfig`)."""

    provider: Literal["deepgram", "assembly_ai", "gladia", "elevenlabs"]


class AvatarPersona(TypedDict, total=False):
    """The avatar's voice, context and language in a conversation (schema `AvatarPersona`).

    Without `voice_id` the avatar uses its own voice. Without `context_id` it never answers, and no error is reported.
    `language` is a code such as `en`, the default.
    """

    voice_id: Id | None
    context_id: Id | None
    language: str
    voice_settings: ElevenLabsVoiceSettings | FishAudioVoiceSettings | CartesiaVoiceSettings | None
    stt_config: STTConfig | None


class VoiceAgentRef(TypedDict):
    """A stored voice agent (schema `VoiceAgentRef`).

    Fields beside `id` override the agent's own; which ones it accepts depends on its type, so they are sent unchecked.
    """

    id: Annotated[str, Meta(min_length=1)]


if TYPE_CHECKING:
    VoiceAgentWithOverrides = VoiceAgentRef | dict[str, Any]
else:
    VoiceAgentWithOverrides = Annotated[VoiceAgentRef, OPEN]


class MemoryRef(TypedDict, total=False):
    """The previous session or the memory that a conversation draws on (schema `MemoryRef`)."""

    prev_session_id: Id | None
    session_memory_id: Id | None


class LiveKitConfig(TypedDict):
    """Your own LiveKit room (schema `LiveKitConfig`).

    The token is for the avatar and needs the grants room_join, can_publish, can_subscribe and can_publish_data.
    """

    livekit_url: str
    livekit_room: str
    livekit_client_token: SecretText


class AgoraConfig(TypedDict):
    """Your own Agora channel (schema `AgoraConfig`)."""

    agora_app_id: str
    agora_token: SecretText
    agora_channel: str
    agora_uid: str


class ElevenLabsAgentConfig(TypedDict, total=False):
    """An ElevenLabs agent that speaks through the avatar (schema `ElevenLabsAgentConfig`)."""

    secret_id: Required[Id]
    agent_id: Required[str]
    voice_id: str | None
    dynamic_variables: dict[str, str | int | float | bool] | None


class CartesiaAgentConfig(TypedDict):
    """A Cartesia agent that speaks through the avatar (schema `CartesiaAgentConfig`)."""

    secret_id: Id
    agent_id: str


class OpenAIRealtimeConfig(TypedDict, total=False):
    """An OpenAI Realtime model that speaks through the avatar (schema `OpenAIRealtimeConfig`)."""

    secret_id: Required[Id]
    context_id: Id | None
    voice: Literal[
        "alloy", "ash", "ballad", "coral", "echo", "fable", "onyx", "nova", "shimmer", "sage", "verse", "marin", "cedar"
    ]  # fmt: skip
    temperature: Annotated[float, Meta(ge=0.6, le=1.2)]
    model: str


class GeminiRealtimeConfig(TypedDict, total=False):
    """A Gemini Live model that speaks through the avatar (schema `GeminiRealtimeConfig`)."""

    secret_id: Required[Id]
    context_id: Id | None
    voice: str
    temperature: Annotated[float, Meta(ge=0, le=2)]
    model: str


class ContextLinkIn(TypedDict, total=False):
    """A web page that a context uses (schema `ContextLinkIn`); `id` refers to a page that the context already has."""

    url: Required[str]
    faq: Required[str | None]
    id: Id | None


DynamicVariables = Annotated[dict[str, Annotated[str, Meta(max_length=1000)]], Meta(max_length=50)]
