"""The command `liveavatar-nb`: the demo in JupyterLab, the simulator, what an account has, and the doctor."""

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
from ..concurrency.signals import heeded
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
Open JupyterLab on the studio, on the simulator: no key, no account, no bill. That is so even where
{KEY_VARIABLE} is set: the key is withheld from this JupyterLab.

The notebooks are copied to ./liveavatar-demo (or -2, -3 ... where there is one), so you may edit and run
them freely. At the end the copy is removed if no cell was edited and no file added; else it stays, and
the command says so. Your own JupyterLab settings are neither used nor changed. Ctrl-C ends all of it."""

SESSIONS_TEXT = """\
List the sessions of the account, whoever started them; those that run are
billed. Times are local. WHOSE says who started one that runs: a kernel of this
machine that lives (by its process), one that died (left over), you on another
machine or before its last boot (elsewhere), or a stranger.

--orphans lists what is left over; --orphans --stop stops that and nothing else.
The exit code is 1 where the stop of one was not confirmed."""

DOCTOR_TEXT = """\
Look at all that a session needs: this machine, the key, the service, the account. One line for each,
with what to do where something is not well. The exit code is 0 where there is no problem, else 1."""

LIVE_WARNING = f"""\
--live: this JupyterLab uses your key, and your account is billed from each Start until its Stop
(LITE {CREDITS_PER_MINUTE["LITE"]:g} credit a minute; the sandbox avatar costs nothing)."""

INTERRUPTED: Final = 130  # the exit code by which shells know Ctrl-C
PIPE_CLOSED: Final = 141  # the one by which they know that the reader of a pipe went away
PATIENCE: Final = 2.0  # s without an answer until the command says what it waits for
KEY_OPTIONS: Final = ("--api-key", "--api_key", "--apikey", "--key")  # what people try
SESSIONS_SHOWN: Final = 20
COLOURS: Final = {"ok": 32, "warning": 33, "problem": 31, "skipped": 2}  # of a terminal


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: what follows the command's name; None is what the process was given.

    Returns:
        The exit code: 0 done, also where Ctrl-C ended what runs until then; 1 it failed, in words on stderr, or
        the doctor found a problem; 130 Ctrl-C came before it was done.

    Raises:
        SystemExit: with code 2 where it was called wrongly, 141 where nobody reads what it prints.
    """
    for stream in (sys.stdout, sys.stderr):
        # a name in signs that the terminal lacks is still a name
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
            hint = " `liveavatar-nb doctor` looks closer." if isinstance(error, APIConnectionError) else ""
            _complain(f"{error}{hint}")
            return 1
        except KeyboardInterrupt:
            return INTERRUPTED


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = _parser()
    if any(word.split("=")[0].lower() in KEY_OPTIONS for word in arguments):
        # refused before argparse, which would print the key along
        parser.error(f"a key is never an argument, which others can see: set {KEY_VARIABLE}")
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        options.parser.error(f"unknown here: {' '.join(unknown)}")
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="liveavatar-nb",
        description="LiveAvatar in Jupyter: starting is easy, and stopping is certain.",
        epilog="`liveavatar-nb COMMAND --help` says more of each, with an example.\n"
        f"The key of your account is taken from {KEY_VARIABLE}; demo and simulator need none.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-V", "--version", action="version", version=f"liveavatar-nb {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(
        name: str, run: Callable[[argparse.Namespace], int | None], short: str, text: str, example: str
    ) -> argparse.ArgumentParser:
        made = commands.add_parser(
            name,
            help=short,
            description=text,
            epilog=f"example:\n{example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        made.set_defaults(run=run, parser=made)
        return made

    demo = command("demo", _demo, "open JupyterLab on the studio", DEMO_TEXT, "  liveavatar-nb demo --no-browser")
    demo.add_argument("--live", action="store_true", help=f"the real service, by {KEY_VARIABLE}: it bills")
    demo.add_argument("--no-browser", action="store_true", help="only print the address")
    demo.add_argument("--port", type=_port, default=0, help="JupyterLab's port (default: a free one)")

    doctor = command(
        "doctor",
        _doctor,
        "look whether all is well, and say what to do",
        DOCTOR_TEXT,
        "  liveavatar-nb doctor --start     with a session in the free sandbox\n"
        "  liveavatar-nb doctor --demo      on a simulator of its own: no key, no network",
    )
    doctor.add_argument("--start", action="store_true", help="start a session in the sandbox, too, and stop it: free")
    _json_option(doctor, "one JSON array of the findings")
    where = doctor.add_mutually_exclusive_group()
    where.add_argument("--demo", action="store_true", help="on an embedded simulator: no key, no network")
    _address_option(where)

    gallery = command(
        "avatars",
        _avatars,
        "list the avatars that can be started",
        "List avatars, your own before the public ones.",
        "  liveavatar-nb avatars --scope public --search ann",
    )
    gallery.add_argument(
        "--scope", choices=("all", "mine", "public"), default="all", help="whose: %(choices)s (default: all)"
    )
    gallery.add_argument("--search", metavar="TEXT", help="only those whose name has TEXT in it, in any case")

    history = command(
        "sessions",
        _sessions,
        "list the sessions that run, or that ended",
        SESSIONS_TEXT,
        "  liveavatar-nb sessions --ended --limit 5\n  liveavatar-nb sessions --orphans --stop",
    )
    which = history.add_mutually_exclusive_group()
    which.add_argument("--active", action="store_true", help="those that run now (default)")
    which.add_argument("--ended", action="store_true", help="those that ended, the latest first")
    which.add_argument("--orphans", action="store_true", help="those that dead kernels of this machine left running")
    history.add_argument("--stop", action="store_true", help="with --orphans: stop them, all of them")
    history.add_argument(
        "--limit", type=_count, metavar="N", default=SESSIONS_SHOWN, help="at most N (default: %(default)s)"
    )

    left = command(
        "credits",
        _credits_left,
        "say what is left on the account",
        "Say how many credits are left, and for how long they last.",
        "  liveavatar-nb credits --json",
    )
    for listing in (gallery, history, left):
        _json_option(listing, "one JSON document, and nothing else")
        _address_option(listing)

    simulator = command(
        "simulator",
        _simulator,
        "run the simulator alone, for programs of your own",
        "Run a LiveAvatar on this machine, in the foreground, until Ctrl-C.",
        "  liveavatar-nb simulator --port 8080 --speed 10",
    )
    simulator.add_argument("--port", type=_port, default=0, help="its port (default: a free one)")
    simulator.add_argument("--speed", type=_positive, default=1.0, help="simulated seconds in a real one (default: 1)")
    simulator.add_argument("--credits", type=_credits, default=Decimal(100), help="what the account has (default: 100)")
    simulator.add_argument(
        "--allow-origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="a web origin whose pages may call it, as in http://localhost:3000; may be repeated",
    )
    return parser


def _json_option(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--json", action="store_true", help=f"print {what}")


def _address_option(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--api-url",
        type=_address,
        metavar="URL",
        default=DEFAULT_API_URL,
        help="a simulator's address, or another (default: the service)",
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

    # a closed terminal and SIGTERM end it as Ctrl-C does: the session it started is stopped
    with heeded("SIGTERM", "SIGHUP", handler=signal.default_int_handler):
        report = examine(api_url=options.api_url, start=options.start, demo=options.demo, tell=tell)
    if options.json:
        _say_json([finding.to_dict() for finding in report])
    else:
        _say(f"\n{report.summary}")
    return 1 if report.has_problem else 0


def _avatars(options: argparse.Namespace) -> None:
    scopes: tuple[Scope, ...] = ("mine", "public") if options.scope == "all" else (options.scope,)
    with _client(options) as la:
        found = [(one, scope) for scope in scopes for one in la.avatars(scope, options.search)]
    whose = " of your own" if options.scope == "mine" else ""
    if options.json:
        _say_json([one.to_dict() for one, _ in found])
    elif found:
        _say(avatars(found, _width()))
    elif options.search:
        _say(f"No avatar{whose} has {options.search!r} in its name.")
    else:
        _say(f"There is no avatar{whose}.{' --scope public has some.' if whose else ''}")


def _sessions(options: argparse.Namespace) -> int | None:
    if options.stop and not options.orphans:
        options.parser.error(f"--stop goes with --orphans only: it stops what dead kernels left. {STOP_HOW}")
    with _client(options) as la:
        if options.stop:
            return _stop_orphans(options, la)
        listed = la.orphans() if options.orphans else la.sessions(active=not options.ended)
        found = list(islice(listed, options.limit + 1))
    shown = found[: options.limit]
    if options.json:
        _say_json([one.to_dict() for one in shown])
    elif shown:
        _say(ended(shown, _width()) if options.ended else running(shown, _width()))
        if len(found) > len(shown):
            _say(f"(There are more: --limit {options.limit * 5} shows some of them.)")
        if options.orphans or any(one.whose == "orphan" for one in shown):
            _say(f"What is left over stops by: {STOP_ORPHANS}")
        if not (options.orphans or options.ended or all(one.is_sandbox for one in shown)):
            _say(f"Billed until stopped. {STOP_HOW}")
    elif options.orphans:
        _say("No dead kernel of this machine left a session running.")
    elif options.ended:
        _say("No session has ended yet.")
    else:
        _say("No session runs, so nothing is billed. Those that ended: liveavatar-nb sessions --ended")
    return None


def _stop_orphans(options: argparse.Namespace, la: LiveAvatar) -> int:
    """Stops what is left over, and says of each whether that was confirmed."""
    found, left = la.orphans(), set[str]()
    try:
        found = la.stop_orphans() if found else found
    except StopNotConfirmed:
        left = _still_running(la, found)
    if options.json:
        _say_json([{**one.to_dict(), "is_stopped": one.id not in left} for one in found])
    elif not found:
        _say("No dead kernel of this machine left a session running.")
    for one in found:
        if one.id in left:
            _complain(f"The stop of {one.id} was not confirmed: try again. {one.bound_words}")
        elif not options.json:
            _say(f"Stopped {one.id}, which ran for {clock(one.duration)} min.")
    return 1 if left else 0


def _still_running(la: LiveAvatar, tried: Iterable[OwnedSession]) -> set[str]:
    """Those of which the service does not say that they are over."""
    left = set()
    for one in tried:
        try:
            is_active = la.api.sessions.get(one.id).is_active
        except LiveAvatarException:
            is_active = True
        if is_active:
            left.add(one.id)
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
            f"The simulator of LiveAvatar runs on {url}\n\n"
            f"  export {KEY_VARIABLE}={api_key}\n"
            f'  la = LiveAvatar(api_url="{url}")\n\n'
            "Ctrl-C ends it."
        )

    # uvicorn ends in good order, and then raises the signal again: SIGTERM is to end like Ctrl-C.
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
    """The key, or the lack of it in the words of a shell."""
    try:
        return find_key(None)
    except ConfigurationError:
        raise ConfigurationError(
            f"There is no API key: {KEY_VARIABLE} is not set.",
            remedy=f"Set it (export {KEY_VARIABLE}=...); `liveavatar-nb simulator` runs one that needs no account.",
        ) from None


@contextlib.contextmanager
def _client(options: argparse.Namespace) -> Iterator[LiveAvatar]:
    """A client on the service that was named; where it waits for long, that is said on a terminal."""
    key = _key()
    from ..sync.client import LiveAvatar  # noqa: PLC0415 - quick start, and a quick word where there is no key

    with LiveAvatar(key, api_url=options.api_url) as la:
        told = f"waiting for {la.base_url} (Ctrl-C ends it)"
        waiting = threading.Timer(PATIENCE, _complain, [told])
        waiting.daemon = True
        if _is_terminal(sys.stderr):
            waiting.start()
        try:
            yield la
        finally:
            waiting.cancel()


def _width() -> int | None:
    """Cells of the terminal; None where the output goes elsewhere, and nothing may be cut."""
    is_known = _is_terminal(sys.stdout) or os.environ.get("COLUMNS")
    return shutil.get_terminal_size().columns if is_known else None


def _is_terminal(stream: TextIO | None) -> bool:
    # Python has None for what was closed before its start
    return stream is not None and stream.isatty()


def _say(text: str) -> None:
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # what is still buffered would fail again at the exit
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
    raise argparse.ArgumentTypeError(f"{text!r} is no port: a number from 0 (a free one) to 65535")


def _count(text: str) -> int:
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no number of sessions: 1 or more")


def _address(text: str) -> str:
    if "@" in text:
        raise argparse.ArgumentTypeError("it holds a user or a password, which others can see: leave them out")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the client warns when it is made
            # an empty one is a variable that was not set, and not the service
            if text.strip() and urlsplit(find_base(text)).port != 0:
                return text
    except (ConfigurationError, ValueError):
        pass
    raise argparse.ArgumentTypeError(f"{text!r} is no address: it looks like https://api.liveavatar.com")


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if 0 < number < float("inf"):
        return number
    raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")


def _credits(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal(-1)
    if amount.is_finite() and amount >= 0:
        return amount
    raise argparse.ArgumentTypeError(f"{text!r} is no number of credits: 0 or more")
