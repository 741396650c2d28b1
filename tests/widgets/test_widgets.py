"""Widgets without a page: their traits, the commands that they do, and what they never hold."""

from __future__ import annotations

import inspect
import json
import logging
import os
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from liveavatar_nb import AvatarPicker, LiveAvatar, LiveView, SessionPanel, Simulator, Studio, Talk, WireLog
from liveavatar_nb.client import AsyncLiveAvatar
from liveavatar_nb.concurrency.worker import THREAD_NAME, Worker
from liveavatar_nb.config import SANDBOX_AVATAR
from liveavatar_nb.errors import ConfigurationError, InvalidArgument
from liveavatar_nb.protection.guard.handle import guard
from liveavatar_nb.widgets import front_end
from liveavatar_nb.widgets.channel import channel
from liveavatar_nb.widgets.pictures import only_from_here

from ..deaths.owners import guards
from ..waiting import wait_for


def command(widget: Any, name: str, **args: Any) -> dict[str, Any]:
    """Sends a command as a page does; what was sent."""
    data = {"widget": widget.widget_id, "id": uuid.uuid4().hex, "command": name, "args": args}
    channel.deliver(data)
    return data


def sent_by(widget: Any, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, Any]]:
    """The custom messages that go to the page from now on."""
    messages: list[tuple[Any, Any]] = []
    monkeypatch.setattr(type(widget), "send", lambda _self, content, buffers=None: messages.append((content, buffers)))
    return messages


@pytest.fixture
def studio(la: LiveAvatar) -> Iterator[Studio]:
    studio = la.studio()
    wait_for(lambda: studio.catalogue["state"] == "ready" and studio.value and studio.credits)
    yield studio
    studio.close()


def state(widget: Any) -> str:
    return widget.status["state"] if widget.status else "none"


def test_why_an_avatar_failed_reaches_the_page_and_it_cannot_be_picked(studio: Studio) -> None:
    jonas = next(entry for entry in studio.avatars if entry["name"] == "Jonas")
    assert (jonas["status"], jonas["is_expired"]) == ("FAILED", False)
    assert jonas["error_message"] == "The training video is too short: it needs at least two minutes."
    assert {entry["error_message"] for entry in studio.avatars if entry["status"] == "ACTIVE"} == {None}
    with pytest.raises(InvalidArgument, match="Jonas is FAILED, not ACTIVE"):
        studio.value = jonas["id"]


def test_the_studio_has_the_traits_and_the_commands_of_all_widgets(studio: Studio, la: LiveAvatar) -> None:
    for kind in (AvatarPicker, SessionPanel, Talk, LiveView, WireLog):
        widget = kind(la)
        lacking = set(widget.get_state()) - set(studio.get_state())
        assert not lacking
        for name, answer in widget.commands().items():
            assert inspect.signature(answer) == inspect.signature(studio.commands()[name]), name
        widget.close()


def test_every_first_value_is_a_trait(studio: Studio) -> None:
    firsts = [name for controller in studio._controllers for name in controller.traits()]
    assert len(firsts) == len(set(firsts))
    assert all(studio.has_trait(name) for name in firsts)


def test_the_studio_holds_its_parts_and_inherits_from_no_widget_but_the_base() -> None:
    ours = [kind.__name__ for kind in Studio.__mro__ if kind.__module__.startswith("liveavatar_nb.")]
    assert ours == ["Studio", "ControlledWidget"]


def test_start_and_stop_by_command(studio: Studio, simulator: Simulator) -> None:
    silas = next(entry for entry in studio.avatars if entry["name"] == "Silas")
    command(studio, "pick", avatar_id=silas["id"])
    wait_for(lambda: studio.avatar_name == "Silas")
    assert studio.picked is not None
    command(studio, "start", avatar_id=silas["id"])
    wait_for(lambda: state(studio) == "connected")
    assert [entry.avatar_id for entry in simulator.billed()] == [silas["id"]]
    assert studio.session.state == "connected"
    command(studio, "stop")
    wait_for(lambda: state(studio) == "ended")
    assert studio.status["confirmed"]
    assert not simulator.billed()
    wait_for(lambda: studio.credits != "100.00")


def test_the_guard_is_there_before_the_click_and_goes_with_the_client(studio: Studio, la: LiveAvatar) -> None:
    assert not guards(os.getpid())
    command(studio, "ready")
    wait_for(lambda: guard.is_there)
    guard.prepare()  # what was started has made the guard, and ended
    [pid] = guards(os.getpid())
    la.start("Silas").stop()
    assert guard.is_there
    assert guards(os.getpid()) == [pid]
    la.close()
    wait_for(lambda: not guards(os.getpid()))


def test_a_session_started_in_a_cell_shows_in_the_studio(studio: Studio, la: LiveAvatar) -> None:
    with la.start("Ann"):
        wait_for(lambda: state(studio) == "connected" and studio.status["avatar_name"] == "Ann")
    wait_for(lambda: state(studio) == "ended")


def test_a_command_is_done_once_and_acknowledged_each_time(
    studio: Studio, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages = sent_by(studio, monkeypatch)
    data = command(studio, "start")
    channel.deliver(data)
    wait_for(lambda: state(studio) == "connected")
    wait_for(lambda: [content for content, _ in messages].count({"type": "ack", "id": data["id"]}) == 2)
    assert len(simulator.ledger()) == 1
    command(studio, "stop")
    wait_for(lambda: state(studio) == "ended")
    assert studio.problem is None, "the second was tried, and refused"


def test_cancel_while_it_starts_leaves_nothing_billed(studio: Studio, simulator: Simulator) -> None:
    simulator.faults.add("start", "delay", seconds=0.5)
    command(studio, "start")
    wait_for(lambda: state(studio) == "starting")
    command(studio, "stop")
    wait_for(lambda: state(studio) == "ended")
    assert not simulator.billed()
    assert studio.problem is None


def test_an_error_in_a_handler_shows_in_the_panel_and_in_the_log(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(self: AsyncLiveAvatar) -> None:
        raise LookupError("out of order")

    monkeypatch.setattr(AsyncLiveAvatar, "stop_orphans", fail)
    with caplog.at_level(logging.ERROR, "liveavatar_nb"):
        command(studio, "stop_orphans")
        wait_for(lambda: studio.problem)
    assert "out of order" in studio.problem["detail"]
    assert "out of order" in caplog.text


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("no_such", {}),
        ("start", {"avatar_id": "no such avatar"}),
        ("start", {"avatar": "x"}),
        ("configure", {"video_quality": "best"}),
        ("configure", {"max_minutes": -1}),
        ("configure", {"max_minutes": "ten"}),
        ("configure", {"is_sandbox": "yes"}),
        ("configure", {"api_key": "x"}),
    ],
)
def test_a_command_that_cannot_be_done_is_answered_in_words(studio: Studio, name: str, args: dict[str, Any]) -> None:
    settings = dict(studio.settings)
    command(studio, name, **args)
    wait_for(lambda: studio.problem)
    assert studio.settings == settings


@pytest.mark.parametrize(
    "data", [None, 3, "start", [], {}, {"widget": 1, "id": "x", "command": "start", "args": {}}, {"widget": "gone"}]
)
def test_a_message_that_is_no_command_is_ignored(studio: Studio, data: Any) -> None:
    channel.deliver(data)
    assert state(studio) == "none"


def test_the_sandbox_picks_its_avatar_and_gives_the_choice_back(studio: Studio, simulator: Simulator) -> None:
    before = studio.value
    command(studio, "configure", is_sandbox=True)
    wait_for(lambda: studio.value == SANDBOX_AVATAR)
    command(studio, "start")
    wait_for(lambda: state(studio) == "connected")
    assert simulator.billed()[0].is_sandbox
    command(studio, "stop")
    wait_for(lambda: state(studio) == "ended")
    command(studio, "configure", is_sandbox=False)
    wait_for(lambda: studio.value == before)


def test_traits_are_written_by_the_worker_alone(studio: Studio) -> None:
    writers: set[str] = set()
    studio.observe(lambda _change: writers.add(threading.current_thread().name))
    command(studio, "start")
    wait_for(lambda: state(studio) == "connected")
    command(studio, "stop")
    wait_for(lambda: state(studio) == "ended")
    assert writers == {THREAD_NAME}


def test_a_slow_observer_holds_up_no_command(studio: Studio, simulator: Simulator) -> None:
    held = threading.Event()
    studio.observe(lambda _change: held.wait(5), "status")
    command(studio, "start")
    wait_for(simulator.billed)
    command(studio, "stop")
    wait_for(lambda: not simulator.billed(), 4)
    held.set()


def test_nothing_secret_is_in_a_trait(studio: Studio, la: LiveAvatar, simulator: Simulator) -> None:
    command(studio, "start")
    wait_for(lambda: state(studio) == "connected")
    shown = json.dumps(studio.get_state(), default=repr) + repr(studio)
    inner = la._inner.session
    for secret in (simulator.api_key, inner.lifecycle.billing.token.reveal()):
        assert secret not in shown
    command(studio, "stop")
    wait_for(lambda: state(studio) == "ended")


def test_pictures_that_only_the_kernel_reaches_are_sent_as_bytes(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = studio.avatars[0]
    assert entry["picture"] == {"bytes": True}
    messages = sent_by(studio, monkeypatch)
    command(studio, "pictures", avatar_ids=[entry["id"], "no such avatar"])
    wait_for(lambda: [content for content, _ in messages if content["type"] == "picture"])
    content, buffers = next(message for message in messages if message[0]["type"] == "picture")
    assert content == {"type": "picture", "avatar_id": entry["id"], "media_type": "image/svg+xml"}
    assert buffers[0].startswith(b"<svg")


@pytest.mark.parametrize(
    ("url", "only_here"),
    [
        ("http://127.0.0.1:8000/x.svg", True),
        ("http://localhost/x.svg", True),
        ("http://[::1]/x.svg", True),
        ("http://192.168.1.5/x.svg", True),
        ("http://kernel-host/x.svg", True),
        ("https://files.example.org/x.png", False),
        ("https://8.8.8.8/x.png", False),
    ],
)
def test_which_addresses_only_the_kernel_reaches(url: str, *, only_here: bool) -> None:
    assert only_from_here(url) == only_here


def test_value_can_be_set_and_observed_but_not_to_what_cannot_be_used(la: LiveAvatar) -> None:
    picker = AvatarPicker(la)
    wait_for(lambda: picker.avatars)
    seen: list[str] = []
    picker.observe(lambda change: seen.append(change.new), "value")
    ann = next(entry for entry in picker.avatars if entry["name"] == "Ann")
    thaddeus = next(entry for entry in picker.avatars if entry["name"] == "Thaddeus")
    picker.value = ann["id"]
    assert seen == [ann["id"]]
    with pytest.raises(InvalidArgument, match="Thaddeus is DEPLOYING, not ACTIVE"):
        picker.value = thaddeus["id"]
    with pytest.raises(InvalidArgument, match="no avatar"):
        picker.value = "nobody"
    picker.close()


def test_picker_and_panel_compose(la: LiveAvatar, simulator: Simulator) -> None:
    import ipywidgets  # noqa: PLC0415

    picker, panel = AvatarPicker(la), SessionPanel(la)
    link = ipywidgets.link((picker, "value"), (panel, "avatar"))
    wait_for(lambda: picker.avatars)
    command(picker, "pick", avatar_id=next(entry["id"] for entry in picker.avatars if entry["name"] == "June"))
    wait_for(lambda: panel.avatar_name == "June")
    assert "June" in panel.code
    command(panel, "start")
    wait_for(lambda: state(panel) == "connected")
    command(panel, "stop")
    wait_for(lambda: state(panel) == "ended")
    link.unlink()
    picker.close()
    panel.close()


def test_a_gallery_that_cannot_be_loaded_says_so_and_can_be_loaded_again(la: LiveAvatar, simulator: Simulator) -> None:
    simulator.faults.add("avatars", "status", status=403, message="not for you")
    picker = AvatarPicker(la)
    wait_for(lambda: picker.catalogue["state"] == "failed")
    assert "not for you" in picker.catalogue["problem"]["detail"]
    command(picker, "reload")
    wait_for(lambda: picker.catalogue["state"] == "ready")
    picker.close()


def test_a_closed_client_is_said_and_starts_no_loop(la: LiveAvatar) -> None:
    studio = la.studio()
    wait_for(lambda: studio.catalogue["state"] == "ready")
    la.close()
    command(studio, "start")
    wait_for(lambda: studio.problem)
    assert studio.problem["kind"] == "ClientClosed"
    studio.close()


def test_copy_as_code_is_the_python_that_was_clicked(studio: Studio) -> None:
    command(studio, "configure", video_quality="low", max_minutes=3)
    wait_for(lambda: "max_minutes=3" in studio.code)
    assert f"la.start('{studio.avatar_name}', video_quality='low', max_minutes=3)" in studio.code
    compile(studio.code, "code", "exec")


def test_what_is_no_client_is_refused(la: LiveAvatar) -> None:
    with pytest.raises(InvalidArgument, match="needs a LiveAvatar"):
        AvatarPicker(la._inner)
    with pytest.raises(InvalidArgument, match="Did you mean 'layout'"):
        AvatarPicker(la, layot=None)


def test_a_script_that_was_not_built_is_said_with_the_remedy() -> None:
    with pytest.raises(ConfigurationError, match="pip"):
        front_end.asset("no_such.js")


def test_the_worker_goes_on_after_an_error_and_leaves_when_idle(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    worker, done = Worker(), threading.Event()
    with caplog.at_level(logging.ERROR, "liveavatar_nb"):
        worker.post(fail)
        worker.post(done.set)
        assert done.wait(5)
    assert "ZeroDivisionError" in caplog.text
    wait_for(lambda: THREAD_NAME not in [thread.name for thread in threading.enumerate()])
