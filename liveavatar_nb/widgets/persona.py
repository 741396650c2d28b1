"""`Persona`: the context, voice and language for a conversation, picked and edited on a page."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final

from ..concurrency.bounded import BoundedDict
from ..errors import InvalidArgument, LiveAvatarException
from ..models.contexts import ContextDetail, NewContext, variables_in
from ..models.requests import PAGE_SIZE_LIMIT
from .controller import Answer, Controller
from .link import Link
from .problem import Problem, problem_of
from .settings import ALWAYS, StartSettings

logger = logging.getLogger("liveavatar_nb.widgets")

NEW: Final = "new"  # the id that pages use for a new context, which is created only when the next session starts
LONGEST_CONTEXT_NAME: Final = 200  # characters
LONGEST_PROMPT: Final = 100_000  # characters
LONGEST_OPENING: Final = 10_000  # characters
KEPT_PREVIEWS: Final = 32  # voice previews


class Persona(Controller):
    """Lists contexts, voices and languages, and remembers those picked for the next conversation.

    Args:
        link: The connection to the pages.
        settings: The settings of the next session.
    """

    def __init__(self, link: Link, settings: StartSettings) -> None:
        self._link = link
        self._settings = settings
        self._listed: dict[str, list[dict[str, Any]]] = {"contexts": [], "voices": [], "languages": []}
        self._state = "none"
        self._new: NewContext | None = None
        self._detail: ContextDetail | None = None
        self._previews: BoundedDict[str, tuple[str, bytes]] = BoundedDict(KEPT_PREVIEWS)

    def traits(self) -> dict[str, Any]:
        return {"persona": self._shown()}

    def commands(self) -> Mapping[str, Answer]:
        return {
            "persona": self.fetch,
            "pick_context": self.pick_context,
            "new_context": self.keep_new_context,
            "update_context": self.update_context,
            "voice": self.send_voice,
        }

    async def fetch(self) -> None:
        """Fetch the contexts, voices and languages, and show them."""
        if self._state == "loading":
            return
        self._write_persona("loading")
        api = self._link.client.api
        try:
            contexts, voices, languages = await asyncio.gather(
                api.contexts.list(page_size=PAGE_SIZE_LIMIT),
                api.voices.list(page_size=PAGE_SIZE_LIMIT),
                api.languages.list(),
            )
        except LiveAvatarException as failure:
            logger.warning("cannot read contexts, voices and languages: %s", failure.message)
            self._write_persona("failed", problem_of(failure))
            return
        except BaseException:
            self._write_persona("failed")
            raise
        self._listed = {
            "contexts": [{"id": context.id, "name": context.name, "is_new": False} for context in contexts],
            "voices": [
                {"id": voice.id, "name": voice.name, "language": voice.language, "gender": voice.gender}
                for voice in voices
            ],
            "languages": [{"code": language.code, "name": language.language} for language in languages],
        }
        self._write_persona("ready")

    async def pick_context(self, context_id: str) -> None:
        """Pick a context ("" for none), fetch it, and show it."""
        context_id = str(context_id)
        if context_id == NEW and self._new is None:
            raise InvalidArgument("There is no new context.", remedy="Create one first.")
        await self._settings.configure(context_id=context_id)
        self._detail = None
        self._link.write(context=self._new_detail() if context_id == NEW else None)
        if context_id in ("", NEW):
            return
        try:
            detail = await self._link.client.api.contexts.get(context_id)
        except LiveAvatarException:
            # deselect the context: the page reports no clicks on a context that is already selected
            if self._settings.values["context_id"] == context_id:
                self._settings.set(context_id="")
            raise
        # another context may have been picked in the meantime
        if self._settings.values["context_id"] == context_id:
            self._write_context(detail)

    async def keep_new_context(self, name: str, prompt: str, opening_text: str = "") -> None:
        """Pick a new context, which is created when the next session starts and deleted when that session ends."""
        self._new = _new_context(name, prompt, opening_text)
        self._write_persona(self._state)
        await self.pick_context(NEW)

    async def update_context(self, context_id: str, prompt: str, opening_text: str = "") -> None:
        """Update a context.

        If the context is new and has not been created yet, only the widget's copy changes; otherwise, this calls
        `PATCH /v1/contexts/{context_id}`.
        """
        if context_id == NEW and self._new is not None:
            await self.keep_new_context(self._new.name, prompt, opening_text)
            return
        edited = _new_context("as it is", prompt, opening_text)
        api = self._link.client.api.contexts
        before = await api.get(str(context_id))
        links = [{"url": link.url, "faq": link.faq, "id": link.id} for link in before.links or ()]
        detail = await api.update(
            before.id,
            name=before.name,
            prompt=edited.prompt,
            opening_text=edited.opening_text,
            links=links or None,  # type: ignore[arg-type]  # plain dicts of the right shape
        )
        if self._settings.values["context_id"] == context_id:
            self._write_context(detail)

    async def send_voice(self, voice_id: str) -> None:
        """Send a voice's preview to the pages (`GET /v1/voices/{voice_id}/preview`)."""
        voice_id = str(voice_id)
        found = self._previews.get(voice_id)
        if found is None:
            try:
                preview = await self._link.client.api.voices.preview(voice_id)
                found = preview.media_type, preview.audio
            except LiveAvatarException as failure:
                logger.warning("cannot fetch the preview of voice %s: %s", voice_id, failure.message)
                message = {"type": "voice", "voice_id": voice_id, "media_type": "", "problem": problem_of(failure)}
                self._link.send(message)
                return
            self._previews[voice_id] = found
        media_type, sound = found
        self._link.send({"type": "voice", "voice_id": voice_id, "media_type": media_type}, [sound])

    def start_options(self) -> dict[str, Any]:
        """Return the options for `start`."""
        values = self._settings.values
        options = {name: values[name] for name in ALWAYS}
        if options["mode"] == "FULL":
            given, required = values["dynamic_variables"], self._required_names
            options |= {
                "context": self._new if values["context_id"] == NEW else values["context_id"] or None,
                "voice_id": values["voice_id"] or None,
                "language": values["language"],
                "interactivity_type": values["interactivity_type"],
                "dynamic_variables": {
                    name: value for name, value in given.items() if required is None or name in required
                } or None,
            }  # fmt: skip
        return options

    @property
    def _required_names(self) -> list[str] | None:
        """The names of the `${variables}` in the picked context; None if unknown."""
        if self._settings.values["context_id"] == NEW and self._new is not None:
            return variables_in(self._new.prompt, self._new.opening_text)
        return None if self._detail is None else list(self._detail.required_dynamic_variables)

    @property
    def context_code(self) -> str:
        """The picked context as Python code: `NewContext(...)`, a unique name, or an id; "" for none."""
        context_id: str = self._settings.values["context_id"]
        if context_id == NEW and self._new is not None:
            fields = {"name": self._new.name, "prompt": self._new.prompt, "opening_text": self._new.opening_text}
            return (
                f"NewContext({', '.join(f'{name}={value!r}' for name, value in fields.items() if value is not None)})"
            )
        if not context_id:
            return ""
        names = [context["name"] for context in self._listed["contexts"]]
        name = next((context["name"] for context in self._listed["contexts"] if context["id"] == context_id), None)
        return repr(name if name is not None and names.count(name) == 1 else context_id)

    def _write_context(self, detail: ContextDetail) -> None:
        self._detail = detail
        self._link.write(
            context={
                "id": detail.id,
                "name": detail.name,
                "prompt": detail.prompt,
                "opening_text": detail.opening_text or "",
                "variables": list(detail.required_dynamic_variables),
            }
        )

    def _new_detail(self) -> dict[str, Any] | None:
        if self._new is None:
            return None
        opening = self._new.opening_text or ""
        return {
            "id": NEW,
            "name": self._new.name,
            "prompt": self._new.prompt,
            "opening_text": opening,
            "variables": variables_in(self._new.prompt, opening),
        }

    def _write_persona(self, state: str, problem: Problem | None = None) -> None:
        self._state = state
        self._link.write(persona=self._shown(problem))

    def _shown(self, problem: Problem | None = None) -> dict[str, Any]:
        new = [] if self._new is None else [{"id": NEW, "name": self._new.name, "is_new": True}]
        contexts = [*new, *self._listed["contexts"]]
        return {**self._listed, "contexts": contexts, "state": self._state, "problem": problem}


def _new_context(name: str, prompt: str, opening_text: str) -> NewContext:
    name, prompt, opening_text = str(name).strip(), str(prompt), str(opening_text or "")
    for label, text, most in (
        ("The context's name", name, LONGEST_CONTEXT_NAME),
        ("The prompt", prompt, LONGEST_PROMPT),
        ("The opening", opening_text, LONGEST_OPENING),
    ):
        if len(text) > most:
            raise InvalidArgument(f"{label} may have at most {most} characters, not {len(text)}.")
    if not name or not prompt.strip():
        raise InvalidArgument("A context needs a name and a prompt.", remedy="Say in the prompt who the avatar is.")
    return NewContext(name=name, prompt=prompt, opening_text=opening_text if opening_text.strip() else None)
