"""The two APIs have the same names and parameters, and type checkers see exact results on the sync one."""

from __future__ import annotations

import inspect
import pydoc
from decimal import Decimal
from typing import Any, Literal, assert_type

import pytest
from IPython.core.completer import IPCompleter, provisionalcompleter

from liveavatar_nb import (
    AsyncLiveAvatar,
    AsyncRoom,
    AsyncSession,
    AsyncUtterance,
    LiveAvatar,
    LiveAvatarAPI,
    Room,
    Session,
    SessionState,
    Utterance,
)
from liveavatar_nb.bridge.wrappers import Reading
from liveavatar_nb.models.avatars import Avatar
from liveavatar_nb.models.contexts import ContextDetail
from liveavatar_nb.models.voice_agents import VoiceAgentListItem
from liveavatar_nb.models.voices import Voice
from liveavatar_nb.protection.orphans import OwnedSession
from liveavatar_nb.rest import operation
from liveavatar_nb.rest.resources.sessions import Sessions
from liveavatar_nb.session.options import SessionOptions
from liveavatar_nb.session.speech.utterance import AgentState, UtteranceState
from liveavatar_nb.sync import api
from liveavatar_nb.sync.listing import Rows
from liveavatar_nb.wirelog.exchange import Exchange
from liveavatar_nb.wirelog.log import Wire

SYNC_ONLY = {
    LiveAvatar: {"close", "demo", "studio"},
    Room: {"close", "from_env"},
    Session: {"view"},
    Utterance: set(),
}
ASYNC_ONLY = {
    AsyncRoom: {"aclose", "admit", "from_env", "let_in", "tenants", "viewer"},
    AsyncLiveAvatar: {
        "aclose",
        "adopt",
        "cancel_starts",
        "close_without_loop",
        "demo",
        "expect_start",
        "is_simulated",
        "leave_to_guard",
        "live_elsewhere",
        "stop_all_without_loop",
        "stop_without_loop",
        "take_over",
        "watch",
    },
    AsyncSession: {
        "beat",
        "belong_to",
        "is_of_this_process",
        "is_pursued",
        "is_watched",
        "leave",
        "open",
        "retire",
        "room",
        "stop_without_loop",
        "stopwatch",
    },
    AsyncUtterance: {
        "age",
        "begin",
        "complete",
        "finish",
        "give_way",
        "has_begun",
        "hear",
        "is_complete",
        "is_open",
        "is_over",
        "is_over_within",
        "open",
        "sent",
        "start",
    },
    LiveAvatarAPI: {"aclose"},
    Sessions: {"send_start"},
}
RESOURCES = [(kind, getattr(api, kind.__name__)) for kind in operation.Resource.__subclasses__()]
FACES: list[tuple[type, type]] = [
    (AsyncLiveAvatar, LiveAvatar),
    (AsyncRoom, Room),
    (AsyncSession, Session),
    (AsyncUtterance, Utterance),
    (LiveAvatarAPI, api.API),
    *RESOURCES,
]


class Echo:
    """Has every attribute: its name."""

    def __getattr__(self, name: str) -> str:
        return name


def public(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


@pytest.mark.parametrize(("awaited", "sync"), FACES)
def test_both_apis_have_the_same_names(awaited: type, sync: type) -> None:
    assert public(awaited) - ASYNC_ONLY.get(awaited, set()) == public(sync) - SYNC_ONLY.get(sync, set())


@pytest.mark.parametrize(("awaited", "sync"), FACES)
def test_each_name_has_the_same_parameters_and_docstring_on_both(awaited: type, sync: type) -> None:
    assert inspect.getdoc(sync)
    for name in public(awaited) & public(sync) - SYNC_ONLY.get(sync, set()):
        ours, theirs = inspect.getattr_static(sync, name), inspect.getattr_static(awaited, name)
        assert inspect.getdoc(ours), f"{sync.__name__}.{name} has no docstring"
        assert ours.__doc__ == theirs.__doc__, name
        if isinstance(theirs, property):
            assert isinstance(ours, Reading | property), name
        else:
            assert inspect.signature(ours).parameters == inspect.signature(theirs).parameters, name


@pytest.mark.parametrize("sync", [sync for _, sync in FACES])
def test_a_property_reads_the_one_of_its_name_and_is_read_only(sync: type) -> None:
    wrapped: Any = object.__new__(sync)
    wrapped._inner = Echo()
    for name in [name for name, member in vars(sync).items() if isinstance(member, Reading)]:
        assert getattr(wrapped, name) == name
        with pytest.raises(AttributeError, match=name):
            setattr(wrapped, name, 1)


def test_help_lists_properties_with_their_docstrings() -> None:
    shown = pydoc.plain(pydoc.render_doc(Session))
    assert f" |  elapsed\n |      {inspect.getdoc(AsyncSession.elapsed)}\n" in shown


def test_a_cell_completes_what_follows_a_property() -> None:
    with LiveAvatar("key") as la, provisionalcompleter():
        untyped: Any = IPCompleter
        completer = untyped(namespace={"la": la}, use_jedi=False)
        assert ".to_dict" in [found.text for found in completer.completions("la.wire.to_", 11)]


def test_both_are_made_of_the_same_parameters() -> None:
    assert inspect.signature(LiveAvatar.__init__).parameters == inspect.signature(AsyncLiveAvatar.__init__).parameters


def test_rooms_are_made_of_the_same_parameters() -> None:
    assert inspect.signature(Room.__init__).parameters == inspect.signature(AsyncRoom.__init__).parameters
    assert inspect.signature(Room.from_env) == inspect.signature(AsyncRoom.from_env)
    assert inspect.getdoc(Room.from_env) == inspect.getdoc(AsyncRoom.from_env)


def test_the_signature_shows_the_sync_result() -> None:
    assert inspect.signature(LiveAvatar.start).return_annotation == "Session"
    assert inspect.signature(LiveAvatar.avatars).return_annotation == "Rows"


def exact(la: LiveAvatar) -> None:
    """Not run: mypy --strict and basedpyright, which the gate runs over this file, must agree with each line."""
    session = la.start("Silas", is_sandbox=True)
    assert_type(session, Session)
    assert_type(session.id, str | None)
    assert_type(session.state, SessionState)
    assert_type(session.elapsed, float)
    assert_type(session.agent_state, AgentState)
    assert_type(session.options, SessionOptions)
    assert_type(Session.elapsed, Reading[AsyncSession, float])
    assert_type(session.stop(), None)
    assert_type(session.play("hello.wav"), Utterance)
    assert_type(session.utterance, Utterance | None)
    assert_type(session.play("hello.wav").state, UtteranceState)
    assert_type(session.wait_for("speak_ended", timeout=3).type, str)
    assert_type(la.credits(), Decimal)
    assert_type(la.avatars("mine"), Rows[Avatar])
    assert_type(la.avatars()[0], Avatar)
    assert_type(la.sessions(active=False)[0], OwnedSession)
    assert_type(la.session, Session | None)
    assert_type(la.base_url, str)
    assert_type(la.wire, Wire)
    assert_type(la.api.last, Exchange | None)
    assert_type(la.api.contexts.create(name="a", prompt="b", opening_text=None), ContextDetail)
    assert_type(la.api.voices.list(voice_type="public"), Rows[Voice])
    assert_type(la.api.voices.delete("id"), None)
    assert_type(la.api.avatars.create_from_image("me.jpg", resolution="1080"), Avatar)
    assert_type(la.api.avatars.wait_until_active("id", on_progress=print), Avatar)
    assert_type(la.api.voice_agents.list()[0], VoiceAgentListItem)
    assert_type(la.api.voice_agents.get("id").agent_configuration, dict[str, Any])
    la.api.sessions.create_token(avatar_id="id", mode="FULL", voice_agent={"id": "agent", "voice_id": "other"})
    la.api.secrets.create(secret_name="a", secret_value="b", secret_type="CARTESIA_API_KEY")
    assert_type([event.type for event in session.events()], list[str])
    with la, la.start("Silas") as inner:
        assert_type(inner, Session)
    with Room.from_env() as room, la.start("Silas", room=room) as inner:
        assert_type(room.name, str)
        assert_type(room.wait_for_participant().identity, str)
        for change in room.watch():
            assert_type(change.what, Literal["joined", "left"])
        assert_type(room.guest_token("Ann"), str)


def refused(la: LiveAvatar) -> None:
    """Not run: the two checkers, which the gate runs over this file, must refuse each line.

    An ignored error that a checker does not find is an error itself.
    """
    la.start("Silas", sandbox=True)  # type: ignore[call-arg]
    la.start("Silas", video_quality="best")  # type: ignore[arg-type]
    _: int = la.credits()  # type: ignore[assignment]
    la.start("Silas").stop(1)  # type: ignore[call-arg]
    la.api.voices.list(voice_type="loud")  # type: ignore[arg-type]
    la.api.avatars.create_from_image(3)  # type: ignore[arg-type]
    la.api.avatars.create_from_image("me.jpg", resolution=1080)  # type: ignore[arg-type]
    la.api.contexts.create(name="a", prompt="b")  # type: ignore[call-arg]
    la.base_url = "https://example.org"  # type: ignore[assignment]
