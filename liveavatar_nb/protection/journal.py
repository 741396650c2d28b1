"""A journal of open sessions, kept on disk; it contains ids but no keys or tokens.

Each session has one file, in a folder that only this user can read. A record's owner is the process that started the
session. The record names the owner's lock, a file that the owner keeps locked as long as it lives. If the lock is free,
the owner is dead. This applies only to records from this host and boot; the owners of other records are unknown.
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
NEW: Final = ".new-"  # prefix of a file that is still being written
ASIDE: Final = ".set-aside"  # suffix for a file that turned out not to be a record
LARGEST_ENTRY: Final = 4096  # maximum bytes per record
MOST_ENTRIES: Final = 1000  # maximum number of records to read, newest first
SALT_BYTES: Final = 16
LATEST: Final = 7258118400.0  # seconds since the epoch: the year 2200
# a dead owner's record is discarded this many seconds past the session's cap, or if dated that far in the future
STALE: Final = 24 * 3600.0
LARGEST_CAP: Final = 10 * 24 * 3600.0  # seconds
BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")

State = Literal["starting", "started"]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One session that may be billed.

    Attributes:
        session_id: The session's id at the service.
        base_url: The service's address.
        salt, fingerprint: Identify the API key that started the session, without revealing the key.
        host, boot: The machine that the owner ran on, and that machine's boot id.
        pid, pid_started: The owner's process id, and the time at which it started, in clock ticks since boot.
        owner: The name of the lock that the owner holds.
        state: `starting` until the service confirms the start.
        cap: Seconds after the start at which the service ends the session.
        created: The time at which the record was first written, in seconds since the epoch.
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
        """Return whether the session was started at this address with this key."""
        return self.base_url == base_url and hmac.compare_digest(self.fingerprint, _fingerprint(self.salt, key))

    @property
    def is_of_this_boot(self) -> bool:
        """Whether the owner ran on this machine during its current boot; if not, the owner's lock is meaningless."""
        return (self.host, self.boot) == (socket.gethostname(), _boot_id())

    @property
    def age(self) -> float:
        """Seconds since the record was first written, by the wall clock."""
        return time.time() - self.created

    @property
    def is_stale(self) -> bool:
        """Whether the session must have reached its cap by now, if the wall clock can be trusted."""
        return not -STALE <= self.age <= self.cap + STALE


class Journal:
    """The session records of all of this user's processes, and this process's lock.

    Args:
        folder: The folder for the records; a folder in the user's state directory by default.
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
        """In a forked child, forget the parent's records and lock; filelock itself closes the lock's file."""
        self._lock = threading.Lock()
        self._owner = self._held = None
        self._written = {}

    @property
    def folder(self) -> Path:
        """The folder that holds the records."""
        if self._given is not None:
            return self._given
        from platformdirs import user_state_path  # noqa: PLC0415 (keeps importing the package fast)

        # a relative path would point elsewhere after a chdir
        return Path("~").expanduser() / user_state_path(APPLICATION, appauthor=False) / "sessions"

    def add(self, session_id: str, base_url: str, key: Masked, cap: float) -> None:
        """Record a session that is about to be started.

        Args:
            session_id: The session's id at the service, a UUID.
            base_url: The service's address.
            key: The API key that starts the session; only a salted fingerprint is written.
            cap: Seconds after the start at which the service ends the session.

        Raises:
            OSError: The record cannot be written.
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
        """Record that the service confirmed the start.

        If writing fails, the state remains `starting`, which is safe.
        """
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
        """Remove the record of a session that is no longer billed, and its owner's lock if the owner is dead."""
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
        """Forget a session in this process, but keep its record for whoever handles the session next."""
        with self._lock:
            self._written.pop(session_id, None)
            self._disown_if_unused()

    def entries(self) -> list[Entry]:
        """Return the newest records of all processes.

        Links are not followed, and files that are not records are set aside."""
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
            logger.warning("the journal %s has more than %d records: only the newest are read", folder, MOST_ENTRIES)
        found = []
        for _, name in names[:MOST_ENTRIES]:
            entry = self._read(folder / name)
            if entry is None:
                continue
            # the clock may have jumped, so whether the owner is alive matters more than the record's age
            if entry.is_stale and not (entry.is_of_this_boot and self.has_owner(entry)):
                self.bury(entry)
            else:
                found.append(entry)
        return found

    def is_ours(self, entry: Entry) -> bool:
        """Return whether this process wrote the record."""
        return entry.session_id in self._written or entry.owner == self._owner

    def has_owner(self, entry: Entry) -> bool:
        """Return whether the process that wrote the record may still be alive; the record must be from this boot."""
        if self.is_ours(entry):
            return True
        try:
            return _is_held(self._lock_of(entry.owner))
        except FileNotFoundError:
            return False
        except OSError:
            # ownership is unknown, so leave the record alone
            return True

    def bury(self, entry: Entry) -> None:
        """Remove a dead owner's record, and the owner's lock."""
        with contextlib.suppress(OSError):
            (self.folder / f"{_uuid(entry.session_id)}{ENTRY}").unlink()
        self.bury_lock(entry)

    def bury_lock(self, entry: Entry) -> bool:
        """Remove the lock of a record's owner, unless the lock is held; return whether it was free."""
        if self.has_owner(entry):
            return False
        with contextlib.suppress(OSError):
            self._lock_of(entry.owner).unlink()
        return True

    def _lock_of(self, owner: str) -> Path:
        return self.folder / f"{_uuid(owner)}{LOCK}"

    def _own(self) -> str:
        """Return the name of this process's lock; first acquire a lock if this process holds none."""
        if self._owner is not None and self._lock_of(self._owner).exists():
            return self._owner
        _make_folder(self.folder)
        owner = str(uuid.uuid4())
        held = _file_lock(self._lock_of(owner))
        held.acquire(timeout=0)
        if self._held is not None:
            self._held.release()
        self._owner, self._held = owner, held
        # the folder may have been cleared while sessions were running, so write their records again
        for entry in list(self._written.values()):
            self._written[entry.session_id] = renewed = msgspec.structs.replace(entry, owner=owner)
            self._write(renewed)
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
        """Read the record in a file, and set the file aside if it contains anything else.

        Returns:
            The record; None if the file is gone, cannot be read now, or is not a record.
        """
        try:
            content = _content(path)
        except FileNotFoundError:
            return None
        except OSError as failure:
            # the cause may be too many open files or a failing disk, so the record itself may be intact
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
            _set_aside(path, "some fields have unexpected values")
            return None
        return entry


def _set_aside(path: Path, why: str) -> None:
    logger.warning("%s is not a session record and was set aside (%s)", path, why)
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
    """Create the folder, unless something already exists at its path.

    Raises:
        OSError: The folder cannot be created, or the path is not a folder that belongs to this user.
    """
    if not folder.is_absolute():
        raise FileNotFoundError(errno.ENOENT, "this user has no home folder", str(folder))
    if not os.path.lexists(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _check_folder(folder)


def _check_folder(folder: Path) -> None:
    """Make sure that the folder belongs to this user and is inaccessible to others.

    Raises:
        OSError: The path is not a folder, or the folder does not belong to this user.
    """
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, "the path is a link or a file, not a folder", str(folder))
    if hasattr(os, "geteuid") and found.st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, "the folder belongs to another user", str(folder))
    if os.name == "posix" and found.st_mode & 0o077:
        folder.chmod(0o700)


def _names(folder: Path) -> Iterator[tuple[float, str]]:
    """Find the records by their names; remove old, half-written files and the locks of dead owners.

    Yields:
        The time of the last change, in seconds since the epoch, and the name of each record.
    """
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
    """Remove an old file, unless it is a held lock; keep a recent file, which may be about to be locked."""
    if time.time() - written > STALE and not (path.name.endswith(LOCK) and _is_held(path)):
        path.unlink()


def _content(path: Path) -> bytes:
    """Read a regular file that belongs to this user and that nobody else can write to.

    Raises:
        OSError: The file cannot be read.
        ValueError: The file is not such a file, or is too large.
    """
    if not stat.S_ISREG(path.lstat().st_mode):
        raise ValueError("not a regular file")
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST_ENTRY:
            raise ValueError(f"not a regular file of at most {LARGEST_ENTRY} bytes")
        if os.name == "posix" and (found.st_uid != os.geteuid() or found.st_mode & 0o022):
            raise ValueError("other users can write to the file")
        return file.read(LARGEST_ENTRY)


def _sync_folder(folder: Path) -> None:
    """Flush the folder to disk, so that a new file in it survives a machine crash; ignore failures."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _file_lock(path: Path) -> BaseFileLock:
    from filelock import FileLock  # noqa: PLC0415 (takes 40 ms, and only a start needs it)

    # A soft lock would outlive its owner. The lock is the process's: any of its threads may release it.
    return FileLock(path, mode=0o600, thread_local=False, is_singleton=False, fallback_to_soft=False)


if sys.platform == "win32":

    def _is_held(path: Path) -> bool:
        """Return whether any process holds the lock on a file.

        Raises:
            OSError: The file is missing, or its lock cannot be checked.
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
        """Return whether any process holds the lock on a file.

        The check takes a shared lock, so that concurrent checks do not mistake each other for an owner.

        Raises:
            OSError: The file is missing, or its lock cannot be checked.
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
    """Return `text` unchanged if it is a UUID; nothing else is safe as part of a file name.

    Raises:
        ValueError: `text` is not a UUID.
    """
    if not _is_uuid(text):
        raise ValueError("a session id must be a UUID")
    return text


def _fingerprint(salt: str, key: Masked) -> str:
    return hmac.new(salt.encode(), key.reveal().encode(), hashlib.sha256).hexdigest()


def _boot_id() -> str:
    """Return the id of the machine's current boot, or "" if the system has none."""
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        pass
    if sys.platform == "darwin":
        import subprocess  # noqa: PLC0415 (only macOS needs it)

        with contextlib.suppress(OSError, subprocess.SubprocessError):
            done = subprocess.run(["sysctl", "-n", "kern.bootsessionuuid"], capture_output=True, timeout=5, check=True)
            return done.stdout.decode().strip()
    return ""


def _started(pid: int) -> int:
    """Return the time at which a process started, in clock ticks since boot, or 0 if it is unknown."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return 0


journal = Journal()
