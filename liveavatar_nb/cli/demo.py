"""The demo: starts a separate JupyterLab with copies of the notebooks, and shuts it down cleanly."""

from __future__ import annotations

import importlib.util
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from ..concurrency.signals import handle_signals
from ..config import KEY_VARIABLE
from ..errors import LiveAvatarException

if TYPE_CHECKING:
    import psutil

STUDIO: Final = "02_studio_demo.ipynb"
SIMULATED_CLIENT: Final = "LiveAvatar.demo("
LIVE_CLIENT: Final = "LiveAvatar("
FOLDER: Final = "liveavatar-demo"
FOLDERS: Final = 1000  # maximum number of demo folders in one directory; at this limit, the user must remove some
OPENER: Final = ".open-studio.html"

READY_LIMIT: Final = 60.0  # seconds to wait for JupyterLab to respond
PROBE_LIMIT: Final = 2.0  # timeout, in seconds, of a request that checks whether JupyterLab responds
STOP_LIMIT: Final = 20.0  # seconds to wait for JupyterLab and its kernels to exit on their own
KILL_LIMIT: Final = 3.0  # seconds to wait for the remaining processes to exit after SIGTERM
POLL_INTERVAL: Final = 0.1  # seconds
LOG_TAIL: Final = 25  # number of lines from the end of JupyterLab's log to include in an error


class DemoError(LiveAvatarException):
    """The demo could not run; the message says why and what to do."""


def run_demo(*, live: bool, port: int, browser: bool, say: Callable[[str], object]) -> None:
    """Run the studio in JupyterLab until JupyterLab exits or a signal arrives, and leave no process behind.

    Args:
        live: Whether to use the real service, with the key from the environment, instead of the simulator.
        port: JupyterLab's port on 127.0.0.1; 0 picks a free one.
        browser: Whether to open the studio in the user's browser.
        say: Called with each message for the user.

    Raises:
        DemoError: JupyterLab is not installed, did not start or failed.
    """
    missing = [name for name in ("jupyterlab", "ipykernel", "psutil") if not importlib.util.find_spec(name)]
    if missing:
        raise DemoError(f'The demo cannot run without {" and ".join(missing)}. Run: pip install "liveavatar_nb[demo]"')
    with (
        _count_stop_requests() as stop_requests,
        _copies(live=live, say=say) as folder,
        tempfile.TemporaryDirectory(prefix="liveavatar_nb-") as private,
    ):
        lab = _Lab(port or _free_port(), folder, Path(private), live=live)
        try:
            lab.wait_until_ready(stop_requests)
            if not stop_requests():
                say(f"The studio ({'billed' if live else 'simulated'}): {lab.address}")
                say(f"Notebooks: {folder}\nPress Ctrl-C to shut down JupyterLab and its kernels.")
                if browser and not _open_browser(folder, lab.address):
                    say("No browser was found. Open the address above.")
            lab.wait(stop_requests)
        finally:
            lab.end(stop_requests)
            (folder / OPENER).unlink(missing_ok=True)


def notebooks_folder() -> Path:
    """Return the folder that contains the notebooks: in the package or, in an editable install, next to it.

    Raises:
        DemoError: No notebooks were found.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "notebooks", package.parent / "notebooks"):
        if (folder / STUDIO).is_file():
            return folder
    raise DemoError("The notebooks are missing from this installation. Install liveavatar_nb again.")


class _Lab:
    """A JupyterLab server that has its own settings but uses the extensions already installed."""

    def __init__(self, port: int, folder: Path, private: Path, *, live: bool) -> None:
        self._base = f"http://127.0.0.1:{port}"
        self._token = secrets.token_hex(32)
        self._log = private / "jupyterlab.log"
        # Use a new workspace, so that no tabs from an earlier run reappear.
        workspace = f"liveavatar-{secrets.token_hex(4)}"
        self.address = f"{self._base}/lab/workspaces/{workspace}/tree/{STUDIO}?reset&token={self._token}"
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    *("-m", "jupyterlab", "--no-browser", "--ServerApp.ip=127.0.0.1"),
                    *(f"--ServerApp.port={port}", "--ServerApp.port_retries=0"),
                    f"--ServerApp.root_dir={folder}",
                    # Containers often run as root; this is safe here, because the server listens only on loopback.
                    "--allow-root",
                    *(
                        "--LabApp.news_url=None",
                        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
                    ),
                ],
                cwd=folder,
                env=self._environment(private, live=live),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Start a new process session, so that Ctrl-C in the terminal reaches only this process, which then
                # shuts JupyterLab down cleanly.
                start_new_session=True,
            )

    def _environment(self, private: Path, *, live: bool) -> dict[str, str]:
        settings = private / "settings"
        notices = settings / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
        notices.parent.mkdir(parents=True)
        notices.write_text(json.dumps({"fetchNews": "false", "checkForUpdates": False}))
        # JPY_* variables are set if this command runs in a terminal of another JupyterLab.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("JPY_")}
        if not live:
            environment.pop(KEY_VARIABLE, None)
        return environment | {
            "JUPYTER_CONFIG_DIR": str(private / "config"),
            "JUPYTER_RUNTIME_DIR": str(private / "runtime"),
            "JUPYTERLAB_SETTINGS_DIR": str(settings),
            "JUPYTERLAB_WORKSPACES_DIR": str(private / "workspaces"),
            # Prefer this environment's kernel to one of the same name in the user's folder.
            "JUPYTER_PREFER_ENV_PATH": "1",
            # The token is passed in the environment, because other users can read command lines.
            "JUPYTER_TOKEN": self._token,
        }

    def wait_until_ready(self, stop_requests: Callable[[], int]) -> None:
        """Wait until the server accepts our token, or the user asks to stop."""
        # Requests to this machine itself must not go through a proxy that is set in the environment.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        request = urllib.request.Request(  # noqa: S310 - the address is ours
            f"{self._base}/api/status", headers={"Authorization": f"token {self._token}"}
        )
        deadline = time.monotonic() + READY_LIMIT
        while not stop_requests():
            if self._process.poll() is not None:
                self._fail(f"JupyterLab exited with code {self._process.returncode}.")
            try:
                with opener.open(request, timeout=PROBE_LIMIT):
                    return
            except OSError:
                if time.monotonic() > deadline:
                    self._fail(f"JupyterLab did not respond within {READY_LIMIT:.0f} s.")
            time.sleep(POLL_INTERVAL)

    def wait(self, stop_requests: Callable[[], int]) -> None:
        """Wait until the server exits on its own, or the user asks to stop."""
        while not stop_requests() and self._process.poll() is None:
            time.sleep(POLL_INTERVAL)
        if self._process.returncode:
            self._fail(f"JupyterLab exited with code {self._process.returncode}.")

    def end(self, stop_requests: Callable[[], int]) -> None:
        """Shut down the server and its child processes, gently at first, so that kernels can stop their sessions."""
        import psutil  # noqa: PLC0415 - only in the extra `demo`

        family: list[psutil.Process] = []
        if self._process.poll() is None:
            with suppress(psutil.NoSuchProcess):
                family = psutil.Process(self._process.pid).children(recursive=True)
            self._process.terminate()
            deadline = time.monotonic() + STOP_LIMIT
            requests = stop_requests()
            # Another Ctrl-C means that the user does not want to wait.
            while self._process.poll() is None and time.monotonic() < deadline and stop_requests() == requests:
                time.sleep(POLL_INTERVAL)
            self._process.kill()
        self._process.wait()
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.terminate()
        _, left = psutil.wait_procs(family, timeout=KILL_LIMIT)
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def _fail(self, message: str) -> NoReturn:
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_TAIL:]
        raise DemoError("\n".join([f"{message} Its log ends with:", *lines]))


@contextmanager
def _count_stop_requests() -> Iterator[Callable[[], int]]:
    """Inside the block, count Ctrl-C, SIGTERM and SIGHUP instead of letting them terminate this process."""
    count = 0

    def note(_signal: int, _frame: object) -> None:
        nonlocal count
        count += 1

    with handle_signals("SIGINT", "SIGTERM", "SIGHUP", handler=note):
        yield lambda: count


@contextmanager
def _copies(*, live: bool, say: Callable[[str], object]) -> Iterator[Path]:
    """Copy the notebooks to a new folder, and remove the folder at the end unless the user has changed something."""
    sources = sorted(notebooks_folder().glob("*.ipynb"))
    folder = _new_folder(Path.cwd())
    try:
        for source in sources:
            notebook = json.loads(source.read_text(encoding="utf-8"))
            for cell in notebook["cells"] if live else ():
                if cell["cell_type"] == "code":
                    cell["source"] = [line.replace(SIMULATED_CLIENT, LIVE_CLIENT) for line in cell["source"]]
            text = json.dumps(notebook, ensure_ascii=False, indent=1)
            (folder / source.name).write_text(text, encoding="utf-8")
        shipped = _work(folder)
    except BaseException:
        shutil.rmtree(folder)
        raise
    try:
        yield folder
    finally:
        if _work(folder) == shipped:
            shutil.rmtree(folder)
        else:
            say(f"Your work is in {folder}")


def _new_folder(parent: Path) -> Path:
    for number in range(1, FOLDERS + 1):
        folder = parent / (FOLDER if number == 1 else f"{FOLDER}-{number}")
        with suppress(FileExistsError):
            folder.mkdir()
            return folder
    raise DemoError(f"There are already {FOLDERS} folders named {FOLDER}-... in {parent}. Remove some.")


def _work(folder: Path) -> dict[str, list[str] | None]:
    """Return everything that the user may have changed: the set of files and, for notebooks, the cells' source."""
    return {
        str(path.relative_to(folder)): _cells(path) if path.suffix == ".ipynb" else None
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".ipynb_checkpoints" not in path.parts
    }


def _cells(notebook: Path) -> list[str] | None:
    try:
        return ["".join(cell["source"]) for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]]
    except (ValueError, KeyError, TypeError):
        return None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _open_browser(folder: Path, address: str) -> bool:
    """Open `address` in a browser, through a file that only its owner can read.

    The address is not on the browser's command line, because other users can read that. The file is next to the
    notebooks, because a sandboxed browser may have no access to the system's temporary folder.

    Returns:
        Whether a browser was found.
    """
    page = folder / OPENER
    page.touch(mode=0o600)
    page.write_text(
        f'<!doctype html><meta http-equiv="refresh" content="0; url={address}"><a href="{address}">Studio</a>'
    )
    return webbrowser.open(page.as_uri())
