"""The two faces have the same names and parameters, and a type checker sees exact results on the sync one."""

from __future__ import annotations

import inspect
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Literal, assert_type

import pytest

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
from liveavatar_nb.bridge.wrappers import reading
from liveavatar_nb.models.avatars import Avatar
from liveavatar_nb.models.contexts import ContextDetail
from liveavatar_nb.models.voices import Voice
from liveavatar_nb.protection.orphans import OwnedSession
from liveavatar_nb.rest import operation
from liveavatar_nb.rest.resources.sessions import Sessions
from liveavatar_nb.sync import api
from liveavatar_nb.sync.listing import Rows

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


def public(face: type) -> set[str]:
    return {name for name in dir(face) if not name.startswith("_")}


@pytest.mark.parametrize(("awaited", "sync"), FACES)
def test_both_faces_have_the_same_names(awaited: type, sync: type) -> None:
    assert public(awaited) - ASYNC_ONLY.get(awaited, set()) == public(sync) - SYNC_ONLY.get(sync, set())


@pytest.mark.parametrize(("awaited", "sync"), FACES)
def test_each_name_has_the_same_parameters_and_docstring_on_both(awaited: type, sync: type) -> None:
    assert inspect.getdoc(sync)
    for name in public(awaited) & public(sync) - SYNC_ONLY.get(sync, set()):
        ours, theirs = inspect.getattr_static(sync, name), inspect.getattr_static(awaited, name)
        assert inspect.getdoc(ours), f"{sync.__name__}.{name} has no docstring"
        assert ours.__doc__ == theirs.__doc__, name
        if isinstance(theirs, property):
            assert isinstance(ours, reading | property), name
        else:
            assert inspect.signature(ours).parameters == inspect.signature(theirs).parameters, name


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
    """Not run: mypy --strict, which the gate runs over this file, must agree with each line."""
    session = la.start("Silas", is_sandbox=True)
    assert_type(session, Session)
    assert_type(session.id, str | None)
    assert_type(session.state, SessionState)
    assert_type(session.elapsed, float)
    assert_type(session.stop(), None)
    assert_type(session.play("hello.wav"), Utterance)
    assert_type(session.utterance, Utterance | None)
    assert_type(session.wait_for("speak_ended", timeout=3).type, str)
    assert_type(la.credits(), Decimal)
    assert_type(la.avatars("mine"), Rows[Avatar])
    assert_type(la.avatars()[0], Avatar)
    assert_type(la.sessions(active=False)[0], OwnedSession)
    assert_type(la.session, Session | None)
    assert_type(la.api.contexts.create(name="a", prompt="b", opening_text=None), ContextDetail)
    assert_type(la.api.voices.list(voice_type="public"), Rows[Voice])
    assert_type(la.api.voices.delete("id"), None)
    assert_type([event.type for event in session.events()], list[str])
    with la, la.start("Silas") as inner:
        assert_type(inner, Session)
    with Room.from_env() as room, la.start("Silas", room=room) as inner:
        assert_type(room.wait_for_participant().identity, str)
        assert_type([change.what for change in room.watch()], list[Literal["joined", "left"]])
        assert_type(room.guest_token("Ann"), str)


WRONG = """
from liveavatar_nb import LiveAvatar
la = LiveAvatar("key")
la.start("Silas", sandbox=True)
la.start("Silas", video_quality="best")
x: int = la.credits()
la.start("Silas").stop(1)
la.api.voices.list(voice_type="loud")
la.api.contexts.create(name="a", prompt="b")
"""


def test_mypy_refuses_what_the_sync_face_does_not_have(tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(WRONG)
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), "wrong.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=110, check=False)
    lines = [line.split(":")[1] for line in done.stdout.splitlines() if ": error:" in line]
    assert lines == ["4", "5", "6", "7", "8", "9"], done.stdout
