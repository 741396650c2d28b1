"""Tables of plain text: their width, and what a hostile name does to them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from liveavatar_nb.cli.tables import Column, avatars, cells, credits_text, cut, ended, plain, running, table
from liveavatar_nb.models.avatars import Avatar, VoiceName
from liveavatar_nb.protection.orphans import OwnedSession, Whose

MOMENT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ID = "dd73ea75-1218-4ef3-92ce-606d5f7fbc0a"


def avatar(name: str, **fields: object) -> tuple[Avatar, str]:
    told = {"status": "ACTIVE", "error_message": None, "created_at": MOMENT, "updated_at": MOMENT, **fields}
    return Avatar(id=ID, name=name, **told), "mine"  # type: ignore[arg-type]


def session(**fields: object) -> OwnedSession:
    told = {
        "created_at": MOMENT,
        "updated_at": MOMENT,
        "duration": 187,
        "source": "API",
        "mode": "LITE",
        "is_sandbox": False,
        "credits_consumed": 3.1166,
        **fields,
    }
    return OwnedSession(id=ID, **told)  # type: ignore[arg-type]


@pytest.mark.parametrize(("text", "width"), [("Ann", 3), ("雪", 2), ("\uff21", 2), ("e\u0301", 1), ("", 0)])
def test_wide_and_combining_signs_take_their_cells(text: str, width: int) -> None:
    assert cells(text) == width


@pytest.mark.parametrize(
    ("text", "shown"), [("Silas", "Silas"), ("Silas the wise", "Silas …"), ("雪雪雪雪", "雪雪雪…")]
)
def test_long_text_is_cut_with_an_ellipsis(text: str, shown: str) -> None:
    assert cut(text, 7) == shown
    assert cells(cut(text, 7)) <= 7


def test_what_steers_a_terminal_is_made_harmless() -> None:
    assert plain("a\x1b[31mb\x07\u202ec\nd\u00a0é") == "a?[31mb??c\nd\u00a0é"
    shown = table([Column("NAME")], [["two\nlines\tand \x1b]0;title\x07"]])
    assert shown == "NAME\ntwo lines and ?]0;title?"


def test_columns_are_aligned_numbers_to_the_right() -> None:
    shown = table([Column("NAME"), Column("N", is_number=True), Column("X")], [["雪", "10", "a"], ["Ann", "1", "b"]])
    assert shown.splitlines() == ["NAME   N  X", "雪    10  a", "Ann    1  b"]


@pytest.mark.parametrize("width", [60, 72, 80, 100, 120, 200])
def test_avatars_fit_the_width_and_keep_their_ids(width: int) -> None:
    found = [
        avatar(
            "A name that goes on and on and on and on, and then some", default_voice=VoiceName(id=ID, name="V" * 40)
        ),
        avatar("雪" * 30),
    ]
    lines = avatars(found, width).splitlines()
    # name, status and id stay, whatever the width
    assert all(cells(line) <= max(width, 20 + 2 + 6 + 2 + 36) for line in lines[:3])
    assert all(ID in line for line in lines[1:3])
    assert ("--json" in lines[-1]) == (width < 100)


@pytest.mark.parametrize(
    ("width", "heads"),
    [
        (120, "NAME WHOSE STATUS ID TYPE VOICE"),
        (89, "NAME WHOSE STATUS ID TYPE"),
        (79, "NAME WHOSE STATUS ID"),
        (70, "NAME STATUS ID"),
    ],
)
def test_the_last_column_that_may_go_goes_first(width: int, heads: str) -> None:
    shown = avatars([avatar("N" * 60, default_voice=VoiceName(id=ID, name="V" * 40))], width)
    assert shown.splitlines()[0].split() == heads.split()


def test_without_a_width_nothing_is_cut() -> None:
    name = "N" * 300
    assert name in avatars([avatar(name)])
    assert "…" not in avatars([avatar(name)])


def test_an_avatar_that_cannot_be_started_says_why() -> None:
    shown = avatars([avatar("Old", is_expired=True), avatar("New", status="DEPLOYING", type="IMAGE")])
    assert "expired" in shown.splitlines()[1]
    assert shown.splitlines()[2].split() == ["New", "mine", "DEPLOYING", ID, "IMAGE", "-"]


def test_a_session_in_a_row() -> None:
    head, row = running([session(whose="stranger")]).splitlines()
    assert head.split() == ["STARTED", "MODE", "LENGTH", "CREDITS", "ID", "WHOSE", "SOURCE"]
    assert row.split() == [f"{MOMENT.astimezone():%H:%M:%S}", "LITE", "3:07", "3.12", ID, "stranger", "API"]
    head, row = ended([session(end_at=MOMENT)]).splitlines()
    assert row.startswith(f"{MOMENT.astimezone():%Y-%m-%d %H:%M}")


@pytest.mark.parametrize(
    ("whose", "shown"),
    [
        ("this kernel", "kernel 4194304"),
        ("another kernel", "kernel 4194304"),
        ("orphan", "left over"),
        ("another machine", "elsewhere"),
        ("stranger", "stranger"),
    ],
)
@pytest.mark.parametrize("width", [70, 72, 80, 100])
def test_whose_a_running_session_is_fits_the_width(whose: Whose, shown: str, width: int) -> None:
    row = session(whose=whose, pid=4194304, is_sandbox=True, source="EMBED", duration=3599)
    lines = running([row], width).splitlines()
    assert all(cells(line) <= width for line in lines[:2])
    assert ("STARTED" in lines[0]) == (width >= 80)
    if width < 80:
        assert lines[2].startswith("(Too narrow for STARTED, MODE and SOURCE; ")
    assert f"{ID}  {shown}" in lines[1]


def test_a_long_session_of_a_process_with_a_long_number_fits_too() -> None:
    lines = running([session(whose="this kernel", pid=4194304, duration=36000)], 80).splitlines()
    assert all(cells(line) <= 80 for line in lines)
    assert f"{ID}  kernel 4194" in lines[1]


def test_a_moment_without_a_zone_is_utc() -> None:
    naive = ended([session(created_at=MOMENT.replace(tzinfo=None))])
    assert naive == ended([session()])


def test_the_end_is_told_in_words_and_the_sandbox_is_free() -> None:
    rows = ended(
        [
            session(end_at=MOMENT, end_reason="IDLE_TIMEOUT"),
            session(end_at=MOMENT, end_reason="NEW_REASON", is_sandbox=True, credits_consumed=0),
        ]
    ).splitlines()
    assert "nothing kept it alive" in rows[1]
    assert "NEW_REASON" in rows[2]
    assert "free" in rows[2]


@pytest.mark.parametrize("width", [80, 100, 120])
def test_ended_sessions_fit_the_width(width: int) -> None:
    rows = [session(end_at=MOMENT, end_reason="ZOMBIE_SESSION_REAP", source="EMBED")]
    lines = ended(rows, width).splitlines()
    assert all(cells(line) <= width for line in lines)
    assert ("found nobody in it" in lines[1]) == (width != 100)
    assert (ID in lines[1]) == (width > 80)


@pytest.mark.parametrize(
    ("left", "shown"), [("100", "100"), ("1E+2", "100"), ("1.999", "1.99"), ("0", "0"), ("7.5", "7.50")]
)
def test_credits_are_never_more_than_there_are(left: str, shown: str) -> None:
    assert credits_text(Decimal(left)) == shown
