"""What both benchmarks share: a median of rounds, and its ratio to a reference, with an aim."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One contender's rounds, each in seconds, and the ratio to the reference that it should not pass."""

    name: str
    rounds: Sequence[float]
    aim: float | None = None


def show(title: str, rows: Sequence[Row], *, reference: str, unit: str, per_second: float) -> bool:
    """Print the medians and their ratios to the row named `reference`; says whether every aim was met.

    The ratio is the median of the rounds' own ratios: contenders of one round met the same noise.
    """
    by_name = {row.name: row for row in rows}
    print(f"\n{title}\n{'':44}{'median':>10} {unit:<3}{'spread':>8}{'ratio':>8}   aim")
    met = True
    for row in rows:
        median = statistics.median(row.rounds)
        low, _, high = statistics.quantiles(row.rounds, n=4)
        ratio = statistics.median(one / other for one, other in zip(row.rounds, by_name[reference].rounds, strict=True))
        verdict = ""
        if row.aim is not None:
            verdict = f"   <= {row.aim:g}: {'met' if ratio <= row.aim else 'MISSED'}"
            met = met and ratio <= row.aim
        spread = f"±{(high - low) / 2 / median:.0%}"
        print(f"{row.name:44}{median * per_second:10.2f} {unit:<3}{spread:>8}{ratio:8.2f}{verdict}")
    return met
