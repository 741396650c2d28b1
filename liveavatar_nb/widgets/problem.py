"""Errors as a panel shows them: what happened, what to do, and a button where one helps."""

from __future__ import annotations

from typing import Any, Literal

from ..errors import ConcurrencyLimitError, CreditsError

Problem = dict[str, Any]
Severity = Literal["error", "warning", "info"]


def problem_of(failure: BaseException, severity: Severity = "error") -> Problem:
    """The problem that a page shows for `failure`."""
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
