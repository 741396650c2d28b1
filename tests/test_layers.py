"""Imports go one way: each row may import rows above it, lazy imports included."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import liveavatar_nb

PACKAGE = Path(liveavatar_nb.__file__).parent

ROWS = [
    ["simulator"],
    [
        "concurrency.clock",
        "concurrency.tasks",
        "errors",
        "concurrency.bounded",
        "concurrency.signals",
        "concurrency.threads",
        "concurrency.weak",
        "concurrency.worker",
    ],
    ["config"],
    ["session.attention", "audio", "protection.evidence", "html", "protection.journal", "rest.retry"],
    ["wirelog.exchange"],
    ["validation", "wirelog.frame", "models.base"],
    ["wirelog.har", "wirelog.timeline"],
    ["wirelog.log"],
    ["models.records"],
    ["rest.envelope", "rest.network"],
    ["rest.connection"],
    ["protection.blocking_stop", "rest.transport"],
    ["rooms.participants"],
    ["models.requests", "rest.pagination", "rooms.livekit_server"],
    ["rest.operation", "rooms.own_room"],
    ["rest.resources"],
    ["rest.api"],
    ["protocol"],
    ["protection.guard"],
    [
        "session.events",
        "session.speech.feed",
        "protection.running",
        "session.options",
        "session.speech.pacing",
        "session.start_checks",
        "session.timings",
        "session.keep_alive",
        "session.speech.utterance",
    ],
    [
        "session.speech.answerer",
        "rooms.connection",
        "session.speech.transcript",
        "session.lookup",
        "session.speech.progress",
        "session.speech.sources",
        "session.speech.tracker",
        "protocol.websocket",
    ],
    ["rooms.simulated_participant", "rooms.livekit_participant", "session.billing"],
    ["session.opening"],
    ["session.speech.full", "session.speech.lite"],
    ["session.facts", "protection.orphans"],
    ["session.hearing"],
    ["session.session"],
    ["session.lifecycle"],
    ["client"],
    ["bridge.nested"],
    ["bridge.loop"],
    ["sync.listing"],
    ["sync.api", "sync.rooms"],
    ["widgets"],
    ["sync.session"],
    ["sync.client"],
    ["cli.demo", "cli.probe", "cli.tables"],
    ["cli.doctor"],
    ["cli.main"],
    ["cli.__main__"],
]
RANK = {name: rank for rank, row in enumerate(ROWS) for name in row}


def home(module: str) -> str | None:
    """The entry of a row that a module belongs to: itself, or the package that it lies in."""
    while module and module not in RANK:
        module = module.rpartition(".")[0]
    return module or None


# simulators stand beside the three tiers: only the faces that offer a demo use them, and errors come from `errors`
INSIDE_ROWS = {"audio", "protection.guard", "widgets", "protocol", "simulator"}


def imports(path: Path) -> set[str]:
    """The entries of the rows that a file imports, wherever in it."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = list(parts[: len(parts) - node.level]) if node.level else []
            stem = ["liveavatar_nb", *base] if node.level else []
            module = [*stem, *(node.module.split(".") if node.module else [])]
            names = [".".join([*module, alias.name]) for alias in node.names]
        found |= {home(name.removeprefix("liveavatar_nb.")) for name in names if name.startswith("liveavatar_nb.")}
    return {name for name in found if name is not None}


def modules() -> list[Path]:
    return sorted(
        path
        for path in PACKAGE.rglob("*.py")
        if "frontend" not in path.parts and "notebooks" not in path.parts and path.name != "__init__.py"
    )


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_rows_above_it(path: Path) -> None:
    here = home(".".join(path.relative_to(PACKAGE).with_suffix("").parts))
    assert here is not None, f"{path} has no row: where does it stand?"
    for name in imports(path):
        if name == here:
            assert here in INSIDE_ROWS, f"{path} imports itself"
        else:
            assert RANK[name] < RANK[here], f"{here} imports {name}, which stands below it"


def test_the_simulator_imports_nothing_of_ours() -> None:
    for path in (PACKAGE / "simulator").rglob("*.py"):
        assert imports(path) <= {"simulator"}, path


def test_httpx_stays_behind_the_calls() -> None:
    def uses_httpx(path: Path) -> bool:
        tree = ast.parse(path.read_text())
        checked = [node for node in tree.body if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)]
        guarded = {id(inner) for node in checked for inner in ast.walk(node)}
        return any(
            isinstance(node, ast.Import) and any(alias.name == "httpx" for alias in node.names)
            for node in ast.walk(tree)
            if id(node) not in guarded
        )

    assert sorted(path.name for path in modules() if uses_httpx(path)) == [
        "blocking_stop.py",
        "connection.py",
        "network.py",
        "probe.py",
        "transport.py",
    ]
