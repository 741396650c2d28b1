"""In a real kernel whose tracebacks show local variables, cells fail on purpose: no output holds a secret."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_core.utils import ensure_event_loop

from liveavatar_nb import Simulator

from .faults.canary import CANARY, KEY
from .kernels import Kernel

SECRET = f"{CANARY}-secret"

MODES = {
    "verbose": "%xmode Verbose",
    "rich": "from rich.traceback import install\ninstall(show_locals=True, width=200)",
}
SET_UP = """
import asyncio, os
from pathlib import Path
from liveavatar_nb import AsyncLiveAvatar, LiveAvatar, LiveAvatarAPI, Masked
url = os.environ["SIMULATOR_URL"]
secret = Masked(Path(os.environ["SECRET_FILE"]).read_text())
la = LiveAvatar(api_url=url)
api = LiveAvatarAPI(api_url=url)
"""
NOT_A_KEY = 'Masked(Path(os.environ["WRONG_FILE"]).read_text(), "from a file")'
CREATE = 'secrets.create(secret_name="a", secret_value=secret, secret_type="OPENAI_API_KEY")'
# a cell, with the fault that makes it fail and a word of the error
CELLS: list[tuple[str, tuple[str, str, dict[str, Any]] | None, str]] = [
    (f"LiveAvatar({NOT_A_KEY}, api_url=url).credits()", None, "AuthenticationError"),
    (f"await LiveAvatarAPI({NOT_A_KEY}, api_url=url).credits.get()", None, "AuthenticationError"),
    *(
        (cell, ("secrets", "status", {"status": status, "body": body}), error)
        for cell in (f"la.api.{CREATE}", f"await api.{CREATE}")
        for status, body, error in (
            (400, json.dumps({"code": 4000, "data": None, "message": f"No: {SECRET} by {KEY}"}), "APIStatusError"),
            (
                422,
                json.dumps({"detail": [{"loc": ["body", "secret_value"], "msg": f"not {SECRET}", "input": SECRET}]}),
                "ValidationError",
            ),
        )
    ),
    ("la.start('Silas')", ("start", "status", {"status": 402, "message": f"No credits for {KEY}"}), "CreditsError"),
    ("la.start('Silas')", ("start", "drop_after", {}), "StartOutcomeUnknown"),
    (
        "await AsyncLiveAvatar(api_url=url).start('Silas')",
        ("start", "garbage", {"body": json.dumps({"code": 1000, "data": {"ws_url": f"ws://{CANARY}"}})}),
        "StartOutcomeUnknown",
    ),
    ("la.credits()", ("credits", "status", {"status": 400}), "APIStatusError"),
    ("la.start('nobody at all')", None, "InvalidArgument"),
]
SLOW = [f"la.api.{CREATE}", f"await api.{CREATE}"]


@pytest.fixture(scope="module", autouse=True)
def loop_of_jupyter() -> None:
    """jupyter_client's blocking calls make one event loop for the process, which stays."""
    ensure_event_loop()


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(api_key=KEY) as running:
        yield running
        assert not running.billed()


@pytest.fixture
def kernel(simulator: Simulator, tmp_path: Path) -> Iterator[Kernel]:
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "wrong").write_text(f"{CANARY}-wrong")
    kernel = Kernel(
        {
            "LIVEAVATAR_API_KEY": KEY,
            "SIMULATOR_URL": simulator.url,
            "SECRET_FILE": str(tmp_path / "secret"),
            "WRONG_FILE": str(tmp_path / "wrong"),
        }
    )
    yield kernel
    kernel.close()


@pytest.mark.parametrize("mode", MODES)
def test_cells_that_fail_show_no_secret(kernel: Kernel, simulator: Simulator, mode: str) -> None:
    told = kernel.shown(f"{SET_UP}\n{MODES[mode]}")
    assert "Error" not in told
    for cell, fault, error in CELLS:
        if fault is not None:
            operation, kind, parameters = fault
            simulator.faults.add(operation, kind, **parameters)
        output = kernel.shown(cell)
        assert error in output, (cell, output)
        assert "site-packages" in output or "liveavatar_nb" in output, "the traceback shows frames"
        assert CANARY not in output, cell
    kernel.shown("la.close()\nawait api.aclose()")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("cell", SLOW, ids=["sync", "async"])
def test_an_interrupt_shows_no_secret(kernel: Kernel, simulator: Simulator, cell: str, mode: str) -> None:
    told = kernel.shown(f"{SET_UP}\n{MODES[mode]}")
    assert "Error" not in told
    simulator.faults.add("secrets", "delay", seconds=5)
    running = kernel.begin(cell)
    while simulator.faults.list():
        time.sleep(0.02)
    kernel.manager.interrupt_kernel()
    output = kernel.output(running)
    assert "KeyboardInterrupt" in output or "CancelledError" in output, output
    assert CANARY not in output
    assert CANARY not in kernel.shown("print(la.api.last, api.last, asyncio.all_tasks())")
    kernel.shown("la.close()\nawait api.aclose()")
