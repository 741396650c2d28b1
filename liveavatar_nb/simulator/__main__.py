"""The child process: reads what it needs from its standard input, serves, and ends with its parent.

It is started by its path, so that the packages it needs can be told over the pipe and come after its own: a
notebook's folder on the parent's path then shadows no module.
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


def end_with(parent: int, farewells: list[Callable[[], None]]) -> None:
    """Ends this process when the pipe ends, or, where a forked child holds that, when the parent changes.

    Parameters
    ----------
    farewells: what is done before; none of it takes long.
    """

    def end() -> None:
        for farewell in farewells:
            farewell()
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


def ready(url: str, api_key: str) -> None:
    os.write(1, f"READY {url}\n".encode())
    # nobody reads on from here
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def this_package() -> None:
    """Makes `liveavatar_nb` the copy that this file belongs to, whichever else is installed."""
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
        sys.exit("This is the simulator's child process. To run a simulator: liveavatar-nb simulator")
    with open(0, "rb", buffering=0, closefd=False) as pipe:
        told = json.loads(pipe.readline())
    farewells: list[Callable[[], None]] = []
    end_with(told["parent"], farewells)
    sys.path += [folder for folder in told["path"] if folder not in sys.path]
    this_package()
    from liveavatar_nb.simulator.options import Options  # noqa: PLC0415 (found only now)
    from liveavatar_nb.simulator.server import run  # noqa: PLC0415
    from liveavatar_nb.simulator.service import Service  # noqa: PLC0415

    def made(service: Service) -> None:
        farewells.append(service.leave)

    options = Options.from_json(told["options"])
    try:
        run(options, told["api_key"], told["admin_token"], ready, made)
    except OSError as error:
        sys.exit(f"Port {options.port} of 127.0.0.1: {error.strerror}")


if __name__ == "__main__":
    main()
