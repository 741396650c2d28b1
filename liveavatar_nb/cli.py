"""The command `liveavatar-nb`: the demo in JupyterLab, and the simulator alone."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation

from . import __version__
from .config import KEY_VARIABLE, find_key
from .errors import InvalidArgument, LiveAvatarException

DEMO_TEXT = f"""\
Open JupyterLab on the studio, on the simulator: no key, no account, no bill. That is so even where
{KEY_VARIABLE} is set: the key is withheld from this JupyterLab.

The notebooks are copied to ./liveavatar-demo (or -2, -3 ... where there is one), so you may edit and run
them freely. At the end the copy is removed if no cell was edited and no file added; else it stays, and
the command says so. Your own JupyterLab settings are neither used nor changed. Ctrl-C ends all of it."""

LIVE_WARNING = """\
--live: this JupyterLab uses your key, and your account is billed from each Start until its Stop
(LITE 1 credit a minute; the sandbox avatar costs nothing)."""

INTERRUPTED = 130  # the exit code by which shells know Ctrl-C


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: what follows the command's name; None is what the process was given.

    Returns:
        The exit code: 0 done, also where Ctrl-C ended what runs until then; 1 it failed, in words on stderr;
        130 Ctrl-C came before it ran. Where it was called wrongly, argparse raises `SystemExit` with code 2.
    """
    options = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], None] = options.run
    try:
        run(options)
    except (LiveAvatarException, OSError) as error:
        print(f"liveavatar-nb: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="liveavatar-nb", description="LiveAvatar in Jupyter: starting is easy, and stopping is certain."
    )
    parser.add_argument("--version", action="version", version=f"liveavatar-nb {__version__}")
    commands = parser.add_subparsers(required=True, metavar="command")

    demo = commands.add_parser(
        "demo",
        help="open JupyterLab on the studio",
        description=DEMO_TEXT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    demo.add_argument("--live", action="store_true", help=f"the real service, by {KEY_VARIABLE}: it bills")
    demo.add_argument("--no-browser", action="store_true", help="only print the address")
    demo.add_argument("--port", type=_port, default=0, help="JupyterLab's port (default: a free one)")
    demo.set_defaults(run=_demo)

    simulator = commands.add_parser(
        "simulator",
        help="run the simulator alone, for programs of your own",
        description="Run a LiveAvatar on this machine, in the foreground, until Ctrl-C.",
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
    simulator.set_defaults(run=_simulator)
    return parser


def _demo(options: argparse.Namespace) -> None:
    from .demo import run_demo  # noqa: PLC0415 - quick start

    if options.live:
        find_key(None)
        print(LIVE_WARNING, flush=True)
    run_demo(live=options.live, port=options.port, browser=not options.no_browser, say=_say)


def _simulator(options: argparse.Namespace) -> None:
    from .simulator.server import serve  # noqa: PLC0415 - quick start: no web framework for `demo` and --help

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
            on_ready=on_ready,
        )
    except ValueError as error:
        raise InvalidArgument(str(error)) from None


def _say(text: str) -> None:
    print(text, flush=True)


def _port(text: str) -> int:
    if text.isdecimal() and int(text) <= 65535:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no port: a number from 0 (a free one) to 65535")


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


if __name__ == "__main__":
    sys.exit(main())
