"""Errors as a panel shows them: what happened, what to do, and a button where one helps."""

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
    """The one problem that a trait shows, until it is dismissed or something else is tried.

    Args:
        link: the tie to the pages.
        trait: its name.
        dismissal: the command by which a page says that the problem was read.
        ignored: a failure that is none here.
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
        """Take the problem away: it was read."""
        self.clear()

    def show(self, failure: BaseException) -> None:
        """Show what went wrong."""
        if self._ignored is None or not isinstance(failure, self._ignored):
            self._kind = type(failure)
            self._link.write(**{self._trait: problem_of(failure)})

    def clear(self) -> None:
        """Show no problem any more."""
        self._kind = None
        self._link.write(**{self._trait: None})

    @contextmanager
    def catch(self) -> Iterator[None]:
        """Show what goes wrong in this block, and nothing that went wrong before."""
        self.clear()
        try:
            yield
        except Exception as failure:
            # what a `tts` raises may be anything, and is the user's to mend
            logger.warning("%s", failure, exc_info=not isinstance(failure, LiveAvatarException))
            self.show(failure)

    def take_back(self, kind: type[BaseException]) -> None:
        """Show no problem of this kind any more."""
        if self._kind is not None and issubclass(self._kind, kind):
            self.clear()


def problem_of(failure: BaseException, severity: Severity = "error") -> Problem:
    """Return the problem that a page shows for `failure`."""
    action = None
    if isinstance(failure, CreditsError):
        action = {"label": "Use the sandbox", "command": "configure", "args": {"is_sandbox": True}}
    elif isinstance(failure, ConcurrencyLimitError) and any(one.whose == "orphan" for one in failure.sessions):
        action = {"label": "Stop what is left over", "command": "stop_orphans", "args": {}}
    return {
        "kind": type(failure).__name__,
        "title": getattr(failure, "title", "Something went wrong here"),
        "detail": getattr(failure, "message", f"{type(failure).__name__}: {failure}"),
        "remedy": getattr(failure, "remedy", "The log has the details."),
        "severity": severity,
        "action": action,
    }
