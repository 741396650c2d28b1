"""`WireLog` without a page: its rows go by messages, in parts, while a page looks; what is saved."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from liveavatar_nb import LiveAvatar, Simulator, WireLog
from liveavatar_nb.widgets import wire as module
from liveavatar_nb.widgets.wire import WireFeed

from ..waiting import wait_for
from .pages import command, controller_of, messages_of


@pytest.fixture
def log(la: LiveAvatar, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[WireLog, list[dict[str, Any]]]]:
    """A log, and the rows that its page has got."""
    log = WireLog(la)
    rows = messages_of(log, monkeypatch, "wire")
    yield log, rows
    log.close()


def names(messages: list[dict[str, Any]]) -> list[str]:
    return [row["name"] for message in messages for row in message["rows"]]


def test_a_page_that_looks_gets_what_was_and_what_comes(
    log: tuple[WireLog, list[dict[str, Any]]], la: LiveAvatar
) -> None:
    widget, messages = log
    la.credits()
    assert messages == []
    command(widget, "wire", since=0)
    wait_for(lambda: "GET /v1/users/credits" in names(messages))
    with la.start("Silas"):
        wait_for(lambda: "session.state_updated" in names(messages))
        wait_for(lambda: "POST /v1/sessions/start" in names(messages))
    last = {row["seq"]: row for message in messages for row in message["rows"]}
    started = next(row for row in last.values() if row["name"] == "POST /v1/sessions/token")
    assert started["note"] == "200"
    assert started["ms"] > 0
    assert started["curl"].startswith("curl ")


def test_rows_come_in_parts_and_the_state_after_them(la: LiveAvatar, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROWS_A_MESSAGE", 3)
    for _ in range(7):
        la.credits()
    log = WireLog(la)
    messages: list[dict[str, Any]] = []
    monkeypatch.setattr(WireLog, "send", lambda _self, content, buffers=None: messages.append(content))
    command(log, "wire", since=0)
    wait_for(lambda: [one for one in messages if one["type"] == "wire_state"])
    told = [one for one in messages if one["type"].startswith("wire")]
    assert [len(one.get("rows", [])) for one in told] == [3, 3, 1, 0]
    assert [row["seq"] for one in told for row in one.get("rows", [])] == list(range(1, 8))
    assert (told[-1]["change"], told[-1]["dropped"], told[-1]["timings"]) == (14, 0, [])
    # what is known is not told again
    messages.clear()
    command(log, "wire", since=14)
    wait_for(lambda: [one for one in messages if one["type"] == "wire_state"])
    assert names([one for one in messages if one["type"] == "wire"]) == []
    log.close()


def test_timings_go_along(
    log: tuple[WireLog, list[dict[str, Any]]], la: LiveAvatar, monkeypatch: pytest.MonkeyPatch
) -> None:
    widget, _ = log
    states = messages_of(widget, monkeypatch, "wire_state")
    with la.start("Silas"):
        command(widget, "wire", since=0)
        wait_for(lambda: states)
    assert [one["step"] for one in states[-1]["timings"]] == ["token", "start", "connected"]
    assert all(one["count"] == 1 and one["p50"] > 0 for one in states[-1]["timings"])


def test_a_page_that_looks_no_more_is_told_nothing(
    log: tuple[WireLog, list[dict[str, Any]]], la: LiveAvatar, monkeypatch: pytest.MonkeyPatch
) -> None:
    widget, messages = log
    command(widget, "wire", since=0)
    wait_for(lambda: messages and controller_of(widget, WireFeed)._unwatch is not None)
    monkeypatch.setattr(module, "WATCHED", -1.0)
    la.credits()
    wait_for(lambda: controller_of(widget, WireFeed)._unwatch is None)
    messages.clear()
    la.credits()
    assert messages == []
    monkeypatch.setattr(module, "WATCHED", 30.0)
    command(widget, "wire", since=0)
    wait_for(lambda: names(messages).count("GET /v1/users/credits") == 2)


@pytest.mark.parametrize("form", ["har", "jsonl"])
def test_save_writes_beside_the_notebook_and_says_where(
    log: tuple[WireLog, list[dict[str, Any]]],
    la: LiveAvatar,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    form: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    widget, _ = log
    saved = messages_of(widget, monkeypatch, "wire_saved")
    la.credits()
    command(widget, "save_wire", form=form)
    wait_for(lambda: saved)
    path = Path(saved[0]["path"])
    assert path.parent == tmp_path
    assert path.suffix == f".{form}"
    text = path.read_text("utf-8")
    assert "/v1/users/credits" in text
    assert la._inner.api.transport.key.reveal() not in text
    if form == "har":
        assert json.loads(text)["log"]["version"] == "1.2"


def test_what_cannot_be_saved_is_told_with_what_to_do(
    log: tuple[WireLog, list[dict[str, Any]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    widget, _ = log
    saved = messages_of(widget, monkeypatch, "wire_saved")
    command(widget, "save_wire", form="exe")
    wait_for(lambda: saved)
    assert "har or jsonl" in saved.pop()["problem"]["detail"]
    monkeypatch.setattr(Path, "cwd", lambda: tmp_path / "no such folder")
    command(widget, "save_wire", form="har")
    wait_for(lambda: saved)
    assert "no such folder" in saved.pop()["problem"]["detail"]


def test_no_row_is_in_a_trait_and_no_secret_in_a_row(
    log: tuple[WireLog, list[dict[str, Any]]], la: LiveAvatar, simulator: Simulator
) -> None:
    widget, messages = log
    command(widget, "wire", since=0)
    with la.start("Silas") as session:
        inner = session._inner
        assert inner.lifecycle.billing is not None
        token = inner.lifecycle.billing.token.reveal()
        wait_for(lambda: "POST /v1/sessions/start" in names(messages))
    wait_for(lambda: "POST /v1/sessions/stop" in names(messages))
    assert "sessions/start" not in json.dumps(widget.get_state(), default=repr)
    rows = json.dumps(messages)
    for secret in (simulator.api_key, token):
        assert secret not in rows
