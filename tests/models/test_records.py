"""Records as people see and use them: in a notebook, in a terminal, as plain data, as a table of pandas."""

from __future__ import annotations

import builtins
import inspect
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, get_origin

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from liveavatar_nb.errors import ConfigurationError
from liveavatar_nb.html import ABSENT
from liveavatar_nb.masking import MASK
from liveavatar_nb.models import account, avatars, contexts, sessions, voice_agents, voices
from liveavatar_nb.models.account import Credits
from liveavatar_nb.models.avatars import Avatar
from liveavatar_nb.models.base import Record, Records, decode, decode_all
from liveavatar_nb.models.sessions import SessionRecord
from liveavatar_nb.models.voices import Voice

from ..test_html import TEXTS, Page, check

KINDS = [
    kind
    for module in (account, avatars, contexts, sessions, voice_agents, voices)
    for _, kind in inspect.getmembers(module, inspect.isclass)
    if issubclass(kind, Record) and kind is not Record and kind.__module__ == module.__name__
]
ID = "01c420fa-6294-56e9-9fc3-53a982892b02"
NOW = "2026-11-22T21:15:06.208642Z"
CANARY = "canary-c4f1"
SECRETS = {"session_token", "livekit_client_token", "livekit_agent_token", "ws_url"}


def sent(kind: type[Record], text: Callable[[], str] = lambda: "text", **given_fields: Any) -> dict[str, Any]:
    """What the service sends for such a record, with this text wherever there is some."""

    def value(of: Any) -> Any:
        if of is datetime:
            return NOW
        if of in (int, float, Decimal):
            return 7
        if of is bool:
            return True
        if isinstance(of, type) and issubclass(of, Record):
            return sent(of, text)
        if get_origin(of) is list:
            return [value(of.__args__[0])]
        if get_origin(of) is dict:
            return {text(): text()}
        arms = [arm for arm in getattr(of, "__args__", ()) if arm is not type(None)]
        return value(arms[0]) if arms else text()

    plain = {field.name: value(field.type) for field in msgspec.structs.fields(kind)}
    return {**plain, **given_fields}


def session(**fields: Any) -> SessionRecord:
    ended = {"end_at": NOW, "end_reason": "USER_CLOSED", "duration": 105, "credits_consumed": 3.5, "mode": "FULL"}
    return decode(SessionRecord, sent(SessionRecord, **{**ended, "is_sandbox": False, **fields}), "sessions")


def seen(thing: Any) -> str:
    """What a page shows of it."""
    return check(thing._repr_html_()).text


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_whatever_the_service_sends_is_escaped(kind: type[Record], data: st.DataObject) -> None:
    added = {"added": data.draw(TEXTS), "nested": {"a": [data.draw(TEXTS)]}}
    record = decode(kind, sent(kind, lambda: data.draw(TEXTS), **added), "it")
    check(record._repr_html_())
    check(Records([record])._repr_html_() or "")
    assert json.loads(json.dumps(record.to_dict()))["added"] == added["added"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_has_what_a_notebook_asks_for(kind: type[Record]) -> None:
    plain = sent(kind, added="more")
    record = decode(kind, plain, "it")
    assert record._ipython_key_completions_() == [*kind.__struct_fields__, "added"] == list(record)
    assert {"added", *kind.__struct_fields__, "to_dict", "to_pandas"} <= set(dir(record))
    assert record.added == record["added"] == "more"
    assert json.loads(json.dumps(record.to_dict())).keys() == plain.keys()
    assert repr(record).startswith(f"<{kind.__name__} ")
    assert len(repr(record)) < 120
    assert "\n" not in repr(record)


@pytest.mark.parametrize("kind", KINDS)
def test_a_field_that_a_newer_service_adds_is_shown(kind: type[Record]) -> None:
    assert "shoe size" in seen(record := decode(kind, sent(kind, shoe_size="forty-two"), "it"))
    assert "forty-two" in seen(record)


@pytest.mark.parametrize("kind", [SessionRecord, Voice])
def test_a_list_has_a_column_for_what_is_added(kind: type[Record]) -> None:
    records = decode_all(kind, [sent(kind), sent(kind, region="eu-1"), sent(kind, api_key=CANARY)], "they", "$")
    shown = seen(records)
    assert "region" in shown
    assert "eu-1" in shown
    assert MASK in shown
    assert CANARY not in shown


@pytest.mark.parametrize("kind", [sessions.SessionToken, sessions.StartedSession])
def test_secrets_are_masked(kind: type[Record]) -> None:
    plain = {name: CANARY if name in SECRETS else value for name, value in sent(kind).items()}
    record = decode(kind, plain, "it")
    for shown in (seen(record), repr(record), str(record.__rich_repr__()), seen(Records([record])), f"{record}"):
        assert CANARY not in shown
    assert MASK in seen(record)
    assert CANARY in str(record.to_dict())  # which is for programs


def test_a_session_is_told_in_words() -> None:
    shown = seen(session())
    for part in ("2026-11-22 21:15 UTC", "1:45", "3.50", "you stopped it (USER_CLOSED)", "FULL"):
        assert part in shown
    assert seen(Records([session()])) == (
        f"startedmodedurationcreditsendid2026-11-22 21:15 UTCFULL1:453.50you stopped it{ID}".replace(ID, "text")
    )
    assert "LITE, sandbox" in seen(Records([session(mode="LITE", is_sandbox=True)]))
    assert repr(session()) == "<SessionRecord text FULL ended, USER_CLOSED, 105 s, 3.5 credits>"


def test_a_running_session_has_no_end() -> None:
    running = session(end_at=None, end_reason=None)
    assert running.is_active
    assert "running" in seen(Records([running]))
    assert seen(running).startswith("Running session")
    assert "end" not in seen(running)
    assert "active" in repr(running)


def test_values_that_a_newer_service_sends_are_shown_as_they_are() -> None:
    odd = session(end_reason="COSMIC_RAY", mode="HYBRID")
    for shown in (seen(odd), seen(Records([odd])), repr(odd)):
        assert "COSMIC_RAY" in shown
        assert "HYBRID" in shown
    avatar = decode(Avatar, sent(Avatar, status="SLEEPING", is_expired=False), "it")
    for shown in (seen(avatar), seen(Records([avatar])), repr(avatar)):
        assert "SLEEPING" in shown
    assert "the service gave no reason" in seen(session(end_reason=None))


def test_an_avatar_that_expired_says_so() -> None:
    avatar = decode(Avatar, sent(Avatar, status="ACTIVE", is_expired=True), "it")
    assert "ACTIVE, expired" in seen(avatar)
    assert len(repr(decode(Avatar, sent(Avatar, name="a" * 999), "it"))) < 200
    assert "expired" in repr(avatar)


def test_a_picture_that_is_no_picture_is_not_shown() -> None:
    avatar = decode(Avatar, sent(Avatar, preview_url="javascript:alert(1)"), "it")
    assert not [tag for tag, _ in Page(avatar._repr_html_()).tags if tag == "img"]
    avatar = decode(Avatar, sent(Avatar, preview_url="https://example.org/a.png"), "it")
    assert list(Page(avatar._repr_html_()).attributes("src")) == ["https://example.org/a.png"]


def test_a_voice_has_a_player_with_a_name() -> None:
    voice = decode(Voice, sent(Voice, name="Clara"), "it")
    assert not [tag for tag, _ in Page(voice._repr_html_()).tags if tag == "audio"]
    voice.__dict__["_fetched"] = voices.VoicePreview(audio_base64="UklGRg==")
    for page in (Page(voice._repr_html_()), Page(Records([voice])._repr_html_() or "")):
        assert list(page.attributes("aria-label")) == ["Preview of Clara"]
        assert list(page.attributes("src")) == ["data:audio/wav;base64,UklGRg=="]
    assert "can't be played" in seen(voices.VoicePreview(audio_base64='"><script>'))


@pytest.mark.parametrize(
    ("left", "shown"),
    [
        ("100", "100 credits leftEnough for 100 min of LITE, or 50 min of FULL."),
        ("12345.678", "12,345.678 credits leftEnough for 12,345 min of LITE, or 6,172 min of FULL."),
        ("0.4", "0.4 credits leftLess than a minute is left."),
        ("0", "0 credits leftLess than a minute is left."),
    ],
)
def test_credits_and_what_they_are_enough_for(left: str, shown: str) -> None:
    assert seen(decode(Credits, {"credits_left": left}, "it")) == shown


def test_a_long_prompt_is_there_in_full() -> None:
    prompt = "You are a guide. " * 200 + "The end."
    assert prompt in seen(decode(contexts.ContextDetail, sent(contexts.ContextDetail, prompt=prompt), "it"))


def test_what_is_absent_is_a_dash() -> None:
    context = decode(contexts.ContextDetail, sent(contexts.ContextDetail, opening_text=None, links=None), "it")
    assert seen(context).count(ABSENT) == 2


def test_a_transcript() -> None:
    lines = [
        sent(sessions.TranscriptLine, role="user", transcript="Hello"),
        sent(sessions.TranscriptLine, role="narrator"),
    ]
    told = decode(sessions.Transcript, sent(sessions.Transcript, transcript_data=lines), "it")
    assert seen(told) == "whowhatuserHellonarratortext"
    assert "relative timestamp" in seen(told.lines)
    assert seen(decode(sessions.Transcript, sent(sessions.Transcript, transcript_data=[]), "it")) == "Nothing was said."
    assert len(repr(decode(sessions.TranscriptLine, sent(sessions.TranscriptLine, transcript="a" * 999), "it"))) < 120


def test_of_a_thousand_avatars_a_hundred_are_shown() -> None:
    many = Records([decode(Avatar, sent(Avatar, name=f"Avatar {i}"), "it") for i in range(1000)])
    page = check(many._repr_html_() or "")
    assert [tag for tag, _ in page.tags].count("figure") == 100
    assert page.text.endswith("and 900 more")
    assert len(many.to_dict()) == 1000


def test_an_empty_list_says_so() -> None:
    assert seen(Records([])) == "Nothing here."


def test_pandas_keeps_dates_and_numbers() -> None:
    pd = pytest.importorskip("pandas")
    frame = Records([session(region="eu-1"), session(duration=600)]).to_pandas()
    assert frame["created_at"][0] == datetime(2026, 11, 22, 21, 15, 6, 208642, tzinfo=UTC)
    assert pd.api.types.is_datetime64_any_dtype(frame["created_at"])
    assert frame["duration"].sum() == 705
    assert frame["credits_consumed"].sum() == 7.0
    assert next(iter(frame["region"])) == "eu-1"
    assert session().to_pandas().shape == (1, len(SessionRecord.__struct_fields__))


def test_without_pandas_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    found = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.partition(".")[0] == "pandas":
            raise ImportError(name)
        return found(name, *args, **kwargs)

    monkeypatch.delitem(sys.modules, "pandas", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigurationError, match="pip install pandas"):
        Records([session()]).to_pandas()
