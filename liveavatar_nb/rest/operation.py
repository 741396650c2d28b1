"""Builds the method for a REST operation from its declaration.

    @operation("PATCH /v1/voices/{voice_id}")
    def update(self, voice_id: str, *, name: Name64) -> type[Voice]:
        \"\"\"Rename one of the account's voices.\"\"\"
        return Voice

The signature has the contract's names, types, ranges and defaults, and arguments are checked against it. Parameters
named in braces go into the path, all others into the query (GET) or the body. The declared function then runs: it
checks what types can't express, and returns the record's class. `listing` declares a list in the same way.
"""

from __future__ import annotations

import functools
import inspect
import re
import sys
from collections.abc import Awaitable, Callable, Coroutine
from types import NoneType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Concatenate,
    Final,
    ParamSpec,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
)
from urllib.parse import quote

from msgspec import UNSET

from ..config import Masked
from ..errors import InvalidArgument, LiveAvatarWarning, SchemaError
from ..models.base import Records, decode, decode_all
from ..validation import check, masked_text, misfit
from .pagination import Listing, Page
from .retry import Safety
from .transport import Call, Transport

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])
Owner = TypeVar("Owner", bound="Resource")

IN_BRACES: Final = r"{(\w+)}"
CREDENTIAL: Final = "credential"  # marks the parameter that holds the credential, which isn't sent as a field
UNSENT: Final = "unsent"  # marks a parameter that the method uses but doesn't send

if TYPE_CHECKING:
    Credential = str | Masked
else:
    Credential = Annotated[str, CREDENTIAL]
UnsentId = Annotated[str, UNSENT]


class Resource:
    """The base class for groups of operations.

    Args:
        transport: The transport that sends the calls.
    """

    # fetches whatever else is needed to display the records of a list, e.g. pictures; None if nothing else is needed
    _dress: Callable[[Any], Awaitable[None]] | None = None

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def __repr__(self) -> str:
        names = [name for name in dir(self) if not name.startswith("_")]
        return f"<{type(self).__name__}: {', '.join(names)}>"


class Operation:
    """A declared operation.

    Args:
        route: Method and path, e.g. `GET /v1/voices/{voice_id}`.
        declared: The function that declares the operation.
        safety: Whether the call may be sent more than once. Defaults to REPEATABLE for GET, otherwise to ONCE.
        signed: Whether the call needs a credential.
    """

    def __init__(self, route: str, declared: Callable[..., Any], safety: Safety | None, *, signed: bool) -> None:
        self.method, self.path = route.split()
        self.safety = safety or (Safety.REPEATABLE if self.method == "GET" else Safety.ONCE)
        self.signed = signed
        self.signature = inspect.signature(declared)
        self.name = declared.__qualname__
        self._declared = declared

    @property
    def id(self) -> str:
        """The contract's `operationId`."""
        path = re.sub(r"[{}]", "", self.path).strip("/")
        return f"{self.method.lower()}_{re.sub(r'[/-]', '_', path)}"

    @functools.cached_property
    def kinds(self) -> dict[str, Any]:
        """The parameters' types by name; resolved on first use, because resolving is slow."""
        hints = get_type_hints(self._declared, include_extras=True)
        return {name: hints[name] for name in list(self.signature.parameters)[1:]}

    @property
    def sent(self) -> dict[str, Any]:
        """The types of the parameters that are sent, by name."""
        return {name: kind for name, kind in self.kinds.items() if not {CREDENTIAL, UNSENT} & _marks(kind)}

    def prepare(self, owner: Resource, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Call, Any]:
        """Return the call for these arguments, and the class that the declaration returned.

        Raises:
            InvalidArgument: An argument is missing, unknown or invalid.
        """
        given = self._bind(owner, args, kwargs)
        token = None
        values: dict[str, Any] = {}
        for name, kind in self.kinds.items():
            marks = _marks(kind)
            if CREDENTIAL in marks:
                token = None if given[name] is None else as_token(given[name])
            elif UNSENT not in marks:
                in_path = f"{{{name}}}" in self.path
                values[name] = _check_id(given[name], name) if in_path else check(given[name], kind, name)
        kind = self._declared(owner, **{**given, **values})
        path = re.sub(IN_BRACES, lambda found: quote(values.pop(found[1]), safe=""), self.path)
        defaults = self.signature.parameters
        fields = {
            name: value
            for name, value in values.items()
            if value is not UNSET and not (value is None and defaults[name].default is None)
        }
        in_query = self.method == "GET"
        return (
            Call(
                self.method,
                path,
                self.safety,
                token=token,
                signed=self.signed,
                query=fields if in_query else None,
                body=fields if fields and not in_query else None,
            ),
            kind,
        )

    def _bind(self, owner: Resource, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        try:
            bound = self.signature.bind(owner, *args, **kwargs)
        except TypeError as failure:
            raise misfit(self._declared, args, kwargs) or failure from None
        bound.apply_defaults()
        return {name: bound.arguments[name] for name in self.kinds}


def operation(
    route: str, safety: Safety | None = None, *, signed: bool = True
) -> Callable[[Callable[Concatenate[Owner, P], type[R]]], Callable[Concatenate[Owner, P], Coroutine[Any, Any, R]]]:
    """Declare an operation that returns one record, or nothing.

    Args:
        route: The contract's method and path.
        safety: Whether the call may be sent more than once. Defaults to REPEATABLE for GET, otherwise to ONCE.
        signed: Whether the call needs a credential.
    """

    def declare(
        declared: Callable[Concatenate[Owner, P], type[R]],
    ) -> Callable[Concatenate[Owner, P], Coroutine[Any, Any, R]]:
        built = Operation(route, declared, safety, signed=signed)

        @functools.wraps(declared)
        def method(self: Owner, /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
            # don't await here: a suspended frame would hold its arguments, and tracebacks could show them
            try:
                call, kind = built.prepare(self, args, kwargs)
            except (InvalidArgument, LiveAvatarWarning) as failure:
                return _fail(failure.with_traceback(None))
            return _send(self._transport, call, kind)

        return _with_declaration(method, built)

    return declare


def listing(
    route: str, *, signed: bool = True
) -> Callable[[Callable[Concatenate[Owner, P], type[R]]], Callable[Concatenate[Owner, P], Listing[R]]]:
    """Declare an operation that returns a list; the list comes in pages if the operation has a parameter `page`.

    Args:
        route: The contract's method and path.
        signed: Whether the call needs a credential.
    """

    def declare(declared: Callable[Concatenate[Owner, P], type[R]]) -> Callable[Concatenate[Owner, P], Listing[R]]:
        built = Operation(route, declared, Safety.REPEATABLE, signed=signed)

        @functools.wraps(declared)
        def method(self: Owner, /, *args: P.args, **kwargs: P.kwargs) -> Listing[R]:
            call, kind = built.prepare(self, args, kwargs)
            first = (call.query or {}).get("page", 1)
            return Listing(_page_source(self._transport, call, kind), first=first, dress=self._dress)

        return _with_declaration(method, built, "Listing[{}]")

    return declare


def _with_declaration(method: F, built: Operation, result: str = "{}") -> F:
    """Attach to `method` the signature that users see, and a reference to its declaration."""
    kind = str(built.signature.return_annotation).removeprefix("type[").removesuffix("]")
    shown: Any = method
    shown.__signature__ = built.signature.replace(return_annotation=result.format(kind))
    shown.operation = built
    return method


async def _fail(failure: Exception) -> Any:
    raise failure


async def _send(transport: Transport, call: Call, kind: Any) -> Any:
    if kind is NoneType:
        await transport.send(call)
        return None
    return decode(kind, (await transport.send(call))["data"], str(call))


def _page_source(transport: Transport, call: Call, kind: Any) -> Callable[[int], Awaitable[Page[Any]]]:
    is_paged = "page" in (call.query or {})

    async def fetch(number: int) -> Page[Any]:
        page_call = call
        if is_paged:
            page_call = Call(call.method, call.path, signed=call.signed, query={**(call.query or {}), "page": number})
        # don't assign the response to a variable, to keep it out of tracebacks that print local variables
        return _page(kind, (await transport.send(page_call))["data"], str(call), is_paged=is_paged)

    return fetch


def _page(kind: Any, data: Any, call: str, *, is_paged: bool) -> Page[Any]:
    try:
        if not is_paged:
            items: Records[Any] = decode_all(kind, data, call, "$")
            return Page(items, len(items), has_next=False)
        if not isinstance(data, dict):
            raise SchemaError(f"The response to {call} has an unknown format: Expected `object` - at `$`.")
        count = data.get("count")
        if type(count) is not int or not 0 <= count <= sys.maxsize:
            raise SchemaError(f"The response to {call} has an unknown format: Expected `int` >= 0 - at `$.count`.")
        return Page(decode_all(kind, data.get("results"), call, "$.results"), count, bool(data.get("next")))
    except SchemaError as failure:
        del data
        raise failure.with_traceback(None) from None


def _marks(kind: Any) -> set[Any]:
    marks: set[Any] = set()
    for part in (kind, *get_args(kind)):
        if get_origin(part) is Annotated:
            marks |= {extra for extra in get_args(part)[1:] if isinstance(extra, str)}
    return marks


def as_token(token: Any) -> Masked:
    """Wrap a session's token in `Masked`.

    Raises:
        InvalidArgument: The value can't be a token.
    """
    token = masked_text(token)
    masked = Masked(token.reveal().strip() if isinstance(token, Masked) else "", "of a session")
    if not masked.reveal() or not masked.fits_a_header:
        raise InvalidArgument(
            "session_token is not a token.", remedy="Pass the token that create_token returned.", field="session_token"
        )
    return masked


def _check_id(value: Any, name: str) -> str:
    """Return an id after checking that it can be used as a single path segment."""
    text: str = check(value, str, name)
    if text.strip(". ") and "/" not in text and text.isprintable():
        return text
    raise InvalidArgument(f"{name} must be an id, not {text[:60]!r}.", field=name)
