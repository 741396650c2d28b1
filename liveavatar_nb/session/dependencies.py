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
        api: The client's REST API.
        on_change: Called on the loop whenever any of the displayed state has changed.
        clock: The clock to use.
        is_simulated: Whether the service is a simulator, which bills nothing and exits with this process.
        allow_unjournaled: Whether to start a session even if it cannot be recorded or guarded.
        tts: The function that turns text into audio, if any.
        made_context: The context that was created for this session, if any.
    """

    api: LiveAvatarAPI
    on_change: Callable[[], None]
    clock: Clock = CLOCK
    is_simulated: bool = False
    allow_unjournaled: bool = False
    tts: Callable[[str], Any] | None = None
    made_context: MadeContext | None = None
