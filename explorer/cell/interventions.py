"""What a what-if does to the cell on screen at a step: gates that are held, routes that are cut."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.requests import Excerpt
from explorer.widgets import numbers


@dataclass(frozen=True, slots=True)
class Hold:
    units: int
    """So many of the units on screen are held; of one unit 1."""
    of: int
    value: float
    """NaN: not all at the same value."""

    @property
    def whole(self) -> bool:
        return self.units == self.of

    @property
    def sign(self) -> str:
        """ ":= 1", ":= …" where the values differ."""
        return ":= …" if math.isnan(self.value) else f":= {numbers.short(self.value)}"


@dataclass(frozen=True, slots=True)
class Interventions:
    holds: Mapping[str, Hold] = field(default_factory=dict)
    """By gate, where any unit on screen is held at this step."""
    cuts: frozenset[str] = frozenset()

    def whole(self, gate: str) -> bool:
        """Whether the gate is held in all that is on screen: its equation does not make it then."""
        return gate in self.holds and self.holds[gate].whole

    def words(self, gate: str) -> str:
        if gate not in self.holds:
            return ""
        hold = self.holds[gate]
        part = "" if hold.whole else f" in {hold.units} of {hold.of} units"
        return f"held{part}: {gate} {hold.sign}"

    def __str__(self) -> str:
        parts = [self.words(gate) for gate in self.holds]
        if self.cuts:
            parts.append(f"cut: {', '.join(sorted(self.cuts))}")
        return " · ".join(parts)


def interventions(excerpt: Excerpt, step: int) -> Interventions:
    holds = {}
    of = 1 if excerpt.unit is not None else excerpt.focus.hidden_size
    for key, series in excerpt.cell_series.items():
        if key.startswith("held.") and series[step - 1] > 0:
            gate = key.removeprefix("held.")
            value = float(excerpt.cell_series[f"held_value.{gate}"][step - 1])
            holds[gate] = Hold(int(series[step - 1]), of, value)
    return Interventions(holds, excerpt.focus.cuts)
