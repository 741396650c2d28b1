"""`StartSettings`: the settings of the next session, as set on a page."""

from __future__ import annotations

from typing import Any, Final, get_args

from .. import config
from ..errors import InvalidArgument
from ..models.requests import InteractivityType, Mode, VideoEncoding, VideoQuality
from ..session.options import SessionOptions
from .controller import Controller
from .link import Link
from .problem import ShownProblem

LONGEST_NAME: Final = 200  # maximum characters in an id or a language code
LONGEST_VALUE: Final = 1000  # maximum characters in the value of a context's ${variable}
MOST_VALUES: Final = 50

CHOICES: Final[dict[str, tuple[Any, ...]]] = {
    "mode": get_args(Mode),
    "is_sandbox": (True, False),
    "video_quality": get_args(VideoQuality),
    "video_encoding": get_args(VideoEncoding),
    "interactivity_type": get_args(InteractivityType),
}
TEXTS: Final = ("context_id", "voice_id", "language")
# the settings that apply in both modes
ALWAYS: Final = ("mode", "is_sandbox", "video_quality", "video_encoding", "max_minutes")


class StartSettings(Controller):
    """The settings of the next session.

    Args:
        link: The connection to the pages.
        problem: The error message on the page, cleared by each valid change.
    """

    def __init__(self, link: Link, problem: ShownProblem) -> None:
        self._link = link
        self._problem = problem
        defaults = SessionOptions()
        # the authoritative values; the trait is only a copy for the page, and is updated later
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
        """Change settings of the next session.

        Raises:
            InvalidArgument: The setting does not exist, or its value is not allowed.
        """
        for name, value in changes.items():
            check_setting(name, value)
        self.set(**changes)
        self._problem.clear()

    def set(self, **changes: Any) -> None:
        """Change settings without checking them."""
        self.values.update(changes)
        self._link.write(settings=dict(self.values))


def check_setting(name: str, value: Any) -> None:
    """Check the value of a setting.

    Raises:
        InvalidArgument: The setting does not exist, or its value is not allowed.
    """
    if name == "max_minutes":
        minutes = value if isinstance(value, int | float) else 0
        if not 0 < minutes <= config.MINUTES_OF_A_DAY:
            raise InvalidArgument(f"max_minutes must be above 0 and at most {config.MINUTES_OF_A_DAY}, not {value!r}.")
    elif name == "dynamic_variables":
        _check_values(value)
    elif name in TEXTS:
        if not isinstance(value, str) or len(value) > LONGEST_NAME or (name == "language" and not value):
            raise InvalidArgument(f"{name} must be a string of at most {LONGEST_NAME} characters.")
    elif value not in CHOICES.get(name, ()):
        raise InvalidArgument(f"{name} cannot be {value!r}.")


def _check_values(values: Any) -> None:
    if not isinstance(values, dict) or len(values) > MOST_VALUES:
        raise InvalidArgument(f"A context may have at most {MOST_VALUES} variables.")
    for name, value in values.items():
        if not isinstance(name, str) or not isinstance(value, str) or len(value) > LONGEST_VALUE:
            raise InvalidArgument(f"The value of {name!r} may have at most {LONGEST_VALUE} characters.")
