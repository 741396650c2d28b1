"""The front end that widgets share: one model, which exports contain, or in marimo each widget's own script."""

from __future__ import annotations

from typing import Any

import ipywidgets
import pytest
from ipywidgets.embed import embed_data

from liveavatar_nb import AvatarPicker, LiveAvatar, LiveView, SessionPanel, Studio, Talk, WireLog
from liveavatar_nb.widgets import front_end
from liveavatar_nb.widgets.front_end import CODE, LOADER, STYLE

from ..waiting import wait_for

REFERENCE = "IPY_MODEL_"
KINDS = AvatarPicker, SessionPanel, Talk, LiveView, WireLog, Studio


def made(kind: Any, la: LiveAvatar) -> Any:
    """A widget that has loaded what it shows."""
    widget = kind(la)
    wait_for(lambda: getattr(widget, "catalogue", {}).get("state") != "loading" and getattr(widget, "credits", "0"))
    return widget


def test_all_widgets_refer_to_one_front_end_and_are_small_themselves(la: LiveAvatar) -> None:
    states = [made(kind, la).get_state() for kind in KINDS]
    (reference,) = {state["_front_end"] for state in states}
    shared = ipywidgets.widgets.widget._instances[reference.removeprefix(REFERENCE)]
    assert (shared.code, shared.style) == (CODE, STYLE)
    assert all(len(state["_esm"] + state["_css"]) < 5_000 for state in states)


def test_a_front_end_that_was_closed_is_followed_by_another(la: LiveAvatar) -> None:
    first = Talk(la)._front_end
    ipywidgets.Widget.close_all()
    second, third = Talk(la)._front_end, Talk(la)._front_end
    assert first is not second is third
    assert second is not None
    assert second.comm is not None


@pytest.mark.parametrize("kind", KINDS)
def test_an_export_contains_the_front_end(la: LiveAvatar, kind: Any) -> None:
    """By `embed_minimal_html`, which leaves out widgets that nothing refers to."""
    widget = made(kind, la)
    states = embed_data([widget], drop_defaults=False)["manager_state"]["state"]
    own = states[widget.model_id]["state"]
    assert own["_component"] == widget._COMPONENT
    assert own["_esm"] == LOADER
    assert states[own["_front_end"].removeprefix(REFERENCE)]["state"].items() >= {"code": CODE, "style": STYLE}.items()


def test_in_marimo_the_front_end_is_the_script_of_each_widget(la: LiveAvatar, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front_end, "is_in_cell_of_marimo", lambda: True)
    widget = Talk(la)
    assert (widget._esm, widget._css, widget._front_end) == (CODE, STYLE, None)
    assert widget._component == "talk"
