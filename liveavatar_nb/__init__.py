"""Talking avatars of LiveAvatar in notebooks: an async client, a sync-looking face, widgets, a simulator."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .client import AsyncLiveAvatar
    from .config import Masked
    from .errors import LiveAvatarException
    from .models.contexts import NewContext
    from .protection.orphans import OwnedSession
    from .protocol.events import Event
    from .rest.api import LiveAvatarAPI
    from .rest.retry import APIConnectOptions
    from .rooms.own_room import AsyncRoom
    from .session.lifecycle import AsyncSession
    from .session.options import SessionState
    from .session.speech.utterance import AgentState, AsyncUtterance, UtteranceState
    from .simulator import Simulator
    from .sync.client import LiveAvatar
    from .sync.rooms import Room
    from .sync.session import Session, Utterance
    from .widgets.panel import SessionPanel
    from .widgets.picker import AvatarPicker
    from .widgets.studio import Studio
    from .widgets.talk import Talk
    from .widgets.view import LiveView
    from .widgets.wire import WireLog

__version__ = "0.1.0"

_HOMES = {
    "AgentState": "session.speech.utterance",
    "APIConnectOptions": "rest.retry",
    "AsyncLiveAvatar": "client",
    "AsyncRoom": "rooms.own_room",
    "AsyncSession": "session.lifecycle",
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
    "SessionState": "session.options",
    "Simulator": "simulator",
    "Studio": "widgets.studio",
    "Utterance": "sync.session",
    "UtteranceState": "session.speech.utterance",
    "Talk": "widgets.talk",
    "WireLog": "widgets.wire",
}

__all__ = sorted(_HOMES)  # noqa: PLE0605 (one list for both)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    import difflib  # noqa: PLC0415

    near = difflib.get_close_matches(name, _HOMES, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}.{hint}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
