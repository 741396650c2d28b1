"""Small checks that tell what is wrong with a body, in the shape of the service's 422 answers."""

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
    """The request breaks the contract; carries the problems for the 422."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(problem["msg"] for problem in problems))
        self.problems = problems


def problem(where: Location, message: str, kind: str) -> Problem:
    return {"loc": list(where), "msg": message, "type": kind}


def ensure(check: Check, value: Any, where: Location) -> None:
    """Raises `Invalid` where the check finds anything."""
    if problems := list(check(value, where)):
        raise Invalid(problems)


def text(*, choices: tuple[str, ...] = (), shortest: int = 0, longest: int | None = None) -> Check:
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
    if not isinstance(value, str) or not UUID.fullmatch(value):
        yield problem(where, "Input should be a valid UUID", "uuid_parsing")


def boolean(value: Any, where: Location) -> Iterator[Problem]:
    if not isinstance(value, bool):
        yield problem(where, "Input should be a valid boolean", "bool_type")


def integer(value: Any, where: Location) -> Iterator[Problem]:
    # JSON knows one kind of number: 60.0 is a whole one
    if isinstance(value, bool) or not (isinstance(value, int) or (isinstance(value, float) and value.is_integer())):
        yield problem(where, "Input should be a valid integer", "int_type")


def positive(value: Any, where: Location) -> Iterator[Problem]:
    """A whole number above 0."""
    if problems := list(integer(value, where)):
        yield from problems
    elif value <= 0:
        yield problem(where, "Input should be greater than 0", "greater_than")


def number(low: float, high: float) -> Check:
    def check(value: Any, where: Location) -> Iterator[Problem]:
        if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
            yield problem(where, "Input should be a valid number", "float_type")
        elif not low <= value <= high:
            yield problem(where, f"Input should be {low} to {high}", "number_range")

    return check


def nullable(inner: Check) -> Check:
    def check(value: Any, where: Location) -> Iterator[Problem]:
        if value is not None:
            yield from inner(value, where)

    return check


def either(*inner: Check) -> Check:
    """Right where one of them finds nothing; else what the first one found."""

    def check(value: Any, where: Location) -> Iterator[Problem]:
        found = [list(one(value, where)) for one in inner]
        if all(found):
            yield from found[0]

    return check


def mapping(inner: Check, *, most: int | None = None) -> Check:
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
    def check(value: Any, where: Location) -> Iterator[Problem]:
        if not isinstance(value, list):
            yield problem(where, "Input should be a valid list", "list_type")
            return
        for place, item in enumerate(value):
            yield from inner(item, (*where, place))

    return check


class Record:
    """An object with named fields; unknown ones are no problem, and are told by `unknown`."""

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
        return [name for name in value if name not in self._fields]


def parse(text: bytes | str) -> Any:
    """JSON, by the letter: no NaN, no Infinity."""

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is not JSON")

    try:
        return json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError):
        raise Invalid([problem(("body",), "JSON decode error", "json_invalid")]) from None
