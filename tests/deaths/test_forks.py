"""A forked child does nothing to its parent's sessions, whatever it does and however it ends."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from liveavatar_nb import Simulator

from .owners import START, Owner, connect, ended_afterwards, guards, left_of, settles, stopped_after

CHILD = """
import gc, sys
sys.stdout.flush()
if not (child := os.fork()):
    {body}
    sys.exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
BODIES = {
    "os._exit": "os._exit(0)",
    "sys.exit": "sys.exit(0)",
    "is killed": "os.kill(os.getpid(), 9)",
    "fails": "1 / 0",
    "leaves the session's block": "with session: pass",
    "leaves the client's block": "with la: pass",
    "closes the client": "la.close()",
    "drops all": "del la, session; gc.collect(); time.sleep(0.1)",
    "forks": "os.fork()",
    "stops all, as at exit": "from liveavatar_nb.protection import running; running.running_sessions.stop_all()",
}
STATUS = {"is killed": -9, "fails": 1}
MULTIPROCESSING = """
import multiprocessing
worker = multiprocessing.get_context("fork").Process(target=la.close)
worker.start()
worker.join()
print(worker.exitcode)
"""
OF_ITS_OWN = """
reading, writing = os.pipe()
if not (child := os.fork()):
    os.write(writing, la.start("Ann").id.encode())
    time.sleep(600)
print(child, os.read(reading, 100).decode())
"""


def test_a_forked_child_does_nothing(simulator: Simulator, records: Path) -> None:
    """row 47"""
    with Owner() as owner:
        session_id = owner.run(connect(simulator) + START)
        there, written = guards(owner.pid), sorted(records.iterdir())
        assert owner.run(MULTIPROCESSING) == "0"
        for name, body in BODIES.items():
            assert owner.run(CHILD.format(body=body)) == str(STATUS.get(name, 0)), name
            assert [(entry.session_id, entry.stops) for entry in simulator.billed()] == [(session_id, 0)], name
            assert guards(owner.pid) == there, name
            assert sorted(records.iterdir()) == written, name
            assert owner.run("print(session.state, len(la.live_sessions))") == "connected 1", name
        died = time.time()
        owner.kill()
        stopped_after(simulator, session_id, died)
        assert settles(lambda: not left_of(owner.pid)), left_of(owner.pid)


def test_what_a_forked_child_starts_is_its_own(simulator: Simulator) -> None:
    """row 47, row 48"""
    with Owner() as owner:
        session_id = owner.run(connect(simulator) + START)
        pid, other_id = owner.run(OF_ITS_OWN).split()
        child = int(pid)
        with ended_afterwards(child):
            assert len(guards(child)) == 1
            whose = owner.run("print(*(f'{one.id} {one.whose}' for one in la.sessions()), sep='\\n')")
            assert sorted(whose.splitlines()) == sorted([f"{session_id} this kernel", f"{other_id} another kernel"])
            os.kill(child, signal.SIGKILL)
            stopped_after(simulator, other_id, time.time())
        assert [entry.session_id for entry in simulator.billed()] == [session_id]
        owner.run("session.stop()")
        assert settles(lambda: not left_of(owner.pid) + left_of(child)), left_of(owner.pid)
