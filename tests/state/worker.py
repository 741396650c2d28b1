"""Kernels without a kernel: processes that have sessions, forked from one that has imported everything.

Run with the path of a socket: each connection gets a process of its own, which does what it is told, line by line.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import logging
import os
import resource
import signal
import socket
import sys
import threading
import time
from typing import Any

# before the first fork, so that no worker waits for it
import filelock  # noqa: F401
import httpx  # noqa: F401
import platformdirs  # noqa: F401
import websockets.asyncio.client  # noqa: F401

from liveavatar_nb import LiveAvatar, Session, config
from liveavatar_nb.protection.guard import handle
from liveavatar_nb.protection.running import running_sessions
from liveavatar_nb.rest.retry import Policy

LIMITS: dict[str, Any] = {
    "STOP_LIMIT": 0.5,
    "READ_TIMEOUT": 0.5,
    "TOTAL_TIMEOUT": 1.0,
    "EXIT_STOP_LIMIT": 0.5,
    "CONNECTED_TIMEOUT": 0.5,
    "RETRY_BASE": 0.02,
    "UNKNOWN_LOOKS": (0.1, 0.3, 0.6, 1.0),
    "INSIST_INTERVAL": 0.3,
    "SOCKET_RECONNECT_LIMIT": 0.3,
    "SOCKET_CLOSE_TIMEOUT": 0.1,
    "KEEP_ALIVE_INTERVAL": 0.3,
}
DESCRIPTORS = resource.getrlimit(resource.RLIMIT_NOFILE)


class Worker:
    """What one process can be told to do; each answers with something that JSON holds."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._la: LiveAvatar | None = None
        self._starting: list[threading.Thread] = []
        self.errors: list[str] = []

    def connect(self, key: str, url: str) -> None:
        self._la = LiveAvatar(key, api_url=url)
        self._la._inner.api.transport._policy = Policy(3, 0.02, None)

    def _has(self) -> LiveAvatar:
        assert self._la is not None
        return self._la

    def _sessions(self) -> list[Session]:
        return [Session(inner) for inner in self._has()._inner._sessions]

    def _behind(self, work: Any) -> None:
        def run() -> None:
            try:
                work()
            except BaseException as failure:  # noqa: BLE001 (the test reads of it)
                self.errors.append(f"{type(failure).__name__}: {failure}")

        self._starting.append(threading.Thread(target=run, daemon=True))
        self._starting[-1].start()

    def start(self) -> None:
        self._behind(lambda: self._has().start("Silas", concurrent=True))

    def cancel(self) -> None:
        """Ctrl-C finds the start's task."""
        for session in self._has()._inner._sessions:
            session.lifecycle.call_on_loop(session.lifecycle.begin_stop)

    def stop(self, which: int) -> None:
        sessions = self._sessions()
        if sessions:
            self._behind(sessions[which % len(sessions)].stop)

    def stop_orphans(self) -> None:
        self._behind(self._has().stop_orphans)

    def fork(self, lives_on: bool) -> int:
        pid = os.fork()
        if pid:
            return pid
        # what a child of a kernel may do: let go of what it has, and leave
        with contextlib.suppress(BaseException):
            os.close(self._connection.fileno())
            for session in self._sessions():
                session.__exit__(None, None, None)
            if lives_on:
                time.sleep(60)
            atexit._run_exitfuncs()
        os._exit(0)

    def sicken(self) -> None:
        """Run out of descriptors: from here on none can be opened."""
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, DESCRIPTORS[1]))

    def recover(self) -> None:
        """Have descriptors again."""
        resource.setrlimit(resource.RLIMIT_NOFILE, DESCRIPTORS)

    def whose(self) -> dict[str, str | None]:
        return {session.id: session.whose for session in self._has().sessions()}

    def settle(self) -> dict[str, Any]:
        """What lives here, once all that was begun has ended."""
        for thread in self._starting:
            thread.join(20)
        hang = [thread.name for thread in self._starting if thread.is_alive()]
        connected = [session.id for session in self._sessions() if session.state == "connected"]
        return {"hang": hang, "connected": connected, "errors": self.errors}

    def close(self) -> int:
        self._has().close()
        return len(running_sessions)

    def exit(self) -> None:
        """As the interpreter does: a forked process would leave without."""
        atexit._run_exitfuncs()
        os._exit(0)

    def leave(self) -> None:
        os._exit(0)

    def serve(self) -> None:
        """Does what it is told until the connection ends."""
        with self._connection.makefile("rw") as lines:
            lines.write(json.dumps(os.getpid()) + "\n")
            lines.flush()
            for line in lines:
                name, arguments = json.loads(line)
                try:
                    told = {"is": getattr(self, name)(*arguments)}
                except Exception as failure:  # noqa: BLE001 (the test reads of it)
                    told = {"raised": f"{type(failure).__name__}: {failure}"}
                lines.write(json.dumps(told) + "\n")
                lines.flush()
        self.exit()


def main(address: str) -> None:
    """Forks a worker for each connection."""
    for name, value in LIMITS.items():
        setattr(config, name, value)
    logging.getLogger("liveavatar_nb").addHandler(logging.NullHandler())
    handle.MODULE = "quick_guard"  # type: ignore[misc]
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        print("ready", flush=True)
        while True:
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                os.setsid()
                Worker(connection).serve()
            connection.close()


if __name__ == "__main__":
    main(sys.argv[1])
