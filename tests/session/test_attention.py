"""Pages whose messages wait for cells: closed ones are noticed, open ones are never taken for closed."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import Callable, Iterator

import pytest
from jupyter_core.utils import ensure_event_loop

from liveavatar_nb import Simulator, config
from liveavatar_nb.concurrency.clock import CLOCK
from liveavatar_nb.session.attention import UNKNOWN, Attention, UnknownAttention, attention_here
from liveavatar_nb.session.audience import Audience

from ..kernels import Kernel
from ..waiting import wait_for

UNWATCHED = 3.0  # s without a page; short enough to wait for
CONNECT = """
import asyncio, time
from liveavatar_nb import LiveAvatar, SessionPanel, config
config.SHORTEST_UNWATCHED, config.PULSE = 1.0, 0.5
la = LiveAvatar({key!r}, api_url={url!r})
panel = SessionPanel(la)
print(panel.comm.comm_id, panel.widget_id)
"""


class Host:
    """A kernel's loop, on a thread of its own as marimo's is."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()

    def call(self, function: Callable[[], object]) -> None:
        """Has the loop do something, without waiting for it."""
        self.loop.call_soon_threadsafe(function)

    def attention(self) -> Attention:
        async def hear() -> Attention | UnknownAttention:
            return attention_here()

        found = asyncio.run_coroutine_threadsafe(hear(), self.loop).result(5)
        assert isinstance(found, Attention)
        return found

    def close(self) -> None:
        if not self.loop.is_closed():
            self.call(self.loop.stop)
            self._thread.join()
            self.loop.close()


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    monkeypatch.setattr(config, "ATTENTION_TICK", 0.2)
    host = Host()
    yield host
    host.close()


def test_only_the_time_counts_in_which_a_loop_could_hear(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "LONG_BUSY", 0.8)
    attention = host.attention()
    assert attention is host.attention(), "one for each loop"
    began = attention.seconds
    wait_for(lambda: attention.seconds > began + 0.5)
    assert attention.freed_at < 0
    host.call(lambda: time.sleep(1.5))
    time.sleep(0.4)
    before = attention.seconds
    time.sleep(0.6)
    assert attention.seconds == before
    wait_for(lambda: attention.seconds > before)
    assert attention.freed_at == before


def test_a_loop_that_is_closed_excuses_no_page_any_more(host: Host) -> None:
    attention = host.attention()
    audience = Audience(1.0, CLOCK)
    audience.beat("tab-1", attention)
    host.close()
    wait_for(lambda: audience.left == 0, 3)


def test_the_looks_end_where_nobody_asks_any_more(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "ATTENTION_LINGER", 0.1)
    attention = host.attention()
    assert attention.seconds >= 0
    wait_for(lambda: not attention._is_ticking)


def test_where_no_loop_hears_it_no_time_counts() -> None:
    assert attention_here() is UNKNOWN
    audience = Audience(0.1, CLOCK)
    audience.beat("tab-1", UNKNOWN)
    time.sleep(0.2)
    assert audience.left == 0.1
    audience.beat("tab-1")
    wait_for(lambda: audience.left == 0, 2)


def test_a_page_has_time_to_be_heard_after_a_long_cell() -> None:
    class Ear:
        seconds = 100.0
        freed_at = float("-inf")

    ear, audience = Ear(), Audience(60, CLOCK)
    audience.beat("tab-1", ear)
    ear.seconds += 58
    assert audience.left == 2
    ear.freed_at = ear.seconds
    assert audience.left == config.HEARING_GRACE
    ear.seconds += config.HEARING_GRACE
    assert audience.left == 0


def test_each_page_counts_by_the_way_of_its_newest_word() -> None:
    class Ear:
        seconds = 0.0
        freed_at = float("-inf")

    ear, audience = Ear(), Audience(0.2, CLOCK)
    audience.beat("tab-1", ear)
    audience.beat("tab-1")
    wait_for(lambda: audience.left == 0, 2)
    audience.beat("tab-2", ear)
    audience.beat("tab-1")
    time.sleep(0.3)
    assert audience.left == 0.2, "the other page may be held up"


@pytest.fixture(scope="module", autouse=True)
def loop_of_jupyter() -> None:
    """jupyter_client's blocking calls make one event loop for the process, which stays."""
    ensure_event_loop()


class Page:
    """A page in a host without the control channel: all that it says is an ordinary message of its widget."""

    def __init__(self, kernel: Kernel, simulator: Simulator) -> None:
        self._kernel = kernel
        told = kernel.run(CONNECT.format(key=simulator.api_key, url=simulator.url))
        self._comm, self._widget = told.split()

    def say(self, command: str) -> None:
        content = {"widget": self._widget, "id": uuid.uuid4().hex, "page": "tab-1", "command": command, "args": {}}
        session, channel = self._kernel.client.session, self._kernel.client.shell_channel
        data = {"method": "custom", "content": content}
        channel.send(session.msg("comm_msg", {"comm_id": self._comm, "data": data}))

    def show(self, seconds: float) -> None:
        """Shows the session for so long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.say("beat")
            time.sleep(UNWATCHED / 4)


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    kernel = Kernel()
    yield kernel
    kernel.close()


def seconds_billed(simulator: Simulator, since: float) -> float:
    wait_for(lambda: not simulator.billed(), 4 * UNWATCHED)
    received = simulator.ledger()[-1].stop_received_at
    assert received is not None
    return received - since


def test_a_message_is_no_cell(kernel: Kernel, simulator: Simulator) -> None:
    """IPython's `pre_execute` comes with each message of a widget, too."""
    page = Page(kernel, simulator)
    for _ in range(3):
        page.say("beat")
    kernel.run("from liveavatar_nb.session import attention\n(known,) = attention._attentions.values()")
    assert kernel.run("print(known._hears_beside_cells, known._cells.is_running)") == "False True"
    cell = kernel.begin("await asyncio.sleep(1)\nprint(known._hears_beside_cells)")
    page.say("beat")
    assert kernel.result(cell) == "True", "of ipykernel 7, whose cells that await let messages through"


@pytest.mark.parametrize("wait", ["time.sleep", "await asyncio.sleep"])
def test_a_page_that_cells_hold_up_is_missed_once_it_is_gone(kernel: Kernel, simulator: Simulator, wait: str) -> None:
    page = Page(kernel, simulator)
    kernel.run(f"s = la.start('Silas', unwatched={UNWATCHED})")
    page.show(UNWATCHED)
    cell = kernel.begin(f"{wait}({2.5 * UNWATCHED})")
    page.show(2.5 * UNWATCHED)
    kernel.result(cell)
    page.show(1.5 * UNWATCHED)
    assert simulator.billed(), "a page is open beside a cell"
    assert 0 <= seconds_billed(simulator, time.time()) < UNWATCHED + 2.5
    assert kernel.run("s.wait_until_ended()\nprint(s.end_words)") == f"no page showed it for {UNWATCHED:g} s"

    kernel.run(f"s = la.start('Silas', unwatched={UNWATCHED})")
    page.show(0.5 * UNWATCHED)
    cell = kernel.begin(f"{wait}({2 * UNWATCHED})")
    kernel.result(cell)
    ended_at = time.time()
    assert simulator.billed() or "await" in wait, "gone or not: the cell held it up"
    assert seconds_billed(simulator, ended_at) < UNWATCHED + 2.5
