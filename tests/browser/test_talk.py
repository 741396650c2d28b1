"""Speech in a real JupyterLab, in a real Chromium: the Talk tab, the Wire tab, and `play` in a cell."""

from __future__ import annotations

import json
import re
import time
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, expect

from liveavatar_nb import Simulator

from ..waiting import wait_for
from .conftest import Lab, Notebook
from .test_studio import STUDIO, button, expect_state, now_clicked

Make = Callable[..., Notebook]

EFFECT_LIMIT = 1.0  # s from a click to the wire
RATE = 24_000


def write_sound(path: Path, seconds: float) -> bytes:
    samples = np.random.default_rng(1).integers(-8_000, 8_000, round(seconds * RATE), dtype=np.int16).tobytes()
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(samples)
    return samples


def live_studio(opened: Notebook) -> Page:
    page = opened.page
    opened.run(0)
    button(page, "Start")
    expect_state(page, "Live")
    expect(page.get_by_role("tab", name="Talk")).to_have_attribute("aria-selected", "true")
    return page


def types(simulator: Simulator) -> list[str]:
    return [frame.type for frame in simulator.frames()]


def test_sounds_are_picked_dropped_played_and_hushed(
    notebook: Make, connect: str, simulator: Simulator, lab: Lab, tmp_path: Path
) -> None:
    beside = write_sound(lab.folder / "beside.wav", 1.0)
    added = write_sound(tmp_path / "added.wav", 30.0)
    opened = notebook([f"{connect}\n{STUDIO}", "import time\ntime.sleep(20)", "print(studio.session.transcript)"])
    page = live_studio(opened)
    button(page, "Play beside.wav")
    wait_for(lambda: [one.state for one in simulator.heard()] == ["said"])
    assert simulator.heard()[0].pcm == beside
    page.locator(".lv-sounds input[type=file]").set_input_files(str(tmp_path / "added.wav"))
    opened.run(1, wait=False)
    time.sleep(1)
    # a cell is running: clicks go by the control channel all the same
    played = now_clicked(page, "Play added.wav")
    wait_for(lambda: types(simulator).count("agent.speak_end") == 1 and "agent.speak" in types(simulator)[4:])
    first = next(frame for frame in simulator.frames() if frame.event_id == simulator.heard()[1].event_id)
    expect_state(page, "talking")
    hushed = now_clicked(page, "Interrupt")
    wait_for(lambda: types(simulator)[-1] == "agent.interrupt")
    assert opened.is_running(1)
    delays = first.received_at - played, simulator.frames()[-1].received_at - hushed
    print("click to wire, in s: play {:.3f}, interrupt {:.3f}".format(*delays))
    assert max(delays) < EFFECT_LIMIT
    heard = simulator.heard()[1]
    assert heard.state == "interrupted"
    assert heard.pcm == added[: len(heard.pcm)]
    expect(page.get_by_text("was interrupted").first).to_be_visible()
    opened.kernel("interrupt")
    button(page, "Stop")
    expect_state(page, "Ended")


def test_the_wire_tab_shows_what_went_over_it_and_the_notebook_keeps_none_of_it(
    notebook: Make, connect: str, simulator: Simulator, lab: Lab
) -> None:
    opened = notebook([f"{connect}\n{STUDIO}"])
    page = live_studio(opened)
    button(page, "Play Test tone")
    wait_for(lambda: [one.state for one in simulator.heard()] == ["said"])
    page.get_by_role("tab", name="Wire").click()
    panel = page.get_by_role("tabpanel")
    for told in ("agent.speak_end", "agent.speak_ended"):
        expect(panel.get_by_text(told, exact=True).first).to_be_visible()
    expect(panel.get_by_text("first word").first).to_be_visible()
    opened.save()
    wait_for(lambda: '"output_type"' in (lab.folder / opened.name).read_text())
    saved = json.loads((lab.folder / opened.name).read_text())
    kept = json.dumps([saved["metadata"], [cell["outputs"] for cell in saved["cells"]]])
    assert "agent.speak" not in kept
    assert simulator.api_key not in kept
    button(page, "Stop")
    expect_state(page, "Ended")


def test_a_cell_that_plays_shows_how_far_it_is_and_can_be_interrupted(
    notebook: Make, connect: str, simulator: Simulator, lab: Lab
) -> None:
    write_sound(lab.folder / "short.wav", 1.5)
    write_sound(lab.folder / "long.wav", 30)
    opened = notebook(
        [
            f"{connect}\ns = la.start('Silas')\ns.play('short.wav', text='Hello.')",
            "s.play('long.wav')",
            "print(s.utterances[-1].state, s.state)\ns.stop()",
        ]
    )
    page = opened.page
    opened.run(0)
    cell = page.locator(".jp-Cell").first
    expect(cell.get_by_text(re.compile(r"said$")).first).to_be_visible()
    assert "<Utterance 'short.wav' ended" in opened.output(0)
    opened.run(1, wait=False)
    expect(page.get_by_text("talking").first).to_be_visible()
    expect(page.get_by_text(re.compile(r"0:02 / 0:30")).first).to_be_visible()
    opened.kernel("interrupt")
    wait_for(lambda: types(simulator)[-1] == "agent.interrupt")
    opened.wait_until_idle()
    opened.run(2)
    assert opened.output(2).split() == ["interrupted", "connected"]
