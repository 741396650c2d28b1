"""`python -m tests.reference FOLDER`: the reference of the public names, built by pdoc. It is not shipped."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pdoc
from pdoc.doc import Class, Doc, Module, Variable

import liveavatar_nb

MODULES = ("liveavatar_nb", "liveavatar_nb.config", "liveavatar_nb.errors", "liveavatar_nb.simulator")
ENTRY = re.compile(r"^ {4}(\w+(?:, \w+)*): ", re.MULTILINE)  # of an attribute or argument, in Google's style


def build(folder: Path) -> None:
    """Write the reference's pages."""
    pdoc.render.configure(docformat="google")
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    # in a checkout, pdoc warns that the installed package and a folder there have the same name
    with contextlib.chdir(folder), warnings.catch_warnings():
        # in a class with a method `list`, pdoc takes the annotation `list[...]` for that method
        warnings.filterwarnings("ignore", "Error parsing type annotation .*'function' object is not subscriptable")
        pdoc.pdoc(*MODULES, output_directory=folder)


def load() -> None:
    """Load all public names: pdoc shows what a module holds, and ours are only loaded when they are asked for."""
    for name in liveavatar_nb.__all__:
        setattr(liveavatar_nb, name, getattr(liveavatar_nb, name))


def names(module: str) -> dict[str, bool]:
    """All public names of a module and of its classes, and whether they have a text."""
    members = list(_public(Module(importlib.import_module(module))))
    holders = {member.fullname: member.obj for member in members if isinstance(member, Class)}
    return {member.fullname: _has_text(member, holders) for member in members}


def _public(holder: Module | Class) -> Iterator[Doc[object]]:
    """The public members. One that a class of another package defines is not ours."""
    for member in holder.members.values():
        is_ours = member.taken_from[0].partition(".")[0] == "liveavatar_nb"
        if not member.name.startswith("_") and (is_ours or not member.is_inherited):
            yield member
            if isinstance(member, Class):
                yield from _public(member)


def _has_text(member: Doc[object], holders: dict[str, type]) -> bool:
    if member.docstring.strip():
        return True
    holder = holders.get(member.fullname.rpartition(".")[0])
    return isinstance(member, Variable) and holder is not None and member.name in _described(holder)


def _described(kind: type) -> set[str]:
    """The attributes that the docstring of a class, or of one of its bases, describes."""
    texts = [inspect.cleandoc(base.__doc__ or "") for base in kind.__mro__]
    return {name for text in texts for names in ENTRY.findall(text) for name in names.split(", ")}


if __name__ == "__main__":
    load()
    build(Path(sys.argv[1]))
