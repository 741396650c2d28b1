"""`Record`, the base of what the service sends back, and how an answer becomes one.

Fields that a newer service adds are kept and can be reached like the others; values of enums are plain text, so
that a new one is no error. A required field that is missing or of another type is a `SchemaError` that names
its path.
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

NAMES = ("name", "display_name", "secret_name", "language")  # fields that name a record, as far as it has them
IDS = ("id", "session_id", "voice_id", "embed_id", "code")

R = TypeVar("R")


class Record(msgspec.Struct, kw_only=True, dict=True):
    """The base of all records.

    Fields are attributes and keys (`avatar.name`, `avatar["name"]`); `extra` holds those that the contract does
    not have, which are attributes and keys too.
    """

    # what a table of such records shows; all fields where it is empty
    _columns: ClassVar[tuple[str, ...]] = ()

    @property
    def extra(self) -> dict[str, Any]:
        """What the service sent beyond the contract."""
        kept: dict[str, Any] = self.__dict__.get("_extra", {})
        return kept

    def to_dict(self) -> dict[str, Any]:
        """The record as plain data that goes into JSON, with what the service sent beyond the contract."""
        plain: dict[str, Any] = {name: _plain(getattr(self, name)) for name in self.__struct_fields__}
        return {**plain, **self.extra}

    def to_pandas(self) -> pd.DataFrame:
        """The record as a table of one row.

        Raises:
            ConfigurationError: pandas is not installed.
        """
        return Records([self]).to_pandas()

    def keys(self) -> list[str]:
        """The names of all fields."""
        return [*self.__struct_fields__, *self.extra]

    def __copy__(self) -> Self:
        return cast(Self, _revived(*self.__reduce__()[1]))

    def __reduce__(self) -> tuple[Any, ...]:
        fields = {name: getattr(self, name) for name in self.__struct_fields__}
        return _revived, (type(self), fields, self.__dict__)

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
        """Names and values as they may be seen: no secret."""
        for name in names:
            value = self[name]
            yield name, replaced({name: value}, lambda name, secret: MASK)[name]

    @classmethod
    def _list_html(cls, records: Sequence[Any], total: int) -> str:
        """A list of such records."""
        added = dict.fromkeys(name for record in records for name in record.extra)
        names = [*(cls._columns or cls.__struct_fields__), *added]
        rows = ([dict(record._shown(record.keys())).get(name) for name in names] for record in records)
        return html.table(names, rows, total)


def _revived(kind: type[Record], fields: dict[str, Any], kept: dict[str, Any]) -> Record:
    record = kind(**fields)
    record.__dict__.update(kept)
    return record


class Records(list[R], Generic[R]):
    """A list of records that shows itself as a table in a notebook."""

    @overload
    def __getitem__(self, index: SupportsIndex) -> R: ...
    @overload
    def __getitem__(self, index: slice) -> Records[R]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> R | Records[R]:
        return Records(super().__getitem__(index)) if isinstance(index, slice) else super().__getitem__(index)

    def _repr_html_(self) -> str | None:
        return list_html(self, len(self))

    def to_dict(self) -> list[dict[str, Any]]:
        """Each record as plain data that goes into JSON."""
        return [item.to_dict() for item in self if isinstance(item, Record)]

    def to_pandas(self) -> pd.DataFrame:
        """A table with a row for each record and a column for each field; dates and numbers stay such.

        Raises:
            ConfigurationError: pandas is not installed.
        """
        try:
            import pandas as pd  # noqa: PLC0415 (heavy, and not ours to demand)
        except ImportError:
            raise ConfigurationError("pandas is not installed.", remedy="pip install pandas") from None
        rows = [{name: _column(value) for name, value in one._shown(one)} for one in self if isinstance(one, Record)]
        return pd.DataFrame(rows)


def list_html(records: Sequence[Any], total: int) -> str | None:
    """A list of records as HTML; None where it is none."""
    kinds = {type(record) for record in records}
    if len(kinds) != 1 or not issubclass(kind := kinds.pop(), Record):
        return None if records else html.note("Nothing here.")
    return kind._list_html(records, total)


def decode(kind: type[R], data: Any, what: str) -> R:
    """`data` of an answer as a record.

    Args:
        kind: the record's class.
        data: decoded JSON.
        what: the call in words, for the error.

    Raises:
        SchemaError: a required field is missing or of the wrong type; the message names it.
    """
    record, trouble = _converted(kind, data, "$")
    if trouble is not None:
        del data  # a traceback that shows local variables must not show tokens
        raise SchemaError(f"{what} answered in an unknown form: {trouble}.")
    _keep_unknown(record, data)
    return cast(R, record)


def decode_all(kind: type[R], data: Any, what: str, where: str) -> Records[R]:
    """A list of an answer as records.

    Args:
        kind: the class of each.
        data: decoded JSON.
        what: the call in words, for the error.
        where: the list's place in the answer, for the error.

    Raises:
        SchemaError: as for `decode`.
    """
    found, trouble = _converted(list[kind], data, where)  # type: ignore[valid-type]
    if trouble is not None:
        del data
        raise SchemaError(f"{what} answered in an unknown form: {trouble}.")
    for record, sent in zip(found, data, strict=True):
        _keep_unknown(record, sent)
    return Records(found)


def _converted(kind: Any, data: Any, where: str) -> tuple[Any, str | None]:
    """The data as records, or what is wrong with it."""
    try:
        return msgspec.convert(data, kind, strict=True), None
    except msgspec.ValidationError as error:
        told = str(error)
    if "Expected `int" in told and "got `float`" in told and (whole := _whole(data)) is not NOT_WHOLE:
        return _converted(kind, whole, where)
    at = f"`{where}"
    return None, told.replace("`$", at) if "`$" in told else f"{told} - at {at}`"


NOT_WHOLE: Any = object()


def _whole(data: Any) -> Any:
    """JSON knows one kind of number, so 60.0 is a whole one: the data with such numbers as int."""
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
    return converted if changed else NOT_WHOLE


@functools.cache
def _layout(kind: type) -> tuple[frozenset[str], tuple[str, ...]]:
    """The names of a record's fields, and those that hold records."""
    names = frozenset(kind.__struct_fields__)  # type: ignore[attr-defined]
    hints = msgspec.structs.fields(kind)
    return names, tuple(field.name for field in hints if "Struct" in repr(msgspec.inspect.type_info(field.type)))


def _keep_unknown(record: Any, sent: Any) -> None:
    """Keeps what the service sent beyond the contract, also in nested records."""
    if not isinstance(record, Record):
        return
    names, nested = _layout(type(record))
    if not sent.keys() <= names:
        record.__dict__["_extra"] = {name: value for name, value in sent.items() if name not in names}
    for name in nested:
        inner = getattr(record, name)
        if isinstance(inner, list):
            for one, its in zip(inner, sent[name], strict=True):
                _keep_unknown(one, its)
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
