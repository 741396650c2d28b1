"""A studio of many avatars: from running its cell until the search finds one of them, and nodes in the page.

Beside it the same with the simulator's sixteen. The client is there already: a kernel's first import is no part of it.
"""

from __future__ import annotations

import statistics
from typing import Any

from liveavatar_nb import LiveAvatar, Simulator

from .live import studio_cells
from .page import Place, place
from .table import Row, show

MANY = 1000
ROUNDS = 5
LIMIT = 60_000  # ms for a round in the page
FEW = "the studio of the simulator's 16 avatars"
OURS = f"the studio of {MANY:,} avatars"
# Runs a cell, and types into the search as soon as all avatars are there; times in ms.
MEASURE = """
async ([index, total, name, limit]) => {
  const end = performance.now() + limit;
  const until = (look) => new Promise((resolve, reject) => {
    const turn = () => {
      const now = performance.now();
      if (look()) resolve(now);
      else if (now > end) reject(new Error(`it did not come: ${look}`));
      else setTimeout(turn, 2);
    };
    turn();
  });
  const nodes = () => {
    const walker = document.createTreeWalker(document, NodeFilter.SHOW_ALL);
    let count = 1;
    while (walker.nextNode()) count += 1;
    return count;
  };
  const cards = () => document.querySelectorAll(".lv-cards [role=option]");
  const listed = () => Number(cards()[0]?.ariaSetSize ?? 0);
  const input = () => document.querySelector(`.lv-search input[placeholder="Search ${total} avatars"]`);
  const before = nodes();
  const panel = jupyterapp.shell.currentWidget;
  panel.content.activeCellIndex = index;
  const began = performance.now();
  void jupyterapp.commands.execute("notebook:run-cell");
  const shown = (await until(() => document.querySelector(".lv-studio"))) - began;
  const searchable = (await until(input)) - began;
  const typed = performance.now();
  Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set.call(input(), name);
  input().dispatchEvent(new InputEvent("input", { bubbles: true }));
  const found = await until(() => cards().length > 0 && [...cards()].every((card) => card.textContent.includes(name)));
  await new Promise(requestAnimationFrame);
  const few = nodes() - before;
  input().value = "";
  input().dispatchEvent(new InputEvent("input", { bubbles: true }));
  const all = Number(total.replace(",", ""));
  const cleared = performance.now();
  await until(() => listed() === all && cards().length > 1);
  await new Promise(requestAnimationFrame);
  const back = performance.now() - cleared;
  return { shown, searchable, found: found - began, typing: found - typed, back, before, few, nodes: nodes() - before };
}
"""


def report() -> bool:
    """Print the table; there is no aim."""
    with place() as there, _simulator(MANY) as many, _simulator(None) as few:
        rounds: dict[str, list[dict[str, float]]] = {FEW: [], OURS: []}
        names = {FEW: few, OURS: many}
        for number in range(ROUNDS):
            for name in sorted(names, reverse=bool(number % 2)):
                rounds[name].append(_round(there, names[name]))
    rows = [Row(name, [one["found"] / 1000 for one in told]) for name, told in rounds.items()]
    title = f"Running the cell until the search has found one ({ROUNDS} rounds in turn)"
    show(title, rows, reference=FEW, unit="ms", per_second=1e3)
    print(f"\n{'  medians':44}{'16':>10}{f'{MANY:,}':>10}")
    for step, words in STEPS.items():
        cells = [statistics.median(one[step] for one in rounds[name]) for name in (FEW, OURS)]
        print(f"  {words:42}" + "".join(f"{cell:10.0f}" for cell in cells))
    return True


STEPS = {
    "shown": "the studio is on the page, ms",
    "searchable": "all avatars can be searched, ms",
    "found": "one was found, ms",
    "typing": "from the letters to what they find, ms",
    "back": "from no letters to all of them, ms",
    "nodes": "nodes that the cell adds, all listed",
    "few": "nodes that the cell adds, one found",
    "before": "nodes of JupyterLab before it",
}


def _simulator(avatars: int | None) -> Simulator:
    return Simulator(avatars=avatars, history=False, rate_limit=None)


def _round(there: Place, simulator: Simulator) -> dict[str, float]:
    with LiveAvatar(simulator.api_key, api_url=simulator.url) as la:
        names = [avatar.name for avatar in la.avatars()]
    with there.notebook(studio_cells(simulator)) as opened:
        opened.run(0)
        opened.wait_until_idle()
        told: Any = opened.page.evaluate(MEASURE, [1, f"{len(names):,}", names[-1], LIMIT])
        return dict(told)
