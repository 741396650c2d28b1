"""`Record`, the base class of all data that the service returns, and functions that decode responses into records.

Fields added by a newer version of the service are kept and can be read like any other. Enum values are plain text,
so that a new value isn't an error. If a required field is missing or a field has the wrong type, a `SchemaError` that
names the field is raised.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, SupportsIndex, TypeVar, cast, overload

import msgspec

from .. import html
from ..errors import ConfigurationError, SchemaError
from ..masking import MASK, replaced

if TYPE_CHECKING:
    import pandas as pd

NAMES = ("name", "display_name", "secret_name", "language")  # the fields that may hold a record's name
IDS = ("id", "session_id", "voice_id", "embed_id", "code")

R = TypeVar("R")


class Record(msgspec.Struct, kw_only=True, dict=True):
    """The base class of all records.

    Fields can be read as attributes and as keys (`avatar.name`, `avatar["name"]`). That includes the fields in `extra`,
    which the contract doesn't define.
    """

    # the columns to show in a table of records of this class; all fields if empty
    _columns: ClassVar[tuple[str, ...]] = ()

    @property
    def extra(self) -> dict[str, Any]:
        """Fields that the service sent but the contract doesn't define."""
        kept: dict[str, Any] = self.__dict__.get("_extra", {})
        return kept

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain, JSON-serializable data, including `extra`."""
        plain: dict[str, Any] = {name: _plain(getattr(self, name)) for name in self.__struct_fields__}
        return {**plain, **self.extra}

    def to_pandas(self) -> pd.DataFrame:
        """Return the record as a DataFrame with one row.

        Raises:
            ConfigurationError: pandas is not installed.
        """
        return Records([self]).to_pandas()

    def keys(self) -> list[str]:
        """Return the names of all fields, including those in `extra`."""
        return [*self.__struct_fields__, *self.extra]

    def __copy__(self) -> Self:
        return cast(Self, _restore(*self.__reduce__()[1]))

    def __reduce__(self) -> tuple[Any, ...]:
        fields = {name: getattr(self, name) for name in self.__struct_fields__}
        return _restore, (type(self), fields, self.__dict__)

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __getitem__(self, name: str) -> Any:
        if name in self.__struct_fields__:
            return getattr(self, name)
        return self.extra[name]

    def __getattr__(self, name: str) -> Any:
        if name in (extra := self.extra):
            return extra[name]
        raise AttributeError(f"{type(self).__name__} has no {name!r}; it has {', '.join(self.keys())}")

    def __dir__(self) -> Iterable[str]:
        return [*super().__dir__(), *self.extra]

    def _ipython_key_completions_(self) -> list[str]:
        return self.keys()

    def __repr__(self) -> str:
        parts = [repr(self[name]) for name in NAMES if name in self.__struct_fields__]
        parts += [str(self[name]) for name in IDS if name in self.__struct_fields__]
        return f"<{' '.join([type(self).__name__, *parts])}>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return list(self._shown(self.keys()))

    def _repr_html_(self) -> str:
        return html.card(type(self).__name__, self._shown(self.keys()))

    def _shown(self, names: Iterable[str]) -> Iterator[tuple[str, Any]]:
        """Yield the names and values of fields, with secrets masked."""
        for name in names:
            value = self[name]
            yield name, replaced({name: value}, lambda name, secret: MASK)[name]

    @classmethod
    def _list_html(cls, records: Sequence[Any], total: int) -> str:
        """Return a list of records of this class as an HTML table."""
        added = dict.fromkeys(name for record in records for name in record.extra)
        names = [*(cls._columns or cls.__struct_fields__), *added]
        rows = ([dict(record._shown(record.keys())).get(name) for name in names] for record in records)
        return html.table(names, rows, total)


def _restore(kind: type[Record], fields: dict[str, Any], kept: dict[str, Any]) -> Record:
    record = kind(**fields)
    record.__dict__.update(kept)
    return record


class Records(list[R], Generic[R]):
    """A list of records, shown as a table in a notebook."""

    @overload
    def __getitem__(self, index: SupportsIndex) -> R: ...
    @overload
    def __getitem__(self, index: slice) -> Records[R]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> R | Records[R]:
        return Records(super().__getitem__(index)) if isinstance(index, slice) else super().__getitem__(index)

    def _repr_html_(self) -> str | None:
        return list_html(self, len(self))

    def to_dict(self) -> list[dict[str, Any]]:
        """Return each record as plain, JSON-serializable data."""
        return [item.to_dict() for item in self if isinstance(item, Record)]

    def to_pandas(self) -> pd.DataFrame:
        """Return a DataFrame with a row per record and a column per field; dates and numbers keep their types.

        Raises:
            ConfigurationError: pandas is not installed.
        """
        try:
            import pandas as pd  # noqa: PLC0415 (heavy and optional)
        except ImportError:
            raise ConfigurationError("pandas is not installed.", remedy="Run `pip install pandas`.") from None
        records = [record for record in self if isinstance(record, Record)]
        rows = [{name: _column(value) for name, value in record._shown(record)} for record in records]
        return pd.DataFrame(rows)


def list_html(records: Sequence[Any], total: int) -> str | None:
    """Return a list of records as HTML, or None if the records are of different kinds."""
    kinds = {type(record) for record in records}
    if len(kinds) != 1 or not issubclass(kind := kinds.pop(), Record):
        return None if records else html.note("Nothing here.")
    return kind._list_html(records, total)


def decode(kind: type[R], data: Any, call: str) -> R:
    """Decode the `data` of a response as a record.

    Args:
        kind: The record's class.
        data: Decoded JSON.
        call: The call's name, used in the error.

    Raises:
        SchemaError: A required field is missing or a field has the wrong type; the message names the field.
    """
    record, problem = _convert(kind, data, "$")
    if problem is not None:
        del data  # keep tokens out of tracebacks that print local variables
        raise SchemaError(f"The response to {call} has an unknown format: {problem}.")
    _keep_unknown(record, data)
    return cast(R, record)


def decode_all(kind: type[R], data: Any, call: str, path: str) -> Records[R]:
    """Decode a list in a response as records.

    Args:
        kind: The class of each record.
        data: Decoded JSON.
        call: The call's name, used in the error.
        path: The list's path in the response, used in the error.

    Raises:
        SchemaError: As for `decode`.
    """
    found, problem = _convert(list[kind], data, path)  # type: ignore[valid-type]
    if problem is not None:
        raise SchemaError(f"The response to {call} has an unknown format: {problem}.")
    for record, sent in zip(found, data, strict=True):
        _keep_unknown(record, sent)
    return Records(found)


def _convert(kind: Any, data: Any, path: str) -> tuple[Any, str | None]:
    """Convert the data to records; return them and None, or None and a description of the problem."""
    try:
        return msgspec.convert(data, kind, strict=True), None
    except msgspec.ValidationError as error:
        problem = str(error)
    if "Expected `int" in problem and "got `float`" in problem and (whole := _with_ints(data)) is not UNCHANGED:
        return _convert(kind, whole, path)
    at = f"`{path}"
    return None, problem.replace("`$", at) if "`$" in problem else f"{problem} - at {at}`"


UNCHANGED: Any = object()


def _with_ints(data: Any) -> Any:
    """Convert whole floats such as 60.0 in the data to ints, since JSON has only one kind of number."""
    changed = False

    def convert(value: Any) -> Any:
        nonlocal changed
        if isinstance(value, float) and value.is_integer():
            changed = True
            return int(value)
        if isinstance(value, dict):
            return {name: convert(item) for name, item in value.items()}
        return [convert(item) for item in value] if isinstance(value, list) else value

    converted = convert(data)
    return converted if changed else UNCHANGED


@functools.cache
def _layout(kind: type) -> tuple[frozenset[str], tuple[str, ...]]:
    """Return the names of all fields of a record class, and the names of the fields that hold records."""
    names = frozenset(kind.__struct_fields__)  # type: ignore[attr-defined]
    hints = msgspec.structs.fields(kind)
    return names, tuple(field.name for field in hints if "Struct" in repr(msgspec.inspect.type_info(field.type)))


def _keep_unknown(record: Any, sent: Any) -> None:
    """Keep fields that the contract doesn't define, including those of nested records."""
    if not isinstance(record, Record):
        return
    names, nested = _layout(type(record))
    if not sent.keys() <= names:
        record.__dict__["_extra"] = {name: value for name, value in sent.items() if name not in names}
    for name in nested:
        inner = getattr(record, name)
        if isinstance(inner, list):
            for item, sent_item in zip(inner, sent[name], strict=True):
                _keep_unknown(item, sent_item)
        elif inner is not None:
            _keep_unknown(inner, sent[name])


def _plain(value: Any) -> Any:
    if isinstance(value, Record):
        return value.to_dict()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return msgspec.to_builtins(value)


def _column(value: Any) -> Any:
    return value if isinstance(value, datetime | Decimal) else _plain(value)
