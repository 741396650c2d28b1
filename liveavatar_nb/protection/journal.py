"""Which sessions are open, on disk: ids only, no key and no token.

One file for each session, in a folder that only its owner can read. A record names its owner's lock, a file of
its own that the owner's process holds for as long as it lives: a lock that can be taken has no living owner.
That decides only for records of this host and this boot; of others nothing is known here.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import heapq
import hmac
import logging
import os
import secrets
import socket
import stat
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from ..config import Masked

if TYPE_CHECKING:
    from filelock import BaseFileLock

logger = logging.getLogger("liveavatar_nb.journal")

APPLICATION: Final = "liveavatar_nb"
ENTRY: Final = ".json"
LOCK: Final = ".lock"
NEW: Final = ".new-"  # begins the name of what is half written
ASIDE: Final = ".set-aside"  # ends the name of what is no record
LARGEST_ENTRY: Final = 4096  # bytes
MOST_ENTRIES: Final = 1000  # records that are looked at, the newest
SALT_BYTES: Final = 16
LATEST: Final = 7258118400.0  # s since the epoch: the year 2200
STALE: Final = 24 * 3600.0  # s past its cap, or ahead of the clock, at which a dead owner's record says nothing
LARGEST_CAP: Final = 10 * 24 * 3600.0  # s
BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")

State = Literal["starting", "started"]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One session that may be billed.

    Attributes:
        session_id: the service's id.
        base_url: the service's address.
        salt, fingerprint: which key it was started with, without the key.
        host, boot: the machine on which its owner ran, and the boot of it.
        pid, pid_started: the owner's process, and its start time as the system counts it.
        owner: names the lock that the owner holds.
        state: `starting` until the service confirmed the start.
        cap: seconds after its start at which the service ends it.
        created: when it was first written, in seconds since the epoch.
    """

    session_id: str
    base_url: str
    salt: str
    fingerprint: str
    host: str
    boot: str
    pid: int
    pid_started: int
    owner: str
    state: State
    cap: float
    created: float

    def is_of(self, base_url: str, key: Masked) -> bool:
        """Whether it was started at this address with this key."""
        return self.base_url == base_url and hmac.compare_digest(self.fingerprint, _fingerprint(self.salt, key))

    @property
    def is_of_this_boot(self) -> bool:
        """Whether its owner ran on this machine since its last boot: only then the owner's lock tells anything."""
        return (self.host, self.boot) == (socket.gethostname(), _boot_id())

    @property
    def age(self) -> float:
        """Seconds since it was first written, by the wall's clock."""
        return time.time() - self.created

    @property
    def is_stale(self) -> bool:
        """Whether the cap has ended it for certain, as far as the wall's clock can be trusted."""
        return not -STALE <= self.age <= self.cap + STALE


class Journal:
    """The records of all processes of this user, and the lock of this one.

    Args:
        folder: where they lie; the user's state directory when not given.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._given = folder
        self._lock = threading.Lock()
        self._owner: str | None = None
        self._held: BaseFileLock | None = None
        self._written: dict[str, Entry] = {}
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        """In a forked child: the records and the lock, which filelock closes there, are the parent's."""
        self._lock = threading.Lock()
        self._owner = self._held = None
        self._written = {}

    @property
    def folder(self) -> Path:
        """Where the records lie."""
        if self._given is not None:
            return self._given
        from platformdirs import user_state_path  # noqa: PLC0415 (a quick import of the package)

        # a relative one would be another folder after each chdir
        return Path("~").expanduser() / user_state_path(APPLICATION, appauthor=False) / "sessions"

    def add(self, session_id: str, base_url: str, key: Masked, cap: float) -> None:
        """Writes down a session that is about to be started.

        Args:
            session_id: the service's id, a UUID.
            base_url: the service's address.
            key: what it is started with; only a salted fingerprint is written.
            cap: seconds after its start at which the service ends it.

        Raises:
            OSError: it cannot be written.
        """
        salt = secrets.token_hex(SALT_BYTES)
        with self._lock:
            entry = Entry(
                session_id=_uuid(session_id),
                base_url=base_url,
                salt=salt,
                fingerprint=_fingerprint(salt, key),
                host=socket.gethostname(),
                boot=_boot_id(),
                pid=os.getpid(),
                pid_started=_started(os.getpid()),
                owner=self._own(),
                state="starting",
                cap=_bounded(cap),
                created=time.time(),
            )
            try:
                self._write(entry)
            except OSError:
                self._disown_if_unused()
                raise
            self._written[session_id] = entry

    def started(self, session_id: str, cap: float) -> None:
        """Notes that the service confirmed the start; what cannot be written stays `starting`, which is safe."""
        with self._lock:
            if session_id not in self._written:
                return
            try:
                owner = self._own()
                entry = msgspec.structs.replace(
                    self._written[session_id], state="started", cap=_bounded(cap), owner=owner
                )
                self._write(entry)
            except OSError as failure:
                logger.warning("session %s: the journal could not be updated: %s", session_id, failure.strerror)
                return
            self._written[session_id] = entry

    def remove(self, session_id: str) -> None:
        """Nothing of it is billed any more; with the record of a dead owner goes its lock."""
        if not _is_uuid(session_id):
            return
        with self._lock:
            path = self.folder / f"{session_id}{ENTRY}"
            entry = self._read(path) if self._written.pop(session_id, None) is None else None
            with contextlib.suppress(OSError):
                path.unlink()
            if entry is not None:
                self.bury_lock(entry)
            self._disown_if_unused()

    def let_go(self, session_id: str) -> None:
        """This process looks after it no longer; its record stays for who does."""
        with self._lock:
            self._written.pop(session_id, None)
            self._disown_if_unused()

    def entries(self) -> list[Entry]:
        """The newest records, of all processes; what is no record is set aside, and no link is followed."""
        folder = self.folder
        try:
            _check_folder(folder)
            names = heapq.nlargest(MOST_ENTRIES + 1, _names(folder))
        except FileNotFoundError:
            return []
        except OSError as failure:
            logger.warning("the journal %s cannot be read: %s", folder, failure.strerror or failure)
            return []
        if len(names) > MOST_ENTRIES:
            logger.warning("the journal %s has more than %d records: the newest are looked at", folder, MOST_ENTRIES)
        found = []
        for _, name in names[:MOST_ENTRIES]:
            entry = self._read(folder / name)
            if entry is None:
                continue
            # a clock that jumped says nothing against an owner that lives
            if entry.is_stale and not (entry.is_of_this_boot and self.has_owner(entry)):
                self.bury(entry)
            else:
                found.append(entry)
        return found

    def is_ours(self, entry: Entry) -> bool:
        """Whether this process wrote it."""
        return entry.session_id in self._written or entry.owner == self._owner

    def has_owner(self, entry: Entry) -> bool:
        """Whether the process that wrote it lives; only for records of this boot."""
        if self.is_ours(entry):
            return True
        try:
            return _is_held(self._lock_of(entry.owner))
        except FileNotFoundError:
            return False
        except OSError:
            # it cannot be told: then it is not ours to touch
            return True

    def bury(self, entry: Entry) -> None:
        """Removes the record of a dead owner, and the owner's lock, which decides nothing any more."""
        with contextlib.suppress(OSError):
            (self.folder / f"{_uuid(entry.session_id)}{ENTRY}").unlink()
        self.bury_lock(entry)

    def bury_lock(self, entry: Entry) -> bool:
        """Remove the lock of a record's owner, unless it is held; whether it is not."""
        if self.has_owner(entry):
            return False
        with contextlib.suppress(OSError):
            self._lock_of(entry.owner).unlink()
        return True

    def _lock_of(self, owner: str) -> Path:
        return self.folder / f"{_uuid(owner)}{LOCK}"

    def _own(self) -> str:
        """The name of the lock that this process holds, taken here where it holds none."""
        if self._owner is not None and self._lock_of(self._owner).exists():
            return self._owner
        _make_folder(self.folder)
        owner = str(uuid.uuid4())
        held = _file_lock(self._lock_of(owner))
        held.acquire(timeout=0)
        if self._held is not None:
            self._held.release()
        self._owner, self._held = owner, held
        # somebody cleared the folder while sessions ran
        for entry in list(self._written.values()):
            self._written[entry.session_id] = again = msgspec.structs.replace(entry, owner=owner)
            self._write(again)
        return owner

    def _disown_if_unused(self) -> None:
        if self._written or self._owner is None or self._held is None:
            return
        with contextlib.suppress(OSError):
            self._lock_of(self._owner).unlink()
        with contextlib.suppress(OSError, RuntimeError):
            self._held.release()
        self._owner = self._held = None

    def _write(self, entry: Entry) -> None:
        folder = self.folder
        _check_folder(folder)
        descriptor, name = tempfile.mkstemp(prefix=NEW, dir=folder)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.encode(entry))
                file.flush()
                os.fsync(descriptor)
            Path(name).replace(folder / f"{entry.session_id}{ENTRY}")
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise
        _sync_folder(folder)

    def _read(self, path: Path) -> Entry | None:
        """The record in a file; None where it is gone, cannot be read now, or is none: then it is set aside."""
        try:
            content = _content(path)
        except FileNotFoundError:
            return None
        except OSError as failure:
            # too many open files, a disk that fails: it may be a sound one
            logger.warning("%s cannot be read: %s", path, failure.strerror)
            return None
        except ValueError as failure:
            _set_aside(path, str(failure))
            return None
        try:
            entry = msgspec.json.decode(content, type=Entry)
        except (ValueError, RecursionError) as failure:
            _set_aside(path, type(failure).__name__)
            return None
        if not _is_sound(entry, path.name.removesuffix(ENTRY)):
            _set_aside(path, "its fields do not fit")
            return None
        return entry


def _set_aside(path: Path, why: str) -> None:
    logger.warning("%s is no record of a session and was set aside (%s)", path, why)
    with contextlib.suppress(OSError):
        path.rename(path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}{ASIDE}"))


def _is_sound(entry: Entry, session_id: str) -> bool:
    return (
        entry.session_id == session_id
        and _is_uuid(entry.owner)
        and _is_hex(entry.salt, 2 * SALT_BYTES)
        and _is_hex(entry.fingerprint, 2 * hashlib.sha256().digest_size)
        and 0 <= entry.cap <= LARGEST_CAP
        and 0 < entry.created < LATEST
    )


def _make_folder(folder: Path) -> None:
    """Makes it where nothing has its name.

    Raises:
        OSError: it cannot be made, or is no folder of this user's.
    """
    if not folder.is_absolute():
        raise FileNotFoundError(errno.ENOENT, "this user has no home folder", str(folder))
    if not os.path.lexists(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _check_folder(folder)


def _check_folder(folder: Path) -> None:
    """Makes sure that it is a folder, this user's, and closed to others.

    Raises:
        OSError: it is not.
    """
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, "it is a link or a file, and not a folder", str(folder))
    if hasattr(os, "geteuid") and found.st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, "it belongs to another user", str(folder))
    if os.name == "posix" and found.st_mode & 0o077:
        folder.chmod(0o700)


def _names(folder: Path) -> Iterator[tuple[float, str]]:
    """Age and name of what looks like a record by its name; half-written ones and locks of the dead are swept away."""
    with os.scandir(folder) as found:
        for item in found:
            try:
                if item.name.startswith(NEW) or item.name.endswith(LOCK):
                    _sweep(Path(item.path), item.stat(follow_symlinks=False).st_mtime)
                elif item.name.endswith(ENTRY) and _is_uuid(item.name.removesuffix(ENTRY)):
                    yield item.stat(follow_symlinks=False).st_mtime, item.name
            except OSError:
                continue


def _sweep(path: Path, written: float) -> None:
    """Removes an old file that nobody holds: a young lock may be about to be taken."""
    if time.time() - written > STALE and not (path.name.endswith(LOCK) and _is_held(path)):
        path.unlink()


def _content(path: Path) -> bytes:
    """What is in a plain file of this user's that nobody else can write.

    Raises:
        OSError: it cannot be read.
        ValueError: it is something else, or too large.
    """
    if not stat.S_ISREG(path.lstat().st_mode):
        raise ValueError("it is no file")
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST_ENTRY:
            raise ValueError("it is no small file")
        if os.name == "posix" and (found.st_uid != os.geteuid() or found.st_mode & 0o022):
            raise ValueError("others can write it")
        return file.read(LARGEST_ENTRY)


def _sync_folder(folder: Path) -> None:
    """Has the new name survive a crash of the machine, where the system can do that."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _file_lock(path: Path) -> BaseFileLock:
    from filelock import FileLock  # noqa: PLC0415 (40 ms, and only a start needs it)

    # a soft one would outlive its owner
    return FileLock(path, mode=0o600, is_singleton=False, fallback_to_soft=False)


if sys.platform == "win32":

    def _is_held(path: Path) -> bool:
        """Whether a process holds the lock in a file.

        Raises:
            OSError: it is not there, or cannot be told.
        """
        path.stat()
        lock = _file_lock(path)
        try:
            lock.acquire(timeout=0)
        except TimeoutError:
            return True
        lock.release()
        return False

else:
    import fcntl

    def _is_held(path: Path) -> bool:
        """Whether a process holds the lock in a file: shared looks at once do not take each other for an owner.

        Raises:
            OSError: it is not there, or cannot be told.
        """
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def _is_hex(text: str, length: int) -> bool:
    return len(text) == length and not set(text) - set("0123456789abcdef")


def _bounded(cap: float) -> float:
    return min(max(cap, 0.0), LARGEST_CAP)


def _uuid(text: str) -> str:
    """The text, which becomes a file's name.

    Raises:
        ValueError: it is no UUID.
    """
    if not _is_uuid(text):
        raise ValueError("an id of a session must be a UUID")
    return text


def _fingerprint(salt: str, key: Masked) -> str:
    return hmac.new(salt.encode(), key.reveal().encode(), hashlib.sha256).hexdigest()


def _boot_id() -> str:
    """Which boot of the machine this is; "" where the system does not tell."""
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        pass
    if sys.platform == "darwin":
        import subprocess  # noqa: PLC0415 (elsewhere a file tells)

        with contextlib.suppress(OSError, subprocess.SubprocessError):
            told = subprocess.run(["sysctl", "-n", "kern.bootsessionuuid"], capture_output=True, timeout=5, check=True)
            return told.stdout.decode().strip()
    return ""


def _started(pid: int) -> int:
    """The start time of a process, in clock ticks since the boot; 0 where the system does not tell."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return 0


journal = Journal()
