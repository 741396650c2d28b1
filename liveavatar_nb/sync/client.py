"""`LiveAvatar`: the same names as the async client's, without `await`."""

from __future__ import annotations

import logging
import threading
import weakref
from typing import TYPE_CHECKING, Any, Self

from .. import config
from ..bridge.loop import bridge
from ..bridge.wrappers import Face, blocking, reading
from ..client import AsyncLiveAvatar, started_simulator, stop_behind
from ..concurrency.clock import CLOCK, Clock
from ..config import Masked
from ..validation import masked_text, strict
from .listing import blocking_rows

logger = logging.getLogger("liveavatar_nb.client")

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import httpx

    from ..rest.network import Verify
    from ..session.session import AsyncSession
    from ..session.speech.feed import TextToSpeech
    from ..widgets.studio import Studio
    from .api import API
    from .session import Session


async def _stop(client: AsyncLiveAvatar, session: AsyncSession) -> None:
    await session.stop()


def _session(inner: AsyncSession) -> Session:
    """The sync face of a session; imported with the first, for a client that starts nothing must not pay for it."""
    from .session import Session  # noqa: PLC0415

    return Session(inner)


class LiveAvatar(Face):
    """The service, for cells without `await`: one client for each account.

    `with` stops its sessions and closes it when the block is left. Keep-alives go on while a cell computes.

    Args:
        api_key: the account's key; None or "" takes `LIVEAVATAR_API_KEY`, or what `config.find_key` finds.
        api_url: the service's address.
        http_client: an `httpx.AsyncClient` of yours, used on the managed loop only; it stays yours to close.
            REST calls go by it; `proxy` and `verify` are for the rest.
        proxy: leads to the service, for REST, WebSockets and the guard alike: `http://user:password@host:port`, also
            by `https` or `socks5`; None takes the environment's (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`,
            `NO_PROXY`), which never apply to this machine's own addresses.
        verify: who vouches for the service, for all of these: True is certifi, or `SSL_CERT_FILE` or `SSL_CERT_DIR`
            where they are set; else a path of authorities, an `ssl.SSLContext`, or False for anybody at all.
        max_minutes: minutes after which the service ends a session by itself, unless `start` says otherwise; not
            given, it is 10, or what the plan sets where it does not take as many.
        tts: has `say` speak in LITE: a function, plain or async, from text to anything that `play` takes, also a
            generator of it as it comes; raw samples in a pair with their rate: `(samples, 24000)`.
        allow_unjournaled: start also where nothing can be written to the journal, or nothing can guard a session:
            then only the cap ends what a dead kernel leaves.
        clock: tells the time; the machine's own when not given.

    Raises:
        ConfigurationError: there is no key, `api_url` is no address, `proxy` or `verify` cannot be used.
        InvalidArgument: `max_minutes` is no positive number, `tts` no function.

    Example:
        >>> la = LiveAvatar.demo()
        >>> with la.start("Silas") as s:
        ...     print(s.state)
        connected
    """

    @strict
    def __init__(
        self,
        api_key: str | Masked | None = None,
        *,
        api_url: str = config.DEFAULT_API_URL,
        http_client: httpx.AsyncClient | None = None,
        proxy: str | httpx.URL | Masked | None = None,
        verify: Verify = True,
        max_minutes: float | None = None,
        tts: TextToSpeech | None = None,
        allow_unjournaled: bool = False,
        clock: Clock = CLOCK,
    ) -> None:
        api_key, proxy = config.find_key(api_key), masked_text(proxy)
        self._inner = AsyncLiveAvatar(
            api_key,
            api_url=api_url,
            http_client=http_client,
            proxy=proxy,
            verify=verify,
            max_minutes=max_minutes,
            tts=tts,
            allow_unjournaled=allow_unjournaled,
            clock=clock,
        )
        bridge.retain()
        self._inner.on_drop = _let_go
        # where a handler of the user's holds this, both go at once, and the inner one's own end does it
        self._release = weakref.finalize(self, _let_go_of, weakref.ref(self._inner))
        self._release.atexit = False

    @classmethod
    def demo(cls, *, max_minutes: float | None = None, tts: TextToSpeech | None = None, **options: Any) -> Self:
        """A client of an embedded simulator: no key, no account, no network, nothing billed.

        Args:
            max_minutes, tts: as for `LiveAvatar`.
            options: of `liveavatar_nb.simulator.Simulator`: `speed`, `credits`...; `livekit` is "auto" here.

        Raises:
            SimulatorError: it did not come up.
        """
        simulator = started_simulator(options)
        key = Masked(simulator.api_key, "of the simulator")
        client = cls(key, api_url=simulator.url, max_minutes=max_minutes, tts=tts)
        client._inner.adopt(simulator)
        return client

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        try:
            self.close()
        except KeyboardInterrupt:
            # it may have come before the loop was told
            if not self.is_closed:
                bridge.submit(self._inner.stop_sessions())
            raise

    def close(self) -> None:
        """Stops the sessions of this client and closes it, and its simulator; twice is fine.

        Raises:
            StopNotConfirmed: the client stays open, so that it can be tried again.
        """
        if not self._release.alive:
            return
        self._close()
        if self._release.detach() is not None:
            self._inner.on_drop = stop_behind
            bridge.release()

    _close = blocking(AsyncLiveAvatar.aclose, otherwise=AsyncLiveAvatar.close_without_loop)

    simulator = reading(AsyncLiveAvatar.simulator)
    is_closed = reading(AsyncLiveAvatar.is_closed)
    base_url = reading(AsyncLiveAvatar.base_url)
    max_minutes = reading(AsyncLiveAvatar.max_minutes)
    has_tts = reading(AsyncLiveAvatar.has_tts)
    wire = reading(AsyncLiveAvatar.wire)
    timings = reading(AsyncLiveAvatar.timings)

    @property
    def api(self) -> API:
        """Every REST operation, grouped as in the contract: `api.contexts.create(...)`."""
        from .api import API  # noqa: PLC0415 (not every cell looks at it)

        return API(self._inner.api, self)

    @property
    def session(self) -> Session | None:
        """The session started last, whoever started it; None before the first."""
        return None if self._inner.session is None else _session(self._inner.session)._held_by(self)

    @property
    def live_sessions(self) -> list[Session]:
        """The sessions of this client that may be running, and billed, at the service."""
        return [_session(inner)._held_by(self) for inner in self._inner.live_sessions]

    avatars = blocking_rows(AsyncLiveAvatar.avatars)
    voices = blocking_rows(AsyncLiveAvatar.voices)
    contexts = blocking_rows(AsyncLiveAvatar.contexts)
    sessions = blocking_rows(AsyncLiveAvatar.sessions)
    credits = blocking(AsyncLiveAvatar.credits)
    start = blocking(AsyncLiveAvatar.start, wrap=_session, undo=_stop)
    orphans = blocking(AsyncLiveAvatar.orphans)
    stop_orphans = blocking(AsyncLiveAvatar.stop_orphans)
    stop_all = blocking(AsyncLiveAvatar.stop_all, otherwise=AsyncLiveAvatar.stop_all_without_loop)
    stop_sessions = blocking(AsyncLiveAvatar.stop_sessions, otherwise=AsyncLiveAvatar.stop_without_loop)

    def studio(self, sounds: Iterable[Any] | Mapping[str, Any] = ()) -> Studio:
        """A studio in the cell: pick an avatar, start, have it talk, see how it is and what it costs, stop.

        Args:
            sounds: sounds on offer: paths, bytes of files, or pairs of samples and their rate; a mapping names them.
                Those of the notebook's folder are on offer anyway.

        Raises:
            AudioError: one of them cannot be read.
        """
        from ..widgets.studio import Studio  # noqa: PLC0415 (ipywidgets is imported when first used)

        return Studio(self, sounds)


def _let_go_of(known: Callable[[], AsyncLiveAvatar | None]) -> None:
    if (inner := known()) is not None:
        _let_go(inner)


def _let_go(inner: AsyncLiveAvatar) -> None:
    """A client that nobody can reach any more: its sessions are stopped, so that none is billed unseen.

    The collector may call this on any thread, also on one that holds the bridge's lock: so it does no more
    than begin a thread.
    """

    inner.on_drop = stop_behind

    def close() -> None:
        try:
            bridge.call(inner.aclose())
        except Exception:
            logger.exception("a client that was let go could not stop its sessions; the interpreter's exit tries again")
        finally:
            bridge.release()

    try:
        threading.Thread(target=close, name="liveavatar_nb-let-go", daemon=True).start()
    except RuntimeError:  # the machine has no more of them
        inner.leave_to_guard()
