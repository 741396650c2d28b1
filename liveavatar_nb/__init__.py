"""LiveAvatar's talking avatars in notebooks: an async client, a sync API, widgets and a simulator."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .client import AsyncLiveAvatar as AsyncLiveAvatar
    from .config import Masked as Masked
    from .errors import LiveAvatarException as LiveAvatarException
    from .models.contexts import NewContext as NewContext
    from .protection.orphans import OwnedSession as OwnedSession
    from .protocol.events import Event as Event
    from .rest.api import LiveAvatarAPI as LiveAvatarAPI
    from .rest.retry import APIConnectOptions as APIConnectOptions
    from .rooms.own_room import AsyncRoom as AsyncRoom
    from .session.session import AsyncSession as AsyncSession
    from .session.speech.utterance import AgentState as AgentState
    from .session.speech.utterance import AsyncUtterance as AsyncUtterance
    from .session.speech.utterance import UtteranceState as UtteranceState
    from .session.state import SessionState as SessionState
    from .simulator import Simulator as Simulator
    from .sync.client import LiveAvatar as LiveAvatar
    from .sync.rooms import Room as Room
    from .sync.session import Session as Session
    from .sync.session import Utterance as Utterance
    from .widgets.panel import SessionPanel as SessionPanel
    from .widgets.picker import AvatarPicker as AvatarPicker
    from .widgets.studio import Studio as Studio
    from .widgets.talk import Talk as Talk
    from .widgets.view import LiveView as LiveView
    from .widgets.wire import WireLog as WireLog

__version__ = "0.1.0"

# a plain list, so that tools that import nothing can read it
__all__ = [
    "APIConnectOptions",
    "AgentState",
    "AsyncLiveAvatar",
    "AsyncRoom",
    "AsyncSession",
    "AsyncUtterance",
    "AvatarPicker",
    "Event",
    "LiveAvatar",
    "LiveAvatarAPI",
    "LiveAvatarException",
    "LiveView",
    "Masked",
    "NewContext",
    "OwnedSession",
    "Room",
    "Session",
    "SessionPanel",
    "SessionState",
    "Simulator",
    "Studio",
    "Talk",
    "Utterance",
    "UtteranceState",
    "WireLog",
]

_HOMES = {
    "AgentState": "session.speech.utterance",
    "APIConnectOptions": "rest.retry",
    "AsyncLiveAvatar": "client",
    "AsyncRoom": "rooms.own_room",
    "AsyncSession": "session.session",
    "AsyncUtterance": "session.speech.utterance",
    "AvatarPicker": "widgets.picker",
    "Event": "protocol.events",
    "LiveAvatar": "sync.client",
    "LiveAvatarAPI": "rest.api",
    "LiveAvatarException": "errors",
    "LiveView": "widgets.view",
    "Masked": "config",
    "NewContext": "models.contexts",
    "OwnedSession": "protection.orphans",
    "Room": "sync.rooms",
    "Session": "sync.session",
    "SessionPanel": "widgets.panel",
    "SessionState": "session.state",
    "Simulator": "simulator",
    "Studio": "widgets.studio",
    "Talk": "widgets.talk",
    "Utterance": "sync.session",
    "UtteranceState": "session.speech.utterance",
    "WireLog": "widgets.wire",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    hint = ""
    # `from . import name` asks here before it imports a module of that name
    if importlib.util.find_spec(f"{__name__}.{name}") is None:
        import difflib  # noqa: PLC0415 (only needed for errors)

        near = difflib.get_close_matches(name, _HOMES, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}.{hint}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
