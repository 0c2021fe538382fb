"""What a finding is made of: runs, and the rows that each of them measures."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

Tell: TypeAlias = Callable[[float, str], None]
"""Told how much of a run is done, from 0 to 1, and in words where it is."""


def quiet(done: float, words: str) -> None:
    """Nobody is told."""


@dataclass(frozen=True)
class Measured:
    """One row of the table."""

    what: str
    value: float
    """NaN: it did not come to it."""
    published: str
    """In words, as it was published: "1,440", "10⁻³⁹·²"."""
    low: float = -math.inf
    high: float = math.inf
    """What counts as the same finding: counts of iterations within a factor of 2, since seeds are not shared."""
    digits: int = 3
    unit: str = ""

    @property
    def agrees(self) -> bool:
        return self.low <= self.value <= self.high

    @property
    def shown(self) -> str:
        if math.isnan(self.value):
            return "not reached"
        number = f"{self.value:,.0f}" if self.unit == "updates" else f"{self.value:.{self.digits}g}"
        return f"{number} {self.unit}".rstrip()


def updates(what: str, value: float, published: str, *counts: int) -> Measured:
    """How many iterations it took; `counts`: those that were published."""
    return Measured(what, value, published, min(counts) / 2, max(counts) * 2, unit="updates")


@dataclass(frozen=True)
class Run:
    name: str
    measure: Callable[[Tell], tuple[Measured, ...]]
    minutes: float
    """About, on one core."""
    quick: bool = False
    """Seconds: one of those that --quick runs, and that the tests hold to the published numbers."""


@dataclass(frozen=True)
class Finding:
    slug: str
    title: str
    source: str
    setting: str
    runs: tuple[Run, ...]
    remark: str = ""
    """What a reader of the numbers should know."""
