"""What importing the package costs, in fresh processes: milliseconds above httpx, which it is built on.

Both are measured as a user has them: the package as a wheel, installed into a fresh environment with its byte code,
and httpx alone in another. What httpx imports for its own command line is left out of both.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROUNDS = 25
PROCESS_LIMIT = 30  # s for one process
AIM = 20.0  # ms above httpx
WITHOUT_ITS_COMMAND_LINE = "import sys; sys.modules['click'] = None"


@dataclass
class Contender:
    """A statement, the Python that runs it, and its rounds in seconds."""

    name: str
    python: Path
    statement: str
    rounds: list[float] = field(default_factory=list)

    def run(self) -> float:
        """The CPU time that a fresh interpreter takes for the statement, in seconds."""
        code = (
            f"from time import process_time as now; {WITHOUT_ITS_COMMAND_LINE}\n"
            f"began = now(); {self.statement}; print(now() - began)"
        )
        done = subprocess.run(
            [self.python, "-I", "-c", code], capture_output=True, text=True, timeout=PROCESS_LIMIT, check=True
        )
        return float(done.stdout)


def report() -> bool:
    """Print the table; says whether the aim was met."""
    with tempfile.TemporaryDirectory() as folder:
        bare = _environment(Path(folder, "bare"), f"httpx=={version('httpx')}")
        ours = _environment(Path(folder, "ours"), str(_wheel(Path(folder))))
        httpx = Contender("import httpx", bare, "import httpx")
        client = Contender(
            "LiveAvatar, made and closed", ours, "from liveavatar_nb import LiveAvatar; LiveAvatar('k' * 32).close()"
        )
        contenders = [
            httpx,
            Contender("import httpx, asyncio", bare, "import httpx, asyncio"),
            Contender("import httpx, asyncio, msgspec", ours, "import httpx, asyncio, msgspec"),
            Contender("import liveavatar_nb", ours, "import liveavatar_nb"),
            client,
        ]
        for _ in range(ROUNDS):
            for contender in contenders:
                contender.rounds.append(contender.run())
    print(f"\nImport in a fresh process, as installed, in CPU time ({ROUNDS} interleaved rounds)")
    print(f"{'':44}{'median':>10}    {'lowest':>10}    {'above httpx':>11}")
    for contender in contenders:
        above = _above(contender, httpx)
        met = f"   <= {AIM:g}: {'met' if above <= AIM else 'MISSED'}" if contender is client else ""
        median, lowest = statistics.median(contender.rounds) * 1e3, min(contender.rounds) * 1e3
        print(f"{contender.name:44}{median:10.1f} ms {lowest:10.1f} ms {above:11.1f} ms{met}")
    return _above(client, httpx) <= AIM


def _above(contender: Contender, reference: Contender) -> float:
    """The median difference in milliseconds: contenders of one round met the same noise."""
    return statistics.median(a - b for a, b in zip(contender.rounds, reference.rounds, strict=True)) * 1e3


def _wheel(folder: Path) -> Path:
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def _environment(folder: Path, requirement: str) -> Path:
    """A fresh virtual environment in which this is installed and compiled, by its Python."""
    uv = [sys.executable, "-m", "uv"]
    python = folder / "bin/python"
    subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
    install = [*uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(python), requirement]
    subprocess.run(install, check=True)
    return python
