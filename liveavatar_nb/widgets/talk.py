"""`Talk`: what a session can be told: questions, words, sounds, and silence at once."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import traitlets

from ..client import AsyncLiveAvatar
from ..concurrency.bounded import Newest
from ..concurrency.threads import on_own_thread
from ..concurrency.worker import worker
from ..errors import InvalidArgument, LiveAvatarException
from ..session.options import SessionState
from ..session.session import AsyncSession
from .base import asset
from .problem import Problem, problem_of
from .sounds import DROPPED_LIMIT, PART_BYTES, Sounds, endings
from .status import SessionView

logger = logging.getLogger("liveavatar_nb.widgets")

SHOWN_UTTERANCES = 30  # the newest, those that wait among them
SHOWN_LINES = 200  # the newest of the transcript
LONGEST_TEXT = 2000  # characters of a text that is said, or asked, by a click
LONGEST_SHOWN = 500  # characters of an utterance's text that a page shows
LONGEST_LINE = 4000  # characters of a line of the transcript
LINES_INTERVAL = 0.1  # s between two messages with lines that grow
REMEMBERED = 200  # utterances of which it is known which sound they came from


class Talk(SessionView):
    """Ask, say, play sounds, interrupt; see what is said, what waits, and what was said on both sides.

    A conversation (FULL) answers what it is asked; LITE plays sounds: of `sounds`, of the notebook's folder, or dropped
    on the page.

    Args:
        la: the client, a `LiveAvatar`.
        sounds: sounds on offer: paths, bytes of files, or pairs of samples and their rate; a mapping names them.
        traits: of ipywidgets' DOM widgets, `layout` for one.

    Raises:
        AudioError: one of the sounds cannot be read.

    Example:
        >>> Talk(la, sounds=["welcome.wav", "goodbye.wav"])
    """

    _esm = asset("talk.js")

    sounds = traitlets.List(traitlets.Dict()).tag(sync=True)
    sound_limits = traitlets.Dict().tag(sync=True)
    speech = traitlets.List(traitlets.Dict()).tag(sync=True)
    transcript = traitlets.List(traitlets.Dict()).tag(sync=True)
    can_say = traitlets.Bool().tag(sync=True)
    talk_problem = traitlets.Dict(allow_none=True, default_value=None).tag(sync=True)

    def __init__(self, la: Any, sounds: Iterable[Any] | Mapping[str, Any] = (), **traits: Any) -> None:
        self._shelf = Sounds(sounds)
        self._sound_of: Newest[str, str] = Newest(REMEMBERED)
        self._told: list[dict[str, Any]] = []
        self._taking_in = asyncio.Lock()
        self._order = asyncio.Lock()
        self._lines_due: asyncio.TimerHandle | None = None
        self._lines_at = 0.0
        self._asked: set[asyncio.Task[Any]] = set()
        client = getattr(la, "_inner", None)
        super().__init__(
            la,
            sounds=self._offers(),
            sound_limits={"endings": list(endings()), "bytes": DROPPED_LIMIT, "part": PART_BYTES},
            can_say=isinstance(client, AsyncLiveAvatar) and client.has_tts,
            **traits,
        )

    def close(self) -> None:
        """Takes the widget from the page, and forgets the sounds that were dropped on it."""
        super().close()
        # ipywidgets calls this for a widget, too, that was refused before it was made
        if hasattr(self, "_shelf"):
            self._shelf.clear()

    # commands

    async def do_play(self, sound: str) -> None:
        """Has a sound said, behind those that wait."""
        async with self._asking():
            offer = self._shelf.find(str(sound))
            speaker = self._speaker()
            utterance = await speaker.play(offer.audio, rate=offer.rate, name=offer.name, wait=False, progress=False)
            self._sound_of[utterance.id] = offer.id
        self._client_changed()

    async def do_say(self, text: str) -> None:
        """Has a text said word for word; in LITE by the client's `tts`."""
        async with self._asking():
            text = _checked(text, "say")
            await self._speaker().say(text, wait=False, progress=False)

    async def do_ask(self, text: str) -> None:
        """Has a text answered."""
        async with self._asking():
            text = _checked(text, "ask")
            await self._speaker().ask(text, wait=False)

    async def do_interrupt(self) -> None:
        """Hushes the avatar; what waits to be said is dropped, also what is still being opened."""
        for task in self._asked:
            task.cancel()
        self._write(talk_problem=None)
        await super().do_interrupt()

    async def do_listen(self) -> None:
        """Has the avatar look as if it listens."""
        with self._telling():
            await self._speaker().start_listening()

    async def do_stop_listening(self) -> None:
        """Has it look at rest again."""
        with self._telling():
            await self._speaker().stop_listening()

    async def do_push_to_talk(self, on: bool) -> None:
        """The user's turn begins, or is over."""
        with self._telling():
            session = self._speaker()
            await (session.start_push_to_talk() if on else session.stop_push_to_talk())

    async def do_sounds(self) -> None:
        """The page shows the sounds: the folder is looked at again."""
        await on_own_thread(self._shelf.look)
        self._write(sounds=self._offers())

    async def do_add_sound(self, upload: str, name: str, part: int, parts: int, data: str) -> None:
        """Takes in a part of a file that was dropped."""
        upload = str(upload)
        is_over = True
        async with self._taking_in:
            try:
                with self._telling():
                    is_over = await on_own_thread(
                        lambda: self._shelf.receive(upload, str(name), int(part), int(parts), str(data))
                    )
            finally:
                if is_over:
                    self._write(sounds=self._offers())
                    worker.post(lambda: self.send({"type": "upload", "upload": upload}))

    async def do_cancel_upload(self, upload: str) -> None:
        """The page sends no more of it."""
        self._shelf.give_up(str(upload))

    async def do_remove_sound(self, sound: str) -> None:
        """Takes a dropped sound from the list."""
        self._shelf.remove(str(sound))
        self._write(sounds=self._offers(), talk_problem=None)

    async def do_dismiss_talk(self) -> None:
        """The problem was read."""
        self._write(talk_problem=None)

    async def do_ready(self) -> None:
        """A view has connected and asks for what is true now."""
        self._told = []
        await super().do_ready()

    # what is shown

    def _speaker(self) -> AsyncSession:
        session = self._shown
        if session is None or session.state is not SessionState.CONNECTED:
            raise InvalidArgument("No session is live.", remedy="Start one first.")
        return session

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[None]:
        """What is asked for is done in order; an interruption ends it."""
        task = asyncio.current_task()
        assert task is not None
        self._asked.add(task)
        try:
            with self._telling():
                async with self._order:
                    yield
        finally:
            self._asked.discard(task)

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """What goes wrong with speech is told where one speaks."""
        self._write(talk_problem=None)
        try:
            yield
        except Exception as failure:
            # what a `tts` raises may be anything, and is the user's to mend
            logger.warning("%s", failure, exc_info=not isinstance(failure, LiveAvatarException))
            self._tell(failure)

    def _tell(self, failure: BaseException) -> None:
        self._write(talk_problem=problem_of(failure))

    def _show(self, failure: BaseException) -> None:
        self._tell(failure)

    async def _load(self) -> None:
        # a folder of many sounds holds nothing else up
        self._submit(self.do_sounds(), "the sounds")
        await super()._load()

    def _client_changed(self) -> None:
        super()._client_changed()
        session = self._shown
        told = [] if session is None else [self._utterance(one) for one in session.utterances[-SHOWN_UTTERANCES:]]
        # while it talks the page counts on by itself
        if [one | {"played": 0} for one in told] != [one | {"played": 0} for one in self._told]:
            self._told = told
            self._write(speech=told)
        self._show_lines()

    def _show_lines(self) -> None:
        """Shows the transcript; lines that grow are not sent with each of their words."""
        now, loop = time.monotonic(), _running_loop()
        # the loop that was to write them may be gone
        if self._lines_due is not None and self._lines_due.when() > now and not self._client.is_closed:
            return
        if now - self._lines_at < LINES_INTERVAL and loop is not None and not self._client.is_closed:
            self._lines_due = loop.call_later(LINES_INTERVAL, self._write_lines)
        else:
            self._write_lines()

    def _write_lines(self) -> None:
        self._lines_due, self._lines_at = None, time.monotonic()
        session = self._shown
        lines = [] if session is None else session.transcript[-SHOWN_LINES:]
        self._write(
            transcript=[
                {"role": one.role, "text": shortened(one.transcript, LONGEST_LINE), "partial": one.partial}
                for one in lines
            ]
        )

    def _utterance(self, utterance: Any) -> dict[str, Any]:
        """What a page shows of one."""
        text, error = utterance.text, utterance.error
        problem: Problem | None = None if error is None else problem_of(error)
        return {
            "id": utterance.id,
            "sound": self._sound_of.get(utterance.id),
            "name": utterance.name,
            "text": None if text is None else shortened(text),
            "state": str(utterance.state),
            "total": utterance.total,
            "played": utterance.played,
            "notes": list(utterance.notes),
            "problem": problem,
        }

    def _offers(self) -> list[dict[str, Any]]:
        return [
            {"id": offer.id, "name": offer.name, "origin": offer.origin, "seconds": offer.seconds}
            for offer in self._shelf
        ]


def shortened(text: str, most: int = LONGEST_SHOWN) -> str:
    """A text as a page shows it."""
    return text if len(text) <= most else f"{text[:most].rstrip()}…"


def _checked(text: str, what: str) -> str:
    text = str(text).strip()
    if not text or len(text) > LONGEST_TEXT:
        raise InvalidArgument(
            f"A text to {what} has 1 to {LONGEST_TEXT} characters, this one {len(text)}.",
            remedy=f"Give it in parts, or by s.{what}(text) in a cell.",
        )
    return text


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
