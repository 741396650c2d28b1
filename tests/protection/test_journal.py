"""The journal on disk: private, whole at every moment, and hostile content that harms nothing."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import logging
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from liveavatar_nb import AsyncLiveAvatar, Simulator
from liveavatar_nb.config import Masked
from liveavatar_nb.errors import ProtectionError
from liveavatar_nb.protection import journal as module
from liveavatar_nb.protection.journal import Entry, Journal

CANARY = "canary-5f1c"
KEY = Masked(f"{CANARY}-key")
BASE = "http://127.0.0.1:9"
MANY = 100_000
MANY_LIMIT = 10.0  # s in which a folder of so many records is read, on a machine that is busy
END_LIMIT = 20.0  # s
DAY = 24 * 3600.0  # s


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "sessions"


@pytest.fixture
def mine(folder: Path) -> Iterator[Journal]:
    """A journal of this process."""
    made = Journal(folder)
    yield made
    die(made)


def die(owner: Journal) -> None:
    """What the system does for a process that dies: its lock is let go, and its files stay."""
    if owner._held is not None:
        owner._held.release()
    owner._forget()


def note(owner: Journal, *, cap: float = 600.0) -> str:
    session_id = str(uuid.uuid4())
    owner.add(session_id, BASE, KEY, cap)
    return session_id


def orphan(folder: Path) -> Entry:
    """The record of a process that is dead."""
    dead = Journal(folder)
    session_id = note(dead)
    (entry,) = [entry for entry in dead.entries() if entry.session_id == session_id]
    die(dead)
    return entry


def ids(owner: Journal) -> set[str]:
    return {entry.session_id for entry in owner.entries()}


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def as_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make what belongs to others")


# What is written


def test_a_record_is_private_and_has_no_key(mine: Journal, folder: Path) -> None:
    session_id = note(mine)
    (entry,) = mine.entries()
    assert (entry.session_id, entry.state, entry.cap, entry.pid) == (session_id, "starting", 600.0, os.getpid())
    assert entry.is_of(BASE, KEY)
    assert not entry.is_of(BASE, Masked("another"))
    assert not entry.is_of("http://127.0.0.1:10", KEY)
    mine.started(session_id, 60.0)
    (entry,) = mine.entries()
    assert (entry.state, entry.cap) == ("started", 60.0)
    assert files(folder) == sorted([f"{session_id}.json", f"{entry.owner}.lock"])
    assert mode(folder) == 0o700
    assert {mode(path) for path in folder.iterdir()} == {0o600}
    assert CANARY.encode() not in b"".join(path.read_bytes() for path in folder.iterdir())
    mine.remove(session_id)
    assert files(folder) == []


def test_two_records_of_one_key_cannot_be_told_to_be(mine: Journal) -> None:
    note(mine)
    note(mine)
    first, second = mine.entries()
    assert first.fingerprint != second.fingerprint


@pytest.mark.parametrize("session_id", ["../../x", "", "/etc/passwd", "a" * 5000, "\u96ea", "x\0y"])
def test_row_50_an_id_is_no_path(session_id: str, mine: Journal, folder: Path) -> None:
    """row 50: what is no UUID becomes no file, and removes none."""
    with pytest.raises(ValueError, match="must be a UUID"):
        mine.add(session_id, BASE, KEY, 600.0)
    beside = folder.parent.parent / "x.json"
    beside.touch()
    mine.remove(session_id)
    assert beside.exists()
    assert not folder.exists()


def test_what_lies_at_a_records_name_is_replaced_and_not_followed(mine: Journal, folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("untouched")
    note(mine)
    session_id = str(uuid.uuid4())
    (folder / f"{session_id}.json").symlink_to(outside)
    mine.add(session_id, BASE, KEY, 600.0)
    assert session_id in ids(mine)
    assert not (folder / f"{session_id}.json").is_symlink()
    assert outside.read_text() == "untouched"


# What is found


def plain(told: dict[str, Any]) -> Callable[[Path, Path], None]:
    """A record whose fields are changed."""

    def write(path: Path, outside: Path) -> None:
        sound = json.loads(outside.read_text()) | {"session_id": path.stem}
        path.write_text(json.dumps(sound | told))
        path.chmod(0o600)

    return write


def text(content: str | bytes) -> Callable[[Path, Path], None]:
    def write(path: Path, outside: Path) -> None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    return write


def huge(path: Path, outside: Path) -> None:
    path.touch(0o600)
    os.truncate(path, 1 << 40)


def writable_by_all(path: Path, outside: Path) -> None:
    plain({})(path, outside)
    path.chmod(0o666)


def of_another_user(path: Path, outside: Path) -> None:
    as_root()
    plain({})(path, outside)
    os.chown(path, 12345, 12345)


HOSTILE: dict[str, Callable[[Path, Path], None]] = {
    "a link": lambda path, outside: path.symlink_to(outside),
    "a link to nothing": lambda path, outside: path.symlink_to(outside.parent / "nothing"),
    "a folder": lambda path, outside: path.mkdir(),
    "a pipe": lambda path, outside: os.mkfifo(path),
    "a socket": lambda path, outside: os.mknod(path, stat.S_IFSOCK | 0o600),
    "a huge file": huge,
    "an empty file": text(""),
    "no JSON": text("{"),
    "no text": text(bytes(range(256))),
    "a list": text("[]"),
    "too deep": text('{"x":' + "[" * 4000),
    "half a sign": text('{"salt":"\\ud800"}'),
    "a path as id": plain({"session_id": "../../x"}),
    "another's id": plain({"session_id": str(uuid.uuid4())}),
    "a path as owner": plain({"owner": "../../x"}),
    "a salt in signs": plain({"salt": "\u96ea" * 32}),
    "a fingerprint in signs": plain({"fingerprint": "\u96ea" * 64}),
    "a fingerprint too short": plain({"fingerprint": ""}),
    "a pid as text": plain({"pid": "1"}),
    "no pid": plain({"pid": None}),
    "an unknown state": plain({"state": "\x1b[31m"}),
    "a cap below 0": plain({"cap": -1}),
    "an absurd cap": plain({"cap": 1e300}),
    "a cap without end": plain({"cap": float("inf")}),
    "no moment": plain({"created": float("nan")}),
    "a moment before all": plain({"created": -1e9}),
    "a moment after all": plain({"created": 1e300}),
    "writable by all": writable_by_all,
    "of another user": of_another_user,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_row_50_what_is_no_record_is_set_aside(
    kind: str, mine: Journal, folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """row 50: and the sound one beside it is found, and what a link leads to stays as it was."""
    sound = note(mine)
    outside = tmp_path / "outside"
    shutil.copy(folder / f"{sound}.json", outside)
    before = outside.read_bytes()
    name = str(uuid.uuid4())
    path = folder / f"{name}.json"
    HOSTILE[kind](path, outside)

    assert ids(mine) == {sound}
    assert not os.path.lexists(path)
    assert [entry for entry in files(folder) if entry.startswith(name) and entry.endswith(".set-aside")]
    assert outside.read_bytes() == before
    assert "\x1b" not in caplog.text
    caplog.clear()
    assert ids(mine) == {sound}
    assert not caplog.records


@pytest.mark.parametrize(
    "told", [{"host": "\u96ea\n\x1b[31m"}, {"pid": -1}, {"pid": 2**60}, {"new_field": [1]}], ids=str
)
def test_odd_fields_that_decide_nothing_do_no_harm(told: dict[str, Any], mine: Journal, folder: Path) -> None:
    entry = orphan(folder)
    path = folder / f"{entry.session_id}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | told))
    (found,) = mine.entries()
    assert found.is_of(BASE, KEY)
    assert found.is_of_this_boot == ("host" not in told)
    assert not mine.has_owner(found)


def test_a_record_that_cannot_be_read_right_now_is_not_set_aside(
    mine: Journal, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = note(mine)
    really_open = os.open

    def few_files(path: Any, *arguments: Any, **named: Any) -> int:
        if str(path).endswith(".json"):
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return really_open(path, *arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", few_files)
        assert mine.entries() == []
    assert ids(mine) == {session_id}


def test_half_written_records_are_none_and_old_ones_are_swept(mine: Journal, folder: Path) -> None:
    session_id = note(mine)
    content = (folder / f"{session_id}.json").read_bytes()
    for name, age in ((".new-young", 0.0), (".new-old", 2 * DAY), (f"{uuid.uuid4()}.lock", 2 * DAY)):
        (folder / name).write_bytes(content[:50])
        os.utime(folder / name, (time.time() - age,) * 2)
    (mine_too,) = (path for path in folder.glob("*.lock") if path.stat().st_size == 0)
    os.utime(mine_too, (time.time() - 2 * DAY,) * 2)
    assert ids(mine) == {session_id}
    # the lock of an owner that lives stays, however old
    assert files(folder) == sorted([".new-young", f"{session_id}.json", mine_too.name])


def test_row_50_100000_records_are_read_in_bounded_time(caplog: pytest.LogCaptureFixture) -> None:
    """row 50: the newest are looked at, and those are enough."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as there:
        folder = Path(there) / "sessions"
        owner = Journal(folder)
        session_id = note(owner)
        opened = os.open(folder, os.O_RDONLY)
        for number in range(MANY):
            os.mknod(f"{number:08x}-0000-4000-8000-000000000000.json", stat.S_IFREG | 0o600, dir_fd=opened)
        os.close(opened)
        # the newest, and the one that the system lists last
        os.utime(folder / f"{session_id}.json", (time.time() + 60,) * 2)
        began = time.monotonic()
        found = ids(owner)
        took = time.monotonic() - began
        die(owner)
    print(f"{MANY} records: {took:.2f} s")
    assert found == {session_id}
    assert "more than 1000" in caplog.text
    assert took < MANY_LIMIT


# The folder


def a_link(folder: Path) -> None:
    (folder.parent / "elsewhere").mkdir()
    folder.symlink_to(folder.parent / "elsewhere")


def belongs_to_another(folder: Path) -> None:
    as_root()
    folder.mkdir(0o700)
    os.chown(folder, 12345, 12345)


FOLDERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a link": (a_link, "not a folder"),
    "a link to nothing": (lambda folder: folder.symlink_to("nothing"), "not a folder"),
    "a file": (lambda folder: folder.write_text("untouched"), "not a folder"),
    "another user's": (belongs_to_another, "another user"),
}


@pytest.mark.parametrize("kind", FOLDERS)
def test_row_50_a_folder_that_is_none_is_not_written(
    kind: str, mine: Journal, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """row 50: nothing is written there, nor where it leads; to read it is no failure."""
    folder.parent.mkdir()
    make, told = FOLDERS[kind]
    make(folder)
    before = sorted(str(path) for path in folder.parent.rglob("*"))
    with pytest.raises(OSError, match=told):
        note(mine)
    assert mine.entries() == []
    assert told in caplog.text or kind == "a link to nothing"
    assert sorted(str(path) for path in folder.parent.rglob("*")) == before


def test_a_folder_that_is_open_to_others_is_closed(mine: Journal, folder: Path) -> None:
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    assert mine.entries() == []
    assert mode(folder) == 0o700


def test_a_relative_state_folder_is_the_same_after_a_chdir(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "state")
    here = Journal().folder
    monkeypatch.chdir(tmp_path)
    assert Journal().folder == here
    assert here.is_absolute()


def test_without_a_home_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OSError, match="no home folder"):
        note(Journal(Path("~/sessions")))
    assert files(tmp_path) == []


def test_a_folder_that_was_cleared_while_sessions_run_is_written_again(mine: Journal, folder: Path) -> None:
    first = note(mine)
    shutil.rmtree(folder)
    second = note(mine)
    other = Journal(folder)
    assert ids(other) == {first, second}
    assert all(other.has_owner(entry) for entry in other.entries())
    shutil.rmtree(folder)
    mine.started(first, 60.0)
    assert ids(other) == {first, second}
    mine.remove(first)
    mine.remove(second)
    assert files(folder) == []


# Owners


def test_an_owner_lives_as_long_as_its_lock_is_held(mine: Journal, folder: Path) -> None:
    note(mine)
    (entry,) = mine.entries()
    other = Journal(folder)
    assert mine.is_ours(entry)
    assert not other.is_ours(entry)
    assert other.has_owner(entry)
    die(mine)
    assert not other.has_owner(entry)
    other.bury(entry)
    assert files(folder) == []


def test_what_is_let_go_has_no_owner(mine: Journal, folder: Path) -> None:
    first, second = note(mine), note(mine)
    other = Journal(folder)
    mine.let_go(first)
    # its process still has the second
    assert all(other.has_owner(entry) for entry in other.entries())
    assert all(mine.is_ours(entry) for entry in mine.entries())
    mine.let_go(second)
    assert not any(other.has_owner(entry) for entry in other.entries())
    assert ids(other) == {first, second}


def test_a_lock_that_one_thread_took_another_releases(mine: Journal) -> None:
    before = psutil.Process().num_fds()
    thread = threading.Thread(target=note, args=[mine])
    thread.start()
    thread.join()
    (entry,) = mine.entries()
    held = mine._held  # newer versions of filelock close the file of a lock that nobody refers to any more
    mine.let_go(entry.session_id)
    assert held is not None
    assert psutil.Process().num_fds() == before


def test_who_finishes_anothers_session_clears_its_lock(mine: Journal, folder: Path) -> None:
    """The guard, after its kernel's death; while the kernel lives, its lock stays."""
    entry = orphan(folder)
    living = note(mine)
    other = Journal(folder)
    other.remove(entry.session_id)
    assert len(files(folder)) == 2
    other.remove(living)
    assert [name for name in files(folder) if name.endswith(".lock")]
    mine.remove(living)
    assert files(folder) == []


def test_two_looks_at_once_do_not_take_each_other_for_the_owner(mine: Journal, folder: Path) -> None:
    entry = orphan(folder)
    looking = os.open(folder / f"{entry.owner}.lock", os.O_RDONLY)
    try:
        fcntl.flock(looking, fcntl.LOCK_SH)
        assert not mine.has_owner(entry)
    finally:
        os.close(looking)
    told: list[bool] = []
    threads = [
        threading.Thread(target=lambda: told.extend(Journal(folder).has_owner(entry) for _ in range(100)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told == [False] * 400


def test_a_look_leaves_no_lock_behind(mine: Journal, folder: Path) -> None:
    entry = orphan(folder)
    mine.bury(entry)
    assert not mine.has_owner(entry)
    assert files(folder) == []


@pytest.mark.parametrize("make", [lambda path, outside: path.symlink_to(outside), lambda path, _: os.mkfifo(path)])
def test_row_50_a_hostile_lock_is_neither_followed_nor_waited_for(
    make: Callable[[Path, Path], None], mine: Journal, folder: Path, tmp_path: Path
) -> None:
    """row 50: what is not certain to be dead is left alone."""
    entry = orphan(folder)
    outside = tmp_path / "outside"
    outside.write_text("untouched")
    lock = folder / f"{entry.owner}.lock"
    lock.unlink()
    make(lock, outside)
    assert mine.has_owner(entry) == lock.is_symlink()
    assert outside.read_text() == "untouched"


def test_two_that_bury_the_same_both_succeed(mine: Journal, folder: Path) -> None:
    entries = [orphan(folder) for _ in range(20)]
    failures: list[BaseException] = []

    def bury() -> None:
        try:
            for entry in entries:
                Journal(folder).bury(entry)
        except BaseException as failure:  # noqa: BLE001 (told below)
            failures.append(failure)

    threads = [threading.Thread(target=bury) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert files(folder) == []


@pytest.mark.parametrize("jump", [-3 * DAY, 3 * DAY], ids=["back", "ahead"])
def test_a_clock_that_jumps_says_nothing_against_an_owner_that_lives(
    jump: float, mine: Journal, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    orphan(folder)
    living = note(mine)
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + jump)
    other = Journal(folder)
    assert ids(other) == {living}
    assert ids(mine) == {living}
    assert len(files(folder)) == 2


WRITER = """
import sys, uuid
from pathlib import Path
from liveavatar_nb.config import Masked
from liveavatar_nb.protection.journal import Journal
journal = Journal(Path(sys.argv[1]))
for number in range(60):
    session_id = str(uuid.uuid4())
    journal.add(session_id, "http://127.0.0.1:9", Masked("key"), 600.0)
    journal.started(session_id, 60.0)
    if number % 3:
        journal.remove(session_id)
sys.stdout.write("written\\n")
sys.stdout.flush()
sys.stdin.read()
"""


def test_two_processes_write_at_once_while_a_third_reads(folder: Path, mine: Journal) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    done = threading.Event()

    def wait() -> None:
        for writer in writers:
            assert writer.stdout is not None
            writer.stdout.readline()
        done.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    deadline = time.monotonic() + END_LIMIT
    while not done.is_set() and time.monotonic() < deadline:
        assert all(mine.has_owner(entry) for entry in mine.entries())
    found = mine.entries()
    assert len(found) == 40
    assert {entry.state for entry in found} == {"started"}
    assert all(mine.has_owner(entry) for entry in found)
    assert len(files(folder)) == 42
    for writer in writers:
        writer.kill()
        writer.communicate(timeout=END_LIMIT)
    waiting.join()
    assert not any(mine.has_owner(entry) for entry in mine.entries())
    assert len(files(folder)) == 42


FORKING = """
import os, signal, sys, time, uuid
from pathlib import Path
from liveavatar_nb.config import Masked
from liveavatar_nb.protection.journal import Journal
journal = Journal(Path(sys.argv[1]))
journal.add(str(uuid.uuid4()), "http://127.0.0.1:9", Masked("key"), 600.0)
child = os.fork()
if not child:
    assert not any(journal.is_ours(entry) for entry in journal.entries())
    assert all(journal.has_owner(entry) for entry in journal.entries())
    journal.add(str(uuid.uuid4()), "http://127.0.0.1:9", Masked("key"), 600.0)
    print(os.getpid(), flush=True)
    time.sleep(60)
    os._exit(0)
sys.stdin.read()
"""


def test_row_47_a_forked_child_neither_holds_nor_releases_the_lock(folder: Path, mine: Journal) -> None:
    """row 47: parent killed, child lives on: the parent's lock can be taken, and the child's own cannot."""
    parent = subprocess.Popen(
        [sys.executable, "-c", FORKING, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    try:
        of_pid = {entry.pid: entry for entry in mine.entries()}
        assert set(of_pid) == {parent.pid, child.pid}
        assert all(mine.has_owner(entry) for entry in of_pid.values())
        parent.kill()
        parent.wait(END_LIMIT)
        assert child.is_running()
        assert child.status() != psutil.STATUS_ZOMBIE
        assert not mine.has_owner(of_pid[parent.pid])
        assert mine.has_owner(of_pid[child.pid])
    finally:
        child.kill()
        parent.kill()
        parent.communicate(timeout=END_LIMIT)


# A disk that takes nothing


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A small disk of its own, with the state of this test on it."""
    there = tmp_path / "disk"
    there.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16k", "none", there], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this user may not mount a disk")
    monkeypatch.setenv("XDG_STATE_HOME", str(there))
    yield there
    while there.is_mount():
        subprocess.run(["umount", "-l", there], check=True)


def fill(disk: Path) -> None:
    with contextlib.suppress(OSError), (disk / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)


def make_read_only(disk: Path) -> None:
    # over the first one, on which the lock is open
    subprocess.run(["mount", "--bind", disk, disk], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", disk], check=True)


@pytest.mark.parametrize(
    ("end", "told"), [(fill, "No space left"), (make_read_only, "Read-only")], ids=["full", "read-only"]
)
async def test_row_49_a_disk_that_takes_nothing_refuses_a_start_and_no_stop(
    end: Callable[[Path], None], told: str, disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """row 49: refused before anything is billed, in words that say what to do; what ran before is stopped."""
    with Simulator(api_key=KEY.reveal()) as simulator:
        async with AsyncLiveAvatar(KEY, api_url=simulator.url) as client:
            first = await client.start("Silas")
            end(disk)
            with pytest.raises(ProtectionError, match=told) as refused:
                await client.start("Silas", concurrent=True)
            assert "allow_unjournaled=True" in str(refused.value)
            assert str(module.journal.folder) in str(refused.value)
            assert [entry.session_id for entry in simulator.billed()] == [first.id]
            assert sum(entry.starts for entry in simulator.ledger()) == 1
            left = files(module.journal.folder)
            assert [name for name in left if name.endswith(".json")] == [f"{first.id}.json"]
            assert len(left) == 2
            assert CANARY.encode() not in b"".join(path.read_bytes() for path in module.journal.folder.iterdir())
            await first.stop()
            assert first.stop_is_confirmed
            assert not simulator.billed()

        async with AsyncLiveAvatar(KEY, api_url=simulator.url, allow_unjournaled=True) as client:
            caplog.clear()
            session = await client.start("Silas")
            warned = [record for record in caplog.records if record.levelno >= logging.WARNING]
            assert any(told in record.getMessage() for record in warned)
            assert [entry.session_id for entry in simulator.billed()] == [session.id]
            await session.stop()
        assert not simulator.billed()
    assert CANARY not in caplog.text


def test_row_49_a_disk_that_fills_up_while_it_starts_leaves_the_record_as_it_was(
    disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """row 49: it stays `starting`, which is safe."""
    owner = Journal(disk / "sessions")
    session_id = note(owner)
    fill(disk)
    owner.started(session_id, 60.0)
    assert "No space left" in caplog.text
    (entry,) = owner.entries()
    assert (entry.state, entry.cap) == ("starting", 600.0)
    assert len(files(disk / "sessions")) == 2
    owner.remove(session_id)
    assert files(disk / "sessions") == []


def test_row_49_what_did_not_reach_the_disk_is_not_written(
    mine: Journal, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """row 49: a disk that fails only when it is to be certain: no record, and no lock, is left."""

    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match=os.strerror(errno.EIO)):
            note(mine)
    assert files(folder) == []
    assert note(mine) in ids(mine)


async def test_row_49_a_file_in_the_folders_place_refuses_a_start(
    simulator: Simulator, client: AsyncLiveAvatar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """row 49: as a home that cannot be written."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with pytest.raises(ProtectionError, match="allow_unjournaled=True"):
        await client.start("Silas")
    assert sum(entry.starts for entry in simulator.ledger()) == 0
