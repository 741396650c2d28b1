"""`Environment`: a virtual environment of a host's own, in the gate's cache."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import uv

BUILD_LIMIT = 300  # s
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "liveavatar_nb" / "hosts"


class Environment:
    """What a host is installed in, and all that the package under test needs; the package itself is not in it.

    Other requirements make another one: an old one is left, since another run may be using it.

    Args:
        name: of the folder, with a digest of all that it was made of.
        requirements: of the host, pinned.
    """

    def __init__(self, name: str, *requirements: str) -> None:
        self.name = name
        self._requirements = requirements

    @property
    def _all(self) -> list[str]:
        needed = importlib.metadata.requires("liveavatar-nb") or []
        return sorted([*self._requirements, *(line for line in needed if not re.search(r"\bextra\b", line))])

    @property
    def folder(self) -> Path:
        """Where it is, or will be."""
        stamp = hashlib.sha256("\n".join([sys.version, sys.base_prefix, *self._all]).encode()).hexdigest()
        return CACHE / f"{self.name}-{stamp[:12]}"

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def is_there(self) -> bool:
        """Whether it has been made."""
        return self.python.exists()

    def make(self) -> None:
        """Make it, if it isn't there.

        Raises:
            RuntimeError: A package cannot be installed.
        """
        if self.is_there:
            return
        # under another name first, so that a run that is cut off leaves no half of it
        half = self.folder.with_name(f".{self.folder.name}.{uuid.uuid4().hex}")
        try:
            _run("venv", "--relocatable", "--python", sys.executable, str(half))
            _run("pip", "install", "--python", str(half / "bin" / "python"), *self._all)
            try:
                half.rename(self.folder)
            except OSError:
                # another run was faster
                if not self.is_there:
                    raise
        finally:
            shutil.rmtree(half, ignore_errors=True)


def _run(*arguments: str) -> None:
    done = subprocess.run(
        [uv.find_uv_bin(), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=BUILD_LIMIT,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"uv {' '.join(arguments)} failed:\n{done.stdout}")
