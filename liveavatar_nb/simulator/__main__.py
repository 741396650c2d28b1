"""The simulator's child process, which reads its settings from standard input and exits when its parent does.

The parent runs this file by its path and sends its own import path over the pipe, which the child appends to
`sys.path`. This keeps files in the notebook's folder from shadowing modules.
"""

import importlib.util
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

PARENT_CHECK_SECONDS = 0.5


def exit_with(parent: int, cleanups: list[Callable[[], None]]) -> None:
    """Exit this process when its standard input closes or its parent dies.

    The parent process is checked too, because a forked child of the parent may keep the pipe open.

    Args:
        parent: The parent's process id.
        cleanups: Short functions to call before exiting.
    """

    def end() -> None:
        for clean_up in cleanups:
            clean_up()
        os._exit(0)

    def until_end_of_pipe() -> None:
        while os.read(0, 1024):
            pass
        end()

    def until_orphaned() -> None:
        while os.getppid() == parent:
            time.sleep(PARENT_CHECK_SECONDS)
        end()

    for watch in (until_end_of_pipe, until_orphaned):
        threading.Thread(target=watch, daemon=True).start()


def report_ready(url: str, api_key: str) -> None:
    """Send the URL to the parent over standard output, then redirect standard output to the null device."""
    os.write(1, f"READY {url}\n".encode())
    # the parent reads nothing after the READY line
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def import_own_package() -> None:
    """Import the copy of `liveavatar_nb` that this file belongs to, even if another copy is installed."""
    folder = Path(__file__).resolve().parents[1]
    spec = importlib.util.spec_from_file_location(
        folder.name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules[folder.name] = package
    spec.loader.exec_module(package)


def main() -> None:
    if sys.stdin.isatty():
        sys.exit("This is the simulator's child process. To run a simulator, use: liveavatar-nb simulator")
    with open(0, "rb", buffering=0, closefd=False) as pipe:
        settings = json.loads(pipe.readline())
    cleanups: list[Callable[[], None]] = []
    exit_with(settings["parent"], cleanups)
    sys.path += [folder for folder in settings["path"] if folder not in sys.path]
    import_own_package()
    from liveavatar_nb.simulator.options import Options  # noqa: PLC0415 (importable only now)
    from liveavatar_nb.simulator.server import run  # noqa: PLC0415
    from liveavatar_nb.simulator.service import Service  # noqa: PLC0415

    def on_made(service: Service) -> None:
        cleanups.append(service.leave_rooms)

    options = Options.from_json(settings["options"])
    try:
        run(options, settings["api_key"], settings["admin_token"], report_ready, on_made)
    except OSError as error:
        sys.exit(f"Cannot listen on 127.0.0.1:{options.port}: {error.strerror}")


if __name__ == "__main__":
    main()
