"""The front end's own packages, which `npm ci` installs, and some tables compare with."""

from __future__ import annotations

from pathlib import Path

FRONT_END = Path(__file__).parents[2] / "liveavatar_nb/frontend"


class NotInstalled(Exception):
    """The front end's packages are not installed."""

    def __init__(self) -> None:
        super().__init__("It needs the front end's packages: run `npm ci` in liveavatar_nb/frontend.")


def package_file(path: str) -> Path:
    """A file of a package.

    Raises:
        NotInstalled: It isn't there.
    """
    found = FRONT_END / "node_modules" / path
    if not found.exists():
        raise NotInstalled
    return found
