"""The REST operations without `await`, available as `la.api`, with the same resources and methods as the async API."""

from __future__ import annotations

from typing import Any

from ..bridge.wrappers import Reading, SyncWrapper, blocking
from ..models.sessions import StartedSession
from ..models.voices import BoundVoice
from ..rest.api import LiveAvatarAPI
from ..rest.operation import Resource
from ..rest.resources import account, avatars, contexts, sessions, voice_agents, voices
from .listing import blocking_rows

# these undo a creation or a start if an interrupt kept the result from the caller; other methods need no undoing


async def _delete(resource: Any, created: Any) -> None:
    await resource.delete(created.id)


async def _unbind(voices: voices.Voices, bound: BoundVoice) -> None:
    await voices.delete(bound.voice_id)


async def _stop(sessions: sessions.Sessions, started: StartedSession) -> None:
    await sessions.stop(started.session_id)


async def _stop_streaming(api: LiveAvatarAPI, envelope: dict[str, Any]) -> None:
    await api.sessions.stop(envelope["data"]["session_id"])


class SyncResource(SyncWrapper):
    """The base class of the sync resources; each resource is a group of operations.

    Args:
        inner: The async resource.
        holder: The client, which stays alive as long as this object.
    """

    def __init__(self, inner: Resource, holder: SyncWrapper) -> None:
        self._inner = inner
        self._holder = holder


class Sessions(SyncResource):
    """`/v1/sessions`: tokens, start, stop, keep-alive, lists, transcripts."""

    list = blocking_rows(sessions.Sessions.list)
    get = blocking(sessions.Sessions.get)
    create_token = blocking(sessions.Sessions.create_token)
    start = blocking(sessions.Sessions.start, undo=_stop, is_whole=True)
    stop = blocking(sessions.Sessions.stop)
    keep_alive = blocking(sessions.Sessions.keep_alive)
    transcript = blocking(sessions.Sessions.transcript)
    delete_events = blocking(sessions.Sessions.delete_events)


class Avatars(SyncResource):
    """`/v1/avatars`: the account's own avatars, and the public ones."""

    list = blocking_rows(avatars.Avatars.list)
    public = blocking_rows(avatars.Avatars.public)
    get = blocking(avatars.Avatars.get)
    create_from_image = blocking(avatars.Avatars.create_from_image, undo=_delete, is_whole=True)
    wait_until_active = blocking(avatars.Avatars.wait_until_active)
    update = blocking(avatars.Avatars.update)
    delete = blocking(avatars.Avatars.delete)


class Voices(SyncResource):
    """`/v1/voices`: the voices that avatars speak with."""

    list = blocking_rows(voices.Voices.list)
    get = blocking(voices.Voices.get)
    preview = blocking(voices.Voices.preview)
    bind = blocking(voices.Voices.bind, undo=_unbind, is_whole=True)
    update = blocking(voices.Voices.update)
    delete = blocking(voices.Voices.delete)


class VoiceAgents(SyncResource):
    """`/v1/voice_agents`: stored personas that lead a conversation. You make them in the service's dashboard."""

    list = blocking_rows(voice_agents.VoiceAgents.list)
    get = blocking(voice_agents.VoiceAgents.get)


class Contexts(SyncResource):
    """`/v1/contexts`: what an avatar knows, and how it behaves in a conversation."""

    list = blocking_rows(contexts.Contexts.list)
    get = blocking(contexts.Contexts.get)
    create = blocking(contexts.Contexts.create, undo=_delete, is_whole=True)
    update = blocking(contexts.Contexts.update)
    delete = blocking(contexts.Contexts.delete)


class Languages(SyncResource):
    """`/v1/languages`: the languages that conversations support."""

    list = blocking_rows(account.Languages.list)


class AccountCredits(SyncResource):
    """`/v1/users/credits`: the account's remaining credits."""

    get = blocking(account.AccountCredits.get)


class Embeddings(SyncResource):
    """`/v2/embeddings`: avatars to embed in web pages."""

    create = blocking(account.Embeddings.create)


class Secrets(SyncResource):
    """`/v1/secrets`: API keys for other services. Their values can be written but never read."""

    list = blocking_rows(account.Secrets.list)
    create = blocking(account.Secrets.create, undo=_delete, is_whole=True)
    delete = blocking(account.Secrets.delete)


class LlmConfigurations(SyncResource):
    """`/v1/llm-configurations`: your own language models."""

    list = blocking_rows(account.LlmConfigurations.list)
    get = blocking(account.LlmConfigurations.get)
    create = blocking(account.LlmConfigurations.create, undo=_delete, is_whole=True)
    update = blocking(account.LlmConfigurations.update)
    delete = blocking(account.LlmConfigurations.delete)


class Memories(SyncResource):
    """`/v1/memory`: what avatars remember from conversations."""

    list = blocking_rows(account.Memories.list)
    get = blocking(account.Memories.get)
    create = blocking(account.Memories.create, undo=_delete, is_whole=True)
    delete = blocking(account.Memories.delete)


class API(SyncWrapper):
    """The REST API without `await`: one method per operation, grouped as in the API contract.

    Calls are sent as they are, without any protection: if you start a session here, you must stop it yourself.

    Args:
        inner: The async API.
        holder: The client, which stays alive as long as this object.
    """

    def __init__(self, inner: LiveAvatarAPI, holder: SyncWrapper) -> None:
        self._inner = inner
        self._holder = holder
        self.sessions = Sessions(inner.sessions, holder)
        self.avatars = Avatars(inner.avatars, holder)
        self.voices = Voices(inner.voices, holder)
        self.voice_agents = VoiceAgents(inner.voice_agents, holder)
        self.contexts = Contexts(inner.contexts, holder)
        self.languages = Languages(inner.languages, holder)
        self.credits = AccountCredits(inner.credits, holder)
        self.embeddings = Embeddings(inner.embeddings, holder)
        self.secrets = Secrets(inner.secrets, holder)
        self.llm_configurations = LlmConfigurations(inner.llm_configurations, holder)
        self.memory = Memories(inner.memory, holder)

    create_streaming_session = blocking(LiveAvatarAPI.create_streaming_session)
    start_streaming_session = blocking(LiveAvatarAPI.start_streaming_session, undo=_stop_streaming, is_whole=True)
    stop_streaming_session = blocking(LiveAvatarAPI.stop_streaming_session)

    last = Reading(LiveAvatarAPI, lambda api: api.last)
