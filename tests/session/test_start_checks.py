"""What a start is refused for before anything is sent, and what a conversation is started with."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from liveavatar_nb import AsyncLiveAvatar, LiveAvatar, SessionState, Simulator, config
from liveavatar_nb.errors import InvalidArgument, ValidationError
from liveavatar_nb.models.contexts import ContextDetail
from liveavatar_nb.session.options import SessionOptions

PROMPT = "You guide ${visitor} through the museum."


@pytest.fixture
def guide(la: LiveAvatar) -> ContextDetail:
    return la.api.contexts.create(name="My guide", prompt="You guide.", opening_text="Hello!")


def tokens(simulator: Simulator) -> list[dict[str, Any]]:
    return [one["body"] for one in simulator.requests() if one["path"] == "/v1/sessions/token"]


@pytest.mark.usefixtures("guide")
@pytest.mark.parametrize(
    ("arguments", "field", "told"),
    [
        ({"mode": "FULL"}, "context", r"never answers.*NewContext\("),
        ({"mode": "LITE", "context": "My guide"}, "context", "needs a conversation"),
        ({"mode": "LITE", "on_user_text": str}, "on_user_text", "needs a conversation"),
        ({"on_user_text": "Hello", "voice_id": "v"}, "on_user_text", "a function that takes text, not str"),
        ({"language": "de"}, "language", "Pass a context"),
        ({"voice_id": "v"}, "voice_id", "Pass a context"),
        ({"interactivity_type": "PUSH_TO_TALK"}, "interactivity_type", "Pass a context"),
        ({"context": "My gide"}, "context", "Did you mean 'My guide'"),
        ({"context": 3}, "context", "a name, an id, a record or a NewContext"),
        ({"context": "My guide", "interactivity_type": "PUSH"}, "interactivity_type", "Did you mean 'PUSH_TO_TALK'"),
        ({"mode": "FUL", "context": "My guide"}, "mode", "Did you mean 'FULL'"),
        ({"avatar": "Noor (from a photo)", "context": "My guide"}, "voice_id", "no voice of its own"),
        ({"is_sandbox": True, "context": "My guide"}, "avatar", "sandbox only accepts"),
        ({"context": "My guide", "language": "dee"}, "language", "Did you mean 'de'"),
        ({"context": "My guide", "language": "German"}, "language", "Did you mean 'de'"),
        ({"context": "My guide", "language": "xx"}, "language", "Choose one of ar, bg"),
        ({"context": "My guide", "language": 3}, "language", "must be text"),
        ({"context": "Needs"}, "dynamic_variables", "needs values for visitor"),
        ({"voice_agent": "Asistant"}, "voice_agent", "Did you mean 'Assistant'"),
        ({"voice_agent": " "}, "voice_agent", "a name, an id or a record, not ' '. Pick a voice agent from"),
        ({"voice_agent": 3}, "voice_agent", "a name, an id or a record, not int"),
        ({"voice_agent": "Assistant", "context": "My guide"}, "context", "can't be combined with voice_agent"),
        ({"voice_agent": "Assistant", "on_user_text": str}, "on_user_text", "can't be combined with voice_agent"),
        ({"voice_agent": "Assistant", "voice_id": "Clara"}, "voice_id", "can't be combined with voice_agent"),
        ({"voice_agent": "Assistant", "language": "de"}, "language", "can't be combined with voice_agent"),
        ({"voice_agent": "Assistant", "mode": "LITE"}, "mode", "liveavatar_agent.*FULL, not LITE. Leave out mode"),
        ({"voice_agent": "Assistant (Cartesia)", "mode": "FULL"}, "mode", "cartesia_agent.*LITE, not FULL"),
        ({"voice_agent": "Assistant", "mode": "FUL"}, "mode", "Did you mean 'FULL'"),
        ({"context": "Needs", "dynamic_variables": {"guest": "Ada"}}, "dynamic_variables", "needs values for visitor"),
    ],
)
def test_it_is_refused_before_anything_is_sent(
    la: LiveAvatar, simulator: Simulator, arguments: dict[str, Any], field: str, told: str
) -> None:
    la.api.contexts.create(name="Needs", prompt=PROMPT, opening_text=None)
    with pytest.raises(InvalidArgument, match=told) as caught:
        la.start(**{"avatar": "Silas", **arguments})
    assert caught.value.field == field
    assert not tokens(simulator)


@pytest.mark.parametrize("how", ["name", "any case", "id", "record"])
def test_a_context_makes_it_a_conversation(
    la: LiveAvatar, simulator: Simulator, guide: ContextDetail, how: str
) -> None:
    context: Any = {"name": "My guide", "any case": "my GUIDE", "id": guide.id, "record": guide}[how]
    with la.start("Silas", context=context, language="de") as session:
        assert session.mode == "FULL"
        assert session.state is SessionState.CONNECTED
        assert set(session.timings) == {"token", "start", "connected"}
        assert session.options.credits_per_minute == 2
        assert [entry.mode for entry in simulator.billed()] == ["FULL"]
    assert session.end_reason == "USER_CLOSED"
    assert not simulator.billed()
    sent = tokens(simulator)[0]
    assert sent["mode"] == "FULL"
    assert sent["avatar_persona"] == {"context_id": guide.id, "language": "de"}
    assert sent["interactivity_type"] == "CONVERSATIONAL"
    assert sent["max_session_duration"] == 600


def test_names_in_the_context_are_filled_in(la: LiveAvatar, simulator: Simulator) -> None:
    la.api.contexts.create(name="Needs", prompt=PROMPT, opening_text=None)
    voice = la.api.voices.list()[0]
    arguments = {"dynamic_variables": {"visitor": "Ada"}, "voice_id": voice.id, "interactivity_type": "PUSH_TO_TALK"}
    with la.start("Noor (from a photo)", context="Needs", **arguments):  # type: ignore[arg-type]
        sent = tokens(simulator)[0]
    assert sent["dynamic_variables"] == {"visitor": "Ada"}
    assert sent["avatar_persona"]["voice_id"] == voice.id
    assert sent["interactivity_type"] == "PUSH_TO_TALK"


@pytest.mark.parametrize(("given", "sent"), [("en", "en"), ("DE", "de"), ("de-CH", "de-CH"), ("pt_BR", "pt_BR")])
@pytest.mark.usefixtures("guide")
def test_a_language_is_sent_as_the_service_writes_it(
    la: LiveAvatar, simulator: Simulator, given: str, sent: str
) -> None:
    for _ in range(2):
        la.start("Silas", context="My guide", language=given, replace=True).stop()
    assert [token["avatar_persona"]["language"] for token in tokens(simulator)] == [sent, sent]
    asked = [one for one in simulator.requests() if one["path"] == "/v1/languages"]
    assert len(asked) == (0 if given == "en" else 1), "once for a client, and not for the default"


@pytest.mark.parametrize(("kind", "parameters"), [("delay", {"seconds": 2}), ("status", {"status": 403})])
@pytest.mark.usefixtures("guide")
def test_where_the_languages_cannot_be_had_what_was_given_is_taken(
    la: LiveAvatar, simulator: Simulator, monkeypatch: pytest.MonkeyPatch, kind: str, parameters: dict[str, Any]
) -> None:
    monkeypatch.setattr(config, "LANGUAGES_LIMIT", 0.2)
    simulator.faults.add("languages", kind, **parameters)
    la.start("Silas", context="My guide", language="xx").stop()
    assert tokens(simulator)[0]["avatar_persona"]["language"] == "xx"
    with pytest.raises(InvalidArgument, match="no language 'xx'"):
        la.start("Silas", context="My guide", language="xx")


async def test_the_end_of_a_conversation_is_noticed_when_it_is_due(
    client: AsyncLiveAvatar, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = await client.api.contexts.create(name="c", prompt="p", opening_text=None)
    monkeypatch.setattr("liveavatar_nb.config.KEEP_ALIVE_INTERVAL", 60.0)
    session = await client.start("Silas", context=context, max_minutes=1 / 60)
    simulator.advance(2)
    async with asyncio.timeout(20):  # well before the next keep-alive
        await session.wait_until_ended()
    assert session.end_reason == "MAX_DURATION_REACHED"
    assert session.end_words == "its time was up"


async def test_a_plan_that_refuses_the_cap_says_what_to_give(client: AsyncLiveAvatar, simulator: Simulator) -> None:
    with pytest.raises(Exception, match="max_session_duration must be 1 to 1200") as caught:
        await client.start("Silas", max_minutes=30)
    assert "does not allow max_minutes=30" in str(caught.value)
    assert not simulator.billed()


async def test_a_plan_that_grants_less_is_told_and_remembered(
    client: AsyncLiveAvatar, simulator: Simulator, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = SessionOptions.token_fields
    monkeypatch.setattr(
        SessionOptions, "token_fields", lambda self, avatar: {**real(self, avatar), "max_session_duration": 60}
    )
    async with await client.start("Silas", max_minutes=5) as session:
        assert session.max_minutes == 1
    assert "the plan limits sessions to 1 minutes" in caplog.text
    caplog.clear()
    async with await client.start("Silas", max_minutes=5):
        assert "the plan limits sessions to 1 minutes" in caplog.text


async def test_what_only_the_service_can_know_is_told_by_field(client: AsyncLiveAvatar, simulator: Simulator) -> None:
    simulator.faults.add("token", "status", status=422, body='{"detail": [{"loc": ["body", "avatar_id"], "msg": "m"}]}')
    with pytest.raises(ValidationError) as caught:
        await client.start("Silas")
    assert caught.value.fields == ("body.avatar_id",)


ANSWERING = [("Assistant", "FULL", 2.0), ("Assistant (ElevenLabs)", "LITE", 1.0), ("Assistant (Cartesia)", "LITE", 1.0)]


@pytest.mark.parametrize(("name", "mode", "price"), ANSWERING)
def test_a_voice_agent_leads_the_conversation(
    la: LiveAvatar, simulator: Simulator, name: str, mode: str, price: float
) -> None:
    listed = la.api.voice_agents.list()[name]
    for voice_agent in (name, listed.id, listed, la.api.voice_agents.get(listed.id)):
        with la.start("Silas", voice_agent=voice_agent, dynamic_variables={"visitor": "Ada"}) as session:
            assert (session.mode, session.options.credits_per_minute) == (mode, price)
            (running,) = la.sessions()
            assert running.mode == mode
            assert session.can.ask
            assert not session.can.play
            assert session.ask("Hello?").text
    for sent in tokens(simulator):
        assert (sent["mode"], sent["voice_agent"]) == ("FULL", {"id": listed.id})
        assert sent["dynamic_variables"] == {"visitor": "Ada"}
        assert "avatar_persona" not in sent


def test_a_voice_agents_context_speaks_first_and_gives_a_photo_its_voice(la: LiveAvatar) -> None:
    with la.start("Noor (from a photo)", voice_agent="Assistant") as session:
        assert session.options.has_opening
        assert session.options.context_id == "5b9dba8a-aa31-11f0-a6ee-066a7fa2e369"


def test_a_voice_agents_variables_are_asked_for(la: LiveAvatar, simulator: Simulator) -> None:
    needs = la.api.contexts.create(name="Needs", prompt=PROMPT, opening_text=None)
    agent = la.api.voice_agents.get(la.api.voice_agents.list()["Assistant"].id)
    agent.agent_configuration["context_id"] = needs.id
    with pytest.raises(InvalidArgument, match="needs values for visitor"):
        la.start("Silas", voice_agent=agent)
    assert not tokens(simulator)
    # the account may not read every context that an agent has
    agent.agent_configuration["context_id"] = "99999999-2222-3333-4444-555555555555"
    with la.start("Silas", voice_agent=agent) as session:
        assert session.options.context_id is None
        assert session.can.ask
