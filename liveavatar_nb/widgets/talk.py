"""`Talk`: ask the avatar questions, make it speak or play sounds, and interrupt it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import traitlets

from ..concurrency.bounded import BoundedDict
from ..errors import InvalidArgument
from ..session.session import AsyncSession
from ..session.state import SessionState
from .base import ControlledWidget
from .channel import Command
from .controller import Answer, Controller
from .link import Link
from .problem import ShownProblem, problem_of
from .shelf import SoundShelf
from .status import ShownSession

SHOWN_UTTERANCES = 30  # maximum number of utterances to show, including queued ones; the oldest are left out
SHOWN_LINES = 200  # maximum number of transcript lines to show; the oldest are left out
LONGEST_TEXT = 2000  # maximum characters in a `say` or `ask` request from the page
LONGEST_SHOWN = 500  # maximum characters to show for one utterance
LONGEST_LINE = 4000  # maximum characters in a transcript line
LINES_INTERVAL = 0.1  # minimum seconds between updates of transcript lines that are still growing
REMEMBERED = 200  # maximum number of utterances whose sounds are remembered


class Talk(ControlledWidget):
    """Controls to ask questions, have text spoken, play sounds and interrupt the avatar, plus the queue and transcript.

    In a conversation (FULL), the avatar answers questions. In LITE mode, it plays sounds: those in `sounds`, those in
    the notebook's folder, and those dropped on the page.

    Args:
        la: The client, a `LiveAvatar`.
        sounds: Paths, file contents as bytes, or (samples, rate) pairs; pass a mapping to name the sounds.
        traits: Any other ipywidgets traits, such as `layout`.

    Raises:
        AudioError: One of the sounds cannot be read.

    Example:
        >>> Talk(la, sounds=["welcome.wav", "goodbye.wav"])
    """

    _COMPONENT = "talk"

    status = traitlets.Dict(allow_none=True, default_value=None).tag(sync=True)
    simulated = traitlets.Bool().tag(sync=True)
    sounds = traitlets.List(traitlets.Dict()).tag(sync=True)
    sound_limits = traitlets.Dict().tag(sync=True)
    speech = traitlets.List(traitlets.Dict()).tag(sync=True)
    transcript = traitlets.List(traitlets.Dict()).tag(sync=True)
    can_say = traitlets.Bool().tag(sync=True)
    talk_problem = traitlets.Dict(allow_none=True, default_value=None).tag(sync=True)

    def __init__(self, la: Any, sounds: Iterable[Any] | Mapping[str, Any] = (), **traits: Any) -> None:
        link = Link(self, la)
        problem = ShownProblem(link, "talk_problem", "dismiss_talk")
        shown = ShownSession(link)
        shelf = SoundShelf(link, problem, sounds)
        speech = Speech(link, shown, shelf, problem)
        super().__init__(link, [shown, speech, shelf, problem], on_failure=problem.show, **traits)


class Speech(Controller):
    """Makes the avatar speak at the user's request, and shows the transcript of both sides.

    Args:
        link: The connection to the pages.
        shown: The session that the pages show.
        shelf: Holds the sounds that can be played.
        problem: Shows why a request for speech failed.
    """

    def __init__(self, link: Link, shown: ShownSession, shelf: SoundShelf, problem: ShownProblem) -> None:
        self._link = link
        self._shown = shown
        self._shelf = shelf
        self._problem = problem
        self._sound_of: BoundedDict[str, str] = BoundedDict(REMEMBERED)
        self._shown_speech: list[dict[str, Any]] = []
        self._order = asyncio.Lock()
        self._lines_due: asyncio.TimerHandle | None = None
        self._lines_at = 0.0
        self._requests: set[asyncio.Task[Any]] = set()

    def traits(self) -> dict[str, Any]:
        return {"can_say": self._link.client.has_tts}

    def commands(self) -> Mapping[str, Answer]:
        return {
            "play": self.play,
            "say": self.say,
            "ask": self.ask,
            "interrupt": self.interrupt,
            "listen": self.start_listening,
            "stop_listening": self.stop_listening,
            "push_to_talk": self.push_to_talk,
        }

    async def play(self, sound: str) -> None:
        """Add a sound to the queue."""
        async with self._in_order():
            offer = self._shelf.find(str(sound))
            speaker = self._speaker()
            utterance = await speaker.play(offer.audio, rate=offer.rate, name=offer.name, wait=False, progress=False)
            self._sound_of[utterance.id] = offer.id
        self.refresh()

    async def say(self, text: str) -> None:
        """Make the avatar say text word for word; in LITE mode, the client's `tts` provides the voice."""
        async with self._in_order():
            text = _checked(text, "say")
            await self._speaker().say(text, wait=False, progress=False)

    async def ask(self, text: str) -> None:
        """Send the avatar a question, or other text, to answer."""
        async with self._in_order():
            text = _checked(text, "ask")
            await self._speaker().ask(text, wait=False)

    async def interrupt(self) -> None:
        """Silence the avatar, clear its queue and cancel requests in progress."""
        for task in self._requests:
            task.cancel()
        self._problem.clear()
        await self._shown.interrupt()

    async def start_listening(self) -> None:
        """Make the avatar assume a listening pose."""
        with self._problem.catch():
            await self._speaker().start_listening()

    async def stop_listening(self) -> None:
        """End the avatar's listening pose."""
        with self._problem.catch():
            await self._speaker().stop_listening()

    async def push_to_talk(self, on: bool) -> None:
        """Begin or end the user's turn to speak."""
        with self._problem.catch():
            session = self._speaker()
            await (session.start_push_to_talk() if on else session.stop_push_to_talk())

    def welcome(self, command: Command) -> None:
        # a new page needs the utterances even if they have not changed
        self._shown_speech = []

    def refresh(self) -> None:
        session = self._shown.session
        utterances = [] if session is None else session.utterances[-SHOWN_UTTERANCES:]
        speech = [self._utterance(utterance) for utterance in utterances]
        # ignore the time played, which the page keeps up to date by itself
        if [entry | {"played": 0} for entry in speech] != [entry | {"played": 0} for entry in self._shown_speech]:
            self._shown_speech = speech
            self._link.write(speech=speech)
        self._show_lines()

    def _speaker(self) -> AsyncSession:
        session = self._shown.session
        if session is None or session.state is not SessionState.CONNECTED:
            raise InvalidArgument("No session is live.", remedy="Start one first.")
        return session

    @asynccontextmanager
    async def _in_order(self) -> AsyncIterator[None]:
        """Run the `with` block after the blocks of all earlier requests.

        An interruption cancels every request that is running or waiting.
        """
        task = asyncio.current_task()
        assert task is not None
        self._requests.add(task)
        try:
            with self._problem.catch():
                async with self._order:
                    yield
        finally:
            self._requests.discard(task)

    def _show_lines(self) -> None:
        """Show the transcript; while a line is growing, update it at intervals, not word by word."""
        now, loop, is_closed = time.monotonic(), _running_loop(), self._link.client.is_closed
        # do not rely on a pending update: if the client is closed, its loop may be gone
        if self._lines_due is not None and self._lines_due.when() > now and not is_closed:
            return
        if now - self._lines_at < LINES_INTERVAL and loop is not None and not is_closed:
            self._lines_due = loop.call_later(LINES_INTERVAL, self._write_lines)
        else:
            self._write_lines()

    def _write_lines(self) -> None:
        self._lines_due, self._lines_at = None, time.monotonic()
        session = self._shown.session
        lines = [] if session is None else session.transcript[-SHOWN_LINES:]
        self._link.write(
            transcript=[
                {"role": line.role, "text": shortened(line.transcript, LONGEST_LINE), "partial": line.partial}
                for line in lines
            ]
        )

    def _utterance(self, utterance: Any) -> dict[str, Any]:
        """Return what a page shows about an utterance."""
        text, error = utterance.text, utterance.error
        return {
            "id": utterance.id,
            "sound": self._sound_of.get(utterance.id),
            "name": utterance.name,
            "text": None if text is None else shortened(text),
            "state": str(utterance.state),
            "total": utterance.total,
            "played": utterance.played,
            "notes": list(utterance.notes),
            "problem": None if error is None else problem_of(error),
        }


def shortened(text: str, most: int = LONGEST_SHOWN) -> str:
    """Shorten text for display."""
    return text if len(text) <= most else f"{text[:most].rstrip()}…"


def _checked(text: str, verb: str) -> str:
    text = str(text).strip()
    if not text or len(text) > LONGEST_TEXT:
        raise InvalidArgument(
            f"Text to {verb} must have 1 to {LONGEST_TEXT} characters, not {len(text)}.",
            remedy=f"Split the text, or call s.{verb}(text) in a cell.",
        )
    return text


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
