"""The wire log: what went over the wire in its order, bounded, masked, filtered, saved and shown."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import jsonschema
import pytest
from websockets.sync.server import ServerConnection, serve

from liveavatar_nb import LiveAvatar, LiveAvatarAPI, Simulator, config
from liveavatar_nb.errors import InvalidArgument, LiveAvatarException
from liveavatar_nb.masking import MASK
from liveavatar_nb.rest.retry import Policy
from liveavatar_nb.wirelog.exchange import Exchange, SessionLabel, session_label
from liveavatar_nb.wirelog.frame import Frame
from liveavatar_nb.wirelog.har import SOCKET_URL
from liveavatar_nb.wirelog.log import Wire
from liveavatar_nb.wirelog.timeline import Entry

ONE = "00000000-0000-4000-8000-000000000001"
TWO = "00000000-0000-4000-8000-000000000002"
CANARY = "canary-5f1c"
SPEAK = {"event_id": "e", "audio": "<0.60 s, 28,800 bytes>"}


def request(path: str = "/v1/users/credits", method: str = "GET", body: Any = None, **fields: Any) -> Exchange:
    return Exchange(method, f"https://example.org{path}", "key", body, **fields)


def answered(wire: Wire, exchange: Exchange, answer: Any = None, status: int = 200) -> Exchange:
    """A request that began and ended."""
    ended = wire.add(exchange)
    exchange.status, exchange.seconds, exchange.size = status, 0.0125, 1234
    exchange.keep_answer(answer, ())
    ended()
    return exchange


@pytest.fixture
def wire() -> Wire:
    """Two requests and four frames of two sessions."""
    made = Wire()
    answered(made, request(), {"code": 1000, "data": {"credits_left": "99.5"}, "message": None})
    made.sent(ONE, "agent.speak", SPEAK, 64_000)
    made.received(ONE, "agent.speak_started", {"event_id": "e", "task": {"id": "t"}}, 90)
    made.sent(TWO, "agent.interrupt", {"event_id": "f"}, 50)
    made.received(TWO, "", b"\x00" * 1500, 1500, channel="data")
    answered(made, request("/v1/sessions/stop", "POST", {"session_id": TWO}), status=401)
    return made


def names(entries: Any) -> list[str]:
    return [entry.name for entry in entries]


ALL = ["GET /v1/users/credits", "agent.speak", "agent.speak_started", "agent.interrupt", "(no event)"]


def test_entries_come_in_the_order_in_which_they_began(wire: Wire) -> None:
    assert names(wire) == [*ALL, "POST /v1/sessions/stop"]
    assert len(wire) == 6
    assert wire[0].payload == {"answer": {"code": 1000, "data": {"credits_left": "99.5"}, "message": None}}
    assert wire[1].payload == SPEAK
    assert wire[4].payload == "<1,500 bytes>"
    assert wire[-1].payload == {"sent": {"session_id": TWO}}
    assert names(reversed(wire)) == names(wire)[::-1]
    late = request("/v1/avatars")
    ended = wire.add(late)
    wire.sent(ONE, "agent.speak_end", {}, 30)
    ended()
    assert names(wire[-2:]) == ["GET /v1/avatars", "agent.speak_end"]


def test_a_slice_is_what_it_held_then_and_a_view_goes_on(wire: Wire) -> None:
    sliced, view = wire[1:3], wire.of(ONE)
    wire.sent(ONE, "agent.speak_end", {}, 30)
    assert names(sliced) == ["agent.speak", "agent.speak_started"]
    assert names(view) == ["agent.speak", "agent.speak_started", "agent.speak_end"]
    assert names(view[1:]) == ["agent.speak_started", "agent.speak_end"]
    view.sent(ONE, "agent.interrupt", {}, 30)
    assert names(wire)[-1] == "agent.interrupt", "a view writes into the same log"


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"text": "CREDITS_left"}, ["GET /v1/users/credits"]),
        ({"text": "28,800"}, ["agent.speak"]),
        ({"text": "401"}, ["POST /v1/sessions/stop"]),
        ({"kind": "rest"}, ["GET /v1/users/credits", "POST /v1/sessions/stop"]),
        ({"kind": "data"}, ["(no event)"]),
        ({"kind": "websocket", "direction": "sent"}, ["agent.speak", "agent.interrupt"]),
        ({"direction": "received"}, ["agent.speak_started", "(no event)"]),
        ({"session": TWO}, ["agent.interrupt", "(no event)", "POST /v1/sessions/stop"]),
        ({"session": TWO, "text": "nothing like that"}, []),
    ],
)
def test_filters(wire: Wire, asked: dict[str, Any], found: list[str]) -> None:
    assert names(wire.filter(**asked)) == found


def test_an_unknown_kind_or_direction_is_refused_by_name(wire: Wire) -> None:
    wrong: list[dict[str, Any]] = [{"kind": "http"}, {"direction": "up"}]
    for one in wrong:
        with pytest.raises(InvalidArgument, match=r"http.*|up.*"):
            wire.filter(**one)


def test_the_oldest_go_first_and_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "WIRE_ENTRIES", 3)
    wire = Wire()
    first = request()
    ended = wire.add(first)
    for number in range(5):
        wire.sent(ONE, f"type.{number}", {}, 10)
    assert names(wire) == ["type.2", "type.3", "type.4"]
    assert wire.dropped == 3
    # an answer to what was let go is counted nowhere
    first.keep_answer({"x": "long text " * 500}, ())
    ended()
    assert names(wire) == ["type.2", "type.3", "type.4"]
    assert "3 dropped" in repr(wire)


def test_payload_is_bounded_and_the_newest_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "WIRE_BYTES", 10_000)
    wire = Wire()
    for _ in range(100):
        wire.received(ONE, "x", {"words": "four letters " * 50}, 700)
    held = sum(entry.kept_size for entry in wire)
    assert 9_000 < held <= 10_000
    assert wire.dropped == 100 - len(wire)
    large = request("/v1/contexts", "POST", {"prompt": "x"}, sent_size=50_000)
    answered(wire, large)
    assert list(wire) == [large]
    wire.sent(ONE, "after", {}, 10)
    assert names(wire) == ["after"]


def test_the_log_is_as_large_as_its_limits_say() -> None:
    wire = Wire()
    for _ in range(2 * config.WIRE_ENTRIES):
        wire.received(ONE, "x", {"words": "three little words " * 40}, 700)
    assert len(wire) <= config.WIRE_ENTRIES
    assert sum(entry.kept_size for entry in wire) <= config.WIRE_BYTES
    assert len(wire) + wire.dropped == 2 * config.WIRE_ENTRIES


def test_large_payloads_are_cut_and_say_so() -> None:
    wire = Wire()
    wire.received(ONE, "text", {"text": "word " * 4_000}, 20_000)
    wire.received(ONE, "list", {"items": [{"name": "a name", "number": n} for n in range(5_000)]}, 100_000)
    wire.received(ONE, "base64", {"sound": "QUJD" * 5_000}, 20_000)
    wire.received(ONE, "", "no event " * 200_000, 1_800_000)
    deep: Any = "bottom"
    for _ in range(900):
        deep = [deep]
    wire.received(ONE, "deep", {"deep": deep}, 2_000)
    text, items, sound, none, nested = (cast(Any, entry.payload) for entry in wire)
    assert text["text"].endswith("(20,000 characters)")
    assert len(text["text"]) < config.WIRE_TEXT + 50
    assert 100 < len(items["items"]) < 2_000
    assert items["items"][-1] == f"\u2026 {5_000 - len(items['items']) + 1:,} more"
    assert sound["sound"] == "<20,000 characters>"
    assert none.endswith("(1,800,000 characters)")
    assert "more" in json.dumps(nested)
    assert len(wire.rows()[0]) == 5
    assert all(entry.kept_size < 2 * config.WIRE_PAYLOAD for entry in wire)


def test_half_a_surrogate_pair_and_odd_values_are_no_trouble() -> None:
    wire = Wire()
    payload: Any = {"text": "\ud83d", "n": float("nan"), "i": 10**30, "o": object(), 3: {4}}
    wire.received(ONE, "odd", payload, 10)
    wire.received(ONE, "", "\ud83d", 10)
    shown = cast(dict[str, Any], wire[0].payload)
    assert (shown["text"], shown["n"], shown["i"]) == ("?", "nan", 10**30)
    assert wire[1].payload == "?"


SECRETS = [
    {"session_token": CANARY},
    {"a": {"livekit_tokens": [CANARY, {"x": CANARY}]}},
    {"ws_url": f"wss://{CANARY}"},
    {"told": f"wss://example.org/socket?access_token={CANARY}&x=1"},
    {"told": f'the body was {{"api_key": "{CANARY}"}}'},
    {"told": f"Authorization: Bearer {CANARY}"},
    {"told": f"eyJhbGciOiJ.{CANARY}.x is no token"},
    {f"secret={CANARY}": 1},
    {"long": "word " * 795 + f"token={CANARY * 40} more words " * 2_000},
]


@pytest.mark.parametrize("payload", SECRETS, ids=lambda payload: next(iter(payload))[:8])
def test_secrets_are_masked_by_names_and_by_the_words_before_them(payload: dict[str, Any]) -> None:
    wire = Wire()
    wire.received(ONE, "x", payload, 10)
    wire.received(ONE, "", json.dumps(payload), 10)
    answered(wire, request(), payload)
    for entry in wire:
        assert CANARY[:8] not in json.dumps(entry.to_dict()) + repr(vars(entry))
        assert MASK in json.dumps(entry.payload)


def test_known_secrets_of_a_session_are_masked_anywhere() -> None:
    wire = Wire()
    wire.hide(ONE, [f"wss://example.org/?t={CANARY}-in-query&x=true", f"{CANARY}-token", "ws://[odd?=;&&"])
    wire.received(ONE, "error", {"error": f"neither {CANARY}-in-query nor {CANARY}-token is true"}, 50)
    assert wire[0].payload == {"error": f"neither {MASK} nor {MASK} is true"}
    assert CANARY not in repr(vars(wire)) + repr(vars(wire._timeline))


def test_prose_stays_as_it_is() -> None:
    words = "The secret: be kind. Our token of love; the API is keyed, e.g. https://x.org/a?page=2. Pass: 3 words"
    wire = Wire()
    wire.received(ONE, "user.transcription", {"text": words, "max_tokens": 512}, 100)
    assert wire[0].payload == {"text": words, "max_tokens": 512}


def test_each_change_is_told_to_who_watches(wire: Wire) -> None:
    told: list[int] = []

    def fails() -> None:
        raise ValueError("a watcher's own")

    end_failing = wire.watch(fails)
    end = wire.watch(lambda: told.append(len(wire)))
    ended = wire.add(request())
    ended()
    assert told == [7, 7]
    end()
    end_failing()
    wire.sent(ONE, "x", {}, 10)
    assert told == [7, 7]


def test_rows_that_changed_are_found_again(wire: Wire) -> None:
    rows, change = wire.rows()
    assert [row["seq"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert wire.rows(change) == ([], change)
    one = request("/v1/sessions/token", "POST", {"avatar_id": "a"})
    ended = wire.add(one)
    wire.sent(ONE, "agent.speak_end", {}, 30)
    rows, before = wire.rows(change)
    assert [(row["name"], row["note"]) for row in rows] == [
        ("POST /v1/sessions/token", "under way"),
        ("agent.speak_end", ""),
    ]
    one.status, one.seconds = 200, 0.5
    ended()
    rows, after = wire.rows(before)
    assert [(row["seq"], row["note"], row["ms"]) for row in rows] == [(7, "200", 500.0)]
    assert after > before
    assert rows[0]["change"] == after


def test_a_row_has_what_a_page_shows(wire: Wire) -> None:
    rows, _ = wire.rows()
    rest, speak, _, _, binary, stop = rows
    assert set(rest) == {
        *("seq", "change", "at", "kind", "direction", "name", "note", "ms", "size", "payload", "curl", "python"),
    }
    assert (rest["kind"], rest["direction"], rest["note"], rest["ms"], rest["size"]) == (
        *("rest", "sent", "200", 12.5, 1234),
    )
    assert rest["curl"].startswith("curl --request GET")
    assert '"credits_left": "99.5"' in rest["payload"]
    assert (speak["kind"], speak["direction"], speak["curl"]) == ("websocket", "sent", None)
    assert "websockets" in speak["python"]
    assert (binary["kind"], binary["direction"], binary["python"], binary["size"]) == ("data", "received", None, 1500)
    assert stop["note"] == "401"
    assert json.loads(json.dumps(rows)) == rows
    wire.received(ONE, "x", {"items": list(range(3_000))}, 10)
    assert len(wire.rows(0)[0][-1]["payload"]) <= 4_001


def test_many_rows_come_in_parts() -> None:
    wire = Wire()
    ends = [wire.add(request(f"/v1/{number}")) for number in range(10)]
    ends[3]()
    found: dict[int, dict[str, Any]] = {}
    since, parts = 0, 0
    while True:
        rows, since = wire.rows(since, most=4)
        parts += 1
        found.update((row["seq"], row) for row in rows)
        if len(rows) < 4:
            break
    assert sorted(found) == list(range(1, 11))
    assert parts == 3
    assert since == wire.rows()[1]


async def test_calls_are_logged_as_they_begin_and_stay_whatever_comes(simulator: Simulator) -> None:
    async with LiveAvatarAPI(simulator.api_key, api_url=simulator.url) as api:
        wire = api.transport.wire
        api.transport._policy = Policy(attempts=2, base=0.0)
        simulator.faults.add("credits", "status", status=503)
        await api.credits.get()
        first, again = wire
        assert isinstance(first, Exchange)
        assert isinstance(again, Exchange)
        assert (first.status, again.status, again.error) == (503, 200, None)
        assert "503" in (first.error or "")
        assert again.answer["data"]["credits_left"]
        assert again.size
        assert again.seconds

        simulator.faults.add("credits", "drop_before", times=2)
        with pytest.raises(LiveAvatarException):
            await api.credits.get()
        simulator.faults.add("credits", "garbage", body="<html>no JSON</html>")
        with pytest.raises(LiveAvatarException):
            await api.credits.get()
        simulator.faults.add("credits", "delay", seconds=30)
        began = asyncio.Event()
        end = wire.watch(began.set)
        task = asyncio.create_task(api.credits.get())
        await began.wait()
        end()
        assert wire.rows()[0][-1]["note"] == "under way"
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    *_, third, fourth, garbage, cancelled = (cast(Exchange, entry) for entry in wire)
    assert third.status is None
    assert "got no response" in (third.error or "")
    assert "got no response" in (fourth.error or "")
    assert (garbage.status, garbage.answer) == (200, None)
    assert "without an envelope" in (garbage.error or "")
    assert (cancelled.status, cancelled.error) == (None, "It was cancelled.")
    assert cancelled.seconds is not None
    assert wire.rows()[0][-1]["note"] == "It was cancelled."


async def test_what_takes_too_long_says_so(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Policy, "limit", lambda policy, safety: 0.2)
    async with LiveAvatarAPI(simulator.api_key, api_url=simulator.url) as api:
        simulator.faults.add("credits", "delay", seconds=30)
        with pytest.raises(LiveAvatarException):
            await api.credits.get()
        assert cast(Exchange, api.transport.wire[-1]).error == "It wasn't answered in time."


def test_a_sessions_calls_are_told_apart(la: LiveAvatar) -> None:
    wire = la.api._inner.transport.wire
    session = la.start("Silas")
    session.stop()
    la.credits()
    assert session.id is not None
    its = names(wire.of(session.id).filter(kind="rest"))
    assert its[:2] == ["POST /v1/sessions/token", "POST /v1/sessions/start"]
    assert "POST /v1/sessions/stop" in its
    assert not {name for name in its if "credits" in name or "avatars" in name}


def test_a_label_tells_calls_apart_before_the_id_is_known() -> None:
    wire, label = Wire(), SessionLabel()
    token = session_label.set(label)
    labelled = request("/v1/sessions/token", "POST", {"avatar_id": "a"})
    session_label.reset(token)
    other = request("/v1/sessions/token", "POST", {"avatar_id": "a"})
    view = wire.of(label)
    wire.add(labelled)
    wire.add(other)
    wire.sent(ONE, "agent.interrupt", {}, 10)
    assert list(view) == [labelled]
    assert (labelled.session_id, other.session_id) == (None, None)
    label.id = ONE
    assert labelled.session_id == ONE
    assert names(view) == ["POST /v1/sessions/token", "agent.interrupt"]
    assert names(wire.of(ONE)) == names(view)


def test_without_a_label_an_id_in_path_body_or_answer_tells() -> None:
    wire = Wire()
    assert request(f"/v1/sessions/{ONE}/transcript?x=1").session_id == ONE
    assert request("/v1/sessions/stop", "POST", {"session_id": TWO}).session_id == TWO
    assert request("/v1/sessions?page=1").session_id is None
    assert request(f"/v1/avatars/{ONE}").session_id is None
    token = answered(wire, request("/v1/sessions/token", "POST", {}), {"data": {"session_id": ONE}})
    assert token.session_id == ONE


def test_a_frame_that_was_sent_can_be_sent_again(wire: Wire) -> None:
    received: list[dict[str, Any]] = []

    def answer(socket: ServerConnection) -> None:
        for state in ("connecting", "connected"):
            socket.send(json.dumps({"type": "session.state_updated", "state": state}))
        received.append(json.loads(socket.recv()))
        socket.send('"thank you"')

    assert wire[2].python() is None
    with serve(answer, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        for number in (1, 3):
            program = wire[number].python() or ""
            done = subprocess.run(
                [sys.executable, "-c", program],
                env={**os.environ, "WS_URL": url, "NO_PROXY": "127.0.0.1"},
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            assert done.stdout == '"thank you"\n'
        server.shutdown()
        thread.join()
    speak, interrupt = received
    assert (speak["type"], speak["event_id"], len(speak["audio"])) == ("agent.speak", "e", 38_400)
    assert interrupt == {"type": "agent.interrupt", "event_id": "f"}


# saved

TEXT = {"type": "string"}
NUMBER = {"type": "number"}
PAIRS = {"type": "array", "items": {"type": "object", "required": ["name", "value"]}}


def needs(**fields: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(fields), "properties": fields}


# HAR 1.2: what it requires
HAR = needs(
    log=needs(
        version={"const": "1.2"},
        creator=needs(name=TEXT, version=TEXT),
        entries={
            "type": "array",
            "items": needs(
                startedDateTime={
                    "type": "string",
                    "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(Z|[+-]\d\d:\d\d)$",
                },
                time={"type": "number", "minimum": 0},
                request=needs(
                    method=TEXT,
                    url={"type": "string", "pattern": "^(https?|wss?)://"},
                    httpVersion=TEXT,
                    cookies={"type": "array"},
                    headers=PAIRS,
                    queryString=PAIRS,
                    headersSize=NUMBER,
                    bodySize=NUMBER,
                ),
                response=needs(
                    status={"type": "integer"},
                    statusText=TEXT,
                    httpVersion=TEXT,
                    cookies={"type": "array"},
                    headers=PAIRS,
                    content=needs(size={"type": "integer"}, mimeType=TEXT),
                    redirectURL=TEXT,
                    headersSize=NUMBER,
                    bodySize=NUMBER,
                ),
                cache={"type": "object"},
                timings=needs(send=NUMBER, wait=NUMBER, receive=NUMBER),
            ),
        },
    )
)


def test_a_har_has_the_form_of_browsers(wire: Wire, tmp_path: Path) -> None:
    failed = request("/v1/voices?page=1&search=a%20b")
    ended = wire.add(failed)
    failed.error = "It was cancelled."
    ended()
    where = wire.save(tmp_path / "wire.HAR")
    saved = json.loads(where.read_text("utf-8"))
    jsonschema.validate(saved, HAR)
    credit, one, two, data, stop, voices = saved["log"]["entries"]
    assert json.loads(credit["response"]["content"]["text"])["data"] == {"credits_left": "99.5"}
    assert (credit["time"], credit["timings"]["wait"], credit["_resourceType"]) == (12.5, 12.5, "fetch")
    assert credit["request"]["headers"] == [{"name": "X-API-KEY", "value": MASK}]
    assert json.loads(stop["request"]["postData"]["text"]) == {"session_id": TWO}
    assert (stop["response"]["status"], stop["response"]["statusText"]) == (401, "Unauthorized")
    assert (voices["response"]["status"], voices["_error"]) == (0, "It was cancelled.")
    assert voices["request"]["queryString"][1] == {"name": "search", "value": "a b"}
    assert [each["_resourceType"] for each in (one, two, data)] == ["websocket"] * 3
    assert one["request"]["url"] == f"{SOCKET_URL}websocket/{ONE}"
    sent, came = one["_webSocketMessages"]
    assert (sent["type"], sent["opcode"], json.loads(sent["data"])) == ("send", 1, {"type": "agent.speak", **SPEAK})
    assert (came["type"], json.loads(came["data"])["type"]) == ("receive", "agent.speak_started")
    assert sent["time"] == wire[1].at
    assert [message["opcode"] for message in data["_webSocketMessages"]] == [2]


def test_json_lines_have_every_entry(wire: Wire, tmp_path: Path) -> None:
    where = wire.save(str(tmp_path / "wire.jsonl"))
    assert where == tmp_path / "wire.jsonl"
    lines = [json.loads(line) for line in where.read_text("utf-8").splitlines()]
    assert lines == wire.to_dict()
    assert [line["kind"] for line in lines] == ["rest", *["websocket"] * 3, "data", "rest"]
    assert lines[-1]["sent"] == {"session_id": TWO}


def test_another_ending_is_refused(wire: Wire, tmp_path: Path) -> None:
    for name in ("wire.json", "wire", ".har.gz"):
        with pytest.raises(InvalidArgument, match=r"\.har or \.jsonl"):
            wire.save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["wire.jsonl", "wire.har"])
def test_half_a_character_is_saved_as_a_question_mark(wire: Wire, tmp_path: Path, name: str) -> None:
    wire.received(ONE, "agent.\ud800", {"text": "\udfff"}, 30)
    assert "agent.?" in wire.save(tmp_path / name).read_text("utf-8")


def test_a_file_is_written_whole_or_not_at_all(wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    where = wire.save(tmp_path / "wire.jsonl")
    before = where.read_text("utf-8")
    wire.sent(ONE, "more", {}, 10)

    whole = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        whole(path, data[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        wire.save(where)
    assert list(tmp_path.iterdir()) == [where]
    assert where.read_text("utf-8") == before


# shown


def test_it_goes_into_pandas(wire: Wire) -> None:
    table = wire.to_pandas()
    assert list(table.columns) == ["time", "kind", "direction", "name", "status", "ms", "session_id", "payload"]
    assert list(table["name"]) == names(wire)
    assert table["status"].dropna().tolist() == [200, 401]
    assert str(table["time"].dtype.tz) == "UTC"
    assert list(Wire().to_pandas().columns) == list(table.columns)


def test_it_shows_its_last_entries_as_a_table(wire: Wire) -> None:
    shown = wire._repr_html_()
    assert re.findall(r"[→←] ([\w ./()]+)<", shown) == names(wire)
    for words in ("0.000 s", "12.5", "64,000", "401"):
        assert words in shown
    answered(wire, request(f"/v1/sessions/{ONE}"))
    assert "GET /v1/sessions/00000000\u2026<" in wire._repr_html_()
    for number in range(60):
        wire.received(ONE, f"<b>{number}</b>", {}, 10)
    shown = wire._repr_html_()
    assert shown.count("<tr") == 51
    assert "&lt;b&gt;59&lt;/b&gt;" in shown
    assert "<b>" not in shown
    assert "the last 50 of 67" in shown
    assert repr(wire) == "<Wire: 3 requests, 64 frames>"
    assert "Nothing here" in Wire()._repr_html_()


def test_it_is_read_while_others_write() -> None:
    wire = Wire()
    writing = threading.Event()
    failures: list[BaseException] = []

    def write() -> None:
        for _ in range(1_000):
            ended = wire.add(request())
            wire.sent(ONE, "x", {"n": 1}, 10)
            ended()

    def until_written(read: Callable[[], object]) -> Callable[[], None]:
        def run() -> None:
            try:
                while writing.is_set():
                    read()
            except BaseException as failure:  # noqa: BLE001 (told at the end)
                failures.append(failure)

        return run

    since = 0
    seen: dict[int, str] = {}

    def follow() -> None:
        nonlocal since
        rows, since = wire.rows(since)
        seen.update((row["seq"], row["name"]) for row in rows)

    reads: list[Callable[[], object]] = [follow, wire._repr_html_, lambda: list(wire.of(ONE)), lambda: wire[-50:]]
    writing.set()
    readers = [threading.Thread(target=until_written(read)) for read in reads]
    writers = [threading.Thread(target=write) for _ in range(2)]
    for thread in (*readers, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    writing.clear()
    for thread in readers:
        thread.join()
    assert failures == []
    follow()
    assert sorted(seen) == list(range(1, 4_001)), "who follows the changes misses none"
    assert list(seen.values()).count("x") == 2_000
    assert (len(wire), wire.dropped) == (4_000, 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_child_is_not_locked_out() -> None:
    code = """
import os, signal
from liveavatar_nb.wirelog.log import Wire

wire = Wire()
wire._timeline._lock.acquire()
child = os.fork()
if child == 0:
    signal.alarm(10)
    wire.sent("id", "x", {}, 1)
    os._exit(len(wire))
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "1\n"


def test_a_client_that_answers_from_memory_is_logged_too(library: Any) -> None:
    async def ask() -> list[Entry]:
        answer = library.Response(200, json={"code": 1000, "data": {"credits_left": "1"}, "message": None})
        async with library.AsyncClient(transport=library.MockTransport(lambda request: answer)) as lent:
            api = LiveAvatarAPI("key-key", api_url="https://example.org", session=lent)
            await api.credits.get()
            return list(api.transport.wire)

    (only,) = asyncio.run(ask())
    assert cast(Exchange, only).answer["data"] == {"credits_left": "1"}


def test_frames_are_plain_to_see(wire: Wire) -> None:
    frame = wire[1]
    assert isinstance(frame, Frame)
    assert (frame.channel, frame.direction, frame.type, frame.size) == ("websocket", "sent", "agent.speak", 64_000)
    assert "agent.speak" in repr(frame)
    assert frame.curl() is None
