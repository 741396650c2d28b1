"""The front end's sources, as the tests read them: the checkout's, for a wheel has none."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

SOURCES = Path(__file__).parents[2] / "liveavatar_nb" / "frontend" / "src"
COMMENT = re.compile(r"/\*.*?\*/|(?<![:\w])//[^\n]*", re.DOTALL)
SPECIFIER = re.compile(r"""(?:\bfrom|\bimport)\s*\(?\s*["']([^"']+)["']""")


def source(module: str) -> str:
    """The text of a module without its comments."""
    return COMMENT.sub("", MODULES[module].read_text("utf-8"))


def modules() -> dict[str, Path]:
    """The modules by name: `link/link`."""
    paths = [path for path in SOURCES.rglob("*") if path.suffix in (".ts", ".tsx")]
    return {path.relative_to(SOURCES).with_suffix("").as_posix(): path for path in sorted(paths)}


MODULES = modules()


def imports(module: str) -> set[str]:
    """The modules of ours that a module imports, types included.

    Raises:
        LookupError: there is no such module.
    """
    found: set[str] = set()
    for specifier in SPECIFIER.findall(source(module)):
        if not specifier.startswith("."):
            continue
        parts: list[str] = []
        for part in (PurePosixPath(module).parent / specifier).parts:
            parts = parts[:-1] if part == ".." else [*parts, part]
        name = "/".join(parts)
        known = next((one for one in (name, f"{name}/index") if one in MODULES), None)
        if known is None:
            raise LookupError(f"{module} imports {specifier}, which is no module")
        found.add(known)
    return found
