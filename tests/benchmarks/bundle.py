"""What the pages are made of: the size of each script and of the style sheet, and what of it is a library's."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from liveavatar_nb.widgets.front_end import STATIC

from .packages import FRONT_END, NotInstalled, package_file

# as build.mjs has it
TARGETS = "--target=chrome123,firefox120,safari17.5"
ENTRIES = {"loader": "src/loader.ts", "widgets": "src/widgets/index.ts", "media": "src/room/media/index.ts"}


@dataclass(frozen=True)
class Part:
    """One file as it ships, and the bytes of it that came of packages, by their names."""

    name: str
    content: bytes
    packages: dict[str, int]


def report() -> bool:
    """Print the table; there is no aim."""
    packages, missing = {}, ""
    with tempfile.TemporaryDirectory() as folder:
        try:
            packages = {name: _packages(name, Path(folder)) for name in ENTRIES}
        except NotInstalled as failure:
            missing = f": not measured. {failure}"
    parts = [
        Part(path.name, path.read_bytes(), packages.get(path.stem, {}) if path.suffix == ".js" else {})
        for path in sorted(STATIC.iterdir())
    ]
    print(f"\n{'Size by part, in kB (1,000 bytes)':24}{'':20}{'raw':>10}{'gzip':>10}   of packages, raw{missing}")
    for part in parts:
        told = ", ".join(f"{name} {size / 1000:.1f}" for name, size in part.packages.items())
        print(f"{part.name:44}{len(part.content) / 1000:10.1f}{_zipped(part.content):10.1f}   {told}")
    whole = b"".join(part.content for part in parts)
    print(f"{'all':44}{len(whole) / 1000:10.1f}{sum(_zipped(part.content) for part in parts):10.1f}")
    return True


def _zipped(content: bytes) -> float:
    return len(gzip.compress(content, 9)) / 1000


def _packages(name: str, folder: Path) -> dict[str, int]:
    """Bytes of a bundle by the package that they came of, the greatest first; esbuild counts them."""
    esbuild = package_file(".bin/esbuild")
    told = folder / f"{name}.json"
    flags = ["--bundle", "--format=esm", "--minify", "--jsx=automatic", "--jsx-import-source=preact", TARGETS]
    made = [f"--outfile={folder / name}.js", f"--metafile={told}", "--legal-comments=none", "--log-level=error"]
    subprocess.run([esbuild, ENTRIES[name], *flags, *made], cwd=FRONT_END, check=True)
    (output,) = json.loads(told.read_bytes())["outputs"].values()
    found: dict[str, int] = {}
    for path, input_ in output["inputs"].items():
        if package := re.search(r"node_modules/((?:@[^/]+/)?[^/]+)/", path):
            found[package[1]] = found.get(package[1], 0) + input_["bytesInOutput"]
    return dict(sorted(found.items(), key=lambda item: -item[1]))
