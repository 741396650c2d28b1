"""What a session shares with its client."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..concurrency.clock import CLOCK, Clock
from ..rest.api import LiveAvatarAPI
from .lookup import MadeContext


@dataclass(frozen=True)
class Dependencies:
    """What a session shares with its client.

    Args:
        api: the client's REST API.
        on_change: called on the loop whenever something that is shown has changed.
        clock: the clock to use.
        is_simulated: whether the service ends with this process, and bills nothing.
        allow_unjournaled: whether to start even if the session cannot be recorded or guarded.
        tts: turns text into sound.
        made_context: the context that was made for this session, if any.
    """

    api: LiveAvatarAPI
    on_change: Callable[[], None]
    clock: Clock = CLOCK
    is_simulated: bool = False
    allow_unjournaled: bool = False
    tts: Callable[[str], Any] | None = None
    made_context: MadeContext | None = None
