"""`LiveAvatar`: the sync client, with the same names as the async one."""

from __future__ import annotations

import logging
import threading
import weakref
from typing import TYPE_CHECKING, Any, Self

from .. import config
from ..bridge.loop import bridge
from ..bridge.wrappers import Reading, SyncWrapper, blocking
from ..client import AsyncLiveAvatar, started_simulator, stop_behind
from ..concurrency.clock import CLOCK, Clock
from ..config import Masked
from ..errors import StopNotConfirmed
from ..protection.stops import stop_unattended
from ..validation import masked_text, strict
from .listing import blocking_rows

logger = logging.getLogger("liveavatar_nb.client")

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import httpx
    import httpx2

    from ..rest.network import Verify
    from ..session.session import AsyncSession
    from ..session.speech.feed import TextToSpeech
    from ..widgets.studio import Studio
    from .api import API
    from .session import Session


async def _stop(client: AsyncLiveAvatar, session: AsyncSession) -> None:
    await session.stop()


def _session(inner: AsyncSession) -> Session:
    """Wrap a session for the sync API; the wrapper is imported only here, because importing it takes time."""
    from .session import Session  # noqa: PLC0415

    return Session(inner)


class LiveAvatar(SyncWrapper):
    """The client for the service, for code without `await`; use one per account.

    Leaving a `with` block stops the client's sessions and closes the client. Keep-alives continue while a cell runs.

    Args:
        api_key: The account's key; if None or "", `config.find_key` looks for it, first in `LIVEAVATAR_API_KEY`.
        api_url: The service's address.
        http_client: Your own `AsyncClient` of httpx or httpx2 for REST calls, used only on the managed loop; you must
            close it yourself. `proxy` and `verify` still apply to WebSockets and the guard.
        proxy: The proxy for REST, WebSockets and the guard, as `http://user:password@host:port`; `https` and `socks5`
            work, too. None uses `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` from the environment, which
            never apply to this machine's own addresses.
        verify: Which certificates to trust for all these connections. True trusts certifi's authorities, or those in
            `SSL_CERT_FILE` or `SSL_CERT_DIR` if set. A path trusts the authorities in that file or folder, False
            trusts any certificate, and an `ssl.SSLContext` is used unchanged.
        max_minutes: Minutes after which the service ends a session, unless `start` sets another limit; 10 by default,
            or the plan's limit if that is lower.
        tts: A function that turns text into speech for `say` in LITE. It returns anything that `play` accepts, or
            yields the audio in parts; the function may be async. Raw samples need their rate: `(samples, 24000)`.
        allow_unjournaled: Whether a session may start even if it cannot be recorded in the journal or guarded. If the
            kernel then dies, the session runs until it reaches its cap, `max_minutes`.
        clock: The clock to use; the machine's own by default.

    Raises:
        ConfigurationError: No key was found, or `api_url`, `proxy` or `verify` is invalid.
        InvalidArgument: `max_minutes` is not a positive number, or `tts` is not a function.

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
        http_client: httpx.AsyncClient | httpx2.AsyncClient | None = None,
        proxy: str | httpx.URL | httpx2.URL | Masked | None = None,
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
        # if a user's handler refers to this object, both clients are garbage-collected together: the finalizer
        # finds that the inner client is gone and does nothing, and `on_drop` stops the sessions instead
        self._release = weakref.finalize(self, _let_go_of, weakref.ref(self._inner))
        self._release.atexit = False

    @classmethod
    def demo(cls, *, max_minutes: float | None = None, tts: TextToSpeech | None = None, **options: Any) -> Self:
        """Create a client with its own simulator, which needs no key, account or network and bills nothing.

        Args:
            max_minutes, tts: The same as for `LiveAvatar`.
            options: Options of `liveavatar_nb.simulator.Simulator`, such as `speed` and `credits`; `livekit` defaults
                to "auto" here.

        Raises:
            SimulatorError: The simulator did not start.
        """
        simulator = started_simulator(options)
        key = Masked(simulator.api_key, "of the simulator")
        client = cls(key, api_url=simulator.url, max_minutes=max_minutes, tts=tts)
        client._inner.adopt(simulator)
        return client

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, *trace: object) -> None:
        try:
            self.close()
        except StopNotConfirmed as failure:
            if isinstance(error, StopNotConfirmed):
                raise failure from None  # it names the session that failed to stop in the block, too
            raise
        except KeyboardInterrupt:
            # the interrupt may have arrived before the call reached the loop
            if not self.is_closed:
                bridge.submit(stop_unattended(self._inner.stop_sessions()))
            raise

    def close(self) -> None:
        """Stop this client's sessions, then close it and its simulator. Calling this twice is fine.

        Raises:
            StopNotConfirmed: A stop was not confirmed; the client stays open, so that you can try again.
        """
        if not self._release.alive:
            return
        self._close()
        if self._release.detach() is not None:
            self._inner.on_drop = stop_behind
            bridge.release()

    _close = blocking(AsyncLiveAvatar.aclose, otherwise=AsyncLiveAvatar.close_without_loop)

    simulator = Reading(AsyncLiveAvatar, lambda client: client.simulator)
    is_closed = Reading(AsyncLiveAvatar, lambda client: client.is_closed)
    base_url = Reading(AsyncLiveAvatar, lambda client: client.base_url)
    max_minutes = Reading(AsyncLiveAvatar, lambda client: client.max_minutes)
    has_tts = Reading(AsyncLiveAvatar, lambda client: client.has_tts)
    wire = Reading(AsyncLiveAvatar, lambda client: client.wire)
    timings = Reading(AsyncLiveAvatar, lambda client: client.timings)

    @property
    def api(self) -> API:
        """All REST operations, grouped as in the API contract, e.g. `api.contexts.create(...)`."""
        from .api import API  # noqa: PLC0415 (not every cell needs it)

        return API(self._inner.api, self)

    @property
    def session(self) -> Session | None:
        """The most recent session that this client started or took over; None before the first."""
        return None if self._inner.session is None else _session(self._inner.session)._held_by(self)

    @property
    def live_sessions(self) -> list[Session]:
        """This client's sessions that may still be running and billed."""
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
        """Create a studio, a widget to pick an avatar, talk with it, watch the session's cost and stop the session.

        Args:
            sounds: The audio to offer: paths, file contents as bytes, or pairs of samples and their rate. Pass a
                mapping to name the sounds. The audio files in the notebook's folder are always offered.

        Raises:
            AudioError: One of `sounds` cannot be read.
        """
        from ..widgets.studio import Studio  # noqa: PLC0415 (ipywidgets is imported when first used)

        return Studio(self, sounds)


def _let_go_of(known: Callable[[], AsyncLiveAvatar | None]) -> None:
    if (inner := known()) is not None:
        _let_go(inner)


def _let_go(inner: AsyncLiveAvatar) -> None:
    """Stop the sessions of a client that is no longer referenced, so that none is billed unnoticed.

    The garbage collector may call this on any thread, even one that holds the bridge's lock. Therefore, the
    work is done on a new thread.
    """

    inner.on_drop = stop_behind

    def close() -> None:
        try:
            bridge.call(inner.aclose())
        except StopNotConfirmed as failure:
            logger.error("a client was dropped during an outage: %s", failure)  # noqa: TRY400 (the message says it all)
        except Exception:
            logger.exception("could not stop the sessions of a dropped client; will retry at interpreter exit")
        finally:
            bridge.release()

    try:
        threading.Thread(target=close, name="liveavatar_nb-let-go", daemon=True).start()
    except RuntimeError:  # the machine cannot start any more threads
        inner.leave_to_guard()
