"""What every test shares: a simulator, a client on it, and the check that nothing is left behind."""

from __future__ import annotations

import gc
import logging
import os
import shutil
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import psutil
import pytest

from liveavatar_nb import AsyncLiveAvatar, LiveAvatar, Simulator
from liveavatar_nb.bridge.loop import bridge
from liveavatar_nb.protection.running import running_sessions

from .launch import heed_signals

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserType

heed_signals()
os.environ.pop("COLUMNS", None)  # pytest-xdist sets it, and what is printed goes by it

SETTLE_LIMIT = 15.0  # s that threads, processes and sockets have to go after a test
# Files that take longest begin first, so that no worker is left alone with one of them at the end; those that compute
# and those that wait by turns.
LONGEST = (
    "hosts/test_closed_pages.py",
    "frontend/test_view.py",
    "cli/test_main.py",
    "frontend/test_looks.py",
    "test_notebooks.py",
    "browser/test_live.py",
    "frontend/test_tools.py",
    "state/test_in_process.py",
    "session/speech/test_lite.py",
    "contract/test_simulator_contract.py",
    "browser/test_studio.py",
    "test_secrets.py",
    "test_packaging.py",
    "browser/test_leaks.py",
    "session/test_lifecycle.py",
    "browser/test_view.py",
    "state/test_processes.py",
    "browser/test_talk.py",
    "test_client.py",
    "frontend/test_microphone.py",
    "rooms/test_livekit_participant.py",
    "frontend/test_contrast.py",
    "deaths/test_processes.py",
    "frontend/test_gallery.py",
    "deaths/test_kernels.py",
    "frontend/test_link.py",
    "simulator/test_media_server.py",
    "frontend/test_talk.py",
    "test_faces.py",
    "frontend/test_session.py",
)
REQUIRED = os.environ.get("LIVEAVATAR_NB_TEST_REQUIRE", "").split(",")
CHROMIUM_FLAGS = [
    "--no-sandbox",
    # without the zygote the browser itself reaps its renderers, at once and not after 2 s
    "--no-zygote",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def missing(what: str, remedy: str) -> NoReturn:
    """Skips a test for want of `what`, or fails it where the environment says that it must be there."""
    if what in REQUIRED:
        pytest.fail(f"{what} is missing: {remedy}", pytrace=False)
    pytest.skip(f"{what} is missing: {remedy}")


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: most tests wait, for a clock or another process."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    ranks = {here / name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path, len(ranks)))


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """What was imported until here stays: a collection that looks at it again takes 0.3 s, and finds nothing."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium; for one module, since no async test can run while Playwright's own loop does."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 (most tests do without)

    executable = shutil.which("chromium")
    if executable is None:
        missing("chromium", "install Debian's package of that name")
    with sync_playwright() as playwright:
        yield from launched(playwright.chromium, executable)


def launched(kind: BrowserType, executable: str, *flags: str) -> Iterator[Browser]:
    """A browser with these flags besides our own."""
    browser = kind.launch(executable_path=executable, args=[*CHROMIUM_FLAGS, *flags])
    # its helper processes start with the first page: they are the browser's, and no test's
    page = browser.new_page()
    page.goto("data:text/html,<p>warm")
    page.screenshot()
    page.close()
    yield browser
    browser.close()


def another(chromium: Browser, *flags: str) -> Iterator[Browser]:
    """One more of the kind of `chromium`, with these flags besides our own."""
    executable = shutil.which("chromium")
    assert executable is not None
    yield from launched(chromium.browser_type, executable, *flags)


def _datagram_sockets() -> set[str]:
    """Those of UDP: nothing here opens one but LiveKit's library."""
    lines = [line for name in ("udp", "udp6") for line in Path("/proc/self/net", name).read_text().splitlines()[1:]]
    return {f"socket:[{line.split()[9]}]" for line in lines}


def _open_files() -> dict[str, str]:
    found = {}
    for entry in Path("/proc/self/fd").iterdir() if Path("/proc/self/fd").exists() else ():
        try:
            found[entry.name] = str(entry.readlink())
        except OSError:
            continue
    if not found or "livekit.rtc" not in sys.modules:
        return found
    # it opens these for threads of its own, when it likes, and keeps those of a room for 5 s more; a loop of ours that
    # is left has a socket of another kind, too
    datagrams = _datagram_sockets()
    return {
        name: told
        for name, told in found.items()
        if told not in datagrams and not told.startswith(("anon_inode:[eventpoll]", "pipe:"))
    }


def _command(process: psutil.Process) -> str:
    try:
        return "zombie" if process.status() == psutil.STATUS_ZOMBIE else " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return "just ended"


def _processes() -> dict[int, str]:
    commands = {child.pid: _command(child) for child in psutil.Process().children(recursive=True)}
    # a browser that serves all tests has helpers that come and go as it likes
    return {pid: told for pid, told in commands.items() if "chromium --type=" not in told and told != "just ended"}


def _state() -> dict[str, dict[Any, str]]:
    # a thread that Python did not start is a library's own, which called back by it
    own = [thread for thread in threading.enumerate() if not isinstance(thread, threading._DummyThread)]
    threads = {thread.ident: thread.name for thread in own}
    return {"thread": threads, "process": _processes(), "file": _open_files()}


def _left(before: dict[str, dict[Any, str]]) -> list[str]:
    now = _state()
    return [
        f"{kind} {key}: {name}"
        for kind, things in now.items()
        for key, name in things.items()
        if before[kind].get(key) != name
    ]


@pytest.fixture(autouse=True, scope="module")
def a_journal_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The tests of a module write no record among the user's own, nor among those of others."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield
    # what insists on the sessions of simulators that are gone would do so until their cap
    for process in psutil.process_iter(["cmdline"]):
        if (process.info["cmdline"] or [])[-2:] == ["liveavatar_nb.protection.guard", str(os.getpid())]:
            process.kill()


@pytest.fixture(autouse=True)
def nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """No thread, task, process, open file, socket, session or level of the log outlives the test that made it."""
    before, level = _state(), logging.getLogger().level
    yield
    assert logging.getLogger().level == level, "the level of the root logger is left changed"
    deadline = time.monotonic() + SETTLE_LIMIT
    while True:
        left = _left(before)
        if not left or time.monotonic() > deadline:
            break
        gc.collect()
        time.sleep(0.05)
    assert not left, f"left behind: {left}"
    assert not bridge.is_running, "the managed loop is left behind"
    assert not len(running_sessions), "a session is left behind"


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A simulator of the test's own; at the end nothing on it is billed."""
    with Simulator() as running:
        yield running
        billed = running.billed()
    assert not billed, f"left billed: {billed}"


@pytest.fixture
def la(simulator: Simulator) -> Iterator[LiveAvatar]:
    """A client of the simulator, sync."""
    with LiveAvatar(simulator.api_key, api_url=simulator.url) as client:
        yield client


@pytest.fixture
async def client(simulator: Simulator) -> AsyncIterator[AsyncLiveAvatar]:
    """A client of the simulator, async."""
    async with AsyncLiveAvatar(simulator.api_key, api_url=simulator.url) as client:
        yield client
