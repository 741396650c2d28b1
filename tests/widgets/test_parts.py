"""Files that come in parts: put together in order, and forgotten when they are not wanted any more."""

from __future__ import annotations

import base64

import pytest

from liveavatar_nb.errors import InvalidArgument
from liveavatar_nb.widgets.parts import Assembly, decoded


def begun(*keys: str) -> Assembly:
    """Files of three parts, the first of which is there."""
    assembly = Assembly(4, 10)
    for key in keys:
        assembly.begin(key, 3)
        assert assembly.add(key, 0, 3, key.encode()) is None
    return assembly


def test_a_file_is_its_parts_in_order_and_leaves_nothing_behind() -> None:
    assembly = begun("a", "b")
    assert assembly.add("a", 1, 3, b"1") is None
    assert assembly.size == 3
    assert assembly.add("a", 2, 3, b"2") == b"a12"
    assert ("a" in assembly, "b" in assembly, assembly.size) == (False, True, 1)


@pytest.mark.parametrize(
    ("key", "part", "parts", "content"),
    [("a", 0, 3, b"x"), ("a", 2, 3, b"x"), ("a", -1, 3, b"x"), ("a", 1, 4, b"x"), ("a", 1, 3, b""), ("b", 0, 3, b"x")],
)
def test_what_is_not_the_next_part_is_refused(key: str, part: int, parts: int, content: bytes) -> None:
    assembly = begun("a")
    with pytest.raises(InvalidArgument, match="not the next one"):
        assembly.add(key, part, parts, content)


def test_a_file_that_begins_again_is_the_new_one() -> None:
    assembly = begun("a")
    assembly.begin("a", 1)
    assert assembly.add("a", 0, 1, b"x") == b"x"


def test_a_file_may_have_as_many_parts_as_its_limit_takes() -> None:
    assert [Assembly(4, 10).fits(parts) for parts in (3, 4)] == [True, False]


def test_files_are_discarded_by_key_by_age_and_by_rest() -> None:
    assembly = begun("a", "b", "c", "d")
    assembly.discard("a")
    assembly.discard_oldest(2)
    assert [key in assembly for key in "abcd"] == [False, False, True, True]
    assembly.discard_idle(60, but="c")
    assembly.discard_idle(0, but="c")
    assert [key in assembly for key in "cd"] == [True, False]
    assembly.clear()
    assert not assembly.size


@pytest.mark.parametrize(
    ("data", "why"), [("no base64!", "not base64"), (base64.b64encode(bytes(5)).decode(), "larger")]
)
def test_a_part_is_base64_within_its_limit(data: str, why: str) -> None:
    assert decoded(base64.b64encode(bytes(4)).decode(), 4) == bytes(4)
    with pytest.raises(InvalidArgument, match=why):
        decoded(data, 4)
