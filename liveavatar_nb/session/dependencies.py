"""What a session has of its client."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..concurrency.clock import CLOCK, Clock
from ..rest.api import LiveAvatarAPI
from .lookup import MadeContext


@dataclass(frozen=True)
class Dependencies:
    """What a session has of its client.

    Args:
        api: the service.
        on_change: called on the loop whenever something that is shown has changed.
        clock: tells the time.
        is_simulated: the service ends with this process, and nothing on it is billed.
        allow_unjournaled: start also where nothing can be written down, or nothing can guard.
        tts: makes sound of text.
        made_context: what was made for this session.
    """

    api: LiveAvatarAPI
    on_change: Callable[[], None]
    clock: Clock = CLOCK
    is_simulated: bool = False
    allow_unjournaled: bool = False
    tts: Callable[[str], Any] | None = None
    made_context: MadeContext | None = None
