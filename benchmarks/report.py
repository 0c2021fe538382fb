"""Rows of a benchmark: a table for people, and JSON for programs."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

Better = Literal["lower", "higher"]


@dataclass(frozen=True)
class Row:
    case: str
    value: float
    unit: str
    aim: float | None = None
    """What the value should reach; None where nothing was promised."""
    better: Better = "lower"

    @property
    def reached(self) -> bool | None:
        if self.aim is None:
            return None
        return self.value <= self.aim if self.better == "lower" else self.value >= self.aim


def times(case: str, milliseconds: Sequence[float], aim: float | None = None) -> list[Row]:
    """Median, p95 and worst of a series of times, as rows of their own. The aim is the p95's."""
    ordered = sorted(milliseconds)
    p95 = ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]
    return [
        Row(f"{case}, median", statistics.median(ordered), "ms"),
        Row(f"{case}, p95", p95, "ms", aim),
        Row(f"{case}, worst", ordered[-1], "ms"),
    ]


def report(rows: Iterable[Row], path: str | None = None) -> None:
    """Print the table, and write the rows to `path` as a JSON list if there is one."""
    rows = list(rows)
    width = max((len(row.case) for row in rows), default=0)
    for row in rows:
        sign = "≤" if row.better == "lower" else "≥"
        aim = "" if row.aim is None else f"   aim {sign} {row.aim:g}"
        verdict = {None: "", True: "   reached", False: "   MISSED"}[row.reached]
        print(f"{row.case:<{width}}  {row.value:>10.3f} {row.unit:<3}{aim}{verdict}")
    if path is not None:
        text = json.dumps([asdict(row) for row in rows], indent=1, ensure_ascii=False)
        Path(path).write_text(text + "\n", encoding="utf-8")
