"""Shows an utterance's progress as a bar in the cell's output; outside a notebook, shows nothing."""

from __future__ import annotations

import asyncio
import contextlib
import html
import sys
import uuid
from typing import Any

from ...html import LONGEST_NAME, SHADE, SOFT, Markup, clock, cut, text
from .utterance import AsyncUtterance, UtteranceState

INTERVAL = 0.25  # seconds between updates
NAME = 'dir="auto" style="min-width: 0; white-space: nowrap; overflow: hidden; text-overflow: ellipsis"'
BAR = 'style="flex: none; width: 160px; height: 5px; border-radius: 3px; overflow: hidden; background: {}"'
FILL = 'style="display: block; height: 100%; width: {:.0f}%; background: var(--jp-brand-color1, #4f46e5)"'
LINE = 'style="display: flex; align-items: center; gap: 10px; font-variant-numeric: tabular-nums"'
WORDS = {
    UtteranceState.QUEUED: "waits",
    UtteranceState.SENDING: "on its way",
    UtteranceState.TALKING: "talking",
    UtteranceState.ENDED: "said",
    UtteranceState.INTERRUPTED: "interrupted",
    UtteranceState.FAILED: "failed",
}

_showing: set[asyncio.Task[None]] = set()  # strong references, because an event loop does not keep its tasks alive


def is_shown() -> bool:
    """Return whether this code runs in a notebook's kernel."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return getattr(shell, "kernel", None) is not None


async def show_progress(utterance: AsyncUtterance) -> None:
    """Show an utterance's progress until it is over, even if the caller stops waiting sooner."""
    if not is_shown():
        return
    showing = asyncio.create_task(_show(utterance), name="liveavatar_nb progress")
    _showing.add(showing)
    showing.add_done_callback(_showing.discard)
    # interrupting the cell cancels this wait before the utterance is over, but the bar must still show how it ends
    await asyncio.shield(showing)


async def _show(utterance: AsyncUtterance) -> None:
    place = uuid.uuid4().hex
    _publish(utterance, place, update=False)
    shown = _snapshot(utterance)
    while not utterance.state.is_final:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(INTERVAL):
                await utterance.is_over()
        if (now := _snapshot(utterance)) != shown:
            _publish(utterance, place, update=True)
            shown = now


def _snapshot(utterance: AsyncUtterance) -> tuple[Any, ...]:
    return utterance.state, round(utterance.played, 1), utterance.total


def _publish(utterance: AsyncUtterance, place: str, *, update: bool) -> None:
    from IPython.display import publish_display_data  # noqa: PLC0415 (installed, because this runs in IPython's kernel)

    data = {"text/plain": _plain(utterance), "text/html": _html(utterance)}
    publish_display_data(data, transient={"display_id": place}, update=update)  # type: ignore[no-untyped-call]


def _name(utterance: AsyncUtterance) -> str:
    """Return the utterance's name, shortened to a single line because it may be a long text."""
    return cut(" ".join(utterance.name.split()), LONGEST_NAME)


def _times(utterance: AsyncUtterance) -> str:
    played, total = utterance.played, utterance.total
    if total is None or utterance.state is UtteranceState.ENDED:
        return clock(played if total is None else total)
    return f"{clock(played)} / {clock(total)}"


def _plain(utterance: AsyncUtterance) -> str:
    return f"{_name(utterance)}: {_times(utterance)}, {WORDS[utterance.state]}"


def _html(utterance: AsyncUtterance) -> str:
    part = min(1.0, utterance.played / utterance.total) if utterance.total else 0.0
    if utterance.state is UtteranceState.ENDED:
        part = 1.0
    notes = "".join(f'<div style="{SOFT}">{text(note)}</div>' for note in utterance.notes)
    return Markup(
        f"<div {LINE}><span {NAME}>{html.escape(_name(utterance))}</span>"
        f"<span {BAR.format(SHADE)}><span {FILL.format(part * 100)}></span></span>"
        f'<span style="flex: none">{_times(utterance)}</span>'
        f'<span style="flex: none; {SOFT}">{WORDS[utterance.state]}</span></div>{notes}'
    )
