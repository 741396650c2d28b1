"""`Dependencies`: the objects and settings that a session shares with its client."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..concurrency.clock import CLOCK, Clock
from ..rest.api import LiveAvatarAPI
from .lookup import MadeContext


@dataclass(frozen=True)
class Dependencies:
    """The objects and settings that a session shares with its client.

    Args:
        api: the client's REST API.
        on_change: called on the loop whenever any displayed state has changed.
        clock: the clock to use.
        is_simulated: whether the service is a simulator, which bills nothing and ends with this process.
        allow_unjournaled: whether to start even if the session cannot be recorded or guarded.
        tts: turns text into audio.
        made_context: the context that was created for this session, if any.
    """

    api: LiveAvatarAPI
    on_change: Callable[[], None]
    clock: Clock = CLOCK
    is_simulated: bool = False
    allow_unjournaled: bool = False
    tts: Callable[[str], Any] | None = None
    made_context: MadeContext | None = None
