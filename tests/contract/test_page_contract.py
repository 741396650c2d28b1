"""Page and kernel say the same: commands, traits, records, limits, prices and states of Python and of TypeScript.

A fact that both sides need is written once in each: in `link/commands.ts`, `contract.ts` and `limits.ts` of the front
end, and where the table below finds it in Python.
"""

from __future__ import annotations

import base64
import inspect
import re
import types
import typing
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest
import traitlets

from liveavatar_nb import AvatarPicker, LiveAvatar, LiveView, SessionPanel, Simulator, Studio, Talk, WireLog, config
from liveavatar_nb.audio import SAMPLE_RATE
from liveavatar_nb.errors import ConcurrencyLimitError, CreditsError
from liveavatar_nb.models import requests
from liveavatar_nb.models.sessions import END_WORDS
from liveavatar_nb.protection.orphans import OwnedSession
from liveavatar_nb.session.speech.utterance import AgentState, UtteranceState
from liveavatar_nb.session.state import SessionState
from liveavatar_nb.simulator.account.ledger import CREDITS_A_MINUTE
from liveavatar_nb.simulator.options import Options
from liveavatar_nb.simulator.rest.rules import END_REASONS
from liveavatar_nb.widgets import persona, recordings, settings, talk, wire
from liveavatar_nb.widgets.account import orphan_of
from liveavatar_nb.widgets.base import ControlledWidget
from liveavatar_nb.widgets.problem import Severity, problem_of
from liveavatar_nb.widgets.sounds import Origin
from liveavatar_nb.wirelog.frame import Direction
from liveavatar_nb.wirelog.log import Kind

from ..frontend.sources import source
from ..waiting import wait_for
from ..widgets.pages import Page, Wire
from .typescript import Array, Literal, Named, Plain, Shape, Type, Types, constants

TS = Types("contract", "link/commands")
# one pixel
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


# Python's side


def commands_of(studio: Studio) -> dict[str, inspect.Signature]:
    """The commands that are answered, by name, with what each takes: a studio has those of all widgets."""
    return {name: inspect.signature(answer, eval_str=True) for name, answer in studio.commands().items()}


def traits_of(widget: type[traitlets.HasTraits]) -> set[str]:
    """The traits that a widget shares with its page, beside those of every widget."""
    return set(widget.class_traits(sync=True)) - set(ControlledWidget.class_traits(sync=True))


LIMITS: dict[str, Any] = {
    "CREDITS_PER_MINUTE": config.CREDITS_PER_MINUTE,
    "SANDBOX_SECONDS": config.SANDBOX_SECONDS,
    "IDLE_LIMIT": config.IDLE_LIMIT,
    "LONGEST_TEXT": talk.LONGEST_TEXT,
    "LONGEST_CONTEXT_NAME": persona.LONGEST_CONTEXT_NAME,
    "LONGEST_PROMPT": persona.LONGEST_PROMPT,
    "LONGEST_OPENING": persona.LONGEST_OPENING,
    "LONGEST_VALUE": settings.LONGEST_VALUE,
    "PART_BYTES": recordings.PART_BYTES,
    "CLICKED_SECONDS": recordings.CLICKED_SECONDS,
    "CLICKED_MEGABYTES": recordings.CLICKED_MEGABYTES,
    "SAMPLE_RATE": SAMPLE_RATE,
    "WIRE_ENTRIES": config.WIRE_ENTRIES,
    "WATCHED": wire.WATCHED,
    "HOLDER_LIMIT": config.HOLDER_LIMIT,
}


# commands


def kinds_of(hint: Any) -> set[str]:
    """What JSON has for a Python annotation."""
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        return {kind for one in get_args(hint) for kind in kinds_of(one)}
    names = {str: "string", int: "number", float: "number", bool: "boolean", types.NoneType: "null", None: "null"}
    if hint in names:
        return {names[hint]}
    if typing.get_origin(hint) is list:
        return {f"{kind}[]" for kind in kinds_of(get_args(hint)[0])}
    return {str(hint)}


def kinds_in(kind: Type) -> set[str]:
    """The same for a type of TypeScript."""
    found: set[str] = set()
    for one in TS.alternatives(kind):
        match one:
            case Literal():
                found.add("string")
            case Plain(name):
                found.add(name)
            case Array(of):
                found |= {f"{inner}[]" for inner in kinds_in(of)}
            case _:
                found.add(str(one))
    return found


def test_the_page_sends_the_commands_that_widgets_answer(tab: Page) -> None:
    answered, sent = commands_of(tab.widget), TS.shape("Commands").fields
    assert set(sent) == set(answered)
    assert [line for name, taken in answered.items() for line in differences(name, sent[name], taken)] == []


def differences(name: str, sent: Type, taken: inspect.Signature) -> Iterator[str]:
    """How what is sent with a command differs from what its answer takes."""
    [shape] = TS.alternatives(sent)
    assert isinstance(shape, Shape)
    if any(one.kind is one.VAR_KEYWORD for one in taken.parameters.values()):
        # any settings, each of which Python looks at
        every = TS.shape("Settings").fields
        if shape != Shape(every, frozenset(every)):
            yield f"{name} takes settings"
        return
    yield from (f"{name}: {one} is on one side alone" for one in set(shape.fields) ^ set(taken.parameters))
    for one in set(shape.fields) & set(taken.parameters):
        found = taken.parameters[one]
        if not kinds_in(shape.fields[one]) <= kinds_of(found.annotation):
            yield f"{name}: {one} is {shape.fields[one]}, and {found.annotation} in Python"
        if one in shape.optional and found.default is found.empty:
            yield f"{name}: {one} may be missing"


# traits


LISTS = constants("contract")


@pytest.mark.parametrize(
    ("widget", "names"),
    [
        (AvatarPicker, LISTS["PICKER_TRAITS"]),
        (SessionPanel, LISTS["PANEL_TRAITS"]),
        (Talk, LISTS["TALK_TRAITS"]),
        (LiveView, LISTS["VIEW_TRAITS"]),
        (WireLog, []),
        (Studio, sorted({name for names in LISTS.values() for name in names})),
    ],
)
def test_a_widget_has_the_traits_that_its_page_reads(widget: type[traitlets.HasTraits], names: list[str]) -> None:
    assert sorted(names) == sorted(traits_of(widget))


def test_every_trait_is_some_widgets() -> None:
    assert set(TS.shape("Traits").fields) == {"widget_id", *traits_of(Studio)}


def test_every_widget_has_its_component() -> None:
    found = re.search(r"COMPONENTS = \{ (.*) \}", source("widgets/index"))
    assert found is not None
    widgets = AvatarPicker, SessionPanel, Studio, Talk, LiveView, WireLog
    assert sorted(found[1].split(", ")) == sorted(widget._COMPONENT for widget in widgets)


# words that stand for states


@pytest.mark.parametrize(
    ("owner", "field", "expected"),
    [
        ("Session", "state", [*SessionState]),
        ("Session", "agent_state", [*AgentState]),
        ("Session", "mode", get_args(requests.Mode)),
        ("Utterance", "state", [*UtteranceState]),
        ("Sound", "origin", get_args(Origin)),
        ("Problem", "severity", get_args(Severity)),
        ("Settings", "mode", settings.CHOICES["mode"]),
        ("Settings", "video_quality", settings.CHOICES["video_quality"]),
        ("Settings", "video_encoding", settings.CHOICES["video_encoding"]),
        ("Settings", "interactivity_type", settings.CHOICES["interactivity_type"]),
        ("WireRow", "kind", get_args(Kind)),
        ("WireRow", "direction", get_args(Direction)),
    ],
)
def test_both_sides_have_the_same_words(owner: str, field: str, expected: Any) -> None:
    alternatives = TS.alternatives(TS.shape(owner).fields[field])
    assert {one.value for one in alternatives if isinstance(one, Literal)} == set(map(str, expected))
    assert {one for one in alternatives if not isinstance(one, Literal)} <= {Plain("null")}


def test_a_wire_log_is_saved_in_the_forms_that_a_page_offers() -> None:
    [sent] = TS.alternatives(TS.shape("Commands").fields["save_wire"])
    assert isinstance(sent, Shape)
    assert TS.texts(sent.fields["form"]) == set(wire.FORMATS)


# limits, prices and ends, each of which is written once


def test_limits_and_prices_are_those_of_python() -> None:
    assert constants("limits") == LIMITS


def test_the_simulator_which_shares_nothing_has_the_services_prices_and_limits() -> None:
    assert {mode: float(price) for mode, price in CREDITS_A_MINUTE.items()} == config.CREDITS_PER_MINUTE
    assert inspect.signature(Simulator).parameters["idle_limit"].default == config.IDLE_LIMIT
    assert Options().idle_limit == config.IDLE_LIMIT


def test_every_end_has_its_words() -> None:
    assert list(END_WORDS) == list(get_args(requests.EndReason)) == list(END_REASONS)


# records, as widgets write them


@pytest.fixture(scope="module")
def shared() -> Iterator[Simulator]:
    """A second of speech takes 0.2 s."""
    with Simulator(connect_delay=0.01, credits=10_000, rate_limit=None, speed=5) as running:
        yield running


@pytest.fixture
def simulator(shared: Simulator) -> Iterator[Simulator]:
    yield shared
    assert not shared.billed()


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Wire:
    return Wire(Studio, monkeypatch)


@pytest.fixture
def tab(la: LiveAvatar, sent: Wire, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Page]:
    monkeypatch.chdir(tmp_path)
    studio = la.studio()
    wait_for(lambda: studio.catalogue["state"] == "ready" and studio.value and studio.credits)
    yield Page(studio, sent, "page")
    studio.close()


class Written:
    """What a studio's page gets: each value that a trait has, and each message.

    Args:
        tab: that shows it.
        wire: what is sent to it.
    """

    def __init__(self, tab: Page, wire: Wire) -> None:
        self._wire = wire
        studio, names = tab.widget, sorted(traits_of(Studio))
        self.values = [(name, getattr(studio, name)) for name in names]
        studio.observe(lambda change: self.values.append((change["name"], change["new"])), names)

    def check(self) -> None:
        """All of it is as TypeScript has it, and there was all that there can be."""
        fields = TS.shape("Traits").fields
        assert [line for name, value in self.values for line in TS.complaints(value, fields[name], name)] == []
        assert {name for name, value in self.values if value not in (None, "", [], {})} == traits_of(Studio) - {
            "credits_problem",  # text, or null
            "orphans",  # of dead kernels, below
        }
        sent = [content for _, content, _ in self._wire.sent]
        assert [line for content in sent for line in TS.complaints(content, Named("Message"), content["type"])] == []


def test_what_widgets_write_is_what_the_page_reads(tab: Page, sent: Wire, la: LiveAvatar, simulator: Simulator) -> None:
    studio = tab.widget
    found = Written(tab, sent)
    tab.say("ready")
    tab.say("wire", since=0)
    tab.say("library")
    tab.say("persona")
    wait_for(lambda: studio.persona["state"] == "ready")
    tab.say("pick_context", context_id=studio.persona["contexts"][0]["id"])
    wait_for(lambda: studio.context)
    tab.say("voice", voice_id=studio.persona["voices"][0]["id"])
    tab.say("voice", voice_id="none")
    tab.say("configure", mode="FULL", dynamic_variables=dict.fromkeys(studio.context["variables"], "x"))
    wait_for(lambda: studio.settings["mode"] == "FULL")
    tab.say("pictures", avatar_ids=[studio.value])
    tab.say("start", avatar_id=studio.value)
    wait_for(lambda: studio.problem or (studio.status and studio.status["state"] == "connected"))
    assert not studio.problem
    tab.say("face", avatar_id=studio.value)
    tab.say("ask", text="What is this?")
    wait_for(lambda: any(line["role"] == "avatar" for line in studio.transcript), limit=20)
    tab.join(studio.status["id"])
    with LiveAvatar(simulator.api_key, api_url=simulator.url) as other, other.start("Ann"):
        wait_for(lambda: studio.elsewhere)
    tab.say("stop")
    wait_for(lambda: studio.status["confirmed"])

    tab.say("configure", mode="LITE")
    tab.say("sounds")
    tab.say("add_sound", upload="u", name="none.wav", part=0, parts=1, data="")
    wait_for(lambda: studio.talk_problem)
    tab.send_parts("snapshot", PNG, 4096, request="", width=1, height=1)
    wait_for(lambda: studio.saved)
    tab.say("snapshot", request="", width=0, height=0, part=0, parts=1, data="", problem="no video")
    wait_for(lambda: studio.view_problem)
    tab.say("start", avatar_id=studio.value)
    wait_for(lambda: studio.status["state"] == "connected")
    tab.say("play", sound="tone")
    wait_for(lambda: any(one["state"] == "ended" for one in studio.speech))
    tab.say("stop")
    wait_for(lambda: studio.status["confirmed"])
    tab.say("save_wire", form="har")
    tab.say("save_wire", form="no form")
    wait_for(lambda: studio.problem)
    for kind in ("library", "face", "voice", "picture", "upload", "room", "wire", "wire_state", "wire_saved", "ack"):
        tab.hears(kind)
    found.check()


def test_a_problem_is_what_the_page_shows_with_what_helps() -> None:
    limit = ConcurrencyLimitError("too many", status_code=403)
    limit.sessions = [types.SimpleNamespace(whose="orphan")]
    problems = [problem_of(failure) for failure in (CreditsError("none", status_code=402), limit, LookupError("x"))]
    for problem in problems:
        assert TS.complaints(problem, Named("Problem"), problem["kind"]) == []
    actions = [one["action"]["command"] for one in problems if one["action"]]
    offered = [one for one in TS.alternatives(Named("Action")) if isinstance(one, Shape)]
    assert set(actions) == {text for one in offered for text in TS.texts(one.fields["command"])}


def test_a_session_of_a_dead_kernel_is_what_the_page_shows() -> None:
    now = datetime.now(UTC)
    found = OwnedSession(
        id="x",
        created_at=now,
        updated_at=now,
        duration=90,
        source="API",
        mode="LITE",
        is_sandbox=False,
        credits_consumed=1.5,
        whose="orphan",
    )
    assert TS.complaints(orphan_of(found), Named("Orphan"), "orphan") == []


# what would be found


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ({"id": "a", "name": "b"}, "line.is_new is missing"),
        ({"id": "a", "name": "b", "is_new": True, "more": 1}, "line.more is not in TypeScript"),
        ({"id": "a", "name": 1, "is_new": True}, "line.name is 1, no Plain(name='string')"),
        ([], "line is [], no Shape"),
    ],
)
def test_a_difference_is_found(value: Any, complaint: str) -> None:
    [found] = TS.complaints(value, Named("ContextName"), "line")
    assert found.startswith(complaint)
