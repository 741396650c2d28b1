"""The variables of a context's texts, in the form of today and the one of before."""

from __future__ import annotations

import warnings

import pytest

from liveavatar_nb.errors import LiveAvatarWarning
from liveavatar_nb.models.contexts import variables_in, warn_of_old_variables


def test_variables_are_named_once() -> None:
    assert variables_in("${a} $${b} ${a} $d", "${c} {d} ${} ${two words} {{e}}", None) == ["a", "b", "c"]


@pytest.mark.parametrize("texts", [("You guide {{ visitor }}.", None), ("You guide.", "Hello {{visitor}}, {{b}}!")])
def test_a_variable_in_its_old_form_is_told_with_the_new_one(texts: tuple[str, str | None]) -> None:
    with pytest.warns(LiveAvatarWarning, match=r"fill in \{\{ ?visitor ?\}\}\. Write \$\{visitor\}") as caught:
        warn_of_old_variables(*texts)
    assert len(caught) == 1


def test_other_braces_are_no_variables() -> None:
    with warnings.catch_warnings(action="error"):
        warn_of_old_variables('Answer as JSON: {"a": {"b": 1}}, {{}}, {{ two words }}, ${visitor}.', None)
