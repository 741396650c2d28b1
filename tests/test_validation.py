"""What cannot be used is refused before anything is sent, by an error that names the field and what would do."""

from __future__ import annotations

import asyncio
import contextlib
import re
import traceback
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liveavatar_nb import (
    AsyncLiveAvatar,
    AsyncRoom,
    LiveAvatar,
    LiveAvatarAPI,
    Masked,
    NewContext,
    Room,
    Simulator,
)
from liveavatar_nb.bridge.loop import bridge
from liveavatar_nb.errors import InvalidArgument, LiveAvatarWarning, NotFoundError, quietly
from liveavatar_nb.models.requests import AvatarPersona, LiveKitConfig, PageSize, VideoQuality
from liveavatar_nb.validation import check

ID = str(uuid.uuid4())
CANARY = "canary-5f1c"

Wrong = Callable[[Any], Any]
WRONG: list[tuple[Wrong, str | None, str]] = [
    (lambda api: api.voices.list(page_size=101), "page_size", "Did you mean 100?"),
    (lambda api: api.voices.list(page_size="20"), "page_size", "Did you mean 20?"),
    (lambda api: api.voices.list(page=0), "page", "Did you mean 1?"),
    (lambda api: api.voices.list(page=True), "page", "whole number"),
    (lambda api: api.voices.list(voice_type="Private"), "voice_type", "Did you mean 'private'?"),
    (lambda api: api.voices.list(kind="private"), "kind", "has no parameter 'kind'"),
    (lambda api: api.voices.list(pagesize=3), "pagesize", "Did you mean 'page_size'?"),
    (lambda api: api.sessions.list(type="ended"), "type", "active, historic"),
    (lambda api: api.voices.get(""), "voice_id", "must be an id"),
    (lambda api: api.voices.get("../secrets"), "voice_id", "must be an id"),
    (lambda api: api.voices.get(".."), "voice_id", "must be an id"),
    (lambda api: api.voices.get(3), "voice_id", "text"),
    (lambda api: api.voices.get(), None, "missing a required argument: 'voice_id'"),
    (lambda api: api.voices.update(ID, name=""), "name", "must not be empty"),
    (lambda api: api.voices.update(ID, name="x" * 70), "name", "Shorten it by 6."),
    (lambda api: api.contexts.create(name="a", prompt="b"), None, "missing a required argument: 'opening_text'"),
    (
        lambda api: api.contexts.create(name="a", prompt="b", opening_text=None, links=[{"url": "x"}]),
        "links[0].faq",
        "is missing",
    ),
    (lambda api: api.contexts.create(name="a", prompt="b", opening_text=None, links="x"), "links", "a list"),
    (
        lambda api: api.contexts.create(name="a", prompt="\ud83d", opening_text=None),
        "prompt",
        "prompt contains an unpaired surrogate at position 0",
    ),
    (lambda api: api.embeddings.create(avatar_id="Silas", context_id=ID), "avatar_id", "an id (a UUID)"),
    (
        lambda api: api.embeddings.create(avatar_id=ID.replace("-", ""), context_id=ID),
        "avatar_id",
        f"Did you mean {ID!r}?",
    ),
    (
        lambda api: api.embeddings.create(avatar_id=ID, context_id=ID, max_session_duration=0),
        "max_session_duration",
        "Did you mean 1?",
    ),
    (
        lambda api: api.embeddings.create(avatar_id=ID, context_id=ID, default_language="english"),
        "default_language",
        "Shorten it by 2.",
    ),
    (lambda api: api.embeddings.create(avatar_id=ID, context_id=ID, is_sandbox="no"), "is_sandbox", "True or False"),
    (
        lambda api: api.secrets.create(secret_name="a", secret_value="b", secret_type="OPENAI"),
        "secret_type",
        "Did you mean 'OPENAI_API_KEY'?",
    ),
    (
        lambda api: api.sessions.create_token(avatar_id=ID, video_settings={"qualty": "low"}),
        "video_settings.qualty",
        "Did you mean 'quality'?",
    ),
    (
        lambda api: api.sessions.create_token(avatar_id=ID, video_settings={"encoding": "h264"}),
        "video_settings.encoding",
        "Did you mean 'H264'?",
    ),
    (lambda api: api.sessions.create_token(avatar_id=ID, video_settings="low"), "video_settings", "quality, encoding"),
    (
        lambda api: api.sessions.create_token(avatar_id=ID, mode="FULL"),
        "avatar_persona",
        "needs either avatar_persona or voice_agent",
    ),
    (
        lambda api: api.sessions.create_token(
            avatar_id=ID, mode="FULL", avatar_persona={"context_id": ID}, voice_agent={"id": ID}
        ),
        "voice_agent",
        "avatar_persona and voice_agent can't be combined. Leave one of them out.",
    ),
    (
        lambda api: api.sessions.create_token(avatar_id=ID, voice_agent={"id": ID}),
        "voice_agent",
        "Did you mean mode='FULL'?",
    ),
    (
        lambda api: api.sessions.create_token(avatar_id=ID, mode="FULL", voice_agent={"voice_id": ID}),
        "voice_agent.id",
        "voice_agent.id is missing",
    ),
    (
        lambda api: api.sessions.create_token(
            avatar_id=ID, mode="FULL", avatar_persona={}, cartesia_agent_config={"secret_id": ID, "agent_id": "a"}
        ),
        "cartesia_agent_config",
        "Did you mean mode='LITE'?",
    ),
    (
        lambda api: api.avatars.create_from_image("me.jpg", resolution="1081"),
        "resolution",
        "Did you mean '1080'?",
    ),
    (lambda api: api.avatars.create_from_image(b"GIF89a"), "file", "not a JPEG or PNG"),
    (
        lambda api: api.sessions.create_token(avatar_id=ID, avatar_persona={}),
        "avatar_persona",
        "Did you mean mode='FULL'?",
    ),
    (
        lambda api: api.sessions.create_token(
            avatar_id=ID,
            mode="FULL",
            avatar_persona={"context_id": ID, "voice_settings": {"provider": "fish", "speed": 2}},
        ),
        "avatar_persona.voice_settings.speed",
        "Did you mean 1.2?",
    ),
    (
        lambda api: api.sessions.create_token(
            avatar_id=ID,
            mode="FULL",
            avatar_persona={"context_id": ID, "voice_settings": {"provider": "fish", "model": "eleven_flash_v2_5"}},
        ),
        "avatar_persona.voice_settings.model",
        "s1, s2",
    ),
    (
        lambda api: api.sessions.create_token(
            avatar_id=ID, mode="FULL", avatar_persona={"context_id": ID}, dynamic_variables={"a": 1}
        ),
        "dynamic_variables.a",
        "text",
    ),
    (
        lambda api: api.sessions.create_token(
            avatar_id=ID,
            mode="FULL",
            avatar_persona={"context_id": ID},
            dynamic_variables=dict.fromkeys(map(str, range(51)), ""),
        ),
        "dynamic_variables",
        "at most 50",
    ),
    (lambda api: api.sessions.stop(), "session_id", "is missing"),
]


@pytest.mark.parametrize(("call", "field", "told"), WRONG, ids=range(len(WRONG)))
async def test_a_wrong_argument_is_refused_by_name_and_nothing_is_sent(
    call: Wrong, field: str | None, told: str
) -> None:
    async with LiveAvatarAPI("key", api_url="http://127.0.0.1:9") as api:
        with pytest.raises(InvalidArgument) as caught:
            await call(api)
        assert caught.value.field == field
        assert told in str(caught.value)
        assert field is None or field.rpartition(".")[2] in str(caught.value)
        assert api.last is None


def test_the_sync_face_refuses_in_the_same_words() -> None:
    with LiveAvatar("key", api_url="http://127.0.0.1:9") as la:
        for call, field, told in WRONG:
            with pytest.raises(InvalidArgument) as caught:
                call(la.api)
            assert caught.value.field == field
            assert told in str(caught.value)


async def test_a_secret_in_a_wrong_form_is_not_shown() -> None:
    async with LiveAvatarAPI("key", api_url="http://127.0.0.1:9") as api:
        with pytest.raises(InvalidArgument) as caught:
            await api.sessions.create_token(avatar_id=ID, livekit_config=f'{{"token": "{CANARY}"}}')  # type: ignore[arg-type]
        assert CANARY not in str(caught.value)
        for wrong in ([CANARY], {"a": CANARY}, CANARY.encode(), 5_176_281):
            with pytest.raises(InvalidArgument) as caught:
                await api.secrets.create(secret_name="a", secret_value=wrong, secret_type="OPENAI_API_KEY")  # type: ignore[arg-type]
            assert CANARY not in str(caught.value)
            assert "5176281" not in str(caught.value)
        with pytest.raises(InvalidArgument) as caught:
            await api.secrets.create(secret_name="a", secret_value="b", secret_type=Masked(CANARY))  # type: ignore[arg-type]
        assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"mode": "FULL", "avatar_persona": {"language": "de"}}, "never answer"),
        ({"is_sandbox": True}, "sandbox only accepts"),
    ],
)
async def test_what_is_allowed_and_not_meant_is_a_warning_at_the_callers_line(
    simulator: Simulator, fields: dict[str, Any], told: str
) -> None:
    async with LiveAvatarAPI(simulator.api_key, api_url=simulator.url) as api:
        silas = next(avatar for avatar in await api.avatars.public() if avatar.name == "Silas")
        with pytest.warns(LiveAvatarWarning, match=told) as caught:
            made = api.sessions.create_token(avatar_id=silas.id, **fields)
        assert [warning.filename for warning in caught] == [__file__]
        if fields.get("is_sandbox"):
            made.close()
        else:
            assert (await made).session_id


def test_a_warning_of_the_sync_face_is_at_the_callers_line_too(la: LiveAvatar) -> None:
    silas = la.avatars()["Silas"]
    with pytest.warns(LiveAvatarWarning) as caught:
        la.api.sessions.create_token(avatar_id=silas.id, mode="FULL", avatar_persona={})
    assert [warning.filename for warning in caught] == [__file__]


def test_a_warning_of_a_nested_call_is_at_the_line_of_the_handler(la: LiveAvatar) -> None:
    silas = la.avatars()["Silas"]

    async def make() -> None:
        la.api.sessions.create_token(avatar_id=silas.id, mode="FULL", avatar_persona={})

    with pytest.warns(LiveAvatarWarning) as caught:
        bridge.call(make())
    line = make.__code__.co_firstlineno + 1
    assert [(warning.filename, warning.lineno) for warning in caught] == [(__file__, line)]


def test_what_is_warned_of_amid_a_call_is_at_the_callers_line(la: LiveAvatar, simulator: Simulator) -> None:
    la.api.contexts.create(name="Guide", prompt="You guide.", opening_text=None)
    with pytest.warns(LiveAvatarWarning, match="would both answer") as caught:
        la.start("Silas", context="Guide", on_user_text=str.upper).stop()
    assert [warning.filename for warning in caught] == [__file__]
    assert simulator.billed() == []


@pytest.mark.parametrize("how", ["create", "update", "start", "start a new one"])
def test_a_variable_in_its_old_form_is_a_warning_at_the_callers_line(la: LiveAvatar, how: str) -> None:
    old = NewContext("Old", "You guide {{visitor}}.")
    with quietly():
        made = la.api.contexts.create(name="Guide", prompt=old.prompt, opening_text=None)
    calls: dict[str, Callable[[], object]] = {
        "create": lambda: la.api.contexts.create(name="Old", prompt=old.prompt, opening_text=None),
        "update": lambda: la.api.contexts.update(made.id, name="Guide", prompt=".", opening_text="Hello {{visitor}}!"),
        "start": lambda: la.start("Silas", context="Guide").stop(),
        "start a new one": lambda: la.start("Silas", context=old).stop(),
    }
    with pytest.warns(LiveAvatarWarning, match=r"does not fill in \{\{visitor\}\}\. Write \$\{visitor\}") as caught:
        calls[how]()
    assert [warning.filename for warning in caught] == [__file__]


def test_what_a_task_warns_of_is_at_a_line_of_the_users(simulator: Simulator) -> None:
    async def begin() -> None:
        async with AsyncLiveAvatar(simulator.api_key, api_url=simulator.url) as client:
            await client.api.contexts.create(name="Guide", prompt="You guide.", opening_text=None)
            await asyncio.gather(client.start("Silas", context="Guide", on_user_text=str.upper))

    with pytest.warns(LiveAvatarWarning, match="would both answer") as caught:
        asyncio.run(begin())
    assert [warning.filename for warning in caught] == [__file__]


class Whole:
    """A number of another library, as numpy's."""

    def __index__(self) -> int:
        return 7

    def __float__(self) -> float:
        return 7.0


def test_what_means_the_same_is_taken() -> None:
    assert check(Whole(), PageSize, "page_size") == 7
    assert check(20.0, PageSize, "page_size") == 20
    assert check(uuid.UUID(ID), str, "voice_id") == ID
    assert check({"language": "de"}, AvatarPersona, "avatar_persona") == {"language": "de"}
    room = {"livekit_url": "wss://x", "livekit_room": "r", "livekit_client_token": Masked("t")}
    assert check(room, LiveKitConfig, "livekit_config")["livekit_client_token"] == "t"


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["language", "voice_id"]), inner),
    max_leaves=8,
)


@pytest.mark.parametrize("kind", [PageSize, VideoQuality, AvatarPersona, dict[str, str], list[int], str | None, float])
@settings(max_examples=300, deadline=None, database=None, derandomize=True)
@given(value=anything)
def test_anything_at_all_is_taken_or_refused(kind: Any, value: Any) -> None:
    with contextlib.suppress(InvalidArgument):
        check(value, kind, "field")


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda la: la.start("Silas", minutes=5), "start() has no parameter 'minutes'. Did you mean 'max_minutes'?"),
        (lambda la: la.stop_sessions("all"), "stop_sessions(): too many positional arguments."),
        (
            lambda la: la.api.create_streaming_session(token=CANARY),
            "has no parameter 'token'. Did you mean 'livekit_token'?",
        ),
        (lambda la: la.api.sessions.start("id"), "missing a required argument: 'session_token'"),
    ],
)
def test_the_sync_face_refuses_what_it_does_not_take(call: Wrong, told: str) -> None:
    with LiveAvatar("key", api_url="http://127.0.0.1:9") as la, pytest.raises(InvalidArgument) as caught:
        call(la)
    assert told in str(caught.value)
    assert CANARY not in str(caught.value)


NEAREST: list[tuple[Any, dict[str, Any], str, str]] = [
    (NewContext, {"name": "a", "promt": "b"}, "promt", "NewContext() has no parameter 'promt'. Did you mean 'prompt'?"),
    (NewContext, {"name": "a", "prompt": 3}, "prompt", "prompt must be text, not 3."),
    (NewContext, {"name": "a", "prompt": "b", "opening_text": True}, "opening_text", "must be text"),
    (NewContext, {"name": "a", "prompt": "b", "links": {}}, "links", "must be a list"),
    (Room, {"nme": "Hall"}, "nme", "Room() has no parameter 'nme'. Did you mean 'name'?"),
    (
        AsyncRoom,
        {"api_secrt": CANARY},
        "api_secrt",
        "AsyncRoom() has no parameter 'api_secrt'. Did you mean 'api_secret'?",
    ),
    (LiveAvatar, {"api_ky": CANARY}, "api_ky", "LiveAvatar() has no parameter 'api_ky'. Did you mean 'api_key'?"),
    (AsyncLiveAvatar("a-key").start, {"sandbox": True}, "sandbox", "start() has no parameter 'sandbox'"),
]


@pytest.mark.parametrize(("call", "kwargs", "field", "told"), NEAREST)
def test_what_is_misspelt_is_refused_with_the_nearest_name_and_no_secret_in_a_frame(
    call: Any, kwargs: dict[str, Any], field: str, told: str
) -> None:
    with pytest.raises(InvalidArgument, match=re.escape(told)) as caught:
        call(**kwargs)
    assert caught.value.field == field
    # the caller's own frame is theirs
    frames = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)][1:]
    assert frames
    assert not [frame for frame in frames if CANARY in repr(frame.f_locals)]


def test_the_sync_start_names_the_nearest_in_one_frame_of_ours(la: LiveAvatar) -> None:
    with pytest.raises(InvalidArgument, match="Did you mean 'is_sandbox'") as caught:
        la.start("Silas", sandbox=True)  # type: ignore[call-arg]
    assert len(list(traceback.walk_tb(caught.value.__traceback__))) == 2


def test_a_key_as_bytes_is_one(la: LiveAvatar, simulator: Simulator) -> None:
    with LiveAvatar(simulator.api_key.encode(), api_url=simulator.url) as other:  # type: ignore[arg-type]
        assert other.credits() == la.credits()


def test_an_id_stays_one_segment_of_the_path(la: LiveAvatar, simulator: Simulator) -> None:
    with pytest.raises(NotFoundError):
        la.api.voices.get("a?page=1#b c")
    sent = simulator.requests()[-1]
    assert (sent["path"], sent["query"]) == ("/v1/voices/a?page=1#b c", {})
