"""What a conversation is started with: its context, voice and language, picked, read and edited on a page."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import Any, Final

import traitlets

from ..concurrency.bounded import Newest
from ..errors import InvalidArgument, LiveAvatarException
from ..models.contexts import ContextDetail, NewContext
from ..models.requests import PAGE_SIZE_LIMIT
from .problem import Problem, problem_of
from .settings import StartSettings

logger = logging.getLogger("liveavatar_nb.widgets")

NEW: Final = "new"  # the id, on the page, of the context that is made for the next session
LONGEST_CONTEXT_NAME: Final = 200  # characters
LONGEST_PROMPT: Final = 100_000  # characters
LONGEST_OPENING: Final = 10_000  # characters
KEPT_PREVIEWS: Final = 32  # sounds of voices
VARIABLE: Final = re.compile(r"\{\{\s*(\w+)\s*\}\}")


class PersonaView(StartSettings):
    """A widget whose page picks, edits and makes contexts, and picks voices and languages.

    Args:
        la: the client, a `LiveAvatar`.
        traits: of ipywidgets' DOM widgets, `layout` for one.
    """

    persona = traitlets.Dict().tag(sync=True)
    context = traitlets.Dict(allow_none=True, default_value=None).tag(sync=True)

    def __init__(self, la: Any, **traits: Any) -> None:
        self._listed: dict[str, list[dict[str, Any]]] = {"contexts": [], "voices": [], "languages": []}
        self._persona_state = "none"
        self._new: NewContext | None = None
        self._detail: ContextDetail | None = None
        self._previews: Newest[str, tuple[str, bytes]] = Newest(KEPT_PREVIEWS)
        super().__init__(la, persona=self._persona(), **traits)

    async def do_persona(self) -> None:
        """The page shows what a conversation is started with: it is fetched."""
        if self._persona_state == "loading":
            return
        self._tell_persona("loading")
        api = self._client.api
        try:
            contexts, voices, languages = await asyncio.gather(
                api.contexts.list(page_size=PAGE_SIZE_LIMIT),
                api.voices.list(page_size=PAGE_SIZE_LIMIT),
                api.languages.list(),
            )
        except LiveAvatarException as failure:
            logger.warning("contexts, voices and languages cannot be read: %s", failure.message)
            self._tell_persona("failed", problem_of(failure))
            return
        except BaseException:
            self._tell_persona("failed")
            raise
        self._listed = {
            "contexts": [{"id": one.id, "name": one.name, "is_new": False} for one in contexts],
            "voices": [
                {"id": one.id, "name": one.name, "language": one.language, "gender": one.gender} for one in voices
            ],
            "languages": [{"code": one.code, "name": one.language} for one in languages],
        }
        self._tell_persona("ready")

    async def do_pick_context(self, context_id: str) -> None:
        """Picks a context, "" for none, and reads it."""
        context_id = str(context_id)
        if context_id == NEW and self._new is None:
            raise InvalidArgument("There is no new context.", remedy="Make one first.")
        await self.do_configure(context_id=context_id)
        self._detail = None
        self._write(context=self._new_detail() if context_id == NEW else None)
        if context_id in ("", NEW):
            return
        try:
            detail = await self._client.api.contexts.get(context_id)
        except LiveAvatarException:
            # of a choice that is there already a list tells nobody: this one is to be picked again
            if self._settings["context_id"] == context_id:
                self._set(context_id="")
            raise
        # another one may have been picked meanwhile
        if self._settings["context_id"] == context_id:
            self._tell_context(detail)

    async def do_new_context(self, name: str, prompt: str, opening_text: str = "") -> None:
        """Keeps a context that is made when the next session starts, and deleted with it."""
        self._new = _new_context(name, prompt, opening_text)
        self._tell_persona(self._persona_state)
        await self.do_pick_context(NEW)

    async def do_update_context(self, context_id: str, prompt: str, opening_text: str = "") -> None:
        """Changes a context at the service (`PATCH /v1/contexts/{context_id}`), or the new one."""
        if context_id == NEW and self._new is not None:
            await self.do_new_context(self._new.name, prompt, opening_text)
            return
        edited = _new_context("as it is", prompt, opening_text)
        api = self._client.api.contexts
        before = await api.get(str(context_id))
        links = [{"url": link.url, "faq": link.faq, "id": link.id} for link in before.links or ()]
        detail = await api.update(
            before.id,
            name=before.name,
            prompt=edited.prompt,
            opening_text=edited.opening_text,
            links=links or None,  # type: ignore[arg-type]  # plain dicts of the shape that is wanted
        )
        if self._settings["context_id"] == context_id:
            self._tell_context(detail)

    async def do_voice(self, voice_id: str) -> None:
        """Sends how a voice sounds (`GET /v1/voices/{voice_id}/preview`)."""
        voice_id = str(voice_id)
        found = self._previews.get(voice_id)
        if found is None:
            try:
                preview = await self._client.api.voices.preview(voice_id)
                found = preview.media_type, preview.audio
            except LiveAvatarException as failure:
                logger.warning("voice %s cannot be heard: %s", voice_id, failure.message)
                told = {"type": "voice", "voice_id": voice_id, "media_type": "", "problem": problem_of(failure)}
                self._post(told)
                return
            self._previews[voice_id] = found
        media_type, sound = found
        self._post({"type": "voice", "voice_id": voice_id, "media_type": media_type}, [sound])

    def _start_options(self) -> dict[str, Any]:
        options = super()._start_options()
        if options["mode"] == "FULL":
            values = self._settings["dynamic_variables"]
            wanted = self._wanted
            options |= {
                "context": self._new if self._settings["context_id"] == NEW else self._settings["context_id"] or None,
                "voice_id": self._settings["voice_id"] or None,
                "language": self._settings["language"],
                "interactivity_type": self._settings["interactivity_type"],
                "dynamic_variables": {
                    name: value for name, value in values.items() if wanted is None or name in wanted
                } or None,
            }  # fmt: skip
        return options

    @property
    def _wanted(self) -> list[str] | None:
        """The {{names}} of the picked context; None where they are not known."""
        if self._settings["context_id"] == NEW and self._new is not None:
            return variables_in(self._new.prompt, self._new.opening_text or "")
        return None if self._detail is None else list(self._detail.required_dynamic_variables)

    @property
    def _context_code(self) -> str:
        """The picked context as Python: by its name where no other has it."""
        context_id: str = self._settings["context_id"]
        if context_id == NEW and self._new is not None:
            given = {"name": self._new.name, "prompt": self._new.prompt, "opening_text": self._new.opening_text}
            return f"NewContext({', '.join(f'{name}={value!r}' for name, value in given.items() if value is not None)})"
        if not context_id:
            return ""
        names = [one["name"] for one in self._listed["contexts"]]
        name = next((one["name"] for one in self._listed["contexts"] if one["id"] == context_id), None)
        return repr(name if name is not None and names.count(name) == 1 else context_id)

    def _tell_context(self, detail: ContextDetail) -> None:
        self._detail = detail
        self._write(
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

    def _tell_persona(self, state: str, problem: Problem | None = None) -> None:
        self._persona_state = state
        self._write(persona=self._persona(problem))

    def _persona(self, problem: Problem | None = None) -> dict[str, Any]:
        new = [] if self._new is None else [{"id": NEW, "name": self._new.name, "is_new": True}]
        contexts = [*new, *self._listed["contexts"]]
        return {**self._listed, "contexts": contexts, "state": self._persona_state, "problem": problem}


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
