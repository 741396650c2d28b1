"""One declaration for each REST operation; the call, its checks and its record are made of it.

    @operation("PATCH /v1/voices/{voice_id}")
    def update(self, voice_id: str, *, name: Name64) -> type[Voice]:
        \"\"\"Renames a voice of the account's.\"\"\"
        return Voice

The signature is all that is written: names, types, ranges and defaults are the contract's, what stands in the
path's braces goes into the path, the rest into the query (GET) or the body. The declared function runs after
the checks, for what no type can say, and returns the record's class. `pagination` declares a list in the same way.
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
from ..validation import check, misfit
from .pagination import Listing, Page
from .retry import Safety
from .transport import Call, Transport

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])
Owner = TypeVar("Owner", bound="Resource")

IN_BRACES: Final = re.compile(r"{(\w+)}")
CREDENTIAL: Final = "credential"  # marks the parameter that signs the call instead of being sent
UNSENT: Final = "unsent"  # marks a parameter that the method itself needs

if TYPE_CHECKING:
    Credential = str | Masked
else:
    Credential = Annotated[str, CREDENTIAL]
UnsentId = Annotated[str, UNSENT]


class Resource:
    """The base of what groups operations.

    Args:
        transport: sends the calls.
    """

    # fetches what records of a list need to show themselves, where they need anything
    _dress: Callable[[Any], Awaitable[None]] | None = None

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def __repr__(self) -> str:
        names = [name for name in dir(self) if not name.startswith("_")]
        return f"<{type(self).__name__}: {', '.join(names)}>"


class Operation:
    """What a declaration says.

    Args:
        route: method and path, as in `GET /v1/voices/{voice_id}`.
        declared: the declaration.
        safety: what sending it twice would do.
        signed: False for the calls that need no credential.
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
        """The types of the parameters, by name; read when first called, since that is not for nothing."""
        hints = get_type_hints(self._declared, include_extras=True)
        return {name: hints[name] for name in list(self.signature.parameters)[1:]}

    @property
    def sent(self) -> dict[str, Any]:
        """The types of those parameters that go over the wire."""
        return {name: kind for name, kind in self.kinds.items() if not {CREDENTIAL, UNSENT} & _marks(kind)}

    def prepare(self, owner: Resource, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Call, Any]:
        """The call for these arguments, and what the declaration returned.

        Raises:
            InvalidArgument: one is missing, unknown or wrong.
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
                values[name] = _checked_id(given[name], name) if in_path else check(given[name], kind, name)
        kind = self._declared(owner, **{**given, **values})
        path = IN_BRACES.sub(lambda found: quote(values.pop(found[1]), safe=""), self.path)
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
    """Declares an operation that answers with one record, or with nothing.

    Args:
        route: method and path of the contract.
        safety: what sending it twice would do; by its method where not given.
        signed: False for the calls that need no credential.
    """

    def declare(
        declared: Callable[Concatenate[Owner, P], type[R]],
    ) -> Callable[Concatenate[Owner, P], Coroutine[Any, Any, R]]:
        made = Operation(route, declared, safety, signed=signed)

        @functools.wraps(declared)
        def method(self: Owner, /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
            # not awaited here: a frame that waits keeps its arguments, which a traceback shows
            try:
                call, kind = made.prepare(self, args, kwargs)
            except (InvalidArgument, LiveAvatarWarning) as failure:
                return _refuse(failure.with_traceback(None))
            return _answer(self._transport, call, kind)

        return _declared(method, made)

    return declare


def listing(
    route: str, *, signed: bool = True
) -> Callable[[Callable[Concatenate[Owner, P], type[R]]], Callable[Concatenate[Owner, P], Listing[R]]]:
    """Declares an operation that answers with a list, in pages where it has a parameter `page`.

    Args:
        route: method and path of the contract.
        signed: False for the calls that need no credential.
    """

    def declare(declared: Callable[Concatenate[Owner, P], type[R]]) -> Callable[Concatenate[Owner, P], Listing[R]]:
        made = Operation(route, declared, Safety.REPEATABLE, signed=signed)

        @functools.wraps(declared)
        def method(self: Owner, /, *args: P.args, **kwargs: P.kwargs) -> Listing[R]:
            call, kind = made.prepare(self, args, kwargs)
            first = (call.query or {}).get("page", 1)
            return Listing(_pages(self._transport, call, kind), first=first, dress=self._dress)

        return _declared(method, made, "Listing[{}]")

    return declare


def _declared(method: F, made: Operation, result: str = "{}") -> F:
    """Has `method` show what it gives, and hold its declaration."""
    kind = str(made.signature.return_annotation).removeprefix("type[").removesuffix("]")
    shown: Any = method
    shown.__signature__ = made.signature.replace(return_annotation=result.format(kind))
    shown.operation = made
    return method


async def _refuse(failure: Exception) -> Any:
    raise failure


async def _answer(transport: Transport, call: Call, kind: Any) -> Any:
    if kind is NoneType:
        await transport.send(call)
        return None
    return decode(kind, (await transport.send(call))["data"], str(call))


def _pages(transport: Transport, call: Call, kind: Any) -> Callable[[int], Awaitable[Page[Any]]]:
    is_paged = "page" in (call.query or {})

    async def fetch(number: int) -> Page[Any]:
        asked = call
        if is_paged:
            asked = Call(call.method, call.path, signed=call.signed, query={**(call.query or {}), "page": number})
        # the answer has no name here: a traceback that shows local variables must not show what is in it
        return _page(kind, (await transport.send(asked))["data"], str(call), is_paged=is_paged)

    return fetch


def _page(kind: Any, data: Any, what: str, *, is_paged: bool) -> Page[Any]:
    try:
        if not is_paged:
            items: Records[Any] = decode_all(kind, data, what, "$")
            return Page(items, len(items), has_next=False)
        if not isinstance(data, dict):
            raise SchemaError(f"{what} answered in an unknown form: Expected `object` - at `$`.")
        count = data.get("count")
        if type(count) is not int or not 0 <= count <= sys.maxsize:
            raise SchemaError(f"{what} answered in an unknown form: Expected `int` >= 0 - at `$.count`.")
        return Page(decode_all(kind, data.get("results"), what, "$.results"), count, bool(data.get("next")))
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
    """A session's token as what shows itself to nobody.

    Raises:
        InvalidArgument: it cannot be one.
    """
    masked = token if isinstance(token, Masked) else Masked(token.strip() if isinstance(token, str) else "")
    del token
    if not masked.reveal() or not masked.fits_a_header:
        raise InvalidArgument("session_token must be the text from create_token.", field="session_token")
    return Masked(masked.reveal(), "of a session")


def _checked_id(value: Any, name: str) -> str:
    """An id that goes into a path, where it must be one segment."""
    text: str = check(value, str, name)
    if text.strip(". ") and "/" not in text and text.isprintable():
        return text
    raise InvalidArgument(f"{name} must be an id, not {text[:60]!r}.", field=name)
