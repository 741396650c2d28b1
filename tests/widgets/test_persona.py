"""What a conversation is started with, without a page: contexts, voices, languages, and what is said to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from liveavatar_nb import LiveAvatar, SessionPanel, Simulator, Studio
from liveavatar_nb.bridge.loop import bridge
from liveavatar_nb.models.contexts import ContextDetail
from liveavatar_nb.rest.resources.contexts import Contexts
from liveavatar_nb.widgets.code import as_code
from liveavatar_nb.widgets.persona import NEW

from ..waiting import wait_for
from .pages import Page, Wire

PROMPT = "You guide people through ${place}. You are called ${name}."


@pytest.fixture(scope="module")
def shared() -> Iterator[Simulator]:
    """One for all tests of this module; a second of speech takes 0.2 s."""
    with Simulator(connect_delay=0.01, credits=10_000, rate_limit=None, speed=5) as running:
        yield running


@pytest.fixture
def simulator(shared: Simulator) -> Iterator[Simulator]:
    yield shared
    shared.faults.clear()
    assert not shared.billed()


@pytest.fixture
def guide(la: LiveAvatar) -> Iterator[ContextDetail]:
    """A context of the account's."""
    made = la.api.contexts.create(
        name="Guide",
        prompt=PROMPT,
        opening_text="Welcome!",
        links=[{"url": "https://example.org", "faq": None}],
    )
    yield made
    la.api.contexts.delete(made.id)


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    return Wire(SessionPanel, monkeypatch)


@pytest.fixture
def panel(la: LiveAvatar, wire: Wire) -> Iterator[SessionPanel]:
    panel = SessionPanel(la)
    silas = next(avatar for avatar in la.avatars() if avatar.name == "Silas")
    panel.avatar = silas.id
    wait_for(lambda: panel.avatar_name == "Silas" and panel.credits)
    yield panel
    panel.close()


@pytest.fixture
def tab(panel: SessionPanel, wire: Wire) -> Page:
    return Page(panel, wire, "tab-1")


def started(panel: SessionPanel, tab: Page, state: str = "connected") -> None:
    tab.say("start", avatar_id=panel.avatar)
    wait_for(lambda: panel.problem or (panel.status and panel.status["state"] == state))
    assert not panel.problem


def stopped(panel: SessionPanel, tab: Page) -> None:
    tab.say("stop")
    wait_for(lambda: panel.status["state"] == "ended")


def names(panel: SessionPanel) -> list[str]:
    return [one["name"] for one in panel.persona["contexts"]]


def test_contexts_voices_and_languages_are_fetched_when_a_page_shows_them(
    panel: SessionPanel, tab: Page, guide: ContextDetail
) -> None:
    assert panel.persona == {"state": "none", "problem": None, "contexts": [], "voices": [], "languages": []}
    tab.say("persona")
    wait_for(lambda: panel.persona["state"] == "ready")
    assert {"id": guide.id, "name": "Guide", "is_new": False} in panel.persona["contexts"]
    assert {"code": "de", "name": "German"} in panel.persona["languages"]
    voice = panel.persona["voices"][0]
    assert voice.keys() == {"id", "name", "language", "gender"}
    assert len(panel.persona["voices"]) > 10


def test_what_cannot_be_fetched_is_said_and_can_be_fetched_again(
    panel: SessionPanel, tab: Page, simulator: Simulator
) -> None:
    simulator.faults.add("voices", "status", status=403, message="not for you")
    tab.say("persona")
    wait_for(lambda: panel.persona["state"] == "failed")
    assert "not for you" in panel.persona["problem"]["detail"]
    assert not panel.problem
    tab.say("persona")
    wait_for(lambda: panel.persona["state"] == "ready")
    assert not panel.persona["problem"]


def test_a_picked_context_is_read(panel: SessionPanel, tab: Page, guide: ContextDetail) -> None:
    tab.say("pick_context", context_id=guide.id)
    wait_for(lambda: panel.context)
    assert panel.context == {
        "id": guide.id,
        "name": "Guide",
        "prompt": PROMPT,
        "opening_text": "Welcome!",
        "variables": guide.required_dynamic_variables,
    }
    assert panel.settings["context_id"] == guide.id
    tab.say("pick_context", context_id="")
    wait_for(lambda: panel.settings["context_id"] == "")
    wait_for(lambda: not panel.context)


def test_a_context_that_cannot_be_read_can_be_picked_again(panel: SessionPanel, tab: Page) -> None:
    tab.say("pick_context", context_id="no-such-context")
    wait_for(lambda: panel.problem)
    assert panel.settings["context_id"] == ""
    assert panel.context is None


def test_of_two_picks_the_second_counts_whatever_comes_first(
    panel: SessionPanel, tab: Page, guide: ContextDetail, la: LiveAvatar, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = la.api.contexts.create(name="Other", prompt="You are another.", opening_text=None)
    may_go_on, get = asyncio.Event(), Contexts.get
    came: list[str] = []

    async def slow(self: Contexts, context_id: str) -> Any:
        detail = await get(self, context_id)
        if context_id == guide.id:
            await may_go_on.wait()
        came.append(detail.name)
        return detail

    monkeypatch.setattr(Contexts, "get", slow)
    tab.say("pick_context", context_id=guide.id)
    wait_for(lambda: panel.settings["context_id"] == guide.id)
    tab.say("pick_context", context_id=other.id)
    wait_for(lambda: panel.context and panel.context["name"] == "Other")
    bridge.loop.call_soon_threadsafe(may_go_on.set)
    wait_for(lambda: came == ["Other", "Guide"])
    tab.say("persona")
    wait_for(lambda: panel.persona["state"] == "ready")
    assert panel.context["name"] == "Other"
    la.api.contexts.delete(other.id)


def test_a_context_is_edited_and_keeps_its_name_and_links(
    panel: SessionPanel, tab: Page, guide: ContextDetail, la: LiveAvatar
) -> None:
    tab.say("pick_context", context_id=guide.id)
    wait_for(lambda: panel.context)
    tab.say("update_context", context_id=guide.id, prompt="Be brief about ${topic}.", opening_text=" ")
    wait_for(lambda: panel.context["prompt"] == "Be brief about ${topic}.")
    assert (panel.context["opening_text"], panel.context["variables"]) == ("", ["topic"])
    now = la.api.contexts.get(guide.id)
    assert (now.name, now.prompt, now.opening_text) == ("Guide", "Be brief about ${topic}.", None)
    assert [link.url for link in now.links or ()] == ["https://example.org"]
    for prompt in ("", "x" * 100_001):
        tab.say("update_context", context_id=guide.id, prompt=prompt, opening_text="")
        wait_for(lambda: panel.problem)
        tab.say("dismiss")
        wait_for(lambda: panel.problem is None)
    assert la.api.contexts.get(guide.id).prompt == "Be brief about ${topic}."


def test_a_context_is_made_for_one_session_and_goes_with_it(panel: SessionPanel, tab: Page, la: LiveAvatar) -> None:
    before = len(la.api.contexts.list())
    tab.say("new_context", name="Tonight", prompt=PROMPT, opening_text="Good evening")
    wait_for(lambda: panel.context)
    assert panel.persona["contexts"][0] == {"id": NEW, "name": "Tonight", "is_new": True}
    assert panel.context["variables"] == ["place", "name"]
    assert len(la.api.contexts.list()) == before, "not yet"
    tab.say("update_context", context_id=NEW, prompt="You are a guide.", opening_text="Good evening")
    wait_for(lambda: panel.context["prompt"] == "You are a guide.")
    tab.say("configure", mode="FULL")
    started(panel, tab)
    assert panel.status["mode"] == "FULL"
    assert "Tonight" in [one.name for one in la.api.contexts.list()]
    stopped(panel, tab)
    wait_for(lambda: len(la.api.contexts.list()) == before)
    assert panel.settings["context_id"] == NEW, "the next session has it, too"


def test_a_conversation_is_started_with_what_was_picked(
    panel: SessionPanel, tab: Page, guide: ContextDetail, la: LiveAvatar
) -> None:
    tab.say("persona")
    tab.say("pick_context", context_id=guide.id)
    wait_for(lambda: panel.context and panel.persona["state"] == "ready")
    voice = panel.persona["voices"][3]["id"]
    tab.say("configure", mode="FULL", voice_id=voice, language="de", interactivity_type="PUSH_TO_TALK")
    tab.say("configure", dynamic_variables={"place": "Bern", "name": "Ada", "of_another": "x"}, video_quality="low")
    wait_for(lambda: panel.settings["video_quality"] == "low")
    started(panel, tab)
    inner = la._inner.session
    assert inner is not None
    options = inner.options
    assert (options.mode, options.context_id, options.voice_id, options.language) == (
        "FULL", guide.id, voice, "de",
    )  # fmt: skip
    assert (options.interactivity_type, options.video_quality) == ("PUSH_TO_TALK", "low")
    assert options.dynamic_variables == {"place": "Bern", "name": "Ada"}
    assert panel.status["can"]["push_to_talk"]
    assert panel.status["room"]["kind"] == "drawn"
    stopped(panel, tab)
    assert not any(panel.status["can"].values())


def test_lite_takes_nothing_of_a_conversation(panel: SessionPanel, tab: Page, guide: ContextDetail) -> None:
    tab.say("pick_context", context_id=guide.id)
    tab.say("configure", language="de", interactivity_type="PUSH_TO_TALK")
    wait_for(lambda: panel.settings["language"] == "de")
    started(panel, tab)
    assert panel.status["mode"] == "LITE"
    stopped(panel, tab)


def test_what_blocks_a_conversation_is_told(panel: SessionPanel, tab: Page, guide: ContextDetail) -> None:
    tab.say("configure", mode="FULL")
    tab.say("start", avatar_id=panel.avatar)
    wait_for(lambda: panel.problem)
    assert "context" in panel.problem["detail"]
    tab.say("pick_context", context_id=guide.id)
    tab.say("configure", dynamic_variables={"place": "Bern"})
    wait_for(lambda: panel.settings["dynamic_variables"] == {"place": "Bern"} and not panel.problem)
    tab.say("start", avatar_id=panel.avatar)
    wait_for(lambda: panel.problem)
    assert "name" in panel.problem["detail"]
    assert panel.status is None


@pytest.mark.parametrize(
    "changes",
    [
        {"mode": "BOTH"},
        {"language": ""},
        {"language": 3},
        {"voice_id": "x" * 201},
        {"context_id": None},
        {"interactivity_type": "SHOUT"},
        {"dynamic_variables": []},
        {"dynamic_variables": {"name": 3}},
        {"dynamic_variables": {"name": "x" * 1001}},
        {"dynamic_variables": {str(at): "" for at in range(51)}},
        {"mode": "FULL", "colour": "red"},
    ],
)
def test_settings_that_cannot_be_are_refused(panel: SessionPanel, tab: Page, changes: dict[str, Any]) -> None:
    before = dict(panel.settings)
    tab.say("configure", **changes)
    wait_for(lambda: panel.problem)
    assert panel.settings == before


def test_a_new_context_needs_a_name_and_a_prompt(panel: SessionPanel, tab: Page) -> None:
    for name, prompt in (("", "x"), ("x", " "), ("x" * 201, "x")):
        tab.say("new_context", name=name, prompt=prompt, opening_text="")
        wait_for(lambda: panel.problem)
        tab.say("dismiss")
        wait_for(lambda: panel.problem is None)
    tab.say("pick_context", context_id=NEW)
    wait_for(lambda: panel.problem)
    assert "no new context" in panel.problem["detail"]


def test_a_voice_is_heard_and_fetched_once(panel: SessionPanel, tab: Page, simulator: Simulator) -> None:
    tab.say("persona")
    wait_for(lambda: panel.persona["state"] == "ready")
    voice = panel.persona["voices"][0]["id"]
    for count in (1, 2):
        tab.say("voice", voice_id=voice)
        heard = tab.hears("voice", count)
        assert (heard["voice_id"], heard["media_type"]) == (voice, "audio/wav")
        assert heard["buffers"][0].startswith(b"RIFF")
    asked = [one for one in panel._la.wire if f"/voices/{voice}/preview" in str(one)]
    assert len(asked) == 1
    tab.say("voice", voice_id="00000000-0000-4000-8000-000000000000")
    assert tab.hears("voice", 3)["problem"]["title"]
    assert not panel.problem


def test_the_code_is_what_start_does(panel: SessionPanel, tab: Page, guide: ContextDetail) -> None:
    tab.say("persona")
    tab.say("pick_context", context_id=guide.id)
    tab.say("configure", mode="FULL", language="de", dynamic_variables={"place": "Bern", "name": "Ada"})
    wait_for(lambda: "context='Guide'" in panel.code and "language='de'" in panel.code)
    assert "dynamic_variables={'place': 'Bern', 'name': 'Ada'}" in panel.code
    assert "s.ask(" in panel.code
    compile(panel.code, "code", "exec")
    tab.say("new_context", name="Tonight's", prompt="You are ${who}.", opening_text="")
    wait_for(lambda: "NewContext(" in panel.code)
    assert "from liveavatar_nb import LiveAvatar, NewContext" in panel.code
    compile(panel.code, "code", "exec")
    tab.say("configure", mode="LITE")
    wait_for(lambda: "context" not in panel.code)


def test_the_code_runs(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    told_of = "NewContext(name='Guide', prompt='You are a guide.')"
    options = {"mode": "FULL", "is_sandbox": False, "max_minutes": 3.0, "language": "de"}
    code = as_code("Silas", options, simulated=False, max_minutes=10, context=told_of)
    monkeypatch.setenv("LIVEAVATAR_API_KEY", simulator.api_key)
    code = code.replace("LiveAvatar()", f"LiveAvatar(api_url={simulator.url!r})")
    told: dict[str, Any] = {}
    exec(code, told)
    assert told["s"].state == "ended"
    assert [line.role for line in told["s"].transcript]
    told["la"].close()


def test_asking_and_saying_in_the_studio(la: LiveAvatar, guide: ContextDetail, monkeypatch: pytest.MonkeyPatch) -> None:
    studio: Any = la.studio()
    tab = Page(studio, Wire(Studio, monkeypatch), "tab-1")
    wait_for(lambda: studio.catalogue["state"] == "ready" and studio.value and studio.credits)
    tab.say("configure", mode="FULL", dynamic_variables={"place": "Bern", "name": "Ada"})
    tab.say("pick_context", context_id=guide.id)
    wait_for(lambda: studio.context)
    tab.say("start")
    wait_for(lambda: studio.status and studio.status["state"] == "connected")
    assert studio.status["can"]["ask"]
    assert studio.status["can"]["say"]
    wait_for(lambda: {"role": "avatar", "text": "Welcome!", "partial": False} in studio.transcript)
    tab.say("say", text="Word for word.")
    wait_for(lambda: any(one["text"] == "Word for word." and not one["partial"] for one in studio.transcript))
    tab.say("ask", text="What can you show me?")
    wait_for(lambda: studio.transcript[-1]["role"] == "avatar" and len(studio.transcript) >= 3)
    wait_for(lambda: studio.speech and studio.speech[-1]["state"] == "ended")
    tab.say("say", text=" ".join(["A long story."] * 40))
    wait_for(lambda: studio.status["agent_state"] == "talking" and studio.speech[-1]["state"] == "talking")
    tab.say("interrupt")
    wait_for(lambda: studio.speech[-1]["state"] == "interrupted")
    tab.say("listen")
    wait_for(lambda: studio.status["agent_state"] == "listening")
    tab.say("play", sound="tone")
    wait_for(lambda: studio.talk_problem)
    assert "LITE" in studio.talk_problem["detail"]
    tab.say("push_to_talk", on=True)
    wait_for(lambda: "PUSH_TO_TALK" in str(studio.talk_problem))
    tab.say("ask", text="")
    wait_for(lambda: "1 to 2000 characters" in str(studio.talk_problem))
    assert not studio.problem
    shown = json.dumps(studio.get_state(), default=repr)
    assert "Welcome!" in shown
    inner = la._inner.session
    assert inner is not None
    assert inner.lifecycle.billing is not None
    assert inner.room is not None
    for secret in (inner.lifecycle.billing.token.reveal(), inner.room.token.reveal(), inner.room.url):
        assert secret not in shown
    tab.say("stop")
    wait_for(lambda: studio.status["state"] == "ended")
    studio.close()
