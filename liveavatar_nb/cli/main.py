"""The `liveavatar-nb` command: the JupyterLab demo, the simulator, account listings and the doctor."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TextIO
from urllib.parse import urlsplit

from .. import __version__
from ..concurrency.signals import handle_signals
from ..config import CREDITS_PER_MINUTE, DEFAULT_API_URL, KEY_VARIABLE, Masked, find_base, find_key
from ..errors import (
    APIConnectionError,
    ConfigurationError,
    InvalidArgument,
    LiveAvatarException,
    LiveAvatarWarning,
    StopNotConfirmed,
)
from ..html import clock
from .tables import STOP_HOW, STOP_ORPHANS, avatars, credits_text, ended, plain, running

if TYPE_CHECKING:
    from ..client import Scope
    from ..protection.orphans import OwnedSession
    from ..sync.client import LiveAvatar
    from .doctor import Finding, State

DEMO_TEXT = f"""\
Open the studio in JupyterLab, on the simulator: no key, no account, no bill. Even if
{KEY_VARIABLE} is set, this JupyterLab cannot see it.

The notebooks are copied to ./liveavatar-demo (or -2, -3 ... if that exists), so you can edit and run
them freely. If you edit no cell and add no file, the copies are removed at the end; otherwise they stay, and
the command says where. Your own JupyterLab settings are neither used nor changed. Ctrl-C ends everything."""

SESSIONS_TEXT = """\
List the account's sessions, whoever started them. Running sessions are billed.
Times are local. WHOSE says who started a running session: a live kernel on this
machine (by process id), a dead one (left over), you on another machine or
before its last boot (elsewhere), or a stranger.

--orphans lists only those left over; --orphans --stop stops these sessions and
no others. The exit code is 1 if a stop was not confirmed."""

DOCTOR_TEXT = """\
Check everything that a session needs: this machine, the key, the service, the account. Each check
prints one line, plus what to do if something is wrong. The exit code is 1 if there is a problem, else 0."""

LIVE_WARNING = f"""\
--live: this JupyterLab uses your key, and your account is billed from each Start until the Stop
(LITE {CREDITS_PER_MINUTE["LITE"]:g} credit a minute; the sandbox avatar costs nothing)."""

INTERRUPTED: Final = 130  # the exit code for Ctrl-C
PIPE_CLOSED: Final = 141  # the exit code if the process that reads the output has closed the pipe
PATIENCE: Final = 2.0  # seconds without a response before the command says what it is waiting for
KEY_OPTIONS: Final = ("--api-key", "--api_key", "--apikey", "--key")  # options with which people may try to pass a key
SESSIONS_SHOWN: Final = 20
NO_ORPHANS: Final = "No dead kernel on this machine has left a session running."
COLOURS: Final = {"ok": 32, "warning": 33, "problem": 31, "skipped": 2}  # terminal codes


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: The arguments that follow the command's name; by default, those that this process was started with.

    Returns:
        The exit code. 0: success, or Ctrl-C stopped `demo` or `simulator`. 1: failure, with a message on stderr, or the
        doctor found a problem. 130: Ctrl-C interrupted any other command.

    Raises:
        SystemExit: With code 2 if the arguments are invalid, or 141 if the process that reads the output has closed the
            pipe.
    """
    for stream in (sys.stdout, sys.stderr):
        # print names even if the terminal's encoding lacks some of their characters
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="replace")
    options = _options(sys.argv[1:] if arguments is None else arguments)
    run: Callable[[argparse.Namespace], int | None] = options.run
    with warnings.catch_warnings():
        warnings.simplefilter("always", LiveAvatarWarning)
        warnings.showwarning = _show_warning
        try:
            return run(options) or 0
        except (LiveAvatarException, OSError) as error:
            hint = " Run `liveavatar-nb doctor` to find out more." if isinstance(error, APIConnectionError) else ""
            _complain(f"{error}{hint}")
            return 1
        except KeyboardInterrupt:
            return INTERRUPTED


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = _parser()
    if any(word.split("=")[0].lower() in KEY_OPTIONS for word in arguments):
        # reject the option before argparse can print the key
        parser.error(f"do not pass a key as an argument, because others can see it: set {KEY_VARIABLE} instead")
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        options.parser.error(f"unknown arguments: {' '.join(unknown)}")
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="liveavatar-nb",
        description="LiveAvatar in Jupyter: easy to start, sure to stop.",
        epilog="Run `liveavatar-nb COMMAND --help` for details and an example.\n"
        f"Your account's key is read from {KEY_VARIABLE}; demo and simulator need no key.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-V", "--version", action="version", version=f"liveavatar-nb {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(
        name: str, run: Callable[[argparse.Namespace], int | None], short: str, text: str, example: str
    ) -> argparse.ArgumentParser:
        subparser = commands.add_parser(
            name,
            help=short,
            description=text,
            epilog=f"example:\n{example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        subparser.set_defaults(run=run, parser=subparser)
        return subparser

    demo = command("demo", _demo, "open the studio in JupyterLab", DEMO_TEXT, "  liveavatar-nb demo --no-browser")
    demo.add_argument(
        "--live", action="store_true", help=f"use the real service, which is billed, with the key in {KEY_VARIABLE}"
    )
    demo.add_argument("--no-browser", action="store_true", help="print the address, but do not open a browser")
    demo.add_argument("--port", type=_port, default=0, help="JupyterLab's port (default: a free one)")

    doctor = command(
        "doctor",
        _doctor,
        "check that everything works, and say how to fix problems",
        DOCTOR_TEXT,
        "  liveavatar-nb doctor --start     with a session in the free sandbox\n"
        "  liveavatar-nb doctor --demo      on an embedded simulator: no key, no network",
    )
    doctor.add_argument("--start", action="store_true", help="also start a session in the free sandbox, and stop it")
    _json_option(doctor, "the findings as one JSON array")
    where = doctor.add_mutually_exclusive_group()
    where.add_argument("--demo", action="store_true", help="check an embedded simulator: no key, no network")
    _address_option(where)

    gallery = command(
        "avatars",
        _avatars,
        "list the avatars that you can start",
        "List avatars, your own first, then the public ones.",
        "  liveavatar-nb avatars --scope public --search ann",
    )
    gallery.add_argument(
        "--scope", choices=("all", "mine", "public"), default="all", help="which avatars to list: %(choices)s"
    )
    gallery.add_argument("--search", metavar="TEXT", help="list only avatars with TEXT in their name, ignoring case")

    history = command(
        "sessions",
        _sessions,
        "list running or ended sessions",
        SESSIONS_TEXT,
        "  liveavatar-nb sessions --ended --limit 5\n  liveavatar-nb sessions --orphans --stop",
    )
    which = history.add_mutually_exclusive_group()
    which.add_argument("--active", action="store_true", help="list running sessions (default)")
    which.add_argument("--ended", action="store_true", help="list ended sessions, latest first")
    which.add_argument(
        "--orphans", action="store_true", help="list sessions that dead kernels on this machine left running"
    )
    history.add_argument("--stop", action="store_true", help="with --orphans: stop all these sessions")
    history.add_argument(
        "--limit", type=_count, metavar="N", default=SESSIONS_SHOWN, help="list at most N (default: %(default)s)"
    )

    left = command(
        "credits",
        _credits_left,
        "show the account's remaining credits",
        "Show how many credits are left, and how long they last.",
        "  liveavatar-nb credits --json",
    )
    for listing in (gallery, history, left):
        _json_option(listing, "one JSON document, and nothing else")
        _address_option(listing)

    simulator = command(
        "simulator",
        _simulator,
        "run a stand-alone simulator for your own programs",
        "Run a simulated LiveAvatar service on this machine, in the foreground, until Ctrl-C.",
        "  liveavatar-nb simulator --port 8080 --speed 10",
    )
    simulator.add_argument("--port", type=_port, default=0, help="the simulator's port (default: a free one)")
    simulator.add_argument(
        "--speed", type=_positive, default=1.0, help="simulated seconds per real second (default: 1)"
    )
    simulator.add_argument(
        "--credits", type=_credits, default=Decimal(100), help="credits in the simulated account (default: 100)"
    )
    simulator.add_argument(
        "--allow-origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="a web origin whose pages may call the simulator, such as http://localhost:3000; can be repeated",
    )
    return parser


def _json_option(parser: argparse.ArgumentParser, output: str) -> None:
    parser.add_argument("--json", action="store_true", help=f"print {output}")


def _address_option(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--api-url",
        type=_address,
        metavar="URL",
        default=DEFAULT_API_URL,
        help="the address of a simulator or another service (default: LiveAvatar's)",
    )


def _demo(options: argparse.Namespace) -> None:
    from .demo import run_demo  # noqa: PLC0415 - quick start

    if options.live:
        _key()
        print(LIVE_WARNING, flush=True)
    run_demo(live=options.live, port=options.port, browser=not options.no_browser, say=_say)


def _doctor(options: argparse.Namespace) -> int:
    from .doctor import examine  # noqa: PLC0415 - quick start

    width = _width()
    is_coloured = _is_terminal(sys.stdout) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def paint(state: State, word: str) -> str:
        return f"\x1b[{COLOURS[state]}m{word}\x1b[0m" if is_coloured else word

    def tell(finding: Finding) -> None:
        if not options.json:
            _say(finding.text(width, paint))

    # treat SIGTERM and a closed terminal like Ctrl-C, so that a session started by --start is stopped
    with handle_signals("SIGTERM", "SIGHUP", handler=signal.default_int_handler):
        report = examine(api_url=options.api_url, start=options.start, demo=options.demo, tell=tell)
    if options.json:
        _say_json([finding.to_dict() for finding in report])
    else:
        _say(f"\n{report.summary}")
    return 1 if report.has_problem else 0


def _avatars(options: argparse.Namespace) -> None:
    scopes: tuple[Scope, ...] = ("mine", "public") if options.scope == "all" else (options.scope,)
    with _client(options) as la:
        found = [(avatar, scope) for scope in scopes for avatar in la.avatars(scope, options.search)]
    is_own = options.scope == "mine"
    if options.json:
        _say_json([avatar.to_dict() for avatar, _ in found])
    elif found:
        _say(avatars(found, _width()))
    elif options.search:
        _say(f"No avatar{' of your own' if is_own else ''} has {options.search!r} in its name.")
    elif is_own:
        _say("You have no avatars of your own. Try --scope public.")
    else:
        _say("There are no avatars.")


def _sessions(options: argparse.Namespace) -> int | None:
    if options.stop and not options.orphans:
        options.parser.error(
            f"--stop needs --orphans: it stops only sessions that dead kernels left running. {STOP_HOW}"
        )
    with _client(options) as la:
        if options.stop:
            return _stop_orphans(options, la)
        listed = la.orphans() if options.orphans else la.sessions(active=not options.ended)
        found = list(islice(listed, options.limit + 1))
    shown = found[: options.limit]
    if options.json:
        _say_json([session.to_dict() for session in shown])
    elif shown:
        _say(ended(shown, _width()) if options.ended else running(shown, _width()))
        if len(found) > len(shown):
            _say(f"(There are more: try --limit {options.limit * 5}.)")
        if options.orphans or any(session.whose == "orphan" for session in shown):
            _say(f"To stop the leftover sessions, run {STOP_ORPHANS}")
        if not (options.orphans or options.ended or all(session.is_sandbox for session in shown)):
            _say(f"Billed until stopped. {STOP_HOW}")
    elif options.orphans:
        _say(NO_ORPHANS)
    elif options.ended:
        _say("No session has ended yet.")
    else:
        _say("No session is running, so nothing is billed. To list ended sessions, run liveavatar-nb sessions --ended")
    return None


def _stop_orphans(options: argparse.Namespace, la: LiveAvatar) -> int:
    """Stop the sessions that dead kernels left behind, and report whether each stop was confirmed."""
    found, left = la.orphans(), set[str]()
    try:
        found = la.stop_orphans() if found else found
    except StopNotConfirmed:
        left = _still_running(la, found)
    if options.json:
        _say_json([{**session.to_dict(), "is_stopped": session.id not in left} for session in found])
    elif not found:
        _say(NO_ORPHANS)
    for session in found:
        if session.id in left:
            _complain(f"The service did not confirm the stop of {session.id}. Try again. {session.bound_words}")
        elif not options.json:
            _say(f"Stopped {session.id}, which ran for {clock(session.duration)}.")
    return 1 if left else 0


def _still_running(la: LiveAvatar, sessions: Iterable[OwnedSession]) -> set[str]:
    """Return the ids of the sessions that the service does not report as ended."""
    left = set()
    for session in sessions:
        try:
            is_active = la.api.sessions.get(session.id).is_active
        except LiveAvatarException:
            is_active = True
        if is_active:
            left.add(session.id)
    return left


def _credits_left(options: argparse.Namespace) -> None:
    with _client(options) as la:
        left = la.credits()
    if options.json:
        _say_json({"credits_left": f"{left:f}"})
    else:
        lasting = [f"{int(left / Decimal(price))} min of {mode}" for mode, price in sorted(CREDITS_PER_MINUTE.items())]
        _say(f"{credits_text(left)} credits left: {' or '.join(lasting)}")


def _simulator(options: argparse.Namespace) -> None:
    from ..simulator.server import serve  # noqa: PLC0415 - quick start: no web framework for `demo` and --help

    def on_ready(url: str, api_key: str) -> None:
        _say(
            f"The LiveAvatar simulator is running on {url}\n\n"
            f"  export {KEY_VARIABLE}={api_key}\n"
            f'  la = LiveAvatar(api_url="{url}")\n\n'
            "Press Ctrl-C to stop the simulator."
        )

    # uvicorn shuts down cleanly and then raises the signal again, so SIGTERM must act like Ctrl-C
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        serve(
            port=options.port,
            speed=options.speed,
            credits=options.credits,
            allow_origins=options.allow_origin,
            livekit="auto",
            on_ready=on_ready,
        )
    except ValueError as error:
        raise InvalidArgument(str(error)) from None


def _key() -> Masked:
    """Return the API key.

    Raises:
        ConfigurationError: No key was found; the message says how to set one in a shell.
    """
    try:
        return find_key(None)
    except ConfigurationError:
        raise ConfigurationError(
            f"There is no API key: {KEY_VARIABLE} is not set.",
            remedy=f"Set the key: export {KEY_VARIABLE}=...; or run `liveavatar-nb simulator`, which needs no account.",
        ) from None


@contextlib.contextmanager
def _client(options: argparse.Namespace) -> Iterator[LiveAvatar]:
    """Open a client for the chosen service; if stderr is a terminal, print a message when the wait gets long."""
    key = _key()
    from ..sync.client import LiveAvatar  # noqa: PLC0415 - quick start, and a quick error if there is no key

    with LiveAvatar(key, api_url=options.api_url) as la:
        message = f"waiting for {la.base_url} (press Ctrl-C to stop)"
        waiting = threading.Timer(PATIENCE, _complain, [message])
        waiting.daemon = True
        if _is_terminal(sys.stderr):
            waiting.start()
        try:
            yield la
        finally:
            waiting.cancel()


def _width() -> int | None:
    """Return the terminal's width in cells; None if the output goes to a file or a pipe."""
    is_known = _is_terminal(sys.stdout) or os.environ.get("COLUMNS")
    return shutil.get_terminal_size().columns if is_known else None


def _is_terminal(stream: TextIO | None) -> bool:
    # a stream is None if it was closed before Python started
    return stream is not None and stream.isatty()


def _say(text: str) -> None:
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # without this, flushing the rest of the buffer at exit would fail again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(PIPE_CLOSED) from None


def _say_json(data: Any) -> None:
    is_unicode = (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "") == "utf8"
    _say(json.dumps(data, indent=2, ensure_ascii=not is_unicode))


def _complain(text: str) -> None:
    print(f"liveavatar-nb: {plain(text)}", file=sys.stderr, flush=True)


def _show_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    if issubclass(category, LiveAvatarWarning):
        _complain(f"warning: {message}")


def _port(text: str) -> int:
    if text.isdecimal() and int(text) <= 65535:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a port: use a number from 0 (a free one) to 65535")


def _count(text: str) -> int:
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a number of sessions: use 1 or more")


def _address(text: str) -> str:
    if "@" in text:
        raise argparse.ArgumentTypeError("the URL must not contain a user name or a password, which others can see")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the client gives the same warning later
            # an empty value probably comes from an unset variable, and must not select the default service
            if text.strip() and urlsplit(find_base(text)).port != 0:
                return text
    except (ConfigurationError, ValueError):
        pass
    raise argparse.ArgumentTypeError(f"{text!r} is not a valid URL: it should look like https://api.liveavatar.com")


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if 0 < number < float("inf"):
        return number
    raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")


def _credits(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal(-1)
    if amount.is_finite() and amount >= 0:
        return amount
    raise argparse.ArgumentTypeError(f"{text!r} is not a number of credits: use 0 or more")
