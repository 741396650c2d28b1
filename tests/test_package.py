"""What importing the package does, and above all what it does not."""

from __future__ import annotations

import subprocess
import sys

import pytest

import liveavatar_nb


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_it_patches_nothing_and_imports_nothing_heavy() -> None:
    code = """
import sys, asyncio
was = (asyncio.run, asyncio.Task, dict(vars(asyncio.SelectorEventLoop)))
import liveavatar_nb
assert (asyncio.run, asyncio.Task, dict(vars(asyncio.SelectorEventLoop))) == was
heavy = {"livekit", "nest_asyncio", "httpx", "ipywidgets", "anywidget", "websockets", "starlette", "uvicorn", "numpy"}
print(sorted(heavy & set(sys.modules)))
"""
    assert run(code) == "[]"


def test_a_client_imports_nothing_that_it_may_not_need() -> None:
    code = """
import sys
sys.modules["click"] = None  # httpx imports it, and more, for its own command line
from liveavatar_nb import LiveAvatar
LiveAvatar("key").close()
heavy = {"httpx2", "livekit", "nest_asyncio", "ipywidgets", "anywidget", "starlette", "numpy"}
for_errors, for_display = {"difflib"}, {"html.entities"}
print(sorted((heavy | for_errors | for_display) & set(sys.modules)))
"""
    assert run(code) == "[]"


@pytest.mark.parametrize("name", liveavatar_nb.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    assert getattr(liveavatar_nb, name).__doc__


def test_a_misspelt_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(AttributeError, match="Did you mean LiveAvatar"):
        _ = liveavatar_nb.LiveAvater


def test_names_can_be_completed() -> None:
    assert set(liveavatar_nb.__all__) <= set(dir(liveavatar_nb))
