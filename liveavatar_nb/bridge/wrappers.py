"""Methods of the sync API that run on the managed loop: what `blocking` and its like make of async ones."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

from .. import config
from ..errors import ClientClosed, LiveAvatarException
from ..validation import misfit
from .loop import LoopSilent, bridge

P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C", bound=Callable[..., Any])
F = TypeVar("F", bound="Face")


class Face:
    """The base of what wraps an async object for callers who do not await."""

    _inner: Any
    _holder: Face | None = None

    def _held_by(self, holder: Face) -> Self:
        """Keeps `holder` for as long as this is kept: a session that is in use holds its client."""
        self._holder = holder
        return self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Face) and other._inner is self._inner

    def __hash__(self) -> int:
        return hash(id(self._inner))

    def __repr__(self) -> str:
        return repr(self._inner).replace("<Async", "<", 1)


def inner_of(face: object) -> Any:
    """Return the async object behind a `Face`; None if it is none."""
    return face._inner if isinstance(face, Face) else None


def holder_of(face: Face) -> Face | None:
    """Return what a `Face` keeps alive: a session's client, for one."""
    return face._holder


@overload
def blocking(
    method: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]],
    *,
    undo: Callable[[Any, R], Coroutine[Any, Any, object]] | None = None,
    is_whole: bool = False,
    otherwise: Callable[[Any], R] | None = None,
) -> Callable[Concatenate[Any, P], R]: ...


@overload
def blocking(
    method: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]],
    *,
    wrap: Callable[[R], F],
    undo: Callable[[Any, R], Coroutine[Any, Any, object]] | None = None,
) -> Callable[Concatenate[Any, P], F]: ...


def blocking(
    method: Callable[..., Coroutine[Any, Any, Any]],
    *,
    wrap: Any = None,
    undo: Callable[[Any, Any], Coroutine[Any, Any, object]] | None = None,
    is_whole: bool = False,
    otherwise: Callable[[Any], Any] | None = None,
) -> Callable[..., Any]:
    """The async method as one that waits for its result: same name, parameters and docstring.

    Args:
        method: a method of the async face.
        wrap: what makes the sync face's object of the result.
        undo: what ends that which a result costs or holds, given the async object and the result: where an interrupt
            comes before the caller has it. A method whose result costs or holds something has one.
        is_whole: an interrupt does not cancel the method: only its result tells what there is to undo.
        otherwise: what is done on the caller's thread where the loop does not answer, or goes meanwhile.
    """

    @functools.wraps(method)
    def wrapper(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        patience = None if otherwise is None else config.LOOP_LIMIT
        if otherwise is not None and not bridge.answers(config.LOOP_LIMIT):
            return otherwise(self._inner)
        try:
            work = method(self._inner, *args, **kwargs)
        except TypeError as failure:
            refused = misfit(method, args, kwargs) or failure
            args, kwargs = (), {}
            raise refused.with_traceback(None) from None
        except LiveAvatarException as refused:
            args, kwargs = (), {}
            raise refused.with_traceback(None) from None
        # this frame waits, and a traceback would show what is a secret among them
        args, kwargs = (), {}
        try:
            return bridge.call(
                work,
                closes=True,
                undo=None if undo is None else functools.partial(undo, self._inner),
                is_whole=is_whole,
                patience=patience,
                take=None if wrap is None else lambda result: wrap(result)._held_by(self),
            )
        except LoopSilent:
            assert otherwise is not None
            return otherwise(self._inner)
        except LiveAvatarException as failure:
            if otherwise is None or not isinstance(failure, ClientClosed):
                # its words say it all: of our frames this one is enough
                raise failure.with_traceback(None)  # noqa: B904 (it is the very same)
            return otherwise(self._inner)

    return as_sync(wrapper, method, wrap)


def passing(method: Callable[Concatenate[Any, P], R]) -> Callable[Concatenate[Any, P], R]:
    """A method that does not await, handed on as it is: it works from any thread."""

    @functools.wraps(method)
    def wrapper(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(self._inner, *args, **kwargs)
        except LiveAvatarException as failure:
            raise failure.with_traceback(None)  # noqa: B904 (it is the very same)

    return wrapper


def blocking_iter(
    method: Callable[Concatenate[Any, P], AsyncIterator[R]],
) -> Callable[Concatenate[Any, P], Iterator[R]]:
    """The async iterator's method as one that gives a plain iterator; each step is a task of its own."""

    async def step(items: AsyncIterator[R]) -> tuple[R] | None:
        try:
            return (await anext(items),)
        except StopAsyncIteration:
            return None

    async def begin(self: Any, args: Any, kwargs: Any) -> AsyncIterator[R]:
        return method(self, *args, **kwargs)

    def iterate(items: AsyncIterator[R]) -> Iterator[R]:
        while (item := bridge.call(step(items))) is not None:
            yield item[0]

    @functools.wraps(method)
    def wrapper(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[R]:
        return iterate(bridge.call(begin(self._inner, args, kwargs)))

    return as_sync(wrapper, method, Iterator)


def as_sync(wrapper: C, method: Callable[..., Any], result: Any) -> C:
    """Has `wrapper` show the method's signature, with the result that the sync face gives."""
    if result is not None:
        # a function that makes it says by its own annotation what that is
        kind = result.__annotations__["return"] if inspect.isfunction(result) else getattr(result, "__name__", result)
        signature = inspect.signature(method).replace(return_annotation=kind)
        wrapper.__signature__ = signature  # type: ignore[attr-defined]
    return wrapper


class reading(Generic[R]):  # noqa: N801 (stands where `property` would)
    """A property of the async object, read through."""

    def __init__(self, source: Callable[[Any], R]) -> None:
        # to a type checker a property read from its class is the function that it wraps
        self._get: Callable[[Any], R] = getattr(source, "fget", source)
        self.__doc__ = source.__doc__

    @overload
    def __get__(self, face: None, owner: type) -> Self: ...
    @overload
    def __get__(self, face: Face, owner: type) -> R: ...
    def __get__(self, face: Face | None, owner: type) -> R | Self:
        return self if face is None else self._get(face._inner)
