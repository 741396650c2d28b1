"""Small checks for request bodies; they yield problems in the format of the service's 422 responses."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

Location = tuple[str | int, ...]
Problem = dict[str, Any]
Check = Callable[[Any, Location], Iterator[Problem]]

UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class Invalid(Exception):
    """Raised if a request violates the contract.

    Attributes:
        problems: The entries of the 422 response.
    """

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(problem["msg"] for problem in problems))
        self.problems = problems


def problem(where: Location, message: str, kind: str) -> Problem:
    """Return one entry of a 422 response."""
    return {"loc": list(where), "msg": message, "type": kind}


def ensure(check: Check, value: Any, where: Location) -> None:
    """Raise `Invalid` if the check finds a problem."""
    if problems := list(check(value, where)):
        raise Invalid(problems)


def text(*, choices: tuple[str, ...] = (), shortest: int = 0, longest: int | None = None) -> Check:
    """Return a check for a string of `shortest` to `longest` characters, restricted to `choices` if given."""

    def check(value: Any, where: Location) -> Iterator[Problem]:
        if not isinstance(value, str):
            yield problem(where, "Input should be a valid string", "string_type")
        elif choices and value not in choices:
            yield problem(where, f"Input should be {' or '.join(map(repr, choices))}", "enum")
        elif len(value) < shortest:
            yield problem(where, f"String should have at least {shortest} characters", "string_too_short")
        elif longest is not None and len(value) > longest:
            yield problem(where, f"String should have at most {longest} characters", "string_too_long")

    return check


def uuid(value: Any, where: Location) -> Iterator[Problem]:
    """Check for a UUID."""
    if not isinstance(value, str) or not UUID.fullmatch(value):
        yield problem(where, "Input should be a valid UUID", "uuid_parsing")


def boolean(value: Any, where: Location) -> Iterator[Problem]:
    """Check for a boolean."""
    if not isinstance(value, bool):
        yield problem(where, "Input should be a valid boolean", "bool_type")


def integer(value: Any, where: Location) -> Iterator[Problem]:
    """Check for a whole number."""
    # JSON has only one kind of number, so 60.0 counts as whole
    if isinstance(value, bool) or not (isinstance(value, int) or (isinstance(value, float) and value.is_integer())):
        yield problem(where, "Input should be a valid integer", "int_type")


def positive(value: Any, where: Location) -> Iterator[Problem]:
    """Check for a whole number above 0."""
    if problems := list(integer(value, where)):
        yield from problems
    elif value <= 0:
        yield problem(where, "Input should be greater than 0", "greater_than")


def number(low: float, high: float) -> Check:
    """Return a check for a number from `low` to `high`."""

    def check(value: Any, where: Location) -> Iterator[Problem]:
        if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
            yield problem(where, "Input should be a valid number", "float_type")
        elif not low <= value <= high:
            yield problem(where, f"Input should be between {low} and {high}", "number_range")

    return check


def nullable(inner: Check) -> Check:
    """Return a check that accepts null and everything that `inner` accepts."""

    def check(value: Any, where: Location) -> Iterator[Problem]:
        if value is not None:
            yield from inner(value, where)

    return check


def either(*inner: Check) -> Check:
    """Return a check that passes if any of `inner` does; if none does, it yields the first one's problems."""

    def check(value: Any, where: Location) -> Iterator[Problem]:
        problems = [list(alternative(value, where)) for alternative in inner]
        if all(problems):
            yield from problems[0]

    return check


def mapping(inner: Check, *, most: int | None = None) -> Check:
    """Return a check for an object with up to `most` items, whose values must all pass `inner`."""

    def check(value: Any, where: Location) -> Iterator[Problem]:
        if not isinstance(value, dict):
            yield problem(where, "Input should be a valid dictionary", "dict_type")
            return
        if most is not None and len(value) > most:
            yield problem(where, f"Dictionary should have at most {most} items", "too_long")
        for name, item in value.items():
            yield from inner(item, (*where, name))

    return check


def listing(inner: Check) -> Check:
    """Return a check for a list whose items must all pass `inner`."""

    def check(value: Any, where: Location) -> Iterator[Problem]:
        if not isinstance(value, list):
            yield problem(where, "Input should be a valid list", "list_type")
            return
        for index, item in enumerate(value):
            yield from inner(item, (*where, index))

    return check


class ObjectCheck:
    """A check for an object with named fields; unknown fields pass, and `unknown` lists them.

    Args:
        required: The names of the fields that must be present.
        fields: The check for each field.
    """

    def __init__(self, *required: str, **fields: Check) -> None:
        self._required, self._fields = required, fields

    def __call__(self, value: Any, where: Location) -> Iterator[Problem]:
        if not isinstance(value, dict):
            yield problem(where, "Input should be an object", "model_attributes_type")
            return
        for name in self._required:
            if name not in value:
                yield problem((*where, name), "Field required", "missing")
        for name, check in self._fields.items():
            if name in value:
                yield from check(value[name], (*where, name))

    def unknown(self, value: dict[str, Any]) -> list[str]:
        """Return the names of the value's fields that have no check."""
        return [name for name in value if name not in self._fields]


def parse(text: bytes | str) -> Any:
    """Parse strict JSON, without NaN or Infinity.

    Raises:
        Invalid: The text is not strict JSON (422).
    """

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is not JSON")

    try:
        return json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError):
        raise Invalid([problem(("body",), "JSON decode error", "json_invalid")]) from None
