"""The harness's fake Python writes what the real one does, as `contract.ts` has it."""

from __future__ import annotations

from ..contract.typescript import Named, Types
from .conftest import Open

# every state, and what the wire tab is told
ALL = """async () => {
  const { FIXTURES, TIMINGS, traits, WIRE } = await import("/fixtures.js");
  const states = Object.fromEntries(Object.keys(FIXTURES).map((name) => [name, traits(name)]));
  return { states, messages: [
    { type: "wire", rows: WIRE.some },
    { type: "wire_state", change: 1, timings: TIMINGS, dropped: 0 },
  ] };
}"""


def test_the_fixtures_are_what_python_writes(harness: Open) -> None:
    types = Types("contract")
    fields = types.shape("Traits").fields
    found = harness("picker").run(ALL)
    assert len(found["states"]) > 50
    assert [
        complaint
        for state, traits in found["states"].items()
        for name, value in traits.items()
        for complaint in types.complaints(value, fields[name], f"{state}: {name}")
    ] == []
    assert [line for one in found["messages"] for line in types.complaints(one, Named("Message"), one["type"])] == []
