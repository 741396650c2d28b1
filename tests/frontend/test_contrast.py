"""Contrast, computed from the colours as they are rendered: of text at least 4.5 to 1, of controls 3 to 1 (WCAG 2.2).

Beside axe-core, which passes over what it is unsure of: text over a picture, placeholders, outlines, icons.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Open = Callable[..., Any]

TEXT = 4.5
CONTROL = 3.0

# A state, and the tab that it is looked at in.
SIGHTS = [
    ("pick", ""),
    ("loading", ""),
    ("failed_catalogue", ""),
    ("sandbox_wrong", ""),
    ("starting", ""),
    ("live", ""),
    ("last_minute", ""),
    ("warnings", ""),
    ("unconfirmed", ""),
    ("ended", ""),
    ("no_credits", ""),
    ("talk_queue", ""),
    ("talk_caption", ""),
    ("talk_failed", ""),
    ("talk_full", ""),
    ("talk_idle", "Wire"),
    ("full_silent", ""),
    ("full_thinking", ""),
    ("full_user", ""),
    ("full_talking", ""),
    ("full_problem", ""),
    ("pick", "Settings"),
    ("persona", "Settings"),
    ("persona_variables", "Settings"),
    ("persona_failed", "Settings"),
]

MEASURE = r"""
() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
  // Whatever form a colour is written in: red, green, blue and alpha.
  const parse = (text) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = text;
    canvas.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = canvas.getImageData(0, 0, 1, 1).data;
    return [red, green, blue, alpha / 255];
  };
  const over = (top, ground) => {
    const mixed = [0, 1, 2].map((at) => top[at] * top[3] + ground[at] * (1 - top[3]));
    return [...mixed, 1];
  };
  const light = (colour) => {
    const [red, green, blue] = colour.slice(0, 3).map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const ratio = (one, other) => {
    const [dark, bright] = [light(one), light(other)].sort((a, b) => a - b);
    return (bright + 0.05) / (dark + 0.05);
  };
  // What may be behind an element: one colour, those of a gradient, or, before a picture, white and black.
  const grounds = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) {
      const style = getComputedStyle(at);
      const colour = parse(style.backgroundColor);
      if (colour[3] > 0) layers.push(colour);
      if (colour[3] === 1) break;
      const bases = style.backgroundImage.includes("gradient")
        ? style.backgroundImage.match(/(rgb|color|oklch|lab)[^(]*\([^)]*\)/g).map(parse)
        : at !== element && at.matches(".lv-stage, .lv-face")
          ? [[255, 255, 255, 1], [0, 0, 0, 1]]
          : [];
      if (bases.length) return bases.map((base) => layers.reduceRight((under, top) => over(top, under), base));
    }
    return [layers.reduceRight((under, top) => over(top, under), [255, 255, 255, 1])];
  };
  const isShown = (element) =>
    element.checkVisibility({opacityProperty: true, visibilityProperty: true}) &&
    !element.closest(".lv-sr") && element.getClientRects().length > 0;
  const worst = (colour, element) =>
    Math.min(...grounds(element).map((ground) => ratio(over(parse(colour), ground), ground)));
  const found = {text: [], control: []};
  const note = (kind, value, element, words) =>
    found[kind].push([Math.round(value * 100) / 100, `${element.className || element.tagName}: ${words}`]);
  for (const element of document.querySelectorAll(".view *")) {
    if (!isShown(element) || element.closest("svg")) continue;
    const style = getComputedStyle(element);
    const own = [...element.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data.trim()).join(" ");
    if (own.trim()) note("text", worst(style.color, element), element, own);
    if (element.matches("input, textarea, select") && !element.disabled) {
      if (element.placeholder && !element.value) {
        note("text", worst(getComputedStyle(element, "::placeholder").color, element), element, element.placeholder);
      }
      if (element.matches(".lv-switch")) {
        note("control", worst(style.backgroundColor, element.parentElement), element, "switch");
      }
      if (!element.matches("[type=radio], [type=checkbox], [type=range]")) {
        note("control", worst(style.borderColor, element.parentElement), element, "border");
      }
    }
    const icon = element.matches("button:enabled") && !element.innerText.trim() && element.querySelector("svg");
    if (icon) note("control", worst(getComputedStyle(icon).color, element), element, element.ariaLabel);
  }
  const frame = document.querySelector(".lv");
  const probe = document.createElement("i");
  probe.style.color = "var(--_accent)";
  frame.append(probe);
  note("control", worst(getComputedStyle(probe).color, frame), probe, "the focus ring");
  probe.remove();
  return found;
}
"""


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("state", "tab"), SIGHTS)
def test_text_and_controls_stand_out(harness: Open, state: str, tab: str, theme: str) -> None:
    view = harness("studio", state, theme=theme)
    if tab:
        view.page.get_by_role("tab", name=tab).click()
    for name in ("Change", "Edit the prompt"):
        if view.button(name).count():
            view.button(name).click()
    view.page.wait_for_timeout(150)
    found = view.run(MEASURE)
    assert len(found["text"]) > 10
    assert len(found["control"]) > 1
    assert [one for one in found["text"] if one[0] < TEXT] == []
    assert [one for one in found["control"] if one[0] < CONTROL] == []


@pytest.mark.parametrize("host", ["lab", "none"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_holds_in_jupyterlab_and_without_a_host(harness: Open, theme: str, host: str) -> None:
    view = harness("studio", "full_talking", **{"as": host, "theme": theme})
    view.page.emulate_media(color_scheme=theme)
    found = view.run(MEASURE)
    low = [one for kind, least in (("text", TEXT), ("control", CONTROL)) for one in found[kind] if one[0] < least]
    assert low == []


def test_the_measure_finds_what_is_too_faint(harness: Open) -> None:
    view = harness("studio", "talk_full")
    view.run("document.querySelector('.lv').style.setProperty('--_mute', '#b0b0b0')")
    view.run("document.querySelector('.lv').style.setProperty('--_edge', '#d0d0d0')")
    found = view.run(MEASURE)
    assert min(one[0] for one in found["text"]) < TEXT
    assert min(one[0] for one in found["control"]) < CONTROL


@pytest.mark.parametrize(("width", "least"), [(360, 14), (1100, 24)])
def test_captions_are_readable_from_afar(harness: Open, width: int, least: int) -> None:
    view = harness("studio", "full_talking", width=width)
    size, ratio = view.run(
        "() => { const said = document.querySelector('.lv-said'); const stage = document.querySelector('.lv-stage');"
        "const size = parseFloat(getComputedStyle(said).fontSize); return [size, size / stage.clientHeight]; }"
    )
    assert size >= least
    # broadcasters' subtitles: a line is about a twentieth of the picture's height
    assert ratio >= 0.045
