"""The doctor: checks everything that a session needs, and explains how to fix what is wrong.

`examine()` returns the findings and prints nothing. The command `liveavatar-nb doctor` prints the findings; a notebook
can display them.
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
from ..protection.running import running_sessions
from ..rest.network import Network, Verify, shown
from ..rooms.livekit_server import ENVIRONMENT
from ..sync.client import LiveAvatar
from ..validation import masked_text
from . import probe
from .probe import Answer
from .tables import STOP_HOW, STOP_ORPHANS, credits_text, plain

if TYPE_CHECKING:
    import httpx
    import httpx2

CHECK_LIMIT: Final = 5.0  # time limit for each check, in seconds
SANDBOX_LIMIT: Final = 75.0  # seconds allowed for the sandbox check; enough for a start and a stop with all retries
CLOCK_LIMIT: Final = 60.0  # maximum clock error, in seconds; beyond that, tokens and certificates may be rejected
FULL_MINUTE: Final = Decimal(config.CREDITS_PER_MINUTE["FULL"])  # credits
SHOWN_SESSIONS: Final = 3  # maximum number of session ids to list
KERNEL: Final = ("ipykernel", "jupyterlab", "notebook", "ipywidgets", "anywidget")
# the first version of ipykernel with which Stop works while a cell runs; 7.0 cannot send from other threads
FIRST_WITH_SUBSHELLS: Final = (7, 1)
STATIC: Final = Path(__file__).parents[1] / "static"

COLOURS: Final = {
    "ok": "success",
    "warning": "warn",
    "problem": "error",
    "skipped": "border",
}  # names of JupyterLab's colours

State = Literal["ok", "warning", "problem", "skipped"]
T = TypeVar("T")


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        name: What was checked, in one word.
        state: `ok`, `warning`, `problem`, or `skipped` if an earlier finding makes the check pointless.
        found: A sentence or phrase that says what was found.
        remedy: What the user can do about the finding; empty if nothing needs to be done.
    """

    name: str
    state: State
    found: str
    remedy: str = ""

    def to_dict(self) -> dict[str, str]:
        """Return the finding as plain data."""
        return asdict(self)

    def text(self, width: int | None = None, paint: Callable[[State, str], str] = lambda state, word: word) -> str:
        """Format the finding for a terminal: the state, the name, what was found, and the remedy on a new line.

        Args:
            width: The terminal's width in cells; None turns wrapping off.
            paint: A function that colours the word for the state.
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
    """A list of findings, in the order of the checks, that displays itself in a notebook."""

    @property
    def has_problem(self) -> bool:
        """Whether any finding is a problem."""
        return any(finding.state == "problem" for finding in self)

    @property
    def summary(self) -> str:
        """A sentence that gives the number of problems and warnings."""
        counts = {word: sum(finding.state == word for finding in self) for word in ("problem", "warning")}
        parts = [f"{count} {word}{'s' if count > 1 else ''}" for word, count in counts.items() if count]
        return f"{' and '.join(parts)}." if parts else "Everything is fine."

    def __repr__(self) -> str:
        return "\n".join([*(finding.text() for finding in self), "", self.summary])

    def _repr_html_(self) -> str:
        rows = []
        for finding in self:
            colour = f"var(--jp-{COLOURS[finding.state]}-color1, inherit)"
            state = html.Markup(f'<b style="color: {colour}">{finding.state}</b>')
            rows.append((state, finding.name, f"{finding.found}\n{finding.remedy}".strip()))
        return html.table(("state", "check", "result and remedy"), rows, len(rows)) + html.note(self.summary)


def examine(
    api_key: str | Masked | None = None,
    *,
    api_url: str = config.DEFAULT_API_URL,
    start: bool = False,
    demo: bool = False,
    proxy: str | httpx.URL | httpx2.URL | Masked | None = None,
    verify: Verify = True,
    tell: Callable[[Finding], object] = lambda finding: None,
) -> Report:
    """Check this machine, the key, the service and the account.

    Unless `start` is set, this takes a few seconds at most, even without a network.

    Args:
        api_key: The account's key; if None or "", the key is looked up where `LiveAvatar` looks for it.
        api_url: The service's address.
        start: Whether to also start and stop a session in the free sandbox.
        demo: Whether to check an embedded simulator instead, which needs no key and no network.
        proxy, verify: How to reach the service, as for `LiveAvatar`.
        tell: Called with each finding as soon as it is available.

    Returns:
        The findings.

    Raises:
        ConfigurationError: `api_url`, `proxy` or `verify` is invalid.
        SimulatorError: `demo` is set, but the simulator did not start.

    Example:
        >>> from liveavatar_nb.cli.doctor import examine
        >>> examine(demo=True).has_problem
        False
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LiveAvatarWarning)  # the `address` check reports the same problem
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
            base_url, key = simulator.url, Masked(simulator.api_key, "of the simulator")
            note(Finding("key", "ok", "not needed: the simulator has its own key"))
        else:
            found, key = find_key(api_key)
            note(found)
        reached, answer = address(base_url, network)
        note(reached, clock(answer))
        names = ["account", "credits", "sessions", "sandbox"]
        if key is None:
            note(*_skipped(names, "there is no usable key"))
        elif reached.state == "problem":
            note(*_skipped(names, "the service could not be reached"))
        elif probe.is_unencrypted(base_url):
            note(*_skipped(names, "the key would be sent unencrypted"))
        else:
            # a finding has already reported the unconfirmed stop, and a sandbox session ends on its own
            stack.enter_context(contextlib.suppress(StopNotConfirmed))
            with LiveAvatar(key, api_url=base_url, proxy=proxy, verify=verify) as la:
                accepted, left = account(la)
                note(accepted)
                if left is None:
                    note(*_skipped(names[1:], "the account's data could not be read"))
                else:
                    note(credits_left(left), _checked("sessions", lambda: running(la)))
                    if start:
                        note(_checked("sandbox", lambda: sandbox(la)))
                    else:
                        note(Finding("sandbox", "skipped", "not checked: use --start to start and stop a free session"))
    return report


# this machine


def python() -> Finding:
    """Check the versions of Python and of this package, and the platform."""
    found = (
        f"Python {platform.python_version()} on {platform.system()} {platform.machine()}, liveavatar_nb {__version__}"
    )
    if sys.version_info < (3, 11):  # noqa: UP036 (the doctor is there to report it)
        return Finding("python", "problem", found, "Use Python 3.11 or later.")
    if platform.system() == "Windows":
        return Finding("python", "warning", f"{found}: Windows is untested", "Use Linux or macOS, or WSL.")
    return Finding("python", "ok", found)


def kernel() -> Finding:
    """Check the versions of the packages needed to run notebooks, without importing them."""
    versions = {name: _version(name) for name in KERNEL}
    found = ", ".join(f"{name} {version}" if version else f"no {name}" for name, version in versions.items())
    pip = f"{Path(sys.executable).name} -m pip install"
    if lacking := [name for name in ("ipywidgets", "anywidget") if versions[name] is None]:
        return Finding("kernel", "problem", found, f"To use the widgets, run {pip} {' '.join(lacking)}")
    ipykernel = versions["ipykernel"]
    remedy = f'Run {pip} "ipykernel>={".".join(map(str, FIRST_WITH_SUBSHELLS))}"'
    if ipykernel is None:
        return Finding("kernel", "warning", f"{found}: notebooks cannot run with {sys.executable}", remedy)
    version = tuple(map(int, re.findall(r"\d+", ipykernel)))
    if (7,) <= version < FIRST_WITH_SUBSHELLS:
        return Finding("kernel", "problem", f"{found}: this ipykernel cannot show what the widgets do", remedy)
    if version < FIRST_WITH_SUBSHELLS:
        return Finding("kernel", "warning", f"{found}: a click on Stop must wait for the running cell", remedy)
    return Finding("kernel", "ok", found)


def widgets() -> Finding:
    """Check that the widgets' scripts and style sheet have been built."""
    files = [path for path in STATIC.glob("*") if path.suffix in (".js", ".css") and path.stat().st_size]
    if {path.suffix for path in files} == {".js", ".css"}:
        size = sum(path.stat().st_size for path in files)
        return Finding("widgets", "ok", f"the browser code is built: {len(files)} files, {size / 1000:.0f} kB")
    return Finding(
        "widgets",
        "problem",
        "the browser code has not been built",
        "Install the package with pip, which builds this code (in a clone: `pip install .` or `pip install -e .`).",
    )


def guard() -> Finding:
    """Test the journal and the guard: by default, no session can be started without them."""
    try:
        running_sessions.rehearse()
    except ProtectionError as failure:
        return Finding("guard", "problem", failure.message, failure.remedy)
    return Finding("guard", "ok", f"sessions are stopped if their kernel dies; their records are in {journal.folder}")


def livekit() -> Finding:
    """Look for the user's own LiveKit server: `LIVEKIT_URL`, or `livekit-server` on the PATH."""
    if url := os.environ.get("LIVEKIT_URL", "").strip():
        if server := shown(url, ("ws", "wss", "http", "https")):
            if absent := [name for name, _ in ENVIRONMENT.values() if not os.environ.get(name, "").strip()]:
                why = f"LIVEKIT_URL is {server}, but {' and '.join(absent)} {'are' if absent[1:] else 'is'} not set"
                return Finding("livekit", "warning", why, "Set all three variables to use the server's rooms.")
            return Finding("livekit", "ok", f"LIVEKIT_URL is {server}")
        return Finding(
            "livekit",
            "warning",
            "LIVEKIT_URL is not a valid URL",
            "Set LIVEKIT_URL to an address like ws://127.0.0.1:7880.",
        )
    path = shutil.which("livekit-server")
    if path is None:
        return Finding("livekit", "ok", "no server here; only your own rooms and the simulator's video need a server")
    try:
        done = subprocess.run([path, "--version"], capture_output=True, timeout=CHECK_LIMIT, check=True, text=True)
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError) as failure:
        why = f"{path} does not report its version ({type(failure).__name__})"
        return Finding("livekit", "warning", why, "Reinstall livekit-server, or set LIVEKIT_URL to a running server.")
    return Finding("livekit", "ok", f"{done.stdout.strip().splitlines()[0] if done.stdout.strip() else path}")


# the service and the account


def find_key(api_key: str | Masked | None) -> tuple[Finding, Masked | None]:
    """Find the key and report where it comes from; the returned key is None if there is no usable one."""
    try:
        key = config.find_key(api_key)
    except ConfigurationError as failure:
        remedy = f"Set {config.KEY_VARIABLE} to your account's key, or try `liveavatar-nb doctor --demo` without one."
        return Finding("key", "problem", failure.message if api_key else "no key was found", remedy), None
    if not key.fits_a_header:
        found = f"the key {key.source} contains characters that a key cannot have"
        return Finding("key", "problem", found, "Copy it again."), None
    return Finding("key", "ok", f"found {key.source}"), key


def address(base_url: str, network: Network | None = None) -> tuple[Finding, Answer | None]:
    """Check that the service's address resolves and that the service responds, without sending the key.

    Args:
        base_url: The service's address, without `/v1`.
        network: The client's proxy and certificate settings; by default, those from the environment.
    """
    network = network or Network.of()

    def finding(state: State, found: str, remedy: str = "") -> Finding:
        return Finding("address", state, f"{base_url}{via} {found}", remedy)

    proxy, via = None, ""
    try:
        proxy = network.proxy(base_url)
        via = f" through the proxy {shown(proxy.reveal())}" if proxy is not None else ""
        answer = _within(CHECK_LIMIT, lambda: probe.ask(base_url, network))
    except Exception as failure:  # noqa: BLE001 (the doctor must survive whatever it checks)
        called = base_url if proxy is None else proxy.reveal()
        return finding("problem", *probe.explain_failure(failure, urlsplit(called).hostname or "")), None
    remedy = "Check the address, or log in to this network first, in a browser."
    if 300 <= answer.status < 400:
        found = f"redirects to {shown(answer.location) or 'elsewhere'}, and redirects are not followed"
        return finding("problem", found, remedy), answer
    if answer.status >= 500:
        found = f"returns {answer.status}: the service is having problems"
        return finding("problem", found, "Try again in a few minutes."), answer
    if not answer.is_envelope or answer.status == 404:
        return finding("problem", f"returns {answer.status}, but does not look like LiveAvatar", remedy), answer
    found = f"responds in {answer.seconds * 1000:.0f} ms"
    if probe.is_unencrypted(base_url):
        return finding("warning", f"{found} over http: the key would be sent unencrypted", "Use https."), answer
    return finding("ok", found), answer


def clock(answer: Answer | None) -> Finding:
    """Compare this machine's clock with the service's, as given by the `Date` header of the response."""
    if answer is None or answer.ahead is None:
        why = "there is no response" if answer is None else "the response does not include the time"
        return Finding("clock", "skipped", f"not checked: {why}")
    off = round(abs(answer.ahead))
    side = "ahead of" if answer.ahead > 0 else "behind"
    found = f"{off} s {side} the service's" if off > 1 else "same as the service's"
    if off <= CLOCK_LIMIT:
        return Finding("clock", "ok", found)
    why = f"{found}: LiveKit's tokens and TLS certificates will be rejected"
    return Finding("clock", "warning", why, "Synchronize the clock; on Linux, run `timedatectl set-ntp true`.")


def account(la: LiveAvatar) -> tuple[Finding, Decimal | None]:
    """Check that the service accepts the key; return the remaining credits, or None if unknown."""
    try:
        left = _within(CHECK_LIMIT, la.credits)
    except Exception as failure:  # noqa: BLE001 (the doctor must survive whatever it checks)
        finding = _failed("account", failure)
        is_refused = isinstance(failure, AuthenticationError)
        return replace(finding, found=f"the key is not accepted: {finding.found}") if is_refused else finding, None
    return Finding("account", "ok", "the key is accepted"), left


def credits_left(left: Decimal) -> Finding:
    """Check that the credits are enough for one minute of FULL, the most expensive mode."""
    if left >= FULL_MINUTE:
        return Finding("credits", "ok", f"{credits_text(left)} left")
    found = f"{credits_text(left)} left: not enough for a minute of FULL, which costs {FULL_MINUTE:f}"
    return Finding("credits", "warning", found, CreditsError.default_remedy)


def running(la: LiveAvatar) -> Finding:
    """Report the account's running sessions, which are billed no matter who started them."""
    sessions = _within(CHECK_LIMIT, lambda: list(la.sessions(active=True)))
    billed = [session for session in sessions if not session.is_sandbox]
    if not billed:
        return Finding("sessions", "ok", f"{len(sessions)} in the sandbox, free" if sessions else "none running")
    named = [f"{session.id} ({session.mode}, {html.clock(session.duration)})" for session in billed[:SHOWN_SESSIONS]]
    named += [f"{len(billed) - SHOWN_SESSIONS} more"] if len(billed) > SHOWN_SESSIONS else []
    many = "1 is running and billed" if len(billed) == 1 else f"{len(billed)} are running and billed"
    left_over = sum(session.whose == "orphan" for session in sessions)
    how = f"To stop {left_over} left over from dead kernels, run `{STOP_ORPHANS}`." if left_over else STOP_HOW
    return Finding("sessions", "warning", f"{many}: {', '.join(named)}", how)


def sandbox(la: LiveAvatar) -> Finding:
    """Start a session in the free sandbox, and stop it."""

    def start_and_stop() -> tuple[float, float]:
        with la.start(is_sandbox=True) as session:
            connected, began = session.timings["connected"], time.monotonic()
        return connected, time.monotonic() - began

    connected, stopped = _within(SANDBOX_LIMIT, start_and_stop)
    return Finding("sandbox", "ok", f"connected in {connected:.1f} s, stopped in {stopped:.1f} s, at no cost")


def _skipped(names: Iterable[str], why: str) -> list[Finding]:
    return [Finding(name, "skipped", f"not checked: {why}") for name in names]


def _checked(name: str, check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except Exception as failure:  # noqa: BLE001 (the doctor must survive whatever it checks)
        return _failed(name, failure)


def _failed(name: str, failure: Exception) -> Finding:
    if isinstance(failure, LiveAvatarException):
        return Finding(name, "problem", failure.message, failure.remedy)
    if isinstance(failure, TimeoutError):
        return Finding(name, "problem", "no response arrived in time", APITimeoutError.default_remedy)
    return Finding(name, "problem", f"the check itself failed ({type(failure).__name__})", "Please report it.")


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _within(limit: float, work: Callable[[], T]) -> T:
    """Run `work` on a thread and return its result.

    If `work` takes too long, it continues in the background: some work, such as a name lookup, cannot be cancelled.

    Raises:
        TimeoutError: `work` takes more than `limit` seconds.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as failure:  # noqa: BLE001 (it is raised in the waiting thread)
            future.set_exception(failure)

    threading.Thread(target=run, name="liveavatar_nb-doctor", daemon=True).start()
    return future.result(limit)
