"""The bar in the cell: it comes, moves and tells the end, also of what was interrupted; elsewhere there is none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from jupyter_core.utils import ensure_event_loop

from liveavatar_nb import LiveAvatar, Simulator
from liveavatar_nb.session.speech.progress import is_shown

from ...kernels import Kernel


@pytest.fixture(scope="module", autouse=True)
def loop_of_jupyter() -> None:
    """jupyter_client's blocking calls make one event loop for the process, which stays."""
    ensure_event_loop()


@pytest.fixture
def kernel(simulator: Simulator) -> Iterator[Kernel]:
    kernel = Kernel()
    kernel.run(
        "import numpy as np\n"
        "from liveavatar_nb import LiveAvatar\n"
        f"la = LiveAvatar({simulator.api_key!r}, api_url={simulator.url!r})\n"
        "s = la.start('Silas')\n"
        "second = np.zeros(24_000)"
    )
    yield kernel
    kernel.close()


def bars(kernel: Kernel, cell: str, *, interrupt_at: str | None = None) -> list[dict[str, str]]:
    """What the bars of a cell showed, in order; the cell is interrupted once a bar tells of `interrupt_at`."""
    shown, places = [], []
    for kind, content in kernel._messages(cell):
        if kind not in ("display_data", "update_display_data"):
            continue
        shown.append(content["data"])
        if kind == "display_data":
            places.append(content["transient"]["display_id"])
        assert content["transient"]["display_id"] in places
        if interrupt_at is not None and interrupt_at in shown[-1]["text/plain"]:
            kernel.manager.interrupt_kernel()
            interrupt_at = None
    assert len(places) == 1
    return shown


def test_it_moves_in_its_place_until_the_sound_was_said(kernel: Kernel) -> None:
    shown = bars(kernel, kernel.begin("s.play(second, rate=24_000, name='a second')"))
    words = [one["text/plain"].rpartition(", ")[2] for one in shown]
    assert words[0] in ("waits", "on its way")
    assert "talking" in words
    assert words[-1] == "said"
    assert shown[-1]["text/plain"] == "a second: 0:01, said"
    assert "width: 100%" in shown[-1]["text/html"]
    kernel.run("la.close()")


def test_an_interrupted_cell_has_a_bar_that_says_so(kernel: Kernel) -> None:
    cell = kernel.begin("s.play(np.tile(second, 60), rate=24_000)")
    shown = bars(kernel, cell, interrupt_at="talking")
    assert shown[-1]["text/plain"].endswith("/ 1:00, interrupted")
    kernel.run("la.close()")


def test_a_sound_that_breaks_off_has_a_bar_that_says_so(kernel: Kernel) -> None:
    kernel.run("def broken():\n    yield second\n    raise RuntimeError('no more')")
    shown = bars(kernel, kernel.begin("s.play(broken(), rate=24_000)"))
    assert shown[-1]["text/plain"].endswith("failed")
    kernel.run("la.close()")


def test_a_name_is_text_in_one_line(kernel: Kernel) -> None:
    cell = kernel.begin("s.play(second, rate=24_000, name='<b>bold</b>\\n' + 'and long ' * 100)")
    last = bars(kernel, cell)[-1]
    assert last["text/plain"].startswith("<b>bold</b> and long and long")
    assert "\n" not in last["text/plain"]
    assert len(last["text/plain"]) < 120
    assert "&lt;b&gt;bold&lt;/b&gt;" in last["text/html"]
    assert "<b>" not in last["text/html"]
    kernel.run("la.close()")


def test_it_tells_what_was_amiss_with_the_sound(kernel: Kernel) -> None:
    last = bars(kernel, kernel.begin("s.play(second + 2, rate=24_000)"))[-1]
    assert "louder than full scale" in last["text/html"]
    kernel.run("la.close()")


@pytest.mark.parametrize("how", ["progress=False", "wait=False"])
def test_there_is_none_that_nobody_asked_for(kernel: Kernel, how: str) -> None:
    assert "display_data" not in [
        kind for kind, _ in kernel._messages(kernel.begin(f"u = s.play(second, rate=24_000, {how})\nu.wait()"))
    ]
    kernel.run("la.close()")


def test_outside_of_a_notebook_there_is_none(simulator: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    assert not is_shown()
    with LiveAvatar(simulator.api_key, api_url=simulator.url) as la, la.start("Silas") as s:
        assert s.play(bytes(4_800), rate=24_000).state == "ended"
    assert capsys.readouterr() == ("", "")
