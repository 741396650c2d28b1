"""Functions for mixing ``#rrggbb`` colours."""

from __future__ import annotations


def mix(start: str, end: str, share: float) -> str:
    """Return the colour that lies `share` (0 to 1) of the way from `start` to `end`."""
    pairs = zip(_channels(start), _channels(end), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def lighter(colour: str, share: float) -> str:
    """Return the colour mixed with white."""
    return mix(colour, "#ffffff", share)


def darker(colour: str, share: float) -> str:
    """Return the colour mixed with black."""
    return mix(colour, "#000000", share)


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
