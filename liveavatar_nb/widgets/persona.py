"""What a conversation is started with: its context, voice and language, picked, read and edited on a page."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping
from typing import Any, Final

from ..concurrency.bounded import Newest
from ..errors import InvalidArgument, LiveAvatarException
from ..models.contexts import ContextDetail, NewContext
from ..models.requests import PAGE_SIZE_LIMIT
from .controller import Answer, Controller
from .link import Link
from .problem import Problem, problem_of
from .settings import ALWAYS, StartSettings

logger = logging.getLogger("liveavatar_nb.widgets")

NEW: Final = "new"  # the id, on the page, of the context that is made for the next session
LONGEST_CONTEXT_NAME: Final = 200  # characters
LONGEST_PROMPT: Final = 100_000  # characters
LONGEST_OPENING: Final = 10_000  # characters
KEPT_PREVIEWS: Final = 32  # sounds of voices
VARIABLE: Final = re.compile(r"\{\{\s*(\w+)\s*\}\}")


class Persona(Controller):
    """The account's contexts, voices and languages, and what a conversation is started with of them.

    Args:
        link: the tie to the pages.
        settings: what the next session is started with.
    """

    def __init__(self, link: Link, settings: StartSettings) -> None:
        self._link = link
        self._settings = settings
        self._listed: dict[str, list[dict[str, Any]]] = {"contexts": [], "voices": [], "languages": []}
        self._state = "none"
        self._new: NewContext | None = None
        self._detail: ContextDetail | None = None
        self._previews: Newest[str, tuple[str, bytes]] = Newest(KEPT_PREVIEWS)

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
        """Fetch what a conversation may be started with: the page shows it."""
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
            logger.warning("contexts, voices and languages cannot be read: %s", failure.message)
            self._write_persona("failed", problem_of(failure))
            return
        except BaseException:
            self._write_persona("failed")
            raise
        self._listed = {
            "contexts": [{"id": one.id, "name": one.name, "is_new": False} for one in contexts],
            "voices": [
                {"id": one.id, "name": one.name, "language": one.language, "gender": one.gender} for one in voices
            ],
            "languages": [{"code": one.code, "name": one.language} for one in languages],
        }
        self._write_persona("ready")

    async def pick_context(self, context_id: str) -> None:
        """Pick a context, "" for none, and read it."""
        context_id = str(context_id)
        if context_id == NEW and self._new is None:
            raise InvalidArgument("There is no new context.", remedy="Make one first.")
        await self._settings.configure(context_id=context_id)
        self._detail = None
        self._link.write(context=self._new_detail() if context_id == NEW else None)
        if context_id in ("", NEW):
            return
        try:
            detail = await self._link.client.api.contexts.get(context_id)
        except LiveAvatarException:
            # of a choice that is there already a list tells nobody: this one is to be picked again
            if self._settings.values["context_id"] == context_id:
                self._settings.set(context_id="")
            raise
        # another one may have been picked meanwhile
        if self._settings.values["context_id"] == context_id:
            self._write_context(detail)

    async def keep_new_context(self, name: str, prompt: str, opening_text: str = "") -> None:
        """Keep a context that is made when the next session starts, and deleted with it."""
        self._new = _new_context(name, prompt, opening_text)
        self._write_persona(self._state)
        await self.pick_context(NEW)

    async def update_context(self, context_id: str, prompt: str, opening_text: str = "") -> None:
        """Change a context at the service (`PATCH /v1/contexts/{context_id}`), or the new one."""
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
            links=links or None,  # type: ignore[arg-type]  # plain dicts of the shape that is wanted
        )
        if self._settings.values["context_id"] == context_id:
            self._write_context(detail)

    async def send_voice(self, voice_id: str) -> None:
        """Send how a voice sounds (`GET /v1/voices/{voice_id}/preview`)."""
        voice_id = str(voice_id)
        found = self._previews.get(voice_id)
        if found is None:
            try:
                preview = await self._link.client.api.voices.preview(voice_id)
                found = preview.media_type, preview.audio
            except LiveAvatarException as failure:
                logger.warning("voice %s cannot be heard: %s", voice_id, failure.message)
                told = {"type": "voice", "voice_id": voice_id, "media_type": "", "problem": problem_of(failure)}
                self._link.send(told)
                return
            self._previews[voice_id] = found
        media_type, sound = found
        self._link.send({"type": "voice", "voice_id": voice_id, "media_type": media_type}, [sound])

    def start_options(self) -> dict[str, Any]:
        """Return what `start` is called with, beside the avatar."""
        values = self._settings.values
        options = {name: values[name] for name in ALWAYS}
        if options["mode"] == "FULL":
            fillings, wanted = values["dynamic_variables"], self._wanted
            options |= {
                "context": self._new if values["context_id"] == NEW else values["context_id"] or None,
                "voice_id": values["voice_id"] or None,
                "language": values["language"],
                "interactivity_type": values["interactivity_type"],
                "dynamic_variables": {
                    name: filling for name, filling in fillings.items() if wanted is None or name in wanted
                } or None,
            }  # fmt: skip
        return options

    @property
    def _wanted(self) -> list[str] | None:
        """The {{names}} of the picked context; None where they are not known."""
        if self._settings.values["context_id"] == NEW and self._new is not None:
            return variables_in(self._new.prompt, self._new.opening_text or "")
        return None if self._detail is None else list(self._detail.required_dynamic_variables)

    @property
    def context_code(self) -> str:
        """The picked context as Python: by its name where no other has it."""
        context_id: str = self._settings.values["context_id"]
        if context_id == NEW and self._new is not None:
            given = {"name": self._new.name, "prompt": self._new.prompt, "opening_text": self._new.opening_text}
            return f"NewContext({', '.join(f'{name}={value!r}' for name, value in given.items() if value is not None)})"
        if not context_id:
            return ""
        names = [one["name"] for one in self._listed["contexts"]]
        name = next((one["name"] for one in self._listed["contexts"] if one["id"] == context_id), None)
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


def variables_in(*texts: str) -> list[str]:
    """The {{names}} in texts, each once."""
    return list(dict.fromkeys(name for text in texts for name in VARIABLE.findall(text)))


def _new_context(name: str, prompt: str, opening_text: str) -> NewContext:
    name, prompt, opening_text = str(name).strip(), str(prompt), str(opening_text or "")
    for what, text, most in (
        ("The context's name", name, LONGEST_CONTEXT_NAME),
        ("The prompt", prompt, LONGEST_PROMPT),
        ("The opening", opening_text, LONGEST_OPENING),
    ):
        if len(text) > most:
            raise InvalidArgument(f"{what} has at most {most} characters, this one {len(text)}.")
    if not name or not prompt.strip():
        raise InvalidArgument("A context has a name and a prompt.", remedy="The prompt says who the avatar is.")
    return NewContext(name=name, prompt=prompt, opening_text=opening_text if opening_text.strip() else None)
