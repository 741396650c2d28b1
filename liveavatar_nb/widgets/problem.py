"""Errors as a page shows them: what happened, what to do, and a button if one helps."""

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
    """A problem shown through a trait until it is dismissed or the next command clears it.

    Args:
        link: The connection to the pages.
        trait: The trait's name.
        dismissal: The command with which a page dismisses the problem.
        ignored: A class of errors that are not shown.
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
        """Clear the problem because the user dismissed it."""
        self.clear()

    def show(self, failure: BaseException) -> None:
        """Show an error."""
        if self._ignored is None or not isinstance(failure, self._ignored):
            self._kind = type(failure)
            self._link.write(**{self._trait: problem_of(failure)})

    def clear(self) -> None:
        """Clear the problem."""
        self._kind = None
        self._link.write(**{self._trait: None})

    @contextmanager
    def catch(self) -> Iterator[None]:
        """Clear the problem, then show any error raised in this block."""
        self.clear()
        try:
            yield
        except Exception as failure:
            # the user's `tts` may raise anything, and only the user can fix that
            logger.warning("%s", failure, exc_info=not isinstance(failure, LiveAvatarException))
            self.show(failure)

    def take_back(self, kind: type[BaseException]) -> None:
        """Clear the problem if it is of this kind."""
        if self._kind is not None and issubclass(self._kind, kind):
            self.clear()


def problem_of(failure: BaseException, severity: Severity = "error") -> Problem:
    """Return the problem that a page shows for an error."""
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
