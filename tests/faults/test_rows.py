"""The fault matrix: what can go wrong, what is expected, and a check that each row has a test.

`row N` in a test's docstring refers to a row of `ROWS`. Numbers are never reused; a missing number has no test yet.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Final

HERE = Path(__file__).parent
TESTS = HERE.parent

ROWS: Final = {
    1: "a name does not resolve: retried, then a connection error, and nothing is billed",
    2: "a certificate is invalid: an error at once",
    3: "connecting takes too long: retried",
    4: "the connection is refused: retried",
    5: "no answer to a start: its outcome is unknown, so it is stopped by its id",
    6: "a start is applied after its stop: found in the list of sessions, and stopped again",
    7: "401: an authentication error at once, which says where the key came from",
    8: "402, or a code for no credits: a credits error",
    9: "403 with code 4003: a concurrency error, which says what runs and how to stop it",
    10: "404 on a stop: believed only with the session's own record, or a list that did not change meanwhile",
    11: "409 on a start: its outcome is unknown, so it is stopped by its id",
    12: "422: a validation error that names the field",
    13: "429 with Retry-After: waited for, then it succeeds",
    14: "429 without Retry-After, with a huge one, with nonsense: jitter, an error, ignored",
    15: "500: a GET goes again, a start is stopped",
    16: "502 with a web page: a typed error, which does not echo the page",
    17: "an outage of 503: three attempts, then the error",
    18: "truncated JSON: a GET goes again, a start is stopped",
    19: "2xx whose code is no success: an API error, and a start is stopped",
    20: "wrong types, null, missing fields: a schema error that names the field, and a start is stopped",
    21: "a huge body, a gzip bomb: given up at the limit",
    22: "a slow drip: the call's total limit ends it",
    23: "a redirect: an error, and the key goes to nobody else",
    24: "a reset within the body: a GET goes again, a start is stopped",
    25: "a pooled connection that is dead: a GET goes again, a start takes a fresh one",
    26: "the WebSocket is closed: its code decides whether to connect again",
    27: "the WebSocket is lost within an utterance: that one failed and is not repeated, the session goes on",
    28: "a half-open WebSocket: noticed within 40 s",
    29: "events twice, or out of order: states never go back",
    30: "an unknown or binary frame: logged and ignored",
    31: "an oversized or invalid frame: the service is asked about the session, nothing crashes",
    32: "`connected` never comes: a time-out, and a stop",
    33: "an audio frame over the limit: split before it is sent",
    34: "the service ends the session: the final state has the reason in words",
    35: "LiveKit reconnects: the session goes on",
    36: "somebody joins with the same token: explained, and not fought over",
    37: "the wall clock jumps: nothing changes",
    38: "the machine slept: the service is asked first",
    39: "a busy kernel is restarted: its sessions are stopped within 2.4 s",
    40: "SIGKILL of a process or its group: the guard stops its sessions within 2 s",
    41: "the guard dies too: the next use on this machine finds them, else the cap ends them",
    42: "two starts race: one session",
    43: "two stops race: both succeed",
    44: "a stop during a start: the outcome is awaited and stopped",
    45: "Ctrl-C during a start: raised at once, the start is stopped behind it",
    46: "the loop's thread is dead or blocked: Stop works all the same",
    47: "a fork: the child does nothing",
    48: "two kernels share a journal: neither stops the other's sessions",
    49: "a full disk, a read-only home: a start is refused, Stop works",
    50: "the journal is corrupt or hostile: set aside, and no path in it is followed",
    51: "a forged Host, a foreign Origin: 403 of the simulator",
    52: "a stop cannot reach the service: a warning with the cap's time, and the guard goes on",
    53: "Ctrl-C as a start completes: the session is stopped or returned, never dropped",
    54: "a client lent by the user, with a way of its own: the guard reaches the service first, or no start",
    55: "the pages of a list shift while it is read: absence counts only by the session's own record",
    56: "the guard cannot work, hangs, or its pipe is full: said before the start, and a lost guard is replaced",
    57: "no descriptor, no thread, a blocked loop: every way to stop returns within its limit",
    58: "a client is dropped, a loop closed: its sessions are stopped, or handed to the guard",
    59: "proxies, trust stores, dead addresses: REST, WebSocket, guard and doctor take the same way",
    61: "the page is closed in a host without the control channel: stopped within 60 s",
}
ELSEWHERE = {
    TESTS / "deaths": {39, 40, 41, 47, 48, 53, 54, 56, 57},
    TESTS / "hosts": {61},
    TESTS / "protection" / "test_journal.py": {49, 50},
}
NAMED = {
    11: "session/test_lifecycle.py::test_a_start_that_fails_is_sent_once_and_stopped_by_its_id",
    19: "session/test_lifecycle.py::test_a_start_that_fails_is_sent_once_and_stopped_by_its_id",
    20: "session/test_lifecycle.py::test_a_start_that_fails_is_sent_once_and_stopped_by_its_id",
    32: "session/test_lifecycle.py::test_row_32_connected_that_never_comes_ends_in_a_stop",
    35: "rooms/test_livekit_participant.py::test_row_35_a_server_that_was_gone_is_got_back",
    36: "rooms/test_livekit_participant.py::test_row_36_somebody_else_with_its_token_is_explained_and_not_fought",
    42: "test_client.py::test_two_starts_at_once_give_one_session",
    43: "session/test_lifecycle.py::test_two_stops_at_once_and_one_later_all_succeed",
    45: "session/test_lifecycle.py::test_ctrl_c_during_a_start_raises_and_leaves_nothing_billed",
    51: "simulator/test_app.py::test_a_forged_host_is_refused",
}


def docstrings(path: Path) -> dict[str, str]:
    """Return the docstrings of a file's tests by the tests' names."""
    nodes = ast.walk(ast.parse(path.read_text()))
    tests = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {node.name: ast.get_docstring(node) or "" for node in tests if node.name.startswith("test_")}


def cited(place: Path) -> set[int]:
    """Return the rows that the tests in a file or a folder refer to."""
    files = place.glob("test_*.py") if place.is_dir() else [place]
    texts = [text for file in files for text in docstrings(file).values()]
    return {int(row) for text in texts for row in re.findall(r"\brow (\d+)", text)}


def test_every_row_has_a_test() -> None:
    for row, name in NAMED.items():
        file, _, test = name.partition("::")
        assert test in docstrings(TESTS / file), f"row {row} has lost its test"
    for place, rows in ELSEWHERE.items():
        assert rows <= cited(place), place
    assert cited(HERE) | set(NAMED) | set().union(*ELSEWHERE.values()) == set(ROWS)


def test_only_rows_of_the_matrix_are_cited() -> None:
    for file in TESTS.rglob("test_*.py"):
        assert cited(file) <= set(ROWS), file
