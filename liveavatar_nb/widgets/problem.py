"""Errors as shown on a page: what happened, what to do and, for some errors, a button that does it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

from ..errors import ConcurrencyLimitError, CreditsError, LiveAvatarException
from .controller import Answer, Controller
from .link import Link

logger = logging.getLogger("liveavatar_nb.widgets")

Problem = dict[str, Any]
Severity = Literal["error", "warning", "info"]


class ShownProblem(Controller):
    """An error that a trait shows on the page until the user dismisses it or the next command clears it.

    Args:
        link: The connection to the pages.
        trait: The trait's name.
        dismissal: The name of the page's command that dismisses the error.
        ignored: The class of errors not to show; None shows every error.
    """

    def __init__(self, link: Link, trait: str, dismissal: str, ignored: type[BaseException] | None = None) -> None:
        self._link = link
        self._trait = trait
        self._dismissal = dismissal
        self._ignored = ignored
        self._kind: type[BaseException] | None = None

    def commands(self) -> Mapping[str, Answer]:
        return {self._dismissal: self.dismiss}

    async def dismiss(self) -> None:
        """Clear the error at the user's request."""
        self.clear()

    def show(self, failure: BaseException) -> None:
        """Show an error."""
        if self._ignored is None or not isinstance(failure, self._ignored):
            self._kind = type(failure)
            self._link.write(**{self._trait: problem_of(failure)})

    def clear(self) -> None:
        """Clear the error."""
        self._kind = None
        self._link.write(**{self._trait: None})

    @contextmanager
    def catch(self) -> Iterator[None]:
        """Clear the previous error, then show any error raised in the `with` block."""
        self.clear()
        try:
            yield
        except Exception as failure:
            # the user's `tts` function may raise any exception, and only the user can fix the cause
            logger.warning("%s", failure, exc_info=not isinstance(failure, LiveAvatarException))
            self.show(failure)

    def take_back(self, kind: type[BaseException]) -> None:
        """Clear the error if it is an instance of `kind`."""
        if self._kind is not None and issubclass(self._kind, kind):
            self.clear()


def problem_of(failure: BaseException, severity: Severity = "error") -> Problem:
    """Return what a page shows about an error."""
    action = None
    if isinstance(failure, CreditsError):
        action = {"label": "Use the sandbox", "command": "configure", "args": {"is_sandbox": True}}
    elif isinstance(failure, ConcurrencyLimitError) and any(session.whose == "orphan" for session in failure.sessions):
        action = {"label": "Stop what is left over", "command": "stop_orphans", "args": {}}
    return {
        "kind": type(failure).__name__,
        "title": getattr(failure, "title", "Something went wrong here"),
        "detail": getattr(failure, "message", f"{type(failure).__name__}: {failure}"),
        "remedy": getattr(failure, "remedy", "The log has the details."),
        "severity": severity,
        "action": action,
    }
