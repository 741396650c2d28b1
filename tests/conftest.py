"""Fixtures for all tests: a simulator, clients of it, and a check that no test leaves anything behind."""

from __future__ import annotations

import asyncio
import gc
import importlib
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
os.environ.pop("COLUMNS", None)  # pytest-xdist sets it, and it changes the width of printed output

SETTLE_LIMIT = 15.0  # seconds for threads, processes and sockets to disappear after a test
# The slowest files start first, so that no worker is left alone with one of them at the end. Files that compute
# alternate with files that wait.
LONGEST = (
    "hosts/test_closed_pages.py",
    "frontend/test_view.py",
    "cli/test_demo.py",
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
    # without the zygote, the browser itself reaps its renderers, immediately instead of after 2 s
    "--no-zygote",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def missing(what: str, remedy: str) -> NoReturn:
    """Skip a test because `what` is missing, or fail it if the environment says that `what` is required."""
    if what in REQUIRED:
        pytest.fail(f"{what} is missing: {remedy}", pytrace=False)
    pytest.skip(f"{what} is missing: {remedy}")


def pytest_xdist_auto_num_workers() -> int:
    """Return one more than the number of cores, since most tests wait for a clock or another process."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    ranks = {here / name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path, len(ranks)))


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Freeze everything imported so far: scanning it takes the garbage collector 0.3 s each time, and frees nothing."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, for one module only, since no async test can run while Playwright's own loop is running."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 (most tests don't need it)

    executable = shutil.which("chromium")
    if executable is None:
        missing("chromium", "install Debian's package of that name")
    with sync_playwright() as playwright:
        yield from launched(playwright.chromium, executable)


def launched(kind: BrowserType, executable: str, *flags: str) -> Iterator[Browser]:
    """Launch a browser with these flags in addition to the default ones; close it when the generator resumes."""
    browser = kind.launch(executable_path=executable, args=[*CHROMIUM_FLAGS, *flags])
    # open a page now to start the helper processes, so that they are attributed to the browser and not to a test
    page = browser.new_page()
    page.goto("data:text/html,<p>warm")
    page.screenshot()
    page.close()
    yield browser
    browser.close()


def another(chromium: Browser, *flags: str) -> Iterator[Browser]:
    """Launch another browser of the same type as `chromium`, with these flags in addition to the default ones."""
    executable = shutil.which("chromium")
    assert executable is not None
    yield from launched(chromium.browser_type, executable, *flags)


def _datagram_sockets() -> set[str]:
    """Return the open UDP sockets; only LiveKit's library opens any."""
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
    # LiveKit's library opens files of these kinds for its own threads at any time, and keeps a room's for 5 s more.
    # One of our loops, if it were left behind, would still be noticed by its socket, which is of another kind.
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
    # the helpers of the browser that serves all tests come and go at any time
    return {pid: told for pid, told in commands.items() if "chromium --type=" not in told and told != "just ended"}


def _state() -> dict[str, dict[Any, str]]:
    # a thread that Python did not start belongs to a library, which used it for a callback
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


def _holders(left: list[str]) -> list[str]:
    """Say which asyncio transports hold the sockets that are left, and on what loop: where to look for the leak."""
    numbers = {line.split()[1].rstrip(":") for line in left if line.startswith("file ")}
    return [
        f"{transport!r} for {transport.get_protocol()!r} on {getattr(transport, '_loop', None)!r}"
        for transport in gc.get_objects()
        if isinstance(transport, asyncio.Transport) and str(getattr(transport, "_sock_fd", "")) in numbers
    ]


@pytest.fixture(autouse=True, scope="module")
def a_journal_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give each module its own journal, apart from the user's and from those of other modules."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield
    # a guard would keep trying to stop sessions of simulators that are gone, until the sessions' cap
    for process in psutil.process_iter(["cmdline"]):
        if (process.info["cmdline"] or [])[-2:] == ["liveavatar_nb.protection.guard", str(os.getpid())]:
            process.kill()


@pytest.fixture(autouse=True)
def nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Check that no thread, process, open file, socket, session or changed log level outlives the test."""
    before, level = _state(), logging.getLogger().level
    yield
    assert logging.getLogger().level == level, "the test changed the level of the root logger"
    deadline = time.monotonic() + SETTLE_LIMIT
    while True:
        left = _left(before)
        if not left or time.monotonic() > deadline:
            break
        gc.collect()
        time.sleep(0.05)
    assert not left, f"left behind: {left}, {_holders(left)}"
    assert not bridge.is_running, "the managed loop is left behind"
    assert not len(running_sessions), "a session is left behind"


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A simulator for one test; at the end, check that nothing on it is billed."""
    with Simulator() as running:
        yield running
        billed = running.billed()
    assert not billed, f"left billed: {billed}"


@pytest.fixture(params=["httpx", "httpx2"])
def library(request: pytest.FixtureRequest) -> Any:
    """Each HTTP library whose clients can be passed in."""
    return importlib.import_module(request.param)


@pytest.fixture
def la(simulator: Simulator) -> Iterator[LiveAvatar]:
    """A sync client of the simulator."""
    with LiveAvatar(simulator.api_key, api_url=simulator.url) as client:
        yield client


@pytest.fixture
async def client(simulator: Simulator) -> AsyncIterator[AsyncLiveAvatar]:
    """An async client of the simulator."""
    async with AsyncLiveAvatar(simulator.api_key, api_url=simulator.url) as client:
        yield client
