"""The doctor: looks at all that a session needs, and says what to do about what is not well.

`examine()` gathers, and prints nothing: the command `liveavatar-nb doctor` shows it, and a notebook can.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
import textwrap
import threading
import time
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeVar
from urllib.parse import urlsplit

from .. import __version__, config, html
from ..config import Masked
from ..errors import (
    APITimeoutError,
    AuthenticationError,
    ConfigurationError,
    CreditsError,
    LiveAvatarException,
    LiveAvatarWarning,
    ProtectionError,
    StopNotConfirmed,
)
from ..protection.journal import journal
from ..protection.running import leftovers
from ..rest.network import Network, Verify, shown
from ..rooms.livekit_server import ENVIRONMENT
from ..sync.client import LiveAvatar
from ..validation import masked_text
from . import probe
from .probe import Answer
from .tables import STOP_HOW, STOP_ORPHANS, credits_text, plain

if TYPE_CHECKING:
    import httpx

CHECK_LIMIT: Final = 5.0  # s, for one check
SANDBOX_LIMIT: Final = 75.0  # s, for the sandbox: longer than a start and a stop with all their attempts
CLOCK_LIMIT: Final = 60.0  # s that this machine's clock may be off before tokens and certificates fail
FULL_MINUTE: Final = Decimal(config.CREDITS_PER_MINUTE["FULL"])  # credits
SHOWN_SESSIONS: Final = 3  # ids that are named
KERNEL: Final = ("ipykernel", "jupyterlab", "notebook", "ipywidgets", "anywidget")
FIRST_WITH_SUBSHELLS: Final = 7  # the major version of ipykernel from which Stop arrives while a cell runs
STATIC: Final = Path(__file__).parents[1] / "static"

COLOURS: Final = {"ok": "success", "warning": "warn", "problem": "error", "skipped": "border"}  # JupyterLab's names

State = Literal["ok", "warning", "problem", "skipped"]
T = TypeVar("T")


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        name: what was looked at, one word.
        state: `ok`, `warning`, `problem`, or `skipped` where an earlier finding makes it moot.
        found: what was found, in words.
        remedy: what to do about it; empty where nothing is to do.
    """

    name: str
    state: State
    found: str
    remedy: str = ""

    def to_dict(self) -> dict[str, str]:
        """The finding as plain data."""
        return asdict(self)

    def text(self, width: int | None = None, paint: Callable[[State, str], str] = lambda state, word: word) -> str:
        """The finding as lines for a terminal: the state's word, the name, what was found, below it the remedy.

        Args:
            width: cells of the terminal; None breaks no line.
            paint: gives the state's word its colour.
        """
        word = "-" if self.state == "skipped" else self.state
        lead = f"{word:<9}{self.name:<10}"
        room = max(20, width or sys.maxsize)
        wrap = textwrap.TextWrapper(room, break_long_words=False, break_on_hyphens=False)
        wrap.initial_indent, wrap.subsequent_indent = lead, " " * len(lead)
        lines = wrap.wrap(plain(self.found)) or [lead.rstrip()]
        wrap.initial_indent, wrap.subsequent_indent = " " * len(lead) + "-> ", " " * len(lead) + "   "
        lines += wrap.wrap(plain(self.remedy))
        lines[0] = paint(self.state, word) + lines[0][len(word) :]
        return "\n".join(lines)


class Report(list[Finding]):
    """The findings, in the order of the checks; it shows itself in a notebook."""

    @property
    def has_problem(self) -> bool:
        """Whether something does not work."""
        return any(finding.state == "problem" for finding in self)

    @property
    def summary(self) -> str:
        """How many problems and warnings there are, in words."""
        counts = {word: sum(finding.state == word for finding in self) for word in ("problem", "warning")}
        told = [f"{count} {word}{'s' if count > 1 else ''}" for word, count in counts.items() if count]
        return f"{' and '.join(told)}." if told else "All is well."

    def __repr__(self) -> str:
        return "\n".join([*(finding.text() for finding in self), "", self.summary])

    def _repr_html_(self) -> str:
        rows = []
        for one in self:
            state = html.Markup(f'<b style="color: var(--jp-{COLOURS[one.state]}-color1, inherit)">{one.state}</b>')
            rows.append((state, one.name, f"{one.found}\n{one.remedy}".strip()))
        return html.table(("state", "what", "found, and what to do"), rows, len(rows)) + html.note(self.summary)


def examine(
    api_key: str | Masked | None = None,
    *,
    api_url: str = config.DEFAULT_API_URL,
    start: bool = False,
    demo: bool = False,
    proxy: str | httpx.URL | Masked | None = None,
    verify: Verify = True,
    tell: Callable[[Finding], object] = lambda finding: None,
) -> Report:
    """Looks at this machine, the key, the service and the account.

    It takes a few seconds at most, also without a network; longer with `start` only.

    Args:
        api_key: the account's key; None or "" looks it up as `LiveAvatar` does.
        api_url: the service's address.
        start: start a session in the free sandbox, too, and stop it.
        demo: examine an embedded simulator: no key, no network.
        proxy, verify: the way to the service, as for `LiveAvatar`.
        tell: called with each finding as it comes.

    Raises:
        ConfigurationError: `api_url` is no address, `proxy` or `verify` cannot be used.
        SimulatorError: with `demo`, where the simulator does not come up.

    Example:
        >>> from liveavatar_nb.cli.doctor import examine
        >>> examine(demo=True).has_problem
        False
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LiveAvatarWarning)  # the check of the address says it
        base_url = config.find_base(api_url)
    proxy = masked_text(proxy)
    network = Network.of(proxy, verify)
    report = Report()

    def note(*findings: Finding) -> None:
        for finding in findings:
            report.append(finding)
            tell(finding)

    for check in (python, kernel, widgets, guard, livekit):
        note(_checked(check.__name__, check))
    with contextlib.ExitStack() as stack:
        key: Masked | None
        if demo:
            simulator = stack.enter_context(LiveAvatar.demo()).simulator
            assert simulator is not None
            base_url, key = simulator.url, Masked(simulator.api_key, "of the simulator's own")
            note(Finding("key", "ok", "the simulator's own: none is needed"))
        else:
            found, key = find_key(api_key)
            note(found)
        way, answer = address(base_url, network)
        note(way, clock(answer))
        names = ["account", "credits", "sessions", "sandbox"]
        if key is None:
            note(*_skipped(names, "there is no key that could be used"))
        elif way.state == "problem":
            note(*_skipped(names, "the service was not reached"))
        elif probe.is_open(base_url):
            note(*_skipped(names, "the key would travel unencrypted"))
        else:
            # of a stop that is not confirmed the finding tells: the sandbox ends by itself
            stack.enter_context(contextlib.suppress(StopNotConfirmed))
            with LiveAvatar(key, api_url=base_url, proxy=proxy, verify=verify) as la:
                accepted, left = account(la)
                note(accepted)
                if left is None:
                    note(*_skipped(names[1:], "the account was not reached"))
                else:
                    note(credits_left(left), _checked("sessions", lambda: running(la)))
                    if start:
                        note(_checked("sandbox", lambda: sandbox(la)))
                    else:
                        note(Finding("sandbox", "skipped", "not checked: --start starts one and stops it, free"))
    return report


# This machine


def python() -> Finding:
    """The versions of Python and of this package, and the platform."""
    found = (
        f"Python {platform.python_version()} on {platform.system()} {platform.machine()}, liveavatar_nb {__version__}"
    )
    if sys.version_info < (3, 11):  # noqa: UP036 (the doctor is who says so)
        return Finding("python", "problem", found, "Python 3.11 or later is needed.")
    if platform.system() == "Windows":
        return Finding("python", "warning", f"{found}: Windows is untested", "Use Linux or macOS, or WSL.")
    return Finding("python", "ok", found)


def kernel() -> Finding:
    """The versions of what runs notebooks; nothing of it is imported."""
    versions = {name: _version(name) for name in KERNEL}
    found = ", ".join(f"{name} {version}" if version else f"no {name}" for name, version in versions.items())
    pip = f"{Path(sys.executable).name} -m pip install"
    if lacking := [name for name in ("ipywidgets", "anywidget") if versions[name] is None]:
        return Finding("kernel", "problem", found, f"{pip} {' '.join(lacking)}: no widget shows without.")
    ipykernel = versions["ipykernel"]
    if ipykernel is None:
        why = f"{found}: no notebook can run on {sys.executable}"
        return Finding("kernel", "warning", why, f'{pip} "ipykernel>={FIRST_WITH_SUBSHELLS}"')
    if int(re.split(r"\D", ipykernel)[0] or 0) < FIRST_WITH_SUBSHELLS:
        why = f"{found}: a click on Stop waits for the cell that runs"
        return Finding("kernel", "warning", why, f'{pip} "ipykernel>={FIRST_WITH_SUBSHELLS}"')
    return Finding("kernel", "ok", found)


def widgets() -> Finding:
    """The widgets' scripts and style sheet, which the build makes."""
    files = [path for path in STATIC.glob("*") if path.suffix in (".js", ".css") and path.stat().st_size]
    if {path.suffix for path in files} == {".js", ".css"}:
        size = sum(path.stat().st_size for path in files)
        return Finding("widgets", "ok", f"the browser's part is built: {len(files)} files, {size / 1000:.0f} kB")
    return Finding(
        "widgets",
        "problem",
        "the browser's part is not built",
        "Install the package with pip (in a clone `pip install .` or `pip install -e .`): that builds it.",
    )


def guard() -> Finding:
    """The journal and the guard, without which no session is started: both are tried."""
    try:
        leftovers.rehearse()
    except ProtectionError as failure:
        return Finding("guard", "problem", failure.message, failure.remedy)
    return Finding("guard", "ok", f"a session is stopped if its kernel dies; written down in {journal.folder}")


def livekit() -> Finding:
    """A LiveKit server of one's own: `LIVEKIT_URL`, else `livekit-server` on the PATH."""
    if url := os.environ.get("LIVEKIT_URL", "").strip():
        if server := shown(url, ("ws", "wss", "http", "https")):
            if absent := [name for name, _ in ENVIRONMENT.values() if not os.environ.get(name, "").strip()]:
                why = f"LIVEKIT_URL is {server}, but {' and '.join(absent)} {'are' if absent[1:] else 'is'} not set"
                return Finding("livekit", "warning", why, "Set all three: without them the server has no room for you.")
            return Finding("livekit", "ok", f"LIVEKIT_URL is {server}")
        return Finding("livekit", "warning", "LIVEKIT_URL is no address", "It looks like ws://127.0.0.1:7880.")
    path = shutil.which("livekit-server")
    if path is None:
        return Finding("livekit", "ok", "no server here: only your own rooms and the simulator's video need one")
    try:
        told = subprocess.run([path, "--version"], capture_output=True, timeout=CHECK_LIMIT, check=True, text=True)
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError) as failure:
        why = f"{path} does not say its version ({type(failure).__name__})"
        return Finding("livekit", "warning", why, "Install it anew, or set LIVEKIT_URL to a server that runs.")
    return Finding("livekit", "ok", f"{told.stdout.strip().splitlines()[0] if told.stdout.strip() else path}")


# The service and the account


def find_key(api_key: str | Masked | None) -> tuple[Finding, Masked | None]:
    """Where the key comes from, and the key; None where there is none that could be sent."""
    try:
        key = config.find_key(api_key)
    except ConfigurationError as failure:
        how = (
            f"Set {config.KEY_VARIABLE} to your account's key; or try `liveavatar-nb doctor --demo`, which needs none."
        )
        return Finding("key", "problem", failure.message if api_key else "there is none", how), None
    if not key.fits_a_header:
        return Finding("key", "problem", f"the one {key.source} holds signs that no key has", "Copy it anew."), None
    return Finding("key", "ok", f"found, {key.source}"), key


def address(base_url: str, network: Network | None = None) -> tuple[Finding, Answer | None]:
    """Whether the service's address resolves, connects and answers, by the client's way, without a key.

    Args:
        base_url: the service's address, without `/v1`.
        network: the way to it; the environment's when not given.
    """
    network = network or Network.of()

    def finding(state: State, told: str, remedy: str = "") -> Finding:
        return Finding("address", state, f"{base_url}{by} {told}", remedy)

    proxy, by = None, ""
    try:
        proxy = network.proxy(base_url)
        by = f" by the proxy {shown(proxy.reveal())}" if proxy is not None else ""
        answer = _within(CHECK_LIMIT, lambda: probe.ask(base_url, network))
    except Exception as failure:  # noqa: BLE001 (a doctor outlives what it looks at)
        called = base_url if proxy is None else proxy.reveal()
        return finding("problem", *probe.why_none(failure, urlsplit(called).hostname or "")), None
    way_in = "Check the address; or log in to this network first, by a browser."
    if 300 <= answer.status < 400:
        told = f"redirects to {shown(answer.location) or 'elsewhere'}, and no redirect is followed"
        return finding("problem", told, way_in), answer
    if answer.status >= 500:
        told = f"answers {answer.status}: the service is in trouble"
        return finding("problem", told, "Try again in a few minutes."), answer
    if not answer.is_envelope or answer.status == 404:
        return finding("problem", f"answers {answer.status}, but not as LiveAvatar does", way_in), answer
    told = f"answers in {answer.seconds * 1000:.0f} ms"
    if probe.is_open(base_url):
        return finding("warning", f"{told}, by http: the key would travel unencrypted", "Use https."), answer
    return finding("ok", told), answer


def clock(answer: Answer | None) -> Finding:
    """This machine's clock against the service's (the header `Date`)."""
    if answer is None or answer.ahead is None:
        why = "there is no answer" if answer is None else "the answer does not say the time"
        return Finding("clock", "skipped", f"not checked: {why}")
    off = round(abs(answer.ahead))
    found = f"{off} s {'ahead of' if answer.ahead > 0 else 'behind'} the service's" if off > 1 else "as the service's"
    if off <= CLOCK_LIMIT:
        return Finding("clock", "ok", found)
    why = f"{found}: LiveKit's tokens and certificates fail by that"
    return Finding("clock", "warning", why, "Set it by the network's time, on Linux by `timedatectl set-ntp true`.")


def account(la: LiveAvatar) -> tuple[Finding, Decimal | None]:
    """Whether the service accepts the key, and the credits that are left; None where it does not."""
    try:
        left = _within(CHECK_LIMIT, la.credits)
    except Exception as failure:  # noqa: BLE001 (a doctor outlives what it looks at)
        told = _failed("account", failure)
        is_refused = isinstance(failure, AuthenticationError)
        return replace(told, found=f"the key is not accepted: {told.found}") if is_refused else told, None
    return Finding("account", "ok", "the key is accepted"), left


def credits_left(left: Decimal) -> Finding:
    """Whether the credits are enough for a minute of FULL, the dearest."""
    if left >= FULL_MINUTE:
        return Finding("credits", "ok", f"{credits_text(left)} left")
    found = f"{credits_text(left)} left: not enough for a minute of FULL, which costs {FULL_MINUTE:f}"
    return Finding("credits", "warning", found, CreditsError.default_remedy)


def running(la: LiveAvatar) -> Finding:
    """The sessions of the account that run now: they are billed, whoever started them."""
    sessions = _within(CHECK_LIMIT, lambda: list(la.sessions(active=True)))
    billed = [one for one in sessions if not one.is_sandbox]
    if not billed:
        return Finding("sessions", "ok", f"{len(sessions)} in the sandbox, free" if sessions else "none runs")
    named = [f"{one.id} ({one.mode}, {html.clock(one.duration)})" for one in billed[:SHOWN_SESSIONS]]
    named += [f"{len(billed) - SHOWN_SESSIONS} more"] if len(billed) > SHOWN_SESSIONS else []
    many = "1 runs and is billed" if len(billed) == 1 else f"{len(billed)} run and are billed"
    left_over = sum(one.whose == "orphan" for one in sessions)
    how = f"{left_over} of a kernel that died: `{STOP_ORPHANS}` stops what is left over." if left_over else STOP_HOW
    return Finding("sessions", "warning", f"{many}: {', '.join(named)}", how)


def sandbox(la: LiveAvatar) -> Finding:
    """A session in the free sandbox, started and stopped."""

    def start_and_stop() -> tuple[float, float]:
        with la.start(is_sandbox=True) as session:
            connected, began = session.timings["connected"], time.monotonic()
        return connected, time.monotonic() - began

    connected, stopped = _within(SANDBOX_LIMIT, start_and_stop)
    return Finding("sandbox", "ok", f"connected in {connected:.1f} s, stopped in {stopped:.1f} s, free")


def _skipped(names: Iterable[str], why: str) -> list[Finding]:
    return [Finding(name, "skipped", f"not checked: {why}") for name in names]


def _checked(name: str, check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except Exception as failure:  # noqa: BLE001 (a doctor outlives what it looks at)
        return _failed(name, failure)


def _failed(name: str, failure: Exception) -> Finding:
    if isinstance(failure, LiveAvatarException):
        return Finding(name, "problem", failure.message, failure.remedy)
    if isinstance(failure, TimeoutError):
        return Finding(name, "problem", "no answer came in time", APITimeoutError.default_remedy)
    return Finding(name, "problem", f"this check failed by itself ({type(failure).__name__})", "Report it, please.")


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _within(limit: float, work: Callable[[], T]) -> T:
    """The result of `work`, which goes on behind it where it takes longer: looking up a name cannot be cut short.

    Raises:
        TimeoutError: it took more than `limit` seconds.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as failure:  # noqa: BLE001 (it belongs to the thread that waits)
            future.set_exception(failure)

    threading.Thread(target=run, name="liveavatar_nb-doctor", daemon=True).start()
    return future.result(limit)
