"""Wraps async methods as sync methods that run on the managed loop."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Concatenate, Generic, Never, NoReturn, ParamSpec, Self, TypeVar, overload

from .. import config
from ..errors import ClientClosed, LiveAvatarException
from ..validation import misfit
from .loop import LoopSilent, bridge

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
C = TypeVar("C", bound=Callable[..., Any])
W = TypeVar("W", bound="SyncWrapper")


class SyncWrapper:
    """Base class of the sync API's objects: each wraps an async object for callers that cannot await."""

    _inner: Any
    _holder: SyncWrapper | None = None

    def _held_by(self, holder: SyncWrapper) -> Self:
        """Keep `holder` alive as long as this object lives; a session, for example, keeps its client alive."""
        self._holder = holder
        return self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SyncWrapper) and other._inner is self._inner

    def __hash__(self) -> int:
        return hash(id(self._inner))

    def __repr__(self) -> str:
        return repr(self._inner).replace("<Async", "<", 1)


def inner_of(wrapper: object) -> Any:
    """Return the async object behind a `SyncWrapper`, or None if `wrapper` is something else."""
    return wrapper._inner if isinstance(wrapper, SyncWrapper) else None


def holder_of(wrapper: SyncWrapper) -> SyncWrapper | None:
    """Return the object that a `SyncWrapper` keeps alive, such as a session's client."""
    return wrapper._holder


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
    wrap: Callable[[R], W],
    undo: Callable[[Any, R], Coroutine[Any, Any, object]] | None = None,
) -> Callable[Concatenate[Any, P], W]: ...


def blocking(
    method: Callable[..., Coroutine[Any, Any, Any]],
    *,
    wrap: Any = None,
    undo: Callable[[Any, Any], Coroutine[Any, Any, object]] | None = None,
    is_whole: bool = False,
    otherwise: Callable[[Any], Any] | None = None,
) -> Callable[..., Any]:
    """Turn an async method into a blocking method with the same name, parameters and docstring.

    Args:
        method: A method of the async API.
        wrap: Wraps the result for the sync API.
        undo: Called with the async object and a result that the caller did not receive because of an interrupt; undoes
            the result. Required for every method whose result costs credits or holds a resource.
        is_whole: Whether to let the method finish despite an interrupt, because only its result shows what to undo.
        otherwise: Called instead, on the caller's thread, if the loop does not respond or ends during the call.
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
        # drop the arguments: this frame stays on the stack, and a traceback would show any secrets among them
        args, kwargs = (), {}
        try:
            return bridge.call(
                work,
                closes=True,
                undo=None if undo is None else functools.partial(undo, self._inner),
                is_whole=is_whole,
                patience=patience,
                convert=None if wrap is None else lambda result: wrap(result)._held_by(self),
            )
        except LoopSilent:
            assert otherwise is not None
            return otherwise(self._inner)
        except LiveAvatarException as failure:
            if otherwise is None or not isinstance(failure, ClientClosed):
                # the message says it all, so drop our internal frames from the traceback
                raise failure.with_traceback(None)  # noqa: B904 (it is the same exception)
            return otherwise(self._inner)

    return as_sync(wrapper, method, wrap)


def passing(method: Callable[Concatenate[Any, P], R]) -> Callable[Concatenate[Any, P], R]:
    """Expose in the sync API a method that never awaits and therefore works from any thread."""

    @functools.wraps(method)
    def wrapper(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(self._inner, *args, **kwargs)
        except LiveAvatarException as failure:
            raise failure.with_traceback(None)  # noqa: B904 (it is the same exception)

    return wrapper


def blocking_iter(
    method: Callable[Concatenate[Any, P], AsyncIterator[R]],
) -> Callable[Concatenate[Any, P], Iterator[R]]:
    """Turn a method that returns an async iterator into one that returns an ordinary iterator.

    Each step of the iteration runs as a separate task.
    """

    async def step(items: AsyncIterator[R]) -> tuple[R] | None:
        try:
            return (await anext(items),)
        except StopAsyncIteration:
            return None

    async def begin(inner: Any, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[R]:
        return method(inner, *args, **kwargs)

    def iterate(items: AsyncIterator[R]) -> Iterator[R]:
        while (item := bridge.call(step(items))) is not None:
            yield item[0]

    @functools.wraps(method)
    def wrapper(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[R]:
        return iterate(bridge.call(begin(self._inner, *args, **kwargs)))

    return as_sync(wrapper, method, Iterator)


def as_sync(wrapper: C, method: Callable[..., Any], result: Any) -> C:
    """Give `wrapper` the method's signature, with the result type of the sync API."""
    if result is not None:
        # if a function wraps the result, the function's return annotation gives the type
        kind = result.__annotations__["return"] if inspect.isfunction(result) else getattr(result, "__name__", result)
        signature = inspect.signature(method).replace(return_annotation=kind)
        wrapper.__signature__ = signature  # type: ignore[attr-defined]
    return wrapper


class Reading(Generic[T, R]):
    """A sync class's property that reads the property of the same name from the async object.

    This is not a `property`, because IPython offers no completions after a property (for example, after `la.wire.`).

    Args:
        kind: The async class.
        get: Reads the property. Type checkers infer the type from this function, but not from the property itself.
    """

    def __init__(self, kind: type[T], get: Callable[[T], R]) -> None:
        self._kind = kind
        self._get = get

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name
        self.__doc__ = getattr(self._kind, name).__doc__

    @overload
    def __get__(self, wrapper: None, owner: type) -> Self: ...
    @overload
    def __get__(self, wrapper: SyncWrapper, owner: type) -> R: ...
    def __get__(self, wrapper: SyncWrapper | None, owner: type) -> R | Self:
        return self if wrapper is None else self._get(wrapper._inner)

    def __set__(self, wrapper: SyncWrapper, value: Never) -> NoReturn:
        raise AttributeError(f"{self._name!r} is read-only")
