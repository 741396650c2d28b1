"""Checks arguments against the contract before anything is sent, using only the parameters' types.

`Literal` stands for an enum, `Annotated[int, Meta(ge=1, le=100)]` for a range, and a `TypedDict` for a nested object.
An invalid value raises an `InvalidArgument` that names the field and the nearest valid value.
"""

from __future__ import annotations

import functools
import inspect
import math
import re
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    NotRequired,
    ParamSpec,
    Required,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from msgspec import UNSET, Meta, UnsetType

from .config import Masked
from .errors import InvalidArgument
from .masking import SECRET_NAME

P = ParamSpec("P")
R = TypeVar("R")

UUID_PATTERN: Final = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
SHOWN: Final = 60  # maximum length of an invalid value quoted in an error, in characters

OPEN: Final = "open"  # marks a `TypedDict` that may have fields it doesn't list, which aren't checked

KINDS: Final = {str: "text", int: "a whole number", float: "a number", bool: "True or False"}


def check(value: Any, kind: Any, field: str) -> Any:
    """Return `value` as it will be sent: plain JSON data.

    Args:
        value: The caller's argument.
        kind: The parameter's type.
        field: The parameter's name, used in the error.

    Raises:
        InvalidArgument: The value is invalid. The message and `field` name the parameter; the remedy suggests the
            nearest valid value.
    """
    origin = get_origin(kind)
    if origin is Annotated:
        inner, *extras = get_args(kind)
        limits = next((extra for extra in extras if isinstance(extra, Meta)), Meta())
        checked = _fields(value, inner, field, is_open=True) if OPEN in extras else check(value, inner, field)
        return checked if checked is None else _within(checked, limits, field)
    if origin in (Union, UnionType):
        return _any_of(value, get_args(kind), field)
    if origin is Literal:
        return one_of(field, value, get_args(kind))
    if origin in (Required, NotRequired):
        return check(value, get_args(kind)[0], field)
    if origin is list:
        if not isinstance(value, list | tuple):
            raise _invalid(field, "a list", value)
        return [check(item, get_args(kind)[0], f"{field}[{index}]") for index, item in enumerate(value)]
    if origin is dict:
        return _mapping(value, get_args(kind)[1], field)
    if is_typeddict(kind):
        return _fields(value, kind, field)
    return _plain(value, kind, field)


def one_of(field: str, value: Any, choices: Iterable[Any]) -> Any:
    """Return `value` if it is one of `choices`.

    Raises:
        InvalidArgument: The value isn't one of the choices; the remedy suggests the most similar one.
    """
    allowed = list(choices)
    if isinstance(value, str) and value in allowed:
        return value
    wanted = repr(allowed[0]) if len(allowed) == 1 else f"one of {', '.join(map(str, allowed))}"
    raise _invalid(field, wanted, value, near=repr(nearest(str(value), map(str, allowed))))


def nearest(text: str, choices: Iterable[str], *, cutoff: float = 0.0) -> str | None:
    """Return the choice most similar to `text`, ignoring case."""
    import difflib  # noqa: PLC0415 (only needed for errors)

    folded = {choice.casefold(): choice for choice in choices}
    found = difflib.get_close_matches(text.casefold(), folded, n=1, cutoff=cutoff)
    return folded[found[0]] if found else None


def masked_text(secret: Any) -> Any:
    """Wrap a caller's secret in `Masked`; return other values unchanged, so that `check` rejects them."""
    return Masked(secret) if isinstance(secret, str) else secret


def _any_of(value: Any, kinds: tuple[Any, ...], field: str) -> Any:
    if value is None and NoneType in kinds:
        return None
    if value is UNSET and UnsetType in kinds:
        return UNSET
    real = [kind for kind in kinds if kind not in (NoneType, UnsetType)]
    if isinstance(value, Mapping):
        # `provider` says which of several object types this is
        real = [kind for kind in real if _is_tagged(kind, value)] or real
    failure: InvalidArgument | None = None
    for kind in real:
        try:
            return check(value, kind, field)
        except InvalidArgument as invalid:
            failure = failure or invalid
    assert failure is not None
    raise failure


def _is_tagged(kind: Any, value: Mapping[str, Any]) -> bool:
    hints = get_type_hints(kind) if is_typeddict(kind) else {}
    return get_origin(hints.get("provider")) is Literal and value.get("provider") in get_args(hints["provider"])


def _plain(value: Any, kind: Any, field: str) -> Any:
    if kind is Any:
        return value
    if kind is str:
        if isinstance(value, Masked):
            return _sendable(value.reveal(), field)
        if isinstance(value, uuid.UUID):
            return str(value)
        if isinstance(value, str):
            return _sendable(str(value), field)
        raise _invalid(field, "text", value, near=_id_of(value))
    number = None if isinstance(value, bool) else _number(value)
    if kind is bool:
        if isinstance(value, bool):
            return value
        raise _invalid(field, "True or False", value)
    if kind is int and number is not None and number.is_integer():
        return int(value)
    if kind is float and number is not None and math.isfinite(number):
        return value if isinstance(value, int | float) else number
    raise _invalid(field, KINDS[kind], value, near=_number_in(value, kind))


def _number(value: Any) -> float | None:
    """Return the value as a float, or None if it isn't a number or is too large for a float."""
    if not (hasattr(value, "__index__") or hasattr(value, "__float__")):
        return None
    try:
        return float(value)
    except (TypeError, ValueError, ArithmeticError):
        return None


def _sendable(text: str, field: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as failure:
        at = failure.start
        del text, failure
        raise InvalidArgument(
            f"{field} contains an unpaired surrogate at position {at}, which cannot be sent as UTF-8.",
            remedy="Remove it; it is usually one half of an emoji that was cut in two.",
            field=field,
        ) from None
    return text


def _within(value: Any, limits: Meta, field: str) -> Any:
    if isinstance(value, str):
        if limits.pattern is not None and not re.fullmatch(limits.pattern, value):
            raise _invalid(field, "an id (a UUID)", value, near=_uuid_in(value))
        if limits.min_length and len(value.strip()) < limits.min_length:
            raise InvalidArgument(f"{field} must not be empty.", field=field)
        if limits.max_length is not None and len(value) > limits.max_length:
            raise InvalidArgument(
                f"{field} must be at most {limits.max_length} characters long, not {len(value)}.",
                remedy=f"Shorten it by {len(value) - limits.max_length}.",
                field=field,
            )
    elif isinstance(value, int | float):
        low = limits.ge if limits.ge is not None else None if limits.gt is None else limits.gt + 1
        high = limits.le
        if (low is not None and value < low) or (high is not None and value > high):
            span = (
                f"{low:g} or more" if high is None else f"at most {high:g}" if low is None else f"{low:g} to {high:g}"
            )
            near = low if low is not None and value < low else high
            raise _invalid(field, span, value, near=f"{near:g}")
    elif limits.max_length is not None and len(value) > limits.max_length:
        raise InvalidArgument(f"{field} must have at most {limits.max_length} entries, not {len(value)}.", field=field)
    return value


def _mapping(value: Any, kind: Any, field: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise _invalid(field, "a dict", value)
    for name in value:
        if not isinstance(name, str):
            raise _invalid(f"a key of {field}", "text", name)
    return {name: check(item, kind, f"{field}.{name}") for name, item in value.items()}


def _fields(value: Any, kind: Any, field: str, *, is_open: bool = False) -> dict[str, Any]:
    hints = get_type_hints(kind, include_extras=True)
    if hasattr(value, "to_dict"):
        # records from a newer service may have fields that can't be sent
        value = {name: item for name, item in value.to_dict().items() if name in hints}
    if not isinstance(value, Mapping):
        raise _invalid(field, f"a dict with {', '.join(hints)}", value, is_shown=False)
    for name in value:
        if name not in hints and not is_open:
            raise unknown(f"{field}.{name}", str(name), hints, f"{field} has no field {name!r}.")
    for name in kind.__required_keys__:
        if name not in value:
            raise InvalidArgument(f"{field}.{name} is missing.", remedy="Add it.", field=f"{field}.{name}")
    return {name: check(item, hints.get(name, Any), f"{field}.{name}") for name, item in value.items()}


def unknown(field: str, name: str, known: Iterable[str], message: str) -> InvalidArgument:
    """Return the error for an unknown name; the remedy suggests the most similar known name."""
    names = list(known)
    near = nearest(name, names, cutoff=0.5)
    remedy = f"Did you mean {near!r}?" if near else f"Use one of: {', '.join(names)}." if names else ""
    return InvalidArgument(message, remedy=remedy, field=field)


def _invalid(field: str, wanted: str, value: Any, near: str | None = None, *, is_shown: bool = True) -> InvalidArgument:
    # a secret must not be shown, even if it is invalid
    is_shown = is_shown and isinstance(value, str | int | float | None) and not SECRET_NAME.search(field)
    shown = repr(value) if is_shown else type(value).__name__
    if len(shown) > SHOWN:
        shown = f"{shown[:SHOWN]}..."
    return InvalidArgument(
        f"{field} must be {wanted}, not {shown}.", remedy=f"Did you mean {near}?" if near else "", field=field
    )


def strict(method: Callable[P, R]) -> Callable[P, R]:
    """Wrap a method so that it raises `InvalidArgument` instead of `TypeError` for wrong arguments.

    The wrapper keeps the method's signature, types and docstring. Errors about `__init__` use the class's name.
    """
    name = method.__qualname__.split(".")[-2] if method.__name__ == "__init__" else method.__name__

    @functools.wraps(method)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(*args, **kwargs)
        except TypeError:
            invalid = misfit(method, args[1:], kwargs, name)
            if invalid is None:
                raise
        finally:
            # keep secrets out of tracebacks that print local variables
            del args, kwargs
        raise invalid

    return wrapper


def misfit(
    method: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], called: str | None = None
) -> InvalidArgument | None:
    """Return the error for arguments that a method doesn't accept, or None if it accepts them.

    Args:
        method: A function with `self` as its first parameter.
        args: The positional arguments, without `self`.
        kwargs: The keyword arguments.
        called: The name to use in the error. Defaults to the method's own.
    """
    called = called or method.__name__
    signature = inspect.signature(method)
    known = list(signature.parameters)[1:]
    for name in kwargs:
        if name not in known:
            return unknown(name, name, known, f"{called}() has no parameter {name!r}.")
    try:
        signature.bind(None, *args, **kwargs)
    except TypeError as failure:
        accepted = ", ".join(_written(parameter) for parameter in list(signature.parameters.values())[1:])
        return InvalidArgument(f"{called}(): {failure}.", remedy=f"It takes: {accepted}." if accepted else "")
    return None


def not_async(owner: object, name: str, sync_names: Collection[str]) -> AttributeError:
    """Return the error for an attribute that an async object lacks; if the sync API has it, the error says so."""
    message = f"{type(owner).__name__!r} object has no attribute {name!r}"
    if name in sync_names:
        message += (
            ". Widgets need LiveAvatar's own event loop, which runs even while a cell does. "
            "Use LiveAvatar() instead of AsyncLiveAvatar()"
        )
    return AttributeError(message, name=name, obj=owner)


def _written(parameter: inspect.Parameter) -> str:
    """Format a parameter as it would be written in a call."""
    is_optional = parameter.default is not inspect.Parameter.empty
    return (
        f"{parameter.name}={parameter.default!r}" if is_optional else str(parameter.replace(annotation=parameter.empty))
    )


def _id_of(value: Any) -> str | None:
    found = getattr(value, "id", None)
    return repr(found) if isinstance(found, str) else None


def _number_in(value: Any, kind: Any) -> str | None:
    try:
        found = float(value)
    except (TypeError, ValueError, ArithmeticError):
        return None
    if isinstance(value, bool) or not math.isfinite(found):
        return None
    return f"{round(found):d}" if kind is int else f"{found:g}"


def _uuid_in(text: str) -> str | None:
    try:
        return repr(str(uuid.UUID(text.strip())))
    except ValueError:
        return None
