"""The reference can be built, and has a text for every public name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import liveavatar_nb

from . import reference


@pytest.fixture(autouse=True)
def loaded() -> Iterator[None]:
    reference.load()
    yield
    for name in liveavatar_nb.__all__:
        delattr(liveavatar_nb, name)


@pytest.mark.parametrize("module", reference.MODULES)
def test_every_public_name_has_a_text(module: str) -> None:
    names = reference.names(module)
    assert len(names) > 3
    assert [name for name, has_text in names.items() if not has_text] == []


def test_the_reference_is_built(tmp_path: Path) -> None:
    reference.build(tmp_path)
    page = (tmp_path / "liveavatar_nb.html").read_text()
    members = ("Session.say", "Session.state", "LiveAvatar.start", "LiveAvatar.avatars", "Utterance.wait")
    for name in (*liveavatar_nb.__all__, *members):
        assert f'id="{name}"' in page, name


def test_tools_that_import_nothing_see_the_same_names() -> None:
    """As type checkers and griffe do: a list in the source, and imports for type checkers only."""
    tree = ast.parse(Path(liveavatar_nb.__file__).read_text())
    (listed,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    )
    imported = {
        alias.asname: node.module
        for checked in tree.body
        if isinstance(checked, ast.If)
        for node in checked.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert set(listed) == set(imported)
    assert imported == liveavatar_nb._HOMES
