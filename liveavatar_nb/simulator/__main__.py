"""The child process: reads what it needs from its standard input, serves, and ends with its parent.

It is started by its path, so that the packages it needs can be told over the pipe and come after its own: a
notebook's folder on the parent's path then shadows no module.
"""

import json
import os
import sys
import threading
import time

PARENT_CHECK_SECONDS = 0.5


def end_with(parent: int) -> None:
    """Ends this process at once when the pipe ends, or, where a forked child holds that, when the parent changes."""

    def until_end_of_pipe() -> None:
        sys.stdin.buffer.read()
        os._exit(0)

    def until_orphaned() -> None:
        while os.getppid() == parent:
            time.sleep(PARENT_CHECK_SECONDS)
        os._exit(0)

    for watch in (until_end_of_pipe, until_orphaned):
        threading.Thread(target=watch, daemon=True).start()


def ready(url: str, api_key: str) -> None:
    os.write(1, f"READY {url}\n".encode())
    # nobody reads on from here
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def main() -> None:
    if sys.stdin.isatty():
        sys.exit("This is the simulator's child process. To run a simulator: liveavatar-nb simulator")
    told = json.loads(sys.stdin.buffer.readline())
    end_with(told["parent"])
    sys.path += [folder for folder in told["path"] if folder not in sys.path]
    from liveavatar_nb.simulator.options import Options  # noqa: PLC0415 (found only now)
    from liveavatar_nb.simulator.server import run  # noqa: PLC0415

    run(Options.from_json(told["options"]), told["api_key"], told["admin_token"], ready)


if __name__ == "__main__":
    main()
