"""The types and constants that a TypeScript module of the front end declares, read as far as this package writes them.

A type that is no plain one of JSON's becomes a `Shape`, `Array` or `Union`. Whatever is not understood is an error.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from ..frontend.sources import source

TOKEN: Final = re.compile(r'\s*("[^"]*"|[A-Za-z_]\w*|\d+|[{}()<>\[\]|&;:,?=])')
DECLARED: Final = re.compile(r"^(?:export )?(?:interface|type) (\w+)(?: =)?", re.MULTILINE)
PLAIN: Final = ("string", "number", "boolean", "null", "undefined")


@dataclass(frozen=True)
class Literal:
    """A text, or a truth value, as a type."""

    value: str | bool


@dataclass(frozen=True)
class Plain:
    """A type of JSON's own, by its name."""

    name: str


@dataclass(frozen=True)
class Named:
    """A type that is declared elsewhere."""

    name: str


@dataclass(frozen=True)
class Array:
    """Any number of one type."""

    of: Type


@dataclass(frozen=True)
class Table:
    """An object with any names, whose values have one type."""

    of: Type


@dataclass(frozen=True)
class Union:
    """One of several types."""

    of: tuple[Type, ...]


@dataclass(frozen=True)
class Shape:
    """An object with these fields, and no others; those that may be missing are named."""

    fields: Mapping[str, Type]
    optional: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Never:
    """No value at all."""


Type: TypeAlias = Literal | Plain | Named | Array | Table | Union | Shape | Never


class Types:
    """What modules declare; a type is read when it is asked for, so that others may be what no record is.

    Args:
        modules: their names, as in `link/commands`.
    """

    def __init__(self, *modules: str) -> None:
        self._texts: dict[str, str] = {}
        for module in modules:
            text = source(module)
            self._texts |= {found[1]: text[found.end() :] for found in DECLARED.finditer(text)}

    def shape(self, name: str) -> Shape:
        """The fields of a declared object."""
        found = self.resolved(Named(name))
        assert isinstance(found, Shape), f"{name} is no object"
        return found

    def texts(self, kind: Type) -> set[str]:
        """The texts that a type consists of."""
        found = self.alternatives(kind)
        texts = {one.value for one in found if isinstance(one, Literal) and isinstance(one.value, str)}
        assert len(texts) == len(found), f"{kind} has more than texts"
        return texts

    def resolved(self, kind: Type) -> Type:
        """The type that a name stands for."""
        while isinstance(kind, Named):
            kind = _Reader(self._texts[kind.name]).type()
        return kind

    def alternatives(self, kind: Type) -> list[Type]:
        """The types of which a value has one."""
        kind = self.resolved(kind)
        if isinstance(kind, Union):
            return [one for part in kind.of for one in self.alternatives(part)]
        if isinstance(kind, _Both):
            return [
                Shape({**one.fields, **other.fields}, one.optional | other.optional)
                for one in self.alternatives(kind.one)
                for other in self.alternatives(kind.other)
                if isinstance(one, Shape) and isinstance(other, Shape)
            ]
        if isinstance(kind, _Partial):
            [shape] = self.alternatives(kind.of)
            assert isinstance(shape, Shape)
            return [Shape(shape.fields, frozenset(shape.fields))]
        if isinstance(kind, _Field):
            return self.alternatives(self.shape(kind.owner).fields[kind.name])
        return [kind]

    def complaints(self, value: Any, kind: Type, where: str = "") -> list[str]:
        """What of a value is not as the type has it."""
        tried = [list(self._complaints(value, one, where)) for one in self.alternatives(kind)]
        return min(tried, key=len)

    def _complaints(self, value: Any, kind: Type, where: str) -> Iterator[str]:
        match kind, value:
            case Literal(only), str() | bool() if value == only:
                pass
            case (Plain("string"), str()) | (Plain("null"), None) | (Plain("boolean"), bool()):
                pass
            case Plain("number"), int() | float() if not isinstance(value, bool):
                pass
            case Array(of), list() | tuple():
                for at, one in enumerate(value):
                    yield from self.complaints(one, of, f"{where}[{at}]")
            case Table(of), dict():
                for name, one in value.items():
                    yield from self.complaints(one, of, f"{where}.{name}")
            case Shape(fields, optional), dict():
                yield from (f"{where}.{name} is not in TypeScript" for name in value.keys() - fields.keys())
                yield from (f"{where}.{name} is missing" for name in fields.keys() - optional - value.keys())
                for name in fields.keys() & value.keys():
                    yield from self.complaints(value[name], fields[name], f"{where}.{name}")
            case _:
                yield f"{where} is {value!r}, no {kind}"


@dataclass(frozen=True)
class _Both:
    one: Type
    other: Type


@dataclass(frozen=True)
class _Partial:
    of: Type


@dataclass(frozen=True)
class _Field:
    owner: str
    name: str


class _Reader:
    """Reads a type at the beginning of a text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def _next(self) -> str:
        found = TOKEN.match(self._text, self._at)
        assert found is not None, f"not understood: {self._text[self._at : self._at + 60]!r}"
        return found[1]

    def take(self, *expected: str) -> str:
        """The next token; where any are expected it must be one of them."""
        token = self._next()
        assert not expected or token in expected, f"{token!r} in place of {expected}"
        found = TOKEN.match(self._text, self._at)
        assert found is not None
        self._at = found.end()
        return token

    def has(self, token: str) -> bool:
        """Whether that is next; then it is taken."""
        is_next = self._next() == token
        if is_next:
            self.take()
        return is_next

    def type(self) -> Type:
        """Reads a type: alternatives first."""
        self.has("|")
        kinds = [self._both()]
        while self.has("|"):
            kinds.append(self._both())
        return kinds[0] if len(kinds) == 1 else Union(tuple(kinds))

    def _both(self) -> Any:
        kind = self._one()
        while self.has("&"):
            kind = _Both(kind, self._one())
        return kind

    def _one(self) -> Any:
        kind = self._first()
        while self.has("["):
            if self.has("]"):
                kind = Array(kind)
            else:
                kind = _Field(kind.name, ast.literal_eval(self.take()))
                self.take("]")
        return kind

    def _first(self) -> Any:
        token = self.take()
        if token == "(":
            inner = self.type()
            self.take(")")
            return inner
        if token == "{":
            return self._shape()
        if token == "readonly":
            return self._one()
        if token.startswith('"'):
            return Literal(ast.literal_eval(token))
        if token in ("true", "false"):
            return Literal(token == "true")
        if token in PLAIN:
            return Plain(token)
        if token == "never":
            return Never()
        assert token.isidentifier(), f"not understood: {token!r}"
        if token not in ("Record", "Partial"):
            return Named(token)
        self.take("<")
        kind: Any = self.type()
        if token == "Record":
            self.take(",")
            of = self.type()
            kind = Shape({}) if of == Never() else Table(of)
        else:
            kind = _Partial(kind)
        self.take(">")
        return kind

    def _shape(self) -> Shape:
        fields: dict[str, Type] = {}
        optional: set[str] = set()
        while not self.has("}"):
            name = self.take()
            if self.has("?"):
                optional.add(name)
            self.take(":")
            fields[name] = self.type()
            if not self.has(";"):
                self.take("}")
                break
        return Shape(fields, frozenset(optional))


def constants(module: str) -> dict[str, Any]:
    """The exported constants of a module: numbers, texts, lists and objects of them."""
    found: dict[str, Any] = {}
    for name, text in re.findall(
        r"^export const (\w+) = (.*?)(?: as const.*?)?;$", source(module), re.MULTILINE | re.DOTALL
    ):
        # what is left is Python, but for the names of an object's fields
        found[name] = eval(re.sub(r"(\w+): ", r'"\1": ', text), {"__builtins__": {}})
    return found
