"""While a guarded session runs, the key is nowhere but in memory."""

from __future__ import annotations

import secrets
from contextlib import suppress
from pathlib import Path

from liveavatar_nb import Simulator

from ..faults.canary import CANARY
from .owners import START, Owner, connect, guards, kill_guards, left_of, settles

LOGGED = """
import logging
logging.basicConfig(level=logging.DEBUG)
"""


def test_the_key_is_in_no_argv_environment_file_or_log(records: Path, tmp_path: Path) -> None:
    key = f"{CANARY}-{secrets.token_hex(8)}"
    with (
        Simulator(api_key=key, connect_delay=0) as simulator,
        (tmp_path / "errors").open("wb") as errors,
        Owner({"MY_ODD_NAME": key, "PATH_TO_MY_KEY": key, "LC_MY_KEY": key}, errors) as owner,
    ):
        # what the user did shows, and nothing else does: so the search finds what is there
        by_the_user = [f"{owner.pid} environ"]
        session_id = owner.run(LOGGED + connect(simulator) + START)
        assert len(guards(owner.pid)) == 1
        assert processes_that_show(key) == by_the_user
        kill_guards(owner.pid)
        # one that comes up later is told of a session that runs
        owner.run(START)
        assert len(guards(owner.pid)) == 1
        assert processes_that_show(key) == by_the_user
        assert (records / f"{session_id}.json").exists()
        assert not files_that_show(key, tmp_path)
        owner.kill()
        assert settles(lambda: not left_of(owner.pid)), left_of(owner.pid)
        assert not simulator.billed()
    assert "is connected" in (tmp_path / "errors").read_text()
    assert not files_that_show(key, tmp_path)


def processes_that_show(secret: str) -> list[str]:
    """Where it stands in the argv or the environment of a process."""
    found = []
    for process in Path("/proc").iterdir():
        for name in ("cmdline", "environ") if process.name.isdigit() else ():
            with suppress(OSError):
                if secret.encode() in (process / name).read_bytes():
                    found.append(f"{process.name} {name}")
    return found


def files_that_show(secret: str, folder: Path) -> list[Path]:
    """The files below a folder in which it stands, in what they hold or in their name."""
    return [
        path
        for path in folder.rglob("*")
        if secret in str(path) or (path.is_file() and secret.encode() in path.read_bytes())
    ]
