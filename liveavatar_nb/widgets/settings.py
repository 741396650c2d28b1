"""What the next session is started with, as it is set on a page."""

from __future__ import annotations

from typing import Any, Final, get_args

from .. import config
from ..errors import InvalidArgument
from ..models.requests import InteractivityType, Mode, VideoEncoding, VideoQuality
from ..session.options import SessionOptions
from .controller import Controller
from .link import Link
from .problem import ShownProblem

LONGEST_NAME: Final = 200  # characters of an id or a code
LONGEST_VALUE: Final = 1000  # characters of what a context's {{name}} stands for
MOST_VALUES: Final = 50

CHOICES: Final[dict[str, tuple[Any, ...]]] = {
    "mode": get_args(Mode),
    "is_sandbox": (True, False),
    "video_quality": get_args(VideoQuality),
    "video_encoding": get_args(VideoEncoding),
    "interactivity_type": get_args(InteractivityType),
}
TEXTS: Final = ("context_id", "voice_id", "language")
# what both modes are started with
ALWAYS: Final = ("mode", "is_sandbox", "video_quality", "video_encoding", "max_minutes")


class StartSettings(Controller):
    """What the next session is started with.

    Args:
        link: the tie to the pages.
        problem: where one of an earlier choice is shown.
    """

    def __init__(self, link: Link, problem: ShownProblem) -> None:
        self._link = link
        self._problem = problem
        defaults = SessionOptions()
        # the page's commands and the loop go by this; the trait only shows it, and is written later
        self.values: dict[str, Any] = {
            **{name: getattr(defaults, name) for name in CHOICES},
            "max_minutes": link.client.max_minutes,
            "context_id": "",
            "voice_id": "",
            "language": defaults.language,
            "dynamic_variables": {},
        }

    def traits(self) -> dict[str, Any]:
        return {"settings": dict(self.values)}

    async def configure(self, **changes: Any) -> None:
        """Change what the next session is started with.

        Raises:
            InvalidArgument: a setting cannot have such a value, or there is no such setting.
        """
        for name, value in changes.items():
            check_setting(name, value)
        self.set(**changes)
        self._problem.clear()

    def set(self, **changes: Any) -> None:
        """Change some of it, unchecked."""
        self.values.update(changes)
        self._link.write(settings=dict(self.values))


def check_setting(name: str, value: Any) -> None:
    """Refuse a value that a setting cannot have.

    Raises:
        InvalidArgument: it is none, or there is no such setting.
    """
    if name == "max_minutes":
        minutes = value if isinstance(value, int | float) else 0
        if not 0 < minutes <= config.MINUTES_OF_A_DAY:
            raise InvalidArgument(f"The minutes must be above 0 and at most {config.MINUTES_OF_A_DAY}.")
    elif name == "dynamic_variables":
        _check_values(value)
    elif name in TEXTS:
        if not isinstance(value, str) or len(value) > LONGEST_NAME or (name == "language" and not value):
            raise InvalidArgument(f"{name} must be text of at most {LONGEST_NAME} characters.")
    elif value not in CHOICES.get(name, ()):
        raise InvalidArgument(f"{name} cannot be {value!r}.")


def _check_values(values: Any) -> None:
    if not isinstance(values, dict) or len(values) > MOST_VALUES:
        raise InvalidArgument(f"A context has at most {MOST_VALUES} names to fill in.")
    for name, value in values.items():
        if not isinstance(name, str) or not isinstance(value, str) or len(value) > LONGEST_VALUE:
            raise InvalidArgument(f"What {name!r} stands for has at most {LONGEST_VALUE} characters.")
