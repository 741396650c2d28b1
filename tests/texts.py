"""Draw texts of the package at random, to be read by fresh eyes: `python -m tests.texts 60 --seed 1`."""

from __future__ import annotations

import argparse
import ast
import random
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import liveavatar_nb

PACKAGE = Path(liveavatar_nb.__file__).parent
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
LEAST_WORDS = 4


def texts() -> Iterator[tuple[str, str, str]]:
    """Each docstring, comment and sentence of the Python package: its place, its kind and its words."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if "frontend" in path.parts or "notebooks" in path.parts:
            continue
        tree = ast.parse(path.read_text())
        place = str(path.relative_to(PACKAGE.parent))
        documented = set()
        for node in ast.walk(tree):
            if isinstance(node, DOCUMENTED) and (text := ast.get_docstring(node)):
                line = node.body[0].lineno
                documented.add(line)
                yield f"{place}:{line}", "docstring", text
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                for argument in [*node.args, *(keyword.value for keyword in node.keywords)]:
                    if isinstance(argument, (ast.Constant, ast.JoinedStr)) and argument.lineno not in documented:
                        text = ast.unparse(argument)
                        if len(re.findall(r"[a-z]{2,}", text)) >= LEAST_WORDS and " " in text:
                            yield f"{place}:{argument.lineno}", "sentence", text
        with path.open("rb") as file:
            for token in tokenize.tokenize(file.readline):
                words = token.string.removeprefix("#").strip()
                if token.type == tokenize.COMMENT and len(words.split()) >= LEAST_WORDS and "noqa" not in words:
                    yield f"{place}:{token.start[0]}", "comment", words


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int, nargs="?", default=60)
    parser.add_argument("--seed", type=int, default=None)
    arguments = parser.parse_args()
    drawn = random.Random(arguments.seed).sample(list(texts()), arguments.count)
    for number, (place, kind, text) in enumerate(drawn, 1):
        print(f"{number}. {place} ({kind})\n   {text.replace(chr(10), chr(10) + '   ')}\n")


if __name__ == "__main__":
    main()
